"""V4, the gateway's part: one document can't run as many mutations as it has room for."""

import pytest

from botberi_gateway.config import OperationLimits
from botberi_gateway.errors import RequestError
from gateway.tests.support.local_gateway import ask, local_gateway

SDL = "type Query { a: Int } type Mutation { login(password: String): Int other: Int }"
ROOT = {"a": 1, "login": 1, "other": 2}


def logins(count: int) -> str:
    """So many under aliases."""
    return " ".join(f'x{number}: login(password: "{number}")' for number in range(count))


@pytest.mark.parametrize(
    "query",
    [
        f"mutation {{ {logins(11)} }}",
        f"mutation {{ ...A ...B }} fragment A on Mutation {{ {logins(6)} }} "
        "fragment B on Mutation { a: other b: other c: other d: other e: other }",
        f"mutation {{ ... on Mutation {{ ... {{ {logins(11)} }} }} }}",
        f"mutation {{ {logins(11).replace(')', ') @include(if: true)')} }}",
        # The one that isn't run counts too: which is run isn't known before.
        f"mutation A {{ login }} mutation B {{ {logins(11)} }}",
    ],
)
async def test_more_than_ten_are_refused(query: str) -> None:
    with pytest.raises(RequestError) as refused:
        await local_gateway(SDL, ROOT).prepare(query, "A" if "mutation A" in query else None)
    assert refused.value.code == "LIMIT_EXCEEDED"
    assert refused.value.message == "The operation exceeds the limit of 10 mutations in one operation."


@pytest.mark.parametrize(
    "query",
    [
        f"mutation {{ __typename {logins(10)} }}",
        # Repeats of a response key are one mutation.
        "mutation { ...A ...B login } fragment A on Mutation { login } fragment B on Mutation { login other }",
    ],
)
async def test_ten_are_run(query: str) -> None:
    assert "errors" not in await ask(local_gateway(SDL, ROOT), query)


async def test_the_limit_is_a_setting_and_queries_have_their_own() -> None:
    few = OperationLimits(max_root_mutations=1)
    with pytest.raises(RequestError, match="limit of 1 mutations"):
        await local_gateway(SDL, ROOT, few).prepare("mutation { login other }")
    await local_gateway(SDL, ROOT, few).prepare("{ " + " ".join(f"x{number}: a" for number in range(50)) + " }")
