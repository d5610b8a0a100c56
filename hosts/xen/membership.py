"""Steps that take a host into a pool and out of it. Sources: xapi (xapi_pool.ml), XCP-ng's documentation (hosts and pools).

Neither command can be trusted by its exit code: pool-join ends with 0 when the master cannot be reached, and pool-eject returns ten
seconds before anything happens. So the pool's own list of hosts and the host's own files decide.
"""

from __future__ import annotations

from collections.abc import Iterator

from hosts.xen.command import GONE, LIMITED, TIMED_OUT, xe, xe_change
from hosts.xen.ha_steps import READ, SAYS_WHY, At, says
from hosts.xen.master_steps import enabled, names, no_emergency, role
from hosts.xen.state import Sr
from opsportal.operations.steps import (
    CannotUndo,
    Condition,
    Effect,
    NothingToUndo,
    PutSecret,
    RunCommand,
    Step,
    WaitFor,
    WayBack,
)
from opsportal.transport.command import Command

FOLDER = "/root/.opsportal-join"
"""xe reads further arguments from the file .xe in $HOME: so the password stands in no command line and in no environment."""

PASSWORD_KEY = "join-password"  # noqa: S105 - the key of a restoration
FUSE = 90
SETTLES = 900
COMES_BACK = 2400


def here_alone(host: At, within: int = 0) -> Condition:
    command = xe("host-list", "params=uuid", "--minimal", seconds=READ)
    sentence = f"{host.name} knows itself and no other host"
    return Condition(sentence, command, "hosts.xen.judges.lists_exactly", host.uuid, within, READ + 15, host.target)


def nothing_runs(host: At, where: At) -> Condition:
    """Whatever its state: xapi refuses for every virtual machine that it counts to the host."""
    words = ("vm-list", f"resident-on={host.uuid}", "is-control-domain=false", "params=uuid", "--minimal")
    return Condition(f"No virtual machine is on {host.name}", xe(*words), "hosts.xen.judges.none_listed", target=where.target)


def password(joiner: At, master: At, credential: int, called: str) -> Step:
    gone = Condition("The file is gone", Command(("test", "!", "-e", f"{FOLDER}/.xe")), target=joiner.target)
    remove = RunCommand(Command(("rm", "-rf", FOLDER)), timeout=60)
    return Step(
        key="password",
        target=joiner.target,
        title=f"Put the password of {master.name}'s root where xe on {joiner.name} reads it",
        why="pool-join logs in at the master. As an argument every process list would show the password; this file only root can read.",
        action=PutSecret(f"{FOLDER}/.xe", f"credential:{credential}", called, "master-password={secret}\n"),
        effect=Effect.IDEMPOTENT,
        interruptible=True,
        expect=(here_alone(joiner), no_vms(joiner)),
        probe=(Condition("The file is there", Command(("test", "-s", f"{FOLDER}/.xe"))),),
        undo=remove,
        opens=WayBack(PASSWORD_KEY, joiner.target, f"{joiner.name} has the password of the pool's root in {FOLDER}", remove, (gone,)),
    )


def no_vms(joiner: At) -> Condition:
    command = xe("vm-list", "is-control-domain=false", "power-state=running", "params=uuid", "--minimal")
    return Condition(f"No virtual machine runs on {joiner.name}", command, "hosts.xen.judges.none_listed", target=joiner.target)


LOGIN = (
    r"""
home=$1 server=$2
umask 077
word=$(sed -n 's/^master-password=//p' "$home/.xe") && printf 'root\n%s\n' "$word" >"$home/login" || exit 1
set -- 60 xe -s "$server" -pwf "$home/login" host-list params=uuid --minimal
"""
    + LIMITED
)
"""The password goes through built-in commands of the shell only."""


def try_password(joiner: At, master: At) -> Step:
    gist = f"xe -s {master.address} -pwf {FOLDER}/login host-list params=uuid --minimal"
    return Step(
        key="try-password",
        target=joiner.target,
        title=f"Log in at {master.name} from {joiner.name}",
        why="Before HA goes off it should be certain that the two machines reach each other and that the password is right.",
        action=RunCommand(Command(script=LOGIN, argv=(FOLDER, master.address), gist=gist), timeout=90),
        effect=Effect.NONE,
        interruptible=True,
        expect=(),
        probe=(),
        undo=NothingToUndo(),
        progress=SAYS_WHY,
    )


JOIN = 'HOME=$1; export HOME; shift; exec xe pool-join "$@"'


def join(joiner: At, master: At) -> Step:
    words = (f"master-address={master.address}", "master-username=root")
    gist = f"HOME={FOLDER} xe pool-join {' '.join(words)}"
    return Step(
        key="join",
        target=joiner.target,
        title=f"Have {joiner.name} join the pool of {master.name}",
        why="Its own pool, its pool's name and its root password give way to those of the pool. Its local storage comes along.",
        action=RunCommand(Command(script=JOIN, argv=(FOLDER, *words), gist=gist), timeout=600, ok=(0, 1), unsure=(GONE, TIMED_OUT)),
        effect=Effect.NON_IDEMPOTENT,
        interruptible=False,
        expect=(
            here_alone(joiner),
            no_vms(joiner),
            Condition("The password is in its file", Command(("test", "-s", f"{FOLDER}/.xe"))),
            says(master, on=False, within=30),
            names(master, master, 30),
        ),
        probe=(role(joiner, master, FUSE),),
        undo=CannotUndo("“Remove a host from a pool” takes it out again, and erases its local storage."),
        danger=True,
        progress=SAYS_WHY,
    )


def joined(joiner: At, master: At, shared: tuple[Sr, ...]) -> Step:
    """`shared` are SRs that every member should have."""
    there = Condition(
        f"{master.name} lists {joiner.name}",
        xe("host-list", "params=uuid", "--minimal", seconds=READ),
        "hosts.xen.judges.host_there",
        joiner.uuid,
        SETTLES,
        READ + 15,
        master.target,
    )
    own = (names(joiner, master, SETTLES), no_emergency(joiner, SETTLES), enabled(joiner, master, within=SETTLES), is_live(joiner, master))
    return Step(
        key="joined",
        target=master.target,
        title=f"{joiner.name} is a live, enabled member with the pool's storage",
        why="pool-join ends with exit code 0 also when it did nothing, and returns before xapi restarts.",
        action=WaitFor((there, *own, *(has(joiner, master, sr) for sr in shared))),
        effect=Effect.NONE,
        interruptible=True,
        expect=(),
        probe=(),
        undo=NothingToUndo(),
    )


def is_live(host: At, where: At) -> Condition:
    command = xe("host-param-get", f"uuid={host.uuid}", "param-name=host-metrics-live", seconds=READ)
    return Condition(f"{host.name} counts as live", command, "hosts.xen.judges.live_is", "true", SETTLES, READ + 15, where.target)


def has(host: At, where: At, sr: Sr) -> Condition:
    words = ("pbd-list", f"sr-uuid={sr.uuid}", f"host-uuid={host.uuid}", "params=currently-attached", "--minimal")
    sentence = f"{sr.name or sr.uuid} is plugged on {host.name}"
    return Condition(sentence, xe(*words, seconds=READ), "hosts.xen.judges.attached_is", "true", SETTLES, READ + 15, where.target)


def forget_password(joiner: At) -> Step:
    return Step(
        key="forget-password",
        target=joiner.target,
        title=f"Remove the password from {joiner.name}",
        why="It was needed for one command only.",
        action=RunCommand(Command(("rm", "-rf", FOLDER)), timeout=60),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=(Condition("The folder is gone", Command(("test", "!", "-e", FOLDER))),),
        undo=NothingToUndo(),
        settles=PASSWORD_KEY,
    )


ENABLE = """
left=$2
until xe host-enable "uuid=$1"; do
  [ "$left" -gt 0 ] || exit 1
  sleep 5; left=$((left - 5))
done
"""


def enable_command(host: At, patience: int) -> RunCommand:
    """Asks again for `patience` seconds: after a boot xapi answers that its toolstack is still initialising."""
    command = Command(script=ENABLE, argv=(host.uuid, str(patience)), gist=f"xe host-enable uuid={host.uuid}")
    return RunCommand(command, timeout=patience + 120, ok=(0, 1))


def disabled_key(uuid: str) -> str:
    return f"disabled-{uuid}"


def disable(host: At, where: At, resource: str, was_enabled: bool, why: str, expect: tuple[Condition, ...]) -> Step:
    """Opens "HOST is disabled" unless it was so before. That, and no undo, brings it back: the host may have left the pool since."""
    proof = (enabled(host, where, within=30),)
    back = WayBack(disabled_key(host.uuid), resource, f"{host.name} is disabled", enable_command(host, 300), proof)
    return Step(
        key=f"disable-{host.uuid}",
        target=where.target,
        title=f"Disable {host.name}",
        why=why,
        action=RunCommand(xe_change("host-disable", f"uuid={host.uuid}", seconds=180), timeout=240, ok=(0, 1), unsure=(GONE, TIMED_OUT)),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=expect,
        probe=(enabled(host, where, state=False, within=30),),
        undo=NothingToUndo(),
        opens=back if was_enabled else None,
        progress=SAYS_WHY,
    )


def eject(host: At, master: At) -> Step:
    return Step(
        key="eject",
        target=master.target,
        title=f"Eject {host.name} from the pool: its local storage is erased",
        why="The host leaves with nothing: the pool forgets its records, and it restarts as the master of a new, empty pool of its own.",
        action=RunCommand(
            xe_change("pool-eject", f"host-uuid={host.uuid}", "--force", seconds=900), timeout=960, ok=(0, 1), unsure=(GONE, TIMED_OUT)
        ),
        effect=Effect.NON_IDEMPOTENT,
        interruptible=False,
        expect=(role(host, master), names(host, master), nothing_runs(host, master), says(master, on=False)),
        probe=(gone(host, master, FUSE),),
        undo=CannotUndo("What was on its local storage is lost. “Add a host to a pool” takes the empty host in again."),
        danger=True,
        progress=SAYS_WHY,
        settles=disabled_key(host.uuid),
    )


def gone(host: At, where: At, within: int) -> Condition:
    command = xe("host-list", "params=uuid", "--minimal", seconds=READ)
    sentence = f"{where.name} no longer lists {host.name}"
    return Condition(sentence, command, "hosts.xen.judges.host_gone", host.uuid, within, READ + 15, where.target)


def left(host: At, staying: tuple[At, ...]) -> Step:
    master = staying[0]
    return Step(
        key="left",
        target=master.target,
        title=f"No member lists {host.name} any more",
        why="The pool goes on without it only when every member says so.",
        action=WaitFor(tuple(gone(host, one, SETTLES) for one in staying)),
        effect=Effect.NONE,
        interruptible=True,
        expect=(),
        probe=(),
        undo=NothingToUndo(),
    )


def came_back(host: At, old_pool: str) -> Step:
    other = xe("pool-list", "params=uuid", "--minimal", seconds=READ)
    judge = "hosts.xen.cloning.other_uuid"
    own = Condition(f"{host.name} has a pool of its own", other, judge, old_pool, COMES_BACK, READ + 15, host.target)
    conditions = (role(host, host, COMES_BACK), here_alone(host, COMES_BACK), own)
    return Step(
        key="came-back",
        target=host.target,
        title=f"{host.name} is back, alone in a new pool",
        why="It reboots, and its local storage is made anew. Until it answers nobody knows whether it is fit for anything.",
        action=WaitFor(conditions),
        effect=Effect.NONE,
        interruptible=True,
        expect=(),
        probe=(),
        undo=NothingToUndo(),
    )


def steps_to_join(joiner: At, master: At, shared: tuple[Sr, ...]) -> Iterator[Step]:
    """After HA is off; the password is in its file already."""
    yield join(joiner, master)
    yield joined(joiner, master, shared)
    yield forget_password(joiner)
