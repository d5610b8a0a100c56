"""Reading clouds through their APIs on a schedule and on demand, in workers only. The connection's row carries the newest reading."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from pydantic import ValidationError

from hosts import sealing
from hosts.cloudstack import connecting
from hosts.cloudstack.state import CloudState, state_of
from hosts.models import CloudApi, Pool
from opsportal.cloudstack.client import Api, Endpoint
from opsportal.cloudstack.errors import ApiError, Untrusted
from opsportal.cloudstack.survey import survey
from opsportal.operations import side_by_side
from opsportal.operations.models import Operation
from opsportal.operations.states import OperationState
from opsportal.secrets.store import KeyringError
from opsportal.secrets.value import Secret
from opsportal.transport import tls

logger = logging.getLogger(__name__)

AT_ONCE = 4
SECONDS = 12
"""For one answer; a reading asks seven questions."""

STOP_TAKING = 5
EVERY = timedelta(minutes=5)
UNWELL_EVERY = timedelta(minutes=1)
BUSY_EVERY = timedelta(seconds=30)
"""While an operation works on one of its pools."""

LOOKED_AT = 100
"""Newest operations that are looked through for pools that they touch."""

OUR_FAULT = "The portal could not read this cloud because of a fault of its own. It is in the portal's log."
NOT_UNDERSTOOD = "CloudStack's answer was not understood. Look at the address of the API: it ends with /client/api."


@dataclass(frozen=True)
class Asked:
    """A text in place of the secret key says why it cannot be opened."""

    api: CloudApi
    secret: Secret | str


@dataclass(frozen=True)
class Answer:
    """Either `state` or `problem`. `offered` is the certificate that was shown in place of a trusted one."""

    api: CloudApi
    at: datetime
    state: CloudState | None
    problem: str = ""
    offered: str = ""


def ask(wanted: QuerySet[CloudApi]) -> int:
    """Marks clouds as due now and says how many; `tasks.wake_clouds` then tells a worker."""
    return wanted.update(next_read_at=timezone.now(), claim="")


def due() -> bool:
    return CloudApi.objects.filter(next_read_at__lte=timezone.now()).exists()


def hurry() -> int:
    """Brings forward clouds whose pools operations touch: while one runs, and once more when it has ended. Says how many."""
    now, wanted = timezone.now(), set[int]()
    if not CloudApi.objects.exists():
        return 0
    read_at = dict(Pool.objects.exclude(cloud__api=None).order_by().values_list("pk", "cloud__api__state_at"))
    for state, ended_at, locks in Operation.objects.order_by("-id").values_list("state", "ended_at", "locks")[:LOOKED_AT]:
        stale = now - BUSY_EVERY if state == OperationState.RUNNING else ended_at
        pools = {int(lock[5:]) for lock in locks if lock.startswith("pool:") and lock[5:].isdigit()} & read_at.keys()
        wanted |= {pk for pk in pools if stale and (at := read_at[pk]) and at < stale}
    rows = CloudApi.objects.filter(cloud__pools__in=wanted, claim="", next_read_at__gt=now)
    return CloudApi.objects.filter(pk__in=rows.values("pk")).update(next_read_at=now) if wanted else 0


def read_slice() -> int:
    """Reads due clouds until none is due or the time is up; says how many."""
    return side_by_side.work(_claim, read, store, at_once=AT_ONCE, stop_taking=STOP_TAKING)


def _claim(number: int) -> list[Asked]:
    return [Asked(api, _secret(api)) for api in side_by_side.claim(CloudApi.objects.all(), number).select_related("cloud")]


def _secret(api: CloudApi) -> Secret | str:
    try:
        return sealing.api_secret(api)
    except KeyringError as error:
        return str(error)


def read(asked: Asked) -> Answer:
    """One cloud, in a thread. Never raises: a fault of ours with one must not keep the others."""
    try:
        return _read(asked)
    except Exception:
        logger.exception("reading the cloud %s failed", asked.api.cloud_id)
        return Answer(asked.api, timezone.now(), None, OUR_FAULT)


def _read(asked: Asked) -> Answer:
    if isinstance(asked.secret, str):
        return Answer(asked.api, timezone.now(), None, asked.secret)
    client = Api(Endpoint(asked.api.url, asked.api.api_key, asked.api.pem), asked.secret, SECONDS)
    try:
        found = survey(client)
        return Answer(asked.api, timezone.now(), state_of(found))
    except Untrusted as error:
        return Answer(asked.api, timezone.now(), None, str(error), _offered(asked.api.url))
    except ApiError as error:
        return Answer(asked.api, timezone.now(), None, str(error))
    except (KeyError, TypeError, AttributeError):
        return Answer(asked.api, timezone.now(), None, NOT_UNDERSTOOD)
    finally:
        client.close()


def _offered(url: str) -> str:
    """The certificate for a person to compare, or "" when it is not shown now."""
    parts = urlsplit(url)
    try:
        return tls.served(parts.hostname or "", parts.port or 443, SECONDS)
    except OSError:
        return ""


def store(answers: Iterable[Answer]) -> None:
    """Nothing is stored for a connection that was changed, asked for again or removed while it was read."""
    for answer in answers:
        try:
            _store(answer)
            connecting.write(answer.api)
        except Exception:
            logger.exception("storing what the cloud %s said failed", answer.api.cloud_id)


@transaction.atomic
def _store(answer: Answer) -> None:
    row = CloudApi.objects.filter(pk=answer.api.pk, claim=answer.api.claim)
    row.update(**_fields(answer), claim="", next_read_at=answer.at + (EVERY if answer.state else UNWELL_EVERY))


def _fields(answer: Answer) -> dict[str, Any]:
    if answer.state is None:
        return {"problem": answer.problem, "problem_at": answer.at, "offered": answer.offered}
    return {"state": answer.state.plain(), "state_at": answer.at, "problem": "", "problem_at": None, "offered": ""}


def before(api: CloudApi) -> CloudState | None:
    """The newest good reading; None for none, or one that an older portal wrote in another form."""
    try:
        return CloudState.of(api.state)
    except ValidationError:
        return None
