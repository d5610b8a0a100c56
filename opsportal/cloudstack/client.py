"""Calls to one CloudStack, built on the library `cs`: always POST, signed with an expiry, never repeated, over a connection we trust.

What `cs` would do otherwise: sign "~" wrongly, follow redirects with the whole body, take 10 s as the time for everything, stop
reading pages too early, and use the proxies of the environment.
"""

from __future__ import annotations

import contextlib
import json
import re
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import cs
import requests
from cs import CloudStackApiException, CloudStackException
from requests.adapters import HTTPAdapter

from opsportal.cloudstack import signing
from opsportal.cloudstack.errors import ApiError, Refused, Unreachable, Unsure, Untrusted, refused
from opsportal.secrets.value import Secret
from opsportal.transport import tls

CONNECT_SECONDS = 10
SECONDS = 20
"""For a question."""

EXPIRES_IN = 600
LIMIT = 64 * 1024 * 1024
POLL = 2.0
SKEW = 120
"""Seconds by which the clocks may differ before we say so."""

SIZES = (500, 100, 20)
"""Of a page, the next when CloudStack finds one too large: its default.page.size may be less than 500."""

PAGES = 2000
READS = ("list", "query", "find")
PENDING, DONE, FAILED = 0, 1, 2

Tell = Callable[[str], None]
Row = dict[str, Any]


@dataclass(frozen=True)
class Endpoint:
    """`url` is that of the API, such as http://10.1.1.5:8080/client/api. `pem` is a pinned certificate; without one authorities count."""

    url: str
    api_key: str
    pem: str = ""


def reads(command: str) -> bool:
    """By its name it changes nothing."""
    return command.startswith(READS)


class Trusting(HTTPAdapter):
    """TLS by exactly the pinned certificate, whoever signed it and whatever name is in it; else by the system's authorities."""

    def __init__(self, pem: str) -> None:
        self.tls: dict[str, Any] = {"ssl_context": ssl.create_default_context()}
        if pem:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.tls = {"ssl_context": context, "assert_hostname": False, "assert_fingerprint": tls.fingerprint_of(pem)}
        super().__init__()

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, self.tls if host["scheme"] == "https" else {}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """The context does it."""


class Session(requests.Session):
    """Goes nowhere else than it is told, and reads no more than it can hold."""

    def __init__(self, pem: str, seconds: float) -> None:
        super().__init__()
        self.seconds, self.trust_env = seconds, False
        self.mount("https://", Trusting(pem))
        self.mount("http://", HTTPAdapter())

    def send(self, request: requests.PreparedRequest, **given: Any) -> requests.Response:
        timeout = (min(CONNECT_SECONDS, self.seconds), self.seconds)
        answer = super().send(request, **{**given, "allow_redirects": False, "stream": True, "timeout": timeout})
        answer._content = self._body(answer)
        answer._content_consumed = True  # what `content` looks at before it reads by itself
        return answer

    def _body(self, answer: requests.Response) -> bytes:
        until, body = time.monotonic() + self.seconds, bytearray()
        for piece in answer.iter_content(64 * 1024):
            body += piece
            if len(body) > LIMIT:
                raise requests.ConnectionError(f"the answer has more than {LIMIT} bytes")
            if time.monotonic() > until:
                raise requests.ReadTimeout(f"no whole answer within {self.seconds:.0f} s")
        return bytes(body)


class Signing(cs.CloudStack):
    def _sign(self, data: dict[str, Any]) -> None:
        """All names in lower case, in what is signed and in what is sent."""
        lowered = {name.lower(): str(value) for name, value in data.items()}
        data.clear()
        data |= lowered | {"signature": signing.signature(lowered, self.secret or "")}

    def request(self, command: str, params: dict[str, Any]) -> Any:
        """By its name, so that a command never meets an attribute of the library."""
        return self._request(command, **params)  # type: ignore[no-untyped-call]


class Api:
    """One CloudStack. `hidden` are further secrets (a password among the parameters) that no message may show."""

    def __init__(self, endpoint: Endpoint, secret: Secret, seconds: float = SECONDS, hidden: tuple[str, ...] = ()) -> None:
        self.endpoint = endpoint
        self.hidden = tuple(text for text in (secret.reveal(), *hidden) if text)
        try:
            self.session = Session(endpoint.pem, seconds)
        except (ValueError, ssl.SSLError):
            raise Refused("The pinned certificate is damaged. Read and pin it again on the page of the cloud.") from None
        self._cs = Signing(endpoint.url, endpoint.api_key, secret.reveal(), method="post", expiration=EXPIRES_IN, session=self.session)

    def close(self) -> None:
        self.session.close()

    def call(self, command: str, **params: Any) -> Row:
        """One call, once. Raises `Refused`, `Unreachable`, and `Unsure` for a change alone."""
        try:
            answer = self._cs.request(command, params)
        except CloudStackApiException as error:
            raise self._refused(command, error) from None
        except CloudStackException as error:
            raise self._not_json(command, error.response) from None
        except (requests.RequestException, OSError) as error:
            raise self._cut(command, error) from None
        return answer if isinstance(answer, dict) else {}

    def listed(self, command: str, key: str, **params: Any) -> list[Row]:
        """All rows over all pages. An answer without `key` has none."""
        for size in SIZES:
            try:
                return list(self._pages(command, key, size, params))
            except Refused as error:
                if error.code != 431 or "page" not in error.said.lower() or size == SIZES[-1]:
                    raise
        raise AssertionError("the last size either answers or raises")

    def _pages(self, command: str, key: str, size: int, params: dict[str, Any]) -> Iterator[Row]:
        seen = 0
        for page in range(1, PAGES + 1):
            answer = self.call(command, **params, page=page, pagesize=size)
            rows = answer.get(key) or []
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise Refused(f"CloudStack's answer to {command} is not a list of {key}.")
            yield from rows
            seen += len(rows)
            count = answer.get("count")
            if len(rows) != size or (isinstance(count, int) and seen >= count):
                return
        raise Refused(f"CloudStack's answer to {command} has no end: {seen} rows in {PAGES} pages.")

    def job(self, command: str, seconds: float, tell: Tell = lambda _: None, poll: float = POLL, **params: Any) -> Row:
        """Starts an asynchronous command and follows its job to the end; gives its result. Raises as `call` does."""
        started = self.call(command, **params)
        number = started.get("jobid")
        if not number:
            return started
        tell(f"CloudStack works on {command} as job {number}.")
        return self.follow(str(number), command, seconds, tell, poll)

    def follow(self, job: str, command: str, seconds: float, tell: Tell = lambda _: None, poll: float = POLL) -> Row:
        """A job that goes on in CloudStack, whatever becomes of us. An API that is away for a while is waited for."""
        until, said = time.monotonic() + seconds, ""
        while True:
            answer, news = self._asked(job, command)
            if answer.get("jobstatus", PENDING) != PENDING:
                return self._ended(command, job, answer)
            if news != said:
                said = news
                tell(news or "The API answers again.")
            if time.monotonic() + poll > until:
                raise Unsure(f"{command} was taken as job {job}, which had not ended after {seconds:.0f} s. {news or 'It still runs.'}")
            time.sleep(poll)

    def _asked(self, job: str, command: str) -> tuple[Row, str]:
        """What CloudStack says of a job, or why it does not say anything now."""
        try:
            return self.call("queryAsyncJobResult", jobid=job), ""
        except Unreachable as error:
            return {}, f"The API does not answer; the job may go on meanwhile. {error}"
        except Refused as error:
            if error.code in (0, 401, 429):
                return {}, f"CloudStack does not say how job {job} is. {error}"
            raise Unsure(f"{command} was taken as job {job}, of which CloudStack does not tell any more. {error}") from None

    def _ended(self, command: str, job: str, answer: Row) -> Row:
        result = answer.get("jobresult")
        found = result if isinstance(result, dict) else {}
        if answer.get("jobstatus") == DONE:
            return found
        if answer.get("jobstatus") != FAILED:
            raise Unsure(f"CloudStack says of job {job} ({command}) only: {self._masked(json.dumps(answer)[:300])}")
        raise refused(command, _code(found.get("errorcode"), answer.get("jobresultcode")), self._masked(str(found.get("errortext", ""))))

    # What went wrong.

    def _masked(self, text: str) -> str:
        for secret in self.hidden:
            text = text.replace(secret, "***")
        return text

    def _refused(self, command: str, error: CloudStackApiException) -> ApiError:
        body = error.error if isinstance(error.error, dict) else {}
        code = _code(body.get("errorcode"), error.response.status_code)
        return refused(command, code, self._masked(str(body.get("errortext", ""))), _clock(error.response) if code == 401 else "")

    def _not_json(self, command: str, answer: Any) -> ApiError:
        """A web server spoke, and not the API."""
        status = answer.status_code
        begins = " ".join(re.sub(r"<[^>]*>", " ", self._masked(answer.text[:4000])).split())[:160] or "nothing"
        if status in (301, 302, 303, 307, 308):
            place = answer.headers.get("Location", "elsewhere")[:200]
            return Refused(
                f"{self.endpoint.url} sends us to {place} ({status}), and nothing was done. If that is the API, give that address."
            )
        if status >= 500 and not reads(command):
            return Unsure(f"Something in front of CloudStack answered {command} with {status} “{begins}”: what came of it is open.")
        return Refused(
            f"{self.endpoint.url} does not answer as CloudStack's API ({status}): “{begins}”. The address ends with /client/api and leads "
            "to the management server, which takes some minutes after its start; a proxy in between may ask for a login."
        )

    def _cut(self, command: str, error: Exception) -> ApiError:
        where, why = self.endpoint.url, self._masked(_why(error))
        if _certificate(error):
            pinned = "another certificate than the pinned one" if self.endpoint.pem else "a certificate which no authority vouches for"
            return Untrusted(f"{where} shows {pinned} ({why}). Nothing was sent. Compare it and pin it on the page of the cloud.")
        if _never_sent(error):
            return Unreachable(
                f"{where} cannot be reached: {why}. Nothing was sent. Is the management server running, and the way there open?"
            )
        if reads(command):
            return Unreachable(f"{where} gave no answer to {command}: {why}.")
        return Unsure(f"{where} took {command} and gave no answer: {why}. Nobody knows whether it happened.")


def _code(*found: Any) -> int:
    """The first that is a number."""
    for one in found:
        with contextlib.suppress(TypeError, ValueError):
            return int(one)
    return 0


def _clock(answer: Any) -> str:
    try:
        theirs = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return ""
    off = theirs - time.time()
    if abs(off) < SKEW:
        return ""
    way = "ahead of" if off > 0 else "behind"
    return f"The clock there is {abs(off):.0f} s {way} the portal's: that alone is enough for it. Set both by NTP."


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error with everything it wraps."""
    seen: list[BaseException] = []
    todo = [error]
    while todo:
        one = todo.pop()
        if isinstance(one, BaseException) and one not in seen:
            seen.append(one)
            yield one
            todo += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]


def _named(error: BaseException, *names: str) -> bool:
    return any(type(one).__name__ in names for one in _chain(error))


def _certificate(error: Exception) -> bool:
    return _named(error, "SSLCertVerificationError", "CertificateError") or "Fingerprints did not match" in str(error)


def _never_sent(error: Exception) -> bool:
    """It failed before the request left: no name, no connection, or no TLS."""
    return _named(
        error, "NewConnectionError", "NameResolutionError", "ConnectTimeout", "ConnectTimeoutError", "InvalidURL", "MissingSchema"
    )


def _why(error: Exception) -> str:
    """The innermost reason in a few words: the outer ones repeat the address and names of Python's classes."""
    for one in reversed(list(_chain(error))):
        if isinstance(one, ssl.SSLCertVerificationError):
            return one.verify_message
        if isinstance(one, OSError) and one.strerror and not isinstance(one, requests.RequestException):
            return one.strerror
    if _named(error, "ReadTimeout", "ReadTimeoutError", "ConnectTimeout", "ConnectTimeoutError", "TimeoutError"):
        return "no answer in time"
    text = " ".join(str(error).split())
    return re.sub(r"^.*?: (?=[A-Z])", "", text)[:200] or type(error).__name__
