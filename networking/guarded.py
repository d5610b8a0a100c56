"""Commit-confirm: the host takes a change back by itself unless it is confirmed over a new connection in time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from networking.changes import JUDGE, RUN, Change, Words, asked, joined, script, shown
from networking.facts.armed import FOLDER
from networking.facts.portal import HostData
from networking.persistence import keeping
from networking.pictures import ours
from networking.seen import Seen
from opsportal.operations.steps import CannotUndo, Condition, Effect, NothingToUndo, RunCommand, Step
from opsportal.transport.command import Command

ROLL_BACK = r"""
cd "$1" || exit 1
if [ "$3" = boot ] && [ "$(cat boot)" = "$(cat /proc/sys/kernel/random/boot_id)" ]; then exit 0; fi
exec 9>lock; flock 9
if [ "$(cat fate)" = armed ]; then
  sh undo
  echo "rolled back" >fate.new && mv fate.new fate
fi
sh disarm "$2"
"""
"""Run by the timer, and with "boot" by a unit that is started at the next boot: a reboot forgets the timer, and keeps Open vSwitch's
half of the change. The lock lets either the confirmation or the rollback win, never both."""

DISARM = r"""
[ -e "/etc/systemd/system/$1-boot.service" ] || exit 0
systemctl --quiet disable "$1-boot.service"
rm -f "/etc/systemd/system/$1-boot.service"
systemctl daemon-reload
"""

BOOT_UNIT = """[Unit]
Description=Takes a change of the network back that nobody confirmed before a reboot
After=network.target openvswitch-switch.service openvswitch.service

[Service]
Type=oneshot
ExecStart=/bin/sh {folder}/roll-back {folder} {unit} boot

[Install]
WantedBy=multi-user.target
"""

ARM = f"""{RUN}
folder=$1 unit=$2 seconds=$3
put() {{ root sh -c 'cat >"$1.new" && mv "$1.new" "$1"' sh "$1"; }}
root mkdir -p "$folder" && root chmod 700 "$folder" || exit 1
printf '%s\\n' "$4" | put "$folder/undo" && printf '%s' "$5" | put "$folder/roll-back" && printf '%s' "$6" | put "$folder/disarm" &&
  put "$folder/boot" </proc/sys/kernel/random/boot_id && echo armed | put "$folder/fate" || exit 1
if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null 2>&1; then
  units=/etc/systemd/system
  printf '%s' "$7" | put "$units/$unit-boot.service" && root systemctl daemon-reload &&
    root systemctl --quiet enable "$unit-boot.service" || exit 1
  root sync "$folder"/* "$folder" "$units/$unit-boot.service" "$units/multi-user.target.wants" 2>/dev/null || root sync
  root systemd-run --quiet --unit="$unit" --on-active="$seconds" --timer-property=AccuracySec=100ms sh "$folder/roll-back" "$folder" "$unit"
else
  root setsid sh -c 'sleep "$1"; sh "$2/roll-back" "$2" "$3"' sh "$seconds" "$folder" "$unit" </dev/null >/dev/null 2>&1 &
fi
"""
"""AccuracySec: without it systemd may fire up to a minute late."""

CONFIRM = f"""{RUN}
root sh -c 'cd "$1" && exec 9>lock && flock 9 || exit 1
  [ "$(cat fate)" = armed ] && {{ echo confirmed >fate.new && mv fate.new fate; }}; echo "The change is $(cat fate)."
  sync fate . 2>/dev/null || sync; sh disarm "$2"' sh "$1" "$2"
root systemctl stop "$2.timer" >/dev/null 2>&1
exit 0
"""

CONFIRM_UNDO = f"""{RUN}
if ! root test -e "$1/fate"; then echo "The change was never confirmed, so the host itself has taken it back."; exit 0; fi
fate=$(root sh -c 'cd "$1" && exec 9>lock && flock 9 || exit 1
  [ "$(cat fate)" = armed ] && {{ echo confirmed >fate.new && mv fate.new fate; }}; cat fate
  sync fate . 2>/dev/null || sync; sh disarm "$2"' sh "$1" "$2")
root systemctl stop "$2.timer" >/dev/null 2>&1
[ "$fate" = confirmed ] && exit 0
echo "Taking the change back cut the portal off, so the host made it again: $fate." >&2
exit 1
"""


def whole(
    host: HostData, seen: Seen, found: Sequence[Change], token: str, seconds: int, prefix: str = "", *, always: bool = False
) -> Iterator[Step]:
    """The changes as one, under the timer where they touch what carries us; then what they want after a reboot. Nothing for nothing.

    `prefix` keeps the keys of several hosts in one plan apart. `always`: under the timer whatever it touches, so that the host takes back
    what is not proved. Files for the next boot come last: what is taken back by the timer, or by a reboot meanwhile, is not in them yet.
    """
    if live := [change for change in found if change.do]:
        one = joined(live)
        timed = always or bool(one.touches & ours(seen))
        now = steps(host.target, one, token, seconds) if timed else (plain(host.target, one),)
        yield from (dataclasses.replace(step, key=f"{prefix}{step.key}"[:63]) for step in now)
    if seen.boot:
        yield from keeping.steps(host.target, (boot for change in found for boot in change.boot), seen.boot, prefix)


def steps(target: str, change: Change, token: str, seconds: int) -> Iterator[Step]:
    """Arm, change, confirm. `token` makes the folder and the timer this operation's own."""
    folder, unit = f"{FOLDER}/{token}", f"opsportal-guard-{token}"
    fate, back = asked("cat", f"{folder}/fate"), way_back(change, token, seconds)
    yield Step(
        key="arm",
        target=target,
        title=f"Arm a timer of {seconds} s that takes everything back",
        why="Should the change cut the portal's own connection, or should what it brings not be proved, the host mends itself, also when "
        "it is rebooted meanwhile: no console is needed.",
        action=RunCommand(arming(folder, unit, seconds, change.undo), 60),
        effect=Effect.NON_IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=(Condition("The timer is armed", fate, JUDGE + "applied", within=5),),
        undo=back.confirm if change.undo else NothingToUndo(),
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
        undo=back.arm if change.undo else NothingToUndo(),
    )


def arming(folder: str, unit: str, seconds: int, back: tuple[Words, ...]) -> Command:
    argv = (folder, unit, str(seconds), script(back), ROLL_BACK, DISARM, BOOT_UNIT.format(folder=folder, unit=unit))
    return Command(script=ARM, argv=argv, gist=f"systemd-run --unit={unit} --on-active={seconds} (takes back by:\n{shown(back)})")


@dataclass(frozen=True)
class WayBack:
    """Taking it back may cut the connection as well: an undo runs the steps in the opposite order, so it arms first and confirms last."""

    arm: RunCommand
    confirm: RunCommand


def way_back(change: Change, token: str, seconds: int) -> WayBack:
    folder, unit = f"{FOLDER}/{token}-undo", f"opsportal-guard-{token}-undo"
    confirm = Command(script=CONFIRM_UNDO, argv=(folder, unit), gist=f"systemctl stop {unit}.timer")
    return WayBack(RunCommand(arming(folder, unit, seconds, change.do), 60), RunCommand(confirm, 30, fresh=True))


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
