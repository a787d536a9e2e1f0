"""Messages: what is printed is read again, and what is wrong is refused."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from shared_schema.contracts import Assertion, CredentialCheck, Event, RunTask
from shared_schema.contracts.events import InstanceLogAppended, why_no_event
from shared_schema.ids import new_id
from shared_schema.states import TERMINAL, TRANSITIONS, InstanceStatus
from tests.support.events import make_event

ROW = "01890a5d-ac96-774b-bcce-b302099a8057"
OWNER = "01890a5d-ac96-774b-bcce-b302099a8058"


def cloud_event(**changes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "01890a5d-ac96-774b-bcce-b302099a8059",
        "source": "botberi/shared_psql",
        "type": "instance.updated",
        "subject": ROW,
        "time": "2026-01-02T03:04:05.678Z",
        "datacontenttype": "application/json",
        "dataversion": 1,
        "data": {
            "id": ROW,
            "version": 3,
            "owner_id": OWNER,
            "workspace_id": OWNER,
            "status": "RUNNING",
            "agent_id": None,
            "terminal": False,
        },
        **changes,
    }


def test_an_event_is_cloudevents_json() -> None:
    event = Event.from_json(json.dumps(cloud_event()))
    assert json.loads(event.to_json()) == {**cloud_event(), "time": "2026-01-02T03:04:05.678000Z"}
    assert event.routing_key == "instance.updated"
    assert event.subject == event.data.id == UUID(ROW)
    assert Event.from_json(event.to_json()) == event


def test_a_newer_publisher_may_say_more() -> None:
    data = {**cloud_event()["data"], "colour": "red"}
    assert Event.from_json(json.dumps(cloud_event(traceparent="00-…", data=data))).data.version == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"specversion": "0.3"},
        {"type": "Instance.Updated"},
        {"type": "instance"},
        {"type": "instance.*"},
        {"subject": OWNER},
        {"time": "2026-01-02T03:04:05"},
        {"dataversion": 2},
        {"data": {"id": ROW, "version": 0}},
        {"data": None},
        {"id": "x"},
    ],
    ids=str,
)
def test_wrong_events_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Event.from_json(json.dumps(cloud_event(**changes)))


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff\xfe", b'{"a":' * 2000])
def test_garbage_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever: consumers catch this one
        Event.from_json(body)


def test_what_is_wrong_is_said_in_a_line_without_the_content() -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - whichever: consumers catch this one
        Event.from_json(json.dumps(cloud_event(id="secret", data={"id": ROW, "version": "hunter2"})))
    said = why_no_event(caught.value)
    assert said.startswith("id: Input should be a valid UUID")
    assert "data.version: Input should be a valid integer" in said
    assert "hunter2" not in said
    assert "\n" not in said
    assert why_no_event(ValueError("too large")) == "too large"


def test_an_enormous_event_is_not_even_parsed() -> None:
    with pytest.raises(ValueError, match="beyond the limit"):
        Event.from_json(b" " * 20_000)


def test_events_are_frozen() -> None:
    with pytest.raises(ValidationError):
        make_event().id = uuid4()


def test_an_assertion_says_who_calls() -> None:
    account, session = uuid4(), uuid4()
    claims = Assertion.issue("catalog", account, "user", session_id=session, scopes=["agents:read"], now=1000.9)
    assert (claims.iat, claims.exp, claims.sub, claims.account_id) == (1000, 1030, str(account), account)
    assert Assertion.model_validate_json(claims.model_dump_json()) == claims
    anonymous = Assertion.issue("catalog")
    assert (anonymous.sub, anonymous.role, anonymous.account_id) == ("anonymous", "anonymous", None)
    assert anonymous.jti != Assertion.issue("catalog").jti


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody"},
        {"sub": "root"},
        {"role": "admin"},
        {"role": "superuser"},
        {"exp": 1000},
        {"exp": 5000},
        {"aud": ""},
        {"sub": ROW},
    ],
    ids=str,
)
def test_wrong_assertions_are_refused(changes: dict[str, Any]) -> None:
    good = Assertion.issue("catalog", now=1000).model_dump()
    with pytest.raises(ValidationError):
        Assertion.model_validate({**good, **changes})


def test_a_refused_credential_is_not_repeated() -> None:
    with pytest.raises(ValidationError) as caught:
        CredentialCheck.model_validate({"credential": "secret-token" * 100, "kind": "cookie"})
    assert "secret-token" not in str(caught.value)
    assert "secret" not in repr(CredentialCheck(credential="secret", kind="bearer"))


def test_a_run_task_is_its_id() -> None:
    assert RunTask.model_validate({"instance_id": ROW}).model_dump(mode="json") == {"instance_id": ROW}


def test_nothing_follows_a_terminal_state() -> None:
    assert set(TRANSITIONS) == set(InstanceStatus)
    assert {status for status, following in TRANSITIONS.items() if not following} == TERMINAL
    assert all(status.is_terminal == (status in TERMINAL) for status in InstanceStatus)


def test_what_a_type_says_beyond_the_common_members_crosses_the_bus() -> None:
    row_id = new_id()
    data = {"id": row_id, "version": 3, "owner_id": new_id(), "status": "RUNNING", "agent_id": new_id()}
    event = Event(
        id=new_id(),
        source="botberi/shared_psql",
        type="instance.log.appended",
        subject=row_id,
        data=InstanceLogAppended(**data, log_from=4, log_to=9),
    )
    read = Event.from_json(event.to_json())
    assert read == event
    assert isinstance(read.data, InstanceLogAppended)
    with pytest.raises(ValueError, match="log_to"):
        Event.from_json(event.to_json().replace(b'"log_to"', b'"log_till"'))
