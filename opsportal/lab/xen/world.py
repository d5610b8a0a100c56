"""All simulated pools of one seat: the one thing that the rest of the lab talks to.

Whoever runs the machines (an SSH server and a sandbox per host)

* asks `hosts()`, `machine(host)` and `files(host)` what to make,
* calls `advance(now)` before and `take_events()` after everything else, and again at `next_at()` at the latest,
* hands every command that is not a plain Unix one to `start(...)` and waits until `call.done`,
* writes the `writes` of a call, and of every event whatever its kind, into the machine's files: None deletes a file.

Times are simulated seconds since the world began.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["down", "up", "fenced", "xapi-stopped", "xapi-started", "files"]
PROGRAMS = (
    "xe",
    "xe-toolstack-restart",
    "xe-reset-networking",
    "service",
    "systemctl",
    "create_templates",
    "reboot",
    "shutdown",
    "poweroff",
    "chkconfig",
    "hostname",
)
"""Words[0] of `World.start`. `systemctl` is there from version 7 on."""


@dataclass
class Event:
    """`down` and `fenced`: the machine is off now. `up`: it boots, with a new boot id. `files`: only `writes` matter."""

    kind: Kind
    host: str
    why: str
    writes: dict[str, str | None] = field(default_factory=dict)


@dataclass
class Call:
    """A command that was typed on a host. `out`, `err`, `code` and `writes` are final once `done`."""

    done: bool = False
    out: str = ""
    err: str = ""
    code: int = 0
    writes: dict[str, str | None] = field(default_factory=dict)

    def abandon(self) -> None:
        """The client was killed. What xapi has begun goes on, and a forwarded command that hangs is executed when the master is back."""


class World:
    now: float = 0.0

    @classmethod
    def practice(cls, seed: int = 1) -> World:
        """Pools `practice-a` and `practice-b` and two stand-alone clones of one template."""
        raise NotImplementedError

    def hosts(self) -> list[str]:
        """Ids such as "xen-a1", stable over restarts and in the order of the cloud."""
        raise NotImplementedError

    def powered(self, host: str) -> bool:
        """It runs, so it has a sandbox."""
        raise NotImplementedError

    def reachable(self, host: str) -> bool:
        """It runs and its network is not cut: SSH gets through."""
        raise NotImplementedError

    def hostname(self, host: str) -> str:
        raise NotImplementedError

    def files(self, host: str) -> dict[str, str]:
        """Path -> text of every file that xapi owns or reads, to be made when the machine boots."""
        raise NotImplementedError

    def saw(self, host: str, files: Mapping[str, str | None]) -> None:
        """The present text of a machine's files, for when xapi starts by itself. `start` says it too."""
        raise NotImplementedError

    def start(self, host: str, words: list[str], files: Mapping[str, str | None], stdin: str = "") -> Call:
        """`words[0]` is one of PROGRAMS; a path before it is ignored. A file that is not in `files` is as it was; None says it is gone."""
        raise NotImplementedError

    def advance(self, now: float) -> None:
        raise NotImplementedError

    def next_at(self) -> float | None:
        """When something is due; None when nothing is."""
        raise NotImplementedError

    def take_events(self) -> list[Event]:
        """Those since the last call, in their order."""
        raise NotImplementedError

    def dump(self) -> dict[str, Any]:
        """Plain JSON. Clients do not survive: their calls become abandoned ones."""
        raise NotImplementedError

    @classmethod
    def load(cls, plain: dict[str, Any]) -> World:
        raise NotImplementedError

    # Faults. `sr` is a uuid or a name-label; `why` of the events they cause is a sentence.

    def pull_plug(self, host: str) -> None:
        raise NotImplementedError

    def power_on(self, host: str) -> None:
        raise NotImplementedError

    def cut_storage(self, sr: str, seconds: float, hosts: list[str] | None = None) -> None:
        raise NotImplementedError

    def cut_network(self, host: str, seconds: float) -> None:
        raise NotImplementedError

    def hang_xe(self, host: str, seconds: float) -> None:
        raise NotImplementedError

    def kill_xapi(self, host: str) -> None:
        raise NotImplementedError

    def fail_next(self, host: str, command: str, code: str) -> None:
        """The next `xe COMMAND` typed on this host ends with the API error `code`."""
        raise NotImplementedError

    def protect_vm(self, vm: str) -> None:
        """`vm` is a uuid or a name-label; gives it the restart priority `restart`."""
        raise NotImplementedError

    def unplug_pbd(self, host: str, sr: str) -> None:
        raise NotImplementedError

    def disagree(self, host: str) -> None:
        """The member believes in a master that is not there: its pool.conf names a dead address."""
        raise NotImplementedError
