"""The way that CloudStack's own upgrade checker will take through a database. Pure; by the facts on CloudStack, section 2.

What the code would do is worked out from the list of upgrades in the checked-out source, so that it is known before anything stops.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from releases import versions
from releases.versions import Version

Kind = Literal["nothing", "upgrade", "refused"]


@dataclass(frozen=True)
class Node:
    """One entry of the source's list: the version it begins at, the class that does it, and the version it leads to.

    `templates` are the names of the system VM templates that the class asks for.
    """

    begins: str
    upgrade: str
    ends: str
    templates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checker:
    """The source's own. `era` is "three" (parts compared, up to 4.8.1 and 4.9.0), "four", or "" when there is none.

    In the older era the list has, for each version a database may have, all upgrades from there on; later each entry once.
    """

    era: str
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Stage:
    """One upgrade on the way. `again`: the database has it already. `empty`: it only writes its version into the table."""

    begins: str
    ends: str
    upgrade: str = ""
    again: bool = False
    empty: bool = False

    @property
    def says(self) -> str:
        if self.empty:
            return f"No change: only the row {self.ends} is written into the version table, and stays there."
        again = " once more, although the database had it before" if self.again else ""
        return f"{self.upgrade} takes it from {self.begins} to {self.ends or 'a version that the source does not say'}{again}."


@dataclass(frozen=True)
class Way:
    """`says` is one sentence; `ends` is what the version table says afterwards, "" when the code would refuse to start."""

    kind: Kind
    says: str
    stages: tuple[Stage, ...] = ()
    ends: str = ""
    templates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """Of the table `version`, in the order of its ids. `step` is "Complete" or "Upgrade" (begun and not ended)."""

    version: str
    step: str


def current(rows: Iterable[Row]) -> str:
    """What the code takes for the version of the database: the newest complete row, not the highest."""
    return next((row.version for row in reversed(tuple(rows)) if row.step == "Complete"), "")


def half_done(rows: Iterable[Row]) -> list[str]:
    return [row.version for row in rows if row.step != "Complete"]


def way(checker: Checker, rows: tuple[Row, ...], code: str) -> Way:
    """What happens when the management server of this version starts on a database with these rows."""
    database = current(rows)
    if half := half_done(rows):
        return Way("refused", f"The version table has a row that is not complete ({', '.join(half)}): an earlier upgrade was cut off.")
    if not database:
        return Way("refused", "The version table has no complete row: this is no database of a management server.")
    try:
        old, new = versions.parse(database), versions.parse(code)
    except ValueError as error:
        return Way("refused", f"{error}: the management server does not start.")
    return _three(checker, old, new, database) if checker.era == "three" else _four(checker, old, new, database)


def _three(checker: Checker, old: Version, new: Version, database: str) -> Way:
    begin, end = versions.parse(old.base), versions.parse(new.base)
    if begin.four == end.four:
        return Way(
            "nothing", f"Three numbers are compared and they are the same: nothing to do. The table keeps saying {database}.", (), database
        )
    if begin > end:
        return Way("refused", f"Database version {old.base} is higher than management software version {new.base}.")
    chain = [node for node in checker.nodes if node.begins == old.base]
    if not chain:
        return Way("refused", f"There is no upgrade path from {old.base} to {new.base}: the source's list does not begin at {old.base}.")
    last = chain[-1].ends
    if last != new.base:
        return Way("refused", f"The end upgrade version is actually at {last or 'nothing known'}, but the code is at {new.base}.")
    return _upgrade(tuple(_chained(chain, old.base)), last, chain)


def _chained(chain: list[Node], begins: str) -> Iterator[Stage]:
    for node in chain:
        yield Stage(begins, node.ends, node.upgrade)
        begins = node.ends


def _four(checker: Checker, old: Version, new: Version, database: str) -> Way:
    if old.four == new.four:
        return Way(
            "nothing", f"Four numbers are compared and they are the same: nothing to do. The table keeps saying {database}.", (), database
        )
    if old > new:
        return Way("refused", f"Database version {old} is higher than management software version {new}.")
    known = [node for node in checker.nodes if versions.readable([node.begins])]
    below = [node for node in known if versions.parse(node.begins) <= old]
    first = versions.parse(max(below, key=lambda node: versions.parse(node.begins).four).begins) if below else old
    chosen: dict[str, Node] = {}
    for node in known:
        if first <= versions.parse(node.begins) < new:
            chosen.setdefault(node.ends or node.upgrade, node)
    stages = [Stage(node.begins, node.ends, node.upgrade, again=_had(node, old)) for node in chosen.values()]
    plain = str(Version(new.numbers))
    tail = stages[-1].ends if stages else str(old)
    if not versions.readable([tail]) or versions.parse(tail).four != new.four:
        stages.append(Stage(tail, plain, empty=True))
    return _upgrade(tuple(stages), plain, chosen.values())


def _had(node: Node, old: Version) -> bool:
    return bool(versions.readable([node.ends])) and versions.parse(node.ends) <= old


def _upgrade(stages: tuple[Stage, ...], ends: str, nodes: Iterable[Node]) -> Way:
    real = sum(not stage.empty for stage in stages)
    what = f"{real} upgrade{'' if real == 1 else 's'} of the database" if real else "no upgrade of the database, but a new row"
    templates = tuple(dict.fromkeys(name for node in nodes for name in node.templates))
    return Way("upgrade", f"{what[0].upper()}{what[1:]}; the version table then says {ends}.", stages, ends, templates)
