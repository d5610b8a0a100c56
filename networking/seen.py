"""One reading of a host's network, as it is stored and drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from networking.facts.boot import BootConfig
from networking.facts.kernel import KernelNetwork
from networking.facts.links import SwitchLinks
from networking.facts.switches import SwitchConfig
from networking.persistence.boot import BootFiles
from networking.state import Kernel, Links, Switches
from opsportal.transport.base import Transport


@dataclass(frozen=True)
class Seen:
    """`switches` and `links` are None on a host without Open vSwitch, `boot` in a reading of an older portal."""

    switches: Switches | None
    links: Links | None
    kernel: Kernel
    boot: BootFiles | None = None

    @classmethod
    def load(cls, stored: Any) -> Seen | None:
        try:
            return _adapter.validate_python(stored) if stored else None
        except ValidationError:
            return None

    def dump(self) -> dict[str, Any]:
        plain: dict[str, Any] = _adapter.dump_python(self, mode="json")
        return plain


_adapter: TypeAdapter[Seen] = TypeAdapter(Seen)


def look(transport: Transport, seconds: float) -> Seen:
    """Three commands: the database says what is configured and how the links are. Raises `TransportError` and `FactError`."""
    config, links, kernel, boot = SwitchConfig(""), SwitchLinks(""), KernelNetwork(""), BootConfig("")
    said = transport.run(links.command(), timeout=seconds)
    now, then = transport.run(kernel.command(), timeout=seconds), transport.run(boot.command(), timeout=seconds)
    return Seen(config.parse(said), links.parse(said), kernel.parse(now), boot.parse(then))
