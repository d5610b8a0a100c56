"""The services of a practice KVM host: `hypervisor.py service NAME VERB`, `hypervisor.py systemctl VERB NAME`.

libvirtd always runs. The agent runs where the lab says so; when it starts it tells its version, which is that of its package, and the
management server takes it in where it knows the host. Needs Python's own library only.
"""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

UNIT = "cloudstack-agent"
LOG = Path("/var/log/cloudstack/agent/agent.log")
PACKAGES = Path("/var/lib/dpkg/status")
ASK = "/run/lab/bin/practice-agent"
ALWAYS = ("libvirtd", "ssh", "sshd")


def main(words: list[str]) -> int:
    plain = [word for word in words[1:] if not word.startswith("-")]
    name, verb = (*plain, "", "")[:2]
    if words[0] == "systemctl":
        name, verb = verb, name
    if verb == "daemon-reload" or (not name and words[0] == "systemctl"):
        return 0
    name = name.removesuffix(".service")
    if name in ALWAYS:
        return say("active\n", words) if verb == "is-active" else 0
    if name != UNIT:
        if verb == "is-active":
            return say("inactive\n", words, 3)
        sys.stderr.write(f"{name}: unrecognized service\n" if words[0] == "service" else f"Unit {name}.service could not be found.\n")
        return 1 if words[0] == "service" else 4
    return act(verb, words)


def act(verb: str, words: list[str]) -> int:
    up = ask("status") == "up"
    if "--now" in words:
        verb = {"disable": "stop", "enable": "start"}.get(verb, verb)
    if verb in ("stop", "restart") and up:
        ask("down")
        log("The agent is stopped.")
        up = False
    if verb in ("start", "restart") and not up:
        version = installed()
        if not version:
            sys.stderr.write("Its package is not installed.\n")
            return 1
        log(f"Implementation Version is {version}")
        log("Connected to the server" if ask("up", version) == "connected" else "Unable to connect to the server; waiting to be set up")
    if verb == "is-active":
        return say("active\n" if up else "inactive\n", words, 0 if up else 3)
    if verb == "status":
        return say(f"{UNIT} is {'running' if up else 'not running'}\n", words, 0 if up else 3)
    if verb == "show":
        return say(f"ActiveEnterTimestamp={ask('since')}\n", words)
    return 0


def say(text: str, words: list[str], code: int = 0) -> int:
    if not {"--quiet", "-q"} & set(words):
        sys.stdout.write(text)
    return code


def ask(*words: str) -> str:
    return subprocess.run([ASK, *words], capture_output=True, text=True, check=False).stdout.strip()


def installed() -> str:
    """The version of the agent's package, "" without one."""
    for part in PACKAGES.read_text().split("\n\n"):
        if re.search(r"(?m)^Package: \S+-agent$", part) and "Status: install ok installed" in part:
            found = re.search(r"(?m)^Version: (\S+)$", part)
            return found[1] if found else ""
    return ""


def log(text: str) -> None:
    LOG.parent.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    with LOG.open("a") as file:
        file.write(f"{now:%Y-%m-%d %H:%M:%S},{now.microsecond // 1000:03d} INFO  [cloud.agent.Agent] (main:null) {text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
