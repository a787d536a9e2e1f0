"""Terms that the architecture's pages and the rooms' READMEs use as terms stand in the glossary.

A page sets a term in *italics* where it first uses it; a room's README may list its terms in a line `Terms: entity,
key`.
"""

import re
from pathlib import Path

import pytest

from lab.docs_site import source
from tests.platform.running import ROOT

GLOSSARY = ROOT / "docs" / "glossary.md"
ROOMS = ("botberi", "event_broker", "gateway", "lab", "shared_schema", "subgraphs", "workers")

_ENTRY = re.compile(r"^- \*\*([^*]+)\*\*: (.+?)(?=\n- |\n\n|\Z)", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"^```.*?^```$|``.*?``|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_ITALICS = re.compile(r"(?<![*\w])\*([^*\s](?:[^*\n]*\n?[^*\n]*[^*\s])?)\*(?![*\w])")
_LIST = re.compile(r"^\**Terms\**: (.+(?:\n\S.*)*)", re.MULTILINE)


def entries(text: str) -> dict[str, str]:
    """Term -> its sentence."""
    return {term.lower(): " ".join(sentence.split()) for term, sentence in _ENTRY.findall(text)}


def terms(text: str) -> set[str]:
    """What a page sets in italics, and what it lists as its terms. Sentences in italics are no terms."""
    prose = _CODE.sub("", text)
    found = {" ".join(term.split()) for term in _ITALICS.findall(prose)}
    for line in _LIST.findall(prose):
        found.update(term.strip(" *.\n") for term in line.split(","))
    return {term.lower() for term in found if term and not term.endswith((".", "?", "!", ":"))}


def known(term: str, glossary: dict[str, str]) -> bool:
    """Plurals count as their singular."""
    return any(form in glossary for form in (term, term.removesuffix("s"), re.sub("ies$", "y", term)))


def pages() -> list[Path]:
    rooms = (ROOT / page for page in source().pages if page.name == "README.md" and page.parts[0] in ROOMS)
    return sorted([*(ROOT / "docs" / "architecture").glob("*.md"), *rooms])


def test_every_term_has_one_sentence_in_the_order_of_the_alphabet() -> None:
    text = GLOSSARY.read_text()
    found = [term.lower() for term, _ in _ENTRY.findall(text)]
    assert len(found) >= 40
    assert len(found) == len(set(found))
    assert len(found) == len(re.findall(r"^- ", text, re.MULTILINE)), "an entry that this test can't read"
    for part in text.split("\n## ")[1:]:
        in_part = [term.lower() for term, _ in _ENTRY.findall(part)]
        assert in_part == sorted(in_part), part.partition("\n")[0]
    for term, sentence in entries(text).items():
        assert sentence[:1].isupper(), term
        assert sentence.endswith("."), term
        assert not re.search(r"[.!?] [A-Z]", sentence), f"{term} has more than one sentence"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_terms_of_a_page_are_in_the_glossary(page: Path) -> None:
    glossary = entries(GLOSSARY.read_text())
    assert [term for term in sorted(terms(page.read_text())) if not known(term, glossary)] == []


@pytest.mark.parametrize("room", sorted(({*ROOMS} - {"gateway"}) | {"env", "infra", "tests"}))
def test_each_room_names_its_entry_file_and_its_terms(room: str) -> None:
    text = (ROOT / room / "README.md").read_text()
    entry = re.search(r"Entry: \[`([^`]+)`\]", text)
    assert entry, "a line that begins with `Entry:` and links a file"
    assert (ROOT / room / entry[1]).is_file()
    glossary = entries(GLOSSARY.read_text())
    listed = _LIST.findall(text)
    assert listed, "a line `Terms: …`"
    for term in listed[0].split(","):
        assert known(term.strip(" .\n").lower(), glossary), term


def test_what_counts_as_a_term() -> None:
    text = (
        "A *side table* has **bold**, `*code*` and *A sentence.* in it; 2 * 3 * 4.\n\nTerms: entities, Key,\nfetch "
        "group.\n"
    )
    assert terms(text) == {"side table", "entities", "key", "fetch group"}
    glossary = entries("- **entity**: It.\n- **side table**: It is\n  a table.\n")
    assert glossary == {"entity": "It.", "side table": "It is a table."}
    assert known("entities", glossary)
    assert not known("key", glossary)
