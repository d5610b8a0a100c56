"""From the name of a target in a plan to a transport, and where its control directories are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from django.conf import settings
from django.utils.module_loading import import_string

from opsportal.operations.models import Operation
from opsportal.secrets.value import Secret
from opsportal.transport.base import Transport
from opsportal.transport.detached import Detached
from opsportal.transport.local import LocalTransport


def connect(target: str) -> Transport:
    """Opens "local" or "KIND:ID" by `settings.TARGETS`. Raises `TransportError`."""
    kind, _, rest = target.partition(":")
    transport: Transport = import_string(settings.TARGETS[kind])(rest)
    return transport


def secret(name: str) -> Secret:
    """What "KIND:ID" stands for, by `settings.SECRETS`. Raises `KeyringError`."""
    kind, _, rest = name.partition(":")
    found: Secret = import_string(settings.SECRETS[kind])(rest)
    return found


def local(_rest: str) -> Transport:
    return LocalTransport()


def portal_id() -> str:
    """Tells this portal's control directories on a host from those of another portal."""
    return hashlib.sha256(settings.SECRET_KEY.encode()).hexdigest()[:8]


def control_root(target: str, operation: Operation) -> str:
    """One directory per operation: fences count within it. On a host it lies in the login's home, which survives a reboot."""
    if target == "local":
        return str(settings.STATE_DIR / "control" / f"op-{operation.pk}")
    return f".opsportal/{portal_id()}-op-{operation.pk}"


def names(targets: Iterable[str]) -> dict[str, tuple[str, str]]:
    """What people call each target or locked resource ("host:3", "local"), and the address of its page or ""."""
    found = {target: (target, "") for target in targets} | {"local": ("the portal's own machine", "")}
    for kind, path in settings.TARGET_NAMES.items():
        numbers = [target.partition(":")[2] for target in found if target.startswith(f"{kind}:")]
        if numbers:
            found |= {f"{kind}:{number}": called for number, called in import_string(path)(numbers).items()}
    return found


def called(target: str) -> str:
    """One of them for a sentence."""
    return names([target])[target][0]


def detached(target: str, operation: Operation) -> Detached:
    return Detached(connect(target), control_root(target, operation))
