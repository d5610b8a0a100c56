"""Register a host's switch with a controller: NSX-MH, or whatever else manages over OVSDB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms

from networking import controller_forms, controller_guards, controller_steps, guarded
from networking.changes import Change
from networking.controller_forms import ApiForm
from networking.controller_guards import same_ssl, ssl_for
from networking.facts.controller import ApiCertificate, ApiLogin, Certificates, SwitchCertificates
from networking.forms import PLAIN, HostForm, name_field
from networking.host_guards import network
from networking.on_host import OneHost, OnHost
from networking.seen import Seen
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.runbook import NothingToDo, Page
from opsportal.operations.steps import Step

KINDS = [
    ("nsx", "NSX for Multi-Hypervisor: registered through its API, then connected"),
    ("plain", "Another manager over OVSDB: connected only"),
    ("certificate", "None yet: only make the certificate, to hand it to a manager"),
]


@dataclass(frozen=True)
class RegisterParams(OneHost):
    """`name` is that of the certificate, `by` "certificate" or "address", `tunnel` the host's address for tunnels."""

    kind: str = "nsx"
    target: str = ""
    name: str = "ovsclient"
    bridge: str = ""
    api: str = ""
    api_port: int = 443
    fingerprint: str = ""
    credential: int = 0
    node: str = ""
    by: str = "certificate"
    zone: str = ""
    connector: str = "VXLANConnector"
    tunnel: str = ""

    @property
    def tls(self) -> bool:
        return not self.target.startswith("tcp:")


class ManagerForm(HostForm):
    kind = forms.ChoiceField(label="Controller", choices=KINDS, initial="nsx")
    target = forms.CharField(
        label="Manager", required=False, max_length=80, widget=PLAIN, validators=[controller_forms.target],
        help_text="Whom the switch calls, such as ssl:192.0.2.10:6632.",
    )  # fmt: skip
    name = forms.CharField(
        label="Name of the certificate", max_length=31, widget=PLAIN, validators=[controller_forms.certificate_name], initial="ovsclient",
        help_text="Of its files in /etc/openvswitch. What is there and good is used.",
    )  # fmt: skip
    bridge = name_field("Integration bridge", "Made when it is not there, as NSX wants it. NSX calls it br-int; others may need none.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["bridge"].required = False

    def look(self, found: dict[str, Any]) -> None:
        """Any name will do for a bridge: it is made."""

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("kind") != "certificate" and not data.get("target") and "target" not in self.errors:
            self.add_error("target", "Say whom the switch calls, as in ssl:192.0.2.10:6632.")
        if data.get("kind") == "nsx" and not data.get("bridge") and "bridge" not in self.errors:
            self.add_error("bridge", "NSX wants an integration bridge, such as br-int.")
        return data


class NodeForm(ApiForm):
    by = forms.ChoiceField(
        label="Known to NSX by",
        choices=[("certificate", "the switch's certificate"), ("address", "the address, certificates are exchanged")],
    )
    zone = forms.CharField(
        label="Transport zone",
        required=False,
        max_length=36,
        widget=PLAIN,
        validators=[controller_forms.zone],
        help_text="Its uuid in NSX.",
    )
    connector = forms.ChoiceField(label="Tunnels", choices=controller_forms.CONNECTORS)
    tunnel = forms.GenericIPAddressField(label="The host's address for tunnels", required=False, widget=PLAIN)

    def clean_tunnel(self) -> str:
        return self.cleaned_data["tunnel"] or ""


class RegisterWithController(OnHost[RegisterParams]):
    name = "register-with-controller"
    title = "Register with a controller"
    summary = "Gives a switch a certificate, makes it known to NSX and has the controller lead it over TLS, proved by the connection."
    when = "When a hypervisor joins a cloud whose networks a controller makes."
    goes_wrong = (
        "A manager that does not know the switch's certificate refuses it again and again: when the connection does not last within a "
        "minute, the switch goes back to what it was. What NSX itself was told stays until “Leave a controller”."
    )
    afterwards = "The manager is connected, and leads the switch from now on. Undo takes the switch back; NSX keeps its record of the host."
    params = RegisterParams
    pages = (Page("manager", "Manager", ManagerForm), Page("nsx", "NSX", NodeForm, "Leave it empty for another kind of controller."))
    rules = controller_guards.REGISTER

    def about(self, params: RegisterParams) -> str:
        return params.target or f"the certificate {params.name}"

    def look(self, page: str, params: RegisterParams, facts: FactSet) -> dict[str, Any]:
        return shown_for(params, facts)

    def changes(self, params: RegisterParams, seen: Seen) -> Iterator[Change]:
        raise AssertionError("its plan needs more than what was seen of the network")

    def plan(self, params: RegisterParams, facts: FactSet) -> Iterator[Step]:
        host, seen = network(params, facts)
        found = facts(SwitchCertificates(host.target, params.name)) if params.tls else None
        if _done(params, seen, found):
            raise NothingToDo(f"{host.name} has it already: {self.about(params)}.")
        if params.kind == "nsx":
            yield from _in_nsx(params, host.target, found, facts)
        elif found and not (found.good and params.kind == "plain"):
            yield controller_steps.certificate(host.target, params.name, found)
        if params.kind != "certificate":
            assert seen.switches is not None
            change = controller_steps.follow(seen.switches, params.target, params.name, params.bridge, params.token, found)
            yield guarded.plain(host.target, change)


def _done(params: RegisterParams, seen: Seen, found: Certificates | None) -> bool:
    assert seen.switches is not None
    if found is not None and not found.good:
        return False
    if params.kind == "certificate":
        return True
    trusts = found is None or same_ssl(seen.switches.ssl, ssl_for(params.name))
    return seen.switches.managers == (params.target,) and trusts and not (params.bridge and seen.switches.bridge(params.bridge) is None)


def _in_nsx(params: RegisterParams, target: str, found: Certificates | None, facts: FactSet) -> Iterator[Step]:
    shown, login = facts(ApiCertificate("local", params.api, params.api_port)), facts(ApiLogin("portal", params.credential))
    asked = controller_steps.request(params, login.username, shown.pem)
    base = f"https://{params.api}:{params.api_port}/ws.v1"
    yield controller_steps.password(params, login.name)
    yield controller_steps.ask_nsx(
        "look", asked, params.token, "Log in at NSX and look",
        "Before anything changes on the host, it should be certain that NSX takes the login and has the transport zone.",
        f"POST {base}/login\nGET {base}/transport-node\nGET {base}/transport-zone",
    )  # fmt: skip
    if found is not None:
        yield controller_steps.certificate(target, params.name, found)
    yield controller_steps.ask_nsx(
        "register", asked, params.token, f"Register {params.node} as a transport node",
        "NSX takes only switches that it knows. It is asked before and after, so that there is never a second one.",
        f"POST {base}/transport-node",
    )  # fmt: skip
    yield controller_steps.forget(params)


def shown_for(params: Any, facts: FactSet) -> dict[str, Any]:
    """What the pages show: the switch as it is led now, and the certificate that NSX shows."""
    if not params.host:
        return {}
    _, seen = network(params, facts)
    assert seen.switches is not None
    now = {
        "Managers now": ", ".join(seen.switches.managers) or "none",
        "Certificate now": seen.switches.ssl.certificate if seen.switches.ssl else "none",
        "Bridges": ", ".join(bridge.name for bridge in seen.switches.bridges) or "none",
    }
    if not params.api:
        return now
    shown = facts.try_(ApiCertificate("local", params.api, params.api_port))
    return {**now, "NSX shows": str(shown) if isinstance(shown, FactError) else shown.fingerprint}
