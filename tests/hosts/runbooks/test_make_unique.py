"""Make a cloned XenServer unique: what is refused, and what the plan says."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hosts.facts.portal import InventoryHost
from hosts.runbooks.make_unique import MakeUnique, UniqueParams
from hosts.xen import clone_guards, cloning
from hosts.xen.facts import MemberView, PoolBasics, PoolHosts, PoolStorage, PoolVms
from hosts.xen.more_facts import Addressing, Identity, Programs, Twins, WhoItWas
from hosts.xen.state import Role, Voice
from opsportal.operations.facts import FactError
from opsportal.operations.steps import CannotUndo, PutFile, RunCommand, WaitFor
from opsportal.transport.base import Result
from tests.hosts.runbooks.known import POOL_UUID, U1, U2, U9, Known, basics, blocks, commands, host, member, row, storage, vm

INVENTORY = f"""PRODUCT_BRAND='XenServer'
INSTALLATION_UUID='{U9}'
CONTROL_DOMAIN_UUID='d0000009-0000-4000-8000-000000000000'
MANAGEMENT_INTERFACE='xenbr0'
"""
NOW = Addressing("eth0", "52:54:00:00:00:09", "DHCP", "10.0.0.19", "255.255.255.0", "10.0.0.1", "10.0.0.2,10.0.0.3")
NEW = "12345678-1234-4123-8123-123456789abc"
DOMAIN = "12345678-1234-4123-8123-00000000d000"
PARAMS = UniqueParams(host=9, host_uuid=NEW, domain_uuid=DOMAIN, run="cafe")
PROGRAMS = Programs(row(U9).target, (cloning.CREATE_TEMPLATES, *cloning.RESET_NETWORKING))


@pytest.fixture
def clone() -> Known:
    known = Known()
    target = row(U9).target
    known.say(InventoryHost("portal", 9), row(U9))
    known.say(MemberView(target), member(U9, U9))
    known.say(WhoItWas(target), Identity(INVENTORY, POOL_UUID, "xs09", NOW))
    known.say(Twins("portal", 9, U9), ("xs01",))
    known.say(PoolHosts(target), (host(U9),))
    known.say(PoolVms(target), ())
    known.say(PoolBasics(target), basics(U9))
    known.say(PoolStorage(target), storage([U9], local=U9))
    known.say(PROGRAMS, (cloning.CREATE_TEMPLATES, cloning.RESET_NETWORKING[0]))
    return known


def plan(known: Known, **other: Any) -> Any:
    return known.plan(MakeUnique(), dataclasses.replace(PARAMS, **other))


def findings(known: Known, **other: Any) -> Any:
    return known.findings(MakeUnique(), dataclasses.replace(PARAMS, **other))


def test_a_clone_alone_is_renewed_in_this_order(clone: Known) -> None:
    assert commands(plan(clone)) == [
        "stop-xapi: service xapi stop",
        "keep: cp -p /etc/xensource-inventory /etc/xensource/xapi-ssl.pem /var/lib/xcp/state.db /var/lib/xcp/state.db.generation "
        "/var/xapi/state.db /var/xapi/state.db.generation /root/opsportal-before-cafe",
        "uuids",
        "database: rm -f /var/lib/xcp/state.db /var/lib/xcp/state.db.generation /var/xapi/state.db /var/xapi/state.db.generation",
        "certificate: rm /etc/xensource/xapi-ssl.pem; generate_ssl_cert /etc/xensource/xapi-ssl.pem",
        "start-xapi: service xapi start",
        "templates: /opt/xensource/libexec/create_templates",
        "network: echo yes | xe-reset-networking --device=eth0 --mode=static --ip=10.0.0.19 --netmask=255.255.255.0 --gateway=10.0.0.1 "
        "--dns=10.0.0.2,10.0.0.3",
        "back",
        f"name: xe host-param-set uuid={NEW} name-label=xs09",
        f"second-reboot: xe host-disable uuid={NEW}; xe host-reboot uuid={NEW}",
        "back-again",
        "proof",
    ]
    assert not blocks(findings(clone))


def test_only_the_two_uuids_of_the_inventory_change(clone: Known) -> None:
    put = next(step.action for step in plan(clone) if step.key == "uuids")
    assert isinstance(put, PutFile) and put.before == INVENTORY
    changed = [line for line in put.content.splitlines() if line not in INVENTORY.splitlines()]
    assert changed == [f"INSTALLATION_UUID='{NEW}'", f"CONTROL_DOMAIN_UUID='{DOMAIN}'"]


def test_dhcp_and_another_name(clone: Known) -> None:
    steps = {line.partition(":")[0]: line for line in commands(plan(clone, mode="dhcp", name_label='xs77 "north"'))}
    assert steps["network"].endswith("xe-reset-networking --device=eth0 --mode=dhcp")
    assert steps["name"].endswith("""'name-label=xs77 "north"'""")
    assert any("waits for half an hour" in one.message for one in findings(clone, mode="dhcp"))


def test_reboots_are_waited_for_by_the_boot_id_and_the_new_uuid(clone: Known) -> None:
    for key in ("back", "back-again"):
        waits = next(step.action for step in plan(clone) if step.key == key)
        assert isinstance(waits, WaitFor)
        assert ".opsportal/boot-cafe-" in str(waits.conditions[0].command.argv)
        assert waits.conditions[1].wants == NEW
        assert all(one.within >= 1200 for one in waits.conditions)


def test_xapi_is_on_record_as_stopped_until_it_answers_again(clone: Known) -> None:
    steps = {step.key: step for step in plan(clone)}
    way_back = steps["stop-xapi"].opens
    assert way_back is not None and (way_back.resource, way_back.key) == ("host:9", "xapi")
    assert steps["start-xapi"].settles == "xapi"
    assert isinstance(way_back.action, RunCommand) and "service xapi start" in way_back.action.command.script


def test_undo_never_mixes_the_old_uuids_with_the_new_database(clone: Known) -> None:
    steps = {step.key: step for step in plan(clone)}
    for key in ("uuids", "database"):
        undo = steps[key].undo
        assert isinstance(undo, CannotUndo) and "/root/opsportal-before-cafe" in undo.reason


def test_every_command_with_an_effect_is_proved(clone: Known) -> None:
    for step in plan(clone):
        assert step.probe or isinstance(step.action, WaitFor), step.key


@pytest.mark.parametrize(
    ("change", "guard", "says"),
    [
        ("member", "unique.member", "10.0.0.11"),
        ("slaves", "unique.slaves", "2 hosts (xs09, xs02)"),
        ("running", "unique.vms", "i-2-10-VM"),
        ("suspended", "unique.vms", "i-2-11-VM"),
        ("ha", "unique.ha", "HA is on"),
        ("armed", "unique.ha", "HA is on"),
        ("bond", "unique.management", "bond0"),
        ("tools", "unique.tools", "xe-reset-networking"),
        ("broken", "unique.member", "Look at the file"),
        ("address", "unique.address", "10.0.0.11"),
    ],
)
def test_what_would_end_badly_is_refused(clone: Known, change: str, guard: str, says: str) -> None:
    target = row(U9).target
    changes: dict[str, tuple[Any, Any]] = {
        "member": (MemberView(target), member(U9, U1)),
        "broken": (MemberView(target), member(U9, U9, role=Role.BROKEN)),
        "slaves": (PoolHosts(target), (host(U9), host(U2))),
        "running": (PoolVms(target), (vm("i-2-10-VM", U9),)),
        "suspended": (PoolVms(target), (vm("i-2-11-VM", U9, "suspended"),)),
        "ha": (PoolBasics(target), basics(U9, ha=True)),
        "armed": (MemberView(target), member(U9, U9, ha_armed=True)),
        "bond": (WhoItWas(target), Identity(INVENTORY, POOL_UUID, "xs09", dataclasses.replace(NOW, device="bond0"))),
        "address": (PoolHosts(target), (host(U9, address="10.0.0.11"),)),
        "tools": (PROGRAMS, (cloning.CREATE_TEMPLATES,)),
    }
    clone.say(*changes[change])
    assert says in blocks(findings(clone))[guard]


def test_halted_machines_are_named_and_need_a_reason(clone: Known) -> None:
    clone.say(PoolVms(row(U9).target), (vm("template-vm", U9, "halted"),))
    (found,) = (one for one in findings(clone) if one.guard == "unique.vms")
    assert "template-vm" in found.message and found.override


def test_its_storage_and_what_is_not_renewed_are_said(clone: Known) -> None:
    messages = " ".join(one.message for one in findings(clone))
    assert "Local storage" in messages and "sr-introduce" in messages
    assert "SSH host keys" in messages and "iSCSI" in messages and "pool secret" in messages


def test_a_host_that_no_other_resembles_is_asked_about(clone: Known) -> None:
    clone.say(Twins("portal", 9, U9), ())
    assert any(one.guard == "unique.twin" and "Is this the machine" in one.message for one in findings(clone))


def test_an_unknown_address_cannot_be_kept(clone: Known) -> None:
    clone.say(WhoItWas(row(U9).target), Identity(INVENTORY, POOL_UUID, "xs09", dataclasses.replace(NOW, netmask="")))
    with pytest.raises(FactError, match="cannot be kept"):
        plan(clone)


def test_taken_up_again_while_xapi_is_stopped(clone: Known) -> None:
    """What the plan rests on is pinned; the rules that need xapi were judged before."""
    target = row(U9).target
    clone.say(MemberView(target), member(U9, U9, uuid=NEW, voice=Voice.REFUSED, pool="", says_master="", says_ha=None))
    for fact in (PoolHosts(target), PoolVms(target), PoolBasics(target), PoolStorage(target)):
        clone.fail(fact, "xe failed")
    clone.say(Twins("portal", 9, NEW), ())
    assert len(plan(clone)) == 13 and WhoItWas.pinned
    assert not blocks(findings(clone))


@pytest.mark.parametrize("text", ["INSTALLATION_UUID='x'\n", INVENTORY + INVENTORY])
def test_a_damaged_inventory_is_not_rewritten(text: str) -> None:
    with pytest.raises(FactError, match="must be once"):
        cloning.renewed(text, NEW, DOMAIN)


def test_how_the_identity_is_read() -> None:
    pif = (
        "device ( RO)                   : eth0\n"
        "                      MAC ( RO): 52:54:00:AA:00:09\n"
        "    IP-configuration-mode ( RO): Static\n"
        "                       IP ( RO): 10.0.0.19\n"
        "                  netmask ( RO): 255.255.255.0\n"
        "                  gateway ( RO): 10.0.0.1\n"
        "                      DNS ( RO): \n\n\n"
    )
    out = f"\n== inventory\n{INVENTORY}\n== hostname\nxs09\n\n== pool\n{POOL_UUID}\n\n== management\n{pif}\n== end\n"
    was = WhoItWas("host:9").parse(Result(0, out))
    assert was == Identity(
        INVENTORY, POOL_UUID, "xs09", Addressing("eth0", "52:54:00:aa:00:09", "Static", "10.0.0.19", "255.255.255.0", "10.0.0.1", "")
    )


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (Result(0, NEW + "\n"), "still answers"),
        (Result(1, "", "Error: Connection refused (calling connect )\n"), ""),
        (Result(124, ""), "it said"),
        (Result(1, "", "The host toolstack is still initialising. Please wait.\n"), "initialising"),
    ],
)
def test_only_a_refused_connection_shows_that_xapi_is_stopped(result: Result, says: str) -> None:
    said = cloning.silent(result, "")
    assert says in said if says else said == ""


@pytest.mark.parametrize(
    ("result", "holds"),
    [
        (Result(0, NEW + "\n"), True),
        (Result(0, POOL_UUID + "\n"), False),
        (Result(0, "\n"), False),
        (Result(124, ""), False),
        (Result(1, "", "Lost connection to the server.\n"), False),
    ],
)
def test_an_empty_answer_is_no_other_pool(result: Result, holds: bool) -> None:
    assert (cloning.other_uuid(result, POOL_UUID) == "") is holds


def test_guards_say_nothing_before_a_host_is_chosen() -> None:
    assert Known().findings(MakeUnique(), UniqueParams()) == []
    assert len(clone_guards.UNIQUE) == len({rule.ident for rule in clone_guards.UNIQUE})
