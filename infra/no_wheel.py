"""Hatchling's hook for the platform: an application, which is installed in place and has no wheel."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class NoWheelHook(BuildHookInterface[Any]):
    """Ends every build but that of an editable installation, with what to do instead."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before each build."""
        if version != "editable":
            self.app.abort(
                "The platform `botberi` is an application and has no wheel: run it from the repository (./start) or "
                "from its image (infra/container/Dockerfile). The gateway has one: build the folder gateway/."
            )
