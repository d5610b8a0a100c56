"""The steps of an upgrade of management servers. Pure: from a survey to steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from opsportal.operations.facts import FactSet
from opsportal.operations.steps import (
    CannotUndo,
    Condition,
    Effect,
    NothingToUndo,
    PutStored,
    RunCommand,
    Step,
    Undo,
    WaitFor,
    WayBack,
)
from opsportal.packages import installing
from opsportal.transport.command import Command
from releases import servers
from releases.facts.delivery import PackageFile
from releases.facts.servers import Installed
from releases.upgrade_survey import Seen, Survey, UpgradeParams, kept

JUDGES = "releases.upgrade_judges."
DUMP_SECONDS = 4 * 3600
UPGRADE_SECONDS = 3 * 3600
"""A large database takes its time, and an upgrade that is stopped in the middle leaves half a schema."""

START_SECONDS = 1800
HEARTBEAT_SECONDS = 30
"""A management server writes that it lives every 1.5 seconds."""


def runs(one: Seen, within: int = 0) -> Condition:
    command = servers.run(servers.RUNS, one.server.unit, sudo=one.sudo, gist=f"whether {one.server.unit} runs")
    return Condition(f"{one.server.unit} runs", command, within=within)


def stands(one: Seen) -> Condition:
    command = servers.run(servers.STANDS, one.server.unit, sudo=one.sudo, gist=f"whether {one.server.unit} stands still")
    return Condition(f"{one.server.unit} stands still on {one.row.name}", command, target=one.row.target)


def act(key: str, one: Seen, title: str, why: str, script: str, *argv: str, seconds: int, gist: str, **fields: object) -> Step:
    """A step that runs one script as root; by default it may be issued again, is not stopped, and leaves nothing."""
    given: dict[str, object] = {
        "effect": Effect.IDEMPOTENT, "interruptible": False, "expect": (), "probe": (), "undo": NothingToUndo(), **fields
    }  # fmt: skip
    action = RunCommand(servers.run(script, *argv, sudo=one.sudo, gist=gist), timeout=seconds)
    return Step(key=key, target=one.row.target, title=title, why=why, action=action, **given)  # type: ignore[arg-type]


# What is put in place while everything still runs.


class Delivery(Protocol):
    """Params of a runbook that brings packages: `how` as in `UpgradeParams`, `room` is a folder on each host."""

    @property
    def how(self) -> str: ...
    @property
    def room(self) -> str: ...


def room(one: Seen, params: Delivery) -> Step:
    """Made by the login itself, because files are sent as that."""
    remove = RunCommand(Command(("rm", "-rf", "--", params.room)), timeout=60)
    return Step(
        key=f"room-{one.row.pk}",
        target=one.row.target,
        title=f"Make a folder for packages on {one.row.name}",
        why="The new packages go there, and those of now: without them there is no way back.",
        action=RunCommand(Command(script=servers.ROOM, argv=(params.room,), gist=f"mkdir {params.room}"), timeout=60),
        effect=Effect.IDEMPOTENT,
        interruptible=True,
        expect=(),
        probe=(Condition("The folder is there", Command(("test", "-d", f"{params.room}/old"))),),
        undo=remove,
    )


def send(one: Seen, file: PackageFile, folder: str, number: int, called: str) -> Step:
    path = f"{folder}/{file.file}"
    summed = Command(script='echo "$1  $2" | sha256sum -c --quiet', argv=(file.sha256, path), gist=f"sha256sum {path}")
    return Step(
        key=f"send-{called}-{one.row.pk}-{number}",
        target=one.row.target,
        title=f"Send {file.file} to {one.row.name}",
        why="It is taken from the portal's store, where its SHA-256 was compared when it was built.",
        action=PutStored(path, file.sha256, file.size, file.file),
        effect=Effect.IDEMPOTENT,
        interruptible=True,
        expect=(),
        probe=(Condition("It arrived whole", summed, timeout=120),),
        undo=NothingToUndo(),
    )


def _words(one: Seen, params: Delivery) -> tuple[str, ...]:
    """The new packages as the package manager is told: of a repository, or files of the room."""
    between = "=" if one.server.family == "deb" else "-"
    return tuple(f"{new.name}{between}{new.version}" if params.how == "repository" else f"./{new.file}" for new in one.new)


def fetch(one: Seen, params: Delivery) -> Step:
    words = _words(one, params)
    return act(
        f"fetch-{one.row.pk}", one, f"Fetch the new packages to {one.row.name}",
        "From its repository, while everything still runs: one that cannot be reached now stops nothing.",
        servers.FETCH, one.server.family, *words, seconds=1800, gist=f"download {' '.join(words)}", interruptible=True,
    )  # fmt: skip


def keep(one: Seen, params: Delivery, rest: tuple[tuple[Installed, str], ...]) -> Step:
    words = tuple(f"{where}={was.words}" for was, where in rest)
    return act(
        f"keep-{one.row.pk}", one, f"Keep the packages of now on {one.row.name}",
        "The way back installs exactly these. They are looked for while everything still runs.",
        servers.KEEP, f"{params.room}/old", *words, seconds=1800, gist="\n".join(f"keep {was.name} {was.version}" for was, _ in rest),
    )  # fmt: skip


def bring(one: Seen, params: Delivery, facts: FactSet) -> Iterator[Step]:
    """New packages and those of before, while everything runs: what cannot be had ends it before anything was stopped."""
    yield room(one, params)
    if params.how == "copy":
        yield from (send(one, new, f"{params.room}/new", at, "new") for at, new in enumerate(one.new, 1))
    else:
        if one.server.family == "deb":
            yield installing.lists(one.row.target, f"lists-{one.row.pk}")
        yield fetch(one, params)
    ours, rest = kept(one, facts)
    yield from (send(one, old, f"{params.room}/old", at, "old") for at, old in enumerate(ours, 1))
    if rest and way_back(one, facts):
        yield keep(one, params, rest)


def way_back(one: Seen, facts: FactSet) -> bool:
    """Whether its packages of before can be had again."""
    _, rest = kept(one, facts)
    return all(where != "nowhere" for _, where in rest)


# The database.


def backup(found: Survey, params: UpgradeParams, *, stopped: bool, back: bool = False) -> Step:
    """`back`: every server can have its packages of before again. Without them a restored database would be upgraded at the next start."""
    undo: Undo = NothingToUndo()
    if stopped:
        undo = _restore(found, params) if back else CannotUndo(f"The packages of before are gone. The dumps stay in {params.backup}.")
    one, names = found.first, found.database.names
    folder = params.backup if stopped else f"{params.backup}/before"
    check = servers.run(
        servers.CHECK_BACKUP, folder, found.version, *names, sudo=one.sudo, gist=f"gzip -t and the end of each dump in {folder}"
    )
    title = "Back up the database, now that nobody writes to it" if stopped else "Back up the database while everything runs"
    why = (
        "This is what the way back restores: between the first backup and the stop, machines may have come and gone."
        if stopped
        else "A backup that cannot be made, or not be read back, ends the upgrade before anything was stopped."
    )
    return act(
        "backup" if stopped else "backup-before", one, title, why, servers.BACKUP, servers.CONF, folder, *names,
        seconds=DUMP_SECONDS, gist=f"mysqldump --single-transaction --routines --triggers {' '.join(names)}\n→ {folder}",
        expect=tuple(stands(each) for each in found.seen) if stopped else (),
        probe=(Condition(f"Every dump is whole and has a row of version {found.version}", check, timeout=1800),),
        undo=undo,
    )  # fmt: skip


def _restore(found: Survey, params: UpgradeParams) -> RunCommand:
    one, names = found.first, found.database.names
    gist = f"unless the version table is as it was: DROP DATABASE {', '.join(names)}; load the dumps of {params.backup}"
    command = servers.run(servers.RESTORE, servers.CONF, params.backup, *names, sudo=one.sudo, gist=gist)
    return RunCommand(command, timeout=DUMP_SECONDS)


def trial(found: Survey, params: UpgradeParams) -> Step:
    one, scratch = found.first, f"opsportal_{params.token}"
    return act(
        "trial", one, "Read the backup back into a scratch database",
        "A dump is a backup once it was restored. The scratch database is dropped at the end.",
        servers.TRIAL, servers.CONF, f"{params.backup}/before", scratch, found.database.name,
        seconds=DUMP_SECONDS, gist=f"CREATE DATABASE {scratch}; load the dump; compare; DROP DATABASE {scratch}",
    )  # fmt: skip


# Down.


def stopped_key(one: Seen) -> str:
    return f"server-{one.row.pk}"


STOPS = "While one management server upgrades the database, no other may run. Virtual machines go on; nothing can be changed meanwhile."


def stop(one: Seen, why: str = STOPS) -> Step:
    unit = one.server.unit
    package = one.server.serving
    words = (package.name, package.version) if package else ("", "")
    start = servers.run(servers.START, unit, *words, sudo=one.sudo, gist=f"systemctl start {unit}, if its packages are those of before")
    way = WayBack(
        stopped_key(one), one.row.target, f"{unit} is stopped on {one.row.name} for an upgrade",
        RunCommand(start, timeout=300), (runs(one, within=60),),
    )  # fmt: skip
    return act(
        f"stop-{one.row.pk}", one, f"Stop {unit} on {one.row.name}", why,
        servers.STOP, unit, seconds=600, gist=f"systemctl stop {unit}", probe=(stands(one),), danger=True,
        undo=RunCommand(start, timeout=300), opens=way,
    )  # fmt: skip


def quiet(found: Survey) -> Step:
    one = found.first
    ask = servers.query(servers.CONF, found.database.name, servers.SERVERS, sudo=one.sudo)
    says = f"No management server has said for {HEARTBEAT_SECONDS} s that it lives"
    return Step(
        key="quiet",
        target=one.row.target,
        title="See in the database that no management server is up",
        why="One that nobody thought of would work on a database that changes under it.",
        action=WaitFor((Condition(says, ask, f"{JUDGES}nobody_up", str(HEARTBEAT_SECONDS), within=180),)),
        effect=Effect.NONE,
        interruptible=True,
        expect=(),
        probe=(),
        undo=NothingToUndo(),
    )


# The new code.


def install(one: Seen, params: Delivery, *, back: bool) -> Step:
    """`back` says that the packages of before are in the room."""
    family, unit = one.server.family, one.server.unit
    words = _words(one, params)
    wanted = tuple(f"{new.name}={new.version}" for new in one.new)
    check = servers.run(servers.INSTALLED, *wanted, sudo=False, gist=f"whether {', '.join(wanted)} are installed")
    undo: Undo = CannotUndo(f"The packages that {one.row.name} had are not to be had any more.")
    if back:
        old, gist = f"{params.room}/old", f"systemctl stop {unit}\ninstall the packages of {params.room}/old"
        undo = RunCommand(servers.run(servers.INSTALL, old, unit, family, "downgrade", sudo=one.sudo, gist=gist), timeout=3600)
    return act(
        f"install-{one.row.pk}", one, f"Install {found_version(one)} on {one.row.name}",
        "All packages at once: each of CloudStack's wants the others in exactly its own version. The service does not start by itself.",
        servers.INSTALL, f"{params.room}/new", unit, family, "install", *words, seconds=3600, gist=f"install {' '.join(words)}",
        expect=(stands(one),), probe=(Condition("The new packages are installed", check),), undo=undo, danger=True,
    )  # fmt: skip


def found_version(one: Seen) -> str:
    return " and ".join(sorted({new.version for new in one.new})) or "the new code"


def drop(one: Seen, params: UpgradeParams, file: PackageFile) -> Step:
    unit, before = one.server.unit, f"{params.backup}/before-{one.row.pk}"
    back = servers.run(servers.DROP_BACK, before, params.place, unit, sudo=one.sudo, gist=f"{before} → {params.place}")
    there = Condition("What was there is kept", servers.run('test -e "$1"', before, sudo=one.sudo))
    return act(
        f"drop-{one.row.pk}", one, f"Put {file.file} in the place of {params.place} on {one.row.name}",
        "A classic installation runs what lies there. What was there before is kept beside the backup.",
        servers.DROP, f"{params.room}/new/{file.file}", params.place, before, unit, seconds=1800, gist=f"{file.file} → {params.place}",
        expect=(stands(one),), probe=(there,), undo=RunCommand(back, timeout=600), danger=True,
    )  # fmt: skip


# Up.


def start(one: Seen, found: Survey, *, first: bool) -> Step:
    unit, seconds = one.server.unit, UPGRADE_SECONDS if first else START_SECONDS
    title = f"Start {unit} on {one.row.name}, alone" if first else f"Start {unit} on {one.row.name}"
    why = (
        "It brings the database to its own version. Its log is followed until it says how that went."
        if first
        else "The database is ready, so this one has to say that there is nothing to do."
    )
    return act(
        f"start-{one.row.pk}", one, title, why, servers.FOLLOW, unit, one.server.log, str(seconds), servers.JUDGE,
        seconds=seconds + 120, gist=f"systemctl start {unit}\nfollow {one.server.log}",
        effect=Effect.NON_IDEMPOTENT, probe=tuple(_proofs(one, found, first=first)), danger=first, settles=stopped_key(one),
        progress="releases.saying.UpgradeLog",
    )  # fmt: skip


def _proofs(one: Seen, found: Survey, *, first: bool) -> Iterator[Condition]:
    version = found.build.version
    yield runs(one)
    code = servers.run(servers.CODE, one.server.log, sudo=one.sudo, gist="the newest “Code Version” in the log")
    yield Condition(f"The log says that {version} started", code, f"{JUDGES}code_version", version)
    if first:
        ask = servers.query(servers.CONF, found.database.name, servers.VERSIONS, servers.TEMPLATES, sudo=one.sudo)
        yield Condition(f"The version table ends with {found.way.ends}", ask, f"{JUDGES}version_table", found.way.ends)
    answers = Command(script=servers.ANSWERS, gist="curl http://127.0.0.1:8080/client/api?command=listCapabilities")
    yield Condition("The API answers", answers, f"{JUDGES}api_answers", version, within=900)
