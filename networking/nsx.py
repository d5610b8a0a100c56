"""A client of the API of NSX for Multi-Hypervisor, run as a command on the portal's own machine.

`python -m networking.nsx peek ADDRESS PORT` shows the certificate that is served. `look`, `register` and `remove` read one `Request` as
JSON on their standard input and the password from a file, so that it stands in no argument, plan or log. Exit codes: 0 done or found,
1 refused and nothing changed, 75 nobody knows whether it happened.

The calls are those on which several independent deployers of NSX-MH agree; none was tried against a real controller. The server has to
show exactly the pinned certificate before a byte of ours is sent: neither its name nor an authority counts.
"""

from __future__ import annotations

import http.client
import json
import ssl
import sys
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from opsportal.transport.tls import served, within

SECONDS = 20
"""For one call and its answer, however slowly that drips."""

LIMIT = 4 * 1024 * 1024
LOGINS = 3
UNSURE = 75
NODES = "/ws.v1/transport-node"


class Refused(Exception):
    """It did not happen. The message says what, why, and what to do."""


class Unsure(Exception):
    """The answer to a change never came, and looking again did not help."""


class Broken(Refused):
    """A call without a usable answer: for a change this leaves open whether it happened."""


@dataclass(frozen=True)
class Request:
    """`pem` is the pinned certificate. `zone` is a transport zone's uuid. With `management` the node is known by its address."""

    address: str
    port: int
    username: str
    pem: str
    node: str
    bridge: str = ""
    zone: str = ""
    connector: str = ""
    tunnel: str = ""
    management: str = ""


REQUEST: TypeAdapter[Request] = TypeAdapter(Request)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    cookie: str

    def json(self) -> dict[str, Any]:
        try:
            found = json.loads(self.body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Broken(f"NSX did not answer with JSON but with {_text(self.body)!r}.")
        return found


def _text(body: bytes) -> str:
    return " ".join(body[:600].decode("utf-8", "replace").split())[:200]


def pinned(pem: str) -> ssl.SSLContext:
    """Trusts this one certificate, whoever signed it. The name in it means nothing: it was compared by a person."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=pem)
    return context


class Api:
    """One session. Logs in when NSX asks for it, and again a few times when it forgets."""

    def __init__(self, request: Request, password: str, seconds: float = SECONDS) -> None:
        self.request, self.password, self.seconds = request, password, seconds
        self.context = pinned(request.pem)
        self.wanted = ssl.PEM_cert_to_DER_cert(request.pem.strip())
        self.cookie = ""
        self.logins = 0

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        """Raises `Refused`, or `Broken` where it is open what NSX made of it."""
        if not self.cookie:
            self.login()
        data = json.dumps(body).encode() if body is not None else b""
        while True:
            answer = self._once(method, path, data, {"Content-Type": "application/json", "Cookie": self.cookie})
            if answer.status != http.client.UNAUTHORIZED:
                return answer
            self.login()

    def login(self) -> None:
        self.logins += 1
        if self.logins > LOGINS:
            raise Refused(f"NSX took the login {LOGINS} times and asked for it again each time (401). Nothing was done.")
        form = urllib.parse.urlencode({"username": self.request.username, "password": self.password}).encode()
        answer = self._once("POST", "/ws.v1/login", form, {"Content-Type": "application/x-www-form-urlencoded"})
        if answer.status in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
            raise Refused(f"NSX refuses the login of {self.request.username} ({answer.status}): look at the credential.")
        if answer.status != http.client.OK or not answer.cookie:
            raise Refused(self.said(f"NSX answered the login with {answer.status}", answer))
        self.cookie = answer.cookie

    def said(self, sentence: str, answer: Answer) -> str:
        """With the beginning of the body, in which a hostile server may have put the password."""
        text = _text(answer.body)
        return f"{sentence}: {text.replace(self.password, '***') if self.password else text or 'no text'}."

    def _once(self, method: str, path: str, data: bytes, headers: dict[str, str]) -> Answer:
        where = f"NSX at {self.request.address}, port {self.request.port},"
        connection = http.client.HTTPSConnection(
            self.request.address, self.request.port, timeout=min(10, self.seconds), context=self.context
        )
        sent = False
        try:
            with within(self.seconds):
                self._connect(connection)
                sent = True
                connection.request(method, path, data, headers)
                return self._answer(connection.getresponse())
        except ssl.SSLCertVerificationError as error:
            raise Refused(f"{where} shows another certificate than the pinned one ({error.verify_message}). Nothing was sent.") from None
        except (OSError, http.client.HTTPException) as error:
            kind = Broken if sent else Refused
            raise kind(f"{where} gave no answer to {method} {path.partition('?')[0]}: {error or type(error).__name__}.") from None
        finally:
            connection.close()

    def _connect(self, connection: http.client.HTTPSConnection) -> None:
        connection.connect()
        assert isinstance(connection.sock, ssl.SSLSocket)
        if connection.sock.getpeercert(binary_form=True) != self.wanted:
            raise ssl.SSLCertVerificationError("not the pinned certificate itself")

    def _answer(self, response: http.client.HTTPResponse) -> Answer:
        body = response.read(LIMIT + 1)
        if len(body) > LIMIT:
            raise http.client.HTTPException(f"more than {LIMIT} bytes")
        cookie = (response.getheader("Set-Cookie") or "").partition(";")[0].strip()
        return Answer(response.status, body, cookie)


# What the runbooks do with it.


def nodes(api: Api, name: str) -> list[dict[str, Any]]:
    """Transport nodes of exactly this name, with all their fields."""
    query = urllib.parse.urlencode({"display_name": name, "fields": "*"})
    answer = api.call("GET", f"{NODES}?{query}")
    if answer.status != http.client.OK:
        raise Refused(api.said(f"NSX answered {answer.status} instead of listing its transport nodes", answer))
    found = answer.json().get("results")
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise Refused("NSX's list of transport nodes has no results.")
    return [one for one in found if one.get("display_name") == name]


def zones(api: Api) -> dict[str, str]:
    """Names of transport zones by uuid."""
    answer = api.call("GET", "/ws.v1/transport-zone?fields=*")
    if answer.status != http.client.OK:
        raise Refused(api.said(f"NSX answered {answer.status} instead of listing its transport zones", answer))
    found = answer.json().get("results")
    rows = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return {str(one.get("uuid")): str(one.get("display_name", "")) for one in rows}


def look(api: Api) -> str:
    """Logs in and reads; changes nothing."""
    request = api.request
    known = nodes(api, request.node)
    if request.zone and request.zone not in (there := zones(api)):
        named = ", ".join(f"{uuid} ({name})" for uuid, name in sorted(there.items())[:10]) or "none"
        raise Refused(f"NSX has no transport zone {request.zone}. It has: {named}.")
    return f"NSX takes the login, and {'knows' if known else 'does not know'} a transport node {request.node}."


def wanted(request: Request, certificate: str) -> dict[str, Any]:
    """The body of a registration."""
    credential: dict[str, Any] = {"type": "MgmtAddrCredential", "mgmt_address": request.management}
    if not request.management:
        credential = {"type": "SecurityCertificateCredential", "client_certificate": {"pem_encoded": certificate}}
    connector = {"type": request.connector, "ip_address": request.tunnel, "transport_zone_uuid": request.zone}
    return {
        "display_name": request.node,
        "integration_bridge_id": request.bridge,
        "credential": credential,
        "transport_connectors": [connector],
    }


def same(node: dict[str, Any], body: dict[str, Any]) -> bool:
    return _identity(node) == _identity(body)


def _identity(node: dict[str, Any]) -> str:
    """What NSX knows a node by: its certificate without line ends, or its address."""
    credential = node.get("credential")
    found = credential if isinstance(credential, dict) else {}
    certificate = found.get("client_certificate")
    pem = certificate.get("pem_encoded") if isinstance(certificate, dict) else None
    return "".join(str(pem or found.get("mgmt_address") or "").split())


def register(api: Api, certificate: str) -> str:
    """Once: what is registered like this already stays. Raises `Unsure` when nobody can tell."""
    request = api.request
    body = wanted(request, certificate)
    if known := nodes(api, request.node):
        if any(same(one, body) for one in known):
            return f"NSX has {request.node} already, with the same identity."
        raise Refused(f"NSX has a transport node {request.node} with another identity. Take it out first, or choose another name.")
    try:
        answer = api.call("POST", NODES, body)
        why = "" if answer.status == http.client.CREATED else api.said(f"NSX answered {answer.status} to the registration", answer)
    except Broken as error:
        why = str(error)
    if any(same(one, body) for one in _again(api, why)):
        return f"NSX has {request.node} as a transport node now.{f' Although: {why}' if why else ''}"
    raise Refused(f"{why or 'NSX said that it is done.'} Looked again: the transport node {request.node} is not there.")


def remove(api: Api) -> str:
    request = api.request
    known = nodes(api, request.node)
    if not known:
        return f"NSX has no transport node {request.node}."
    if len(known) > 1:
        raise Refused(f"NSX has {len(known)} transport nodes {request.node}. Remove the right one in NSX.")
    why = ""
    try:
        answer = api.call("DELETE", f"{NODES}/{urllib.parse.quote(str(known[0].get('uuid')), safe='')}")
        if answer.status not in (http.client.NO_CONTENT, http.client.OK, http.client.NOT_FOUND):
            why = api.said(f"NSX answered {answer.status} to the removal", answer)
    except Broken as error:
        why = str(error)
    if _again(api, why):
        raise Refused(f"{why or 'NSX said that it is done.'} Looked again: the transport node {request.node} is still there.")
    return f"NSX has no transport node {request.node} any more."


def _again(api: Api, why: str) -> list[dict[str, Any]]:
    """The list after a change, which alone says what became of it."""
    try:
        return nodes(api, api.request.node)
    except Refused as error:
        raise Unsure(f"{why} Looked again, in vain: {error}".strip()) from None


def peek(address: str, port: int, seconds: float = SECONDS) -> str:
    """The certificate that is served, as PEM. Nothing but the handshake is sent, and nothing is believed: a person compares it."""
    try:
        with within(seconds):
            return served(address, port, min(10, seconds))
    except OSError as error:
        raise Refused(f"{address}, port {port}, shows no certificate: {error}. Look at the address and the way there.") from None


def main(words: list[str]) -> int:
    try:
        print(_run(*words))  # noqa: T201 - a command speaks on its output
    except Refused as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    except Unsure as error:
        print(error, file=sys.stderr)  # noqa: T201
        return UNSURE
    return 0


def _run(verb: str, first: str, second: str = "") -> str:
    if verb == "peek":
        return peek(first, int(second))
    try:
        api = Api(REQUEST.validate_json(sys.stdin.read()), _file(first, "the password").removesuffix("\n"))
    except (ValidationError, ssl.SSLError, ValueError) as error:
        raise Refused(f"The request is not whole: {error}.") from None
    if verb == "register":
        return register(api, "" if api.request.management else _file(second, "the switch's certificate"))
    return {"look": look, "remove": remove}[verb](api)


def _file(path: str, what: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        raise Refused(f"The file with {what} cannot be read: {error.strerror}. Run the whole operation again.") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
