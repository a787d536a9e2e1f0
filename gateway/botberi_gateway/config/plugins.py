"""Which plug-ins a server loads."""

from collections.abc import Mapping
from dataclasses import dataclass

from botberi_gateway.config.setting import SECONDS, setting


@dataclass(frozen=True, slots=True)
class PluginConfig:
    """One plug-in."""

    use: str = setting(
        "", "The name of an entry point (group `botberi_gateway.plugins`), or `module:attribute`.", restart=True
    )
    options: Mapping[str, str] = setting(
        {}, "Arguments by name for the class or function that makes it.", secret=True, restart=True
    )
    timeout_seconds: float = setting(5.0, "Time that one of its hooks may take.", unit=SECONDS, restart=True)
