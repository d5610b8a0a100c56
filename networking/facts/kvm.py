"""What makes a host a KVM hypervisor: its processor, libvirt and the agent, and the files that say how they behave."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from networking.facts import asking
from opsportal.operations.facts import Fact, FactError
from opsportal.transport.base import Result
from opsportal.transport.command import Command

SOCKETS = ("libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket", "libvirtd-tls.socket", "libvirtd-tcp.socket")
SERVICES = ("libvirtd", "libvirt-bin")
PROFILES = ("usr.sbin.libvirtd", "usr.lib.libvirt.virt-aa-helper")
"""Of AppArmor, as files in /etc/apparmor.d."""

AUTHORITY, CERTIFICATE, PRIVATE = "/etc/pki/CA/cacert.pem", "/etc/pki/libvirt/servercert.pem", "/etc/pki/libvirt/private/serverkey.pem"
AGENT = "/etc/cloudstack/agent/agent.properties"

SCRIPT = f"""{asking.PRELUDE}
part processor; grep -Ec '^flags.*(vmx|svm)' /proc/cpuinfo; if [ -e /dev/kvm ]; then echo yes; else echo no; fi
part libvirt; if command -v libvirtd >/dev/null 2>&1; then libvirtd --version 2>&1 | head -n 1; fi
part units; if [ -d /run/systemd/system ]; then
  for unit in {" ".join((*SOCKETS, *(f"{name}.service" for name in SERVICES)))}; do
    echo "$unit $(systemctl is-active $unit 2>/dev/null | head -n 1) $(systemctl is-enabled $unit 2>/dev/null | head -n 1)"
  done
else
  for name in {" ".join(SERVICES)}; do
    [ ! -e /etc/init.d/$name ] && [ ! -e /etc/init/$name.conf ] && continue
    if service $name status 2>&1 | grep -Eq 'running|start/'; then echo "$name.service active enabled"
    else echo "$name.service inactive enabled"; fi
  done
fi
part unit; [ ! -d /run/systemd/system ] || systemctl cat libvirtd.service libvirt-bin.service 2>/dev/null
part selinux; if command -v getenforce >/dev/null 2>&1; then getenforce; fi
part apparmor; cat /sys/module/apparmor/parameters/enabled 2>/dev/null
for name in {" ".join(PROFILES)}; do [ ! -e /etc/apparmor.d/$name ] || [ -e /etc/apparmor.d/disable/$name ] || echo $name; done
part keys; for file in {AUTHORITY} {CERTIFICATE} {PRIVATE}; do root test -e $file || echo $file; done
part agent; if root test -e {AGENT}; then echo yes; else echo no; fi
part end
"""


@dataclass(frozen=True)
class Unit:
    """`enabled` in systemd's words: "enabled", "disabled", "masked", "static", or "" for a unit that is not there."""

    name: str
    active: bool
    enabled: str


@dataclass(frozen=True)
class Virtualization:
    """`version` of libvirt, () where it is not installed. `answers`: its service runs, or systemd starts it when somebody asks.

    `options` and `variable` are the file and the variable in it that its unit reads, "" where there is no unit to say so.
    `profiles` are AppArmor's that confine it now. `selinux` is what getenforce says, "" without it. `keys_missing` are files that
    TLS needs.
    """

    processor: bool
    device: bool
    version: tuple[int, ...]
    units: tuple[Unit, ...]
    options: str
    variable: str
    selinux: str
    apparmor: bool
    profiles: tuple[str, ...]
    keys_missing: tuple[str, ...]
    agent: bool

    def unit(self, name: str) -> Unit:
        return next((unit for unit in self.units if unit.name == name), Unit(name, False, ""))

    @property
    def sockets(self) -> tuple[Unit, ...]:
        return tuple(unit for unit in self.units if unit.name in SOCKETS and unit.enabled)


@dataclass(frozen=True)
class HostVirtualization(Fact[Virtualization]):
    timeout: ClassVar[float] = 60

    def command(self) -> Command:
        return Command(script=SCRIPT, gist="libvirtd --version; systemctl is-active libvirtd; getenforce; aa-status")

    def parse(self, result: Result) -> Virtualization:
        parts = asking.parts(result)
        if len(parts["processor"]) != 2:
            raise FactError("The host does not say what its processor can: /proc/cpuinfo could not be read.")
        units = [[*line.split(" "), "", ""][:3] for line in parts["units"]]
        found = tuple(Unit(name, active == "active", enabled) for name, active, enabled in units if enabled not in ("", "not-found"))
        options, variable = _options("\n".join(parts["unit"]))
        flags, device = parts["processor"]
        return Virtualization(
            processor=flags != "0",
            device=device == "yes",
            version=tuple(map(int, re.findall(r"\d+", " ".join(parts["libvirt"]))[:3])),
            units=_steady(found),
            options=options,
            variable=variable,
            selinux=" ".join(parts["selinux"]),
            apparmor=parts["apparmor"][:1] == ["Y"],
            profiles=tuple(line for line in parts["apparmor"] if line in PROFILES),
            keys_missing=tuple(parts["keys"]),
            agent=parts["agent"] == ["yes"],
        )


def _options(unit: str) -> tuple[str, str]:
    """From a unit with `EnvironmentFile=-/etc/default/libvirtd` and `ExecStart=/usr/sbin/libvirtd $LIBVIRTD_ARGS`."""
    variable = re.search(r"(?m)^ExecStart=\S*libvirtd\b.*?\$\{?(\w+)", unit)
    file = re.findall(r"(?m)^EnvironmentFile=-?(\S+)", unit)
    return (file[-1], variable[1]) if variable and file else ("", "")


def _steady(units: tuple[Unit, ...]) -> tuple[Unit, ...]:
    """With its socket at work the service comes and goes by itself, which is no change."""
    waits = any(unit.name == "libvirtd.socket" and unit.active for unit in units)
    return tuple(Unit(one.name, one.active or (waits and one.name == "libvirtd.service"), one.enabled) for one in units)


MASK = "{kept on the host}"
FILE = (
    f"{asking.PRELUDE}"
    r"""
if ! root test -e "$1"; then part absent; part end; exit; fi
part mode; root stat -c %a "$1"
part text
key='[#;[:space:]]*[A-Za-z0-9_.-]*\(pass\|secret\|credential\|token\)[A-Za-z0-9_.-]*[[:space:]]*='
root sed -e '/"XYZ12345"\|"00000000-/!s/^\('"$key"'[[:space:]]*\)[^[:space:]].*/\1'"$2"'/I' \
  -e 's/^/|/' "$1" || exit 1
echo
part end
"""
)
"""Lines begin with a bar, so that none can be taken for the end. What follows a last line without its newline stays apart by that, too.

What looks like a secret is not shown, in comments neither, but for the samples of libvirt's own files.
"""


@dataclass(frozen=True)
class Text:
    """`masked`: values of secrets never left the host, and stand in `text` as `MASK`."""

    text: str
    mode: int
    masked: bool


@dataclass(frozen=True)
class HostFile(Fact[Text | None]):
    """A text file of root without its secrets, None where there is none."""

    path: str

    def command(self) -> Command:
        return Command(script=FILE, argv=(self.path, MASK), gist=f"cat {self.path} (without secrets)")

    def parse(self, result: Result) -> Text | None:
        parts = asking.parts(result)
        if "absent" in parts:
            return None
        lines, mode = parts.get("text"), parts.get("mode")
        if result.exit or lines is None or not mode:
            raise FactError(f"{self.path} could not be read: {result.err.strip()[-300:] or 'it said nothing'}.")
        text = "\n".join(line.removeprefix("|") for line in lines)
        return Text(text, int(mode[0], 8), MASK in text)


DOMAINS = f"""{asking.PRELUDE}
part domains; if command -v virsh >/dev/null 2>&1; then limited virsh -c qemu:///system list --all --name 2>/dev/null; fi
part end
"""


@dataclass(frozen=True)
class Domains(Fact[tuple[str, ...]]):
    """Names of the virtual machines that libvirt knows."""

    volatile = True

    def command(self) -> Command:
        return Command(script=DOMAINS, gist="virsh list --all --name")

    def parse(self, result: Result) -> tuple[str, ...]:
        return tuple(sorted(line.strip() for line in asking.parts(result)["domains"] if line.strip()))
