"""What works without a master: emergency mode, a master by decree, and bringing the members back. From xapi_pool.ml."""

from __future__ import annotations

from opsportal.lab.xen import dom0, toolstack
from opsportal.lab.xen.clock import job
from opsportal.lab.xen.model import Job, Machine, Site, since
from opsportal.lab.xen.printing import table
from opsportal.lab.xen.texts import XeError
from opsportal.lab.xen.xe_cli import Ask, command
from opsportal.lab.xen.xe_pool import FUSE


@command("host-is-in-emergency-mode", local=True)
def in_emergency(ask: Ask) -> None:
    ask.say("true" if ask.home.xapi.state == "emergency" else "false")


@command("pool-emergency-transition-to-master", local=True)
def transition(ask: Ask) -> None:
    """No check that the host is in emergency mode. It leads with its own copy of the database."""
    if ask.home.armed:
        raise XeError("HA_IS_ENABLED")
    if since(ask.version, "8.2") and dom0.role(ask.home)[0] == "master" and not ask.has("force"):
        ask.say("Host agent is already master. Use '--force' to execute the operation anyway.")
        return
    ask.after(FUSE, "emergency-role", ask.home, master="", why="it was made pool master in an emergency")
    ask.say("Host agent will restart and transition to master in 10.000 seconds...")


@command("pool-emergency-reset-master", "master-address", local=True)
def reset(ask: Ask) -> None:
    """No check that the host is not the master: on the master this demotes it."""
    if ask.home.armed:
        raise XeError("HA_IS_ENABLED")
    address = ask.args["master-address"]
    ask.after(FUSE, "emergency-role", ask.home, master=address, why=f"it was told to follow {address}")
    ask.say(f"Host agent will restart and become slave of {address} in 10.000 seconds...")


@job("emergency-role")
def _take_role(site: Site, job: Job) -> None:
    machine = site.machines[job.machine]
    if machine.on:
        writes = dom0.pool_conf(job.data["master"])
        machine.files.update(writes)
        toolstack.restart(site, machine, job.data["why"], writes)


@command("pool-recover-slaves")
def recover(ask: Ask) -> None:
    """Prints those that listen, also those that follow already, the last first. A host that refuses or is away is left out."""
    told = []
    for row in ask.db.hosts.values():
        peer = ask.site.at(row.address)
        if peer is None or peer is ask.home or dom0.host_uuid(peer) != row.uuid or not _listens(ask, peer):
            continue
        told.append(row.uuid)
        if peer.xapi.master != ask.home.address or peer.xapi.state == "emergency":
            ask.after(FUSE, "emergency-role", peer, master=ask.home.address, why=f"the new pool master, {ask.home.hostname}, calls it")
    ask.out += table(told[::-1], minimal=ask.minimal) if told or ask.minimal else ""


def _listens(ask: Ask, peer: Machine) -> bool:
    if not ask.site.meet(ask.home, peer) or peer.armed or peer.xapi.state == "stopped":
        return False
    return dom0.role(peer)[0] != "master" and peer.files.get(dom0.SECRET) == ask.home.files.get(dom0.SECRET)
