"""Switches: bringing eight real hosts to a network design, and reading a hundred, against the same commands by a shell over ssh.

Needs what the tests on real hosts need: root and Open vSwitch. The portal also plans, arms and stops a timer on each host, proves every
change by reading it back, and writes what a reboot would forget; the shell runs the commands alone, in one connection a host.
"""

from __future__ import annotations

import secrets
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench import figure
from tests.bench.alone import portal_alone
from tests.networking.ground import Ground, GroundHost, cannot, missing

HOSTS, READ, ROUNDS, AT_ONCE = 8, 100, 3, 20
BARE = (
    "for bridge in br-int cloudbr0; do ovs-vsctl --timeout=20 --if-exists del-br $bridge; done; ip link set eth1 up; ip link set eth2 up;"
    "rm -f /etc/network/interfaces.d/opsportal-*"
)
"""As before a round. The NICs have a signal, as on machines with a switch."""


def run() -> None:
    if why := cannot() or missing():
        print(f"NO REAL SWITCHES: {why}, so nothing of networking is measured.", flush=True)
        return
    with tempfile.TemporaryDirectory(prefix="b", dir="/tmp") as place, portal_alone(Path(place) / "state"), Ground(HOSTS) as ground:
        olga, paul = _people(ground)
        _applied(ground, Path(place), olga, paul)
        _read(ground, Path(place), olga)


def _people(ground: Ground) -> tuple[Any, Any]:
    """Who asks and who approves, and a credential that opens all hosts."""
    from django.conf import settings
    from django.contrib.auth.models import Group, User

    from hosts import sealing
    from hosts.models import Credential
    from opsportal.secrets.store import make_keyring

    make_keyring(settings.KEY_FILE)
    people = []
    for name, role in (("olga", "operator"), ("paul", "approver")):
        people.append(User.objects.create_user(name))
        people[-1].groups.add(Group.objects.get_or_create(name=role)[0])
    pasted = {"way": "paste", "algorithm": "", "private_key": ground.key.read_text(), "passphrase": "", "password": ""}
    sealing.put(Credential(name="bench", kind=Credential.Kind.KEY, username="root"), user=people[0], action="credential.add", **pasted)
    return people[0], people[1]


def _known(name: str, address: str, one: GroundHost, olga: Any) -> Any:
    from hosts.models import Credential, Host, HostKey, Kind

    host = Host.objects.create(name=name, address=address, kind=Kind.KVM, credential=Credential.objects.get())
    kind, blob = one.host_key
    HostKey.objects.create(host=host, kind=kind, base64=blob, fingerprint="SHA256:x", pinned_by=olga)
    return host


# Applying a design


def _applied(ground: Ground, folder: Path, olga: Any, paul: Any) -> None:
    from networking.design import Design, Vlan
    from networking.models import NetworkDesign

    vlans = (Vlan("mgmt0", 100), Vlan("storage0", 200), Vlan("guest0", 300))
    design = Design("cloudbr0", ("eth1", "eth2"), "br-int", mode="balance-slb", lacp="off", fast=False, vlans=vlans)
    saved = NetworkDesign.objects.create(name="bench", wanted=design.dump())
    hosts = [_known(one.name, one.address, one, olga).pk for one in ground.hosts]
    ours, theirs = list[float](), list[float]()
    addresses = [one.address for one in ground.hosts]
    for _ in range(ROUNDS):
        _bare(ground)
        seconds, script = _portal(saved.pk, hosts, olga, paul)
        ours.append(seconds)
        _bare(ground)
        theirs.append(_timed(partial(_loop, ground, folder, script, addresses)))
    how = f"median of {ROUNDS}, {min(ours):.2f} to {max(ours):.2f} s; planned, timed, proved and kept over a reboot"
    figure(f"hypervisor networking on {HOSTS} hosts", median(ours), "s", how)
    ratio = median(mine / other for mine, other in zip(ours, theirs, strict=True))
    figure(
        "hypervisor networking: as long as a shell loop over ssh", ratio, "times", f"the loop: {median(theirs):.2f} s, and proves nothing"
    )


def _bare(ground: Ground) -> None:
    from hosts import connections

    connections.forget_all()
    for one in ground.hosts:
        one.sh(BARE)


def _portal(design: int, hosts: list[int], olga: Any, paul: Any) -> tuple[float, str]:
    """Seconds from the draft to the end, and the commands that changed the first host, as a shell script."""
    from opsportal.operations import approval, execution, planning
    from opsportal.operations.states import FINAL

    began = time.perf_counter()
    params = {"design": design, "hosts": hosts, "timer": 60, "token": secrets.token_hex(6)}
    operation = planning.create("hypervisor-networking", user=olga, token=secrets.token_hex(8), params=params)
    planning.work(operation.pk)
    operation.refresh_from_db()
    approval.submit(operation, user=olga)
    approval.approve(operation, user=paul, digest=operation.digest)
    while operation.state not in FINAL:
        execution.slice_of(operation.pk, 45)
        operation.refresh_from_db()
    seconds = time.perf_counter() - began
    assert operation.state == "succeeded", operation.outcome
    change = next(step for step in operation.frozen().steps if step.key.endswith("-design"))
    return seconds, f"set -e\n{change.action.command.gist}\n"  # type: ignore[union-attr]


def _loop(ground: Ground, folder: Path, script: str, addresses: Sequence[str]) -> None:
    """`for host in ...; do ssh $host < script; done`."""
    place = folder / "script"
    place.write_text(script)
    ssh = shlex.join(["ssh", *_options(ground, folder), "-l", "root"])
    line = f'for host in {" ".join(addresses)}; do {ssh} "$host" sh -s <{place} >/dev/null || exit 1; done'
    subprocess.run(["sh", "-c", line], check=True)


def _options(ground: Ground, folder: Path) -> list[str]:
    known = folder / "known_hosts"
    addresses = [(one, address) for one in ground.hosts for address in (one.address, *_more(one))]
    known.write_text("".join(f"{address} {' '.join(one.host_key)}\n" for one, address in addresses))
    return [
        *("-F", "/dev/null", "-i", str(ground.key), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"),
        *("-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes"),
    ]


# Reading


def _more(one: GroundHost) -> list[str]:
    """Addresses of a host besides its own."""
    network = one.address.rpartition(".")[0]
    return [f"{network}.{100 + place}" for place in range(one.number - 1, READ, HOSTS)]


def _read(ground: Ground, folder: Path, olga: Any) -> None:
    """Each of the hosts under twelve or thirteen addresses, in turns."""
    from networking.facts.boot import BootConfig
    from networking.facts.kernel import KernelNetwork
    from networking.facts.links import SwitchLinks
    from networking.models import HostNetwork

    for one in ground.hosts:
        one.sh("; ".join(f"ip addr add {address}/24 dev eth0" for address in _more(one)))
    found = sorted(((address, one) for one in ground.hosts for address in _more(one)), key=lambda pair: int(pair[0].rpartition(".")[2]))
    hosts = [_known(f"s{number}", address, one, olga) for number, (address, one) in enumerate(found)]
    HostNetwork.objects.bulk_create(HostNetwork(host=host) for host in hosts)
    addresses = [address for address, _ in found]
    script = "\n".join(f"(\n{fact('').command().script}\n)" for fact in (SwitchLinks, KernelNetwork, BootConfig))
    readers: dict[str, Callable[[], None]] = {
        "portal": _portal_reads,
        "shell loop": lambda: _loop(ground, folder, script, addresses),
        f"xargs -P {AT_ONCE} ssh": lambda: _xargs(ground, folder, script, addresses),
    }
    taken: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(ROUNDS):
        for name, read in readers.items():
            _forget()
            taken[name].append(_timed(read))
    ours = taken.pop("portal")
    figure(
        f"networks of {READ} switches, read and stored",
        median(ours),
        "s",
        f"median of {ROUNDS}, {min(ours):.2f} to {max(ours):.2f} s, cold",
    )
    for name, theirs in taken.items():
        ratio = median(other / own for other, own in zip(theirs, ours, strict=True))
        figure(f"reading switches: times as fast as a {name}", ratio, "times", f"the same commands: {median(theirs):.2f} s")


def _forget() -> None:
    from hosts import connections

    connections.forget_all()


def _portal_reads() -> None:
    """As a worker does it: claimed, read side by side, parsed, stored."""
    from django.utils import timezone

    from networking import reading
    from networking.models import HostNetwork

    began = timezone.now()
    HostNetwork.objects.filter(host__name__startswith="s").update(next_read_at=began)
    while reading.due():
        reading.read_slice()
    silent = HostNetwork.objects.filter(host__name__startswith="s").exclude(seen_at__gte=began)
    assert not silent, [network.problem for network in silent[:3]]


def _xargs(ground: Ground, folder: Path, script: str, addresses: list[str]) -> None:
    place = folder / "script"
    place.write_text(script)
    ssh = shlex.join(["ssh", *_options(ground, folder), "-l", "root"])
    line = ["xargs", "-P", str(AT_ONCE), "-I{}", "sh", "-c", f"{ssh} {{}} sh -s <{place} >/dev/null"]
    subprocess.run(line, input="\n".join(addresses), text=True, check=True)


def _timed(act: Callable[[], None]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began
