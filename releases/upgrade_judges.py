"""What proves an upgrade: pure rules over what servers and their database say."""

from __future__ import annotations

import re

from opsportal.operations.facts import FactError
from opsportal.transport.base import Result
from releases import upgrading, versions
from releases.facts.servers import DbVersions, answers

CODE = re.compile(r"DB version = (\S+) Code Version = (\S+)")


def same(one: str, other: str) -> bool:
    """Four numbers compared: the log of newer versions leaves the suffix out, and older ones the last zero."""
    try:
        return versions.parse(one).four == versions.parse(other).four
    except ValueError:
        return one == other


def code_version(result: Result, wants: str) -> str:
    """The newest line of the log about versions. `wants` is the build's version."""
    return code_version_of(result.out, wants)


def code_version_of(line: str, wants: str) -> str:
    """ "" when this line of the log names that version."""
    found = CODE.search(line)
    if not found:
        return "the log has no line with “Code Version”"
    return "" if same(found[2], wants) else f"the log says that {found[2]} started, not {wants}"


def version_table(result: Result, wants: str) -> str:
    """`wants` is the version that the table has to end with."""
    try:
        found = DbVersions("the server", sudo=False, name="").parse(result)
    except FactError as error:
        return str(error)
    if half := upgrading.half_done(found.rows):
        return f"the version table has a row that is not complete: {', '.join(half)}"
    now = upgrading.current(found.rows)
    return "" if now == wants or same(now, wants) else f"the version table says {now or 'nothing'} instead of {wants}"


def nobody_up(result: Result, wants: str) -> str:
    """No management server has said within `wants` seconds that it lives."""
    try:
        (rows,) = answers(result, "the server", 1)
    except FactError as error:
        return str(error)
    alive = [
        row[0] for row in rows if len(row) == 5 and row[2].lower() == "up" and row[4].lstrip("-").isdigit() and int(row[4]) < int(wants)
    ]
    return f"{', '.join(alive)} still says that it runs" if alive else ""


API = re.compile(r"listcapabilitiesresponse")
API_VERSION = re.compile(r'cloud-stack-version="([^"]+)"')


def api_answers(result: Result, wants: str) -> str:
    """The API's own words, even where it refuses. `wants` is the version, which only the XML answer carries."""
    if not API.search(result.out):
        return f"port 8080 does not answer as CloudStack's API does: {(result.out or result.err).strip()[:200] or 'nothing came'}"
    found = API_VERSION.search(result.out)
    return "" if not found or same(found[1], wants) else f"the API says that {found[1]} runs, not {wants}"
