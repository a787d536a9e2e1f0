"""No time says whether an address has an account: register, sign-in and reset, known beside unknown addresses.

The long form: `BOTBERI_TIMING_SAMPLES=500 ./test tests/security/test_account_timing.py`. Both kinds are measured one
after the other in a random order, so that whatever else the machine does falls on both. That both kinds send the same
statements is what every run of the tests checks (tests/subgraphs/test_identity_accounts.py).
"""

import os
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from scipy.stats import ks_2samp

from tests.subgraphs.conftest import Client
from tests.subgraphs.test_identity_accounts import act
from tests.support.identity import WRONG, answer_to_register, identity_client, login, new_address, register

SAMPLES = int(os.environ.get("BOTBERI_TIMING_SAMPLES", "0"))
#: Below it the two kinds of times come from different distributions.
MIN_P = 0.01

pytestmark = [
    pytest.mark.skipif(SAMPLES == 0, reason="the long form: BOTBERI_TIMING_SAMPLES=500"),
    pytest.mark.timeout(1800),
]

Ask = Callable[[Client, str], Awaitable[Any]]
ASKED: dict[str, Ask] = {
    "register": lambda client, address: answer_to_register(client, {"email": address}),
    "login": lambda client, address: login(client, address, WRONG),
    "reset": lambda client, address: act(client, "requestPasswordReset", {"email": address}),
}


async def p_value(client: Client, known: list[str], ask: Ask) -> float:
    """Kolmogorov and Smirnov's p of the times for known addresses beside those for unknown ones."""
    asked = [(address, True) for address in known] + [(new_address(), False) for _ in known]
    random.shuffle(asked)
    times: dict[bool, list[float]] = {True: [], False: []}
    for address, is_known in asked:
        began = time.perf_counter()
        answer = await ask(client, address)
        times[is_known].append(time.perf_counter() - began)
        assert answer["__typename"] != "ThrottledError"
    return float(ks_2samp(times[True], times[False]).pvalue)


@pytest.mark.parametrize("name", ASKED)
async def test_known_and_unknown_addresses_take_equally_long(user_database_url: str, name: str) -> None:
    settings = {"mails_per_address": 10_000, "sign_in_attempts": 1000, "sign_in_attempts_per_account": 10_000}
    async with identity_client(user_database_url, **settings) as client:
        known = [(await register(client))[1] for _ in range(SAMPLES)]
    async with identity_client(user_database_url, registration_confirmed=True, **settings) as client:
        # What is read first is slower, whatever it is.
        await p_value(client, known[:20], ASKED[name])
        p = await p_value(client, known, ASKED[name])
        if p <= MIN_P:
            p = await p_value(client, known, ASKED[name])
        print(f"{name}: {SAMPLES} + {SAMPLES}, p = {p:.3f}")
        assert p > MIN_P
