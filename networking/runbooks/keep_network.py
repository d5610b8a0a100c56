"""Write what a reboot would lose of a host's network."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from networking.changes import Change
from networking.forms import HostForm
from networking.moving import as_it_is
from networking.on_host import OneHost, OnHost
from networking.persistence.boot import Boot
from networking.persistence.findings import lost
from networking.seen import Seen
from opsportal.operations.runbook import Page


@dataclass(frozen=True)
class KeepNetworkParams(OneHost):
    pass


class KeepNetworkForm(HostForm):
    """Nothing of it can cut a connection, so there is no timer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["timer"]


class KeepNetwork(OnHost[KeepNetworkParams]):
    name = "keep-network"
    title = "Keep over a reboot"
    summary = "Writes addresses, routes and switched-on NICs that are in no boot configuration into one, in the host's own way."
    when = "When somebody made them by hand, or a host's network page says that a reboot would lose them."
    goes_wrong = (
        "Nothing changes until the next reboot. What a script or program that the portal does not know brings is then brought by two: look "
        "at the plan whether it lists something that comes by itself."
    )
    afterwards = "Each is in a file of the portal's own, which the host's own tools understood. Undo takes the files away."
    params = KeepNetworkParams
    pages = (Page("host", "Host", KeepNetworkForm),)

    def about(self, params: KeepNetworkParams) -> str:
        return "all that it has"

    def changes(self, params: KeepNetworkParams, seen: Seen) -> Iterable[Change]:
        boots = tuple(_kept(seen, one.nic.name) for one in lost(seen))
        if boots:
            yield Change("keep", "Keep over a reboot", "A reboot would lose it.", (), (), (), boot=boots)


def _kept(seen: Seen, name: str) -> Boot:
    found = seen.switches.port(name) if seen.switches else None
    return dataclasses.replace(as_it_is(seen, name), plugged=found is not None and any(one.type for one in found[1].interfaces))
