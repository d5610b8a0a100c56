"""Open vSwitch and a hypervisor installed on a real host from a real repository, run, proved, and taken away again."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from hosts import connections, sealing
from hosts.models import Credential, Host, HostKey, Kind
from opsportal.operations import approval, journal, registry
from opsportal.operations.models import Operation
from opsportal.operations.states import OperationState as S
from opsportal.secrets.store import make_keyring
from tests.networking.conftest import Net
from tests.networking.ground import Ground, GroundHost, cannot, missing
from tests.operations.driving import run

pytestmark = [pytest.mark.network, pytest.mark.django_db(transaction=True)]

AGENT_PATH = "/etc/cloudstack/agent/agent.properties"
WANTED = (
    "openvswitch-switch",
    "libvirt-daemon-system",
    "libvirt-clients",
    "qemu-system-x86",
    "qemu-utils",
    "python3-libvirt",
    "ebtables",
    "ipset",
)
STATE = """
dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\\n'
for unit in openvswitch-switch libvirtd.service libvirtd.socket libvirtd-ro.socket libvirtd-tls.socket libvirtd-tcp.socket; do
  echo "$unit $(systemctl is-active $unit) $(systemctl is-enabled $unit 2>&1)"
done
places="/etc/libvirt /etc/default /etc/openvswitch /etc/cloudstack /etc/apparmor.d/disable /etc/systemd/system"
find $places -type f -exec md5sum {} + 2>/dev/null | sort -k 2
find /etc/systemd/system -type l | sort
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of what the host would fetch, downloaded by this machine's own apt."""
    folder = tmp_path_factory.mktemp("repository")
    if not Path("/usr/bin/apt-get").exists() or 'VERSION_ID="12"' not in Path("/etc/os-release").read_text():
        pytest.skip("CANNOT HERE: the packages of this test are those of Debian 12.")
    names = _closure()
    done = subprocess.run(["apt-get", "download", "-q", *names], cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        why = f"NO PACKAGES: apt-get download: {done.stderr.strip()[-300:]}"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(f"{why}. Installing was not tested.")
    with (folder / "Packages").open("w") as index:
        for path in sorted(folder.glob("*.deb")):
            control = subprocess.run(["dpkg-deb", "-f", path], capture_output=True, text=True, check=True).stdout
            digest = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0]
            index.write(f"{control}Filename: ./{path.name}\nSize: {path.stat().st_size}\nSHA256: {digest}\n\n")
    return folder


def _closure() -> list[str]:
    """What is new, and what is on this machine already and the host has to get back once it lost it."""
    said = subprocess.run(
        ["apt-get", "-s", "-q", "install", "--no-install-recommends", *WANTED], capture_output=True, text=True, check=False
    )
    new = re.findall(r"(?m)^Inst (\S+)", said.stdout)
    return sorted({*new, "openvswitch-switch", "openvswitch-common"})


@pytest.fixture(scope="module")
def bare(packages: Path) -> Iterator[GroundHost]:
    """A host without libvirt, whose only package source is that repository."""
    if why := cannot() or missing():
        pytest.skip(f"CANNOT HERE: {why}. Installing on a host was not tested.")
    with Ground(1) as ground:
        (host,) = ground.hosts
        host.sh("rm -f /usr/sbin/policy-rc.d /var/lib/man-db/auto-update")
        host.sh("rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*; mkdir /srv/repository")
        call = subprocess.run(["cp", "-rT", str(packages), f"{host.folder}/upper/srv/repository"], check=False)
        assert call.returncode == 0
        host.sh("echo 'deb [trusted=yes] file:/srv/repository ./' >/etc/apt/sources.list")
        host.sh("printf 'APT::Sandbox::User \"root\";\\n' >/etc/apt/apt.conf.d/99ground; apt-get update -q", timeout=300)
        host.sh("DEBIAN_FRONTEND=noninteractive apt-get upgrade -q -y", timeout=300)  # a package that came newer would stay newer
        yield host


@pytest.fixture(scope="module")
def without_switch(bare: GroundHost) -> None:
    bare.sh("systemctl stop ground-underlay; rm -f $(find /etc/systemd/system -name 'ground-underlay*'); systemctl daemon-reload")
    there = bare.sh("dpkg-query -W -f '${Package} ' 'ovn-*' openvswitch-switch 2>/dev/null || :")
    bare.sh(f"dpkg --purge {there} && rm -rf /etc/openvswitch /var/lib/openvswitch", timeout=300)


@pytest.fixture
def net(bare: GroundHost, person: Callable[..., User], settings: Any, tmp_path: Path) -> Iterator[Net]:
    settings.KEY_FILE, settings.STATE_DIR, settings.SECRET_KEY = tmp_path / "keys", tmp_path / "state", secrets.token_hex(32)
    make_keyring(settings.KEY_FILE)
    registry.runbooks.cache_clear()
    olga, paul = person("olga", "operator"), person("paul", "approver")
    credential = Credential(name="ground", kind=Credential.Kind.KEY, username="ops")
    pasted = {"way": "paste", "algorithm": "", "private_key": bare.ground.key.read_text(), "passphrase": "", "password": ""}
    sealing.put(credential, user=olga, action="credential.add", **pasted)
    host = Host.objects.create(name=bare.name, address=bare.address, kind=Kind.KVM, credential=credential)
    kind, blob = bare.host_key
    HostKey.objects.create(host=host, kind=kind, base64=blob, fingerprint="SHA256:x", pinned_by=olga)
    yield Net(bare, bare, {bare.name: host}, olga, paul)
    connections.forget_all()


def state(host: GroundHost) -> str:
    return host.sh(STATE)


def wanted(net: Net, runbook: str, **params: Any) -> Operation:
    return net.plan_for(runbook, host=net.hosts[net.first.name].pk, token=secrets.token_hex(6), **params)


def go(net: Net, operation: Operation) -> Operation:
    """This machine's processor may not virtualize, which is passed with a reason."""
    approval.submit(operation, user=net.olga, reason="A host in a namespace", overrides=True)
    operation.refresh_from_db()
    approval.approve(operation, user=net.paul, digest=operation.digest)
    operation.refresh_from_db()
    done = run(operation, seconds=120)
    assert done.state == S.SUCCEEDED, done.outcome + str(list(done.steps.values_list("title", "state", "message")))
    return done


def undone(net: Net, operation: Operation) -> None:
    back = net.undo(operation)
    assert back.state == S.SUCCEEDED, back.outcome + str(list(back.steps.values_list("title", "state", "message"))) + told(back)


def told(operation: Operation) -> str:
    return b"".join(journal.raw(operation)).decode()[-3000:]


def messages(operation: Operation) -> str:
    return "\n".join(f"{one['level']}: {one['message']}" for one in operation.findings)


def difference(before: str, after: str) -> list[str]:
    return sorted(set(before.splitlines()) ^ set(after.splitlines()))


@pytest.mark.usefixtures("without_switch")
def test_open_vswitch_comes_works_and_goes(net: Net) -> None:
    before = state(net.first)
    operation = wanted(net, "install-open-vswitch")
    assert "New on the host: " in messages(operation) and "openvswitch-switch" in messages(operation)
    done = go(net, operation)
    assert "ovs_version" in net.first.sh("ovs-vsctl show")
    again = wanted(net, "install-open-vswitch")
    assert not again.frozen().steps and "has it already" in again.frozen().because
    undone(net, done)
    assert difference(before, state(net.first)) == []


@pytest.mark.usefixtures("without_switch")
def test_a_host_with_bridges_keeps_its_switch(net: Net) -> None:
    before = state(net.first)
    done = go(net, wanted(net, "install-open-vswitch"))
    net.first.sh("ovs-vsctl --timeout=10 --no-wait add-br br9")
    assert net.undo(done).state == S.FAILED
    assert "br9" in net.first.sh("ovs-vsctl list-br")
    net.first.sh("ovs-vsctl --timeout=10 --no-wait del-br br9")
    undone(net, done)
    assert difference(before, state(net.first)) == []


AGENT = "guid=1\nworkers=5\nkeystore.passphrase=deep-secret\nnetwork.bridge.type=native\nzone=default\nof.ours=x=y\n"


def listening(host: GroundHost) -> set[str]:
    return {port for port in ("16509", "16514") if f":{port} " in host.sh("ss -ltn")}


def test_a_hypervisor_is_prepared_once_changed_and_taken_back(net: Net) -> None:
    host = net.first
    host.sh("mkdir -p /etc/cloudstack/agent")
    host.sh(f"printf '%s' '{AGENT}' >/etc/cloudstack/agent/agent.properties; chmod 640 /etc/cloudstack/agent/agent.properties")
    bare = state(host)
    first = wanted(net, "prepare-kvm-host", access="cloudstack", vnc="198.18.240.11", openvswitch=True)
    assert "vmx" in messages(first) or "svm" in host.sh("cat /proc/cpuinfo") or "vmx" in host.sh("cat /proc/cpuinfo")
    done = go(net, first)
    assert host.sh("virsh -c qemu:///system uri").strip() == "qemu:///system" and listening(host) == set()
    assert "deep-secret" not in str(done.plan) + told(done) and "keystore.passphrase=deep-secret" in host.sh(f"cat {AGENT_PATH}")
    assert "network.bridge.type=openvswitch" in host.sh(f"cat {AGENT_PATH}") and host.sh(f"stat -c %a {AGENT_PATH}").strip() == "640"
    again = wanted(net, "prepare-kvm-host", access="cloudstack", vnc="198.18.240.11", openvswitch=True)
    assert not again.frozen().steps and "prepared already" in again.frozen().because, again.frozen().because + again.outcome

    prepared = state(host)
    tcp = wanted(net, "prepare-kvm-host", access="tcp", vnc="198.18.240.11", openvswitch=True)
    assert "anybody on that network runs what he likes as root" in messages(tcp)
    opened = go(net, tcp)
    assert listening(host) == {"16509"}
    undone(net, opened)
    assert listening(host) == set() and difference(prepared, state(host)) == []

    undone(net, done)
    assert difference(bare, state(host)) == []
    host.sh("rm -r /etc/cloudstack")
