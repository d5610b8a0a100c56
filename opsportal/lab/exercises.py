"""The guided first hour: five exercises, each done when the practice cloud is in the state that it asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hosts.models import Pool
from opsportal.lab.inventory_seed import cloud_name
from opsportal.operations.models import Operation
from opsportal.operations.states import OperationState

BIG, SMALL = "practice-a", "practice-b"


@dataclass(frozen=True)
class Exercise:
    """`runbook` is where it is done; "" when it is done on the lab page. `seen` reads the seat's name and its state."""

    key: str
    title: str
    task: str
    learn: str
    runbook: str
    pool: str
    seen: Callable[[str, dict[str, Any]], bool]


@dataclass(frozen=True)
class Shown:
    exercise: Exercise
    pool_pk: int | None
    done: bool


def of(seat: str, state: dict[str, Any]) -> list[Shown]:
    """All five for one seat. What was reached once stays done until the seat begins anew."""
    known = {pool.name: pool.pk for pool in Pool.objects.filter(cloud__name=cloud_name(seat))}
    return [Shown(one, known.get(one.pool), one.key in state["done"]) for one in EXERCISES]


def reached(seat: str, state: dict[str, Any]) -> list[str]:
    """Keys of exercises whose state is there now and was not noted yet."""
    return [one.key for one in EXERCISES if one.key not in state["done"] and one.seen(seat, state)]


def _named(state: dict[str, Any], name: str) -> dict[str, Any]:
    return next((pool for pool in state["pools"] if pool["name"] == name), {"ha": False, "timeout": "", "masters": [], "hosts": []})


def _operations(seat: str, runbook: str, pool: str) -> list[Operation]:
    pks = list(Pool.objects.filter(cloud__name=cloud_name(seat), name=pool).values_list("pk", flat=True))
    newest = Operation.objects.filter(runbook=runbook).only("params", "findings", "state").order_by("-pk")[:50]
    return [one for one in newest if one.params.get("pool") in pks]


def _refused(seat: str, state: dict[str, Any]) -> bool:
    blocked = [one for one in _operations(seat, "enable-pool-ha", SMALL) if any(found["level"] == "block" for found in one.findings)]
    return bool(blocked) and not _named(state, SMALL)["ha"]


def _enabled(seat: str, state: dict[str, Any]) -> bool:
    pool = _named(state, BIG)
    return bool(pool["ha"]) and pool["timeout"].isdigit() and int(pool["timeout"]) >= 120


def _survived(seat: str, state: dict[str, Any]) -> bool:
    pool = _named(state, BIG)
    lost = {event["host"] for event in state["events"] if event["master"] and event["host"] in pool["hosts"]}
    return bool(pool["ha"]) and len(pool["masters"]) == 1 and bool(lost - set(pool["masters"]))


def _changed(seat: str, state: dict[str, Any]) -> bool:
    done = [one for one in _operations(seat, "change-pool-master", BIG) if one.state == OperationState.SUCCEEDED]
    return bool(done) and bool(_named(state, BIG)["ha"]) and len(_named(state, BIG)["masters"]) == 1


def _unique(seat: str, state: dict[str, Any]) -> bool:
    uuids = [host["uuid"] for host in state["hosts"]]
    return len(uuids) == len(set(uuids)) and all(uuids)


EXERCISES = (
    Exercise(
        "refused",
        "Ask for HA on two hosts, and be refused",
        f"Start Enable pool HA for {SMALL}, with a timeout of 180 s. Read why the portal blocks it. Do not go on.",
        "Nothing in XenServer itself refuses this. Two hosts cannot tell a dead neighbour from a cut cable, so the survivor fences itself.",
        "enable-pool-ha",
        SMALL,
        _refused,
    ),
    Exercise(
        "enabled",
        "Enable HA properly",
        f"Enable HA on {BIG} with a timeout of 180 s. Somebody else has to approve it: log in as another person for that.",
        "The default of 60 s fences hosts in every longer hiccup of the storage. Look at the HA clock: who is fenced when?",
        "enable-pool-ha",
        BIG,
        _enabled,
    ),
    Exercise(
        "survived",
        "Lose the master",
        f"Pull the plug of the pool master of {BIG} here on this page, and watch the pool until HA has made another host master.",
        "With HA on, a dead master is replaced by the hosts that are left. No operator does anything: waiting is the right act.",
        "",
        BIG,
        _survived,
    ),
    Exercise(
        "changed",
        "Change the master",
        f"Switch every host of {BIG} on again, and wait until CloudStack has it Up. "
        "Then start Change pool master and give another host the crown, with HA on.",
        "xe refuses while HA is on. The portal turns HA off, changes the master, and turns HA on again with the same storage and timeout.",
        "change-pool-master",
        BIG,
        _changed,
    ),
    Exercise(
        "unique",
        "Make a clone unique",
        "Two hosts of this cloud were cloned from one template and have the same UUID. Make one of them unique.",
        "XenServer lets a clone into a pool, where one record then silently serves both, and CloudStack skips it without a word.",
        "make-unique",
        "",
        _unique,
    ),
)
