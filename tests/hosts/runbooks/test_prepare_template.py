"""Prepare a template: what is written, and what the script then does on a copy, run for real in a root directory of its own."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hosts.facts.portal import InventoryHost
from hosts.runbooks import prepare_template
from hosts.runbooks.prepare_template import CONF, INIT, SCRIPT, PrepareTemplate, TemplateParams
from hosts.xen import cloning
from hosts.xen.facts import MemberView, PoolBasics, PoolHosts
from hosts.xen.more_facts import FileText, Identity, WhoItWas
from opsportal.operations.facts import FactError
from opsportal.operations.steps import PutFile, RunCommand
from tests.hosts.runbooks.known import POOL_UUID, U1, U9, Known, basics, blocks, commands, host, member, row
from tests.hosts.runbooks.test_make_unique import INVENTORY, NOW, PROGRAMS

SHIMS = {
    "service": 'echo "service $*" >>/var/calls; [ "$1" != xapi ] || case $2 in start) : >/var/up ;; stop) rm -f /var/up ;; esac',
    "xe": """[ -e /var/up ] || exit 1
case $1 in
host-list) sed -n "s/^INSTALLATION_UUID='\\(.*\\)'/\\1/p" /etc/xensource-inventory ;;
*) echo "xe $*" >>/var/calls ;;
esac""",
    "chkconfig": 'echo "chkconfig $*" >>/var/calls',
    "hostname": "echo copy7",
    "reboot": 'echo "reboot" >>/var/calls',
    "xe-reset-networking": 'read answer; echo "xe-reset-networking $* ($answer)" >>/var/calls',
}

FOLDERS = (
    "opt/opsportal", "opt/shims", "opt/xensource/libexec", "etc/xensource", "etc/init.d", "var/log", "var/xapi", "sys/class/net/eth0",
)  # fmt: skip


class Machine:
    """A root directory with the template's files, in which the script runs as on a host that boots."""

    def __init__(self, root: Path, mac: str) -> None:
        self.root = root
        for folder in FOLDERS:
            (root / folder).mkdir(parents=True)
        (root / "sys/class/net/eth0/address").write_text(f"{mac}\n")
        (root / "etc/xensource-inventory").write_text(INVENTORY)
        (root / "etc/xensource/xapi-ssl.pem").write_text("the template's\n")
        (root / "var/xapi/state.db").write_text("the template's\n")
        (root / "var/up").touch()
        self._programs()
        (root / "etc/init.d/opsportal-first-boot").write_text(prepare_template.text("first_boot.init"))
        (root / "opt/opsportal/first-boot.sh").write_text(prepare_template.text("first_boot.sh"))
        (root / "opt/opsportal/first-boot.conf").write_text(prepare_template.conf(U9, NOW.mac, "eth0"))

    def _programs(self) -> None:
        for name, script in SHIMS.items():
            self._program(f"opt/shims/{name}", script)
        self._program("opt/xensource/libexec/create_templates", 'echo "create_templates" >>/var/calls')

    def _program(self, path: str, script: str) -> None:
        (self.root / path).write_text(f"#!/bin/sh\n{script}\n")
        (self.root / path).chmod(0o755)

    def boot(self) -> int:
        shown = [word for name in ("opt", "etc", "var", "sys") for word in ("--bind", str(self.root / name), f"/{name}")]
        links = [word for name in ("bin", "sbin", "lib", "lib64") for word in ("--symlink", f"usr/{name}", f"/{name}")]
        path = ["--setenv", "PATH", "/opt/shims:/usr/bin:/usr/sbin"]
        box = ["bwrap", "--ro-bind", "/usr", "/usr", *links, "--proc", "/proc", "--dev", "/dev", *shown, *path]
        return subprocess.run([*box, "sh", "/opt/opsportal/first-boot.sh"], check=False, timeout=60).returncode

    @property
    def calls(self) -> list[str]:
        file = self.root / "var/calls"
        return file.read_text().splitlines() if file.exists() else []

    @property
    def uuid(self) -> str:
        found = re.search(r"INSTALLATION_UUID='(.*)'", (self.root / "etc/xensource-inventory").read_text())
        assert found
        return found[1]

    def log(self) -> str:
        return (self.root / "var/log/opsportal-first-boot.log").read_text()


boxed = pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed: the script needs a root directory of its own")


@pytest.fixture
def copy(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "root", "52:54:00:00:00:77")


@boxed
def test_a_copy_is_itself_after_two_boots(copy: Machine) -> None:
    assert copy.boot() == 0
    first = copy.uuid
    assert first != U9 and "d0000009" not in (copy.root / "etc/xensource-inventory").read_text()
    assert not (copy.root / "var/xapi/state.db").exists()
    assert not (copy.root / "etc/xensource/xapi-ssl.pem").exists()
    assert copy.calls == [
        "service xapi stop",
        "service xapi start",
        "create_templates",
        "xe-reset-networking --device=eth0 --mode=dhcp (yes)",
    ]
    assert copy.boot() == 0
    assert copy.uuid == first
    assert copy.calls[4:] == [
        f"xe host-param-set uuid={first} name-label=copy7",
        "chkconfig opsportal-first-boot off",
        "chkconfig --del opsportal-first-boot",
        "reboot",
    ]
    assert not (copy.root / "opt/opsportal").exists()
    assert not (copy.root / "etc/init.d/opsportal-first-boot").exists()
    assert "copy7" in copy.log()


@boxed
def test_a_copy_with_an_address_of_its_own(copy: Machine) -> None:
    (copy.root / "opt/opsportal/address.conf").write_text("IP=10.0.0.77\nNETMASK=255.255.255.0\nGATEWAY=10.0.0.1\n")
    assert copy.boot() == 0
    wanted = "xe-reset-networking --device=eth0 --mode=static --ip=10.0.0.77 --netmask=255.255.255.0 --gateway=10.0.0.1 (yes)"
    assert copy.calls[-1] == wanted


@boxed
def test_the_template_itself_is_left_alone(tmp_path: Path) -> None:
    template = Machine(tmp_path / "root", NOW.mac.upper())
    assert template.boot() == 0
    assert template.uuid == U9 and template.calls == []
    assert (template.root / "opt/opsportal/first-boot.sh").exists()


@boxed
def test_a_host_with_a_uuid_of_its_own_only_loses_the_scripts(copy: Machine) -> None:
    file = copy.root / "etc/xensource-inventory"
    file.write_text(file.read_text().replace(U9, U1))
    assert copy.boot() == 0
    assert copy.uuid == U1 and not (copy.root / "opt/opsportal").exists()
    assert "service xapi stop" not in copy.calls


@boxed
def test_power_lost_in_the_middle_is_taken_up_at_the_next_boot(copy: Machine) -> None:
    good = (copy.root / "opt/shims/service").read_text()
    copy._program("opt/shims/service", "[ $2 != stop ] || exit 0; kill -9 $PPID")
    assert copy.boot() != 0
    half = copy.uuid
    assert half != U9 and (copy.root / "opt/opsportal/stage").read_text() == "identity\n"
    (copy.root / "opt/shims/service").write_text(good)
    assert copy.boot() == 0
    assert copy.uuid == half
    assert copy.calls[-1].startswith("xe-reset-networking")


def template() -> Known:
    known, target = Known(), row(U9).target
    known.say(InventoryHost("portal", 9), row(U9))
    known.say(MemberView(target), member(U9, U9))
    known.say(WhoItWas(target), Identity(INVENTORY, POOL_UUID, "xs09", NOW))
    known.say(PoolHosts(target), (host(U9),))
    known.say(PoolBasics(target), basics(U9))
    known.say(PROGRAMS, (cloning.CREATE_TEMPLATES, cloning.RESET_NETWORKING[0]))
    for path in (CONF, SCRIPT, INIT):
        known.say(FileText(target, path), None)
    return known


def test_what_is_written_and_how_it_is_taken_back() -> None:
    steps = template().plan(PrepareTemplate(), TemplateParams(9))
    assert [step.key for step in steps] == ["conf", "script", "init", "register"]
    puts = [step.action for step in steps if isinstance(step.action, PutFile)]
    assert [(put.path, put.mode) for put in puts] == [(CONF, 0o644), (SCRIPT, 0o755), (INIT, 0o755)]
    assert puts[0].content == f"TEMPLATE_UUID='{U9}'\nTEMPLATE_MAC='52:54:00:00:00:09'\nDEVICE='eth0'\n"
    assert commands(steps)[-1] == "register: chkconfig --add opsportal-first-boot && chkconfig opsportal-first-boot on"
    undone = [step.undo.command.argv or step.undo.command.script for step in steps if isinstance(step.undo, RunCommand)]
    assert undone[:3] == [("rm", "-f", CONF), ("rm", "-f", SCRIPT), ("rm", "-f", INIT)]
    assert "chkconfig --del" in undone[3]


def test_an_older_script_is_put_back_by_undo() -> None:
    known = template()
    known.say(FileText(row(U9).target, SCRIPT), "#!/bin/sh\nolder\n")
    step = known.plan(PrepareTemplate(), TemplateParams(9))[1]
    assert isinstance(step.undo, PutFile) and step.undo.content == "#!/bin/sh\nolder\n"
    assert isinstance(step.action, PutFile) and step.action.existed


def test_a_member_of_a_pool_is_no_template() -> None:
    known = template()
    known.say(MemberView(row(U9).target), member(U9, U1))
    assert "unique.member" in blocks(known.findings(PrepareTemplate(), TemplateParams(9)))


def test_a_host_whose_mac_is_not_known_is_no_template() -> None:
    known = template()
    known.say(WhoItWas(row(U9).target), Identity(INVENTORY, POOL_UUID, "xs09", dataclasses.replace(NOW, mac="$(reboot)")))
    with pytest.raises(FactError, match="could not be told"):
        known.plan(PrepareTemplate(), TemplateParams(9))


def test_the_scripts_are_plain_sh() -> None:
    for name in ("first_boot.sh", "first_boot.init"):
        for shell in ("dash", "bash"):
            if shutil.which(shell):
                subprocess.run([shell, "-n"], input=prepare_template.text(name), text=True, check=True)
