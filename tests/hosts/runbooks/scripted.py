"""A pool that answers the portal's commands in this process, as a transport. A command that it does not know fails the test.

It follows the pool's rules only as far as runbooks notice: HA, master, enabled, who restarts when. Every change is noted in `sent`.
"""

from __future__ import annotations

import shlex
import time as real_time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from django.utils import timezone as real_timezone

from hosts.models import Cloud, Host, Pool
from hosts.runbooks.re_enable_host import PATIENTLY
from hosts.xen.facts import BASICS, HOSTS, PBDS, PIFS, PROTECTED, SPACE, SRS, STORAGE, VMS, WHOLE_POOL
from hosts.xen.ha_steps import STATEFILE_SRS
from hosts.xen.voices import SCRIPT
from opsportal.operations import execution, stepping
from opsportal.transport.base import OUTPUT_LIMIT, Result
from opsportal.transport.command import Command
from opsportal.transport.detached import WRAPPER
from opsportal.transport.errors import TimedOut, Unreachable
from tests.hosts.runbooks.known import ADDRESSES, NAMES, NFS, POOL_UUID, U1, U2, U3
from tests.hosts.xen.printer import blocks, minimal

REFUSED = "Error: Connection refused (calling connect )\n"
HA_ON = "The operation could not be performed because HA is enabled on the Pool\n"
HA_OFF = "The operation could not be performed because HA is not enabled on the Pool\n"
UNREACHED = "Cannot forward messages because the host cannot be contacted.  The host may be switched off.\n"
STATEFILE = "dddddddd-0000-4000-8000-000000000001"
VM = "90000000-0000-4000-8000-000000000000"

SOFTWARE = "product_brand: XenServer; product_version: 6.5.0; build_number: 90233c; platform_version: 1.9.0"

Answer = tuple[int, str]


class Clock:
    """The engine's time in this test: sleeping only moves it on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.slept = 0.0
        monkeypatch.setattr(stepping, "time", self)
        monkeypatch.setattr(execution, "time", self)
        monkeypatch.setattr(stepping, "timezone", self)

    def sleep(self, seconds: float) -> None:
        self.slept += seconds

    def monotonic(self) -> float:
        return real_time.monotonic() + self.slept

    def now(self) -> datetime:
        return real_timezone.now() + timedelta(seconds=self.slept)


@dataclass
class Scripted:
    """The pool. `dead` hosts do not answer SSH; `hung` ones answer it, but their xe does not return."""

    clock: Clock
    uuids: tuple[str, ...] = (U1, U2, U3)
    master: str = U1
    ha: bool = True
    timeout: int = 180
    enabled: dict[str, bool] = field(default_factory=dict)
    priorities: dict[str, str] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    hung: set[str] = field(default_factory=set)
    restarts_until: float = 0
    instead: dict[str, Callable[[str], Answer | None]] = field(default_factory=dict)
    """What happens at the next command of a name, instead of what it does; None goes on with what it does."""
    sent: list[tuple[str, str]] = field(default_factory=list)
    done: dict[str, Answer] = field(default_factory=dict)
    pks: dict[str, str] = field(default_factory=dict)

    def inventory(self) -> Pool:
        cloud = Cloud.objects.create(name="test cloud")
        pool = Pool.objects.create(name="pool-a", cloud=cloud, uuid=POOL_UUID)
        for uuid in self.uuids:
            host = Host.objects.create(
                name=NAMES[uuid], address=ADDRESSES[uuid], kind="xenserver", pool=pool, cloud=cloud, facts={"host_uuid": uuid}
            )
            self.pks[str(host.pk)] = uuid
        return pool

    def changes(self) -> list[str]:
        """Every changing command that was sent, in order."""
        return [words for _, words in self.sent]

    def ask(self, host: str, words: tuple[str, ...]) -> Result:
        if host in self.hung or self.master in self.dead:
            return Result(124, "", "")
        if self.clock.slept < self.restarts_until:
            return Result(1, "", REFUSED)
        return Result(0, self._reading(words))

    def _reading(self, words: tuple[str, ...]) -> str:
        fields = dict(word.partition("=")[::2] for word in words[1:] if "=" in word)
        match words[0], fields.get("params", fields.get("param-name", "")):
            case "pool-list", "ha-enabled":
                return minimal([_flag(self.ha)])
            case "pool-list", "ha-configuration":
                return minimal([f"timeout: {self.timeout}"])
            case "pool-list", "master":
                return minimal([self.master])
            case "host-list", "uuid":
                return minimal([uuid for uuid in self.uuids if uuid not in self.dead])
            case "pbd-list", "host-uuid":
                return minimal(list(self.uuids))
            case "host-param-get", "enabled":
                return f"{_flag(self.enabled.get(fields['uuid'], True))}\n"
            case "vm-param-get", "ha-restart-priority":
                return f"{self.priorities.get(fields['uuid'], '')}\n"
            case "host-is-in-emergency-mode", _:
                return "false\n"
        return self._records(words[0], fields.get("params", ""))

    def _records(self, verb: str, params: str) -> str:
        known = {
            ",".join(HOSTS): self._hosts, ",".join(VMS): self._vms, ",".join(PROTECTED): self._protected,
            ",".join(SPACE): self._space, ",".join(PIFS): list,
        }  # fmt: skip
        assert params in known, f"the test's pool does not know xe {verb} params={params}"
        return blocks(known[params]())

    def _hosts(self) -> list[dict[str, str]]:
        values = [
            (uuid, NAMES[uuid], NAMES[uuid], ADDRESSES[uuid], _flag(self.enabled.get(uuid, True)), "true",
             SOFTWARE, "vendor: GenuineIntel", "", "", "")
            for uuid in self.uuids
        ]  # fmt: skip
        return [dict(zip(HOSTS, row, strict=True)) for row in values]

    def _vms(self) -> list[dict[str, str]]:
        return [dict(zip(VMS, (uuid, "i-2-3-VM", "running", U1, "true", text), strict=True)) for uuid, text in self.priorities.items()]

    def _protected(self) -> list[dict[str, str]]:
        return [dict(zip(PROTECTED, (uuid, "i-2-3-VM", text), strict=True)) for uuid, text in self.priorities.items()]

    def _space(self) -> list[dict[str, str]]:
        return [dict(zip(SPACE, (NFS, "1000", "900000000000"), strict=True))]

    def basics(self) -> str:
        statefiles = STATEFILE if self.timeout else ""
        row = (
            POOL_UUID,
            "pool-a",
            self.master,
            NFS,
            "",
            _flag(self.ha),
            f"timeout: {self.timeout}",
            statefiles,
            "0",
            "false",
            "enable_xha: true",
        )
        return f"{NFS}\n==\n{blocks([dict(zip(BASICS, row, strict=True))])}"

    def storage(self) -> str:
        pbds = [dict(zip(PBDS, (f"e{number}{uuid[2:]}", uuid, NFS, "true"), strict=True)) for number, uuid in enumerate(self.uuids)]
        srs = [dict(zip(SRS, (NFS, "primary", "nfs", "true"), strict=True))]
        return f"{blocks(pbds)}==\n{blocks(srs)}"

    def view(self, host: str) -> str:
        said = self.ask(host, ("pool-list", "params=master"))
        pool = blocks([{"uuid": POOL_UUID, "master": self.master, "ha-enabled": _flag(self.ha)}]) if said.exit == 0 else said.err
        parts = {
            "inventory": f"INSTALLATION_UUID='{host}'\nPRODUCT_BRAND='XenServer'\nPRODUCT_VERSION='6.5.0'\nBUILD_NUMBER='90233c'\n",
            "release": "", "pool.conf": self.conf(host), "hostname": NAMES[host],
            "armed": f'read\n<row key="ha.armed" value="{_flag(self.ha)}"/>', "mode": "static", "emergency": "false",
            "pool": pool, "exit": str(said.exit), "end": "",
        }  # fmt: skip
        return "".join(f"\n== {name}\n{text}" for name, text in parts.items()) + "\n"

    def conf(self, host: str) -> str:
        return "master" if host == self.master else f"slave:{ADDRESSES[self.master]}"

    def change(self, host: str, words: tuple[str, ...]) -> Answer:
        """Carries one changing command out, once."""
        self.sent.append((NAMES[host], " ".join(words)))
        if (other := self.instead.pop(words[0], None)) and (answer := other(host)) is not None:
            return answer
        fields = dict(word.partition("=")[::2] for word in words[1:])
        match words[0]:
            case "pool-ha-disable":
                return self._toggle(False)
            case "pool-ha-enable":
                return self._enable(fields)
            case "pool-designate-new-master":
                return self._designate(fields["host-uuid"])
            case "host-disable" | "host-enable":
                self.enabled[fields["uuid"]] = words[0] == "host-enable"
            case "vm-param-set":
                self.priorities[fields["uuid"]] = fields["ha-restart-priority"]
            case _:
                raise AssertionError(f"the test's pool does not know xe {words}")
        return 0, ""

    def _toggle(self, on: bool) -> Answer:
        if self.ha == on:
            return 1, HA_ON if on else HA_OFF
        self.ha = on
        return 0, ""

    def _enable(self, fields: dict[str, str]) -> Answer:
        assert fields["heartbeat-sr-uuids"] == NFS
        answer = self._toggle(True)
        if answer[0] == 0:
            self.timeout = int(fields["ha-config:timeout"])
        return answer

    def _designate(self, uuid: str) -> Answer:
        if uuid == self.master:
            return 0, ""
        if self.ha:
            return 1, HA_ON
        if self.dead:
            return 1, UNREACHED
        self.master, self.enabled = uuid, {}
        self.restarts_until = self.clock.slept + 45
        return 0, ""


def _flag(state: bool) -> str:
    return "true" if state else "false"


POOL: list[Scripted] = []
"""The one of the running test."""


def connect(rest: str) -> Line:
    pool = POOL[-1]
    host = pool.pks[rest]
    if host in pool.dead:
        raise Unreachable(f"{NAMES[host]} does not answer on port 22.")
    return Line(pool, host)


@dataclass
class Line:
    """The transport to one host."""

    pool: Scripted
    host: str

    def run(self, command: Command, *, timeout: float, limit: int = OUTPUT_LIMIT) -> Result:
        if command.script == WRAPPER:
            return self._wrapper(*command.argv, stdin=command.stdin)
        if command.script in (SCRIPT, WHOLE_POOL, STORAGE):
            return self._survey(command.script)
        if command.argv == ("cat", "/etc/xensource/pool.conf"):
            return Result(0, self.pool.conf(self.host))
        if command.argv[:1] == ("sleep",):
            self.pool.clock.sleep(10)
            return Result(0, "")
        if STATEFILE_SRS in command.argv:
            return Result(0, f"{NFS}\n")
        assert "xe" in command.argv, f"an unexpected command: {command.display()}"
        return self.pool.ask(self.host, command.argv[command.argv.index("xe") + 1 :])

    def _survey(self, script: str) -> Result:
        if script == SCRIPT:
            return Result(0, self.pool.view(self.host))
        if self.host in self.pool.hung:
            raise TimedOut("no answer")
        return Result(0, self.pool.basics() if script == WHOLE_POOL else self.pool.storage())

    def _wrapper(self, verb: str, _root: str, key: str, *rest: str, stdin: str = "") -> Result:
        """At most once for each key, as the real one."""
        if verb == "start":
            if key in self.pool.done:
                return Result(0, "S exists exited 0\n")
            self.pool.done[key] = self.pool.change(self.host, _xe_words(stdin))
            return Result(0, "S started\n")
        assert verb == "poll", verb
        code, out = self.pool.done.get(key, (None, ""))
        return Result(0, f"P boot-{self.host} {len(out)} {'absent' if code is None else f'exited {code}'}\n")

    def follow(self, path: str, end: str, offset: int, *, seconds: float, command: Command) -> Iterator[bytes]:
        yield self.pool.done[path.split("/")[-2]][1].encode()[offset:]

    def put(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        raise AssertionError("no runbook on a pool's HA writes a file")

    def get(self, path: str) -> Iterator[bytes]:
        raise AssertionError("no runbook on a pool's HA reads a file so")

    def close(self) -> None:
        pass


def _xe_words(script: str) -> tuple[str, ...]:
    """The words behind the last `xe`, as the scripts around it get them."""
    words = shlex.split(script)
    if PATIENTLY in words:
        return ("host-enable", f"uuid={words[-1]}")
    assert "xe" in words, f"an unexpected command: {script}"
    return tuple(words[len(words) - words[::-1].index("xe") :])
