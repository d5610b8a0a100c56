"""What a host has and what it shall have as a KVM hypervisor: from parameters and facts to packages, units and edits. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from networking import config_files
from networking.config_files import LIBVIRT, PROPERTIES, SHELL, Settings, Style
from networking.facts.kvm import AGENT, SOCKETS, HostFile, HostVirtualization, Text, Virtualization
from networking.facts.packages import HostSystem, System
from networking.facts.portal import HostData, InventoryHost
from networking.kvm_packages import AGENT_PACKAGE, Lack, Line, lack, line
from opsportal.operations.facts import FactError, FactSet
from opsportal.packages.offers import Effects, Offer, Offered, Simulated

LIBVIRTD, QEMU, CLIENT = "/etc/libvirt/libvirtd.conf", "/etc/libvirt/qemu.conf", "/etc/libvirt/libvirt.conf"
SELINUX, SYSTEMD, LOG4J = "/etc/selinux/config", "/etc/systemd/system.conf", "/etc/cloudstack/agent/log4j-cloud.xml"
TCP, TLS = 16509, 16514
OVS_AGENT: Settings = (
    ("network.bridge.type", "openvswitch"),
    ("libvirt.vif.driver", "com.cloud.hypervisor.kvm.resource.OvsVifDriver"),
)


class KvmParams(Protocol):
    """`access` is "cloudstack", "tls" or "tcp". `vnc` "" leaves the consoles as they are."""

    @property
    def host(self) -> int: ...
    @property
    def token(self) -> str: ...
    @property
    def access(self) -> str: ...
    @property
    def vnc(self) -> str: ...
    @property
    def agent(self) -> bool: ...
    @property
    def openvswitch(self) -> bool: ...
    @property
    def debug(self) -> bool: ...
    @property
    def relax(self) -> bool: ...
    @property
    def cgroups(self) -> bool: ...


@dataclass(frozen=True)
class Edit:
    """`text` is None for a file that is not there. `wanted` is the whole file as it shall be; `settings` what changes in it."""

    path: str
    text: Text | None
    wanted: str
    settings: Settings
    style: Style
    why: str

    @property
    def key(self) -> str:
        return self.path.rpartition("/")[2].replace(".", "-")


@dataclass(frozen=True)
class Kvm:
    host: HostData
    system: System
    line: Line | None
    virt: Virtualization
    offer: Offer
    lack: Lack
    effects: Effects | None
    edits: tuple[Edit, ...]
    mask: tuple[str, ...]
    """Sockets that have to go."""
    ports: tuple[int, ...]
    """Of TCP and TLS, those that listen afterwards."""

    @property
    def installed(self) -> bool:
        return bool(self.virt.version)

    @property
    def service(self) -> str:
        if not self.installed or self.line is None:
            return self.line.service if self.line else "libvirtd"
        there = [unit.name.removesuffix(".service") for unit in self.virt.units if unit.name.endswith(".service")]
        return next((name for name in (self.line.service, *there) if name in there), self.line.service)

    @property
    def restart(self) -> bool:
        """Something of libvirt itself changes, or it does not run."""
        unit = self.virt.unit(f"{self.service}.service")
        ours = any(edit.path in (LIBVIRTD, QEMU, CLIENT, self.options) for edit in self.edits)
        return ours or bool(self.mask) or not (unit.active and unit.enabled in ("enabled", "static", "indirect"))

    @property
    def options(self) -> str:
        return self.virt.options or (self.line.options if self.line else "")


def names(params: KvmParams, row: Line) -> tuple[str, ...]:
    return (*row.packages, AGENT_PACKAGE) if params.agent else row.packages


def kvm(params: KvmParams, facts: FactSet) -> Kvm:
    """Raises `FactError` for a host that cannot be read, and for a system that is not in the table."""
    host = facts(InventoryHost("portal", params.host))
    facts.need(HostSystem(host.target), HostVirtualization(host.target))
    system, virt = facts(HostSystem(host.target)), facts(HostVirtualization(host.target))
    row = line(system)
    if row is None:
        raise FactError(f"{host.name} runs {system.title}. Hypervisors are prepared on Debian, Ubuntu and the systems of Red Hat's kind.")
    wanted = names(params, row)
    facts.need(Offered(host.target, wanted), *(HostFile(host.target, path) for path in _paths(params, row, virt)))
    offer = facts(Offered(host.target, wanted))
    missing = lack(wanted, offer)
    files = {path: facts(HostFile(host.target, path)) for path in _paths(params, row, virt)}
    effects = facts(Simulated(host.target, missing.install)) if offer.manager == "apt" and offer.lists and missing.install else None
    edits = tuple(_edits(params, row, virt, files))
    return Kvm(host, system, row, virt, offer, missing, effects, edits, _mask(row, virt), _ports(params, virt, files[LIBVIRTD]))


def _ports(params: KvmParams, virt: Virtualization, libvirtd: Text | None) -> tuple[int, ...]:
    found = dict(listening(params.access, libvirtd.text if libvirtd else "", virt))
    return tuple(port for port, name in ((TCP, "listen_tcp"), (TLS, "listen_tls")) if found[name] == "1")


def _mask(row: Line, virt: Virtualization) -> tuple[str, ...]:
    """Before libvirt is installed, those that will come with it."""
    if not virt.version:
        return tuple(name for name in SOCKETS if virt.unit(name).enabled != "masked") if row.sockets else ()
    return tuple(unit.name for unit in virt.sockets if unit.enabled != "masked")


def _paths(params: KvmParams, row: Line, virt: Virtualization) -> tuple[str, ...]:
    found = [LIBVIRTD, QEMU, virt.options or row.options]
    found += [CLIENT] if row.modular else []
    found += [AGENT] if params.openvswitch else []
    found += [LOG4J] if params.debug else []
    found += [SELINUX] if params.relax and row.ident == "redhat" else []
    found += [SYSTEMD] if params.cgroups and row.cgroups else []
    return tuple(found)


def _edits(params: KvmParams, row: Line, virt: Virtualization, files: dict[str, Text | None]) -> Iterator[Edit]:
    for path, settings, style, why in _settings(params, row, virt, files):
        there = files[path]
        text = there.text if there else ""
        if open_ := config_files.changed(text, settings, style):
            yield Edit(path, there, config_files.put(text, settings, style), open_, style, why)
    log = files.get(LOG4J)
    if log and '"INFO"' in log.text:
        why = "The agent's log then says what it does, and grows faster: undo when the host works."
        yield Edit(LOG4J, log, log.text.replace('"INFO"', '"DEBUG"'), (), PROPERTIES, why)


def _settings(
    params: KvmParams, row: Line, virt: Virtualization, files: dict[str, Text | None]
) -> Iterator[tuple[str, Settings, Style, str]]:
    libvirtd = files[LIBVIRTD]
    text = libvirtd.text if libvirtd else ""
    yield LIBVIRTD, listening(params.access, text, virt), LIBVIRT, _WHY[params.access]
    if params.vnc:
        yield QEMU, (("vnc_listen", f'"{params.vnc}"'),), LIBVIRT, "The console proxy reaches the consoles of virtual machines here."
    if row.modular:
        why = "Else clients look for a daemon per driver, and do not find libvirtd, which CloudStack uses."
        yield CLIENT, (("remote_mode", '"legacy"'),), LIBVIRT, why
    path, variable = (virt.options, virt.variable) if virt.options else (row.options, row.variable)
    options = files[path]
    yield (
        path,
        ((variable, listen(options.text if options else "", variable, row)),),
        SHELL,
        "Without it libvirt ignores listen_tls and listen_tcp.",
    )
    if files.get(AGENT):
        why = "The agent then plugs virtual machines into Open vSwitch. It reads this when the host is added: set it before."
        yield AGENT, OVS_AGENT, PROPERTIES, why
    selinux = files.get(SELINUX)
    if selinux and config_files.value(selinux.text, "SELINUX", SHELL) == "enforcing":
        yield SELINUX, (("SELINUX", "permissive"),), SHELL, "SELinux then writes down what it would refuse, also after a reboot."
    if SYSTEMD in files:
        yield SYSTEMD, (("JoinControllers", ""),), SHELL, "cpu and cpuacct mounted together broke libvirt's agent on CentOS 7 up to 2016."


_WHY = {
    "cloudstack": "Nothing listens until CloudStack has given the host its certificates: it opens TLS by itself when the host is added.",
    "tls": f"Migrations come in on port {TLS}, from those who hold a certificate of the same authority only.",
    "tcp": f"Migrations come in on port {TCP}, without encryption and without asking who it is.",
}


def listening(access: str, text: str, virt: Virtualization) -> Settings:
    """For "cloudstack" a host that CloudStack opened TLS on already keeps it."""
    secured = access == "cloudstack" and not virt.keys_missing and config_files.value(text, "listen_tls", LIBVIRT) == "1"
    tls, tcp = access == "tls" or secured, access == "tcp"
    return (
        ("listen_tls", str(int(tls))),
        ("listen_tcp", str(int(tcp))),
        *((("tls_port", f'"{TLS}"'),) if tls else ()),
        *((("tcp_port", f'"{TCP}"'), ("auth_tcp", '"none"')) if tcp else ()),
        ("mdns_adv", "0"),
    )


def listen(text: str, variable: str, row: Line) -> str:
    """The options that are there, with those that make it listen, and without the idle limit that only a socket bears."""
    there = config_files.value(text, variable, SHELL)
    words, kept, skip = config_files.words(there), [], False
    for word in words:
        if not skip and word not in ("--timeout", "-t") and not word.startswith("--timeout="):
            kept.append(word)
        skip = word in ("--timeout", "-t")
    missing = [word for word in row.listen if word not in kept and not (word in ("-l", "--listen") and {"-l", "--listen"} & set(kept))]
    if there is not None and not missing and kept == words:
        return there
    return f'"{" ".join([*kept, *missing])}"'
