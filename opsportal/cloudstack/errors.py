"""From CloudStack's error codes to what happened, why it usually does, and what to do.

Sources: the developer's guide (codes), ApiErrorCode.java, and reports of the causes behind the general ones.
"""

from __future__ import annotations

from dataclasses import dataclass


class ApiError(Exception):
    """Base of all that calling CloudStack ends with. The message says what happened, why, and what to do."""


class Refused(ApiError):
    """It did not happen. `code` is CloudStack's error code, 0 when the answer had none; `said` its own text."""

    def __init__(self, message: str, code: int = 0, said: str = "") -> None:
        super().__init__(message)
        self.code, self.said = code, said


class Untrusted(Refused):
    """The certificate is neither pinned nor vouched for. Nothing was sent."""


class Unreachable(ApiError):
    """Nothing was sent, or only a question: no connection, no answer in time, or the connection was cut."""


class Unsure(ApiError):
    """A change was sent and its answer never came: nobody knows whether it happened. Only looking again can tell."""


CAUSES: dict[int, str] = {
    401: "It does not know this API key, or the signature is wrong. Compare the API key and the secret key with those of the account in "
    "CloudStack (Accounts, Users, Keys): one that was made anew replaces the old one at once. It also refuses requests that have expired, "
    "so the clocks of the portal and of the management server have to agree, and accounts that are disabled or limited to other addresses.",
    429: "The account has made too many requests (API throttling). Wait a minute; the setting is api.throttling.max.",
    430: "It found the request malformed. A proxy in between may have changed it: give the management server's own address.",
    431: "One of the values is not what it takes: something with this id may have been removed meanwhile. Read the cloud again.",
    432: "This version does not have the command, or the account may not use it. The portal needs the keys of a root administrator, or "
    "of a role that is allowed this command.",
    530: "Something went wrong inside. Its own log says what: /var/log/cloudstack/management/management-server.log, at this minute.",
    531: "The account is disabled, locked, or has no right to this object.",
    532: "A limit of the account or the domain is reached.",
    533: "There is not enough capacity. Look at the dashboard of the zone, and at hosts that are disabled or in maintenance.",
    534: "What it needs for this is not available now: the host, its agent or its storage does not answer. Bring that back first.",
    535: "Nothing suitable could be allocated.",
    536: "It is in use: something still refers to it. Remove or move that first.",
    537: "The network rule contradicts another one.",
}
"""By `errorcode`, which is also the HTTP status."""


@dataclass(frozen=True)
class Known:
    """A text in an answer that says more than its code; both compared in lower case. `command` "" is any."""

    command: str
    text: str
    cause: str


KNOWN: tuple[Known, ...] = (
    Known(
        "addHost",
        "authentication error",
        "The host refused the login. Try the user and the password on it, and look whether its sshd takes passwords "
        "(PasswordAuthentication).",
    ),
    Known(
        "addHost",
        "find the server resources",
        "The management server came to the host but made no agent of it. Usual causes: the cluster is of another hypervisor; SSH or sudo "
        "is refused; there is no /dev/kvm; a bridge of a traffic label is missing; another Java; the global setting “host” names an "
        "address which the host cannot reach; or a host with this address is known already. Its log says which.",
    ),
    Known(
        "addHost",
        "unable to add the host",
        "CloudStack gives no cause here. Usual ones: the cluster is of another hypervisor; SSH or sudo is refused; there is no /dev/kvm; a "
        "bridge of a traffic label is missing; the global setting “host” names an address which the host cannot reach; for XenServer, the "
        "pool master has to be added first; or a host with this address or uuid is known already, perhaps as removed. Its log says which.",
    ),
    Known("addHost", "failed to add host", "The management server's log says why, at this minute."),
    Known(
        "prepareHostForMaintenance",
        "local storage",
        "Virtual machines with disks on this host's local storage cannot move. Stop them first.",
    ),
    Known(
        "prepareHostForMaintenance",
        "maintenance",
        "Only one host of a cluster may be on its way into maintenance. Wait for the other one, or cancel its maintenance.",
    ),
    Known("deleteHost", "maintenance", "A host has to be in Maintenance before it can be removed without force."),
    Known("", "page size", "The setting default.page.size is smaller than the page that was asked for."),
    Known(
        "",
        "signature has expired",
        "The clocks of the portal and the management server do not agree. Set both by NTP.",
    ),
    Known("", "does not exist", "It was removed meanwhile, or belongs to another cloud. Read the cloud again."),
)


def cause(command: str, code: int, said: str) -> str:
    """Why, and what to do."""
    text = said.lower()
    for known in KNOWN:
        if known.command in ("", command) and known.text in text:
            return known.cause
    return CAUSES.get(code, "Its log says more: /var/log/cloudstack/management/management-server.log, at this minute.")


def refused(command: str, code: int, said: str, more: str = "") -> Refused:
    """`said` is CloudStack's text, already without secrets; `more` what we noticed besides."""
    words = " ".join(said.split())[:400].removesuffix(".") or "no text"
    sentence = f"CloudStack refused {command} ({code}): “{words}”. {cause(command, code, said)}"
    return Refused(f"{sentence} {more}".strip(), code, said)
