"""What makes a host a chassis of OVN, and what makes it none any more."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from networking.changes import JUDGE, VSCTL, Change, Words, asked
from networking.facts.controller import FOLDER
from networking.facts.ovn import CA, Ovn
from networking.removing import quoted
from networking.state import Switches
from opsportal.operations.steps import Condition, Effect, PutFile, RunCommand, Step

LINE = re.compile(r"^OVN_CTL_OPTS=(.*)$", re.MULTILINE)
DAEMON = "ovn-controller"
OURS = "--ovn-controller-ssl-"
KEYS = ("ovn-remote", "ovn-encap-type", "ovn-encap-ip", "ovn-bridge-datapath-type")


@dataclass(frozen=True)
class Joining:
    """`name` of the certificate, "" without TLS; `ca` is the PEM of whom ovn-controller believes."""

    remote: str
    encap: str
    encap_ip: str
    name: str = ""
    ca: str = ""

    def ids(self, switches: Switches) -> dict[str, str]:
        found = {"ovn-remote": self.remote, "ovn-encap-type": self.encap, "ovn-encap-ip": self.encap_ip}
        return {**found, **({"ovn-bridge-datapath-type": switches.datapath} if switches.datapath else {})}

    @property
    def files(self) -> tuple[str, str, str]:
        """Key, certificate, and whom to believe."""
        return f"{FOLDER}/{self.name}-privkey.pem", f"{FOLDER}/{self.name}-cert.pem", CA

    def options(self, text: str) -> str:
        """The file with the daemon's options, with ours in it. Raises ValueError for one that is not understood."""
        key, cert, ca = self.files
        return with_options(text, (f"{OURS}key={key}", f"{OURS}cert={cert}", f"{OURS}ca-cert={ca}")) if self.name else text


def with_options(text: str, ours: Words) -> str:
    """Everything else in the file stays, also other options. Raises ValueError where the line is set twice or is no shell word."""
    found = LINE.findall(text)
    if len(found) > 1:
        raise ValueError("OVN_CTL_OPTS is set several times")
    kept = [word for part in shlex.split(found[0] if found else "") for word in part.split() if not word.startswith(OURS)]
    line = f'OVN_CTL_OPTS="{" ".join([*kept, *ours])}"'
    if found:
        return LINE.sub(lambda _: line, text)
    return "".join([text, "" if not text or text.endswith("\n") else "\n", line, "\n"])


def chassis(switches: Switches) -> str:
    """The host's name in OVN: Open vSwitch writes it at every start, from a file of its own."""
    return dict(switches.external_ids).get("system-id", "")


def is_joined(joining: Joining, switches: Switches, ovn: Ovn) -> bool:
    ids = dict(switches.external_ids)
    same = all(ids.get(name) == value for name, value in joining.ids(switches).items())
    return (
        same and ovn.active and ovn.enabled and joining.options(ovn.options) == ovn.options and (not joining.name or joining.ca == ovn.ca)
    )


def write(target: str, key: str, title: str, why: str, put: PutFile) -> Step:
    back = PutFile(put.path, put.before, put.mode, put.content, True, sudo=True)
    return Step(
        key=key,
        target=target,
        title=title,
        why=why,
        action=put,
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=(),
        undo=back if put.existed else RunCommand(asked("rm", "-f", put.path), 30),
    )


def join(joining: Joining, switches: Switches, ovn: Ovn) -> Change:
    return Change(
        key="join-ovn",
        title=f"Have OVN at {joining.remote} lead the switch",
        why="ovn-controller reads from Open vSwitch's database where its southbound database is, registers this host there as a chassis, "
        "and makes the bridge br-int and the tunnels.",
        do=(_set(joining.ids(switches)), ("systemctl", "enable", ovn.unit), ("systemctl", "restart", ovn.unit)),
        undo=tuple(_unjoin(switches, ovn)),
        proof=(talks(), registered(joining, chassis(switches))),
    )


def _set(ids: dict[str, str]) -> Words:
    return (*VSCTL, "set", "Open_vSwitch", ".", *(f"external_ids:{name}={quoted(value)}" for name, value in ids.items()))


def _unjoin(switches: Switches, ovn: Ovn) -> Iterator[Words]:
    """Stopped first: it takes its chassis out of the southbound database when it ends, and would make br-int again."""
    yield ("systemctl", "stop", *dict.fromkeys((ovn.unit, DAEMON)))
    yield from _ids_back(switches)
    if switches.bridge("br-int") is None:
        yield (*VSCTL, "--if-exists", "del-br", "br-int")
    if not ovn.enabled:
        yield ("systemctl", "disable", ovn.unit)
    if ovn.active:
        yield ("systemctl", "start", ovn.unit)


def _ids_back(switches: Switches) -> Iterator[Words]:
    had = {name: value for name, value in switches.external_ids if name in KEYS}
    for name in KEYS:
        if name not in had:
            yield (*VSCTL, "remove", "Open_vSwitch", ".", "external_ids", name)
    if had:
        yield _set(had)


def leave(switches: Switches, ovn: Ovn) -> Change:
    """Nothing to do where it neither runs nor is told whom to call."""
    had = [name for name, _ in switches.external_ids if name in KEYS]
    return Change(
        key="leave-ovn",
        title="Have OVN lead the switch no more",
        why="ovn-controller takes its chassis out of the southbound database when it stops, and its tunnels out of br-int.",
        do=tuple(_leave(ovn, had)),
        undo=tuple(_back(switches, ovn)),
        proof=(Condition(f"{DAEMON} is stopped", asked("systemctl", "is-active", DAEMON), "exit", "3", within=10),),
        touches=frozenset({"br-int"}),
    )


def _leave(ovn: Ovn, had: list[str]) -> Iterator[Words]:
    if ovn.active:
        yield ("systemctl", "stop", *dict.fromkeys((ovn.unit, DAEMON)))
    if ovn.enabled and (ovn.active or had):
        yield ("systemctl", "disable", ovn.unit)
    for name in had:
        yield (*VSCTL, "remove", "Open_vSwitch", ".", "external_ids", name)


def _back(switches: Switches, ovn: Ovn) -> Iterator[Words]:
    had = {name: value for name, value in switches.external_ids if name in KEYS}
    if had:
        yield _set(had)
    if ovn.enabled:
        yield ("systemctl", "enable", ovn.unit)
    if ovn.active:
        yield ("systemctl", "start", ovn.unit)


def talks() -> Condition:
    command = asked("ovn-appctl", "-t", "ovn-controller", "connection-status")
    return Condition("ovn-controller is connected to the southbound database", command, "equals", "connected", within=40)


def registered(joining: Joining, name: str) -> Condition:
    """Read from the southbound database itself, with the host's own certificate."""
    key, cert, ca = joining.files
    secure = ("-p", key, "-c", cert, "-C", ca) if joining.name else ()
    words = ("ovn-sbctl", "--timeout=10", f"--db={joining.remote}", *secure, "--format=json", "--columns=name,hostname", "list", "Chassis")
    return Condition(f"The southbound database has the chassis {name}", asked(*words), JUDGE + "chassis_known", name, within=40)
