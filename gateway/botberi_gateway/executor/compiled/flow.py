"""A layout -> the source of `run(flight)`.

Requests begin as early as the plan allows, answers go into side tables, and the projection comes at the end.
"""

from contextlib import ExitStack

from botberi_gateway.executor.compiled.copies import CopyingStep
from botberi_gateway.executor.compiled.gather import Gather
from botberi_gateway.executor.compiled.layout import Layout, Table, root_name
from botberi_gateway.executor.compiled.source import Source
from botberi_gateway.executor.compiled.step import Step
from botberi_gateway.executor.compiled.walking import Walks
from botberi_gateway.plan import Fetch, Parallel, PlanNode, Sequence


class Flow:
    """Writes the coroutine function. Its argument is a `Flight`."""

    def __init__(self, source: Source, layout: Layout) -> None:
        self._source = source
        self._layout = layout
        self._steps: dict[int, str] = {}
        self._walks = Walks(layout)

    def write(self) -> None:
        """`run(flight)` gives the data; None where something is lost, or the answers are left to the interpreter."""
        source, layout = self._source, self._layout
        state = layout.state()
        with source.block("async def run(flight):"):
            self._node(layout.node, self._declare())
            with source.block("if flight.bail_out is not None:"):
                source.line("return None")
            saved = f"flight.state = {{{', '.join(f'{name!r}: {name}' for name in state)}}}"
            with source.block("if flight.keeps:"):
                source.line(saved)
            with source.block("if flight.losses:"):
                source.line("return None")
            with source.block("try:"):
                source.line(f"return project({', '.join(['flight', *state])})")
            with source.block("except ODD:"):
                source.line(saved)
                source.line("raise")

    def _declare(self) -> list[str]:
        """Writes the first values of all that fetches leave behind, and gives the names."""
        source, layout = self._source, self._layout
        source.line("spending = flight.spending")
        for number in sorted(layout.roots):
            source.line(f"{root_name(number)} = {'flight.given' if number == layout.given else 'EMPTY'}")
        tables = [table for number in sorted(layout.tables) for table in layout.tables[number]]
        for table in tables:
            if table.same_as is None:
                asked = "Copies()" if table.is_contextual else "[]"
                source.line(f"{table.index} = {{}}; {table.asked} = {asked}")
            source.line(f"{table.rows} = []")
        return [*layout.state(), *dict.fromkeys(table.asked for table in tables)]

    def write_parts(self) -> None:
        """`start(flight)` gives a function that returns what the fetches have left behind, and coroutine functions.

        They are of what isn't deferred, and of each part.
        """
        source, layout = self._source, self._layout
        with source.block("def start(flight):"):
            names = self._declare()
            parts = [source.name("part") for _ in (None, *layout.parts)]
            for name, node in zip(parts, (layout.node, *(node for node, _ in layout.parts)), strict=True):
                with source.block(f"async def {name}():"):
                    if names:
                        source.line(f"nonlocal {', '.join(names)}")
                    with self._walks.inner():
                        self._node(node, names)
                    source.line("pass")
            # Of entities that were asked for and haven't come yet nothing is known.
            asked = {table.rows: table.asked for tables in layout.tables.values() for table in tables}
            values = {
                name: f"{name} or [EMPTY] * len({asked[name]})" if name in asked else name for name in layout.state()
            }
            with source.block("def left():"):
                source.line(f"return {{{', '.join(f'{name!r}: {value}' for name, value in values.items())}}}")
            source.line(f"return left, ({', '.join(parts)},)")

    def _node(self, node: PlanNode | None, state: list[str]) -> None:
        match node:
            case Fetch():
                self._begin(node)
                self._end(node)
            case Sequence(nodes):
                for child in nodes:
                    self._node(child, state)
            case Parallel(nodes):
                self._parallel(nodes, state)

    def _parallel(self, nodes: tuple[PlanNode, ...], state: list[str]) -> None:
        """Plain fetches are bare futures; of longer branches all but the last are tasks."""
        source = self._source
        fetches = [node for node in nodes if isinstance(node, Fetch)]
        branches = [node for node in nodes if not isinstance(node, Fetch)]
        for fetch in fetches:
            self._begin(fetch)
        tasks = []
        for branch in branches[:-1]:
            name, task = source.name("branch"), source.name("task")
            with source.block(f"async def {name}():"):
                if state:
                    source.line(f"nonlocal {', '.join(state)}")
                with self._walks.inner():
                    self._node(branch, state)
            source.line(f"{task} = flight.spawn({name}())")
            tasks.append(task)
        if branches:
            self._node(branches[-1], state)
        for fetch in fetches:
            self._end(fetch)
        for task in tasks:
            source.line(f"await {task}")

    def _begin(self, fetch: Fetch) -> None:
        """Gather representations, and send the request if there is anything to ask for.

        `requestN` is its future, or None.
        """
        source, layout = self._source, self._layout
        tables = layout.tables.get(fetch.id)
        step = self._steps[fetch.id] = f"FETCH_{fetch.id}"
        kind = CopyingStep if any(table.is_contextual for table in tables or ()) else Step
        source.constants[step] = kind(fetch, tables or (), layout.schema)
        source.line("")
        source.line(f"# fetch {fetch.id}: {_comment(fetch)}")
        future = f"request{fetch.id}"
        if tables is None:
            source.line(f"{future} = flight.send({step})")
            return
        source.line(f"{future} = None")
        self._gather(fetch, tables, step, future)

    def _gather(self, fetch: Fetch, tables: list[Table], step: str, future: str) -> None:
        """Representations, and the request for them."""
        source = self._source
        gather = Gather(source, self._layout, fetch, self._walks)
        gather.begin()
        with source.block("try:"):
            for table in tables:
                if table.entities is None:
                    gather.targets(table, fetch.path)
                elif table.same_as is None:
                    gather.representations(table, table.entities)
            source.line("pass")
        with source.block("except ODD as error:"):
            source.line(f"flight.odd({step}, error)")
        with source.block("else:"):
            if tables[0].entities is None:
                with source.block(f"if {tables[0].index} and flight.bail_out is None:"):
                    source.line(f"{future} = flight.send({step})")
            else:
                self._ask(tables, step, future)

    def _ask(self, tables: list[Table], step: str, future: str) -> None:
        """Sends the request, if there is anything to ask for.

        Not after an answer that this code can't read: the interpreter goes on, and may have more entities to ask for in
        the same request.
        """
        lists = [table.asked for table in tables]
        with self._source.block(f"if ({' or '.join(dict.fromkeys(lists))}) and flight.bail_out is None:"):
            self._source.line(f"{future} = flight.send({step}, ({''.join(f'{name}, ' for name in lists)}))")

    def _end(self, fetch: Fetch) -> None:
        """Await the answer; what it doesn't have is `Lost`."""
        source, layout = self._source, self._layout
        step, future = self._steps[fetch.id], f"request{fetch.id}"
        tables = layout.tables.get(fetch.id)
        with ExitStack() as stack:
            if tables is not None:
                stack.enter_context(source.block(f"if {future} is not None:"))
            with source.block("try:"):
                is_exact = fetch.id in layout.exact
                source.line(f"answer = await (await {future}).exactly()" if is_exact else f"answer = await {future}")
            with source.block("except FAULT as error:"):
                source.line(f"answer = flight.fault({step}, error)")
            if tables is None:
                source.line(f"{root_name(fetch.id)} = flight.root({step}, answer)")
            for number, table in enumerate(tables or ()):
                if table.entities is None:
                    source.line(f"{table.rows} = [flight.root({step}, answer)]")
                else:
                    read = "copies" if table.is_contextual else "entities"
                    source.line(f"{table.rows} = flight.{read}({step}, {number}, answer, {table.asked})")
        if fetch.id in layout.awaited:
            source.line(f"flight.end({fetch.id})")


def _comment(fetch: Fetch) -> str:
    """One line, whatever a subgraph is called."""
    text = f"{fetch.subgraph}: {'; '.join(fetch.reasons)}" if fetch.reasons else fetch.subgraph
    return " ".join(text.split())[:200]
