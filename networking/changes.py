"""Changes of a host's network as values: what is run, how it is taken back, what proves it, and whose traffic it may touch."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from networking.persistence.boot import Boot, broadcast
from networking.seen import Seen
from networking.state import Route
from opsportal.operations.steps import Condition
from opsportal.transport.command import Command

Words = tuple[str, ...]
VSCTL = ("ovs-vsctl", "--timeout=20")
"""With ovs-vswitchd down a changing ovs-vsctl waits for ever without a time limit."""

OVS_FAILED = 65
"""What ovs-vsctl itself exits with from 3.6 on when vswitchd could not do it; before, only its stderr says so."""

RUN = r"""
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin LC_ALL=C
export PATH LC_ALL
root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
said=$(mktemp) || exit 1
trap 'rm -f "$said"' EXIT
run() {
  echo "+ $*"
  root "$@" 2>"$said"; code=$?
  cat "$said" >&2
  if [ "$code" = 0 ] && grep -q '^ovs-vsctl: Error detected' "$said"; then code=65; fi
  return "$code"
}
each() { # commands with a comma behind each, until one fails
  while [ $# -gt 0 ]; do
    line= number=0
    for word; do [ "$word" = , ] && break; number=$((number + 1)); line="$line \"\${$number}\""; done
    eval "run $line" || return $?
    shift $((number + 1))
  done
}
"""
"""`eval` sees only positions such as "$3", never a value."""

APPLY = f"""{RUN}
undo=$1; shift
each "$@" && exit 0
code=$?
echo "It failed with exit code $code. Taking back what was done."
printf '%s\\n' "$undo" | sh
exit "$code"
"""


@dataclass(frozen=True)
class Change:
    """`do` and `undo` are commands for root. `undo` also mends a `do` that stopped half-way, so each of its commands bears being needless.

    `touches` names interfaces, bonds and bridges that may lose traffic. `boot` is what it wants of interfaces after a reboot.
    """

    key: str
    title: str
    why: str
    do: tuple[Words, ...]
    undo: tuple[Words, ...]
    proof: tuple[Condition, ...]
    touches: frozenset[str] = frozenset()
    boot: tuple[Boot, ...] = ()

    def unless(self, there: bool) -> Change:
        """Without its commands where all of it is there: what it wants after a reboot may be missing still."""
        return dataclasses.replace(self, do=()) if there else self

    def command(self) -> Command:
        """Runs `do`, and `undo` when one of it fails."""
        return Command(script=APPLY, argv=(script(self.undo), *separated(self.do)), gist=shown(self.do))

    def undo_command(self) -> Command:
        return Command(script=f'{RUN}\neach "$@"\n', argv=separated(self.undo), gist=shown(self.undo))


def separated(commands: Iterable[Words]) -> tuple[str, ...]:
    return tuple(word for command in commands for word in (*command, ","))


def shown(commands: Iterable[Words]) -> str:
    """One command a line, as one would type it."""
    return "\n".join(shlex.join(command) for command in commands)


def script(commands: Iterable[Words]) -> str:
    """A shell script of its own that does what it can of them: each one is tried, whatever became of those before."""
    lines = [f"{shlex.join(command)} || :" for command in commands]
    return "\n".join(["PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin; export PATH", *(_as_root(line) for line in lines)])


def _as_root(line: str) -> str:
    return f'if [ "$(id -u)" = 0 ]; then {line}; else sudo -n {line}; fi'


def joined(changes: Iterable[Change]) -> Change:
    """Several as one: done in order, taken back in the opposite order, proved together."""
    found = list(changes)
    first = found[0]
    return dataclasses.replace(
        first,
        title=first.title if len(found) == 1 else f"{first.title}, and {len(found) - 1} more",
        why=" ".join(dict.fromkeys(one.why for one in found)),
        do=tuple(command for one in found for command in one.do),
        undo=tuple(command for one in reversed(found) for command in one.undo),
        proof=tuple(condition for one in found for condition in one.proof),
        touches=frozenset().union(*(one.touches for one in found)),
        boot=tuple(boot for one in found for boot in one.boot),
    )


# What can be changed.


def add_bridge(seen: Seen, name: str) -> Change:
    datapath = seen.switches.datapath if seen.switches else ""
    kind = ("--", "set", "Bridge", name, f"datapath_type={datapath}") if datapath else ()
    return Change(
        key=f"bridge-{key(name)}",
        title=f"Make the bridge {name}",
        why="A switch of its own. Nothing is plugged into it yet, so no traffic changes.",
        do=((*VSCTL, "add-br", name, *kind), up(name)),
        undo=((*VSCTL, "--if-exists", "del-br", name),),
        proof=(bridge_works(name),),
        boot=(Boot(name),),
    )


def add_bond(seen: Seen, bridge: str, name: str, nics: Words, mode: str, lacp: str, fast: bool) -> Change:
    """NICs that were off are switched on, and off again by the undo."""
    off = [nic for nic in nics if (found := seen.kernel.nic(nic)) and not found.up]
    settings = [f"bond_mode={mode}", *([f"lacp={lacp}"] if lacp != "off" else []), *(["other_config:lacp-time=fast"] if fast else [])]
    return Change(
        key=f"bond-{key(name)}",
        title=f"Bond {', '.join(nics)} as {name} in {bridge}",
        why="Several NICs as one: the traffic goes on when one of them fails.",
        do=((*VSCTL, "add-bond", bridge, name, *nics, *settings), *(up(nic) for nic in nics)),
        undo=((*VSCTL, "--if-exists", "del-port", bridge, name), *(down(nic) for nic in off)),
        proof=(interfaces_work(nics), bond_carries(name, negotiated=lacp != "off")),
        touches=frozenset((*nics, bridge)),
        boot=tuple(Boot(nic, plugged=False) for nic in nics),
    )


def add_fake_bridge(name: str, parent: str, vlan: int, addresses: Words = ()) -> Change:
    return Change(
        key=f"vlan-{key(name)}",
        title=f"Make {name} for VLAN {vlan} in {parent}",
        why=f"A fake bridge: what is plugged into it is in VLAN {vlan} of {parent}.",
        do=((*VSCTL, "add-br", name, parent, str(vlan)), up(name), *(address(name, one) for one in addresses)),
        undo=((*VSCTL, "--if-exists", "del-br", name),),
        proof=(interfaces_work((name,)), tagged(name, vlan), *(has_address(name, one) for one in addresses)),
        boot=(Boot(name, addresses),),
    )


def add_internal_port(bridge: str, name: str, vlan: int | None, mtu: int | None, addresses: Words = ()) -> Change:
    tag = (f"tag={vlan}",) if vlan is not None else ()
    size = (f"mtu_request={mtu}",) if mtu is not None else ()
    return Change(
        key=f"port-{key(name)}",
        title=f"Make the internal port {name} on {bridge}",
        why="An interface of the host itself in this bridge, which can have addresses.",
        do=(
            (*VSCTL, "add-port", bridge, name, *tag, "--", "set", "Interface", name, "type=internal", *size),
            up(name),
            *(address(name, one) for one in addresses),
        ),
        undo=((*VSCTL, "--if-exists", "del-port", bridge, name),),
        proof=(
            interfaces_work((name,)),
            *([has_mtu(name, mtu)] if mtu is not None else []),
            *(has_address(name, one) for one in addresses),
        ),
        boot=(Boot(name, addresses),),
    )


def set_mtu(seen: Seen, name: str, mtu: int) -> Change:
    """Through `mtu_request`: what `ip link` sets is put back by Open vSwitch sooner or later, also after the request was cleared.

    So the way back to "no request" asks for the old size first, and clears the request then (observed with Open vSwitch 3.1).
    """
    found = seen.switches.port(name) if seen.switches else None
    was = found[1].interfaces[0].mtu_request if found else None
    nic = seen.kernel.nic(name)
    old = was if was is not None else (nic.mtu if nic else 1500)
    back: tuple[Words, ...] = ((*VSCTL, "set", "Interface", name, f"mtu_request={old}"),)
    if was is None:
        back = (*back, (*VSCTL, "clear", "Interface", name, "mtu_request"))
    return Change(
        key=f"mtu-{key(name)}",
        title=f"Set the MTU of {name} to {mtu} bytes",
        why="So that what leaves here fits through the tunnel or network behind it: too large packets are dropped without a word. "
        "Open vSwitch keeps it over a reboot.",
        do=((*VSCTL, "set", "Interface", name, f"mtu_request={mtu}"),),
        undo=back,
        proof=(has_mtu(name, mtu),),
        touches=frozenset((name,)),
    )


# Commands and conditions.


def key(name: str) -> str:
    """A name as part of a step's key."""
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())


def up(name: str) -> Words:
    return ("ip", "link", "set", name, "up")


def down(name: str) -> Words:
    return ("ip", "link", "set", name, "down")


def address(name: str, cidr: str) -> Words:
    """`replace` bears being run twice."""
    return ("ip", "addr", "replace", cidr, *broadcast(cidr), "dev", name)


BY_ITSELF = ("kernel", "ra")
"""Who makes a route: with an address, or from what a router announces. Such a one comes again without being asked for."""


def routed(route: Route, device: str) -> Words:
    """The route again, over this device. `replace` bears being run twice."""
    family = ("-6",) if ":" in route.to else ()
    return ("ip", *family, "route", "replace", route.to, *(("via", route.via) if route.via else ()), "dev", device, *route.more)


def listed(columns: str, table: str, *records: str) -> Command:
    words = ("ovs-vsctl", "--timeout=10", "--format=json", f"--columns={columns}", "list", table, *records)
    return asked(*words)


def asked(*words: str) -> Command:
    """A reading command as root."""
    return Command(script=f'{RUN}\nroot "$@"\n', argv=words, gist=shlex.join(words))


def bridge_works(name: str) -> Condition:
    return Condition(f"{name} is a bridge with a datapath", listed("name,ofport,error", "Interface", name), JUDGE + "bridge", name, 10)


def interfaces_work(names: Iterable[str]) -> Condition:
    found = tuple(names)
    says = f"Open vSwitch has {', '.join(found)} in work"
    return Condition(says, listed("name,ofport,error", "Interface", *found), JUDGE + "working", " ".join(found), 10)


def tagged(name: str, vlan: int) -> Condition:
    return Condition(f"{name} is in VLAN {vlan}", listed("name,tag", "Port", name), JUDGE + "tag", str(vlan), 10)


def bond_carries(name: str, *, negotiated: bool) -> Condition:
    says = f"{name} has agreed with the switch, and every NIC of it carries" if negotiated else f"Every NIC of {name} carries"
    return Condition(says, asked("ovs-appctl", "bond/show", name), JUDGE + "bond", "negotiated" if negotiated else "enabled", 15)


def has_address(name: str, cidr: str) -> Condition:
    return Condition(f"{name} has {cidr}", asked("ip", "-o", "addr", "show", "dev", name), JUDGE + "address", cidr, 5)


def has_mtu(name: str, mtu: int) -> Condition:
    return Condition(f"The MTU of {name} is {mtu}", listed("name,mtu", "Interface", name), JUDGE + "mtu", str(mtu), 10)


def gone(name: str) -> Condition:
    return Condition(f"{name} is gone", listed("name", "Port"), JUDGE + "absent", name, 10)


JUDGE = "networking.judges."
