"""Markdown and a page with markers -> the page with the Markdown between them; the rest of the page stays."""

from pathlib import Path

from lab.bench.peers import ROOT

PAGE = ROOT / "docs" / "performance.md"


def begin(block: str) -> str:
    """The line before a block."""
    return f"<!-- bench gateway: {block} -->"


def end(block: str) -> str:
    """The line after it."""
    return f"<!-- end of {block} -->"


def replaced(text: str, block: str, lines: list[str]) -> str:
    """The page's text with the block's lines renewed. Raises `ValueError` unless its markers are there, in order."""
    first, last = begin(block), end(block)
    if text.count(first) != 1 or text.count(last) != 1 or text.index(first) > text.index(last):
        raise ValueError(f"the page needs the lines {first} and {last}, once and in this order")
    before, rest = text.split(first)
    _, after = rest.split(last)
    return f"{before}{first}\n" + "\n".join(lines).strip() + f"\n{last}{after}"


def write(block: str, lines: list[str], page: Path = PAGE) -> None:
    """Renews a block of the page."""
    page.write_text(replaced(page.read_text(), block, lines))
