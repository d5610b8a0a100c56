"""What any Linux machine says about itself, read with one command that also works on the oldest dom0."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from opsportal.operations.facts import Fact, FactError
from opsportal.transport.base import Result
from opsportal.transport.command import Command

SCRIPT = r"""
part() { printf '== %s\n' "$1"; }
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
part user; id -un
part sudo; if [ "$(id -u)" = 0 ]; then echo root; elif sudo -n true >/dev/null 2>&1; then echo yes; else echo no; fi
part kvm; if [ -e /dev/kvm ]; then echo yes; else echo no; fi
part services; for unit in cloudstack-management cloudstack-agent cosmic-management cosmic-agent libvirtd xapi; do
  [ -e "/lib/systemd/system/$unit.service" ] || [ -e "/usr/lib/systemd/system/$unit.service" ] || [ -e "/etc/systemd/system/$unit.service" ] \
    || [ -e "/etc/init.d/$unit" ] && echo "$unit"
done
part tools; for tool in mvn rpmbuild dpkg-buildpackage; do command -v "$tool" >/dev/null 2>&1 && echo "$tool"; done
part end
"""
"""Plain POSIX sh; /proc and df -P are the same from CentOS 5 (XenServer 6.2) to today."""


@dataclass(frozen=True)
class Disk:
    """One mounted local file system; sizes in KiB."""

    device: str
    mount: str
    size: int
    free: int


@dataclass(frozen=True)
class Linux:
    """`memory` in KiB, `uptime` in seconds. `product` and `product_version` are XenServer's own, "" elsewhere.

    `sudo` is "root" (no sudo needed), "yes" (without a password) or "no".
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
    services: tuple[str, ...]
    tools: tuple[str, ...]
    product: str = ""
    product_version: str = ""
    host_uuid: str = ""

    def kind(self) -> str:
        """The value of `hosts.models.Kind` that this machine looks like; a guess, which a person confirms."""
        if self.product:
            return "xcp-ng" if self.product.lower().startswith("xcp") else "xenserver"
        if {"cloudstack-management", "cosmic-management"} & set(self.services):
            return "management"
        if {"cloudstack-agent", "cosmic-agent"} & set(self.services) or (self.kvm and "libvirtd" in self.services):
            return "kvm"
        return "build" if "mvn" in self.tools and len(self.tools) > 1 else "other"


@dataclass(frozen=True)
class LinuxBasics(Fact[Linux]):
    """Volatile as a whole: uptime and free space change between any two readings."""

    volatile = True
    timeout = 30

    def command(self) -> Command:
        return Command(script=SCRIPT)

    def parse(self, result: Result) -> Linux:
        """Raises `FactError` when the answer stops early or a number is missing."""
        parts = _parts(result)
        os_release = _pairs(parts["os-release"])
        inventory = _pairs(parts["xensource-inventory"])
        return Linux(
            hostname=_one(parts, "hostname"),
            kernel=_one(parts, "kernel"),
            machine=_one(parts, "machine"),
            boot_id="".join(parts["boot-id"][:1]),
            uptime=int(_number(_one(parts, "uptime").split()[0], "the uptime")),
            disks=tuple(_disks(parts["disks"])),
            user=_one(parts, "user"),
            sudo=_one(parts, "sudo"),
            kvm=_one(parts, "kvm") == "yes",
            services=tuple(parts["services"]),
            tools=tuple(parts["tools"]),
            product=inventory.get("PRODUCT_BRAND", ""),
            product_version=inventory.get("PRODUCT_VERSION", ""),
            host_uuid=inventory.get("INSTALLATION_UUID", ""),
            **_system(os_release, parts["redhat-release"]),
            **_cpu(parts["cpu"]),
            **_memory(parts["memory"]),
        )


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


def _unquoted(value: str) -> str:
    try:
        return " ".join(shlex.split(value))
    except ValueError:
        return value.strip("'\"")


def _system(os_release: dict[str, str], redhat: list[str]) -> dict[str, str]:
    """CentOS 5, the base of XenServer 6.2, has no os-release: its one line in redhat-release is taken whole."""
    if os_release:
        version = os_release.get("VERSION_ID", "")
        return {
            "os_id": os_release.get("ID", ""),
            "os_name": os_release.get("PRETTY_NAME", os_release.get("NAME", "")),
            "os_version": version,
        }
    line = redhat[0].strip() if redhat else ""
    numbers = [word for word in line.split() if word[:1].isdigit()]
    return {"os_id": "", "os_name": line, "os_version": numbers[0].split("-")[0] if numbers else ""}


def _cpu(lines: list[str]) -> dict[str, object]:
    if not lines:
        raise FactError("The host did not say how many processors it has: /proc/cpuinfo could not be read.")
    model = lines[1].partition(":")[2].strip() if len(lines) > 1 else ""
    return {"cpus": int(_number(lines[0], "the number of processors")), "cpu_model": " ".join(model.split())}


def _memory(lines: list[str]) -> dict[str, int]:
    """Kernels before 3.14 do not say MemAvailable; MemFree is then the nearest thing."""
    sizes = {name: int(_number(rest.split()[0], "a size of memory")) for name, _, rest in (line.partition(":") for line in lines)}
    if "MemTotal" not in sizes:
        raise FactError("The host did not say how much memory it has: /proc/meminfo could not be read.")
    return {"memory": sizes["MemTotal"], "memory_free": sizes.get("MemAvailable", sizes.get("MemFree", 0))}


def _disks(lines: list[str]) -> list[Disk]:
    """df -P: device, KiB, used, free, capacity, mount point (which may have blanks)."""
    disks = []
    for line in lines[1:]:
        words = line.split(None, 5)
        if len(words) == 6 and words[1].isdigit() and words[3].lstrip("-").isdigit() and words[1] != "0":
            disks.append(Disk(words[0], words[5], int(words[1]), max(0, int(words[3]))))
    return disks
