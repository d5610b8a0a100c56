"""A KVM host of a practice cloud as a machine: a Debian system with two bridges, an agent that its programs look after, and no guests."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files

from opsportal.lab.cloudstack.debian import DebianMachine
from opsportal.lab.cloudstack.model import Agent

PROPERTIES = "/etc/cloudstack/agent/agent.properties"
LOG = "/var/log/cloudstack/agent/agent.log"
PROGRAMS = ("practice-agent",)
"""What the lab answers itself, see `cloud.Cloud.program`."""

FIRST = """\
# Settings of the agent. Setting up the host writes those that say where it belongs.
resource=com.cloud.hypervisor.kvm.resource.LibvirtComputingResource
workers=5
host=localhost
port=8250
zone=default
pod=default
local.storage.uuid=1f6c4f6e-8a4d-4c7b-9b1a-6a3f5d0d1c11
"""
"""As the package brings it."""

VIRSH = "#!/bin/sh\n# No virtual machine runs on a practice host of this kind.\ncase $* in *list*) exit 0 ;; *) exit 1 ;; esac\n"


class Hypervisor(DebianMachine):
    """CloudStack's setup of an agent changes its file and starts the service, see `set_up`."""

    packages = ("practice-common", "practice-agent")
    service = "cloudstack-agent"
    bridge = "cloudbr"
    tools = "hypervisor"
    devices = ("/dev/kvm",)

    def furnish(self) -> None:
        super().furnish()
        self.put("practice-common", {})
        self.put("practice-agent", {"/usr/share/practice-agent/README": b"The agent of the practice cloud.\n"})
        self.disk.write(PROPERTIES, FIRST)
        self.disk.write("/usr/bin/virsh", VIRSH, 0o755)
        self.disk.append(
            LOG, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S},000 INFO  [cloud.agent.AgentShell] (main:null) The agent is installed.\n"
        )

    def wire(self, nics: list[str], address: str) -> None:
        super().wire(nics, address)
        for number in range(len(nics)):
            self.disk.write(f"/sys/class/net/{self.bridge}{number}/bridge/bridge_id", "8000.525400c50002\n")
            self.disk.write(f"/sys/class/net/{self.bridge}{number}/uevent", "DEVTYPE=bridge\n")

    def set_up(self, agent: Agent) -> None:
        """The keys that `cloudstack-setup-agent` writes, each once; all others stay."""
        ours = {"host": "10.0.0.11", "port": "8250", **agent.belongs, **{f"{one}.network.device": "cloudbr0" for one in DEVICES}}
        kept = [line for line in (self.disk.read(PROPERTIES) or FIRST).splitlines() if line.partition("=")[0].strip() not in ours]
        self.disk.write(PROPERTIES, "\n".join([*kept, *(f"{name}={text}" for name, text in ours.items())]) + "\n")


DEVICES = ("public", "private", "guest")


def programs(interpreter: str) -> dict[str, str]:
    """For /run/lab/bin, by name."""
    found = {"hypervisor.py": files("opsportal.lab.cloudstack.inside").joinpath("hypervisor.py").read_text()}
    for name in ("service", "systemctl"):
        found[name] = f'#!/bin/sh\nexec {interpreter} -I -S /run/lab/bin/hypervisor.py {name} "$@"\n'
    return found
