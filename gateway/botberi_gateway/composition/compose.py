"""Subgraphs' SDLs -> a supergraph, or errors; hints in both cases."""

import gc
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from botberi_gateway.composition.ingest import Text, build, graph_names, note_usage, read, upgrade
from botberi_gateway.composition.merge import MergedTypes, merge
from botberi_gateway.composition.problem import LimitExceeded, Problem
from botberi_gateway.composition.rules import INPUT_RULES, MERGED_RULES, SET_RULES, SUBGRAPH_RULES
from botberi_gateway.composition.subgraph import Subgraph, SubgraphSchema
from botberi_gateway.supergraph import Supergraph
from botberi_gateway.supergraph.print import print_supergraph

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Composition:
    """The result of `compose`. `supergraph` is None if there are errors."""

    supergraph: Supergraph | None
    errors: tuple[Problem, ...]
    hints: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        return not self.errors

    @cached_property
    def supergraph_sdl(self) -> str | None:
        """Standard supergraph SDL."""
        return None if self.supergraph is None else print_supergraph(self.supergraph)


def compose(subgraphs: Sequence[Subgraph]) -> Composition:
    """Read, check and merge the subgraphs, check the result, prove that it can be queried. No SDL makes it raise.

    A stage starts when the one before it found no error, and reports all of its own errors at once.
    """
    return compose_with(subgraphs, Memory())


@dataclass(slots=True)
class Known:
    """The results that depend on one subgraph's text alone. `schema` is kept where no other subgraph can change it."""

    sdl: str
    text: Text | None
    problems: list[Problem]
    schema: SubgraphSchema | None = None


@dataclass(slots=True)
class Memory:
    """Results that the next composition can reuse: of subgraphs by name, and of types whose subgraphs stay the same."""

    texts: dict[str, Known] = field(default_factory=dict)
    types: MergedTypes = field(default_factory=MergedTypes)


def compose_with(subgraphs: Sequence[Subgraph], memory: Memory) -> Composition:
    """As `compose`, with the results in `memory`, which afterwards has those of these subgraphs alone."""
    # Millions of nodes are made and none is garbage: collecting takes a third of the time and finds nothing.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _compose(subgraphs, memory)
    except (RecursionError, LimitExceeded) as error:
        reason = str(error) if isinstance(error, LimitExceeded) else "something in the subgraphs is nested too deep"
        logger.warning("composition gave up: %s", reason)
        return Composition(None, (Problem("COMPOSITION_LIMIT_EXCEEDED", f"Composition gave up: {reason}."),), ())
    finally:
        if collecting:
            gc.enable()


def _compose(subgraphs: Sequence[Subgraph], memory: Memory) -> Composition:
    problems = [p for rule in INPUT_RULES for p in rule(subgraphs)]
    if problems:
        return Composition(None, tuple(problems), ())
    schemas, problems = _ingest_all(sorted(subgraphs, key=lambda s: s.name), memory.texts)
    if problems:
        return Composition(None, tuple(problems), ())
    problems = upgrade(schemas)
    if problems:
        return Composition(None, tuple(problems), ())
    for schema in schemas:
        if schema.was_upgraded:
            note_usage(schema)
            problems += _check_subgraph(schema)
    if problems:
        return Composition(None, tuple(problems), ())
    problems = [p for rule in SET_RULES for p in rule(schemas)]
    merged = merge(schemas, memory.types)
    hints = merged.hints
    if merged.supergraph is None or problems:
        return Composition(None, (*problems, *merged.errors), hints)
    for rules in MERGED_RULES:
        reported = [p for rule in rules for p in rule(merged.supergraph, merged.state)]
        problems = [p for p in reported if p.level == "ERROR"]
        hints += tuple(p for p in reported if p.level != "ERROR")
        if problems:
            return Composition(None, tuple(problems), hints)
    return Composition(merged.supergraph, (), hints)


def _ingest_all(subgraphs: Sequence[Subgraph], memory: dict[str, Known]) -> tuple[list[SubgraphSchema], list[Problem]]:
    names = graph_names([s.name for s in subgraphs])
    for gone in memory.keys() - names.keys():
        del memory[gone]
    schemas, problems = [], []
    for subgraph in subgraphs:
        result = memory.get(subgraph.name)
        if result is None or result.sdl != subgraph.sdl:
            result = memory[subgraph.name] = Known(subgraph.sdl, *read(subgraph.name, subgraph.sdl))
        schema = _schema(result, subgraph, names[subgraph.name])
        if schema is not None:
            schemas.append(schema)
        problems += result.problems
    return schemas, problems


def _schema(result: Known, subgraph: Subgraph, graph: str) -> SubgraphSchema | None:
    if result.schema is not None:
        result.schema.graph, result.schema.url = graph, subgraph.url or ""
        return result.schema
    if result.text is None:
        return None
    schema = build(result.text, subgraph, graph)
    note_usage(schema)
    if schema.is_federation_2:  # others are changed by how they are upgraded, which depends on all
        result.problems += _check_subgraph(schema)
        result.schema = schema
    return schema


def _check_subgraph(schema: SubgraphSchema) -> list[Problem]:
    return [problem for rule in SUBGRAPH_RULES for problem in rule(schema)]
