"""Make a host a chassis of OVN."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from networking import controller_forms, controller_ovn, controller_ovn_guards, controller_steps, guarded
from networking.changes import Change
from networking.controller_ovn import Joining
from networking.facts.controller import SwitchCertificates
from networking.facts.ovn import CA, Ovn, OvnState
from networking.forms import PLAIN, HostForm
from networking.host_guards import network
from networking.on_host import OneHost, OnHost
from networking.seen import Seen
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.runbook import NothingToDo, Page
from opsportal.operations.steps import PutFile, Step


@dataclass(frozen=True)
class JoinParams(OneHost):
    """`target` is the southbound database, `tunnel` the host's address for tunnels, `ca` a PEM."""

    kind: str = "ovn"
    target: str = ""
    name: str = "ovsclient"
    ca: str = ""
    encap: str = "geneve"
    tunnel: str = ""

    @property
    def joining(self) -> Joining:
        tls = self.target.startswith("ssl:")
        return Joining(self.target, self.encap, self.tunnel, self.name if tls else "", self.ca if tls else "")


class JoinForm(HostForm):
    target = forms.CharField(
        label="Southbound database", max_length=80, widget=PLAIN, validators=[controller_forms.target],
        help_text="Such as ssl:192.0.2.10:6642.",
    )  # fmt: skip
    tunnel = forms.GenericIPAddressField(label="The host's address for tunnels", widget=PLAIN)
    encap = forms.ChoiceField(label="Tunnels", choices=[("geneve", "Geneve"), ("vxlan", "VXLAN")], initial="geneve")
    name = forms.CharField(
        label="Name of the certificate", max_length=31, widget=PLAIN, validators=[controller_forms.certificate_name], initial="ovsclient",
        help_text="Of its files in /etc/openvswitch. OVN has to trust it before. Not used with tcp:.",
    )  # fmt: skip
    ca = forms.CharField(
        label="Whom to believe", required=False, max_length=20000, widget=forms.Textarea(attrs={"rows": 4, "class": "mono"}),
        help_text="The certificate of OVN's authority, or of the southbound database itself, from its BEGIN line. Not used with tcp:.",
    )  # fmt: skip

    def clean_ca(self) -> str:
        text: str = self.cleaned_data["ca"].strip().replace("\r\n", "\n")
        if text:
            controller_forms.pinned(text if "BEGIN CERTIFICATE" in text else "-----BEGIN CERTIFICATE-----")
        return f"{text[text.index('-----BEGIN') :]}\n" if text else ""

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("target", "").startswith("ssl:") and not data.get("ca") and "ca" not in self.errors:
            self.add_error("ca", ValidationError("With ssl: the host has to know whom it believes. Paste the certificate."))
        return data


class JoinOvn(OnHost[JoinParams]):
    name = "join-ovn"
    title = "Join OVN"
    summary = "Makes a host a chassis of OVN, over TLS, and proves it in the southbound database."
    when = "When a hypervisor's networks are to be made by OVN."
    goes_wrong = (
        "A southbound database that does not know the host's certificate refuses it again and again, and the proof fails: undo then takes "
        "the host out. Another controller that leads br-int as well fights with OVN about it."
    )
    afterwards = "OVN lists the host as a chassis, and makes br-int and the tunnels. Undo takes the chassis out of OVN."
    params = JoinParams
    pages = (Page("ovn", "OVN", JoinForm),)
    rules = controller_ovn_guards.JOIN

    def about(self, params: JoinParams) -> str:
        return params.target

    def look(self, page: str, params: JoinParams, facts: FactSet) -> dict[str, Any]:
        if not params.host:
            return {}
        host, seen = network(params, facts)
        ovn = facts(OvnState(host.target))
        assert seen.switches is not None
        running = "not installed" if ovn is None else f"{ovn.version}, {'running' if ovn.active else 'not running'}"
        remote = dict(seen.switches.external_ids).get("ovn-remote", "none")
        return {"OVN": running, "Southbound database now": remote, "Name in OVN": controller_ovn.chassis(seen.switches) or "none"}

    def changes(self, params: JoinParams, seen: Seen) -> Iterator[Change]:
        raise AssertionError("its plan needs more than what was seen of the network")

    def plan(self, params: JoinParams, facts: FactSet) -> Iterator[Step]:
        host, seen = network(params, facts)
        ovn, joining = facts(OvnState(host.target)), params.joining
        assert seen.switches is not None
        if ovn is None:
            raise FactError(f"{host.name} has no ovn-controller. Install it first.")
        found = facts(SwitchCertificates(host.target, params.name)) if joining.name else None
        if controller_ovn.is_joined(joining, seen.switches, ovn) and (found is None or found.good):
            raise NothingToDo(f"{host.name} has it already: {self.about(params)}.")
        if found is not None and not found.good:
            yield controller_steps.certificate(host.target, params.name, found)
        yield from _files(host.target, joining, ovn)
        yield guarded.plain(host.target, controller_ovn.join(joining, seen.switches, ovn))


def _files(target: str, joining: Joining, ovn: Ovn) -> Iterator[Step]:
    if joining.name and joining.ca != ovn.ca:
        put = PutFile(CA, joining.ca, 0o644, ovn.ca, ovn.ca_there, sudo=True)
        yield controller_ovn.write(
            target,
            "ovn-ca",
            "Write whom ovn-controller believes",
            "It refuses every southbound database that this does not vouch for.",
            put,
        )
    if (options := joining.options(ovn.options)) != ovn.options:
        put = PutFile(ovn.options_path, options, 0o644, ovn.options, ovn.options_there, sudo=True)
        why = "The SSL table of Open vSwitch is shared with managers. With options of its own, ovn-controller keeps its own certificates."
        yield controller_ovn.write(target, "ovn-options", "Tell ovn-controller its certificates", why, put)
