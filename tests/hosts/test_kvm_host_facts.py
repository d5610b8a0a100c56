"""What a KVM host says before CloudStack makes an agent of it."""

from __future__ import annotations

import pytest

from hosts.facts.kvm_host import PARTS, KvmReadiness
from opsportal.operations.facts import FactError
from opsportal.transport.base import Result

READY = """== kvm
kvm_intel
kvm
device
== bridges
cloudbr1
== switches
cloudbr0
mgmt0
== agent
4.19.1.0~jammy
== service
inactive
== libvirt
active
== machines
-- whole
== properties
#Storage
guid=0ab
network.bridge.type=OpenVSwitch
private.network.device = mgmt0
== end
"""


def test_a_host_that_is_ready() -> None:
    found = KvmReadiness("host:1").parse(Result(0, READY))
    assert found.kvm and found.libvirt and found.agent == "4.19.1.0~jammy" and not found.agent_runs
    assert found.bridges == ("cloudbr1",) and found.switches == ("cloudbr0", "mgmt0") and found.machines == ()
    assert found.open_vswitch
    assert set(found.devices.values()) == {"cloudbr0", "mgmt0"}


def test_a_bare_host() -> None:
    text = "".join(f"== {name}\n" for name in (*PARTS, "end"))
    found = KvmReadiness("host:1").parse(Result(0, text))
    assert not found.kvm and not found.agent and found.machines is None and not found.open_vswitch
    assert found.devices["guest.network.device"] == "cloudbr1"


def test_machines_of_a_libvirt_that_answers() -> None:
    found = KvmReadiness("host:1").parse(Result(0, READY.replace("-- whole", "i-2-3-VM\n-- whole")))
    assert found.machines == ("i-2-3-VM",)


@pytest.mark.parametrize("text", ["", READY.removesuffix("== end\n"), "sudo: a password is required\n"])
def test_half_an_answer_is_none(text: str) -> None:
    with pytest.raises(FactError, match="did not say"):
        KvmReadiness("host:1").parse(Result(1, text))
