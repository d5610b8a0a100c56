"""The part of the rulebook that speaks of managers, controllers and their certificates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ValidationError

from networking import controller_forms
from networking.facts.controller import CACERT, FOLDER, ApiCertificate, ApiLogin, SwitchCertificates
from networking.facts.links import SwitchLinks
from networking.host_guards import OBSERVED, VSCTL, network
from networking.seen import Seen
from networking.state import Ssl, Switches
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Guard, Level, guard

PKI = "ovs-pki's manual, and observed with Open vSwitch 3.1 on Debian 12."
DEPLOYERS = "What several deployers of NSX-MH do; CloudStack's NSX documentation names the same controllers."


def read(params: Any, facts: FactSet) -> Seen | None:
    """None where another rule says already that it cannot be read."""
    try:
        return network(params, facts)[1] if params.host else None
    except FactError:
        return None


def switches(seen: Seen) -> Switches:
    assert seen.switches is not None
    return seen.switches


def ssl_for(name: str) -> Ssl:
    """The SSL table as a registration leaves it."""
    return Ssl(f"{FOLDER}/{name}-privkey.pem", f"{FOLDER}/{name}-cert.pem", CACERT, True)


def same_ssl(one: Ssl | None, two: Ssl) -> bool:
    """Whether it was a bootstrap does not count once the peer's certificate is there."""
    return one is not None and (one.private_key, one.certificate, one.ca_cert) == (two.private_key, two.certificate, two.ca_cert)


@guard(
    "controller.target",
    title="A manager is named by scheme, address and port",
    reason="Open vSwitch takes what it does not understand, too, and then says nothing. Without TLS, who is on the way leads the host.",
    source=VSCTL,
)
def target(params: Any, facts: FactSet) -> Iterator[Finding]:
    if not params.target:
        return
    try:
        controller_forms.target(params.target)
    except ValidationError as error:
        yield Finding(Level.BLOCK, str(error.message), "target")
        return
    if params.target.startswith("tcp:"):
        said = f"{params.target} is not encrypted, and nobody proves who he is: anyone on the way can lead this host's switch. Prefer ssl:."
        yield Finding(Level.BLOCK if params.kind == "nsx" else Level.WARN, said, "target")


@guard(
    "controller.one-manager",
    title="The switch has no other manager",
    reason="set-manager replaces the whole list: the controller that led the switch loses it, and its virtual networks with it.",
    source=VSCTL,
)
def one_manager(params: Any, facts: FactSet) -> Iterator[Finding]:
    seen = read(params, facts)
    others = [one for one in switches(seen).managers if one != params.target] if seen and params.target else []
    if others:
        said = f"The switch has the manager {', '.join(others)} already, which gives way. Undo brings it back."
        yield Finding(Level.BLOCK, said, "target", override=True)


@guard(
    "controller.ssl-shared",
    title="One certificate for the whole host",
    reason="ovsdb-server, ovs-vswitchd and ovn-controller share one SSL table: a set-ssl for a manager made ovn-controller fail with "
    "“certificate verify failed”.",
    source=OBSERVED,
)
def ssl_shared(params: Any, facts: FactSet) -> Iterator[Finding]:
    seen = read(params, facts)
    if seen is None or not params.target.startswith("ssl:") or same_ssl(found := switches(seen).ssl, ssl_for(params.name)):
        return
    if dict(switches(seen).external_ids).get("ovn-remote", "").startswith("ssl:"):
        said = "ovn-controller of this host speaks TLS with OVN and shares the certificate: it loses OVN when the certificate changes."
        yield Finding(Level.BLOCK, said, "name", override=True)
    elif found:
        yield Finding(Level.WARN, f"set-ssl replaces {found.certificate}, which everything of this Open vSwitch uses now.", "name")
    else:
        yield Finding(Level.NOTE, "set-ssl is for the whole host: ovn-controller would use the same certificate.", "name")


@guard(
    "controller.certificate",
    title="A certificate is made once and kept",
    reason="A new key under an old name makes every peer refuse the switch. So nothing is overwritten by force.",
    source=PKI,
)
def certificate(params: Any, facts: FactSet) -> Iterator[Finding]:
    if read(params, facts) is None or not params.name or params.target.startswith("tcp:"):
        return
    found = facts(SwitchCertificates(f"host:{params.host}", params.name))
    if missing := [tool for tool in ("openssl", "ovs-pki") if tool not in found.tools]:
        yield Finding(Level.BLOCK, f"The host has no {' and no '.join(missing)}: install openssl and openvswitch-pki.", "host")
    elif found.good:
        yield Finding(Level.NOTE, f"The certificate {params.name} is there and good until {found.until}: it is used.", "name")
    elif not found.none:
        why = (
            "is not readable or incomplete"
            if not found.pem
            else "has a key that does not fit"
            if not found.pair
            else "has expired or soon does"
        )
        said = f"The certificate {params.name} in {FOLDER} {why}. Choose another name, or move its files away."
        yield Finding(Level.BLOCK, said, "name")


@guard(
    "controller.first-contact",
    title="Who answers first is believed",
    reason="With --bootstrap the switch takes over the certificate of whoever answers first, and from then on believes only him. It never "
    "overwrites a certificate that it has, so the one of an old manager has to go.",
    source="ovs-vsctl's manual, set-ssl; observed with Open vSwitch 3.1 on Debian 12.",
)
def first_contact(params: Any, facts: FactSet) -> Iterator[Finding]:
    seen = read(params, facts)
    if seen is None or not params.target.startswith("ssl:") or params.target in switches(seen).managers:
        return
    if "cacert" in facts(SwitchCertificates(f"host:{params.host}", params.name)).kinds:
        yield Finding(Level.WARN, f"{CACERT} belongs to another manager and is set aside. Undo puts it back.", "target")
    yield Finding(Level.NOTE, f"The switch believes whoever answers first at {params.target}: be sure of the way there.", "target")


@guard(
    "controller.leads",
    title="A manager may change everything",
    reason="From then on a manager can add, change and remove every bridge of the host, also what the portal comes in over.",
    source="RFC 7047, the Open vSwitch Database protocol.",
)
def leads(params: Any, facts: FactSet) -> Iterator[Finding]:
    if params.target:
        yield Finding(Level.NOTE, "What the manager changes later is not in this plan, and an undo of it does not take it back.")


@guard(
    "controller.connected",
    title="A manager that is set is connected",
    reason="What is configured and not connected needs somebody to look at it, not the same commands again.",
    source=OBSERVED,
)
def connected(params: Any, facts: FactSet) -> Iterator[Finding]:
    seen = read(params, facts)
    if seen is None or not params.target or params.target not in switches(seen).managers:
        return
    links = facts(SwitchLinks(f"host:{params.host}"))
    found = next((one for one in links.managers if one.target == params.target), None) if links else None
    if found is None or not found.settled:
        state = f" ({found.state}{', ' + found.last_error if found.last_error else ''})" if found else ""
        yield Finding(Level.WARN, f"{params.target} is set and not connected{state}. Look at the manager, or leave it first.", "target")


# The API of NSX.


@guard(
    "nsx.whole",
    title="What NSX wants to know of a hypervisor",
    reason="A node without a transport zone or with an address that the host does not have is taken by NSX and never turns green.",
    source=DEPLOYERS,
)
def whole(params: Any, facts: FactSet) -> Iterator[Finding]:
    if params.kind != "nsx":
        return
    wanted = {"api": "the NSX controller", "credential": "the login at NSX", "node": "the name in NSX", "zone": "the transport zone"}
    for name, words in wanted.items():
        if not getattr(params, name):
            yield Finding(Level.BLOCK, f"Give {words}.", name)
    seen = read(params, facts)
    if seen and params.tunnel not in (own := _addresses(seen)):
        said = f"The host has no address {params.tunnel}." if params.tunnel else "Give the host's address for tunnels."
        yield Finding(Level.BLOCK, f"{said} It has {', '.join(own)}.", "tunnel")
    if params.connector == "STTConnector":
        said = "STT needs the kernel module that came with NSX: Open vSwitch takes such a port from 3.0 on, and passes nothing."
        yield Finding(Level.WARN, said, "connector")


def _addresses(seen: Seen) -> list[str]:
    return [one.partition("/")[0] for nic in seen.kernel.nics if nic.kind != "loopback" and nic.up for one in nic.addresses]


@guard(
    "nsx.login",
    title="The login at NSX is a password",
    reason="NSX-MH takes a name and a password, and gives a session for them.",
    source=DEPLOYERS,
)
def login(params: Any, facts: FactSet) -> Iterator[Finding]:
    if params.api and params.credential:
        found = facts.try_(ApiLogin("portal", params.credential))
        if isinstance(found, FactError):
            yield Finding(Level.BLOCK, str(found), "credential")
        elif not found.password:
            yield Finding(Level.BLOCK, f"{found.name} is a key: NSX wants a password. Choose another credential.", "credential")


@guard(
    "nsx.pinned",
    title="NSX shows the certificate that was compared",
    reason="The portal sends the password of NSX's administrator only to the certificate that a person compared. It is never left out.",
    source="TLS itself: a self-signed certificate proves nothing until somebody compares it.",
)
def pinned(params: Any, facts: FactSet) -> Iterator[Finding]:
    if not params.api:
        return
    shown = facts.try_(ApiCertificate("local", params.api, params.api_port))
    if isinstance(shown, FactError):
        yield Finding(Level.BLOCK, str(shown), "api")
    elif not params.fingerprint:
        said = f"NSX shows the certificate {shown.fingerprint}. Compare it with NSX's own console, and paste it here when it is the same."
        yield Finding(Level.BLOCK, said, "fingerprint")
    elif params.fingerprint != shown.fingerprint:
        said = f"NSX shows another certificate than the given one: {shown.fingerprint}. Find out why before you go on."
        yield Finding(Level.BLOCK, said, "fingerprint")


API: tuple[Guard, ...] = (login, pinned)
REGISTER: tuple[Guard, ...] = (target, one_manager, ssl_shared, certificate, first_contact, connected, leads, whole, *API)
