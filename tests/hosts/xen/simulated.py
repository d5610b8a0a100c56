"""The simulator of XenServer behind a dom0 in a directory: `xe` in a real shell asks the simulated pool through a socket."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opsportal.lab.xen.world import World
from tests.hosts.xen.dom0 import Dom0, written

CLIENT = """#!{python}
import json, socket, sys
wire = socket.socket(socket.AF_UNIX)
wire.connect({path!r})
wire.sendall(json.dumps([{host!r}, *sys.argv[1:]]).encode())
wire.shutdown(socket.SHUT_WR)
code, out, err = json.loads(wire.makefile().read())
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""


class Simulated(Dom0):
    """`answers` does not count: the world answers."""

    client = ""

    def made(self) -> Dom0:
        for name, text in self.files.items():
            written(self.root / name, text)
        written(self._tools() / "xe", self.client).chmod(0o755)
        return self


def dom0(world: World, host: str, root: Path, path: Path) -> Simulated:
    machine = Simulated(root / host, timeout=not world.machine(host).version.startswith("6."))
    machine.files = {name.lstrip("/"): text for name, text in world.files(host).items()}
    machine.client = CLIENT.format(python=sys.executable, path=str(path), host=host)
    return machine


@contextmanager
def serving(world: World, path: Path) -> Iterator[None]:
    """A call that does not return within ten simulated minutes leaves its client waiting."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(20)
    held: list[socket.socket] = []
    thread = threading.Thread(target=_serve, args=(world, server, held), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for wire in (server, *held):
            wire.close()


def _serve(world: World, server: socket.socket, held: list[socket.socket]) -> None:
    while True:
        try:
            wire, _ = server.accept()
        except OSError:
            return
        with wire.makefile() as asked:
            host, *words = json.load(asked)
        call = world.run(host, "xe", *words)
        if call.done:
            wire.sendall(json.dumps([call.code, call.out, call.err]).encode())
            wire.close()
        else:
            held.append(wire)
