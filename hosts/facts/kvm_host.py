"""What a KVM host needs before CloudStack can make an agent of it."""

from __future__ import annotations

from dataclasses import dataclass

from opsportal.operations.facts import Fact, FactError
from opsportal.transport.base import Result
from opsportal.transport.command import Command

PROPERTIES = "/etc/cloudstack/agent/agent.properties"
AGENTS = ("cloudstack-agent", "cosmic-agent", "practice-agent")
"""The names of its package."""

SCRIPT = r"""
root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
echo "== kvm"; grep -Eo '^kvm(_intel|_amd)?' /proc/modules; [ -e /dev/kvm ] && echo device
echo "== bridges"; for one in /sys/class/net/*/bridge; do [ -d "$one" ] && basename "${one%/bridge}"; done
echo "== switches"; command -v ovs-vsctl >/dev/null 2>&1 && root timeout 10 ovs-vsctl list-br
echo "== agent"
if command -v dpkg-query >/dev/null 2>&1; then
  dpkg-query -W -f '${db:Status-Status} ${Version}\n' $2 2>/dev/null | sed -n 's/^installed //p'
elif command -v rpm >/dev/null 2>&1; then
  rpm -q --qf '%{VERSION}-%{RELEASE}\n' $2 2>/dev/null | grep -v 'not installed'
fi
echo "== service"; systemctl is-active cloudstack-agent 2>/dev/null
echo "== libvirt"; systemctl is-active libvirtd 2>/dev/null
echo "== machines"; command -v virsh >/dev/null 2>&1 && root timeout 15 virsh -c qemu:///system list --name 2>/dev/null && echo "-- whole"
echo "== properties"; root cat "$1" 2>/dev/null
echo "== end"
"""
PARTS = ("kvm", "bridges", "switches", "agent", "service", "libvirt", "machines", "properties")


@dataclass(frozen=True)
class KvmHost:
    """`agent` is the version of its package, "" when it is not installed. `machines` is None where libvirt could not be asked.

    `properties` are those of agent.properties, {} without the file.
    """

    kvm: bool
    bridges: tuple[str, ...]
    switches: tuple[str, ...]
    agent: str
    agent_runs: bool
    libvirt: bool
    machines: tuple[str, ...] | None
    properties: dict[str, str]

    @property
    def open_vswitch(self) -> bool:
        """The agent is told to use it. It reads the word in any case, and takes no other than native and openvswitch."""
        return self.properties.get("network.bridge.type", "native").lower() == "openvswitch"

    @property
    def devices(self) -> dict[str, str]:
        """The agent's bridges by their property. Defaults as in its source: guest traffic shares the private bridge."""
        private = self.properties.get("private.network.device", "cloudbr1")
        return {
            "public.network.device": self.properties.get("public.network.device", "cloudbr0"),
            "private.network.device": private,
            "guest.network.device": self.properties.get("guest.network.device", private),
        }


@dataclass(frozen=True)
class KvmReadiness(Fact[KvmHost]):
    """What CloudStack's agent needs on the host

    Kernel module, bridges, package, services and agent.properties. Volatile in what runs: guards and the plan's own first step look.
    """

    volatile = True

    def command(self) -> Command:
        return Command(script=SCRIPT, argv=(PROPERTIES, " ".join(AGENTS)))

    def parse(self, result: Result) -> KvmHost:
        parts = _parts(result.out)
        if set(parts) != {*PARTS, "end"}:
            said = result.err.strip()[-200:] or f"exit code {result.exit}"
            raise FactError(f"The host did not say what CloudStack's agent needs there: {said}. Its login needs root, or sudo.")
        machines = parts["machines"]
        return KvmHost(
            kvm="device" in parts["kvm"],
            bridges=tuple(parts["bridges"]),
            switches=tuple(parts["switches"]),
            agent=parts["agent"][0] if parts["agent"] else "",
            agent_runs=parts["service"] == ["active"],
            libvirt=parts["libvirt"] == ["active"],
            machines=tuple(machines[:-1]) if machines[-1:] == ["-- whole"] else None,
            properties=_properties(parts["properties"]),
        )


def _parts(text: str) -> dict[str, list[str]]:
    """Lines by section, without empty ones."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("== "):
            name = line.removeprefix("== ")
            found[name] = []
        elif name and line.strip():
            found[name].append(line.strip())
    return found


def _properties(lines: list[str]) -> dict[str, str]:
    pairs = (line.partition("=") for line in lines if not line.startswith(("#", "!")))
    return {name.strip(): value.strip() for name, _, value in pairs}
