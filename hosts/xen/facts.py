"""Facts of XenServer: one command each, asked on one host. Formats and texts: the xe CLI of XenServer 6.2 to 8 and XCP-ng 8.3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hosts.xen.command import xe
from hosts.xen.state import Basics, Member, Pif, Space, Storage, Vm, XenHost
from opsportal.operations.facts import Fact, FactError
from opsportal.transport.base import Result
from opsportal.transport.command import Command


@dataclass(frozen=True)
class MemberView(Fact[Member]):
    """What one host says by itself. Answers within `timeout` whatever its xapi does; only a host that cannot be reached is an error."""

    timeout: ClassVar[float] = 75

    def command(self) -> Command:
        return xe("pool-list")

    def parse(self, result: Result) -> Member:
        raise FactError("not read")


@dataclass(frozen=True)
class PoolBasics(Fact[Basics]):
    """Asked on any member whose voice is `answers`; xapi passes it on to the master."""

    timeout: ClassVar[float] = 75

    def command(self) -> Command:
        return xe("pool-list")

    def parse(self, result: Result) -> Basics:
        raise FactError("not read")


@dataclass(frozen=True)
class PoolHosts(Fact[tuple[XenHost, ...]]):
    timeout: ClassVar[float] = 75

    def command(self) -> Command:
        return xe("host-list")

    def parse(self, result: Result) -> tuple[XenHost, ...]:
        raise FactError("not read")


@dataclass(frozen=True)
class PoolStorage(Fact[Storage]):
    timeout: ClassVar[float] = 75

    def command(self) -> Command:
        return xe("sr-list")

    def parse(self, result: Result) -> Storage:
        raise FactError("not read")


@dataclass(frozen=True)
class SrSpace(Fact[tuple[Space, ...]]):
    """Free space moves, so it never makes a plan stale."""

    volatile = True
    timeout: ClassVar[float] = 75

    def command(self) -> Command:
        return xe("sr-list")

    def parse(self, result: Result) -> tuple[Space, ...]:
        raise FactError("not read")


@dataclass(frozen=True)
class PoolVms(Fact[tuple[Vm, ...]]):
    """All virtual machines. Volatile: in a busy cloud they come and go between two readings."""

    volatile = True
    timeout: ClassVar[float] = 75

    def command(self) -> Command:
        return xe("vm-list")

    def parse(self, result: Result) -> tuple[Vm, ...]:
        raise FactError("not read")


@dataclass(frozen=True)
class ProtectedVms(Fact[tuple[Vm, ...]]):
    """Those with a restart priority, with `power` and `host` left empty: a plan rests on which they are, not on where they run."""

    timeout: ClassVar[float] = 75

    def command(self) -> Command:
        return xe("vm-list")

    def parse(self, result: Result) -> tuple[Vm, ...]:
        raise FactError("not read")


@dataclass(frozen=True)
class PoolPifs(Fact[tuple[Pif, ...]]):
    timeout: ClassVar[float] = 75

    def command(self) -> Command:
        return xe("pif-list")

    def parse(self, result: Result) -> tuple[Pif, ...]:
        raise FactError("not read")
