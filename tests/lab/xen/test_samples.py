"""What `xe` prints, byte for byte, for the samples that were recorded or made from the source."""

from __future__ import annotations

import pytest

from opsportal.lab.xen.model import Patch, Vdi, Vm
from opsportal.lab.xen.world import World
from tests.lab.xen.worlds import POOL, SR, SR2, SR_NAME, U1, U2, U3, VM1, VM2, db, later, pool, run_guest, xe

GAP = "\n\n\n"


def block(*lines: str) -> str:
    return "\n".join(lines) + GAP


def host_block(uuid: str, name: str) -> str:
    return block(
        f"uuid ( RO)                : {uuid}",
        f"          name-label ( RW): {name}",
        "    name-description ( RW): Default install of XenServer",
    )


def test_s1_host_list() -> None:
    said = xe(pool(), "host-list")
    assert said.code == 0 and said.err == ""
    assert said.out == host_block(U1, "xs01") + host_block(U2, "xs02") + host_block(U3, "xs03")


def test_s2_a_fresh_pool_has_an_empty_name() -> None:
    world = pool("8.2", name="")
    assert xe(world, "pool-list").out == block(
        f"uuid ( RO)                : {POOL}",
        "          name-label ( RW): ",
        "    name-description ( RW): ",
        f"              master ( RO): {U1}",
        f"          default-SR ( RW): {SR}",
    )


def test_s3_fields_come_in_the_order_of_the_record() -> None:
    world = pool(hosts=2)
    xe(world, f"host-disable uuid={U2}")
    assert xe(world, "host-list params=address,enabled,uuid,name-label").out == block(
        f"uuid ( RO)          : {U1}",
        "    name-label ( RW): xs01",
        "       enabled ( RO): true",
        "       address ( RO): 10.0.0.11",
    ) + block(
        f"uuid ( RO)          : {U2}",
        "    name-label ( RW): xs02",
        "       enabled ( RO): false",
        "       address ( RO): 10.0.0.12",
    )


def test_s4_to_s6_minimal_prints_the_first_field_of_the_record() -> None:
    world = pool()
    assert xe(world, "host-list params=name-label,uuid --minimal").out == f"{U1},{U2},{U3}\n"
    assert xe(world, "host-list params=name-label --minimal").out == "xs01,xs02,xs03\n"
    world = pool(hosts=2)
    db(world).hosts[U1].description = "rack 4, unit 7"
    assert xe(world, "host-list params=name-description --minimal").out == "rack 4\\, unit 7,Default install of XenServer\n"


def test_s7_pool_with_ha() -> None:
    world = pool(ha=180)
    db(world).pool.ha_statefiles = ["0a7b5d3e-9999-4a4a-8888-0102030405aa", "5f0e1c2d-7777-4b4b-8888-0102030405bb"]
    db(world).pool.ha_tolerate = 1
    fields = "uuid,name-label,master,ha-enabled,ha-configuration,ha-statefiles,ha-host-failures-to-tolerate"
    assert xe(world, f"pool-list params={fields}").out == block(
        f"uuid ( RO)                            : {POOL}",
        "                      name-label ( RW): pool-a",
        f"                          master ( RO): {U1}",
        "                      ha-enabled ( RO): true",
        "                ha-configuration ( RO): timeout: 180",
        "                   ha-statefiles ( RO): 0a7b5d3e-9999-4a4a-8888-0102030405aa; 5f0e1c2d-7777-4b4b-8888-0102030405bb",
        "    ha-host-failures-to-tolerate ( RW): 1",
    )


@pytest.mark.parametrize(("ha", "enabled", "configuration"), [(180, "true", "timeout: 180"), (0, "false", "")])
def test_s8_and_s9_all_of_a_pool(ha: int, enabled: str, configuration: str) -> None:
    lines = [line.strip() for line in xe(pool(ha=ha), "pool-list params=all").out.splitlines()]
    assert f"ha-enabled ( RO): {enabled}" in lines
    assert f"ha-configuration ( RO): {configuration}".strip() in lines


def test_s10_to_s12_single_fields() -> None:
    world = pool("6.5", ha=180)
    assert xe(world, f"pool-param-get uuid={POOL} param-name=ha-configuration param-key=timeout").out == "timeout: 180\n"
    assert xe(world, f"host-param-get uuid={U1} param-name=software-version param-key=product_version").out == "6.5.0\n"
    assert xe(world, f"host-param-get uuid={U1} param-name=enabled").out == "true\n"


def test_s13_all_of_a_6_5_host_is_43_wide() -> None:
    lines = xe(pool("6.5", hosts=1), "host-list params=all").out.splitlines()
    assert lines[0] == f"uuid ( RO)                                 : {U1}"
    assert "                    host-metrics-live ( RO): true" in lines
    assert (
        "                     software-version (MRO): product_version: 6.5.0; product_version_text: 6.5; product_version_text_short: 6.5; "
        "platform_name: XCP; platform_version: 1.9.0; product_brand: XenServer; build_number: 90233c; hostname: rivvidu-2; "
        "date: 2014-12-09; dbv: 2015.0101; xapi: 1.3; xen: 4.4.1-xs90192; linux: 3.10.0+2; xencenter_min: 2.3; xencenter_max: 2.3; "
        "network_backend: openvswitch; xs:main: XenServer Pack, version 6.5.0, build 90233c"
    ) in lines


def test_s14_and_s15_srs_name_their_host_or_shared() -> None:
    out = xe(pool("6.5", hosts=2), "sr-list name-label=DVD\u00a0drives").out
    assert out == ""
    world = pool("6.5", hosts=2)
    local = world.run("xen1", "xe", "sr-list", "name-label=Local storage", "host=xs01").out
    uuid = local.split(":")[1].split()[0]
    assert local == block(
        f"uuid ( RO)                : {uuid}",
        "          name-label ( RW): Local storage",
        "    name-description ( RW): ",
        "                host ( RO): xs01",
        "                type ( RO): ext",
        "        content-type ( RO): user",
    )
    assert xe(world, f"sr-list uuid={SR}").out == block(
        f"uuid ( RO)                : {SR}",
        f"          name-label ( RW): {SR_NAME}",
        "    name-description ( RW): ",
        "                host ( RO): <shared>",
        "                type ( RO): nfs",
        "        content-type ( RO): user",
    )


def test_s16_and_s17_nfs_srs() -> None:
    assert xe(pool(), "sr-list type=nfs params=uuid --minimal").out == f"{SR},{SR2}\n"
    assert xe(pool(nfs=0), "sr-list type=nfs params=uuid --minimal").out == "\n"


def test_s18_to_s20_vms() -> None:
    world = pool("6.5")
    run_guest(world)
    run_guest(world, VM2, "r-12-VM", priority="restart")
    fields = "params=uuid,name-label,power-state,ha-restart-priority"
    assert xe(world, f"vm-list resident-on={U1} is-control-domain=false {fields}").out == block(
        f"uuid ( RO)                   : {VM1}",
        "             name-label ( RW): i-2-10-VM",
        "            power-state ( RO): running",
        "    ha-restart-priority ( RW): ",
    ) + block(
        f"uuid ( RO)                   : {VM2}",
        "             name-label ( RW): r-12-VM",
        "            power-state ( RO): running",
        "    ha-restart-priority ( RW): restart",
    )
    world = pool("6.5")
    assert xe(world, "vm-list ha-restart-priority=restart params=uuid --minimal").out == "\n"
    db(world).vms[VM1] = Vm(VM1, "i-2-10-VM")
    assert xe(world, f"vm-list uuid={VM1} params=power-state,resident-on").out == block(
        "power-state ( RO)    : halted", "    resident-on ( RO): <not in database>"
    )


def test_s21_pbds() -> None:
    world = pool(hosts=1)
    pbd = db(world).pbds_of(sr=SR)[0]
    assert xe(world, f"pbd-list sr-uuid={SR}").out == block(
        f"uuid ( RO)                  : {pbd.uuid}",
        f"             host-uuid ( RO): {U1}",
        f"               sr-uuid ( RO): {SR}",
        "         device-config (MRO): server: 10.0.0.5; serverpath: /export/primary",
        "    currently-attached ( RO): true",
    )


def failed(world: World, line: str, host: str = "xen1", stdin: str = "") -> str:
    said = xe(world, line, host, stdin)
    assert (said.code, said.out) == (1, "")
    return said.err


def test_s22_to_s24_toggling_ha() -> None:
    world = pool()
    said = xe(world, f"pool-ha-enable heartbeat-sr-uuids={SR} ha-config:timeout=180")
    assert (said.code, said.out, said.err) == (0, "", "")
    again = failed(world, f"pool-ha-enable heartbeat-sr-uuids={SR} ha-config:timeout=180")
    assert again == "The operation could not be performed because HA is enabled on the Pool\n"
    assert failed(pool(), "pool-ha-disable") == "The operation could not be performed because HA is not enabled on the Pool\n"


def test_s25_a_pbd_is_missing() -> None:
    world = pool()
    world.unplug_pbd("xen2", SR)
    assert failed(world, f"pool-ha-enable heartbeat-sr-uuids={SR}") == f"The SR has no attached PBDs\nsr: {SR} ({SR_NAME})\n"


def test_s26_a_dead_member() -> None:
    world = pool()
    world.pull_plug("xen3")
    later(world, 601)
    expected = f"You attempted an operation which involves a host which could not be contacted.\nhost: {U3} (xs03)\n"
    assert failed(world, f"pool-ha-enable heartbeat-sr-uuids={SR}") == expected


@pytest.mark.parametrize(
    ("version", "text"),
    [
        ("6.2", "This operation is not allowed under your license.  Please contact your support representative.\n"),
        (
            "7.0",
            "This operation is not allowed because your license lacks a needed feature.  Please contact your support representative.\n"
            "feature: XHA\n",
        ),
    ],
)
def test_s27_no_licence(version: str, text: str) -> None:
    world = pool(version)
    db(world).pool.restrictions["enable_xha"] = "false"
    assert failed(world, f"pool-ha-enable heartbeat-sr-uuids={SR}") == text


def test_s28_a_wrong_uuid() -> None:
    wrong = "11111111-2222-3333-4444-555555555555"
    assert failed(pool(), f"pool-eject host-uuid={wrong} --force") == f"The uuid you supplied was invalid.\ntype: host\nuuid: {wrong}\n"


WARNINGS = (
    "WARNING: Ejecting a host from the pool will reinitialise that host's local SRs.\n"
    "WARNING: Any data contained with the local SRs will be lost.\n"
)


def test_s29_and_s30_eject_asks_first() -> None:
    world = pool("7.0")
    local = next(sr.uuid for sr in db(world).srs.values() if sr.name == "Local storage" and db(world).pbds_of(host=U2, sr=sr.uuid))
    for uuid, name in (
        ("e4886e37-a292-4423-befc-230cf4789f98", "SCSI 1:0:0:0"),
        ("05ce334e-889f-42e2-b297-cd50a0dddb9e", "Update: XS72E001"),
    ):
        db(world).vdis[uuid] = Vdi(uuid, name, local)
    said = xe(world, f"pool-eject host-uuid={U2}", stdin="yes\n")
    assert said.code == 0
    assert said.out == WARNINGS + (
        "The following VDI objects will be destroyed:\n"
        "VDI: e4886e37-a292-4423-befc-230cf4789f98 (SCSI 1:0:0:0)\n"
        "VDI: 05ce334e-889f-42e2-b297-cd50a0dddb9e (Update: XS72E001)\n"
        "Type 'yes' to continue\n"
        "Specified host will attempt to restart as a master of a new pool in 10.000 seconds...\n"
    )
    world = pool()
    said = xe(world, f"pool-eject host-uuid={U2}", stdin="no\n")
    assert (said.code, said.out) == (0, WARNINGS + "Type 'yes' to continue\nAborted (you typed: 'no')\n")
    assert U2 in db(world).hosts


def test_s31_and_s32_what_eject_refuses() -> None:
    world = pool()
    run_guest(world, host="xen2")
    assert failed(world, f"pool-eject host-uuid={U2} --force") == (
        "You attempted an operation that was not allowed.\nreason: VM resident on host\n"
    )
    assert failed(world, f"pool-eject host-uuid={U1} --force") == (
        "The server failed to handle your request, due to an internal error.  "
        "The given message may give details useful for debugging the problem.\nmessage: Xapi_pool.Cannot_eject_master\n"
    )


def test_s33_and_s34_designate() -> None:
    world = pool(ha=180)
    ha_on = "The operation could not be performed because HA is enabled on the Pool\n"
    assert failed(world, f"pool-designate-new-master host-uuid={U2}") == ha_on
    said = xe(world, f"pool-designate-new-master host-uuid={U1}")
    assert (said.code, said.out, said.err) == (0, "", "")


def test_s42_to_s46_emergency() -> None:
    world = pool()
    world.pull_plug("xen1")
    assert xe(world, "host-is-in-emergency-mode", "xen2").out == "false\n"
    world.run("xen2", "xe-toolstack-restart")
    later(world, 30)
    assert xe(world, "host-is-in-emergency-mode", "xen2").out == "true\n"
    said = xe(world, "pool-emergency-transition-to-master", "xen2")
    assert said.out == "Host agent will restart and transition to master in 10.000 seconds...\n"
    assert xe(pool("8.2"), "pool-emergency-transition-to-master").out == (
        "Host agent is already master. Use '--force' to execute the operation anyway.\n"
    )
    assert xe(pool(), "pool-recover-slaves").out == f"{U3}\n{U2}\n"
    assert xe(pool(), "pool-recover-slaves --minimal").out == f"{U3},{U2}\n"
    assert xe(pool(), "pool-emergency-reset-master master-address=10.0.0.12", "xen3").out == (
        "Host agent will restart and become slave of 10.0.0.12 in 10.000 seconds...\n"
    )


def test_s47_to_s49_evacuating() -> None:
    world = pool("8.2", ha=180)
    run_guest(world, host="xen2")
    assert failed(world, f"host-evacuate uuid={U2}") == (
        f"Not enough server memory is available to perform this operation.\nneeded: {VM1} (i-2-10-VM)\navailable: <unknown>\n"
    )
    world = pool(hosts=1)
    run_guest(world)
    assert failed(world, f"host-evacuate uuid={U1}") == (
        f"There were no hosts available to complete the specified operation.\n<extra>: {VM1} (i-2-10-VM)\n"
    )
    world = pool()
    run_guest(world, host="xen2")
    for host in ("xen1", "xen3"):
        world.unplug_pbd(host, SR)
    assert xe(world, f"host-get-vms-which-prevent-evacuation uuid={U2}").out == block(
        f"uuid ( RO)          : {VM1}",
        "    name-label ( RW): i-2-10-VM",
        f"        reason ( RO): VM_REQUIRES_SR,OpaqueRef:{VM1},OpaqueRef:{SR}",
    )


def test_s50_to_s53_enable_reboot_forget() -> None:
    world = pool()
    world.run("xen2", "xe-toolstack-restart")
    assert failed(world, "host-enable host=xs02", "xen2") == "The host toolstack is still initialising. Please wait.\n"
    assert failed(world, f"host-reboot uuid={U2}") == (
        "This operation cannot be performed because the host is not disabled. Please disable the host and then try again.\n"
    )
    assert failed(world, f"host-forget uuid={U3} --force") == (
        f"This operation cannot be completed as the host is still live.\nhost: {U3} (xs03)\n"
    )
    world.pull_plug("xen3")
    later(world, 601)
    said = xe(world, f"host-forget uuid={U3}", stdin="yes\n")
    assert (said.code, said.out) == (
        0,
        "WARNING: A host should only be forgotten if it is physically unrecoverable;\n"
        "WARNING: if possible, Hosts should be 'ejected' from the Pool instead.\n"
        "WARNING: Once a host has been forgotten it will have to be re-installed.\n"
        "WARNING: This operation is irreversible.\n"
        "Type 'yes' to continue\n",
    )
    assert xe(world, "host-list params=uuid --minimal").out == f"{U1},{U2}\n"


def test_s54_to_s56_selectors_and_no_xapi() -> None:
    world = pool()
    db(world).hosts[U2].name = "xs01"
    assert failed(world, "host-disable name-label=xs01") == (
        "Error: Multiple matching hosts found. --multiple required to complete the operation\n"
    )
    assert failed(world, "host-evacuate name-label=xs01") == (
        "Error: Multiple matching hosts found. Operation can only be performed on one host at a time\n"
    )
    assert failed(world, "host-enable uuid=00000000-0000-0000-0000-000000000000") == "Error: No matching hosts found\n"
    world.kill_xapi("xen1")
    assert failed(world, "host-list") == "Error: Connection refused (calling connect )\n"


@pytest.mark.parametrize(("version", "blanks"), [("8.3", " "), ("6.2", "  ")])
def test_s57_a_timeout_below_10(version: str, blanks: str) -> None:
    world = pool(version)
    assert failed(world, f"pool-ha-enable heartbeat-sr-uuids={SR} ha-config:timeout=5") == (
        f"The server failed to handle your request, due to an internal error.{blanks}The given message may give details useful for "
        'debugging the problem.\nmessage: Failure("constraint violation: timeout >= 10")\n'
    )
    assert xe(world, f"pool-param-get uuid={POOL} param-name=ha-configuration").out == "timeout: 5\n"
    assert xe(world, f"pool-param-get uuid={POOL} param-name=ha-enabled").out == "false\n"


def test_s58_a_code_without_text() -> None:
    world = pool("6.2")
    pif = next(iter(db(world).pifs.values()))
    pif.disallow_unplug, pif.attached = True, False
    assert failed(world, f"pool-ha-enable heartbeat-sr-uuids={SR}") == (
        f"Error code: REQUIRED_PIF_IS_UNPLUGGED\nError parameters: OpaqueRef:{pif.uuid}\n"
    )


def test_s59_the_connection_dies_but_the_command_was_executed() -> None:
    world = pool()
    world.fail_next("xen1", "pool-designate-new-master", "LOST_CONNECTION")
    assert failed(world, f"pool-designate-new-master host-uuid={U2}") == "Lost connection to the server.\n"
    later(world, 90)
    assert xe(world, "pool-list params=master --minimal").out == f"{U2}\n"


def test_s60_over_the_network() -> None:
    world = pool()
    assert failed(world, "-s 10.0.0.12 -u root -pw x pool-list") == (
        "You cannot make regular API calls directly on a slave. Please pass API calls via the master host.\nMaster IP address: 10.0.0.11\n"
    )
    refused = "Authentication failed\nFor usage run: 'xe help'\n"
    assert failed(world, "-s 10.0.0.11 pool-list") == refused
    assert failed(world, "-s 10.0.0.11 -u root -pw y pool-list") == refused
    assert xe(world, "-s 10.0.0.11 -u root -pw x pool-list params=master --minimal", "xen2").out == f"{U1}\n"
    assert failed(world, "-s 10.0.0.99 -u root -pw x pool-list") == "Unable to contact server. Please check server and port settings.\n"


def test_s61_and_s62_mistyped() -> None:
    assert failed(pool(), "pool-eject") == "Required parameter not found: host-uuid\nFor usage run: 'xe help'\n"
    line = f"pool-enable-ha heartbeat-sr-uuids={SR} ha-config:timeout=180"
    assert failed(pool(), line) == "Unknown command: pool-enable-ha\nFor usage run: 'xe help'\n"


def test_s63_to_s66_files_and_the_toolstack() -> None:
    world = pool("6.5")
    assert world.files("xen2")["/etc/xensource/pool.conf"] == "slave:10.0.0.11"
    inventory = world.files("xen1")["/etc/xensource-inventory"].splitlines()
    for line in ("PRODUCT_BRAND='XenServer'", "PRODUCT_VERSION='6.5.0'", "BUILD_NUMBER='90233c'", f"INSTALLATION_UUID='{U1}'"):
        assert line in inventory
    assert pool("6.2").files("xen1")["/etc/redhat-release"] == "XenServer release 6.2.0-70446c (xenenterprise)\n"
    said = world.run("xen1", "xe-toolstack-restart")
    assert (said.code, said.out) == (0, "Executing xe-toolstack-restart\ndone.\n")


def test_patches_are_joined_with_commas() -> None:
    world = pool("6.5", hosts=2)
    db(world).patches["p"] = Patch("p", "XS65E001", 1 << 20, [U1, U2])
    shown = xe(world, "patch-list name-label=XS65E001 params=uuid,hosts").out
    assert shown == block("uuid ( RO)     : p", f"    hosts (SRO): {U1}, {U2}")
