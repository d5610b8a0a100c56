"""SSH of a simulated host: who may log in, and commands whose streams are those of real processes in its sandbox."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Protocol

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, MSG_CHANNEL_FAILURE, MSG_CHANNEL_SUCCESS, OPEN_SUCCEEDED
from paramiko.common import OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED as PROHIBITED

# A client that goes away, or a plug that is pulled, is no mistake that anybody has to read about.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)

PIECE = 64 * 1024
CONFIRM_SECONDS = 10.0

OLD_VERSION = "SSH-2.0-OpenSSH_4.3"
OLD = {
    "kex": ("diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha1"),
    "key_types": ("ssh-rsa",),
    "ciphers": ("aes128-ctr", "aes256-ctr", "aes128-cbc"),
    "digests": ("hmac-sha1",),
}
"""What OpenSSH of CentOS 5, the base of XenServer 6.2, has in common with paramiko."""


class Run(Protocol):
    """A command in a sandbox. `status` blocks until its end: as of `waitpid`, or None when the whole host went down."""

    def status(self) -> int | None: ...


class Behind(Protocol):
    """The host behind the server."""

    @property
    def legacy(self) -> bool: ...

    def authorized_keys(self) -> str: ...

    def accepts(self, password: str) -> bool: ...

    def run(self, command: str, descriptors: tuple[int, int, int]) -> Run:
        """Raises OSError when the host is going down."""
        ...


class Wire:
    """The socket of one connection, which can be frozen as by a cut network, and ended as by a pulled plug."""

    def __init__(self, made: socket.socket) -> None:
        self._socket = made
        self._gone = False
        self.frozen = False

    def recv(self, size: int) -> bytes:
        self._hold()
        try:
            return self._socket.recv(size)
        except TimeoutError:
            raise
        except OSError:
            return b""  # the end, for paramiko, which would log anything else as a mistake

    def send(self, data: bytes) -> int:
        self._hold()
        return self._socket.send(data)

    def _hold(self) -> None:
        if self.frozen and not self._gone:
            time.sleep(0.1)
            raise TimeoutError

    def cut(self) -> None:
        self._gone = True
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def close(self) -> None:
        self._socket.close()

    @property
    def _closed(self) -> bool:
        """paramiko looks at it, as a socket has it."""
        return self._gone or self._socket.fileno() < 0

    def settimeout(self, seconds: float | None) -> None:
        self._socket.settimeout(seconds)

    def getpeername(self) -> object:
        return self._socket.getpeername()


class _Transport(paramiko.Transport):
    """Tells when a request was answered: output before that confuses clients."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)  # type: ignore[arg-type] # all that it uses of a socket
        self.answered: dict[int, threading.Event] = {}

    def _send_user_message(self, data: paramiko.Message) -> None:
        super()._send_user_message(data)  # type: ignore[misc]
        head = data.asbytes()[:5]
        if head[0] in (MSG_CHANNEL_SUCCESS, MSG_CHANNEL_FAILURE):
            waiting = self.answered.pop(int.from_bytes(head[1:], "big"), None)
            if waiting is not None:
                waiting.set()


class Connection:
    """One client. The handshake, the login and every channel run in threads of their own."""

    def __init__(self, host: Behind, key: paramiko.PKey, made: socket.socket, ended: Callable[[Connection], None]) -> None:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.wire = Wire(made)
        self._transport = transport = _Transport(self.wire)
        transport.add_server_key(key)
        if host.legacy:
            transport.local_version = OLD_VERSION
            options = transport.get_security_options()
            for name, value in OLD.items():
                setattr(options, name, value)
        else:
            transport.local_version = "SSH-2.0-OpenSSH_7.4"
        transport.start_server(event=_Quiet(), server=_Server(host, transport))
        threading.Thread(target=self._watch, args=(ended,), daemon=True, name="lab-ssh").start()

    def _watch(self, ended: Callable[[Connection], None]) -> None:
        self._transport.join()
        ended(self)


class _Quiet(threading.Event):
    """paramiko wants an event, and without one it waits for the handshake."""


class _Server(paramiko.ServerInterface):
    def __init__(self, host: Behind, transport: _Transport) -> None:
        self.host, self.transport = host, transport
        self.opened: dict[int, paramiko.Channel] = {}
        """Channels that have no command yet. paramiko closes one that nobody holds."""

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password"

    def check_auth_password(self, username: str, password: str) -> int:
        return AUTH_SUCCESSFUL if username == "root" and self.host.accepts(password) else AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        known = {word for line in self.host.authorized_keys().splitlines() if not line.startswith("#") for word in line.split()}
        return AUTH_SUCCESSFUL if username == "root" and key.get_base64() in known else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED if kind == "session" else PROHIBITED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        while made := self.transport.accept(0):  # else paramiko keeps every channel for ever
            self.opened[made.get_id()] = made
        self.opened.pop(channel.get_id(), None)
        answered = self.transport.answered[channel.remote_chanid] = threading.Event()
        text = command.decode("utf-8", "surrogateescape")
        threading.Thread(target=_Session(self.host, channel, answered).serve, args=(text,), daemon=True, name="lab-exec").start()
        return True


class _Session:
    """One command and its three streams, as sshd does it: over when the command and whoever holds its output have ended."""

    def __init__(self, host: Behind, channel: paramiko.Channel, answered: threading.Event) -> None:
        self.host, self.channel, self.answered = host, channel, answered

    def serve(self, command: str) -> None:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException), self.channel:
            self.answered.wait(CONFIRM_SECONDS)
            status = self._run(command)
            if status is not None and os.WIFEXITED(status):
                self.channel.send_exit_status(os.WEXITSTATUS(status))

    def _run(self, command: str) -> int | None:
        (stdin, feed), (out, out_end), (err, err_end) = os.pipe(), os.pipe(), os.pipe()
        try:
            run = self.host.run(command, (stdin, out_end, err_end))
        except OSError:
            for descriptor in (feed, out, err):
                os.close(descriptor)
            return None
        finally:
            for descriptor in (stdin, out_end, err_end):
                os.close(descriptor)
        threading.Thread(target=self._feed, args=(feed,), daemon=True, name="lab-stdin").start()
        self._pump({out: self.channel.sendall, err: self.channel.sendall_stderr})
        return run.status()

    def _feed(self, descriptor: int) -> None:
        with contextlib.suppress(OSError), os.fdopen(descriptor, "wb", buffering=0) as stdin:
            while data := self.channel.recv(PIECE):
                stdin.write(data)

    def _pump(self, streams: dict[int, Callable[[bytes], None]]) -> None:
        poller = select.poll()
        for descriptor in streams:
            poller.register(descriptor, select.POLLIN)
        try:
            while streams:
                for descriptor, _ in poller.poll():
                    if data := os.read(descriptor, PIECE):
                        streams[descriptor](data)
                    else:
                        poller.unregister(descriptor)
                        os.close(descriptor)
                        del streams[descriptor]
        finally:
            for descriptor in streams:
                os.close(descriptor)


def read_key(text: str) -> paramiko.PKey:
    """An Ed25519 or RSA key in OpenSSH's format."""
    for kind in (paramiko.Ed25519Key, paramiko.RSAKey):
        with contextlib.suppress(paramiko.SSHException):
            key: paramiko.PKey = kind.from_private_key(io.StringIO(text))
            return key
    raise ValueError("the host key of a practice host is damaged: reset the practice cloud")
