"""One member's own view: the script in a real shell with and without `timeout`, and what its answers mean."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from hosts.xen.facts import MemberView
from hosts.xen.state import Member, Role, Voice
from opsportal.operations.facts import FactError
from opsportal.transport.base import Result
from tests.hosts.xen import printer
from tests.hosts.xen.dom0 import Dom0
from tests.hosts.xen.samples import U1, P, sample

WELL = f"""
host-is-in-emergency-mode) echo false ;;
pool-list*) printf '%s' '{printer.block({"uuid": P, "master": U1, "ha-enabled": "true"})}' ;;
"pif-list host-uuid={U1} management=true params=IP-configuration-mode --minimal") echo Static ;;
"""


@pytest.fixture(params=[True, False], ids=["timeout", "CentOS 5"])
def dom0(request: pytest.FixtureRequest, tmp_path: Path) -> Dom0:
    return Dom0(tmp_path, WELL, timeout=request.param)


def view(dom0: Dom0, fact: MemberView | None = None) -> Member:
    fact = fact or MemberView("host:1")
    return fact.parse(dom0.run(fact.command()))


class Brief(MemberView):
    POOL_SECONDS = 1
    LOCAL_SECONDS = 1


def test_a_master_that_answers(dom0: Dom0) -> None:
    dom0.files["var/lib/xcp/local.db"] = (
        '<?xml version="1.0"?><config><row key="ha.armed" value="true"/><row key="x" value="false"/></config>'
    )
    found = view(dom0)
    assert (found.uuid, found.control_domain) == (U1, "c0c0c0c0-0000-4000-8000-000000000001")
    assert (found.brand, found.version, found.build) == ("XenServer", "6.5.0", "90233c")
    assert (found.role, found.voice, found.said) == (Role.MASTER, Voice.ANSWERS, "")
    assert (found.pool, found.says_master, found.says_ha) == (P, U1, True)
    assert (found.emergency, found.ha_armed) == (False, True)
    assert (found.management, found.address_type) == ("xenbr0", "Static")
    assert found.hostname


def test_a_slave_whose_xe_hangs(dom0: Dom0) -> None:
    dom0.files["etc/xensource/pool.conf"] = sample(63)
    dom0.answers = "host-is-in-emergency-mode) echo false ;;\npool-list*) exec sleep 60 ;;"
    started = time.monotonic()
    found = view(dom0, Brief("host:1"))
    assert time.monotonic() - started < 5
    assert (found.voice, found.role, found.master_address) == (Voice.HANGS, Role.SLAVE, "10.0.0.11")
    assert (found.emergency, found.pool, found.says_ha) == (False, "", None)


def test_the_limits_stay_below_what_the_portal_waits() -> None:
    assert MemberView.timeout - 20 > MemberView.POOL_SECONDS + 2 * MemberView.LOCAL_SECONDS


@pytest.mark.parametrize(
    ("number", "emergency", "voice", "words"),
    [
        (56, "true", Voice.REFUSED, "xapi does not run on this host"),
        (40, "true", Voice.EMERGENCY, "pool master does not know this host"),
        (41, "", Voice.EMERGENCY, "pool master does not know this host"),
        (50, "false", Voice.ERROR, "Wait a minute"),
        (59, "false", Voice.ERROR, "restarts"),
        (62, "false", Voice.ERROR, "does not know the command"),
    ],
)
def test_members_that_fail(dom0: Dom0, number: int, emergency: str, voice: Voice, words: str) -> None:
    said = sample(number).replace("'", "'\\''")
    dom0.answers = f"host-is-in-emergency-mode) echo {emergency} ;;\npool-list*) printf '%s' '{said}' >&2; exit 1 ;;"
    found = view(dom0)
    assert found.voice is voice
    assert words in found.said and "\n" not in found.said
    assert found.says_ha is None


def test_emergency_with_the_error_of_the_connection(dom0: Dom0) -> None:
    said = "The server failed to handle your request, due to an internal error. "
    said += "The given message may give details useful for debugging the problem.\n"
    said += 'message: INTERNAL_ERROR: [ Unix.Unix_error(Unix.ECONNREFUSED, "connect", "") ]\n'
    dom0.answers = f"host-is-in-emergency-mode) exit 1 ;;\npool-list*) printf '%s' '{said}' >&2; exit 1 ;;"
    found = view(dom0)
    assert (found.voice, found.emergency) == (Voice.EMERGENCY, None)
    assert "cannot connect to its pool master" in found.said


def test_files_that_are_missing(dom0: Dom0) -> None:
    dom0.files = {"etc/xensource-inventory": "INSTALLATION_UUID='6E1F0C4A-0f0e-4a8e-9a51-2f2b7c3d1a01'\n", "etc/redhat-release": sample(65)}
    found = view(dom0)
    assert found.uuid == U1
    assert (found.brand, found.version, found.build) == ("XenServer", "6.2.0", "70446c")
    assert (found.role, found.ha_armed) == (Role.UNKNOWN, None)


def test_the_old_place_of_local_db_and_the_installer_s_word_for_the_address(dom0: Dom0) -> None:
    dom0.files |= {"var/xapi/local.db": "<config></config>", "etc/firstboot.d/data/management.conf": "LABEL='eth0'\nMODE='dhcp'\n"}
    dom0.answers = "host-is-in-emergency-mode) echo true ;;\npool-list*) exit 1 ;;"
    found = view(dom0)
    assert (found.ha_armed, found.address_type, found.said) == (False, "DHCP", "it printed nothing")


def test_another_machine_is_an_error(dom0: Dom0) -> None:
    dom0.files = {}
    with pytest.raises(FactError, match="no XenServer or XCP-ng"):
        view(dom0)


@pytest.mark.parametrize(
    "answer", [Result(0, "Welcome!\n"), Result(1, "", "This account is not available"), Result(255, "\n== inventory\n")]
)
def test_a_shell_that_is_none_is_an_error(answer: Result) -> None:
    with pytest.raises(FactError, match="did not answer like a dom0"):
        MemberView("host:1").parse(answer)


def test_a_pool_conf_that_makes_no_sense_is_an_error(dom0: Dom0) -> None:
    dom0.files["etc/xensource/pool.conf"] = "mastr"
    with pytest.raises(FactError, match="mastr"):
        view(dom0)


def test_an_answer_without_a_pool_is_an_error(dom0: Dom0) -> None:
    result = dom0.run(replace(MemberView("host:1")).command())
    with pytest.raises(FactError, match="neither true nor false"):
        MemberView("host:1").parse(Result(0, result.out.replace(": true", ": maybe")))
