"""The files of a control domain that xapi reads and owns, and what its software says it is."""

from __future__ import annotations

from opsportal.lab.xen.model import Files, Machine, Role, since

INVENTORY = "/etc/xensource-inventory"
POOL_CONF = "/etc/xensource/pool.conf"
MANAGEMENT_CONF = "/etc/firstboot.d/data/management.conf"
XHAD_CONF = "/etc/xensource/xhad.conf"
SECRET = "/etc/xensource/ptoken"  # noqa: S105

SOFTWARE: dict[str, dict[str, str]] = {
    "6.2": {
        "product_version": "6.2.0",
        "product_version_text": "6.2",
        "product_version_text_short": "6.2",
        "platform_name": "XCP",
        "platform_version": "1.8.0",
        "product_brand": "XenServer",
        "build_number": "70446c",
        "date": "2013-06-14",
        "dbv": "2013.0621",
        "xapi": "1.3",
        "xen": "4.1.5",
        "linux": "2.6.32.43-0.4.1.xs1.8.0.835.170778xen",
        "xencenter_min": "2.0",
        "xencenter_max": "2.0",
        "network_backend": "openvswitch",
        "xs:main": "XenServer Pack, version 6.2.0, build 70446c",
    },
    "6.5": {
        "product_version": "6.5.0",
        "product_version_text": "6.5",
        "product_version_text_short": "6.5",
        "platform_name": "XCP",
        "platform_version": "1.9.0",
        "product_brand": "XenServer",
        "build_number": "90233c",
        "hostname": "rivvidu-2",
        "date": "2014-12-09",
        "dbv": "2015.0101",
        "xapi": "1.3",
        "xen": "4.4.1-xs90192",
        "linux": "3.10.0+2",
        "xencenter_min": "2.3",
        "xencenter_max": "2.3",
        "network_backend": "openvswitch",
        "xs:main": "XenServer Pack, version 6.5.0, build 90233c",
    },
    "7.0": {
        "product_version": "7.0.0",
        "product_version_text": "7.0",
        "product_version_text_short": "7.0",
        "platform_name": "XCP",
        "platform_version": "2.1.0",
        "product_brand": "XenServer",
        "build_number": "125380c",
        "hostname": "taboth-1",
        "date": "2016-05-20",
        "dbv": "2016.0520",
        "xapi": "1.9",
        "xen": "4.6.1-xs125300",
        "linux": "3.10.0+10",
        "xencenter_min": "2.7",
        "xencenter_max": "2.7",
        "network_backend": "openvswitch",
    },
    "8.2": {
        "product_version": "8.2.1",
        "product_version_text": "8.2",
        "product_version_text_short": "8.2",
        "platform_name": "XCP",
        "platform_version": "3.2.1",
        "product_brand": "XCP-ng",
        "build_number": "release/yangtze/master/58",
        "hostname": "localhost",
        "date": "2023-10-18",
        "dbv": "0.0.1",
        "xapi": "1.20",
        "xen": "4.13.5-9.36",
        "linux": "4.19.0+1",
        "xencenter_min": "2.16",
        "xencenter_max": "2.16",
        "network_backend": "openvswitch",
        "db_schema": "5.602",
    },
    "8.3": {
        "product_version": "8.3.0",
        "product_version_text": "8.3",
        "product_version_text_short": "8.3",
        "platform_name": "XCP",
        "platform_version": "3.4.0",
        "product_brand": "XCP-ng",
        "build_number": "cloud",
        "hostname": "localhost",
        "date": "20240909T08:54:23Z",
        "dbv": "0.0.1",
        "xapi": "24.19",
        "xen": "4.17.5-4",
        "linux": "4.19.0+1",
        "xencenter_min": "2.21",
        "xencenter_max": "2.21",
        "network_backend": "openvswitch",
        "db_schema": "5.781",
    },
}


def software(machine: Machine) -> dict[str, str]:
    return SOFTWARE[machine.version] | {"product_brand": machine.brand} | machine.software


def state_directory(machine: Machine) -> str:
    return "/var/lib/xcp" if since(machine.version, "7.0") else "/var/xapi"


def state_db(machine: Machine) -> str:
    return f"{state_directory(machine)}/state.db"


def local_db(machine: Machine) -> str:
    return f"{state_directory(machine)}/local.db"


def inventory(machine: Machine) -> dict[str, str]:
    """KEY='value' lines, cut at the first `=`."""
    pairs = (line.partition("=") for line in (machine.files.get(INVENTORY) or "").splitlines() if "=" in line)
    return {key.strip(): value.strip().strip("'\"") for key, _, value in pairs}


def host_uuid(machine: Machine) -> str:
    return inventory(machine).get("INSTALLATION_UUID", "")


def role(machine: Machine) -> tuple[Role, str]:
    """The word of pool.conf and the master's address, which may hold colons. What cannot be read is `broken`."""
    word, _, address = (machine.files.get(POOL_CONF) or "").strip().partition(":")
    if word == "master":
        return "master", ""
    return ("slave", address) if word == "slave" and address else ("broken", "")


def pool_conf(master: str = "") -> Files:
    """For a master, or for a member of the pool whose master has that address."""
    return {POOL_CONF: f"slave:{master}" if master else "master"}


def local_flags(machine: Machine) -> Files:
    """local.db as the machine's flags are now."""
    flags = {
        "ha.armed": machine.armed,
        "ha.disable_failover_decisions": machine.failover_disabled,
        "host_disabled_until_reboot": machine.disabled_until_reboot,
    }
    rows = "".join(f'<row key="{key}" value="{str(value).lower()}"/>' for key, value in flags.items())
    return {local_db(machine): f'<?xml version="1.0"?>\n<config>{rows}</config>\n'}


def state_text(generation: int) -> str:
    return (
        '<?xml version="1.0"?>\n<database><manifest><pair key="schema_major_vsn" value="5"/>'
        f'<pair key="generation_count" value="{generation}"/></manifest></database>\n'
    )


def release(machine: Machine) -> str:
    said = software(machine)
    number = said["product_version"] if machine.brand == "XCP-ng" else f"{said['product_version']}-{said['build_number']}"
    return f"{machine.brand} release {number} (xenenterprise)\n"


def first_inventory(machine: Machine, uuid: str, dom0: str) -> str:
    """As the installer wrote it and xapi has rewritten it since."""
    said = software(machine)
    pairs = {
        "PRODUCT_BRAND": machine.brand,
        "PRODUCT_NAME": "xenenterprise",
        "PRODUCT_VERSION": said["product_version"],
        "PRODUCT_VERSION_TEXT": said["product_version_text"],
        "PLATFORM_NAME": said["platform_name"],
        "PLATFORM_VERSION": said["platform_version"],
        "BUILD_NUMBER": said["build_number"],
        "KERNEL_VERSION": said["linux"],
        "XEN_VERSION": said["xen"],
        "INSTALLATION_DATE": "2017-03-02 09:12:44.532000",
        "PRIMARY_DISK": "/dev/sda",
        "BACKUP_PARTITION": "/dev/sda2",
        "INSTALLATION_UUID": uuid,
        "CONTROL_DOMAIN_UUID": dom0,
        "DOM0_MEM": "2048",
        "DOM0_VCPUS": "4",
        "MANAGEMENT_INTERFACE": "xenbr0",
        "MANAGEMENT_ADDRESS_TYPE": "IPv4",
        "CURRENT_INTERFACES": "xenbr0",
    }
    return "".join(f"{key}='{value}'\n" for key, value in pairs.items())


def management_conf(machine: Machine, mode: str = "static") -> str:
    lines = ["LABEL='eth0'", f"MODE='{mode}'"]
    if mode == "static":
        lines += [f"IP='{machine.address}'", f"NETMASK='{machine.netmask}'", f"GATEWAY='{machine.gateway}'"]
    return "\n".join(lines) + "\n"
