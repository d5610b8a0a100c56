"""Networks as readings that were stored, made of the case files."""

from __future__ import annotations

from pathlib import Path

from django.utils import timezone

from hosts.models import Contact, Host, Kind
from networking.facts.kernel import KernelNetwork
from networking.facts.links import SwitchLinks
from networking.facts.switches import SwitchConfig
from networking.models import HostNetwork
from networking.seen import Seen
from opsportal.transport.base import Result

CASES = Path(__file__).parent / "cases"


def answer(name: str) -> Result:
    return Result(0, (CASES / f"{name}.txt").read_text())


def seen() -> Seen:
    """A host with a bond, three fake bridges and two tunnels, and one port that vswitchd could not make."""
    config, links = SwitchConfig("").parse(answer("debian12-config")), SwitchLinks("").parse(answer("debian12-links"))
    return Seen(config, links, KernelNetwork("").parse(answer("debian12-kernel")))


def stored(name: str = "kvm1", found: Seen | None = None) -> HostNetwork:
    host = Host.objects.create(name=name, address=f"{name}.example.net", kind=Kind.KVM, contact=Contact.OK)
    now = timezone.now()
    return HostNetwork.objects.create(
        host=host, seen=(found or seen()).dump(), seen_at=now, tried_at=now, next_read_at=now.replace(year=2200)
    )
