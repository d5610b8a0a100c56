"""Kills the worker at random moments of *change pool master* on simulated pools with HA on, and judges what is true afterwards.

`python -m tests.chaos.kill_pool_master COUNT [SEED]` prints one line a run and ends with the sum. Each run asks for another master of one
pool and has it approved by another person. Several pools change theirs at the same time, each begun at a random moment, so that one
SIGKILL hits every one of them somewhere else; a new worker is started at once, and sometimes killed, too. Each run must end within 60 s
of a worker being there in a state that agrees with the pool itself, no changing command may have reached a host twice, HA must be on
again as it was or an open restoration that `restore` settles, and the stored log must equal the files on the hosts byte for byte.
"""

from __future__ import annotations

import itertools
import random
import re
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.chaos.stack import Stack, portal, wait_for

VERSIONS = ("6.5", "7.0", "8.2", "6.5", "8.3", "6.2")
"""Of the pool of each lane."""

SPEED = 25.0
"""Seconds of the pools for each of ours: xapi restarts in one and a half."""

TIMEOUT = 180
LONGEST = 60.0
PATIENCE = 150.0
LENGTH = 24.0
"""Seconds of a run that nobody disturbs, with all lanes at work. One that ended before the kill is judged too, but not counted."""

NOT_HIT = "over before the kill"

CHANGES = re.compile(r"\|xe-cli: xe (pool-ha-enable|pool-ha-disable|pool-designate-new-master|host-disable|host-enable|pool-emergency\S*)")


@dataclass
class Lane:
    """One pool and what happens to it. `world` is the simulator's, `machines` its hosts."""

    number: int
    pool: int
    world: Any
    machines: dict[str, Any]
    lab: Any
    operation: Any = None
    target: str = ""
    before: Counter[str] = field(default_factory=Counter)
    begun: float = 0.0

    def changes(self) -> Counter[str]:
        """What every host of the pool was told to change since it was made, by its own log."""
        texts = [machine.disk.read("/var/log/xensource.log") or "" for machine in self.machines.values()]
        return Counter(name for text in texts for name in CHANGES.findall(text))

    def state(self) -> dict[str, Any]:
        """What the pool is, straight from the simulator: nobody's word."""
        with self.lab.standing_still():
            site = self.world.site
            masters = [machine for machine in site.machines.values() if machine.xapi.state == "running" and machine.xapi.role == "master"]
            pools = [machine.db.pool for machine in masters]
            return {
                "masters": [pool.master for pool in pools],
                "ha": [pool.ha_enabled for pool in pools],
                "timeout": [pool.ha_configuration.get("timeout") for pool in pools],
                "srs": [machine.db.vdis[vdi].sr for machine in masters for vdi in machine.db.pool.ha_statefiles],
                "armed": {machine.armed for machine in site.machines.values()},
                "roles": sorted(machine.files["/etc/xensource/pool.conf"].split(":")[0].strip() for machine in site.machines.values()),
                "managed": {cluster.managed for cluster in self.lab.seats[str(self.number)].cloud.data.clusters.values()},
            }


def main(count: int, seed: int | None = None) -> int:
    """The number of runs that broke a promise."""
    seed = seed if seed is not None else secrets.randbelow(10**6)
    chance = random.Random(seed)
    print(f"seed {seed}", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="chaos") as folder,
        portal(Path(folder) / "state", OPSPORTAL_RUNBOOKS="tests.chaos.hurried.Hurried") as stack,
    ):
        ends = _rounds(stack, count, chance)
    broken = sum(bool(wrong) for _, wrong in ends)
    states = ", ".join(f"{number} {state}" for state, number in Counter(state for state, _ in ends).most_common())
    print(f"{len(ends)} runs ({states}), {broken} broke a promise", flush=True)
    return broken


def _rounds(stack: Stack, count: int, chance: random.Random) -> list[tuple[str, str]]:
    """How each run ended, and what promise it broke or ""."""
    from opsportal.lab import control
    from opsportal.lab.machines.lab import Lab
    from opsportal.lab.xen.world import World
    from opsportal.secrets.store import make_keyring

    make_keyring(stack.state / "keys")
    wanted = VERSIONS[: min(count, len(VERSIONS))]
    makers: dict[str, Callable[[], World]] = {
        str(number): partial(World.pool, version, ha=TIMEOUT, seed=number, name=f"pool-{number}")
        for number, version in enumerate(wanted, 1)
    }
    lab = Lab(control.folder(), makers, SPEED)
    lanes = _lanes(lab)
    stack.kill("worker")
    stack.start_worker(processes=len(lanes) + 1)
    with lab:
        if lab.problem:
            raise AssertionError(lab.problem)
        wait_for(_read, "the first reading of every pool", 120)
        ends: list[tuple[str, str]] = []
        while (left := count - sum(state != NOT_HIT for state, _ in ends)) > 0:
            ends += _round(stack, lanes[:left], len(ends), chance)
    return ends


def _lanes(lab: Any) -> list[Lane]:
    from opsportal.lab.inventory_seed import seed

    pools = {name: next(iter(seeded.pools.values())).pk for name, seeded in seed(lab).items()}
    return [Lane(int(name), pools[name], seat.world, seat.machines, lab) for name, seat in lab.seats.items()]


def _read() -> bool:
    """The inventory knows every host's uuid: what a plan rests on does not move by itself any more."""
    from hosts.models import Host, Pool

    return all(host.facts.get("host_uuid") for host in Host.objects.exclude(pool=None)) and all(pool.uuid for pool in Pool.objects.all())


def _round(stack: Stack, lanes: list[Lane], number: int, chance: random.Random) -> list[tuple[str, str]]:
    for lane in lanes:
        lane.operation = _ask(lane, chance)
    for lane in lanes:
        wait_for(partial(_planned, lane.operation), f"a plan for pool {lane.number}", 90)
    waits = [(chance.uniform(0, LENGTH), lane) for lane in lanes]
    clock = time.monotonic()
    for wait, lane in sorted(waits, key=lambda each: each[0]):
        time.sleep(max(0.0, clock + wait - time.monotonic()))
        _approve(lane)
    time.sleep(max(0.0, clock + LENGTH - time.monotonic()))
    hits: dict[int, list[str]] = {lane.number: [] for lane in lanes}
    for again in itertools.chain([0.0], (chance.uniform(0, 35) for _ in range(chance.choice([0, 0, 1])))):
        time.sleep(again)
        for lane in lanes:
            hits[lane.number].append(_where(lane))
        stack.kill("worker")
        stack.start_worker(processes=len(VERSIONS) + 1)
    restarted = time.monotonic()
    return [_end(lane, number + index, restarted, hits[lane.number]) for index, lane in enumerate(lanes)]


def _ask(lane: Lane, chance: random.Random) -> Any:
    from opsportal.operations import planning

    state = lane.state()
    uuids = sorted(row for machine in lane.world.site.machines.values() if machine.xapi.role == "master" for row in machine.db.hosts)
    lane.target = chance.choice([uuid for uuid in uuids if uuid not in state["masters"]])
    lane.before = lane.changes()
    params = {"pool": lane.pool, "host": lane.target}
    return planning.create("change-pool-master", user=_person("olga", "operator"), token=secrets.token_hex(8), params=params)


def _person(name: str, role: str) -> Any:
    from django.contrib.auth.models import Group, User

    user, _ = User.objects.get_or_create(username=name)
    user.groups.add(Group.objects.get_or_create(name=role)[0])
    return user


def _planned(operation: Any) -> bool:
    operation.refresh_from_db()
    if operation.plan_error:
        raise AssertionError(operation.plan_error)
    return bool(operation.plan)


def _approve(lane: Lane) -> None:
    from opsportal.operations import approval

    operation = lane.operation
    if operation.state == "draft":
        approval.submit(operation, user=_person("olga", "operator"))
        operation.refresh_from_db()
    approval.approve(operation, user=_person("paul", "approver"), digest=operation.digest)
    lane.begun = time.monotonic()


def _where(lane: Lane) -> str:
    """The step that runs now."""
    lane.operation.refresh_from_db()
    step = lane.operation.steps.exclude(state__in=["succeeded", "skipped"]).first()
    return f"{step.key} ({step.state})" if step else str(lane.operation.state)


def _ended(operation: Any) -> bool:
    operation.refresh_from_db()
    return bool(
        (operation.final and operation.settled) or (operation.state == "unknown" and not operation.steps.filter(state="running").exists())
    )


def _end(lane: Lane, number: int, restarted: float, hits: list[str]) -> tuple[str, str]:
    operation = lane.operation
    wait_for(partial(_ended, operation), f"the end of operation {operation.pk}", PATIENCE)
    ended_ago = time.time() - operation.ended_at.timestamp() if operation.ended_at else 0.0
    took = max(0.0, time.monotonic() - ended_ago - restarted)
    wrong = judge(lane, took)
    state = operation.state
    more = [*([] if state == "succeeded" else [operation.outcome]), *wrong]
    print("; ".join([f"run {number}: pool {lane.number}, killed at {' and '.join(hits)}: {state} after {took:.1f} s", *more]), flush=True)
    return (NOT_HIT if hits[0] == "succeeded" else state), "; ".join(wrong)


def judge(lane: Lane, took: float) -> list[str]:
    """What promises were broken."""
    wrong = [f"no true state for {took:.0f} s"] if took > LONGEST else []
    told = lane.changes() - lane.before
    wrong += [f"{name} was sent {times} times" for name, times in told.items() if times > 1]
    wrong += _differences(lane.operation, lane.machines)
    state = lane.state()
    if lane.operation.state == "succeeded":
        wrong += [f"says succeeded, but {name} was never sent" for name in _sent(lane.operation) if not told[name]]
        wrong += _against(lane, state, lane.target)
    else:
        wrong += _brought_back(lane, state)
    return wrong


def _sent(operation: Any) -> set[str]:
    """The changing commands that its plan has."""
    words = [getattr(step.action, "command", None) for step in operation.frozen().steps]
    return {word.argv[2] for word in words if word is not None and len(word.argv) > 2 and word.argv[1] == "xe"}


def _against(lane: Lane, state: dict[str, Any], master: str) -> list[str]:
    """What of the pool is not as the operation says."""
    from opsportal.operations.models import Restoration

    members = len(lane.world.site.machines)
    wants = {
        "masters": [master],
        "ha": [True],
        "timeout": [str(TIMEOUT)],
        "srs": [_first_sr(lane)],
        "armed": {True},
        "roles": ["master", *["slave"] * (members - 1)],
        "managed": {"Managed"},
    }
    wrong = [f"{name} is {state[name]} instead of {value}" for name, value in wants.items() if state[name] != value]
    if left := Restoration.objects.filter(resource=f"pool:{lane.pool}", state="open").count():
        wrong.append(f"{left} restorations are open although HA is on")
    return wrong


def _first_sr(lane: Lane) -> str:
    machine = next(iter(lane.world.site.machines.values()))
    return str(next(sr.uuid for sr in machine.db.srs.values() if sr.type == "nfs"))


def _brought_back(lane: Lane, state: dict[str, Any]) -> list[str]:
    """After anything but success: what was left off is on record, and `restore` brings it back."""
    from opsportal.operations.models import Restoration

    said = [] if lane.operation.outcome else ["ended without a sentence"]
    if lane.operation.state == "unknown":
        _resolve(lane, state)
    while left := Restoration.objects.filter(resource=f"pool:{lane.pool}", state="open").first():
        ended = _restored(lane, left)
        if ended.state != "succeeded":
            return [*said, f"the restoration is {ended.state}: {ended.outcome}"]
    if not all(state["ha"]) and lane.state() == state:
        return [*said, "HA is off and no restoration is open"]
    return [*said, *_against(lane, after := lane.state(), after["masters"][0])]


def _restored(lane: Lane, left: Any) -> Any:
    """What a temporary change left behind is brought back, by an operation of its own."""
    from opsportal.operations import followers

    held = lane.operation
    lane.operation = followers.restore(left, user=_person("olga", "operator"), token=secrets.token_hex(8))
    wait_for(lambda: _planned(lane.operation), "the plan of the restoration", 90)
    _approve(lane)
    wait_for(lambda: _ended(lane.operation), "the end of the restoration", PATIENCE)
    ended, lane.operation = lane.operation, held
    return ended


def _resolve(lane: Lane, state: dict[str, Any]) -> None:
    """A person looks at the pool, and says what became of the step of which the portal does not know."""
    from opsportal.operations import followers

    step = lane.operation.steps.get(state="unknown")
    happened = {
        "ha-off": not any(state["ha"]),
        "ha-on": all(state["ha"]),
        "designate": state["masters"] == [lane.target],
        "cloudstack-unmanage": state["managed"] == {"Unmanaged"},
        "cloudstack-manage": state["managed"] == {"Managed"},
    }[step.key]
    followers.resolve(step, user=_person("paul", "approver"), happened=happened, reason="looked at the pool")
    wait_for(lambda: _ended(lane.operation), "the end of the operation that was unknown", PATIENCE)


def _differences(operation: Any, machines: dict[str, Any]) -> list[str]:
    """Logs that are not what lies on the hosts, and steps that were attempted twice."""
    from hosts.models import Host
    from opsportal.operations import journal, targets

    wrong = []
    idents = {str(Host.objects.get(address=machine.place.address).pk): machine for machine in machines.values()}
    for step in operation.steps.all():
        home = idents[step.target.partition(":")[2]].disk.root / "root" if step.target != "local" else Path("/")
        root = home / targets.control_root(step.target, operation)
        attempts = list(step.attempts.all())
        paths = [root / attempt.remote_key / "log" for attempt in attempts]
        if len(attempts) > 1:
            wrong.append(f"{step.key} has {len(attempts)} attempts")
        if b"".join(journal.raw(operation, step)) != b"".join(path.read_bytes() for path in paths if path.exists()):
            wrong.append(f"the log of {step.key} differs from the file on the host")
    return wrong


if __name__ == "__main__":
    sys.exit(1 if main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None) else 0)
