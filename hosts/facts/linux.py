"""What any Linux machine says about itself, read with one command that also works on the oldest dom0."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from itertools import pairwise

from opsportal.operations.facts import Fact, FactError
from opsportal.transport.base import Result
from opsportal.transport.command import Command

UNITS = (
    "cloudstack-management", "cloudstack-agent", "cloudstack-usage", "cosmic-management", "cosmic-agent", "libvirtd", "virtqemud",
    "xapi", "xcp-networkd", "openvswitch", "openvswitch-switch", "ovs-vswitchd", "keepalived", "mysqld", "mysql", "mariadb", "nfs-server",
)  # fmt: skip
PACKAGES = (
    "cloudstack*", "cosmic*", "practice-*", "libvirt", "libvirt-daemon", "libvirt-daemon-system", "qemu-kvm", "qemu-system-x86",
    "openvswitch*",
    "mysql-server*", "mariadb-server*", "keepalived", "java-*-openjdk-headless", "openjdk-*-headless", "maven", "kernel", "linux-image-*",
    "openssh-server", "xapi-core", "xen-hypervisor",
)  # fmt: skip
"""Services and packages that an operator of CloudStack asks about. A whole list of packages would be thousands for each host."""

SCRIPT = r"""
part() { printf '== %s\n' "$1"; }
has() { command -v "$1" >/dev/null 2>&1; }
limited() { if has timeout; then timeout 5 "$@" 2>/dev/null; [ $? -ne 124 ] || echo '!'; else echo '!'; fi; }
units=$1 packages=$2 PATH=$PATH:/usr/sbin:/sbin LC_ALL=C
export PATH LC_ALL
set -f
part os-release; cat /etc/os-release 2>/dev/null
part redhat-release; cat /etc/redhat-release 2>/dev/null
part xensource-inventory; cat /etc/xensource-inventory 2>/dev/null
part hostname; cat /proc/sys/kernel/hostname
part kernel; uname -r
part machine; uname -m
part uptime; cat /proc/uptime
part boot-id; cat /proc/sys/kernel/random/boot_id 2>/dev/null
part cpu; grep -c '^processor' /proc/cpuinfo; grep -m1 '^model name' /proc/cpuinfo
part memory; grep -E '^(MemTotal|MemAvailable|MemFree):' /proc/meminfo
part disks; df -P -k -l -x tmpfs -x devtmpfs -x overlay -x squashfs 2>/dev/null || df -P -k
part links; ip -o link 2>/dev/null || echo '!'
part addresses; ip -o addr 2>/dev/null || echo '!'
part user; id -un
part sudo; if [ "$(id -u)" = 0 ]; then echo root; elif sudo -n true >/dev/null 2>&1; then echo yes; else echo no; fi
part kvm; if [ -e /dev/kvm ]; then echo yes; else echo no; fi
part services; found=
for unit in $units; do
  for place in /lib/systemd/system/$unit.service /usr/lib/systemd/system/$unit.service /etc/systemd/system/$unit.service \
    /etc/init.d/$unit
  do [ -e "$place" ] && { found="$found $unit"; echo "$unit"; break; }; done
done
part states; if [ -d /run/systemd/system ]; then [ -z "$found" ] || limited systemctl is-active $found; else echo '!'; fi
part failed; if [ -d /run/systemd/system ]; then limited systemctl list-units --state=failed --no-legend --plain; else echo '!'; fi
part packages; if [ -e /var/lib/dpkg/status ]; then limited dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\n' $packages
elif has rpm; then limited rpm -qa --qf 'ii %{NAME} %{VERSION}-%{RELEASE}\n' $packages; else echo '!'; fi
part tools; for tool in mvn rpmbuild dpkg-buildpackage; do has "$tool" && echo "$tool"; done
part end
"""
"""POSIX sh; /proc, df -P and ip -o are the same from CentOS 5 (XenServer 6.2) to today. "!" stands for what could not be asked.

CentOS 5 has no `timeout`, so what can hang there (rpm with a stale lock) is not asked at all.
"""

VIRTUAL = ("lo", "vnet", "tap", "vif", "veth", "macvtap")
"""Names of interfaces that belong to virtual machines, of which a host has hundreds, and loopback."""


@dataclass(frozen=True)
class Disk:
    """One mounted local file system; sizes in KiB."""

    device: str
    mount: str
    size: int
    free: int


@dataclass(frozen=True)
class Interface:
    """`up` means switched on and with a signal. `master` is the bridge, bond or switch that it belongs to."""

    name: str
    mac: str
    mtu: int
    up: bool
    master: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Service:
    """`state` in systemd's words ("active", "inactive", "failed"), or "installed" where nobody can be asked."""

    name: str
    state: str


@dataclass(frozen=True)
class Package:
    name: str
    version: str


@dataclass(frozen=True)
class Linux:
    """`memory` in KiB, `uptime` in seconds. `product` and `product_version` are XenServer's own, "" elsewhere.

    `sudo` is "root" (no sudo needed), "yes" (without a password) or "no". `interfaces`, `failed` (units) and `packages` are None
    where the host has no means to say.
    """

    hostname: str
    os_id: str
    os_name: str
    os_version: str
    kernel: str
    machine: str
    boot_id: str
    uptime: int
    cpus: int
    cpu_model: str
    memory: int
    memory_free: int
    disks: tuple[Disk, ...]
    user: str
    sudo: str
    kvm: bool
    services: tuple[Service, ...]
    tools: tuple[str, ...]
    interfaces: tuple[Interface, ...] | None = None
    failed: tuple[str, ...] | None = None
    packages: tuple[Package, ...] | None = None
    product: str = ""
    product_version: str = ""
    host_uuid: str = ""

    def kind(self) -> str:
        """The value of `hosts.models.Kind` that this machine looks like; a guess, which a person confirms."""
        if self.product:
            return "xcp-ng" if self.product.lower().startswith("xcp") else "xenserver"
        services = {service.name for service in self.services}
        if {"cloudstack-management", "cosmic-management"} & services:
            return "management"
        if {"cloudstack-agent", "cosmic-agent"} & services or (self.kvm and {"libvirtd", "virtqemud"} & services):
            return "kvm"
        return "build" if "mvn" in self.tools and len(self.tools) > 1 else "other"


@dataclass(frozen=True)
class LinuxBasics(Fact[Linux]):
    """Volatile as a whole: uptime and free space change between any two readings."""

    volatile = True
    timeout = 30

    def command(self) -> Command:
        return Command(script=SCRIPT, argv=(" ".join(UNITS), " ".join(PACKAGES)))

    def parse(self, result: Result) -> Linux:
        """Raises `FactError` when the answer stops early or a number is missing."""
        parts = _parts(result)
        inventory = _pairs(parts["xensource-inventory"])
        os_id, os_name, os_version = _system(_pairs(parts["os-release"]), parts["redhat-release"])
        cpus, cpu_model = _cpu(parts["cpu"])
        memory, memory_free = _memory(parts["memory"])
        return Linux(
            hostname=_one(parts, "hostname"),
            os_id=os_id,
            os_name=os_name,
            os_version=os_version,
            kernel=_one(parts, "kernel"),
            machine=_one(parts, "machine"),
            boot_id="".join(parts["boot-id"][:1]),
            uptime=int(_number(_one(parts, "uptime").split()[0], "the uptime")),
            cpus=cpus,
            cpu_model=cpu_model,
            memory=memory,
            memory_free=memory_free,
            disks=tuple(_disks(parts["disks"])),
            user=_one(parts, "user"),
            sudo=_one(parts, "sudo"),
            kvm=_one(parts, "kvm") == "yes",
            services=tuple(_services(parts["services"], _asked(parts["states"]))),
            tools=tuple(parts["tools"]),
            interfaces=_interfaces(_asked(parts["links"]), _asked(parts["addresses"])),
            failed=_failed(_asked(parts["failed"])),
            packages=_packages(_asked(parts["packages"])),
            product=inventory.get("PRODUCT_BRAND", ""),
            product_version=inventory.get("PRODUCT_VERSION", ""),
            host_uuid=inventory.get("INSTALLATION_UUID", ""),
        )


def _asked(lines: list[str]) -> list[str] | None:
    """None for what the host had no means to answer."""
    return None if "!" in lines else lines


def _parts(result: Result) -> dict[str, list[str]]:
    """Lines by the name of their part; blank lines are dropped."""
    parts: dict[str, list[str]] = {}
    current: list[str] = []
    for line in result.out.splitlines():
        if line.startswith("== "):
            current = parts.setdefault(line[3:], [])
        elif line.strip():
            current.append(line)
    if "end" not in parts:
        said = (result.err or result.out).strip()[:200]
        raise FactError(
            f"The host did not answer like a Linux machine (exit code {result.exit}): {said or 'it said nothing'}. "
            "Log in by hand with the same user: a forced command, a restricted shell or a greeting may be in the way."
        )
    return parts


def _one(parts: dict[str, list[str]], name: str) -> str:
    if not parts.get(name):
        raise FactError(f"The host gave no answer for {name}. Log in by hand and look at /proc and the user's rights.")
    return parts[name][0].strip()


def _number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise FactError(f"The host gave {text[:60]!r} as {what}, which is not a number.") from None


def _pairs(lines: list[str]) -> dict[str, str]:
    """NAME=value or NAME='value' as in os-release; lines that are no pair are left out."""
    pairs = {}
    for line in lines:
        name, sign, value = line.partition("=")
        if sign:
            pairs[name.strip()] = _unquoted(value.strip())
    return pairs


_PLAIN = re.compile(r"""(['"]?)([^'"\\\s]*|(?<=['"])[^'"\\]*)\1""")
"""A value without quotes or in one pair of them: all but a few are, and `shlex` takes longer than all the rest of the answer."""


def _unquoted(value: str) -> str:
    if plain := _PLAIN.fullmatch(value):
        return plain[2]
    try:
        return " ".join(shlex.split(value))
    except ValueError:
        return value.strip("'\"")


def _system(os_release: dict[str, str], redhat: list[str]) -> tuple[str, str, str]:
    """Id, name and version. CentOS 5, the base of XenServer 6.2, has no os-release: its one line in redhat-release is taken whole."""
    if os_release:
        name = os_release.get("PRETTY_NAME", os_release.get("NAME", ""))
        return os_release.get("ID", ""), name, os_release.get("VERSION_ID", "")
    line = redhat[0].strip() if redhat else ""
    numbers = [word for word in line.split() if word[:1].isdigit()]
    return "", line, numbers[0].split("-")[0] if numbers else ""


def _cpu(lines: list[str]) -> tuple[int, str]:
    if not lines:
        raise FactError("The host did not say how many processors it has: /proc/cpuinfo could not be read.")
    model = lines[1].partition(":")[2].strip() if len(lines) > 1 else ""
    return int(_number(lines[0], "the number of processors")), " ".join(model.split())


def _memory(lines: list[str]) -> tuple[int, int]:
    """All and free. Kernels before 3.14 do not say MemAvailable; MemFree is then the nearest thing."""
    sizes = {name: int(_number(rest.split()[0], "a size of memory")) for name, _, rest in (line.partition(":") for line in lines)}
    if "MemTotal" not in sizes:
        raise FactError("The host did not say how much memory it has: /proc/meminfo could not be read.")
    return sizes["MemTotal"], sizes.get("MemAvailable", sizes.get("MemFree", 0))


def _services(names: list[str], states: list[str] | None) -> list[Service]:
    """`systemctl is-active` answers one line for each name, in their order."""
    if states is None or len(states) != len(names):
        states = ["installed"] * len(names)
    return [Service(name, state) for name, state in zip(names, states, strict=True)]


def _failed(lines: list[str] | None) -> tuple[str, ...] | None:
    """Older systemd puts a dot before each unit, whatever it is asked."""
    return None if lines is None else tuple(line.lstrip("●* ").split()[0] for line in lines if line.strip("●* "))[:20]


def _packages(lines: list[str] | None) -> tuple[Package, ...] | None:
    """Lines of status, name and version; dpkg also lists what was removed."""
    if lines is None:
        return None
    words = sorted(tuple(line.split()) for line in lines if line.startswith("ii ") and len(line.split()) == 3)
    return tuple(Package(name, version) for _, name, version in words[:100])


def _interfaces(links: list[str] | None, addresses: list[str] | None) -> tuple[Interface, ...] | None:
    if links is None or addresses is None:
        return None
    found: dict[str, list[str]] = {}
    for line in addresses:
        words = line.split()
        if len(words) > 3 and words[2] in ("inet", "inet6") and not words[3].startswith("fe80:"):
            found.setdefault(words[1], []).append(words[3])
    made = [_interface(match, tuple(found.get(match["name"], ()))) for line in links if (match := _LINK.match(line))]
    return tuple(one for one in made if not one.name.startswith(VIRTUAL))[:100]


_LINK = re.compile(r"\d+: (?P<name>[^:@\s]+)(?:@\S+)?: <(?P<flags>[^>]*)> mtu (?P<mtu>\d+)(?P<rest>.*)")


def _interface(match: re.Match[str], addresses: tuple[str, ...]) -> Interface:
    """One line of `ip -o link`: "2: eth0: <BROADCAST,UP,LOWER_UP> mtu 1500 qdisc mq master xenbr0 …\\    link/ether 00:16:…"."""
    words = match["rest"].split()
    following = dict(pairwise(words))
    up = {"UP", "LOWER_UP"} <= set(match["flags"].split(","))
    return Interface(match["name"], following.get("link/ether", ""), int(match["mtu"]), up, following.get("master", ""), addresses)


def _disks(lines: list[str]) -> list[Disk]:
    """df -P: device, KiB, used, free, capacity, mount point (which may have blanks)."""
    disks = []
    for line in lines[1:]:
        words = line.split(None, 5)
        if len(words) == 6 and words[1].isdigit() and words[3].lstrip("-").isdigit() and words[1] != "0":
            disks.append(Disk(words[0], words[5], int(words[1]), max(0, int(words[3]))))
    return disks
