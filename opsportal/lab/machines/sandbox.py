"""One running simulated host: a sandbox of bubblewrap with its own processes, files, name and boot id, and no network."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from opsportal.lab.machines.furniture import IP

BOOT_ID = "/proc/sys/kernel/random/boot_id"
FOLDERS = ("root", "etc", "var/log", "var/lib", "opt", "tmp", "run", "usr", "proc", "dev", "srv", "mnt")
LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64", "lib32": "usr/lib32"}
HIDDEN = ("/usr/lib/systemd", "/usr/local")
"""Of this machine's /usr: its services are none of the simulated host's."""

OWN_USR = "/run/usr"
"""Where this machine's /usr is on hosts that have one of their own, made of links there."""

PYTHON = "/usr/bin/python3"
LARGEST = 120 * 1024
"""Bytes of a command: one argument of a program may not be longer."""

SAYS_MISSING = (
    "bubblewrap (bwrap) is not installed, so the practice hosts stay off: their commands never run outside a sandbox. "
    "Install it (apt-get install bubblewrap), then start the portal again."
)


class NoSandbox(Exception):
    """This machine cannot hold simulated hosts; the message says why and what to do."""


@dataclass(frozen=True)
class Tools:
    """A folder that every simulated host of a lab sees as /run/lab, and the Python that runs there."""

    folder: Path
    python: tuple[str, ...]
    """Words of bubblewrap that make the interpreter visible."""

    interpreter: str


def make_tools(folder: Path, programs: Sequence[str], more: Callable[[str], dict[str, str]] = lambda interpreter: {}) -> Tools:
    """The agent and, under bin/, one small program for each name that the lab answers itself. `more` are other programs by their
    names, when it is told how to call Python."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "bin").mkdir(parents=True)
    for name in ("agent.py", "call.py"):
        (folder / name).write_text(files("opsportal.lab.machines.inside").joinpath(name).read_text())
    tools = _python(folder)
    scripts = {name: f'#!/bin/sh\nexec {tools.interpreter} -I -S /run/lab/call.py {shlex.quote(name)} "$@"\n' for name in programs}
    for name, script in {**scripts, "ip": IP, **more(tools.interpreter)}.items():
        (folder / "bin" / name).write_text(script)
        (folder / "bin" / name).chmod(0o755)
    return tools


def _python(folder: Path) -> Tools:
    """The system's own Python, which lies in /usr anyway, or else the one that runs the portal."""
    if Path(PYTHON).exists():
        return Tools(folder, (), PYTHON)
    words = ("--ro-bind", sys.base_prefix, "/run/python")
    library = "env LD_LIBRARY_PATH=/run/python/lib"
    return Tools(folder, words, f"{library} /run/python/bin/python{sys.version_info[0]}.{sys.version_info[1]}")


def check() -> None:
    """Starts and ends an empty sandbox. Raises `NoSandbox`."""
    if not shutil.which("bwrap"):
        raise NoSandbox(SAYS_MISSING)
    words = ["bwrap", *_apart("trial"), "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    words += ["--ro-bind", "/etc/hostname" if Path("/etc/hostname").exists() else "/etc/passwd", BOOT_ID, "--", "true"]
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=30, check=False)
    if done.returncode:
        raise NoSandbox(
            f"bubblewrap cannot make a sandbox here, so the practice hosts stay off: {done.stderr.strip()[:300]}. Their commands never run "
            "outside a sandbox. Unprivileged user namespaces may be switched off (kernel.unprivileged_userns_clone, AppArmor), or this is "
            "a container without them."
        )


def _apart(name: str) -> list[str]:
    """Own users, processes, network, name; no capability; and nothing stays when the lab ends, however it does."""
    return [
        "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net", "--unshare-cgroup-try",
        "--uid", "0", "--gid", "0", "--hostname", name, "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv",
    ]  # fmt: skip


def lay_out(root: Path) -> None:
    """The folders and links that every Linux system has."""
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "root").chmod(0o700)
    for name, target in LINKS.items():
        if Path("/usr", name).exists() and not (root / name).is_symlink():
            (root / name).symlink_to(target)


class Sandbox:
    """Must be made by a thread that outlives it: the kernel ends it with that thread.

    `on_message` gets what the agent says, called by whoever calls `receive` when `socket` is readable.
    """

    def __init__(self, name: str, root: Path, boot_id: Path, tools: Tools, *, own_usr: bool = False, devices: Sequence[str] = ()) -> None:
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        info, info_end = os.pipe()
        with theirs, os.fdopen(info_end, "wb"):
            words = _words(name, root, boot_id, tools, info_end, own_usr=own_usr, devices=devices)
            words += [*shlex.split(tools.interpreter), "-I", "-S", "/run/lab/agent.py", str(theirs.fileno())]
            self.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=(theirs.fileno(), info_end), cwd="/"
            )
        self._first = info
        self.served = 0
        """Commands given to it so far."""

    def run(self, number: int, command: str, descriptors: Sequence[int]) -> None:
        """Starts a command; its status comes as a message with the same number. Raises OSError when the host is gone."""
        self.served += 1
        socket.send_fds(self.socket, [json.dumps({"id": number, "command": command}).encode()], list(descriptors))

    def receive(self) -> tuple[dict[str, object], int | None] | None:
        """The next message and a descriptor that came with it; None at the end."""
        try:
            message, descriptors, _, _ = socket.recv_fds(self.socket, 4096, 1)
        except OSError:
            return None
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        return (json.loads(message), descriptors[0] if descriptors else None) if message else None

    def kill(self) -> None:
        """As a power cut: every process in it is gone when this returns."""
        with contextlib.suppress(ProcessLookupError, OSError):
            first = self._first_process()
            if first:
                os.kill(first, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        self.socket.close()

    def _first_process(self) -> int:
        """Its pid 1, as this machine counts; 0 when it never came up."""
        if self._first < 0:
            return 0
        descriptor, self._first = self._first, -1
        os.set_blocking(descriptor, False)
        with os.fdopen(descriptor, "rb") as file:
            told = file.read() or b"{}"
        return int(json.loads(told).get("child-pid", 0))


def _words(name: str, root: Path, boot_id: Path, tools: Tools, info: int, *, own_usr: bool, devices: Sequence[str]) -> list[str]:
    hidden = [word for path in HIDDEN if Path(path).is_dir() for word in ("--tmpfs", path)]
    usr, late = ([], ["--ro-bind", "/usr", OWN_USR]) if own_usr else (["--ro-bind", "/usr", "/usr", *hidden], [])
    there = [word for device in devices for word in ("--ro-bind", str(tools.folder / "agent.py"), device)]
    alternatives = ["--ro-bind-try", "/etc/alternatives", "/etc/alternatives"]
    return [
        "bwrap", *_apart(name), "--as-pid-1", "--info-fd", str(info),
        "--bind", str(root), "/", *usr, *alternatives, "--proc", "/proc", "--dev", "/dev", *there,
        "--tmpfs", "/run", *late, *tools.python, "--tmpfs", "/run/lab", "--ro-bind", str(tools.folder / "bin"), "/run/lab/bin",
        "--ro-bind", str(tools.folder / "agent.py"), "/run/lab/agent.py", "--ro-bind", str(tools.folder / "call.py"), "/run/lab/call.py",
        "--ro-bind", str(boot_id), BOOT_ID, "--",
    ]  # fmt: skip
