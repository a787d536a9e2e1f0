"""One trace from the request that makes a run to the last event of its worker, and on to who reaps or sweeps it."""

import re
import secrets
from typing import Any

import psycopg
from psycopg.rows import dict_row

from botberi.postgres import running_url
from shared_schema.ids import from_global_id
from tests.platform.clients import Client
from tests.platform.running import RunningPlatform
from tests.platform.test_instances import MADE, TEXTS, agent_id, watch


def ask_database(platform: RunningPlatform, statement: str, *values: Any) -> list[dict[str, Any]]:
    url = running_url(platform.state_dir, "shared_psql")
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        cursor = connection.execute(statement, values)  # type: ignore[arg-type]
        return list(cursor.fetchall()) if cursor.description else []


async def test_everything_that_becomes_of_a_run_is_in_the_trace_of_its_request(
    platform: RunningPlatform, user: Client
) -> None:
    trace = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
    given = {
        "name": "traced",
        "agentId": await agent_id(user, "text-insights"),
        "parameters": {"texts": TEXTS},
    }
    query = f"mutation($input: CreateInstanceInput!) {{ createInstance(input: $input) {{ __typename {MADE} }} }}"
    status, answer = await user.post({"query": query, "variables": {"input": given}}, headers={"traceparent": trace})
    assert status == 200
    instance = answer["data"]["createInstance"]["instance"]["id"]
    assert (await watch(user, instance))[-1]["status"] == "SUCCEEDED"

    events = ask_database(
        platform,
        "SELECT event_type, data ->> 'status' AS status, actor, traceparent FROM outbox "
        "WHERE aggregate_id = %s ORDER BY seq",
        from_global_id("Instance", instance),
    )
    assert {one["event_type"] for one in events} == {"instance.created", "instance.updated", "instance.log.appended"}
    assert {one["traceparent"].split("-")[1] for one in events} == {trace.split("-")[1]}
    by_status = {one["status"]: one["actor"] for one in events if one["event_type"] != "instance.log.appended"}
    assert by_status["PENDING"].startswith("account:")
    assert by_status["SUCCEEDED"] == "botberi-worker"
    # And in the worker's own words: Celery's message has carried it.
    key = re.escape(str(from_global_id("Instance", instance)))
    platform.output.wait_for(rf"worker\s+run started .*instance={key}.*traceparent={trace}", 10)
