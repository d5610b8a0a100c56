"""Prepare a XenServer as a template: copies of it make themselves unique at their first boot."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from django import forms

from hosts.facts.portal import InventoryHost
from hosts.models import Host, Kind
from hosts.xen import clone_guards
from hosts.xen.more_facts import FileText, WhoItWas
from hosts.xen.parsing import inventory as read_inventory
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.runbook import Page, Risk, Runbook
from opsportal.operations.steps import Condition, Effect, PutFile, RunCommand, Step
from opsportal.transport.command import Command

FOLDER = "/opt/opsportal"
SERVICE = "opsportal-first-boot"
SCRIPT, CONF, INIT = f"{FOLDER}/first-boot.sh", f"{FOLDER}/first-boot.conf", f"/etc/init.d/{SERVICE}"


@dataclass(frozen=True)
class TemplateParams:
    host: int = 0


class TemplateForm(forms.Form):
    host = forms.ModelChoiceField(
        Host.objects.filter(kind__in=(Kind.XENSERVER, Kind.XCP_NG)).order_by("sort_name"), label="The template",
        empty_label="Choose a host", help_text="The XenServer that copies will be made of. It stays as it is.",
    )  # fmt: skip


class PrepareTemplate(Runbook[TemplateParams]):
    name = "prepare-template"
    title = "Prepare a template of a XenServer"
    summary = "Puts a script and an init script on a XenServer: every copy of its disk then makes itself unique at its first boot."
    when = "Before the disk of a XenServer is copied to other machines, or made a template of."
    goes_wrong = (
        "A copy with the same MAC address as the template is taken for the template and stays as it is. "
        "Without a DHCP server a copy needs a file with its address, or it comes up without a network."
    )
    afterwards = (
        f"Shut the template down and copy its disk. To give a copy a fixed address, put {FOLDER}/address.conf into it with the lines "
        "IP=, NETMASK=, GATEWAY= and DNS=. What a copy does is in its /var/log/opsportal-first-boot.log; it reboots twice and then "
        "removes the scripts. Undo takes them off the template."
    )
    risk = Risk.DISRUPTIVE
    approvals = 1
    params = TemplateParams
    pages = (Page("host", "Host", TemplateForm, template="hosts/runbooks/template.html"),)
    guards = clone_guards.TEMPLATE

    def subject(self, params: TemplateParams) -> str:
        host = Host.objects.filter(pk=params.host).first()
        return host.name if host else ""

    def locks(self, params: TemplateParams) -> Iterable[str]:
        return [f"host:{params.host}"] if params.host else []

    def look(self, page: str, params: TemplateParams, facts: FactSet) -> dict[str, Any]:
        if not params.host:
            return {}
        row = facts(InventoryHost("portal", params.host))
        was = facts.try_(WhoItWas(row.target))
        if isinstance(was, FactError):
            return {"host": row.name, "problem": str(was)}
        now = was.management
        return {"host": row.name, "uuid": host_uuid(was.inventory), "mac": now.mac, "device": now.device, "script": text("first_boot.sh")}

    def plan(self, params: TemplateParams, facts: FactSet) -> Iterable[Step]:
        row = facts(InventoryHost("portal", params.host))
        was, paths = facts(WhoItWas(row.target)), (CONF, SCRIPT, INIT)
        facts.need(*(FileText(row.target, path) for path in paths))
        before = {path: facts(FileText(row.target, path)) for path in paths}
        settings = conf(host_uuid(was.inventory), was.management.mac, was.management.device)
        yield put(row.target, "conf", CONF, settings, before, 0o644, "Say who the template is", SAYS_WHO)
        yield put(row.target, "script", SCRIPT, text("first_boot.sh"), before, 0o755, "Put the script that makes copies unique", DOES)
        yield put(row.target, "init", INIT, text("first_boot.init"), before, 0o755, "Put the init script that starts it", STARTS)
        yield register(row.target)


SAYS_WHO = "The script renews only what has the template's UUID, and never the machine that has the template's MAC address."
DOES = "It does what the runbook for one clone does, in the same order, and removes itself at the end."
STARTS = "So that a copy needs nobody who logs in: it boots, and is itself."


def text(name: str) -> str:
    return files("hosts.xen").joinpath(name).read_text()


def host_uuid(inventory: str) -> str:
    return read_inventory(inventory).get("INSTALLATION_UUID", "").lower()


def conf(uuid: str, mac: str, device: str) -> str:
    if not uuid or not re.fullmatch(r"[0-9a-f:]{17}", mac) or not re.fullmatch(r"\w+", device):
        raise FactError("The UUID or the MAC address of this host could not be read, so its copies could not be told from it.")
    return f"TEMPLATE_UUID='{uuid}'\nTEMPLATE_MAC='{mac}'\nDEVICE='{device}'\n"


def put(target: str, key: str, path: str, content: str, before: dict[str, str | None], mode: int, title: str, why: str) -> Step:
    was = before[path]
    back = PutFile(path, was or "", mode, content, existed=True)
    remove = RunCommand(Command(("rm", "-f", path)), timeout=60)
    return Step(
        key=key,
        target=target,
        title=title,
        why=why,
        action=PutFile(path, content, mode, was or "", existed=was is not None),
        effect=Effect.IDEMPOTENT,
        interruptible=True,
        expect=(),
        probe=(Condition("It is there and can be used", Command(("test", "-x" if mode & 0o100 else "-r", path))),),
        undo=remove if was is None else back,
    )


REGISTER = f"chkconfig --add {SERVICE} && chkconfig {SERVICE} on"
UNREGISTER = f"chkconfig {SERVICE} off; chkconfig --del {SERVICE}"


def register(target: str) -> Step:
    listed = Condition("It is started at boot", Command(("chkconfig", "--list", SERVICE)), "contains", "3:on")
    return Step(
        key="register",
        target=target,
        title="Have it started at boot",
        why="On this host it ends at once, because of the MAC address; on a copy it begins its work.",
        action=RunCommand(Command(script=REGISTER, gist=REGISTER), timeout=60),
        effect=Effect.IDEMPOTENT,
        interruptible=True,
        expect=(Condition("The script can be run", Command(("sh", "-n", SCRIPT))),),
        probe=(listed,),
        undo=RunCommand(Command(script=UNREGISTER, gist=UNREGISTER), timeout=60),
    )
