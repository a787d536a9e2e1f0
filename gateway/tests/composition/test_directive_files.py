"""The files of `federation/directives/`: each is found, and each version of the specification has its directives."""

import re
from pathlib import Path

import pytest

from botberi_gateway.federation import Version, directives
from botberi_gateway.federation.directives import DIRECTIVES, directives_of
from botberi_gateway.federation.specified import definition
from botberi_gateway.federation.versions import FEDERATION_1

_V2_0 = {"key", "requires", "provides", "external", "tag", "extends", "shareable", "inaccessible", "override"}
#: What each version adds (https://www.apollographql.com/docs/graphos/reference/federation/versions).
_ADDED = {
    1: {"composeDirective"},
    3: {"interfaceObject"},
    5: {"authenticated", "requiresScopes"},
    6: {"policy"},
    8: {"context", "fromContext"},
    9: {"cost", "listSize"},
    12: {"cacheTag"},
}


def test_a_file_is_found_by_itself_and_has_its_directives_name() -> None:
    folder = Path(directives.__file__).parent
    named = {re.sub(r"_(.)", lambda m: m[1].upper(), file.stem) for file in folder.glob("[!_]*.py")}
    assert named - {"model", "locations"} == set(DIRECTIVES)


@pytest.mark.parametrize("minor", range(15))
def test_a_version_has_the_directives_of_those_before_it_and_its_own(minor: int) -> None:
    expected = _V2_0.union(*(names for since, names in _ADDED.items() if since <= minor))
    assert set(directives_of(Version(2, minor))) == expected


def test_federation_1_has_the_directives_of_its_specification() -> None:
    assert set(directives_of(FEDERATION_1)) == {"key", "requires", "provides", "external", "tag", "extends"}


@pytest.mark.parametrize(
    ("name", "before", "since", "gained"),
    [
        ("tag", 2, 3, "SCHEMA"),
        ("shareable", 1, 2, "repeatable"),
        ("override", 6, 7, "label"),
    ],
)
def test_a_newer_definition_holds_from_its_version_on(name: str, before: int, since: int, gained: str) -> None:
    assert gained not in directives_of(Version(2, before))[name]
    assert gained in directives_of(Version(2, since))[name]


@pytest.mark.parametrize("directive", DIRECTIVES.values(), ids=lambda d: d.name)
def test_each_definition_is_valid_sdl(directive: directives.SpecifiedDirective) -> None:
    for each in directive.definitions:
        assert definition(directive.name, each.sdl).locations
