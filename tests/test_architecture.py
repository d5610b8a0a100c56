"""What holds the rooms apart and the code small: read from the sources, so that no review has to."""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from django.conf import settings
from django.utils.module_loading import import_string

ROOT = Path(__file__).resolve().parents[1]
TOP = {"opsportal", "hosts", "releases", "networking", "templates", "static", "tests"}
FILES = {"manage.py", "requirements.txt", "README.md", "pyproject.toml", "Makefile", "LICENSE"}

MAY_IMPORT = {
    "opsportal.secrets": {"opsportal.secrets"},
    "opsportal.transport": {"opsportal.transport", "opsportal.secrets"},
    "opsportal.operations": {
        "opsportal.operations",
        "opsportal.transport",
        "opsportal.secrets",
        "opsportal.web",
        "opsportal.celery",
        "opsportal.checks",
    },
    "opsportal.packages": {"opsportal.packages", "opsportal.operations", "opsportal.transport"},
    "opsportal.cloudstack": {"opsportal.cloudstack", "opsportal.transport", "opsportal.secrets"},
    "opsportal.web": {"opsportal.web", "opsportal.operations", "opsportal.secrets"},
    "opsportal.embedded": {"opsportal.embedded", "opsportal.secrets"},
    "hosts": {"hosts", "opsportal"},
    "releases": {"releases", "hosts.models", "hosts.connections", "hosts.cloudstack", "opsportal"},
    "networking": {"networking", "hosts.models", "hosts.connections", "opsportal"},
}
"""Room to the beginnings of module names that it may import from this project. The lab may import everything."""

DJANGO_FREE = ("opsportal.transport", "opsportal.secrets", "opsportal.cloudstack")
VAGUE = {"utils", "util", "helpers", "helper", "services", "service", "manager", "managers", "misc", "common"}


@cache
def sources() -> tuple[Path, ...]:
    """Our Python files without migrations and tests."""
    rooms = [ROOT / room for room in ("opsportal", "hosts", "releases", "networking")]
    return tuple(path for room in rooms for path in sorted(room.rglob("*.py")) if "migrations" not in path.parts)


@cache
def tests() -> tuple[Path, ...]:
    return tuple(sorted((ROOT / "tests").rglob("*.py")))


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything imported, also inside functions: `from a import b` gives "a.b"."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def ours(name: str) -> bool:
    return name.split(".")[0] in ("opsportal", "hosts", "releases", "networking")


def begins(name: str, allowed: set[str] | tuple[str, ...]) -> bool:
    return any(f"{name}.".startswith(f"{one}.") for one in allowed)


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def functions(paths: tuple[Path, ...]) -> Iterator[tuple[str, int]]:
    """Place and length in lines, decorators not counted."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno
                yield f"{where(path, node.lineno)} {node.name}", node.end_lineno - node.lineno + 1


def test_the_top_level_is_what_the_design_says() -> None:
    ignored = set((ROOT / ".gitignore").read_text().split())
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".") and f"{path.name}/" not in ignored}
    assert found <= TOP | FILES


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_go_one_way(room: str) -> None:
    wrong = [
        f"{where(path, line)} imports {name}"
        for path in sources()
        if begins(module(path), (room,))
        for line, name in imported(path)
        if ours(name) and not begins(name, MAY_IMPORT[room])
    ]
    assert not wrong


def test_the_project_package_knows_no_app() -> None:
    """Apps are named in settings and URLs by text; only the practice cloud may reach into them."""
    wrong = [
        f"{where(path, line)} imports {name}"
        for path in sources()
        if begins(module(path), ("opsportal",)) and not begins(module(path), ("opsportal.lab",))
        for line, name in imported(path)
        if begins(name, ("hosts", "releases", "networking"))
    ]
    assert not wrong


def test_transports_and_secrets_work_without_django() -> None:
    wrong = [
        f"{where(path, line)} imports {name}"
        for path in sources()
        if begins(module(path), DJANGO_FREE)
        for line, name in imported(path)
        if begins(name, ("django", "celery"))
    ]
    assert not wrong


def test_modules_are_named_for_what_they_do() -> None:
    assert not [str(path.relative_to(ROOT)) for path in sources() if path.stem in VAGUE]


def test_functions_are_short() -> None:
    found = list(functions(sources()))
    lengths = sorted(length for _, length in found)
    assert not [f"{place}: {length} lines" for place, length in found if length > 60]
    assert statistics.median(lengths) <= 8
    assert lengths[int(len(lengths) * 0.9)] <= 30


def test_test_functions_are_not_long_either() -> None:
    assert not [f"{place}: {length} lines" for place, length in functions(tests()) if length > 60]


def test_files_are_short() -> None:
    limits = [*((path, 500) for path in sources()), *((path, 600) for path in tests())]
    limits += [(path, 500) for suffix in ("js", "css") for path in (ROOT / "static").rglob(f"*.{suffix}")]
    lengths = [(path, len(path.read_text().splitlines()), limit) for path, limit in limits]
    assert not [f"{path.relative_to(ROOT)}: {length} lines" for path, length, limit in lengths if length > limit]


def templates() -> list[Path]:
    return sorted((ROOT / "templates").rglob("*.html"))


def test_templates_are_short() -> None:
    lengths = [(path, len(path.read_text().splitlines())) for path in templates()]
    assert not [f"{path.relative_to(ROOT)}: {length} lines" for path, length in lengths if length > 120]


FORBIDDEN_IN_PAGES = {
    "an inline style": re.compile(r"<[a-zA-Z][^>]*\sstyle\s*=", re.DOTALL),
    "a style element": re.compile(r"<style[\s>]"),
    "an event handler": re.compile(r"<[a-zA-Z][^>]*\son[a-z]+\s*=", re.DOTALL),
    "htmx's inline script": re.compile(r"\shx-on[:-]"),
    "a javascript: address": re.compile(r"""=\s*["']?javascript:"""),
    "a script in the page": re.compile(r"<script(?![^>]*\s(src=|type=\"application/json\"))[^>]*>", re.DOTALL),
    "something from another site": re.compile(r"""<(script|link|img|iframe)[^>]*(src|href)=["'](https?:)?//""", re.DOTALL),
}


@pytest.mark.parametrize("what", FORBIDDEN_IN_PAGES)
def test_pages_keep_to_the_content_security_policy(what: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {what}: {match.group()[:80]}"
        for path in templates()
        for match in FORBIDDEN_IN_PAGES[what].finditer(path.read_text())
    ]
    assert not found


# Put together here, so that this file does not contain what it looks for. Root's .ssh and .opsportal are those of a host.
UNFINISHED = re.compile(rf"\b({'|'.join(['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'])})\b")
PRIVATE = re.compile(
    "|".join(
        [r"(?<![\w.])/wo" + r"rk/(main|shared)\b", r"/ro" + r"ot/\.(?!ssh\b|opsportal\b)", "files.pythonhos" + "ted", r"repo1\.ma" + "ven"]
    )
)
TEXTS = {".py", ".html", ".css", ".js", ".sh", ".md", ".toml", ".txt", ".cfg", ".svg", ""}


def texts() -> Iterator[tuple[Path, str]]:
    """All files of the repository that people write, cases excepted: those are recorded."""
    tops = [ROOT / name for name in (*TOP, *FILES, ".ci")]
    for path in (one for top in tops for one in (sorted(top.rglob("*")) if top.is_dir() else [top])):
        if path.is_file() and path.suffix in TEXTS and not {"cases", "__pycache__", "migrations"} & set(path.parts):
            yield path, path.read_text(errors="replace")


def written(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{where(path, text[: match.start()].count(chr(10)) + 1)}: {match.group()}"
        for path, text in texts()
        for match in pattern.finditer(text)
    ]


def test_nothing_is_left_for_later() -> None:
    assert not written(UNFINISHED)


def test_no_place_of_one_machine_and_no_registry_is_written_down() -> None:
    assert not written(PRIVATE)


@pytest.mark.parametrize("dotted", [path for path in settings.RUNBOOKS if not path.startswith("opsportal.operations.")])
def test_a_runbook_is_one_file_with_cases(dotted: str) -> None:
    """Its class is the only runbook of its module, under `runbooks/`, and tests of its room try it by name."""
    book = import_string(dotted)
    path = ROOT / Path(*book.__module__.split(".")).with_suffix(".py")
    assert path.parent.name == "runbooks"
    assert [other for other in settings.RUNBOOKS if other.rpartition(".")[0] == book.__module__] == [dotted]
    name = re.compile(rf"\b({book.__name__}|{book.name})\b")
    room = ROOT / "tests" / dotted.split(".")[0]
    assert [one.name for one in room.rglob("*") if one.suffix in (".py", ".json", ".toml") and name.search(one.read_text())], book.name
