"""Adding a host: its keys are read and shown, a person pins them, the portal logs in and looks, a person saves.

Everything that touches the network runs in a worker. A draft moves by conditional updates: a late or doubled message changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from hosts import connections, pinning, reading, rules
from hosts.facts.linux import LinuxBasics
from hosts.models import Cloud, Contact, Host, HostDraft, HostReading, Pool
from hosts.xen import reading as pools
from hosts.xen import recognising
from hosts.xen.recognising import Recognised
from opsportal.operations import audit
from opsportal.operations.errors import Refused
from opsportal.operations.facts import FactError
from opsportal.transport.errors import HostKeyChanged, TransportError

State = HostDraft.State
LOGIN_SECONDS = 40
KEEP_DRAFTS = timedelta(days=14)
ASK_AGAIN = timedelta(seconds=10)


def ask_for_keys(draft: HostDraft, *, legacy: bool | None = None) -> None:
    """From any state: reads the host's keys (again). What was pinned in this draft no longer counts."""
    fields: dict[str, Any] = {
        "state": State.SCANNING,
        "asked_at": timezone.now(),
        "problem": "",
        "message": "",
        "pinned": False,
        "facts": {},
        "xen": {},
    }
    if legacy is not None:
        fields["legacy"] = legacy
    _move(draft, (*State.values,), keys=[], **fields)


def pin(draft: HostDraft, fingerprints: Sequence[str], *, expected: str = "") -> None:
    """Accepts the ticked keys. `expected` is a fingerprint that the person got from the host itself, in full."""
    if draft.state != State.SCANNED:
        raise Refused("The host's keys are not on the table any more. Load the page again.")
    keys = draft.keys
    if expected := expected.strip():
        if expected not in {key["fingerprint"] for key in keys}:
            raise Refused(
                "None of the keys shown has this fingerprint. Either it belongs to another host, or somebody stands between the portal "
                "and the host. Do not go on before you know which."
            )
        fingerprints = [expected, *fingerprints]
    _move(draft, (State.SCANNED,), keys=pinning.chosen(keys, fingerprints), pinned=True, state=State.READING, asked_at=timezone.now())


def log_in_again(draft: HostDraft) -> None:
    """After a login failed: the pinned keys still count."""
    if not draft.pinned:
        raise Refused("No key is pinned yet. Read the host's keys first.")
    _move(draft, (State.FAILED, State.READ), state=State.READING, asked_at=timezone.now(), problem="", message="")


@transaction.atomic
def save(draft: HostDraft, host: Host, *, user: User) -> Host:
    """Makes the host of what was read and what the person added (`host`, not saved yet). The draft is gone afterwards."""
    if not HostDraft.objects.select_for_update().filter(pk=draft.pk, state=State.READ).exists():
        raise Refused("This host is not ready to be saved, or was saved already. Look at the list of hosts.")
    now = timezone.now()
    for name in ("address", "port", "username", "credential", "legacy", "facts"):
        setattr(host, name, getattr(draft, name))
    host.created_by, host.contact, host.contact_at, host.facts_at = user, Contact.OK, now, now
    host.next_read_at = now + reading.EVERY
    host.save()
    pinning.write(host, draft.keys, user)
    HostReading.objects.create(host=host, at=now, values=draft.facts, changed=True)
    if host.pool_id:
        pools.ask(Pool.objects.filter(pk=host.pool_id))
    prints = [key["fingerprint"] for key in draft.keys]
    detail = {"address": host.place, "pinned": prints, "legacy": host.legacy}
    audit.record(user, "host.add", subject=host.name, detail=detail, alarming=host.legacy)
    draft.delete()
    return host


def scan(draft: HostDraft) -> None:
    """Worker: reads the host's keys. Sends nothing but the SSH greeting."""
    if draft.state != State.SCANNING:
        return
    try:
        offers = connections.offers(draft.address, draft.port, legacy=draft.legacy)
    except TransportError as error:
        _fail(draft, error)
        return
    _move(draft, (State.SCANNING,), state=State.SCANNED, keys=offers, strict=False)


def log_in(draft: HostDraft) -> None:
    """Worker: logs in with the pinned keys and reads what the machine is."""
    if draft.state != State.READING:
        return
    try:
        with connections.opened(connections.draft_target(draft), insist=True) as transport:
            facts = reading.basics(transport, LOGIN_SECONDS)
            xen = recognising.ask(transport).plain() if facts.product else {}
    except (TransportError, FactError) as error:
        _fail(draft, error)
        return
    _move(draft, (State.READING,), state=State.READ, facts=reading.plain(facts), xen=xen, strict=False)


def _fail(draft: HostDraft, error: Exception) -> None:
    fields: dict[str, Any] = {"state": State.FAILED, "problem": getattr(error, "ident", "unreadable"), "message": str(error)}
    if isinstance(error, HostKeyChanged):
        fields |= {"pinned": False, "keys": []}
    _move(draft, HostDraft.WAITING, strict=False, **fields)


def _move(draft: HostDraft, states: Sequence[str], *, strict: bool = True, **fields: Any) -> None:
    """A conditional update, also bound to the last request: an answer to an older one is dropped."""
    held = HostDraft.objects.filter(pk=draft.pk, state__in=states, asked_at=draft.asked_at)
    if not held.update(**fields) and strict:
        raise Refused("Somebody else went on with this host in the meantime. Load the page again.")
    draft.refresh_from_db()


def waiting() -> list[HostDraft]:
    """Drafts whose message to a worker seems lost."""
    states = list(HostDraft.WAITING)
    return list(
        HostDraft.objects.filter(state__in=states, asked_at__lt=timezone.now() - ASK_AGAIN, created_at__gt=timezone.now() - KEEP_DRAFTS)
    )


def trim() -> None:
    HostDraft.objects.filter(created_at__lt=timezone.now() - KEEP_DRAFTS).delete()


def suggestion(draft: HostDraft) -> dict[str, Any]:
    """What the save form starts with: a name, a kind and a pool, from what the machine said. A name that breaks our rules is left out."""
    found = LinuxBasics.adapter().validate_python(draft.facts)
    name = found.hostname.split(".")[0][:64]
    try:
        rules.label(name)
    except ValidationError:
        name = ""
    taken = Host.objects.filter(name__iexact=name).exists()
    xen, pool = Recognised.of(draft), recognising.pool_of(draft)
    return {
        "name": "" if taken else name,
        "kind": found.kind(),
        "cloud": pool.cloud_id if pool else _only_cloud() if xen else "",
        "pool": pool.pk if pool else "",
        "role": "",
        "new_pool": recognising.called(xen) if xen and not pool else "",
        "others": [host.address for host in recognising.missing(draft)],
    }


def _only_cloud() -> int | str:
    found = list(Cloud.objects.order_by().values_list("pk", flat=True)[:2])
    return found[0] if len(found) == 1 else ""


@transaction.atomic
def finish(draft: HostDraft, host: Host, answers: Mapping[str, Any], *, user: User) -> tuple[Host, list[HostDraft]]:
    """Saves the host, in a new pool when a name is given for one, and begins to add the members that were ticked."""
    if answers.get("new_pool"):
        host.pool = _new_pool(draft, answers["new_pool"], answers["cloud"], user)
    begun = _begin(draft, answers.get("others", ()), host.pool)
    return save(draft, host, user=user), begun


def _new_pool(draft: HostDraft, name: str, cloud: Cloud, user: User) -> Pool:
    """A pool of the inventory, with the uuid that its member names."""
    xen = Recognised.of(draft)
    kind = Pool.Kind.XCP_NG if draft.facts.get("product", "").lower().startswith("xcp") else Pool.Kind.XENSERVER
    pool = Pool.objects.create(name=name, cloud=cloud, kind=kind, uuid=xen.pool if xen else "")
    audit.record(user, "pool.add", subject=f"{cloud} / {name}", detail={"uuid": pool.uuid})
    return pool


def _begin(draft: HostDraft, addresses: Sequence[str], pool: Pool | None) -> list[HostDraft]:
    """A draft for each member that the person ticked: their keys are read now, and compared by a person one by one."""
    wanted = {host.address for host in recognising.missing(draft)} & set(addresses)
    common = {name: getattr(draft, name) for name in ("owner", "port", "username", "credential", "legacy")}
    return [HostDraft.objects.create(address=address, pool=pool, **common) for address in sorted(wanted)]


def members_left(host: Host, user: User) -> HostDraft | None:
    """The next draft of the same pool that this person began: there the wizard goes on."""
    mine = HostDraft.objects.filter(owner=user, pool=host.pool) if host.pool_id else HostDraft.objects.none()
    return mine.order_by("address").first()
