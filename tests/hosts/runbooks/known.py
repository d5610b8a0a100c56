"""Facts as a test knows them, instead of reading them, and values of a pool of three to change."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from hosts.cloudstack.facts import ApiOfPool
from hosts.facts.portal import HostRow, InventoryHost, InventoryPool, PoolRow
from hosts.facts.restorations import OpenRestorations
from hosts.xen.facts import MemberView, PoolBasics, PoolHosts, PoolPifs, PoolStorage, PoolVms, ProtectedVms
from hosts.xen.state import Basics, Member, Pbd, Pif, Role, Sr, Storage, Vm, Voice, XenHost
from opsportal.operations.facts import Fact, FactSet, Missing, Reading
from opsportal.operations.guards import Verdict, judge
from opsportal.operations.runbook import Runbook
from opsportal.operations.steps import Step

U1, U2, U3, U9 = (f"0000000{number}-0000-4000-8000-000000000000" for number in (1, 2, 3, 9))
POOL_UUID = "aaaaaaaa-0000-4000-8000-000000000000"
NFS, LOCAL = "bbbbbbbb-0000-4000-8000-000000000001", "cccccccc-0000-4000-8000-000000000002"
NAMES = {U1: "xs01", U2: "xs02", U3: "xs03", U9: "xs09"}
NUMBERS = {U1: 1, U2: 2, U3: 3, U9: 9}
ADDRESSES = {uuid: f"10.0.0.{10 + number}" for uuid, number in NUMBERS.items()}


class Known:
    """Facts by key; `None` values and errors count as read."""

    def __init__(self) -> None:
        self.readings: dict[str, Reading] = {}

    def say(self, fact: Fact[Any], value: Any) -> None:
        self.readings[fact.key()] = Reading(value=fact.adapter().dump_python(value, mode="json"))

    def fail(self, fact: Fact[Any], error: str) -> None:
        self.readings[fact.key()] = Reading(error=error)

    def facts(self) -> FactSet:
        return FactSet(self.readings)

    def plan(self, book: Runbook[Any], params: Any) -> tuple[Step, ...]:
        return tuple(self._ask(lambda: book.plan(params, self.facts())))

    def findings(self, book: Runbook[Any], params: Any) -> list[Verdict]:
        found: list[Verdict] = self._ask(lambda: judge(book.guards, params, self.facts()))
        return found

    def _ask(self, work: Any) -> Any:
        try:
            return work()
        except Missing as missing:
            raise AssertionError(f"the test does not know {missing}") from None


def row(uuid: str) -> HostRow:
    return HostRow(NUMBERS[uuid], NAMES[uuid], ADDRESSES[uuid], uuid)


def host(uuid: str, **other: Any) -> XenHost:
    known = XenHost(
        uuid, NAMES[uuid], NAMES[uuid], ADDRESSES[uuid], True, True, "XenServer", "6.5.0", "90233c", "1.9.0", "GenuineIntel 77bee3ff"
    )
    return dataclasses.replace(known, **other)


def member(uuid: str, master: str = U1, /, *, pool: str = POOL_UUID, ha: bool = False, **other: Any) -> Member:
    leads = uuid == master
    known = Member(
        uuid=uuid,
        control_domain=uuid.replace("0000000", "d000000", 1),
        hostname=NAMES[uuid],
        brand="XenServer",
        version="6.5.0",
        build="90233c",
        role=Role.MASTER if leads else Role.SLAVE,
        master_address="" if leads else ADDRESSES[master],
        voice=Voice.ANSWERS,
        pool=pool,
        says_master=master,
        says_ha=ha,
        emergency=False,
        ha_armed=ha,
        management="xenbr0",
        address_type="Static",
    )
    return dataclasses.replace(known, **other)


def silent(uuid: str, voice: Voice = Voice.HANGS, **other: Any) -> Member:
    """A member whose master is gone."""
    changes: dict[str, Any] = {"voice": voice, "pool": "", "says_master": "", "says_ha": None} | other
    return member(uuid, **changes)


def basics(master: str = U1, *, ha: bool = False, **other: Any) -> Basics:
    known = Basics(
        uuid=POOL_UUID,
        name="pool-a",
        master=master,
        default_sr=NFS,
        ha_enabled=ha,
        ha_timeout=180 if ha else None,
        ha_configuration="timeout: 180" if ha else "",
        ha_statefiles=("dddddddd-0000-4000-8000-000000000001",) if ha else (),
        statefile_srs=(NFS,) if ha else (),
        ha_tolerate=0,
        ha_allow_overcommit=False,
        rolling_upgrade=False,
        xha_licensed=True,
    )
    return dataclasses.replace(known, **other)


def storage(hosts: Iterable[str], local: str = U3) -> Storage:
    """A shared NFS SR, and a local one on one host."""
    pbds = [Pbd(f"eeeeeee{NUMBERS[uuid]}-0000-4000-8000-000000000000", uuid, NFS, True) for uuid in hosts]
    mine = Pbd("ffffffff-0000-4000-8000-000000000000", local, LOCAL, True)
    return Storage((Sr(NFS, "primary", "nfs", True), Sr(LOCAL, "Local storage", "ext", False)), (*pbds, mine))


def pif(uuid: str, device: str = "eth0", **other: Any) -> Pif:
    known = Pif(
        f"{NUMBERS[uuid]}abcdef0-0000-4000-8000-{device.encode().hex():0>12}", uuid, device, "52:54:00:00:00:01", -1, True, True, True
    )
    return dataclasses.replace(known, **other)


def vm(name: str, uuid: str, power: str = "running") -> Vm:
    return Vm(f"{name.encode().hex():0>8.8}-0000-4000-8000-000000000000", name, power, uuid, "", False)


def pool(uuids: tuple[str, ...] = (U1, U2, U3), *, master: str = U1, ha: bool = False, vms: tuple[Vm, ...] = ()) -> Known:
    """A healthy pool whose inventory number is 1; its hosts have the numbers of their names."""
    known = Known()
    known.say(InventoryPool("portal", 1), PoolRow(1, "pool-a", POOL_UUID, "xenserver", "cloud", tuple(row(uuid) for uuid in uuids)))
    known.say(OpenRestorations("portal", "pool:1"), ())
    known.say(ApiOfPool("portal", 1), None)
    for uuid in uuids:
        known.say(MemberView(row(uuid).target), member(uuid, master, ha=ha))
        known.say(InventoryHost("portal", NUMBERS[uuid]), row(uuid))
    where = row(master).target
    known.say(PoolBasics(where), basics(master, ha=ha))
    known.say(PoolHosts(where), tuple(host(uuid) for uuid in uuids))
    known.say(PoolStorage(where), storage(uuids))
    known.say(PoolVms(where), vms)
    known.say(ProtectedVms(where), ())
    known.say(PoolPifs(where), tuple(pif(uuid) for uuid in uuids))
    return known


def blocks(verdicts: list[Verdict]) -> dict[str, str]:
    """Guard -> message of each block."""
    return {one.guard: one.message for one in verdicts if one.level == "block"}


def commands(steps: Iterable[Step]) -> list[str]:
    """What each step does, in a word: its key and the heart of its command."""
    return [f"{step.key}: {_heart(step)}".removesuffix(": ") for step in steps]


def _heart(step: Step) -> str:
    command = getattr(step.action, "command", None)
    return (command.gist or command.display()) if command else ""
