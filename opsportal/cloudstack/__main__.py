"""One piece of work with CloudStack's API, as a command on the portal's own machine.

`python -m opsportal.cloudstack call CONNECTION KEYS [PARAMETER=FILE ...]` reads one `Request` as JSON on its standard input.
`... survey CONNECTION KEYS` asks for all that the portal wants to know. CONNECTION is a file as in `kept`, KEYS the portal's key file.
Parameters that are secrets come from files, so that they stand in no argument, plan or log.

The last line of the output is the answer as JSON; what goes on stands before it. Exit codes: 0 done, 1 refused or never sent,
75 nobody knows whether it happened.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from opsportal.cloudstack import kept
from opsportal.cloudstack.client import CONNECT_SECONDS, Api
from opsportal.cloudstack.errors import ApiError, Refused, Unsure
from opsportal.cloudstack.request import REQUEST, UNSURE, Request
from opsportal.cloudstack.survey import survey
from opsportal.secrets.value import Secret
from opsportal.transport.tls import within

SURVEY_SECONDS = 60


def main(words: list[str]) -> int:
    try:
        print(json.dumps(_run(*words), ensure_ascii=False))  # noqa: T201 - a command speaks on its output
    except Unsure as error:
        print(error, file=sys.stderr)  # noqa: T201
        return UNSURE
    except ApiError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _run(verb: str, connection: str, keys: str, *files: str) -> Any:
    found = kept.read(Path(connection))
    secret = kept.secret_of(found, Path(keys))
    if verb == "survey":
        return _survey(Api(found.endpoint, secret))
    try:
        request = REQUEST.validate_json(sys.stdin.read())
    except ValidationError as error:
        raise Refused(f"The request is not whole: {error}.") from None
    if request.url != found.url:
        raise Refused(f"The API of this cloud is at {found.url} now, and was at {request.url} when this was planned. Nothing was sent.")
    return _call(request, found, secret, _secrets(files))


def _survey(api: Api) -> Any:
    try:
        with within(SURVEY_SECONDS):
            return survey(api)
    except TimeoutError as error:
        raise Refused(f"CloudStack did not answer all questions: {error}.") from None


def _call(request: Request, found: kept.Kept, secret: Secret, more: dict[str, str]) -> Any:
    api = Api(found.endpoint, secret, request.seconds, tuple(more.values()))
    params: dict[str, Any] = request.params | more
    if request.key:
        rows = api.listed(request.command, request.key, **params)
        return {"count": len(rows), request.key: rows}
    if request.job:
        return api.job(request.command, request.job, _tell, **params)
    with within(request.seconds + CONNECT_SECONDS):
        return api.call(request.command, **params)


def _secrets(files: tuple[str, ...]) -> dict[str, str]:
    """Parameter to the content of its file."""
    found = {}
    for word in files:
        name, _, path = word.partition("=")
        try:
            found[name] = Path(path).read_text().removesuffix("\n")
        except OSError as error:
            raise Refused(f"The file with {name} cannot be read: {error.strerror}. Nothing was sent. Plan the operation again.") from None
    return found


def _tell(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
