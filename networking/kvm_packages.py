"""Which packages a KVM host and Open vSwitch are, by system and version, then and now; and the steps that install them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from networking.changes import RUN
from networking.facts.packages import System
from opsportal.operations.steps import RunCommand, Step
from opsportal.packages import installing
from opsportal.packages.offers import Effects, Offer
from opsportal.transport.command import Command

PROCEDURES = "The release manager's procedures of 2016."
SPEC48, SPEC = "CloudStack 4.8's packaging (cloud.spec, debian/control).", "CloudStack's packaging today (el8/cloud.spec, debian/control)."
DOCS = "CloudStack's KVM installation guide."


@dataclass(frozen=True)
class Line:
    """A system from this release on, up to the next line of the same system.

    `service` is libvirt's; `options` the file with its options, `variable` the one in it, `listen` the words that make it listen.
    `sockets`: systemd listens for it (libvirt 5.6 and later), and then it refuses to listen itself. `modular`: clients look for a daemon
    per driver first (`remote_mode`). `cgroups`: the years in which CentOS 7 mounted cpu and cpuacct together and the agent fell over it.
    """

    ident: str
    since: tuple[int, ...]
    packages: tuple[str, ...]
    source: str
    service: str = "libvirtd"
    options: str = "/etc/sysconfig/libvirtd"
    variable: str = "LIBVIRTD_ARGS"
    listen: tuple[str, ...] = ("--listen",)
    sockets: bool = False
    modular: bool = False
    cgroups: bool = False


_EL = ("libvirt", "qemu-kvm", "qemu-img", "ipset", "ebtables", "iproute")
_EL7 = (*_EL, "bridge-utils", "pciutils", "libvirt-python")
_EL8 = (*_EL, "pciutils", "python3-libvirt", "cryptsetup", "rng-tools")
_OLD = ("qemu-kvm", "libvirt-bin", "bridge-utils", "python-libvirt", "ebtables", "vlan", "ipset")
_DEB = ("libvirt-daemon-system", "libvirt-clients", "qemu-system-x86", "qemu-utils", "python3-libvirt", "iproute2", "ebtables", "ipset")
_DEFAULT, _BIN = "/etc/default/libvirtd", "/etc/default/libvirt-bin"

KVM: tuple[Line, ...] = (
    Line("redhat", (6,), (*_EL, "bridge-utils", "pciutils", "python-virtinst"), PROCEDURES),
    Line("redhat", (7,), _EL7, SPEC48, cgroups=True),
    Line("redhat", (8,), _EL8, SPEC, sockets=True),
    Line("redhat", (9,), _EL8, SPEC, sockets=True, modular=True),
    Line("ubuntu", (12,), (*_OLD, "iproute"), PROCEDURES, "libvirt-bin", _BIN, "libvirtd_opts", ("-d", "-l")),
    Line("ubuntu", (14,), (*_OLD, "iproute2"), SPEC48, "libvirt-bin", _BIN, "libvirtd_opts", ("-d", "-l")),
    Line("ubuntu", (16,), (*_OLD, "iproute2"), SPEC48, "libvirt-bin", _BIN, "libvirtd_opts", ("-l",)),
    Line("ubuntu", (18,), (*_DEB, "bridge-utils"), SPEC, "libvirtd", _DEFAULT, "libvirtd_opts", ("-l",)),
    Line("ubuntu", (20,), _DEB, DOCS, "libvirtd", _DEFAULT, "libvirtd_opts", ("-l",), sockets=True),
    Line("ubuntu", (22,), _DEB, DOCS, "libvirtd", _DEFAULT, sockets=True),
    Line("ubuntu", (24,), _DEB, DOCS, "libvirtd", _DEFAULT, sockets=True, modular=True),
    Line("debian", (9,), (*_DEB, "bridge-utils"), SPEC, "libvirtd", _DEFAULT, "libvirtd_opts", ("-l",)),
    Line("debian", (11,), _DEB, SPEC, "libvirtd", _DEFAULT, sockets=True),
)
"""What was not observed on the system itself is taken from the installed unit wherever there is one: see `facts.kvm`."""

OVS: dict[str, tuple[str, ...]] = {
    "debian": ("openvswitch-switch",),
    "redhat": ("openvswitch", "openvswitch3.5", "openvswitch3.4", "openvswitch3.3", "openvswitch3.2", "openvswitch3.1", "openvswitch2.17"),
}
"""By family, best first. Red Hat's own and the NFV group's packages have their version in the name."""

AGENT_PACKAGE = "cloudstack-agent"
OVS_SERVICE = {"debian": "openvswitch-switch", "redhat": "openvswitch"}


def line(system: System) -> Line | None:
    """None for a system that is older than the table, or of another kind. Derivatives follow the family's own."""
    ident = "redhat" if system.family == "redhat" else system.ident
    fitting = [one for one in KVM if one.ident == ident and one.since <= system.release]
    return max(fitting, key=lambda one: one.since) if fitting else None


def ovs_source(system: System) -> str:
    """Where a system that does not offer Open vSwitch gets it from, as a sentence."""
    if system.family == "debian":
        return "On Ubuntu it is in universe, on Debian in main: look at the package sources, then fetch the lists."
    if system.ident == "rhel":
        return f"Red Hat has it in the repository fast-datapath-for-rhel-{system.major}-x86_64-rpms: subscription-manager enables it."
    if system.major <= 7:
        return "It came with OpenStack's repository: yum install centos-release-openstack-train, from the vault since CentOS 7 has ended."
    return "The NFV group of CentOS has it: dnf install centos-release-nfv-openvswitch, then draft this again."


@dataclass(frozen=True)
class Lack:
    """`install` is what is missing and offered, or not known not to be; `nowhere` what the package manager does not have."""

    install: tuple[str, ...]
    nowhere: tuple[str, ...]


def lack(names: tuple[str, ...], offer: Offer) -> Lack:
    missing = [name for name in names if name not in offer.installed]
    can = [name for name in missing if name in offer.candidates or not offer.lists]
    return Lack(tuple(can), tuple(name for name in missing if name not in can))


def one_of(names: tuple[str, ...], offer: Offer) -> Lack:
    """The first that is offered, where any of them will do."""
    if set(names) & set(offer.installed):
        return Lack((), ())
    can = [name for name in names if name in offer.candidates or not offer.lists]
    return Lack(tuple(can[:1]), () if can else names[:1])


FOLDER = "/var/lib/opsportal/packages"
"""One file for each installation: the packages that came with it."""

NAMES = r"""
names() { case $manager in
  apt) dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | sed -n "s/^$1 *//p" | sort -u ;;
  *) rpm -qa --qf '%{NAME}.%{ARCH}\n' | grep -v '^gpg-pubkey' | sort -u ;;
esac; }
"""

INSTALL = f"""{RUN}{NAMES}
manager=$1 file={FOLDER}/$2
shift 2
root mkdir -p {FOLDER} || exit 1
if [ "$manager" = apt ] && [ -n "$(root dpkg --audit)" ]; then
  echo "Finishing an installation that was cut off earlier."
  run dpkg --configure -a || exit $?
fi
root test -e "$file.before" || {{
  names '[a-z][a-z]' | root tee "$file.known" >/dev/null || exit 1
  names 'ii' | root tee "$file.before" >/dev/null || exit 1
}}
case $manager in
  apt) run env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 \\
    -o Dpkg::Options::=--force-confold -- "$@" ;;
  dnf) run dnf install -y --setopt=install_weak_deps=False "$@" ;;
  *) run yum install -y "$@" ;;
esac
code=$?
names 'ii' | root sh -c 'comm -13 "$1.before" - >"$1.came" && rm -f "$1.before"' sh "$file"
exit "$code"
"""
"""A lock of somebody else is waited for: two minutes by apt's own option, by dnf and yum for as long as it takes."""

REMOVE = f"""{RUN}{NAMES}
manager=$1 file={FOLDER}/$2
root test -e "$file.came" || {{ echo "The host has no note of what came. Nothing was removed." >&2; exit 1; }}
there() {{ names 'ii' | root comm -12 - "$file.came"; }}
gone() {{ # apt's verb for packages, and how to filter them: those that left their configuration behind earlier keep it
  found=$(there | root comm "$2" - "$file.known" | tr '\\n' ' ')
  [ -z "$found" ] || run env DEBIAN_FRONTEND=noninteractive apt-get "$1" -q -y -o DPkg::Lock::Timeout=120 -- $found
}}
if [ "$manager" = apt ]; then gone purge -23 && gone remove -12 || exit $?
elif [ -n "$(there)" ]; then run "$manager" remove -y --setopt=clean_requirements_on_remove=0 $(there) || exit $?
fi
root rm -f "$file.came" "$file.known"
root rmdir {FOLDER} 2>/dev/null
exit 0
"""
"""Only what the host itself wrote down is removed, and its configuration with it: it was not there before either."""


def steps(
    target: str, offer: Offer, names: tuple[str, ...], effects: Effects | None, token: str, before_removal: str = ""
) -> Iterator[Step]:
    """Lists first where the package manager needs that, then one installation of everything.

    `before_removal` is shell that ends the undo with an exit code and a sentence when something would be lost.
    """
    if offer.manager == "apt":
        yield installing.lists(target)
    back = Command(script=before_removal + REMOVE, argv=(offer.manager, token), gist=f"{offer.manager}: remove exactly what came")
    new = f", {len(effects.new)} packages with what they need" if effects else ""
    yield installing.step(
        target,
        "install",
        f"Install {', '.join(names)}"[:200],
        f"The host's own package manager does it{new}. It waits for another one that is at work, and notes which packages came.",
        RunCommand(Command(script=INSTALL, argv=(offer.manager, token, *names), gist=f"{_verb(offer)} {' '.join(names)}"), timeout=3600),
        probe=(installing.installed(names),),
        undo=RunCommand(back, timeout=1800),
    )


def _verb(offer: Offer) -> str:
    return "apt-get install -y --no-install-recommends" if offer.manager == "apt" else f"{offer.manager} install -y"
