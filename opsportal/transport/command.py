"""Commands as data: arguments that are quoted once, here, and nowhere else."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

AS_ROOT = ("sh", "-c", '[ "$(id -u)" != 0 ] || exec "$@"; exec sudo -n "$@"', "sh")


@dataclass(frozen=True)
class Command:
    """One command for a POSIX shell.

    Either `argv` alone (a program and its arguments), or `script` (fixed shell text) with `argv` as its positional
    parameters `$1`, `$2`, ... Values never become part of `script`: they travel as arguments, each quoted as one word.
    `env` adds to the environment, `cwd` is where it runs, `stdin` is text fed to it.
    `sudo` runs it as root: through `sudo -n`, which a login as root does not need to have; `umask` is octal text such as "022".
    """

    argv: tuple[str, ...] = ()
    script: str = ""
    cwd: str = ""
    env: tuple[tuple[str, str], ...] = ()
    stdin: str = ""
    sudo: bool = False
    gist: str = ""
    """The heart of a long script, for people: shown first, the whole command on demand. It is never run."""

    def __post_init__(self) -> None:
        if not self.argv and not self.script:
            raise ValueError("a command needs a program or a script")
        if any("\0" in part for part in (*self.argv, self.script, self.cwd, *(v for _, v in self.env))):
            raise ValueError("a command cannot carry a NUL byte")

    def words(self) -> tuple[str, ...]:
        """The argument list, with `env` as the program of this name."""
        words = self.argv if not self.script else ("sh", "-c", self.script, "sh", *self.argv)
        if self.env:
            words = ("env", *(f"{name}={value}" for name, value in self.env), *words)
        return (*AS_ROOT, *words) if self.sudo else words

    def shell(self) -> str:
        """One line of POSIX sh that does it. The working directory must exist: `cd` failing stops the command."""
        line = shlex.join(self.words())
        if self.cwd:
            line = f"cd {shlex.quote(self.cwd)} && {line}"
        return line

    def display(self) -> str:
        """What a person reads: the program and its arguments, a script with its lines kept."""
        if not self.script:
            return shlex.join(self.argv)
        body = self.script.strip()
        if not self.argv:
            return body
        names = "\n".join(f"# ${number} = {shlex.quote(value)}" for number, value in enumerate(self.argv, 1))
        return f"{names}\n{body}"
