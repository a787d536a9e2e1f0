"""Operations on written data: every executor answers what the case says and a monolith answers.

A field that the plan must not ask of a subgraph, a representation with too little or too much, an operation that isn't
valid there: the subgraphs complain of each.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from gateway.tests.conformance.arena import WrittenArena
from gateway.tests.conformance.folders import Folder, folders
from lab.fuzzing.world import Trouble


def plain(answer: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The answer's data, and of its errors what the case says of them.

    `failed` are deferred fragments, by path and label.
    """
    found: dict[str, Any] = {"data": answer["data"]}
    keys = {key for error in wanted.get("errors", ()) for key in error}
    if answer.get("errors"):
        found["errors"] = [
            {
                key: error.get("extensions", {}).get(key) if key in ("code", "service") else error.get(key)
                for key in keys
            }
            for error in answer["errors"]
        ]
    if answer.get("failed"):
        found["failed"] = [[list(path), label] for path, label in answer["failed"]]
    return found


@pytest.mark.parametrize("folder", folders("execution"), ids=str)
async def test_case(folder: Folder) -> None:
    arena = WrittenArena(folder)
    operation, wanted = folder.text("operation.graphql"), folder.json("answer.json")
    assert operation is not None
    facts = folder.json("trouble.json") or {}
    trouble = Trouble(8, nulls=0, failing=tuple(facts.get("failing", ())), how=facts.get("how", "unreachable"))
    outcome = await arena.run(operation, folder.json("variables.json") or {}, trouble)
    answers = wanted if isinstance(wanted, list) else [wanted]
    assert not outcome.skipped
    assert not outcome.problem, f"{outcome.problem}\n{outcome.plan}"
    assert [plain(one, other) for one, other in zip(outcome.answers, answers, strict=True)] == answers, outcome.plan
