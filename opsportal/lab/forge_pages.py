"""The forge's few pages, as small as a page can be. They are not the portal's."""

from __future__ import annotations

from html import escape
from http import HTTPStatus

from opsportal.lab.practice_source import NAME
from opsportal.lab.pulls import PULLS, Pull


def _page(title: str, content: str) -> bytes:
    head = f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n<h1>{escape(title)}</h1>\n'
    return f"{head}{content}</html>\n".encode()


def _list(items: list[str]) -> str:
    return "<ul>\n" + "".join(f"<li>{item}</li>\n" for item in items) + "</ul>\n"


def index(url: str, refs: list[str]) -> bytes:
    """Where to clone from, the branches and tags, the pull requests."""
    pulls = [f'<a href="/pull/{pull.number}">{pull.number}</a> {escape(pull.title)}' for pull in PULLS]
    names = [escape(ref) for ref in refs]
    clone = f"<p><code>git clone {escape(url)}/{NAME}</code></p>\n"
    return _page("Practice forge", f"{clone}<h2>Branches and tags</h2>\n{_list(names)}<h2>Pull requests</h2>\n{_list(pulls)}")


def pull_request(pull: Pull, commits: list[str]) -> bytes:
    """`commits` are lines of text, newest first."""
    intro = f'<p>Wants to go into <code>{escape(pull.base)}</code>. <a href="/pull/{pull.number}.patch">As a patch</a></p>\n'
    shown = _list([escape(commit) for commit in commits]) if commits else "<p>No commits.</p>\n"
    return _page(f"{pull.title} #{pull.number}", intro + shown + f"<p>In the lab: {escape(pull.shows)}</p>\n")


def error(status: int) -> bytes:
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Something happened"
    return _page(f"{status} {phrase}", "<p>The practice forge cannot show this. Try again later.</p>\n")
