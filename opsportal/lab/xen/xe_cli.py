"""`xe` as a whole: reading the command line, finding who executes it, and turning what comes of it into text and an exit code.

From newcli.ml, xapi_cli.ml and cli_frontend.ml of xen-api.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from opsportal.lab.xen import toolstack
from opsportal.lab.xen.clock import SETTLERS, job
from opsportal.lab.xen.model import Database, Files, Held, Host, Job, Machine, Site, since
from opsportal.lab.xen.printing import View
from opsportal.lab.xen.texts import LOST, REFUSED, UNREACHABLE, USAGE, CliError, XeError, missing, ref, render

FLAGS = {"-s": "server", "-h": "server", "-p": "port", "-u": "user", "-pw": "password", "-pwf": "passwordfile"}
LOST_CONNECTION = "LOST_CONNECTION"
"""As a code of `fail_next`: the command is executed, but its answer does not arrive."""


@dataclass(frozen=True)
class Line:
    """A command line. `server` and its like are in `flags`."""

    command: str
    args: dict[str, str]
    flags: dict[str, str]


def read(words: list[str]) -> Line:
    """`words` without `xe`. `key=value` is cut at the first `=`; `--word` is the same as `word=true`; other words are ignored."""
    command, args, flags, rest = "", dict[str, str](), dict[str, str](), list(words)
    while rest:
        word = rest.pop(0)
        if word in FLAGS:
            flags[FLAGS[word]] = rest.pop(0) if rest else ""
        elif word.startswith("--"):
            key, _, value = word[2:].partition("=")
            args[key] = value or "true"
        elif not command:
            command = word
        elif "=" in word:
            key, _, value = word.partition("=")
            args[key] = value
    return Line(command, args, flags)


@dataclass
class Ask:
    """One command while it runs: `typed` is the machine of the client, `home` the one whose xapi executes it."""

    site: Site
    typed: Machine
    home: Machine
    words: list[str]
    stdin: str
    call: int
    line: Line
    out: str = ""
    code: int = 0
    writes: Files = field(default_factory=dict)
    waiting: bool = False

    @property
    def args(self) -> dict[str, str]:
        return self.line.args

    @property
    def db(self) -> Database:
        return self.home.db

    @property
    def version(self) -> str:
        return self.home.version

    @property
    def view(self) -> View:
        return View(self.db, self.version)

    @property
    def minimal(self) -> bool:
        return self.has("minimal")

    def has(self, flag: str) -> bool:
        return self.args.get(flag) == "true"

    def need(self, argument: str) -> str:
        if argument not in self.args:
            raise missing(argument)
        return self.args[argument]

    def say(self, text: str) -> None:
        """A free message: an empty line with --minimal."""
        self.out += "\n" if self.minimal else text + "\n"

    def then(self, seconds: float, name: str, **data: Any) -> None:
        """Goes on later, whether or not the client still waits; ends with xapi's process here."""
        self.waiting = True
        kept = {"name": name, "typed": self.typed.id, "words": self.words, "stdin": self.stdin, "data": data}
        self.site.later(seconds, "xe-goes-on", self.home, bound=True, call=self.call, **kept)

    def after(self, seconds: float, name: str, machine: Machine, **data: Any) -> None:
        """What xapi does after it has answered; not bound to any process."""
        self.site.later(seconds, name, machine, **data)

    def machine(self, row: Host) -> Machine:
        """The machine behind a host's record, for a call that the master makes to it."""
        if not row.live:
            raise XeError("HOST_OFFLINE", ref(row.uuid))
        peer = self.site.at(row.address)
        found = toolstack.connected(self.site, self.home, row)
        if found is not None:
            return found
        if peer is not None and self.site.meet(self.home, peer) and peer.xapi.state == "starting":
            raise XeError("HOST_STILL_BOOTING")
        raise XeError("CANNOT_CONTACT_HOST", ref(row.uuid))

    def confirm(self, warnings: list[str]) -> bool:
        """Prompts unless forced; anything but `yes` aborts with exit code 0, and a closed input loses the connection."""
        if self.has("force"):
            return True
        self.out += "".join(f"{line}\n" for line in [*warnings, "Type 'yes' to continue"])
        if not self.stdin:
            raise CliError(LOST)
        answer = self.stdin.splitlines()[0].strip()
        if answer.lower() == "yes":
            return True
        self.out += f"Aborted (you typed: '{answer}')\n"
        return False


Act = Callable[[Ask], None]
GoOn = Callable[[Ask, dict[str, Any]], None]


@dataclass(frozen=True)
class Command:
    """`local`: never forwarded, works without a master and while xapi starts. `needs`: arguments that must be there, in this order."""

    act: Act
    local: bool
    needs: tuple[str, ...]
    first: str


COMMANDS: dict[str, Command] = {}
GOING_ON: dict[str, GoOn] = {}


def command(name: str, *needs: str, local: bool = False, first: str = "6.2") -> Callable[[Act], Act]:
    def register(act: Act) -> Act:
        COMMANDS[name] = Command(act, local, needs, first)
        return act

    return register


def goes_on(name: str) -> Callable[[GoOn], GoOn]:
    def register(act: GoOn) -> GoOn:
        GOING_ON[name] = act
        return act

    return register


def start(site: Site, machine: Machine, words: list[str], stdin: str, call: int) -> None:
    """`words` without `xe`; the answer goes to `call`."""
    line = read(words)
    if not line.command or line.command == "help":
        site.answer(call, err=_usage())
    elif "server" in line.flags:
        _over_network(site, machine, words, stdin, call, line)
    elif machine.xapi.state == "stopped":
        site.answer(call, err=REFUSED + "\n", code=1)
    else:
        _dispatch(site, machine, words, stdin, call, line)


def _usage() -> str:
    return (
        "Usage: xe <command> [-s server] [-pw passwd] [-p port] [-u user] [-pwf password-file]\n"
        "  [command specific arguments]\n\n"
        "To get help on a specific command: xe help <command>\nTo get a full listing of commands: xe help --all\n"
    )


def known(name: str, version: str) -> Command | None:
    found = COMMANDS.get(name)
    return found if found and since(version, found.first) else None


def _dispatch(site: Site, machine: Machine, words: list[str], stdin: str, call: int, line: Line) -> None:
    found = known(line.command, machine.version)
    injected = _injected(machine, line.command)
    if found is None:
        site.answer(call, err=f"Unknown command: {line.command}\n{USAGE}\n", code=1)
    elif injected and injected != LOST_CONNECTION:
        error = XeError(*injected.split(","))
        site.answer(call, err=render(error, machine.version, machine.database) + "\n", code=1)
    elif found.local:
        _execute(site, machine, machine, words, stdin, call)
    elif machine.xapi.state == "starting":
        site.answer(call, err=render(XeError("HOST_STILL_BOOTING"), machine.version) + "\n", code=1)
    elif machine.xapi.state == "emergency":
        site.answer(call, err=render(XeError(*machine.xapi.error), machine.version, machine.database) + "\n", code=1)
    else:
        machine.xapi.held.append(Held(words, stdin, call))
        _release(site, machine)
        if injected:
            site.answer(call, err=LOST + "\n", code=1)


def _injected(machine: Machine, name: str) -> str:
    waiting = machine.failing.get(name)
    return waiting.pop(0) if waiting else ""


def _release(site: Site, machine: Machine) -> None:
    """Executes what the member holds, as soon as its xapi does not hang and its master is there."""
    if not machine.xapi.held or machine.xapi.state != "running" or machine.hangs_until > site.now:
        return
    home = machine if machine.xapi.role == "master" else toolstack.master_of(site, machine)
    if home is None or home.hangs_until > site.now:
        return
    held, machine.xapi.held = machine.xapi.held, []
    for each in held:
        _execute(site, machine, home, each.words, each.stdin, each.call)


def _release_all(site: Site) -> None:
    for machine in site.machines.values():
        _release(site, machine)


SETTLERS.append(_release_all)


def _over_network(site: Site, machine: Machine, words: list[str], stdin: str, call: int, line: Line) -> None:
    server = line.flags["server"]
    target = machine if server in ("localhost", "127.0.0.1") else site.at(server)
    if target is None or not site.meet(machine, target):
        site.answer(call, err=UNREACHABLE + "\n", code=1)
    elif target.xapi.state == "stopped":
        site.answer(call, err=REFUSED + "\n", code=1)
    elif line.flags.get("user") != "root" or line.flags.get("password") != target.password:
        site.answer(call, err=f"Authentication failed\n{USAGE}\n", code=1)
    elif target.xapi.state == "running" and target.xapi.role == "slave":
        error = XeError("HOST_IS_SLAVE", target.xapi.master)
        site.answer(call, err=render(error, target.version) + "\n", code=1)
    else:
        _dispatch(site, target, words, stdin, call, line)


def _execute(site: Site, typed: Machine, home: Machine, words: list[str], stdin: str, call: int) -> None:
    ask = Ask(site, typed, home, words, stdin, call, read(words))
    found = COMMANDS[ask.line.command]

    def act() -> None:
        for argument in found.needs:
            ask.need(argument)
        found.act(ask)

    finish(ask, act)


def finish(ask: Ask, act: Callable[[], None]) -> None:
    """Runs it and, unless it goes on later, answers the client."""
    ask.waiting = False
    try:
        act()
    except XeError as error:
        _answer(ask, render(error, ask.version, ask.home.database), 1)
    except CliError as error:
        _answer(ask, str(error), 1)
    else:
        if not ask.waiting:
            _answer(ask, "", ask.code)


def _answer(ask: Ask, err: str, code: int) -> None:
    ask.site.answer(ask.call, ask.out, err + "\n" if err else "", code, ask.writes)


@job("xe-goes-on")
def _go_on(site: Site, job: Job) -> None:
    data = job.data
    typed, home = site.machines[data["typed"]], site.machines[job.machine]
    ask = Ask(site, typed, home, data["words"], data["stdin"], job.call, read(data["words"]))
    finish(ask, lambda: GOING_ON[data["name"]](ask, data["data"]))
