"""What the network of a hypervisor shall be: a value that is saved under a name and applied to many alike hosts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

MODES = [
    ("balance-tcp", "balance-tcp: spreads connections, needs LACP on the switch"),
    ("balance-slb", "balance-slb: spreads by source, needs nothing of the switch"),
    ("active-backup", "active-backup: one carries, the others wait"),
]
LACP = [("active", "active: asks the switch"), ("passive", "passive: waits for the switch to ask"), ("off", "off")]


@dataclass(frozen=True)
class Vlan:
    """A fake bridge."""

    name: str
    tag: int


@dataclass(frozen=True)
class Design:
    """One NIC is plugged in as it is, several are bonded. `management` names the bridge or fake bridge that gets the management address;
    "" leaves it where it is. `integration` may be "": only hosts with a controller or OVN need such a bridge.
    """

    bridge: str
    nics: tuple[str, ...]
    integration: str = ""
    bond: str = "bond0"
    mode: str = "balance-tcp"
    lacp: str = "active"
    fast: bool = True
    vlans: tuple[Vlan, ...] = ()
    management: str = ""

    @classmethod
    def load(cls, stored: Any) -> Design | None:
        """None for what an older portal wrote in another shape."""
        try:
            return _adapter.validate_python(stored) if stored else None
        except ValidationError:
            return None

    def dump(self) -> dict[str, Any]:
        plain: dict[str, Any] = _adapter.dump_python(self, mode="json")
        return plain

    @property
    def bonded(self) -> bool:
        return len(self.nics) > 1

    @property
    def said(self) -> str:
        """In one line: "cloudbr0 with bond0 of eth1 and eth2, VLANs mgmt0 (100), br-int"."""
        uplink = f"{self.bond} of {' and '.join(self.nics)}" if self.bonded else "".join(self.nics)
        vlans = ", ".join(f"{one.name} ({one.tag})" for one in self.vlans)
        parts = (f"{self.bridge} with {uplink}", f"VLAN{'s' * (len(self.vlans) > 1)} {vlans}" if vlans else "", self.integration)
        return ", ".join(part for part in parts if part)


_adapter: TypeAdapter[Design] = TypeAdapter(Design)
