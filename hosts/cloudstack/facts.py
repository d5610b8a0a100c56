"""What CloudStack says of a cloud, and whether the portal has a connection to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

from django.db.models import QuerySet

from hosts.cloudstack.models import CloudApi
from hosts.cloudstack.state import CloudState, state_of
from hosts.cloudstack.steps import Api, survey_command
from opsportal.operations.facts import Fact, FactError, OfThePortal, Reader
from opsportal.transport.base import Result
from opsportal.transport.command import Command


@dataclass(frozen=True)
class CloudFacts(Fact[CloudState]):
    """Zones, clusters, hosts and management servers as CloudStack lists them

    Target "local". `api` is the pk of a `CloudApi`. What always moves (the last ping) is left out.
    """

    api: int
    timeout: ClassVar[float] = 90

    def command(self) -> Command:
        return survey_command(self.api)

    def parse(self, result: Result) -> CloudState:
        if result.exit or result.truncated:
            raise FactError(result.err.strip()[-600:] or "CloudStack's answer was cut, so it is not whole.")
        try:
            return state_of(json.loads(result.out.strip().splitlines()[-1])).settled()
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            raise FactError("CloudStack's answer was not understood. Look at the address of the API on the page of the cloud.") from None


@dataclass(frozen=True)
class ApiOfPool(OfThePortal, Fact[Api | None]):
    """The connection to the CloudStack that the pool belongs to

    Target "portal". None when its cloud has no connection: CloudStack is not told then.
    """

    pool: int

    def read(self, reader: Reader) -> Api | None:
        return _api(CloudApi.objects.filter(cloud__pools=self.pool))


@dataclass(frozen=True)
class ApiOfHost(OfThePortal, Fact[Api | None]):
    """The connection to the CloudStack that the host belongs to

    Target "portal". None when its cloud has no connection, or it lies in no cloud.
    """

    host: int

    def read(self, reader: Reader) -> Api | None:
        return _api(CloudApi.objects.filter(cloud__hosts=self.host))


@dataclass(frozen=True)
class ApiOfCloud(OfThePortal, Fact[Api | None]):
    """The connection to a CloudStack

    Target "portal". None for a cloud without one.
    """

    cloud: int

    def read(self, reader: Reader) -> Api | None:
        return _api(CloudApi.objects.filter(cloud=self.cloud))


def _api(found: QuerySet[CloudApi]) -> Api | None:
    one = found.select_related("cloud").first()
    return Api(one.pk, one.cloud.name, one.url) if one else None
