"""The first process of a simulated host (pid 1): starts what logins ask for, and collects every process that ends.

`agent.py DESCRIPTOR`: a SOCK_SEQPACKET to the lab. It first sends {"ready": true} with the listening socket that `call.py`
connects to. It receives {"id", "command"} with three descriptors (stdin, stdout, stderr), and answers {"id", "status"}, the
status as of `waitpid`. {"idle": N} says that no process is left after `N` requests. Needs Python 3.9 and its own library only.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys

CALLS = "/run/lab/calls"
LARGEST = 256 * 1024
ENVIRONMENT = {
    "HOME": "/root", "USER": "root", "LOGNAME": "root", "SHELL": "/bin/bash", "LANG": "C.UTF-8",
    "PATH": "/run/lab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/xensource/bin",
}  # fmt: skip
SHELLS = ("/bin/bash", "/bin/sh")


class Agent:
    def __init__(self, lab: socket.socket) -> None:
        self.lab = lab
        self.running: dict[int, int] = {}
        self.served = 0
        self.shell = next(shell for shell in SHELLS if os.access(shell, os.X_OK))

    def serve(self) -> None:
        """Until the lab lets go of the socket."""
        woken, wake = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._listen()
        poller = select.poll()
        for descriptor in (self.lab.fileno(), woken):
            poller.register(descriptor, select.POLLIN)
        while True:
            ready = [descriptor for descriptor, _ in poller.poll()]
            if self.lab.fileno() in ready and not self._request():
                return
            if woken in ready:
                os.read(woken, 4096)
                self._collect()

    def _listen(self) -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(CALLS)
        listener.listen(128)
        socket.send_fds(self.lab, [b'{"ready": true}'], [listener.fileno()])
        listener.close()

    def _request(self) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self.lab, LARGEST, 3)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)  # the flags that Python's recv_fds takes it does not use
        if not message:
            return False
        request = json.loads(message)
        try:
            self._start(request["id"], request["command"], descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return True

    def _start(self, number: int, command: str, descriptors: list[int]) -> None:
        self.served += 1
        actions = [(os.POSIX_SPAWN_DUP2, descriptor, place) for place, descriptor in enumerate(descriptors)]
        argv = [self.shell, "-c", command]
        usual = [signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD]
        try:
            pid = os.posix_spawn(self.shell, argv, ENVIRONMENT, file_actions=actions, setsid=True, setsigdef=usual)
        except OSError:
            self._say({"id": number, "status": 126 << 8})
            return
        self.running[pid] = number

    def _collect(self) -> None:
        """Orphans are ours too, as of every first process: none left means that nothing runs here at all."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self._say({"idle": self.served})
                return
            if not pid:
                return
            if pid in self.running:
                self._say({"id": self.running.pop(pid), "status": status})

    def _say(self, message: dict[str, object]) -> None:
        self.lab.sendall(json.dumps(message).encode())


def main() -> None:
    lab = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(lab.fileno(), False)
    os.chdir("/root")
    Agent(lab).serve()


if __name__ == "__main__":
    main()
