"""The part of the rulebook that speaks of OVN."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from networking import controller_guards, controller_ovn
from networking.controller_guards import read, switches
from networking.facts.ovn import OvnConnection, OvnState
from networking.host_guards import OBSERVED
from opsportal.operations.facts import FactSet
from opsportal.operations.guards import Finding, Guard, Level, guard

MANUAL = "ovn-controller's manual, and observed with OVN 23.03 on Debian 12."


@guard(
    "ovn.installed",
    title="ovn-controller is installed",
    reason="It is the part of OVN that runs on every hypervisor.",
    source=MANUAL,
)
def installed(params: Any, facts: FactSet) -> Iterator[Finding]:
    if not read(params, facts):
        return
    ovn = facts(OvnState(f"host:{params.host}"))
    if ovn is None:
        yield Finding(
            Level.BLOCK, "The host has no ovn-controller: install ovn-host (on Red Hat ovn-host or openvswitch-ovn-host).", "host"
        )
        return
    try:
        params.joining.options(ovn.options)
    except ValueError as error:
        yield Finding(Level.BLOCK, f"{ovn.options_path} is not understood ({error}). Put it in order first.", "host")


@guard(
    "ovn.chassis",
    title="A chassis has a name and an address of its own",
    reason="OVN tells hypervisors apart by system-id, and sends their traffic to the address that each of them gives.",
    source=MANUAL,
)
def chassis(params: Any, facts: FactSet) -> Iterator[Finding]:
    seen = read(params, facts)
    if seen is None:
        return
    if not controller_ovn.chassis(switches(seen)):
        yield Finding(Level.BLOCK, "Open vSwitch has no system-id. Restart its service, which makes one.", "host")
    own = [one.partition("/")[0] for nic in seen.kernel.nics if nic.kind != "loopback" and nic.up for one in nic.addresses]
    if params.tunnel and params.tunnel not in own:
        yield Finding(Level.BLOCK, f"The host has no address {params.tunnel}. It has {', '.join(own)}.", "tunnel")
    if params.encap == "vxlan":
        said = "VXLAN has room for 4,095 networks and fewer ports only; OVN advises it for gateways that know nothing else."
        yield Finding(Level.WARN, said, "encap")


@guard(
    "ovn.one-leader",
    title="One leader for a switch",
    reason="OVN and another manager both believe that the switch is theirs, and each removes what the other made.",
    source=MANUAL,
)
def one_leader(params: Any, facts: FactSet) -> Iterator[Finding]:
    seen = read(params, facts)
    if seen is None:
        return
    found = switches(seen)
    if found.managers:
        said = f"The switch has the manager {', '.join(found.managers)}: leave it first, unless it only reads."
        yield Finding(Level.BLOCK, said, "target", override=True)
    remote = dict(found.external_ids).get("ovn-remote", "")
    if remote and params.target and remote != params.target:
        yield Finding(Level.BLOCK, f"The host is a chassis of {remote} already, and leaves it.", "target", override=True)
    if (bridge := found.bridge("br-int")) and bridge.controllers:
        yield Finding(Level.WARN, f"br-int has the controller {', '.join(bridge.controllers)}, which OVN does not expect.", "target")


@guard(
    "ovn.ssl-table",
    title="The SSL table wins",
    reason="Where Open vSwitch has an SSL table, ovn-controller uses that one instead of its own files: a set-ssl for a manager made it "
    "fail with “certificate verify failed”.",
    source=OBSERVED,
)
def ssl_table(params: Any, facts: FactSet) -> Iterator[Finding]:
    seen = read(params, facts)
    if seen and params.target.startswith("ssl:") and (ssl := switches(seen).ssl):
        said = (
            f"Open vSwitch's SSL table has {ssl.certificate} and believes {ssl.ca_cert}: ovn-controller uses these, not what is given here."
        )
        yield Finding(Level.BLOCK, said, "name", override=True)


@guard(
    "ovn.connected",
    title="A chassis is connected",
    reason="What is configured and not connected needs somebody to look at it, not the same commands again.",
    source=MANUAL,
)
def connected(params: Any, facts: FactSet) -> Iterator[Finding]:
    seen = read(params, facts)
    if seen is None or not params.target or dict(switches(seen).external_ids).get("ovn-remote") != params.target:
        return
    said = facts(OvnConnection(f"host:{params.host}"))
    if said != "connected":
        yield Finding(
            Level.WARN, f"The host is told to call {params.target}, and is {said or 'not running'}. Look at OVN's side.", "target"
        )


JOIN: tuple[Guard, ...] = (
    installed, controller_guards.target, chassis, one_leader, ssl_table, controller_guards.certificate, connected, controller_guards.leads,
)  # fmt: skip
