"""A simulated cloud over a seat's pools, asked as a signed request is."""

from __future__ import annotations

import json
from typing import Any

from opsportal.lab.cloudstack.cloud import Cloud, Reply
from opsportal.lab.cloudstack.signing import signature
from opsportal.lab.xen.world import World

KEY, SECRET = "the-key", "the-secret"


class Refused(Exception):
    def __init__(self, code: int, text: str, detail: int | None) -> None:
        super().__init__(f"{code} {text}")
        self.code, self.text, self.detail = code, text, detail


class Asker:
    def __init__(self, world: World | None = None, version: str = "4.8.0") -> None:
        self.world = world or World.practice(1)
        self.cloud = Cloud.practice(self.world, KEY, SECRET)
        self.cloud.data.version = version

    def reply(self, command: str, **given: str) -> Reply:
        parameters = {"command": command, "apikey": KEY, "response": "json", **given}
        return self.cloud.answer({**parameters, "signature": signature(parameters, SECRET)})

    def __call__(self, command: str, **given: str) -> dict[str, Any]:
        reply = self.reply(command, **given)
        ((name, body),) = json.loads(reply.body).items()
        if reply.status != 200:
            assert body["errorcode"] == reply.status
            raise Refused(reply.status, body["errortext"], body.get("cserrorcode"))
        assert name == f"{command.lower()}response"
        answer: dict[str, Any] = body
        return answer

    def later(self, seconds: float) -> None:
        """As the lab's thread does it: whatever is due in its order."""
        end = self.world.now + seconds
        self.cloud.look()
        while self.world.now < end:
            due = [at for at in (self.world.next_at(), self.cloud.next_at()) if at is not None and at <= end]
            self.world.advance(min(due, default=end))
            self.cloud.advance(self.world.now)

    def hosts(self, key: str = "name", **given: str) -> dict[str, dict[str, Any]]:
        return {host[key]: host for host in self("listHosts", type="Routing", **given).get("host", [])}

    def id(self, name: str) -> str:
        return str(self.hosts()[name]["id"])

    def cluster(self, name: str) -> dict[str, Any]:
        return next(one for one in self("listClusters")["cluster"] if one["name"] == name)

    def states(self, *names: str) -> list[str]:
        hosts = self.hosts()
        return [hosts[name]["state"] for name in names]

    def done(self, command: str, **given: str) -> dict[str, Any]:
        """The row of a job, once it has ended."""
        job = self(command, **given)["jobid"]
        for _ in range(60):
            row = self("queryAsyncJobResult", jobid=job)
            if row["jobstatus"]:
                return row
            self.later(1)
        raise AssertionError("the job did not end")
