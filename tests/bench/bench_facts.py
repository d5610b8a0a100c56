"""Facts from many hosts at once: the portal against `ansible -m raw` and against `xargs -P ssh`, in one run.

Every host gives the same recorded answer to every command, so what is compared is reaching them: what a host's own commands
take is the same for all. The portal also parses the answers and stores them. BENCH_HOSTS says how many, 300 if nothing else.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from tests.bench import figure
from tests.bench.alone import portal_alone
from tests.bench.farm import USER, Farm, farm

HOSTS = int(os.environ.get("BENCH_HOSTS", "300"))
AT_ONCE = 50
"""Side by side, for all three."""

COLD_ROUNDS, WARM_ROUNDS = 3, 5
COLD_GOAL, WARM_GOAL, XARGS_GOAL = 7, 16, 2
REQUIREMENTS = Path(__file__).parent / "requirements.txt"

Seconds = dict[str, list[float]]
Reader = Callable[[], None]


def run() -> None:
    # Sockets of kept connections have short names, so the folder has one, too.
    with tempfile.TemporaryDirectory(prefix="b", dir="/tmp") as place, portal_alone(Path(place) / "state"):
        folder = Path(place)
        with farm(folder, HOSTS, _answer()) as hosts:
            _portal_knows(hosts)
            readers = {"portal": _portal, "xargs -P ssh": lambda: _xargs(hosts)}
            if read := _ansible_reader(hosts):
                readers["ansible -m raw"] = read
            cold, warm = _cold(readers, hosts), _warm(readers)
            _end_masters(folder)
        _figures("cold", cold, {"ansible -m raw": COLD_GOAL})
        _figures("warm", warm, {"ansible -m raw": WARM_GOAL, "xargs -P ssh": XARGS_GOAL})


def _answer() -> str:
    """What this machine says to the portal's own question."""
    from hosts.facts.linux import LinuxBasics

    command = LinuxBasics("").command()
    done = subprocess.run(["sh", "-c", command.script, "sh", *command.argv], capture_output=True, text=True, check=True)
    return done.stdout


def _cold(readers: dict[str, Reader], hosts: Farm) -> Seconds:
    """Seconds of each round without any connection. In turns, so that other work on the machine is in the way of all of them."""
    taken: Seconds = {name: [] for name in readers}
    for _ in range(COLD_ROUNDS):
        for name, read in readers.items():
            _portal_forgets()
            _end_masters(hosts.folder)
            hosts.quiet()
            taken[name].append(_timed(read))
    return taken


def _warm(readers: dict[str, Reader]) -> Seconds:
    """The same on kept connections. Those of the portal end after two minutes without use, so each is used once before."""
    taken: Seconds = {name: [] for name in readers}
    readers["xargs -P ssh"]()
    for _ in range(WARM_ROUNDS):
        for name, read in readers.items():
            if name == "portal":
                read()
            taken[name].append(_timed(read))
    return taken


def _timed(read: Reader) -> float:
    began = time.perf_counter()
    read()
    return time.perf_counter() - began


def _portal_knows(hosts: Farm) -> None:
    """All hosts in the inventory, with their key pinned and a credential that opens them."""
    from django.conf import settings
    from django.contrib.auth.models import User

    from hosts import sealing
    from hosts.models import Credential, Host, HostKey, sort_key
    from opsportal.secrets.store import make_keyring

    make_keyring(settings.KEY_FILE)
    user = User.objects.get(username="vera")
    credential = Credential(name="bench", username=USER)
    secret = (hosts.folder / "client").read_text()
    sealing.put(credential, user=user, action="x", way="paste", algorithm="", private_key=secret, passphrase="", password="")
    named = [(f"h{number}", address) for number, address in enumerate(hosts.addresses)]
    made = Host.objects.bulk_create(
        [Host(name=name, sort_name=sort_key(name), address=address, port=hosts.port, credential=credential) for name, address in named]
    )
    kind, blob = hosts.host_key
    HostKey.objects.bulk_create([HostKey(host=host, kind=kind, base64=blob, fingerprint="x", pinned_by=user) for host in made])


def _portal() -> None:
    """As a worker does it: claimed in the database, read side by side, parsed, stored."""
    from hosts import reading
    from hosts.models import Contact, Host

    reading.ask(Host.objects.all())
    while reading.due():
        reading.read_slice()
    silent = Host.objects.exclude(contact=Contact.OK)
    assert not silent, [host.contact_message for host in silent[:3]]


def _portal_forgets() -> None:
    from hosts import connections

    connections.forget_all()


def _xargs(hosts: Farm) -> None:
    options = [*hosts.ssh_options, *_masters(hosts.folder), "-p", str(hosts.port), "-l", USER]
    line = ["xargs", "-P", str(AT_ONCE), "-I{}", "ssh", *options, "{}", "true"]
    done = subprocess.run(line, input="\n".join(hosts.addresses), capture_output=True, text=True, check=True)
    assert done.stdout.count("== end") == HOSTS, done.stderr[-500:]


def _masters(folder: Path) -> list[str]:
    return ["-o", "ControlMaster=auto", "-o", "ControlPersist=600", "-o", f"ControlPath={folder}/%C"]


def _end_masters(folder: Path) -> None:
    for path in [path for path in folder.iterdir() if path.is_socket()]:
        subprocess.run(["ssh", "-F", "/dev/null", "-O", "exit", "-o", f"ControlPath={path}", "x"], capture_output=True, check=False)


def _ansible_reader(hosts: Farm) -> Reader | None:
    program = _ansible(hosts.folder)
    if program is None:
        return None
    named = [f"h{n} ansible_host={address} ansible_port={hosts.port}" for n, address in enumerate(hosts.addresses)]
    (hosts.folder / "inventory").write_text("[all:vars]\nansible_user=" + USER + "\n[all]\n" + "\n".join(named) + "\n")
    environment = {
        **os.environ,
        "HOME": str(hosts.folder),
        "ANSIBLE_HOST_KEY_CHECKING": "true",
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_SSH_ARGS": " ".join([*hosts.ssh_options, *_masters(hosts.folder)]),
        "ANSIBLE_SSH_CONTROL_PATH": f"{hosts.folder}/%%C",
        "ANSIBLE_PRIVATE_KEY_FILE": str(hosts.folder / "client"),
    }
    line = [program, "all", "-i", str(hosts.folder / "inventory"), "-f", str(AT_ONCE), "-m", "raw", "-a", "true"]

    def read() -> None:
        done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
        assert done.stdout.count("== end") == HOSTS, (done.stdout + done.stderr)[-500:]

    return read


def _ansible(folder: Path) -> str | None:
    """BENCH_ANSIBLE, or installed by name into a folder that is thrown away."""
    if given := os.environ.get("BENCH_ANSIBLE"):
        return given
    pip = [str(folder / "venv/bin/pip"), "install", "-q", "--disable-pip-version-check", "-r", str(REQUIREMENTS)]
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
        subprocess.run(pip, check=True, timeout=600)
    except (subprocess.SubprocessError, OSError) as error:
        print(f"NO ANSIBLE: it could not be installed ({error}), so nothing is compared with it.", flush=True)
        return None
    return str(folder / "venv/bin/ansible")


def _figures(kind: str, taken: Seconds, goals: dict[str, float]) -> None:
    """The portal's seconds, and how many times as long each of the others took: the median of the rounds' ratios."""
    ours = taken.pop("portal")
    figure(f"facts of {HOSTS} hosts, {kind}", median(ours), "s", _how(ours))
    for name, theirs in taken.items():
        ratio = median(other / own for other, own in zip(theirs, ours, strict=True))
        figure(f"facts, {kind}: times as fast as {name}", ratio, "times", f"theirs: {_how(theirs)}", goals.get(name), lower=False)


def _how(taken: list[float]) -> str:
    return f"median of {len(taken)}, {min(taken):.2f} to {max(taken):.2f} s; {AT_ONCE} at once"
