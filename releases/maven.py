"""Maven's command lines. Pure."""

from __future__ import annotations

QUIET = ("-B", "-ntp")
"""Batch mode, and no line for every download: otherwise they bury the output."""

HELP = "org.apache.maven.plugins:maven-help-plugin:2.1.1"
"""The version that CloudStack's own scripts call."""


def build(profiles: str, *, skip_tests: bool, threads: str, arguments: str) -> list[str]:
    """`mvn clean install` with CloudStack's profiles; `profiles` and `arguments` as typed and validated."""
    words = ["mvn", *QUIET, "clean", "install"]
    if names := profiles.replace(",", " ").split():
        words += ["-P", ",".join(names)]
    if skip_tests:
        words.append("-DskipTests")
    if threads:
        words += ["-T", threads]
    return [*words, *arguments.split()]


QUIET_DOWNLOADS = "-Dorg.slf4j.simpleLogger.log.org.apache.maven.cli.transfer.Slf4jMavenTransferListener=warn"
"""What `-ntp` does, for Maven calls inside scripts that do not give it."""


def environment(jdk: str, level: int) -> tuple[tuple[str, str], ...]:
    """JAVA_HOME when one was chosen; JDK 7 is told to speak TLS 1.2; a download that stalls is given up after 120 s."""
    options = [QUIET_DOWNLOADS, "-Dmaven.wagon.rto=120000", *(["-Dhttps.protocols=TLSv1.2"] if level == 7 else [])]
    home = (("JAVA_HOME", jdk),) if jdk else ()
    return (*home, ("OPSPORTAL_MAVEN_OPTS", " ".join(options)))
