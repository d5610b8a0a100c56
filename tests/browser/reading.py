"""A viewer without a browser: reads an operation's stream as the page's script does."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any
from urllib.parse import urlsplit


class Reader:
    """Keeps lines by number; comes back with the id of the last event. `kinds` are the events it got, in their order."""

    def __init__(self, url: str, pk: int, session: str) -> None:
        self.place, self.pk = urlsplit(url).netloc, pk
        self.session = session
        self.headers = {"Cookie": f"sessionid={session}"}
        self.lines: dict[int, Any] = {}
        self.last_id = ""
        self.next = self.total = 0
        self.state = ""
        self.kinds: list[str] = []

    def connect(self) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Open the stream; `read_on` reads it."""
        link = http.client.HTTPConnection(self.place, timeout=10)
        again = {"Last-Event-ID": self.last_id} if self.last_id else {}
        link.request("GET", f"/operations/{self.pk}/events", headers=self.headers | again)
        return link, link.getresponse()

    def status(self) -> int:
        """What a new stream is answered with."""
        link, answer = self.connect()
        link.close()
        return answer.status

    def read(self, seconds: float) -> bool:
        """Connect, read for so long and drop the connection. True when the server ended the stream itself."""
        return self.read_on(*self.connect(), seconds)

    def read_on(self, link: http.client.HTTPConnection, answer: http.client.HTTPResponse, seconds: float) -> bool:
        until, kind = time.monotonic() + seconds, ""
        try:
            while (rest := until - time.monotonic()) > 0:
                link.sock.settimeout(rest)
                if not (line := answer.readline()):
                    return True
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "id":
                    self.last_id = value
                elif name == "data":
                    self._take(kind, json.loads(value))
        except TimeoutError:
            pass
        finally:
            link.close()
        return False

    def _take(self, kind: str, payload: dict[str, Any]) -> None:
        self.kinds.append(kind)
        self.state = payload.get("state", self.state)
        if kind != "log":
            return
        if payload["first"] > self.next:
            self.lines.pop(self.next, None)  # it was open, and its end was in what did not come
        self.total, self.next = max(self.total, payload["total"]), max(self.next, payload["next"])
        for number, line in enumerate(payload["lines"], payload["first"]):
            self.lines[number] = line

    def text(self) -> list[Any]:
        """Every line; those that did not come are asked for, as the page does when it shows them."""
        for number in range(self.total):
            if number not in self.lines:
                for index, line in enumerate(self.get(f"log?first={number}&count=1000")["lines"]):
                    self.lines.setdefault(number + index, line)
        return [self.lines[number] for number in range(self.total)]

    def get(self, address: str) -> Any:
        link = http.client.HTTPConnection(self.place, timeout=20)
        link.request("GET", f"/operations/{self.pk}/{address}", headers=self.headers)
        body = json.loads(link.getresponse().read())
        link.close()
        return body
