"""One member's own view: a script that answers whatever its xapi does, and what the answer means."""

from __future__ import annotations

import re

from hosts.xen import errors, parsing
from hosts.xen.command import TIMED_OUT
from hosts.xen.state import Member, Role, Voice
from opsportal.operations.facts import FactError
from opsportal.transport.base import Result

LIMITED = r"""
limited() {
  clock=$1; shift
  if command -v timeout >/dev/null 2>&1; then timeout "$clock" "$@"; return; fi
  "$@" & child=$!
  ( sleep "$clock"; kill "$child" ) >/dev/null 2>&1 & watch=$!
  wait "$child"; code=$?
  kill "$watch" 2>/dev/null && return "$code"
  return 124
}
"""
"""A shell function: `limited SECONDS COMMAND...` ends with 124 when the time is up. CentOS 5 (XenServer 6.2) has no `timeout`."""

SCRIPT = (
    LIMITED
    + r"""
pool_seconds=$1 local_seconds=$2 PATH=$PATH:/opt/xensource/bin LC_ALL=C
export PATH LC_ALL
part() { printf '\n== %s\n' "$1"; }
part inventory; cat /etc/xensource-inventory 2>/dev/null
part release; cat /etc/redhat-release 2>/dev/null
part pool.conf; cat /etc/xensource/pool.conf 2>/dev/null
part hostname; hostname
part armed
for file in /var/lib/xcp/local.db /var/xapi/local.db; do
  [ -r "$file" ] && { echo read; grep -o '<row[^>]*"ha\.armed"[^>]*>' "$file"; break; }
done
part mode; sed -n "s/^MODE=//p" /etc/firstboot.d/data/management.conf 2>/dev/null
part emergency; limited "$local_seconds" xe host-is-in-emergency-mode 2>/dev/null
part pool; limited "$pool_seconds" xe pool-list params=uuid,master,ha-enabled 2>&1; code=$?
part exit; echo "$code"
if [ "$code" = 0 ]; then
  uuid=$(sed -n "s/^INSTALLATION_UUID='\(.*\)'/\1/p" /etc/xensource-inventory 2>/dev/null)
  part addressing
  limited "$local_seconds" xe pif-list "host-uuid=$uuid" management=true params=IP-configuration-mode --minimal 2>/dev/null
fi
part end
"""
)
"""POSIX sh. The files say who the host is even when xapi is down; host-is-in-emergency-mode is answered without the master, pool-list
by the master: it hangs when that is dead."""

ARMED = re.compile(r'value="(true|false)"')
MODES = {"dhcp": "DHCP", "static": "Static", "none": "None"}


def member(result: Result) -> Member:
    parts = _parts(result)
    inventory = parsing.inventory(parts["inventory"])
    if "INSTALLATION_UUID" not in inventory:
        raise FactError("This is no XenServer or XCP-ng host: it has no /etc/xensource-inventory with an INSTALLATION_UUID.")
    role, address = parsing.role(parts["pool.conf"]) if parts["pool.conf"].strip() else (Role.UNKNOWN, "")
    brand, version, build = _release(inventory, parts["release"])
    emergency = {"true": True, "false": False}.get(parts["emergency"].strip())
    code, text = parsing.whole(parts["exit"].strip(), "the exit code of xe"), parts["pool"]
    voice = _voice(code, text, emergency)
    record = _answer(text) if voice is Voice.ANSWERS else None
    return Member(
        uuid=parsing.uuid(inventory["INSTALLATION_UUID"], "INSTALLATION_UUID"),
        control_domain=inventory.get("CONTROL_DOMAIN_UUID", "").lower(),
        hostname=parts["hostname"].strip(),
        brand=brand,
        version=version,
        build=build,
        role=role,
        master_address=address,
        voice=voice,
        said="" if record else _said(voice, text),
        pool=parsing.uuid(record["uuid"], "the pool's uuid") if record else "",
        says_master=parsing.reference(parsing.field(record, "master"), "the pool master") if record else "",
        says_ha=parsing.truth(parsing.field(record, "ha-enabled"), "ha-enabled") if record else None,
        emergency=emergency,
        ha_armed=_armed(parts["armed"]),
        management=inventory.get("MANAGEMENT_INTERFACE", ""),
        address_type=_mode(parts),
    )


def _parts(result: Result) -> dict[str, str]:
    """Text by the name of its part, without the line end before the next."""
    parts, name, lines = dict[str, str](), "", list[str]()
    for line in result.out.split("\n"):
        if line.startswith("== "):
            parts[name] = "\n".join(lines)
            name, lines = line[3:], []
        else:
            lines.append(line)
    if name != "end":
        raise FactError(
            f"The host did not answer like a dom0 (exit code {result.exit}): {parsing.quoted(result.err or result.out)}. "
            "Log in by hand with the same user: a forced command, a restricted shell or a greeting may be in the way."
        )
    return parts


def _release(inventory: dict[str, str], text: str) -> tuple[str, str, str]:
    """Brand, version and build: the inventory's, which upgrades rewrite, or else the release file's."""
    if "PRODUCT_VERSION" in inventory:
        return inventory.get("PRODUCT_BRAND", ""), inventory["PRODUCT_VERSION"], inventory.get("BUILD_NUMBER", "")
    return parsing.release(text)


def _voice(code: int, text: str, emergency: bool | None) -> Voice:
    if code == TIMED_OUT:
        return Voice.HANGS
    if code == 0:
        return Voice.ANSWERS
    known = errors.explain(text)
    if known and known.code == errors.CONNECTION_REFUSED:
        return Voice.REFUSED
    if emergency or (emergency is None and known and known.sense in errors.EMERGENCY):
        return Voice.EMERGENCY
    return Voice.ERROR


def _answer(text: str) -> parsing.Record:
    found = parsing.records(text, ("uuid", "master", "ha-enabled"))
    if len(found) != 1:
        raise FactError(f"xe pool-list printed {len(found)} pools where there is always one. It said {parsing.quoted(text)}.")
    return found[0]


def _said(voice: Voice, text: str) -> str:
    return "" if voice is Voice.HANGS else errors.said(text)


def _armed(text: str) -> bool | None:
    """None when local.db could not be read. Without a row xapi takes it as not armed."""
    if "read" not in text.split():
        return None
    match = ARMED.search(text)
    return bool(match and match[1] == "true")


def _mode(parts: dict[str, str]) -> str:
    """What the pool says of the management interface, or else what the installer or the last network reset wrote."""
    return parts.get("addressing", "").strip() or MODES.get(parts["mode"].strip().strip("'\"").lower(), "")
