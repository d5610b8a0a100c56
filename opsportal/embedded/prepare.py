"""Makes a fresh machine ready: system packages through apt, Python packages into `.venv`. Needs Python's own library only.

`python3 opsportal/embedded/prepare.py run|test|ci`. As root it installs what is missing; otherwise it says what to install
and stops. When nothing is missing it takes a moment.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = ROOT / "requirements.txt"
OLDEST = (3, 11)

NEEDS = {
    "run": {
        "git": "git",
        "mvn": "maven",
        "javac": "default-jdk-headless",
        "rpmbuild": "rpm",
        "dpkg-buildpackage": "dpkg-dev",
        "dh": "debhelper",
        "fakeroot": "fakeroot",
        "createrepo_c": "createrepo-c",
        "apt-ftparchive": "apt-utils",
        "gpg": "gnupg",
        "gpgv": "gpgv",
        "bwrap": "bubblewrap",
        "ssh-keygen": "openssh-client",
        "ps": "procps",
        "flock": "util-linux",
        "/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
    },
    "test": {"sshd": "openssh-server"},
    "ci": {
        "chromium-headless-shell": "chromium-headless-shell",
        "genisoimage": "genisoimage",
        "dch": "devscripts",
        "gcc": "gcc",
        "initdb": "postgresql",
        "redis-server": "redis-server",
        "ovs-vswitchd": "openvswitch-switch",
        "/var/lib/openvswitch/pki": "openvswitch-pki",
        "/lib/systemd/system/ovn-central.service": "ovn-central",
        "ovn-controller": "ovn-host",
        "keepalived": "keepalived",
        "ifup": "ifupdown",
        "netplan": "netplan.io",
        "ip": "iproute2",
        "ping": "iputils-ping",
        "ethtool": "ethtool",
        "sudo": "sudo",
        "dbus-daemon": "dbus",
        "dnf": "dnf",
        "mariadbd": "mariadb-server",
        "/lib/systemd/systemd": "systemd",
    },
}
"""Program (or file) to the Debian package that brings it. Each purpose needs those before it too."""

TOLD = {"chromium-headless-shell": "browser tests", "initdb": "tests on PostgreSQL"}
"""What `make test` leaves out where a program of the purpose "ci" is missing."""

PLACES = ["/usr/local/sbin", "/usr/sbin", "/sbin", *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
"""Where programs are which are not on everybody's PATH."""


class NotReady(Exception):
    """The machine lacks something; the message says what to do."""


def main(purpose: str) -> int:
    try:
        if sys.version_info < OLDEST:
            raise NotReady(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}. Try: make run PYTHON=python3.11")
        system_packages(missing(purpose))
        python_packages()
    except NotReady as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for program in missing("ci") if purpose == "test" else ():
        if program in TOLD:
            tell(f"{program} is not installed: {TOLD[program]} are skipped.")
    return 0


def tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def missing(purpose: str) -> dict[str, str]:
    """Program to package."""
    purposes = list(NEEDS)[: list(NEEDS).index(purpose) + 1]
    lacking = {program: package for one in purposes for program, package in NEEDS[one].items() if not found(program)}
    if not importlib.util.find_spec("ensurepip") and not PYTHON.exists():
        lacking["python3 -m venv"] = "python3-venv"
    return lacking


def found(program: str) -> bool:
    if program.startswith("/"):
        return Path(program).exists()
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), *PLACES])) is not None


def system_packages(lacking: dict[str, str]) -> None:
    """Install them as root, or raise `NotReady` with the one command that does."""
    if not lacking or os.environ.get("SKIP_PACKAGES"):
        return
    packages = sorted(set(lacking.values()))
    if not shutil.which("apt-get"):
        raise NotReady(f"These programs are missing: {', '.join(lacking)}.\nInstall them with your package manager and {AGAIN}")
    if os.geteuid() != 0:
        command = f"sudo apt-get install --no-install-recommends {' '.join(packages)}"
        raise NotReady(f"These programs are missing: {', '.join(lacking)}. Install them with\n\n    {command}\n\nand {AGAIN}")
    tell(f"Installing {', '.join(packages)} (a few minutes)")
    with no_daemons():
        logged(["apt-get", "update", "-q"], "The package lists could not be read", fatal=False)
        logged(["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages], "The packages could not be installed")


AGAIN = "run the same command again. SKIP_PACKAGES=1 goes on without them; what needs them will say so."


@contextlib.contextmanager
def no_daemons() -> Iterator[None]:
    """Debian starts a server as soon as it is installed. We want the programs, not another server on this machine."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()


def python_packages() -> None:
    """A virtual environment with what `requirements.txt` lists; nothing to do when it was made from the same list."""
    stamp = VENV / "made-from"
    with REQUIREMENTS.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # two at once on a fresh checkout: the second waits
        wanted = f"{sys.version} {hashlib.sha256(file.read()).hexdigest()}\n"
        if PYTHON.exists() and stamp.exists() and stamp.read_text() == wanted:
            return
        began = time.monotonic()
        tell("Installing Python packages into .venv (about a minute)")
        if not usable():
            logged([sys.executable, "-m", "venv", "--clear", str(VENV)], "No virtual environment could be made")
        pip = [str(PYTHON), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", str(REQUIREMENTS)]
        logged(pip, "The Python packages could not be installed")
        stamp.write_text(wanted)
        tell(f"Installed in {time.monotonic() - began:.0f} s")


def usable() -> bool:
    """The environment's Python starts, has pip, and is of the series that runs this."""
    if not PYTHON.exists():
        return False
    series = "import pip, sys; print(sys.version_info[:2])"
    asked = subprocess.run([PYTHON, "-c", series], capture_output=True, text=True, check=False)
    return asked.stdout.strip() == str(sys.version_info[:2])


def logged(argv: list[str], sorry: str, *, fatal: bool = True) -> None:
    """Run it quietly; when it fails, show the end of what it said."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=environment, check=False)
    if done.returncode and fatal:
        said = "\n".join(f"    {line}" for line in done.stdout.strip().splitlines()[-15:])
        raise NotReady(f"{sorry}: `{' '.join(argv)}` ended with {done.returncode}.\n{said}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
