"""Rules for the conditions of steps: pure `(Result, wants) -> str`, "" when it holds, else the sentence that says what is wrong.

None of them takes a hang, an error or an empty answer for "holds": only the answer itself, understood as a whole, counts.
"""

from __future__ import annotations

from collections.abc import Callable

from hosts.xen import errors, parsing
from hosts.xen.command import TIMED_OUT
from opsportal.operations.facts import FactError
from opsportal.transport.base import Result


def _failed(result: Result) -> str:
    """Why there is no answer to judge; "" when there is one."""
    if result.exit == TIMED_OUT:
        return "xe did not return in time, so the pool master is probably unreachable"
    if result.exit:
        return f"xe failed with exit code {result.exit}: {errors.said(result.err or result.out).removesuffix('.')}"
    return "the answer was cut, so it is not whole" if result.truncated else ""


def _judged(result: Result, rule: Callable[[str], str]) -> str:
    try:
        return _failed(result) or rule(result.out)
    except FactError as error:
        return str(error).removesuffix(".")


def _one(text: str, what: str) -> str:
    """The only value of a `--minimal` or a `*-param-get`."""
    values = parsing.minimal(text)
    if len(values) != 1:
        raise FactError(f"xe gave {len(values)} values as {what} where one was expected: {parsing.quoted(text)}.")
    return values[0]


def _same(found: str, wants: str, what: str) -> str:
    return "" if found == wants else f"{what} is {found or 'empty'} instead of {wants}"


def _flag(result: Result, wants: str, what: str) -> str:
    def rule(text: str) -> str:
        found = parsing.truth(_one(text, what), what)
        return _same("true" if found else "false", wants, what)

    return _judged(result, rule)


def ha_is(result: Result, wants: str) -> str:
    """Of `xe pool-list params=ha-enabled --minimal`. Wants "true" or "false"."""
    return _flag(result, wants, "ha-enabled")


def ha_timeout_is(result: Result, wants: str) -> str:
    """Of `xe pool-list params=ha-configuration --minimal`. Wants seconds. Never ask it alone: the field outlives HA."""

    def rule(text: str) -> str:
        found = parsing.mapping(_one(text, "ha-configuration")).get("timeout", "")
        return _same(found, wants, "the HA timeout")

    return _judged(result, rule)


def master_is(result: Result, wants: str) -> str:
    """Of `xe pool-list params=master --minimal`. Wants the uuid of a host."""

    def rule(text: str) -> str:
        return _same(parsing.uuid(_one(text, "the pool master"), "the pool master"), wants.lower(), "the pool master")

    return _judged(result, rule)


def pool_conf_is(result: Result, wants: str) -> str:
    """Of `cat /etc/xensource/pool.conf`. Wants "master", "slave:ADDRESS", or "slave" for one of any master."""
    if result.exit:
        return f"pool.conf could not be read: {parsing.quoted(result.err)}"

    def rule(text: str) -> str:
        role, address = parsing.role(text)
        found = f"{role}:{address}" if address and ":" in wants else str(role)
        return _same(found, wants, "what pool.conf says")

    return _judged(result, rule)


def enabled_is(result: Result, wants: str) -> str:
    """Of `xe host-param-get uuid=U param-name=enabled`. Wants "true" or "false"."""
    return _flag(result, wants, "whether the host is enabled")


def live_is(result: Result, wants: str) -> str:
    """Of `xe host-param-get uuid=U param-name=host-metrics-live`. Up to ten minutes old without HA: reach the host as well."""
    return _flag(result, wants, "whether the host counts as live")


def emergency_is(result: Result, wants: str) -> str:
    """Of `xe host-is-in-emergency-mode`. "false" is no proof of health: a member whose xapi hangs says it too."""
    return _flag(result, wants, "emergency mode")


def attached_is(result: Result, wants: str) -> str:
    """Of `xe pbd-list ... params=currently-attached --minimal`: all of them, and at least one."""

    def rule(text: str) -> str:
        found = [parsing.truth(value, "whether a PBD is attached") for value in parsing.minimal(text)]
        if not found:
            return "there is no PBD"
        wrong = sum(("true" if one else "false") != wants for one in found)
        return f"{wrong} of {len(found)} PBDs are {'unplugged' if wants == 'true' else 'plugged'}" if wrong else ""

    return _judged(result, rule)


def _uuids(text: str, what: str) -> list[str]:
    return [parsing.uuid(value, what) for value in parsing.minimal(text)]


def host_gone(result: Result, wants: str) -> str:
    """Of `xe host-list params=uuid --minimal`. Wants the uuid that is no longer listed; a list without any host is no answer."""

    def rule(text: str) -> str:
        found = _uuids(text, "a host's uuid")
        if not found:
            return "xe listed no host at all, but a pool has at least one"
        return f"the pool still lists the host {wants}" if wants.lower() in found else ""

    return _judged(result, rule)


def host_there(result: Result, wants: str) -> str:
    """Of `xe host-list params=uuid --minimal`. Wants a uuid that is listed once."""

    def rule(text: str) -> str:
        found = _uuids(text, "a host's uuid")
        return "" if found.count(wants.lower()) == 1 else f"the pool does not list the host {wants}; it lists {', '.join(found) or 'none'}"

    return _judged(result, rule)


def lists_all(result: Result, wants: str) -> str:
    """Of a `--minimal` list of uuids. Wants uuids with commas between, all of which must be in it."""

    def rule(text: str) -> str:
        missing = [one for one in wants.lower().split(",") if one not in _uuids(text, "a uuid")]
        return f"not listed: {', '.join(missing)}" if missing else ""

    return _judged(result, rule)


def lists_exactly(result: Result, wants: str) -> str:
    """Of a `--minimal` list of uuids. Wants exactly these, with commas between; at least one."""

    def rule(text: str) -> str:
        found, expected = set(_uuids(text, "a uuid")), set(wants.lower().split(","))
        missing, surplus = sorted(expected - found), sorted(found - expected)
        parts = [f"not listed: {', '.join(missing)}"] * bool(missing) + [f"listed as well: {', '.join(surplus)}"] * bool(surplus)
        return "; ".join(parts)

    return _judged(result, rule)


def no_running_vms(result: Result, _wants: str = "") -> str:
    """Of `xe vm-list resident-on=U is-control-domain=false power-state=running params=uuid --minimal`.

    None is printed as one empty line. No output at all is no answer: the command may have been cut off.
    """

    def rule(text: str) -> str:
        if "\n" not in text:
            return "xe printed nothing, not even the empty line that stands for none"
        found = _uuids(text, "a virtual machine's uuid")
        return f"{len(found)} virtual machines still run there: {', '.join(found[:5])}{' …' * (len(found) > 5)}" if found else ""

    return _judged(result, rule)


none_listed = no_running_vms
"""The same rule for any `--minimal` list that must be empty."""


def printed(result: Result, wants: str) -> str:
    """Exit code 0 and the text is in stdout: some commands of xe fail with exit code 0 and another text."""
    if why := _failed(result):
        return why
    return "" if wants and wants in result.out else f"xe did not print {wants!r}; it said {errors.said(result.out).removesuffix('.')}"
