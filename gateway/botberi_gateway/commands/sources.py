"""What the command line names as subgraphs (files, lists, URLs) -> their names, SDLs, addresses and files."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from botberi_gateway.commands.console import BAD_INPUT, INVALID_GRAPH, fail, read, run
from botberi_gateway.errors import GatewayError


@dataclass(frozen=True, slots=True)
class Source:
    """One subgraph that the command line names."""

    name: str
    #: None until the running subgraph has been asked for it.
    sdl: str | None = None
    #: Where requests go; the supergraph has it.
    url: str | None = None
    #: The file that has the SDL.
    file: str | None = None
    #: The address of a running subgraph that is asked for its SDL.
    ask: str | None = None


def gather(pairs: Sequence[str] = (), lists: Sequence[Path] = (), files: Sequence[Path] = ()) -> list[Source]:
    """Read subgraphs from `NAME=URL` or `NAME=FILE`, lists in JSON or YAML, and SDL files named as their subgraphs."""
    return run(complete(listed(pairs, lists, files)))


def listed(pairs: Iterable[str] = (), lists: Iterable[Path] = (), files: Iterable[Path] = ()) -> list[Source]:
    """As `gather`, but running subgraphs are not asked for their SDLs."""
    sources = [_pair(pair) for pair in pairs]
    for path in lists:
        sources += [_entry(path, index, entry) for index, entry in enumerate(_entries(path))]
    sources += [Source(path.stem, read(path), file=str(path)) for path in files]
    names = [source.name for source in sources]
    if len(set(names)) != len(names):
        fail(BAD_INPUT, "Two subgraphs have the same name.")
    return sources


async def complete(sources: Iterable[Source]) -> list[Source]:
    """The same sources, with the SDL of each running subgraph, which is asked for `_service { sdl }`."""
    from botberi_gateway.engine import fetch_sdl
    from botberi_gateway.schema_delivery.places import reason_of
    from botberi_gateway.upstream import HttpClient

    async def ask(source: Source) -> Source | str:
        if source.sdl is not None:
            return source
        assert source.ask is not None
        client = HttpClient(source.name, source.ask)
        try:
            return replace(source, sdl=await fetch_sdl(source.name, client))
        except GatewayError as error:
            return f"{error.code}: subgraph {source.name!r} at {source.ask} gave no SDL: {reason_of(error)}"
        finally:
            await client.aclose()

    answers = await asyncio.gather(*(ask(source) for source in sources))
    problems = [answer for answer in answers if isinstance(answer, str)]
    if problems:
        advice = "Start what is down, correct its URL, or give its SDL in a file (--subgraphs)."
        fail(INVALID_GRAPH, "\n".join((*problems, advice)))
    return [answer for answer in answers if isinstance(answer, Source)]


def _pair(pair: str) -> Source:
    name, separator, place = pair.partition("=")
    if not separator or not name or not place:
        fail(BAD_INPUT, f"--subgraph {pair!r} is not NAME=URL.")
    if place.startswith(("http://", "https://")):
        return Source(name, url=place, ask=place)
    return Source(name, read(Path(place)), file=place)


def _entries(file: Path) -> list[Any]:
    """The subgraphs of a list file.

    It is a list of `{name, url, sdl}`, or a mapping `subgraphs: {name: {routing_url, schema: {file | sdl |
    subgraph_url}}}`.
    """
    text = read(file)
    parsed: Any
    if file.suffix.lower() in (".yaml", ".yml"):
        import yaml

        try:
            parsed = yaml.safe_load(text)
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            fail(BAD_INPUT, f"{file} is not valid YAML: {' '.join(str(error).split())}.")
    else:
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError) as error:
            fail(BAD_INPUT, f"{file} is not valid JSON: {error}.")
    if isinstance(parsed, dict) and isinstance(parsed.get("subgraphs"), dict | list):
        parsed = parsed["subgraphs"]
    if isinstance(parsed, dict) and parsed and all(isinstance(entry, dict) for entry in parsed.values()):
        parsed = [{"name": name, **entry} for name, entry in parsed.items()]
    if not isinstance(parsed, list) or not parsed:
        fail(BAD_INPUT, f"{file} is not a list of {{name, url, sdl}}.")
    return parsed


def _entry(file: Path, index: int, entry: Any) -> Source:
    fields: Mapping[str, Any] = entry if isinstance(entry, dict) else {}
    schema = fields.get("schema")
    nested: Mapping[str, Any] = schema if isinstance(schema, dict) else {}
    name, url = fields.get("name"), fields.get("url", fields.get("routing_url"))
    sdl = fields.get("sdl", nested.get("sdl"))
    path, ask = fields.get("file", nested.get("file")), nested.get("subgraph_url", url)
    texts = all(isinstance(value, str) or value is None for value in (url, sdl, path, ask))
    if not isinstance(name, str) or not name or not texts or (ask is None and sdl is None and path is None):
        fail(BAD_INPUT, f"{file}: entry {index} needs a name, a url, and may have an sdl or a file, all strings.")
    if sdl is None and path is not None:
        place = file.parent / path
        return Source(name, read(place), url, str(place))
    return Source(name, sdl, url, None, None if sdl is not None else ask)
