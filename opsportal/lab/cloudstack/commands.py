"""The table of what the API knows, and what all commands share: parameters, pages, jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from opsportal.lab.cloudstack.errors import ApiError, invalid, missing, no_such
from opsportal.lab.cloudstack.model import Cluster, Database, Host, Job
from opsportal.lab.xen.world import World

Row = dict[str, Any]
PAGE_SIZE = 500
"""default.page.size"""


@dataclass
class Asked:
    """One request. `given` has its parameters, names in lower case; `password` is that of the hosts' root, and
    `places` says which host answers at which other address. `after` is how long the
    answer takes, in seconds of the seat's clock."""

    data: Database
    world: World
    command: str
    given: dict[str, str]
    password: str = ""
    places: dict[str, str] = field(default_factory=dict)
    after: float = field(default=0.0)

    def need(self, name: str) -> str:
        value = self.given.get(name, "")
        if not value:
            raise missing(self.command, name)
        return value

    def flag(self, name: str) -> bool:
        return self.given.get(name, "").lower() == "true"

    def host(self, name: str = "id") -> Host:
        value = self.need(name)
        if value in self.data.removed:
            raise invalid(f"Host with id {value} doesn't exist")
        if value not in self.data.hosts:
            raise no_such(self.command, name, value)
        return self.data.hosts[value]

    def cluster(self, name: str = "id") -> Cluster:
        value = self.need(name)
        if value not in self.data.clusters:
            raise no_such(self.command, name, value)
        return self.data.clusters[value]

    def known(self, name: str, ids: Iterable[str]) -> None:
        """A filter that names nothing the cloud knows is an error, as every id is."""
        value = self.given.get(name, "")
        if value and value not in set(ids):
            raise no_such(self.command, name, value)

    def keep(self, rows: list[Row], **fields: str) -> list[Row]:
        """Those that match every filter that was given: parameter to field of the row."""
        for name, key in fields.items():
            if wanted := self.given.get(name, ""):
                rows = [row for row in rows if str(row.get(key, "")).lower() == wanted.lower()]
        word = self.given.get("keyword", "").lower()
        return [row for row in rows if word in str(row.get("name", "")).lower()]

    def listed(self, kind: str, rows: list[Row]) -> Row:
        """Nothing at all where there is nothing."""
        chosen = self._page(rows)
        return {"count": len(rows), kind: chosen} if chosen else ({"count": len(rows)} if rows else {})

    def _page(self, rows: list[Row]) -> list[Row]:
        page, size = self._number("page"), self._number("pagesize")
        if size is not None and size > PAGE_SIZE:
            raise invalid(f"Page size can't exceed max allowed page size value: {PAGE_SIZE}")
        if size == -1 or (size is not None and size < 1):
            raise invalid(f"Invalid parameter pagesize value={size}: -1 is only allowed where default.page.size is unlimited")
        if page is None or size is None:
            return rows[: size or PAGE_SIZE]
        if page < 1:
            raise invalid(f"Invalid parameter page value={page}: pages begin with 1")
        return rows[(page - 1) * size : page * size]

    def _number(self, name: str) -> int | None:
        value = self.given.get(name, "")
        try:
            return int(value) if value else None
        except ValueError:
            raise no_such(self.command, name, value) from None

    def job(self, host: Host, seconds: float, act: Callable[[], None]) -> Row:
        """Begins it; what `act` refuses is the job's result."""
        job = Job(self.data.uuid(), self.command, host.id, self.data.now, self.data.now + seconds)
        if self.data.faults.job:
            self.data.faults.job -= 1
            job.error = [530, "Failed to " + self.command + ": the job was ended by a resource that was not available"]
        else:
            try:
                act()
            except ApiError as error:
                job.error = [error.code, error.text]
        self.data.jobs[job.id] = job
        return {"jobid": job.id}


Handler = Callable[[Asked], Row]


@dataclass(frozen=True)
class Command:
    """`first` is the version that brought it; one that `changes` something meets the faults for changes."""

    name: str
    handler: Handler
    changes: bool = False
    first: tuple[int, ...] = ()


COMMANDS: dict[str, Command] = {}
"""By names in lower case: ApiServer takes them in any."""


def command(name: str, *, changes: bool = False, first: tuple[int, ...] = ()) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        COMMANDS[name.lower()] = Command(name, handler, changes, first)
        return handler

    return register


def finish(data: Database) -> None:
    for job in data.jobs.values():
        job.done = job.done or job.due <= data.now


def lose(data: Database) -> None:
    """The management server ends: its jobs do, too."""
    for job in data.jobs.values():
        if not job.done:
            job.done, job.error = True, [530, "job cancelled because of management server restart or shutdown"]
