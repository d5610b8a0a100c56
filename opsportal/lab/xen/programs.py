"""The other programs of a control domain that act on the toolstack, the network or the power."""

from __future__ import annotations

from collections.abc import Callable

from opsportal.lab.xen import dom0, install, toolstack, xe_cli
from opsportal.lab.xen.clock import job
from opsportal.lab.xen.model import Files, Job, Machine, Site, since

Program = Callable[[Site, Machine, list[str], str, int], None]
"""Site, machine, the words after the program's name, standard input, the call to answer."""
TEMPLATES_WAIT = 120.0


def start(site: Site, machine: Machine, words: list[str], stdin: str, call: int) -> None:
    name = words[0].rsplit("/", 1)[-1]
    found = PROGRAMS.get(name)
    if found is None or (name == "systemctl" and not since(machine.version, "7.0")):
        site.answer(call, err=f"bash: {name}: command not found\n", code=127)
    else:
        found(site, machine, words[1:], stdin, call)


def _xe(site: Site, machine: Machine, words: list[str], stdin: str, call: int) -> None:
    site.calls[call].xe = True
    xe_cli.start(site, machine, words, stdin, call)


def _service(site: Site, machine: Machine, words: list[str], stdin: str, call: int) -> None:
    name, verb = (*words, "", "")[:2]
    redirected = f"Redirecting to /bin/systemctl {verb} {name}.service\n" if since(machine.version, "7.0") else ""
    if name == "firstboot" and verb == "activate":
        machine.firstboot = True
        site.answer(call, err=redirected)
    elif verb == "status":
        running = name != "xapi" or machine.xapi.state != "stopped"
        said = f"{name} (pid  {4000 + machine.boots}) is running...\n" if running else f"{name} is stopped\n"
        site.answer(call, out=said, err=redirected, code=0 if running else 3)
    elif verb not in ("start", "stop", "restart"):
        site.answer(call, out=f"Usage: {name} {{start|stop|status|restart}}\n", err=redirected, code=2)
    else:
        _control(site, machine, name, verb)
        done = {"stop": [f"Stopping {name}"], "start": [f"Starting {name}"], "restart": [f"Stopping {name}", f"Starting {name}"]}[verb]
        site.answer(call, out="".join(f"{line}: [  OK  ]\n" for line in done) if not redirected else "", err=redirected)


def _control(site: Site, machine: Machine, name: str, verb: str) -> None:
    """Only xapi matters to the pool; the others start and stop without a trace."""
    if name != "xapi":
        return
    why = f"service xapi {verb}"
    if verb != "start":
        toolstack.stop(site, machine, why)
    if verb != "stop":
        toolstack.start(site, machine, why)


def _systemctl(site: Site, machine: Machine, words: list[str], stdin: str, call: int) -> None:
    plain = [word for word in words if not word.startswith("-")]
    verb, name = (*plain, "", "")[:2]
    name = name.removesuffix(".service")
    active = name != "xapi" or machine.xapi.state != "stopped"
    if verb in ("start", "stop", "restart"):
        _control(site, machine, name, verb)
        site.answer(call)
    elif verb == "is-active":
        site.answer(call, out="active\n" if active else "inactive\n", code=0 if active else 3)
    elif verb == "status":
        said = f"● {name}.service\n   Active: {'active (running)' if active else 'inactive (dead)'}\n"
        site.answer(call, out=said, code=0 if active else 3)
    elif verb in ("reboot", "poweroff"):
        _power(site, machine, [], call, again=verb == "reboot", why=f"systemctl {verb}")
    else:
        machine.chkconfig[name] = verb == "enable"
        site.answer(call)


def _toolstack_restart(site: Site, machine: Machine, words: list[str], stdin: str, call: int) -> None:
    """With HA on, xapi may miss the health check while it restarts: then the host fences."""
    if any(each.kind == "toolstack-restarted" and each.machine == machine.id for each in site.jobs):
        site.answer(call, err="xe-toolstack-restart: cannot lock /dev/shm/xe_toolstack_restart.lock\n", code=1)
        return
    toolstack.restart(site, machine, "xe-toolstack-restart")
    if machine.group and site.dice().random() < 0.5:
        site.later(60.0, "ha-toolstack", machine)
    site.later(4.0, "toolstack-restarted", machine, call=call)


@job("toolstack-restarted")
def _restarted(site: Site, job: Job) -> None:
    site.answer(job.call, out="Executing xe-toolstack-restart\ndone.\n")


def _create_templates(site: Site, machine: Machine, words: list[str], stdin: str, call: int) -> None:
    site.later(1.0, "create-templates", machine, call=call, until=site.now + TEMPLATES_WAIT)


@job("create-templates")
def _templates(site: Site, job: Job) -> None:
    """It waits for xapi to come up, but not for ever."""
    machine = site.machines[job.machine]
    if machine.xapi.state == "running" and machine.xapi.role == "master":
        install.add_templates(site, machine.db)
        site.answer(job.call)
    elif site.now >= job.data["until"]:
        site.answer(job.call, err="create_templates: could not connect to xapi\n", code=1)
    else:
        site.later(2.0, "create-templates", machine, call=job.call, **job.data)


OPTIONS = {"-m": "master", "-d": "device"}
NETWORK_WARNING = """\
----------------------------------------------------------------------
!! WARNING !!

This command will reboot the host and reset its network configuration.
Any running VMs will be forcefully shutdown.
Before completing this command:
- Where possible, cleanly shutdown all VMs running on this host.
- Disable HA if this host is part of a resource pool with HA enabled.
----------------------------------------------------------------------

Your network will be re-configured as follows:

"""


def _options(words: list[str]) -> dict[str, str]:
    found, rest = dict[str, str](), list(words)
    while rest:
        word = rest.pop(0)
        key, equals, value = word.partition("=")
        name = OPTIONS.get(key, key.lstrip("-"))
        found[name] = value if equals else (rest.pop(0) if rest else "")
    return found


def _reset_networking(site: Site, machine: Machine, words: list[str], stdin: str, call: int) -> None:
    """Stops xapi, forgets the networks of its database, and reboots; asks for a `yes` first."""
    options = _options(words)
    device, mode = options.get("device", "eth0"), options.get("mode", "dhcp")
    out = NETWORK_WARNING + f"Management interface:   {device}\nIP configuration mode:  {mode}\n"
    for label, key in (("IP address", "ip"), ("Netmask", "netmask"), ("Gateway", "gateway"), ("DNS server(s)", "dns")):
        if mode == "static" and key in options:
            out += f"{label}:".ljust(24) + options[key] + "\n"
    if options.get("master") and dom0.role(machine)[0] == "slave":
        out += f"Pool master's address:  {options['master']}\n"
    out += "\nType 'yes' to continue.\nType 'no' to cancel.\n"
    if not stdin.strip().lower().startswith("yes"):
        site.answer(call, out=out + "Cancelled.\n", code=0 if stdin else 1)
        return
    writes = _network_files(machine, options, device, mode)
    toolstack.stop(site, machine, "xe-reset-networking")
    site.tell("files", machine, "the network was reset", writes)
    machine.network_reset = True
    if machine.database is not None:
        _forget_networks(machine)
    site.answer(call, out=out + f"Stopping xapi...\nReconfiguring {device}...\nRebooting...\n", writes=writes)
    site.later(8.0, "go-down", machine, again=True, why="xe-reset-networking")


def _network_files(machine: Machine, options: dict[str, str], device: str, mode: str) -> Files:
    if mode == "static":
        machine.address = options.get("ip") or machine.address
        machine.netmask, machine.gateway = options.get("netmask", machine.netmask), options.get("gateway", machine.gateway)
    bridge = f"xenbr{device.removeprefix('eth')}"
    lines = [
        line
        for line in (machine.files.get(dom0.INVENTORY) or "").splitlines()
        if not line.startswith(("MANAGEMENT_INTERFACE", "CURRENT_INT"))
    ]
    lines += [f"MANAGEMENT_INTERFACE='{bridge}'", f"CURRENT_INTERFACES='{bridge}'"]
    writes: Files = {dom0.INVENTORY: "\n".join(lines) + "\n", dom0.MANAGEMENT_CONF: dom0.management_conf(machine, mode)}
    if options.get("master") and dom0.role(machine)[0] == "slave":
        writes |= dom0.pool_conf(options["master"])
    return writes


def _forget_networks(machine: Machine) -> None:
    uuid = dom0.host_uuid(machine)
    for pif in machine.db.pifs.values():
        if pif.host == uuid and pif.management:
            pif.ip = machine.address
            pif.mode = "DHCP" if "dhcp" in (machine.files.get(dom0.MANAGEMENT_CONF) or "") else "Static"


def _power(site: Site, machine: Machine, words: list[str], call: int, *, again: bool, why: str) -> None:
    """The command returns long before the services are stopped."""
    site.answer(call)
    site.later(8.0, "go-down", machine, again=again, why=why)


def _reboot(site: Site, machine: Machine, words: list[str], stdin: str, call: int) -> None:
    _power(site, machine, words, call, again=True, why="reboot")


def _poweroff(site: Site, machine: Machine, words: list[str], stdin: str, call: int) -> None:
    _power(site, machine, words, call, again=False, why="poweroff")


def _shutdown(site: Site, machine: Machine, words: list[str], stdin: str, call: int) -> None:
    """`shutdown -c` and times are not known: it happens now."""
    _power(site, machine, words, call, again="-r" in words, why="shutdown " + " ".join(words))


def _chkconfig(site: Site, machine: Machine, words: list[str], stdin: str, call: int) -> None:
    match words:
        case ["--add", name]:
            machine.chkconfig[name] = True
        case ["--del", name]:
            machine.chkconfig.pop(name, None)
        case [name, "on" | "off" as wanted]:
            machine.chkconfig[name] = wanted == "on"
        case [] | ["--list"]:
            lines = (_runlevels(name, wanted) for name, wanted in machine.chkconfig.items())
            site.answer(call, out="".join(lines))
            return
        case ["--list", name] if name in machine.chkconfig:
            site.answer(call, out=_runlevels(name, machine.chkconfig[name]))
            return
        case ["--list", name]:
            site.answer(call, err=f"error reading information on service {name}: No such file or directory\n", code=1)
            return
        case _:
            pass
    site.answer(call)


def _runlevels(name: str, wanted: bool) -> str:
    state = "on" if wanted else "off"
    levels = "\t".join(f"{level}:{state if level in (2, 3, 4, 5) else 'off'}" for level in range(7))
    return f"{name.ljust(15)}\t{levels}\n"


def _hostname(site: Site, machine: Machine, words: list[str], stdin: str, call: int) -> None:
    names = [word for word in words if not word.startswith("-")]
    if names:
        machine.hostname = names[0]
        site.answer(call)
    else:
        site.answer(call, out=machine.hostname + "\n")


PROGRAMS: dict[str, Program] = {
    "xe": _xe,
    "xe-toolstack-restart": _toolstack_restart,
    "xe-reset-networking": _reset_networking,
    "service": _service,
    "systemctl": _systemctl,
    "create_templates": _create_templates,
    "reboot": _reboot,
    "shutdown": _shutdown,
    "poweroff": _poweroff,
    "chkconfig": _chkconfig,
    "hostname": _hostname,
}
