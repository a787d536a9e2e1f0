"""A layout -> the source of `run(flight)` over typed answers: `compiled.flow` where each has the expected shape."""

from contextlib import ExitStack

from botberi_gateway.executor.compiled.flow import Flow
from botberi_gateway.executor.compiled.layout import Layout, Table, root_name
from botberi_gateway.executor.compiled.source import Source, Unsupported
from botberi_gateway.executor.compiled.typed.answers import Answers, attribute
from botberi_gateway.executor.compiled.typed.gather import Gather
from botberi_gateway.executor.identity import identifiers
from botberi_gateway.plan import Fetch


class TypedFlow(Flow):
    """Writes the coroutine function. Its argument is a `Flight`; whatever doesn't fit is raised."""

    def __init__(self, source: Source, layout: Layout, answers: Answers) -> None:
        super().__init__(source, layout)
        self._answers = answers
        #: Fetches in the order in which their answers are looked at.
        self.heard: list[Fetch] = []

    def write(self) -> None:
        """`run(flight)` gives the data, an object of the response's type."""
        source, layout = self._source, self._layout
        with source.block("async def run(flight):"):
            self._node(layout.node, self._declare())
            source.line(f"return project({', '.join(['flight', *layout.state()])})")

    def _gather(self, fetch: Fetch, tables: list[Table], step: str, future: str) -> None:
        gather = Gather(self._source, self._layout, fetch, self._walks, self._answers)
        gather.begin()
        for table in tables:
            if table.entities is None:
                raise Unsupported("a root type below the root")
            if table.same_as is None:
                gather.representations(table, table.entities)
        self._ask(tables, step, future)

    def _end(self, fetch: Fetch) -> None:
        source, layout = self._source, self._layout
        self.heard.append(fetch)
        tables = layout.tables.get(fetch.id)
        step, data = self._steps[fetch.id], root_name(fetch.id) if tables is None else "data"
        with ExitStack() as stack:
            if tables is not None:
                stack.enter_context(source.block(f"if request{fetch.id} is not None:"))
            source.line(f"answer = await request{fetch.id}")
            source.line(f"{data} = answer.data")
            with source.block(f"if {data}.__class__ is not DATA_{fetch.id}:"):
                source.line(f"{data} = typed(flight, {step}, answer)")
            for table in tables or ():
                assert table.entities is not None
                source.line(f"{table.rows} = {data}.{attribute(table.entities.response_key)}")
                with source.block(f"if len({table.rows}) != len({table.asked}):"):
                    source.line("raise ShapeMismatch")
                self._check_identity(table)

    def _check_identity(self, table: Table) -> None:
        """What an entity repeats of its representation says whether it is the one that was asked for."""
        source, selected = self._source, self._answers.of(table.keys)
        repeated = [
            key
            for key in identifiers(self._layout.schema, selected.kind.name)
            if key in selected.fields and key not in table.keys.aliased
        ]
        if not repeated:
            return
        with source.block(f"for entity, representation in zip({table.rows}, {table.asked}, strict=True):"):
            for key in repeated:
                got = f"entity.{attribute(key)}"
                with source.block(f"if entity is not None and representation.get({key!r}, {got}) != {got}:"):
                    source.line("raise ShapeMismatch")
