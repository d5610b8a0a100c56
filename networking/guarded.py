"""Commit-confirm: the host takes a change back by itself unless it is confirmed over a new connection in time."""

from __future__ import annotations

from collections.abc import Iterator

from networking.changes import JUDGE, RUN, Change, asked, shown, undo_script
from opsportal.operations.steps import CannotUndo, Condition, Effect, NothingToUndo, RunCommand, Step
from opsportal.transport.command import Command

FOLDER = "/var/lib/opsportal/guard"
"""One folder for each guarded change, in a place that outlives a reboot."""

ARM = f"""{RUN}
folder=$1 unit=$2 seconds=$3
root mkdir -p "$folder" && root chmod 700 "$folder" || exit 1
printf '%s\\n' "$4" | root tee "$folder/undo" >/dev/null || exit 1
root sh -c 'echo armed >"$1/fate.new" && mv "$1/fate.new" "$1/fate"' sh "$folder" || exit 1
cat <<'END' | root tee "$folder/roll-back" >/dev/null || exit 1
cd "$1" || exit 1
exec 9>lock; flock 9
[ "$(cat fate)" = armed ] || exit 0
sh undo
echo "rolled back" >fate.new && mv fate.new fate
END
if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null 2>&1; then
  root systemd-run --quiet --unit="$unit" --on-active="$seconds" --timer-property=AccuracySec=100ms sh "$folder/roll-back" "$folder"
else
  root setsid sh -c 'sleep "$1"; sh "$2/roll-back" "$2"' sh "$seconds" "$folder" </dev/null >/dev/null 2>&1 &
fi
"""
"""AccuracySec: without it systemd may fire up to a minute late. The lock lets either the confirmation or the rollback win, never both."""

CONFIRM = f"""{RUN}
root sh -c 'cd "$1" && exec 9>lock && flock 9 || exit 1
  [ "$(cat fate)" = armed ] && {{ echo confirmed >fate.new && mv fate.new fate; }}; echo "The change is $(cat fate)."' sh "$1"
root systemctl stop "$2.timer" >/dev/null 2>&1
exit 0
"""


def steps(target: str, change: Change, token: str, seconds: int) -> Iterator[Step]:
    """Arm, change, confirm. `token` makes the folder and the timer this operation's own."""
    folder, unit = f"{FOLDER}/{token}", f"opsportal-guard-{token}"
    fate = asked("cat", f"{folder}/fate")
    yield Step(
        key="arm",
        target=target,
        title=f"Arm a timer of {seconds} s that takes everything back",
        why="The change touches what carries the portal's own connection. Should it cut that, the host mends itself: no console is needed.",
        action=RunCommand(
            Command(script=ARM, argv=(folder, unit, str(seconds), undo_script(change)), gist=_arming(unit, seconds, change)), 30
        ),
        effect=Effect.NON_IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=(Condition("The timer is armed", fate, JUDGE + "applied", within=5),),
        undo=NothingToUndo(),
    )
    yield Step(
        key=change.key[:63],
        target=target,
        title=change.title,
        why=change.why,
        action=RunCommand(change.command(), 120),
        effect=Effect.NON_IDEMPOTENT,
        interruptible=False,
        expect=(Condition("The timer still runs", fate, JUDGE + "applied"),),
        probe=(Condition("The host did not take it back", fate, JUDGE + "applied"), *change.proof),
        undo=RunCommand(change.undo_command(), 120) if change.undo else CannotUndo("There is no way back from it."),
        danger=True,
    )
    yield Step(
        key="confirm",
        target=target,
        title="Confirm over a new connection",
        why="Only a connection that is made now proves that the host can still be reached. Then the timer is stopped.",
        action=RunCommand(Command(script=CONFIRM, argv=(folder, unit), gist=f"systemctl stop {unit}.timer"), 30, fresh=True),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=(Condition("The change is confirmed", fate, JUDGE + "confirmed", within=5), *change.proof),
        undo=NothingToUndo(),
    )


def _arming(unit: str, seconds: int, change: Change) -> str:
    return f"systemd-run --unit={unit} --on-active={seconds} (takes back by:\n{shown(change.undo)})"


def plain(target: str, change: Change) -> Step:
    """For a change that does not touch what carries us."""
    return Step(
        key=change.key[:63],
        target=target,
        title=change.title,
        why=change.why,
        action=RunCommand(change.command(), 120),
        effect=Effect.NON_IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=change.proof,
        undo=RunCommand(change.undo_command(), 120) if change.undo else CannotUndo("There is no way back from it."),
        danger=bool(change.touches),
    )
