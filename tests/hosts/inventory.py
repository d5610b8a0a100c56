"""Hosts in the database that stand for a test machine."""

from __future__ import annotations

import base64
import struct

from hosts.models import Credential, Host, HostKey
from tests.hosts.machine import Machine

WRONG = base64.b64encode(struct.pack(">I", 11) + b"ssh-ed25519" + struct.pack(">I", 32) + bytes(range(32))).decode()
"""A public key that no machine has."""


def known(machine: Machine, key: Credential, name: str = "h1", *, address: str = "127.0.0.1", wrong: bool = False) -> Host:
    """With the machine's key pinned, or with another one."""
    assert key.rotated_by is not None
    host = Host.objects.create(name=name, address=address, port=machine.port, credential=key)
    kind, blob = machine.public().split()[:2]
    shown = WRONG if wrong else blob
    HostKey.objects.create(host=host, kind=kind, base64=shown, fingerprint="SHA256:x", pinned_by=key.rotated_by)
    return host
