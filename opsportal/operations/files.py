"""Whole files on a target, also those that belong to root."""

from __future__ import annotations

from opsportal.transport.base import Transport
from opsportal.transport.command import Command
from opsportal.transport.errors import Unreachable

_INSTALL = """
sudo -n mkdir -p "$(dirname "$2")" && sudo -n cp "$1" "$2.opsportal-new" && sudo -n chown root:root "$2.opsportal-new" &&
sudo -n chmod "$3" "$2.opsportal-new" && { sudo -n sync "$2.opsportal-new" 2>/dev/null || sync; } && sudo -n mv -f "$2.opsportal-new" "$2"
code=$?
rm -f "$1"
exit "$code"
"""


def needs_sudo(transport: Transport) -> bool:
    """The login is somebody else than root."""
    return transport.run(Command(("id", "-u")), timeout=20).out.strip() != "0"


def content(transport: Transport, path: str, *, sudo: bool = False) -> bytes | None:
    """None for a file that is not there. Raises `TransportError` for one that cannot be read."""
    if transport.run(Command(("test", "-e", path), sudo=sudo), timeout=20).exit:
        return None
    if not sudo:
        return b"".join(transport.get(path))
    read = transport.run(Command(("cat", "--", path), sudo=True), timeout=30)
    if read.exit or read.truncated:
        raise Unreachable(f"{path} cannot be read as root: {read.err.strip()[-300:] or 'it is too large'}")
    return read.out.encode()


def write(transport: Transport, path: str, data: bytes, mode: int, *, sudo: bool = False) -> None:
    """Whole: what reads it meanwhile finds the old file or the new one. Raises `TransportError`."""
    if not sudo:
        transport.put(path, data, mode=mode)
        return
    place = transport.run(Command(("mktemp",)), timeout=20).out.strip()
    if not place:
        raise Unreachable(f"No temporary file can be made there, so {path} was not written.")
    transport.put(place, data, mode=0o600)
    done = transport.run(Command(script=_INSTALL, argv=(place, path, f"{mode:o}")), timeout=60)
    if done.exit:
        raise Unreachable(f"{path} cannot be written as root: {done.err.strip()[-300:]}. Does the user have sudo without a password?")
