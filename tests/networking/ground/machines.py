"""Booting, powering off and removing the machines of a `Ground`."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

BOOT = Path(__file__).with_name("boot.sh")
STATE = Path("/run/opsportal-ground")
SECONDS = 90
NEEDED = {
    "/usr/sbin/sshd": "openssh-server",
    "/usr/sbin/ovs-vswitchd": "openvswitch-switch",
    "/usr/bin/ovs-pki": "openvswitch-pki",
    "/usr/sbin/keepalived": "keepalived",
    "/usr/sbin/ifup": "ifupdown",
    "/usr/sbin/netplan": "netplan.io",
    "/usr/sbin/ip": "iproute2",
    "/usr/bin/ping": "iputils-ping",
    "/usr/sbin/ethtool": "ethtool",
    "/usr/bin/sudo": "sudo",
    "/lib/systemd/systemd": "systemd",
    "/usr/bin/dbus-daemon": "dbus",
}
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


def missing() -> str:
    """Packages that are not installed, or ""."""
    absent = sorted({package for path, package in NEEDED.items() if not Path(path).exists()})
    return f"missing packages: {' '.join(absent)}" if absent else ""


def cannot() -> str:
    """Why this machine can never boot them, whatever is installed on it, or ""."""
    if os.geteuid():
        return "it needs root, for network namespaces and overlay mounts"
    if not Path("/dev/net/tun").exists():
        return "there is no /dev/net/tun"
    if "overlay" not in Path("/proc/filesystems").read_text():
        return "the kernel has no overlay file system"
    if not _cgroups():
        return "no cgroup2 file system is mounted"
    trial = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--cgroup", "--fork", "true"], capture_output=True, text=True, check=False
    )
    return f"namespaces are refused: {trial.stderr.strip()}" if trial.returncode else ""


def _cgroups() -> Path | None:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        if rest.startswith("cgroup2 "):
            return Path(fields.split()[4])
    return None


def call(*argv: object, **options: object) -> str:
    done = subprocess.run([str(one) for one in argv], capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, argv))}: {(done.stderr or done.stdout).strip()[-1500:]}")
    return str(done.stdout)


class GroundHost:
    """One machine. `run` acts as root inside, without SSH."""

    def __init__(self, ground: Ground, number: int) -> None:
        self.ground, self.number = ground, number
        self.name = f"og{ground.instance}h{number}"
        self.folder = ground.folder / self.name
        groups = _cgroups()
        assert groups is not None
        self.group = groups / f"opsportal-{self.name}"
        self.address = f"198.18.{200 + ground.instance}.{10 + number}"
        self.underlay = f"198.19.{200 + ground.instance}.{10 + number}"
        self.wanted = False
        self.power: threading.Thread | None = None

    @property
    def host_key(self) -> tuple[str, str]:
        kind, blob = (self.folder / "upper/etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2]
        return kind, blob

    def make(self) -> None:
        self.folder.mkdir()
        call("mount", "-t", "tmpfs", "-o", "size=512m,mode=755", "ground", self.folder)
        for name in ("upper", "work", "root", "kept"):
            (self.folder / name).mkdir()
        self.group.mkdir()

    def boot(self) -> None:
        self.wanted = True
        self.power = threading.Thread(target=self._supply, daemon=True, name=self.name)
        self.power.start()

    def _supply(self) -> None:
        """Boots it again after a reboot and after the plug was pulled, as long as it is wanted."""
        space = ["nsenter", f"--net=/run/netns/{self.name}"]
        kinds = ["--mount", "--uts", "--ipc", "--pid", "--cgroup", "--fork", "--kill-child", "--propagation", "private"]
        words = {"NAME": self.name, "ADDRESS": self.address, "UNDERLAY": self.underlay, "HOME_DIR": str(self.folder)}
        while self.wanted:
            with (self.folder / "boot.log").open("ab") as log:
                code = subprocess.call(
                    [*space, "unshare", *kinds, "sh", str(BOOT)],
                    env={**ENVIRONMENT, **words, "KEY": str(self.ground.key)}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    preexec_fn=lambda: (self.group / "cgroup.procs").write_text("0") and None,
                )  # fmt: skip
            if code not in (-signal.SIGHUP, -signal.SIGKILL):
                return

    def _init(self) -> str:
        """The process id of its systemd on this machine."""
        for path in (self.group, self.group / "init.scope"):
            with contextlib.suppress(OSError):
                for pid in (path / "cgroup.procs").read_text().split():
                    spaces = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("NSpid:")]
                    if spaces and spaces[0].split()[-1] == "1" and len(spaces[0].split()) > 2:
                        return pid
        return ""

    def run(self, *argv: str, timeout: float = 60) -> str:
        return call("nsenter", "--target", self._init(), "--all", "env", "-i", *[f"{k}={v}" for k, v in ENVIRONMENT.items()], "HOME=/root",
                    *argv, timeout=timeout)  # fmt: skip

    def sh(self, script: str, timeout: float = 60) -> str:
        return self.run("sh", "-c", script, timeout=timeout)

    def put(self, path: str, data: bytes) -> None:
        """A file as somebody on the machine would write it: what is written beneath its mounted root from outside may never show."""
        place = Path(f"/proc/{self._init()}/root{path}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)

    def wait(self) -> None:
        """Until systemd started what it can and sshd answers."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(RuntimeError, subprocess.TimeoutExpired, OSError):
                state = self.run("sh", "-c", "systemctl is-system-running --wait || :").strip()
                if state in ("running", "degraded"):
                    with socket.create_connection((self.address, 22), timeout=5) as connection:
                        if connection.recv(4) == b"SSH-":
                            return
            time.sleep(0.05)
        log = (self.folder / "boot.log").read_text()[-2000:]
        raise RuntimeError(f"{self.name} did not come up within {SECONDS} s: {log}")

    def power_cycle(self) -> None:
        """Pulls the plug, and waits until it is up again."""
        before = self._init()
        (self.group / "cgroup.kill").write_text("1")
        while self._init() in ("", before):
            time.sleep(0.02)
        self.wait()

    def remove(self) -> None:
        self.wanted = False
        if self.group.exists():
            (self.group / "cgroup.kill").write_text("1")
            deadline = time.monotonic() + 10
            while "populated 1" in (self.group / "cgroup.events").read_text() and time.monotonic() < deadline:
                time.sleep(0.02)
            for path, _, _ in os.walk(self.group, topdown=False):
                Path(path).rmdir()
        if self.power is not None:
            self.power.join(10)
        if self.folder.is_mount():
            call("umount", "-l", self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)


def _own_number() -> tuple[int, int]:
    """The first of 0 to 50 that no other process uses, and the open file whose lock keeps it: it ends with the process."""
    STATE.mkdir(mode=0o700, exist_ok=True)
    for number in range(51):
        lock = os.open(STATE / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
        else:
            return number, lock
    raise RuntimeError("51 grounds are in use on this machine")


class Ground:
    """So many machines. `instance` keeps those of test processes apart that run at the same time."""

    def __init__(self, count: int = 2) -> None:
        self.instance, self.lock = _own_number()
        self.folder = STATE / str(self.instance)
        self.key = self.folder / "key"
        self.bridge = f"og{self.instance}"
        self.hosts = [GroundHost(self, number) for number in range(1, count + 1)]

    def __enter__(self) -> Ground:
        self.clear()
        self.folder.mkdir(parents=True, mode=0o700)
        try:
            call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key)
            self._wire()
            for host in self.hosts:
                host.make()
                host.boot()
            for host in self.hosts:
                host.wait()
        except BaseException:
            self.clear()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()
        os.close(self.lock)

    def _wire(self) -> None:
        call("ip", "link", "add", self.bridge, "type", "bridge")
        call("ip", "addr", "add", f"198.18.{200 + self.instance}.1/24", "dev", self.bridge)
        call("ip", "link", "set", self.bridge, "up")
        call("ip", "netns", "add", f"{self.bridge}hub")
        call("ip", "-n", f"{self.bridge}hub", "link", "add", "underlay", "type", "bridge")
        call("ip", "-n", f"{self.bridge}hub", "link", "set", "underlay", "up")
        for host in self.hosts:
            call("ip", "netns", "add", host.name)
        for line in self._wires():
            call("ip", *line.split())

    def _wires(self) -> Iterator[str]:
        hub = f"{self.bridge}hub"
        for host in self.hosts:
            yield f"link add {host.name}m type veth peer name eth0 netns {host.name}"
            yield f"link set {host.name}m master {self.bridge} up"
            yield f"link add {host.name}u netns {hub} type veth peer name eth3 netns {host.name}"
            yield f"-n {hub} link set {host.name}u master underlay up"
        for first, second in zip(self.hosts[::2], self.hosts[1::2], strict=False):
            for nic in ("eth1", "eth2"):
                yield f"link add {nic} netns {first.name} type veth peer name {nic} netns {second.name}"

    def clear(self) -> None:
        """Takes away whatever is there of this instance, in whatever state."""
        names = sorted(path.name for path in self.folder.glob(f"{self.bridge}h*")) if self.folder.exists() else []
        known = {host.name: host for host in self.hosts}
        for name in names:
            (known.get(name) or GroundHost(self, int(name.rpartition("h")[2]))).remove()
        for space in Path("/run/netns").glob(f"{self.bridge}h*") if Path("/run/netns").exists() else ():
            subprocess.run(["ip", "netns", "delete", space.name], check=False, capture_output=True)
        for link in [*(f"{host.name}m" for host in self.hosts), self.bridge]:
            subprocess.run(["ip", "link", "delete", link], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)
