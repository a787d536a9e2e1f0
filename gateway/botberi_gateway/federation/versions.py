"""Specification URLs -> identity, name and version; the federation versions that exist."""

import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit


class Version(NamedTuple):
    """A feature's version. Majors are incompatible with each other, minors are not (majors of 0: each minor is)."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"v{self.major}.{self.minor}"

    @classmethod
    def parse(cls, text: str) -> "Version | None":
        match = re.fullmatch(r"v(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})", text)
        return cls(int(match[1]), int(match[2])) if match else None


@dataclass(frozen=True, slots=True)
class FeatureUrl:
    """`https://specs.apollo.dev/federation/v2.9` in parts; `version` is None where the URL names none."""

    identity: str
    name: str | None
    version: Version | None

    def __str__(self) -> str:
        return self.identity if self.version is None else f"{self.identity}/{self.version}"

    @classmethod
    def parse(cls, text: str) -> "FeatureUrl | None":
        """None where the text is no URL."""
        try:
            parts = urlsplit(text)
        except ValueError:
            return None
        if not parts.scheme or not parts.netloc or re.search(r"\s", text):
            return None
        path = [p for p in parts.path.split("/") if p]
        version = Version.parse(path[-1]) if path else None
        if version is not None:
            path.pop()
        name = path[-1] if path and re.fullmatch(r"[_A-Za-z][_A-Za-z0-9.-]*", path[-1]) else None
        base = f"{parts.scheme}://{parts.netloc}"
        return cls("/".join([base, *path]), name, version)


FEDERATION = "https://specs.apollo.dev/federation"
LINK = "https://specs.apollo.dev/link"
CORE = "https://specs.apollo.dev/core"
JOIN = "https://specs.apollo.dev/join"
TAG = "https://specs.apollo.dev/tag"
INACCESSIBLE = "https://specs.apollo.dev/inaccessible"
AUTHENTICATED = "https://specs.apollo.dev/authenticated"
REQUIRES_SCOPES = "https://specs.apollo.dev/requiresScopes"
POLICY = "https://specs.apollo.dev/policy"
COST = "https://specs.apollo.dev/cost"
CONTEXT = "https://specs.apollo.dev/context"
CACHE_TAG = "https://specs.apollo.dev/cacheTag"
CONNECT = "https://specs.apollo.dev/connect"

#: A schema that links no federation specification is of federation 1.
FEDERATION_1 = Version(1, 0)
#: The newest that composition knows everything of.
LATEST = Version(2, 14)
#: `@link` of the federation specification at these versions is accepted.
KNOWN_FEDERATION = frozenset(Version(2, minor) for minor in range(LATEST.minor + 1))
KNOWN_LINK = frozenset({Version(1, 0)})
#: What a federation 1 subgraph counts as once it is upgraded.
UPGRADED = Version(2, 4)
