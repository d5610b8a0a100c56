"""Judges of conditions on a network: pure, "" when it holds, else the sentence why not. Silence and errors never hold."""

from __future__ import annotations

from itertools import pairwise

from networking.facts import links, ovsdb
from networking.facts.ovsdb import Row
from networking.state import LOCAL_PORT, Lacp
from opsportal.operations.facts import FactError
from opsportal.transport.base import Result


def _rows(result: Result) -> list[Row] | str:
    """The rows of the one table that was asked for, or what was said instead."""
    said = result.err.strip()[-300:] or result.out.strip()[-300:] or "it said nothing"
    lines = [line for line in result.out.splitlines() if line.startswith("{")]
    if result.exit or len(lines) != 1:
        return f"Open vSwitch gave no answer (exit code {result.exit}): {said}"
    try:
        return ovsdb.tables(lines)[0]
    except FactError as error:
        return str(error)


def bridge(result: Result, name: str) -> str:
    """A bridge without a datapath has no port number, and neither an error nor an exit code says so."""
    rows = _rows(result)
    if isinstance(rows, str):
        return rows
    found = next((row for row in rows if ovsdb.text(row["name"]) == name), None)
    if found is None:
        return f"There is no interface {name}."
    if error := ovsdb.text(found["error"]):
        return f"{name}: {error}"
    return "" if ovsdb.number(found["ofport"]) == LOCAL_PORT else f"{name} has no datapath: the log of ovs-vswitchd says why."


def working(result: Result, names: str) -> str:
    rows = _rows(result)
    if isinstance(rows, str):
        return rows
    found = {ovsdb.text(row["name"]): row for row in rows}
    return " ".join(sentence for name in names.split() if (sentence := _works(name, found.get(name))))


def _works(name: str, row: Row | None) -> str:
    if row is None:
        return f"There is no interface {name}."
    if error := ovsdb.text(row["error"]):
        return f"{name}: {error}."
    number = ovsdb.number(row["ofport"])
    return "" if number is not None and number > 0 else f"{name} is not in work yet."


def tag(result: Result, wants: str) -> str:
    rows = _rows(result)
    if isinstance(rows, str):
        return rows
    found = [ovsdb.number(row["tag"]) for row in rows]
    return "" if found == [int(wants)] else f"The tag is {found[0] if found else 'not there'} instead of {wants}."


def mtu(result: Result, wants: str) -> str:
    rows = _rows(result)
    if isinstance(rows, str):
        return rows
    found = [ovsdb.number(row["mtu"]) for row in rows]
    return "" if found == [int(wants)] else f"The MTU is {found[0] if found else 'not there'} instead of {wants}."


def absent(result: Result, name: str) -> str:
    rows = _rows(result)
    if isinstance(rows, str):
        return rows
    return f"{name} is still there." if any(ovsdb.text(row["name"]) == name for row in rows) else ""


def bond(result: Result, wants: str) -> str:
    """`wants` is "negotiated" or "enabled"."""
    port = {"name": "bond", "interfaces": ["set", [["uuid", "a"], ["uuid", "b"]]]}
    found = links.bonds([port], result.out.splitlines(), []) if result.exit == 0 else ()
    if not found:
        return f"ovs-appctl shows no such bond: {(result.err or result.out).strip()[-200:] or 'it said nothing'}"
    (first, *_) = found
    out = [member.name for member in first.members if not member.enabled]
    if wants == "negotiated" and first.lacp is not Lacp.NEGOTIATED:
        return f"LACP is {first.lacp}, not negotiated: nobody on the other side answers. Set LACP on the switch's ports, or do without."
    return f"{', '.join(out)} cannot carry: look at cable and link state." if out or not first.members else ""


def address(result: Result, cidr: str) -> str:
    words = result.out.split()
    there = any(kind in ("inet", "inet6") and one == cidr for kind, one in pairwise(words))
    return "" if result.exit == 0 and there else f"{cidr} is not on it{': ' + result.err.strip()[-200:] if result.err.strip() else '.'}"


def applied(result: Result, _wants: str) -> str:
    """Of the file in which a guarded change keeps its fate: "armed", "confirmed" or "rolled back"."""
    fate = result.out.strip()
    if fate == "rolled back":
        return (
            "Rolled back: nobody confirmed it over a new connection in time, so the host took the change back by itself. All is as before."
        )
    return (
        ""
        if result.exit == 0 and fate in ("armed", "confirmed")
        else f"What became of it is not known: {fate or result.err.strip()[-200:]!r}"
    )


def confirmed(result: Result, _wants: str) -> str:
    return "" if result.exit == 0 and result.out.strip() == "confirmed" else applied(result, "") or "It is not confirmed yet."


def no_address(result: Result, cidr: str) -> str:
    """A host that gave no answer may well have it."""
    if result.exit or not result.out.strip():
        return f"The host gave no answer: {result.err.strip()[-200:] or f'exit code {result.exit}'}"
    return "" if address(result, cidr) else f"{cidr} is on it too: the hosts do not hear each other."


def config_good(result: Result, _wants: str) -> str:
    """Any exit code but 0 is a failure, also those with which keepalived would run and do something else than was written."""
    said = " ".join((result.err + result.out).split())[-400:]
    return "" if result.exit == 0 else f"keepalived does not take it: {said or f'exit code {result.exit}'}"


def understood(result: Result, _wants: str) -> str:
    """Of a system that configures interfaces at boot: it reads all of its files, also those of other people."""
    said = " ".join((result.err + result.out).split())[-400:]
    return "" if result.exit == 0 else f"It does not understand its files now: {said or f'exit code {result.exit}'}"


def manager_settled(result: Result, target: str) -> str:
    """A refused certificate makes a connection flap, so it has to last for three seconds."""
    rows = _rows(result)
    if isinstance(rows, str):
        return rows
    found = next((row for row in rows if ovsdb.text(row["target"]) == target), None)
    if found is None:
        return f"{target} is not among the managers."
    status = dict(ovsdb.pairs(found["status"]))
    since = status.get("sec_since_connect", "")
    if not ovsdb.truth(found["is_connected"]):
        return f"{target} is not connected ({status.get('state') or 'no state'}): {status.get('last_error') or 'no reason is given'}."
    return "" if since.isdigit() and int(since) >= 3 else f"{target} was connected a moment ago only: it has to last for three seconds."


def managers_are(result: Result, wants: str) -> str:
    """`wants` are targets with blanks between them, "" for none."""
    rows = _rows(result)
    if isinstance(rows, str):
        return rows
    found = sorted(ovsdb.text(row["target"]) for row in rows)
    return "" if found == sorted(wants.split()) else f"The managers are {', '.join(found) or 'none'}."


def chassis_known(result: Result, name: str) -> str:
    """Of the southbound database's table of chassis."""
    rows = _rows(result)
    if isinstance(rows, str):
        return rows
    found = [ovsdb.text(row["name"]) for row in rows]
    return "" if name in found else f"The southbound database has the chassis {', '.join(found[:10]) or '(none)'}, and not {name}."


def certificate_shown(result: Result, _wants: str) -> str:
    """Only openssl's own words count: a missing file is no certificate."""
    said = (result.err or result.out).strip()[-200:]
    return "" if result.exit == 0 and "notAfter=" in result.out else f"There is no good certificate: {said or 'openssl said nothing'}"
