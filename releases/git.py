"""Git as commands: scripts whose values travel as arguments, an environment in which a repository cannot run anything.

The reasons: git takes options in the place of names (also abbreviated), reads hooks and configuration from where it works,
and follows `ext::` addresses when it may. So names are resolved to commits first, every name stands behind `--` or
`--end-of-options`, protocols are a list, and no system or user configuration is read.
"""

from __future__ import annotations

from django.conf import settings

from opsportal.transport.command import Command

WAIT = 600
"""Seconds that a fetch of a large repository may take (a full CloudStack mirror is several hundred megabytes)."""

SAFE = """\
set -eu
safe() { git -c core.hooksPath=/dev/null -c core.symlinks=false -c submodule.recurse=false -c core.fsmonitor=false \\
  -c gc.auto=0 -c advice.detachedHead=false -c init.defaultBranch=none "$@"; }
"""

MIRROR = (
    SAFE
    + """\
mirror=$1 url=$2
mkdir -p "$(dirname "$mirror")"
exec 9>"$mirror.lock"
flock 9
[ -d "$mirror/objects" ] || safe init -q --bare "$mirror"
cd "$mirror"
fetch() { safe fetch -q --no-tags --no-write-fetch-head --prune "$@"; }
"""
)
"""Begins every script that fetches: one at a time per mirror, which it makes when it is not there. `$3`... are the script's own."""


def environment() -> tuple[tuple[str, str], ...]:
    """For git that talks to the network: allowed protocols, no prompts, no configuration but ours."""
    protocols = {"https", "ssh"} | {base.split("://")[0] for base in settings.GIT_HOSTS if "://" in base}
    return (
        ("GIT_ALLOW_PROTOCOL", ":".join(sorted(protocols))),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=20"),
        ("LC_ALL", "C.UTF-8"),
        ("TZ", "UTC"),
    )


def committer() -> tuple[tuple[str, str], ...]:
    """The portal's identity in Signed-off-by and in the commits it makes."""
    return (
        ("GIT_COMMITTER_NAME", settings.COMMITTER_NAME),
        ("GIT_COMMITTER_EMAIL", settings.COMMITTER_EMAIL),
        ("GIT_AUTHOR_NAME", settings.COMMITTER_NAME),
        ("GIT_AUTHOR_EMAIL", settings.COMMITTER_EMAIL),
    )


def script(text: str, *argv: str, extra: tuple[tuple[str, str], ...] = (), cwd: str = "", gist: str = "") -> Command:
    """A script in that environment."""
    return Command(script=text, argv=argv, env=(*environment(), *extra), cwd=cwd, gist=gist)
