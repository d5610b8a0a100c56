"""Workspaces with a practice checkout, and commands run in them as the portal runs foreign code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from opsportal.lab.practice_source import mailbox
from opsportal.lab.pulls import BY_NUMBER
from opsportal.transport.base import Result
from opsportal.transport.local import LocalTransport
from releases.workspace import Workspace, foreign
from tests.lab.git import IDENTITY, run

OUTPUT = 64 * 1024 * 1024
PREPARE = """\
export MAVEN_OPTS="-Dmaven.repo.local=$M2 -Dmaven.wagon.rto=120000"
exec 2>&1
"""
"""Both outputs in one. A stalled download ends after two minutes; Maven itself would wait for half an hour."""


@dataclass(frozen=True)
class Bench:
    repository: Path

    def work(self, name: str, ref: str, *pulls: int) -> Work:
        """A checkout of the branch with these pull requests applied, on a branch of the same name."""
        workspace = Workspace("local", name, 1)
        source = Path(str(workspace.checkout))
        source.parent.mkdir(parents=True)
        run(source.parent, "clone", "-q", "-b", ref, "--no-hardlinks", str(self.repository), "src")
        for number in pulls:
            run(source, "am", "-q", "-s", stdin=mailbox(self.repository, number, BY_NUMBER[number].base))
        return Work(workspace)


@dataclass(frozen=True)
class Work:
    workspace: Workspace

    def run(self, script: str, *argv: str) -> Result:
        """`$1`… are the arguments. Runs in the checkout, as another user, with the system read-only."""
        command = foreign(self.workspace, PREPARE + script, *argv, sandbox=True, env=tuple(IDENTITY.items()))
        return LocalTransport().run(command, timeout=420, limit=OUTPUT)

    def say(self, script: str, *argv: str) -> str:
        """What it prints; it must end with 0."""
        done = self.run(script, *argv)
        assert done.exit == 0, done.out[-3000:] + done.err
        return done.out

    def rpms(self) -> list[str]:
        query = 'for f in dist/rpmbuild/RPMS/*/*.rpm; do rpm -qp --qf "%{NAME} %{VERSION} %{RELEASE} %{ARCH}\\n" "$f"; done'
        return self.say(query).splitlines()

    def debs(self) -> list[str]:
        query = "for f in ../*.deb; do dpkg-deb --show --showformat '${Package} ${Version} ${Architecture}\\n' \"$f\"; done"
        return self.say(query).splitlines()
