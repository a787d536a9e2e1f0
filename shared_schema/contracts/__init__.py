"""Messages from one process to another, as Pydantic models."""

from shared_schema.contracts.assertion import Assertion
from shared_schema.contracts.events import Event, EventData
from shared_schema.contracts.runs import RunInput, RunTask
from shared_schema.contracts.verification import CredentialCheck, VerifiedCaller

__all__ = ["Assertion", "CredentialCheck", "Event", "EventData", "RunInput", "RunTask", "VerifiedCaller"]
