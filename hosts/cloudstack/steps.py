"""Calls to CloudStack's API as steps and conditions of plans. Pure: nothing here calls or reads anything.

They are commands on the portal's own machine (`opsportal.cloudstack`). A command opens the connection's secret key by itself when it
runs, from a sealed file of the portal: so plans name only the address, no step brings or removes the key, and a way back still signs
after a crash or a day later. A change is sent once, ever; when its answer does not come the command ends with 75, and only the probe
can say what happened.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from opsportal.cloudstack import commands
from opsportal.cloudstack.client import CONNECT_SECONDS, SECONDS
from opsportal.cloudstack.commands import Files, Params
from opsportal.cloudstack.request import UNSURE
from opsportal.operations.steps import Condition, Effect, NothingToUndo, PutSecret, RunCommand, Step, Undo, WayBack
from opsportal.transport.command import Command

JUDGE = "hosts.cloudstack.judges."
SAYS_WHY = "hosts.cloudstack.saying.Said"

ADDING = 900
"""Seconds for addHost: the management server logs in, sets up an agent and waits up to five minutes for it, before it answers."""


@dataclass(frozen=True)
class Api:
    """A cloud's connection as plans need it. `pk` is that of its `CloudApi`."""

    pk: int
    cloud: str
    url: str


def connection_file(pk: int) -> Path:
    """See `opsportal.cloudstack.kept`."""
    return Path(settings.STATE_DIR) / "cloudapi" / f"{pk}.json"


def survey_command(pk: int) -> Command:
    return commands.survey(connection_file(pk), settings.KEY_FILE)


def call(api: Api, command: str, params: Params, *, seconds: float = SECONDS, job: float = 0, key: str = "", files: Files = ()) -> Command:
    """One call, as `opsportal.cloudstack.commands.call`."""
    return commands.call(
        connection_file(api.pk), settings.KEY_FILE, api.url, command, params, seconds=seconds, job=job, key=key, files=files
    )


def change(api: Api, command: str, params: Params, *, seconds: float = 60, job: float = 0, files: Files = ()) -> RunCommand:
    """For steps, undos and ways back. `job` is how many seconds an asynchronous command is followed; 0 for one that answers at once."""
    timeout = int(seconds + job) + 2 * CONNECT_SECONDS + 30
    return RunCommand(call(api, command, params, seconds=seconds, job=job, files=files), timeout=timeout, unsure=(UNSURE,))


def api_step(
    key: str,
    api: Api,
    title: str,
    why: str,
    command: str,
    params: Params,
    *,
    probe: tuple[Condition, ...],
    undo: Undo,
    effect: Effect = Effect.IDEMPOTENT,
    expect: tuple[Condition, ...] = (),
    seconds: float = 60,
    job: float = 0,
    files: Files = (),
    danger: bool = False,
    opens: WayBack | None = None,
    settles: str = "",
    record: str = "",
) -> Step:
    """A change. Its answer proves nothing: `probe` reads the API again, and alone decides when the answer did not come."""
    return Step(
        key=key,
        target="local",
        title=title,
        why=why,
        action=change(api, command, params, seconds=seconds, job=job, files=files),
        effect=effect,
        interruptible=False,
        expect=expect,
        probe=probe,
        undo=undo,
        danger=danger,
        opens=opens,
        settles=settles,
        progress=SAYS_WHY,
        record=record,
    )


LISTS = {
    "listHosts": "host",
    "listClusters": "cluster",
    "listZones": "zone",
    "listPods": "pod",
    "listManagementServers": "managementserver",
}


def asks(api: Api, says: str, command: str, params: Params, judge: str, wants: str = "", within: int = 0) -> Condition:
    """A question to the API and a rule of `hosts.cloudstack.judges` by its name. Lists are read over all pages."""
    asked = call(api, command, params, key=LISTS.get(command, ""))
    return Condition(says, asked, JUDGE + judge, wants, within=within, timeout=3 * SECONDS, target="local")


def hosts_are(api: Api, says: str, ids: dict[str, str], wants: str, within: int = 0, **params: str) -> Condition:
    """Every one of these hosts (id to name) is as `wants` says, such as "Up/Enabled"; `params` narrow the list (clusterid)."""
    return asks(api, says, "listHosts", {"type": "Routing", **params}, "hosts_are", json.dumps({"hosts": ids, "are": wants}), within)


def way_back(
    key: str, resource: str, title: str, api: Api, command: str, params: Params, proof: tuple[Condition, ...], *, job: float = 0
) -> WayBack:
    """`resource` is the lock it shows on, such as "pool:3"."""
    return WayBack(key, resource, title, change(api, command, params, job=job), proof)


# A password among the parameters.

PASSWORD = "cloudstack-password"  # noqa: S105 - a key of restorations


def password_folder(token: str) -> Path:
    """On the portal's own machine, for one run."""
    return Path(settings.STATE_DIR) / "cloudapi" / f"run-{token}"


def password_file(token: str) -> Files:
    """For `files` of a step: the parameter "password"."""
    return (("password", str(password_folder(token) / "password")),)


def bring_password(token: str, credential: int, called: str, resource: str) -> Step:
    """Its way back removes the file: so it is on record if the operation ends before `forget_password`."""
    place = str(password_folder(token))
    remove = RunCommand(Command(("rm", "-rf", place)), timeout=30)
    return Step(
        key="cloudstack-password",
        target="local",
        title="Put the host's password where the portal's client reads it",
        why="CloudStack logs in at the host with it. As an argument every process list would show it; this file only the portal can read.",
        action=PutSecret(f"{place}/password", f"credential:{credential}", f"the password in the credential {called}"),
        effect=Effect.IDEMPOTENT,
        interruptible=True,
        expect=(),
        probe=(Condition("The file is there", Command(("test", "-s", f"{place}/password"))),),
        undo=remove,
        opens=WayBack(PASSWORD, resource, "The portal keeps a host's password in a file", remove, _gone(place)),
    )


def forget_password(token: str) -> Step:
    place = str(password_folder(token))
    return Step(
        key="cloudstack-forget",
        target="local",
        title="Remove the host's password",
        why="It is not needed any more: CloudStack keeps its own copy.",
        action=RunCommand(Command(("rm", "-rf", place)), timeout=30),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=_gone(place),
        undo=NothingToUndo(),
        settles=PASSWORD,
    )


def _gone(place: str) -> tuple[Condition, ...]:
    return (Condition("The folder is gone", Command(("test", "!", "-e", place))),)
