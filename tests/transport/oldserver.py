"""An SSH server inside the test process, for what today's OpenSSH can no longer be: very old, or opened by a password."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass, field

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED

from opsportal.transport.host_keys import HostKey


@dataclass
class OldServer(paramiko.ServerInterface):
    """Answers every command with its own name. `tried` are the logins: method and, for keys, the signature's algorithm."""

    version: str = "SSH-2.0-OpenSSH_5.3"
    password: str = ""
    methods: str = "publickey"
    pubkeys: tuple[str, ...] = ("ssh-rsa",)
    tried: list[str] = field(default_factory=list)
    hang_up: bool = False

    def __post_init__(self) -> None:
        self.key = paramiko.RSAKey.generate(2048)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.transports: list[paramiko.Transport] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def host_key(self) -> HostKey:
        return HostKey("ssh-rsa", self.key.get_base64())

    def stop(self) -> None:
        self.listener.close()
        for transport in self.transports:
            transport.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            every = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")
            disabled = {"pubkeys": [name for name in every if name not in self.pubkeys]}
            transport = paramiko.Transport(sock, disabled_algorithms=disabled, server_sig_algs=False, strict_kex=False)
            transport.local_version = self.version
            transport.add_server_key(self.key)
            self.transports.append(transport)
            transport.start_server(event=threading.Event(), server=self)

    def get_allowed_auths(self, username: str) -> str:
        return self.methods

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.tried.append(f"publickey {key.get_name()}")
        return AUTH_SUCCESSFUL

    def check_auth_password(self, username: str, password: str) -> int:
        self.tried.append("password")
        if self.hang_up:
            self.transports[-1].close()
        return AUTH_SUCCESSFUL if password == self.password else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=self._answer, args=(channel,), daemon=True).start()
        return True

    def _answer(self, channel: paramiko.Channel) -> None:
        time.sleep(0.3)  # paramiko confirms the request only after this thread was started
        channel.sendall(self.version.encode())
        channel.send_exit_status(0)
        channel.close()
