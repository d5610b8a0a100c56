"""Where a build happens on a target, and the fence around the foreign code it runs.

A target's build folder holds `mirrors/SOURCE.git`, `m2/SOURCE` (Maven's local repository) and one folder per workspace with
`patches/` and the checkout `src/`. The checkout has a folder of its own because dpkg-buildpackage writes beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from django.conf import settings

from opsportal.transport.command import Command

HOST_FOLDER = "opsportal-builds"
"""In the login's home on a build host."""


@dataclass(frozen=True)
class Workspace:
    """Paths of one build on one target. All absolute on this machine, relative to the login's home on a host."""

    target: str
    name: str
    source_id: int
    warm: bool = True
    """Shares Maven's local repository with the other builds of the source; a clean one has its own and downloads everything."""

    @property
    def base(self) -> PurePosixPath:
        return PurePosixPath(str(settings.STATE_DIR / "workspaces")) if self.target == "local" else PurePosixPath(HOST_FOLDER)

    @property
    def mirror(self) -> PurePosixPath:
        if self.target == "local":
            return PurePosixPath(str(settings.STATE_DIR / "mirrors" / f"{self.source_id}.git"))
        return self.base / "mirrors" / f"{self.source_id}.git"

    @property
    def m2(self) -> PurePosixPath:
        return self.base / "m2" / str(self.source_id) if self.warm else self.home / "m2"

    @property
    def home(self) -> PurePosixPath:
        return self.base / self.name

    @property
    def checkout(self) -> PurePosixPath:
        return self.home / "src"

    def patch(self, number: int, name: str) -> PurePosixPath:
        return self.home / "patches" / f"{number:02d}-{name}.patch"


UID = "61000"
"""A worker that runs as root gives foreign code a user of its own, which owns nothing else."""

READY = """\
set -eu
top=$1 m2=$2
shift 2
mkdir -p "$m2" "$top/tmp" "$top/home"
top=$(cd "$top" && pwd) m2=$(cd "$m2" && pwd)
"""

FENCE = (
    READY
    + """\
if [ "$(id -u)" = 0 ]; then
  chown -Rh NOBODY:NOBODY "$top" "$m2"
  own="--cap-drop ALL --cap-add CAP_SETUID --cap-add CAP_SETGID --cap-add CAP_SETPCAP"
  as="setpriv --reuid NOBODY --regid NOBODY --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all --"
else
  own="--unshare-user --uid NOBODY --gid NOBODY --cap-drop ALL" as=
fi
exec env -i PATH="$PATH" LANG=C.UTF-8 bwrap $own --unshare-pid --unshare-ipc --unshare-uts --unshare-cgroup \\
  --die-with-parent --new-session --clearenv --ro-bind / / --dev /dev --proc /proc \\
  --tmpfs /run --tmpfs /root --tmpfs /home --perms 1777 --tmpfs /tmp --bind "$top/tmp" /var/tmp --tmpfs "$(dirname "$(dirname "$top")")" \\
  --ro-bind-try /run/systemd/resolve /run/systemd/resolve \\
  --perms 0755 --dir "$(dirname "$top")" --perms 0755 --dir "$(dirname "$m2")" --bind "$top" "$top" --bind "$m2" "$m2" --chdir / \\
  --setenv PATH "$PATH" --setenv LANG C.UTF-8 --setenv HOME "$top/home" --setenv TMPDIR "$top/tmp" --setenv M2 "$m2" -- \\
  $as sh -c 'cd "$0" && exec "$@"' "$top/src" "$@"
""".replace("NOBODY", UID)
)
"""Runs a command where it sees the system read-only, its own workspace and Maven's local repository, and nothing of the portal.

The network stays: Maven needs it. Two folders above the workspace (the portal's state, or the login's home) are hidden, and so are
all homes. `env -i` comes first because bubblewrap's own first process shows the environment it was started with. As root the
mounts are made by root, which may walk to the workspace, and only then another user takes over.
"""

BARE = (
    READY
    + """\
cd "$top/src"
exec env -i PATH="$PATH" LANG=C.UTF-8 HOME="$top/home" TMPDIR="$top/tmp" M2="$m2" "$@"
"""
)
"""The same without a sandbox, for machines that have no bubblewrap: a clean environment is all the protection there is."""


def foreign(workspace: Workspace, script: str, *argv: str, sandbox: bool, env: tuple[tuple[str, str], ...] = (), gist: str = "") -> Command:
    """A fixed script, run as code that is not ours, in the checkout. `$M2` is Maven's local repository."""
    inner = ("env", *(f"{name}={value}" for name, value in (*GIT_ENV, *env)), "sh", "-c", script, "sh", *argv)
    return Command(script=FENCE if sandbox else BARE, argv=(str(workspace.home), str(workspace.m2), *inner), gist=gist)


GIT_ENV = (
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("LC_ALL", "C.UTF-8"),
)
