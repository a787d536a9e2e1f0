"""The gateway stands on what its metadata names; its tests need nothing of the platform."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

GATEWAY = Path(__file__).parents[1]
PLATFORM = {"botberi", "subgraphs", "shared_schema", "event_broker", "workers", "tests"}
#: Of the equipment for tests, what knows the gateway alone (an import rule holds it to that).
LAB = ("lab.fuzzing", "lab.bench.composition", "lab.bench.peers", "lab.bench.swaps")


def imports(folder: Path) -> Iterator[tuple[str, str]]:
    """File and module, of every import statement at any depth."""
    for path in sorted(folder.rglob("*.py")):
        if "node_modules" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((str(path.relative_to(GATEWAY)), alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield str(path.relative_to(GATEWAY)), node.module


def test_the_gateways_tests_import_nothing_of_the_platform() -> None:
    wrong = {
        (path, module)
        for path, module in imports(GATEWAY / "tests")
        if module.split(".")[0] in PLATFORM or (module.split(".")[0] == "lab" and not module.startswith(LAB))
    }
    assert wrong == set()


def test_every_package_that_is_imported_is_a_dependency() -> None:
    metadata = tomllib.loads((GATEWAY / "pyproject.toml").read_text())["project"]
    extras = (entry for extra in metadata["optional-dependencies"].values() for entry in extra)
    named = {_normalized(requirement) for requirement in (*metadata["dependencies"], *extras)}
    distributions = packages_distributions()
    imported = {module.split(".")[0] for _, module in imports(GATEWAY / "botberi_gateway")}
    foreign = imported - set(sys.stdlib_module_names) - {"botberi_gateway"}
    assert "graphql" in foreign
    missing = {name for name in foreign if not {_normalized(one) for one in distributions.get(name, ())} & named}
    assert missing == set()


def _normalized(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return re.sub(r"[-_.]+", "-", found[0]).lower()
