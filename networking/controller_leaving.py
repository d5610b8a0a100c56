"""What it takes for a switch to be led by nobody, and what speaks against it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from networking.changes import JUDGE, VSCTL, Change, Words
from networking.controller_guards import read, switches
from networking.controller_steps import MANAGERS, PUT_BACK, aside, managers_back, ssl_back
from networking.facts.controller import CACERT, Certificates
from networking.host_guards import OBSERVED
from networking.host_guards import VSCTL as MANUAL
from networking.state import Bridge, Switches
from opsportal.operations.facts import FactSet
from opsportal.operations.guards import Finding, Level, guard
from opsportal.operations.steps import Condition


def leave(found: Switches, bridges: bool, token: str, files: Certificates | None) -> Change:
    """`files` unless the certificates stay in use. Nothing to do where nothing leads the switch."""
    freed = [bridge for bridge in found.bridges if bridges and bridge.controllers]
    return Change(
        key="leave",
        title="Have nobody lead the switch",
        why="The switch stops calling its manager and keeps what it was told so far.",
        do=tuple(_leave(found, freed, token, files)),
        undo=tuple(_come_back(found, freed, token, files)),
        proof=(Condition("The switch has no manager", MANAGERS, JUDGE + "managers_are", "", within=10),),
        touches=frozenset(name for bridge in freed for name in (bridge.name, *(port.name for port in bridge.ports))),
    )


def _leave(found: Switches, freed: list[Bridge], token: str, files: Certificates | None) -> Iterator[Words]:
    if found.managers:
        yield (*VSCTL, "del-manager")
    for bridge in freed:
        yield (*VSCTL, "del-controller", bridge.name, "--", "del-fail-mode", bridge.name)
    if files is not None and found.ssl is not None:
        yield (*VSCTL, "del-ssl")
        if "cacert" in files.kinds:
            yield ("mv", "-f", CACERT, aside(token))


def _come_back(found: Switches, freed: list[Bridge], token: str, files: Certificates | None) -> Iterator[Words]:
    """The certificates first, so that the first call is made with them."""
    if files is not None and found.ssl is not None:
        if "cacert" in files.kinds:
            yield ("sh", "-c", PUT_BACK, "sh", aside(token), CACERT)
        yield ssl_back(found.ssl)
    for bridge in freed:
        mode = ("--", "set-fail-mode", bridge.name, bridge.fail_mode) if bridge.fail_mode else ()
        yield (*VSCTL, "set-controller", bridge.name, *bridge.controllers, *mode)
    if found.managers:
        yield managers_back(found.managers)


@guard(
    "controller.led",
    title="Whom the switch leaves",
    reason="What a controller made, bridges and tunnels, stays in the database when it goes; nobody looks after it then.",
    source=MANUAL,
)
def led(params: Any, facts: FactSet) -> Iterator[Finding]:
    seen = read(params, facts)
    if seen and params.kind == "ovn" and (remote := dict(switches(seen).external_ids).get("ovn-remote")):
        yield Finding(Level.WARN, f"{remote} leads the switch now. What is plugged into br-int loses its network.")
    elif seen and params.kind != "ovn" and (managers := switches(seen).managers):
        yield Finding(Level.WARN, f"{', '.join(managers)} leads the switch now. What it made stays, and nobody changes it any more.")


@guard(
    "controller.secure",
    title="A secure bridge needs its controller",
    reason="fail_mode secure without a controller drops all traffic that is not allowed already.",
    source=OBSERVED,
)
def secure(params: Any, facts: FactSet) -> Iterator[Finding]:
    seen = read(params, facts)
    for bridge in switches(seen).bridges if seen else ():
        if bridge.controllers and params.bridges:
            said = f"{bridge.name} loses {', '.join(bridge.controllers)} and forwards by itself: its virtual networks are one network then."
            yield Finding(Level.WARN, said, "bridges")
        elif bridge.fail_mode == "secure" and not bridge.controllers:
            yield Finding(Level.NOTE, f"{bridge.name} is secure and has no controller: it forwards nothing new.", "bridges")


@guard(
    "controller.ssl-needed",
    title="Who else uses the certificates",
    reason="ovsdb-server, ovs-vswitchd and ovn-controller share one SSL table.",
    source=OBSERVED,
)
def shared(params: Any, facts: FactSet) -> Iterator[Finding]:
    seen = read(params, facts)
    if seen is None or not params.ssl:
        return
    users = [bridge.name for bridge in switches(seen).bridges if not params.bridges and any("ssl:" in one for one in bridge.controllers)]
    if dict(switches(seen).external_ids).get("ovn-remote", "").startswith("ssl:"):
        users.append("ovn-controller")
    if users:
        said = f"{', '.join(users)} of this host uses the certificates, too, and loses its controller with them."
        yield Finding(Level.BLOCK, said, "ssl", override=True)


@guard(
    "nsx.named",
    title="What NSX has to forget is named",
    reason="NSX knows a hypervisor by the name it was registered with, which need not be the host's.",
    source="What several deployers of NSX-MH do.",
)
def asks(params: Any, facts: FactSet) -> Iterator[Finding]:
    wanted = {"api": "the NSX controller", "credential": "the login at NSX", "node": "the name in NSX"}
    for name, words in wanted.items():
        if params.kind == "nsx" and not getattr(params, name):
            yield Finding(Level.BLOCK, f"Give {words}.", name)
