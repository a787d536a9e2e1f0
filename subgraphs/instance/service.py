"""Rules of instances: who may start, see, repeat, cancel and delete them, each in one unit of work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from uuid import UUID

from shared_schema import killpoints
from shared_schema.artifacts import Storage, StorageError
from shared_schema.models import Instance
from shared_schema.states import InstanceStatus
from subgraphs.common.caller import Caller, Scope
from subgraphs.common.context import Store
from subgraphs.common.errors import ConflictRefusal, ValidationRefusal
from subgraphs.common.parameters import ParameterChecks
from subgraphs.instance import repository
from subgraphs.instance.access import writable, writable_workspace
from subgraphs.instance.making import Maker, NewInstance, key_problems, request_hash, shape_problems
from subgraphs.instance.settings import InstanceSettings
from subgraphs.instance.turns import OwnerTurns

logger = logging.getLogger("subgraphs.instance")

# What a run that ended without a result may be tried again after.
RETRIED = frozenset({InstanceStatus.FAILED, InstanceStatus.TIMED_OUT, InstanceStatus.CANCELLED})


def visible(caller: Caller, row: Instance | None) -> Instance | None:
    """The instance, if it is in a workspace of the caller's or the caller is an admin; else as if it did not exist."""
    if row is None or not caller.reads_in(row.workspace_id, Scope.INSTANCES_READ):
        return None
    return row


class InstanceService:
    """Runs of agents; one for the process."""

    def __init__(self, store: Store, settings: InstanceSettings, checks: ParameterChecks, storage: Storage) -> None:
        self._store = store
        self._storage = storage
        self._turns = OwnerTurns(store)
        self._maker = Maker(store, settings, checks)

    async def create(self, caller: Caller, new: NewInstance) -> Instance:
        """Make an instance; a trigger tells the dispatcher, which has it run."""
        owner_id = caller.require(Scope.INSTANCES_WRITE)
        if problems := shape_problems(new):
            raise ValidationRefusal(problems)
        key, asked = new.idempotency_key, new.request_hash()
        # Before anything else is looked at: what was made stays made, whatever became of its template since.
        async with self._store.read() as session:
            if existing := await self._maker.made_before(session, owner_id, key, asked):
                return existing
        workspace_id = writable_workspace(caller, new.workspace_id)
        plan = await self._maker.plan(new)
        async with self._turns.unit_of_work(owner_id) as session:
            if existing := await self._maker.made_before(session, owner_id, key, asked):
                return existing
            instance = await self._maker.make(
                session, owner_id, plan, workspace_id, idempotency_key=key, request_hash=asked if key else None
            )
            killpoints.reach("instance.written")
        killpoints.reach("instance.committed")
        logger.info("Instance %s of agent %s created by %s", instance.id, plan.agent.slug, owner_id)
        return instance

    async def rerun(self, caller: Caller, instance_id: UUID, idempotency_key: str | None) -> Instance:
        """Make another instance of the same inputs, whatever became of the first."""
        owner_id = caller.require(Scope.INSTANCES_WRITE)
        if problems := key_problems(idempotency_key):
            raise ValidationRefusal(problems)
        asked = request_hash("rerun", instance_id)
        async with self._store.read() as session:
            if existing := await self._maker.made_before(session, owner_id, idempotency_key, asked):
                return existing
        plan, workspace_id = await self._maker.plan_again(instance_id, caller)
        async with self._turns.unit_of_work(owner_id) as session:
            if existing := await self._maker.made_before(session, owner_id, idempotency_key, asked):
                return existing
            instance = await self._maker.make(
                session,
                owner_id,
                plan,
                workspace_id,
                rerun_of=instance_id,
                idempotency_key=idempotency_key,
                request_hash=asked if idempotency_key else None,
            )
        logger.info("Instance %s reruns %s for %s", instance.id, instance_id, owner_id)
        return instance

    async def retry(self, caller: Caller, instance_id: UUID) -> Instance:
        """Make an instance in the place of one that ended without a result; asked again, the same one.

        A new one, since an ending is for good: clients that saw it may rely on it.
        """
        owner_id = caller.require(Scope.INSTANCES_WRITE)
        plan, workspace_id = await self._maker.plan_again(instance_id, caller)
        async with self._turns.unit_of_work(owner_id) as session:
            ended = writable(caller, await repository.lock_instance(session, instance_id))
            if ended.status not in RETRIED:
                raise ConflictRefusal(f"Only what ended without a result is tried again; it is {ended.status.value}.")
            if (repetition := await repository.retry_of(session, instance_id)) is not None:
                if repetition.status in RETRIED:
                    raise ConflictRefusal("It was tried again already, and that has ended too: retry that one.")
                return repetition
            instance = await self._maker.make(session, owner_id, plan, workspace_id, retry_of=instance_id)
        logger.info("Instance %s retries %s for %s", instance.id, instance_id, owner_id)
        return instance

    async def cancel(self, caller: Caller, instance_id: UUID) -> Instance:
        """End an instance: at once while it waits, else the worker ends it at its next step."""
        owner_id = caller.require(Scope.INSTANCES_WRITE)
        async with self._store.unit_of_work() as session:
            instance = writable(caller, await repository.lock_instance(session, instance_id))
            if instance.status.is_terminal:
                raise ConflictRefusal(f"The instance has ended: {instance.status.value}.")
            now = await repository.database_now(session)
            if instance.status is not InstanceStatus.RUNNING:
                instance.status = InstanceStatus.CANCELLED
                instance.finished_at = now
                instance.lease_owner = instance.lease_expires_at = None
            if instance.cancel_requested_at is None:
                instance.cancel_requested_at = now
            await session.flush()
        logger.info("Instance %s cancelled by %s", instance.id, owner_id)
        return instance

    async def delete(self, caller: Caller, instance_id: UUID) -> Instance:
        """Take an ended instance out of sight."""
        owner_id = caller.require(Scope.INSTANCES_WRITE)
        async with self._store.unit_of_work() as session:
            instance = writable(caller, await repository.lock_instance(session, instance_id))
            if not instance.status.is_terminal:
                raise ConflictRefusal("The instance has not ended; cancel it first.")
            instance.deleted_at = await repository.database_now(session)
            await session.flush()
            files = await repository.file_keys(session, instance_id)
        await self._remove(instance_id, files)
        logger.info("Instance %s deleted by %s", instance.id, owner_id)
        return instance

    async def _remove(self, instance_id: UUID, keys: Sequence[str]) -> None:
        """Take files out of the storage, so that addresses of them end with their instance.

        What fails is tried again by the janitor, whose rows stay until it has.
        """
        for key in keys:
            try:
                await asyncio.to_thread(self._storage.delete, key)
            except StorageError as error:
                logger.warning("A file of the deleted instance %s stays for the janitor: %s", instance_id, error)
