"""What tests of the HA runbooks say about a pool of three, besides `known`."""

from __future__ import annotations

from typing import Any

from hosts.facts.restorations import HaLeftOff, LeftOff, Open, OpenRestorations
from hosts.xen.facts import MemberView, PoolBasics, PoolHosts, PoolPifs, PoolStorage, ProtectedVms, SrSpace
from hosts.xen.state import Role, Space, Storage, Vm, Voice
from tests.hosts.runbooks.known import ADDRESSES, NFS, U1, U2, U3, Known, basics, host, member, pif, pool, row, silent, storage

WHERE = row(U1).target
ALL = (U1, U2, U3)
VM = "90000000-0000-4000-8000-000000000000"


def three(*, ha: bool, uuids: tuple[str, ...] = ALL, left: LeftOff | None = None) -> Known:
    known = pool(uuids, ha=ha)
    known.say(HaLeftOff("portal", "pool:1"), left)
    known.say(SrSpace(WHERE), (Space(NFS, 10**12, 10**11),))
    return known


def dead_for_xapi(known: Known) -> None:
    known.say(PoolHosts(WHERE), (host(U1), host(U2), host(U3, live=False)))


def unreachable(known: Known) -> None:
    known.fail(MemberView(row(U3).target), "xs03 does not answer on port 22.")


def hangs(known: Known) -> None:
    known.say(MemberView(row(U3).target), silent(U3))


def emergency(known: Known) -> None:
    known.say(MemberView(row(U3).target), silent(U3, Voice.EMERGENCY, said="The master says the host is not known to it."))


def names_another(known: Known) -> None:
    known.say(MemberView(row(U3).target), member(U3, U1, says_master=U2))


def follows_another(known: Known) -> None:
    known.say(MemberView(row(U3).target), member(U3, U1, master_address=ADDRESSES[U2]))


def second_master(known: Known) -> None:
    known.say(MemberView(row(U3).target), member(U3, U1, role=Role.MASTER, master_address=""))


def another_pool(known: Known) -> None:
    known.say(MemberView(row(U3).target), member(U3, U1, pool="aaaaaaaa-0000-4000-8000-000000000009"))


def twin(known: Known) -> None:
    known.say(MemberView(row(U3).target), member(U2, U1))


def upgrading(known: Known) -> None:
    known.say(PoolHosts(WHERE), (host(U1), host(U2), host(U3, version="7.0.0", build="125380c")))


def protected(known: Known) -> None:
    known.say(ProtectedVms(WHERE), (Vm(VM, "i-2-10-VM", "", "", "restart", False),))


def best_effort(known: Known) -> None:
    known.say(ProtectedVms(WHERE), (Vm(VM, "old", "", "", "best-effort", False),))


def pif_down(known: Known) -> None:
    known.say(PoolPifs(WHERE), (pif(U1), pif(U2), pif(U3, attached=False)))


def unplugged(known: Known) -> None:
    known.say(PoolStorage(WHERE), storage((U1, U2)))


def left_something(known: Known) -> None:
    known.say(OpenRestorations("portal", "pool:1"), (Open("host-2", "xs02 is disabled", 7, True),))


def left_ha_off(known: Known) -> None:
    known.say(OpenRestorations("portal", "pool:1"), (Open("pool-ha", "Pool HA is off", 7, True),))
    known.say(HaLeftOff("portal", "pool:1"), LeftOff(NFS, 150, 7))


def unlicensed(known: Known) -> None:
    known.say(PoolBasics(WHERE), basics(xha_licensed=False))


def old_and_silent(known: Known) -> None:
    known.say(PoolBasics(WHERE), basics(xha_licensed=None))
    known.say(PoolHosts(WHERE), tuple(host(uuid, version="6.0.2") for uuid in ALL))


def statefile_gone(known: Known) -> None:
    known.say(PoolBasics(WHERE), basics(ha=True, statefile_srs=()))


def nobody_chose(known: Known) -> None:
    known.say(PoolBasics(WHERE), basics(ha=True, ha_timeout=None, ha_configuration=""))


def not_armed(known: Known) -> None:
    known.say(MemberView(row(U3).target), member(U3, U1, ha=True, ha_armed=False))


def says_otherwise(known: Known) -> None:
    known.say(MemberView(row(U3).target), member(U3, U1, ha=True, says_ha=False))


def with_hosts(known: Known, uuid: str, **other: Any) -> None:
    known.say(PoolHosts(WHERE), tuple(host(one, **(other if one == uuid else {})) for one in ALL))


def no_storage(known: Known) -> None:
    known.say(PoolStorage(WHERE), Storage((), ()))
