"""Hosts on an ellipse with the tunnels between them. Plain geometry, no markup."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from networking.together import Tunnel

BOX_WIDTH, BOX_HEIGHT = 148, 44
LABELLED = 14
"""With more tunnels than this, names on the lines would cover each other: then only the table has them."""
MOST = 24
"""Hosts in a picture."""
LETTER = 7.2


@dataclass(frozen=True)
class Node:
    """The middle of its box. `pk` is None for an address that is no host of these."""

    x: int
    y: int
    name: str
    line: str
    pk: int | None

    @property
    def left(self) -> int:
        return self.x - BOX_WIDTH // 2

    @property
    def top(self) -> int:
        return self.y - BOX_HEIGHT // 2

    @property
    def shown(self) -> str:
        most = int((BOX_WIDTH - 20) / LETTER)
        return self.name if len(self.name) <= most else f"{self.name[: most - 1]}…"


@dataclass(frozen=True)
class Line:
    """`mark` is the middle of its label, `width` how wide that is."""

    path: str
    tone: str
    title: str
    label: str
    mark: tuple[int, int]

    @property
    def width(self) -> int:
        return int(len(self.label) * LETTER) + 12

    @property
    def label_left(self) -> int:
        return self.mark[0] - self.width // 2

    @property
    def label_top(self) -> int:
        return self.mark[1] - 10


@dataclass(frozen=True)
class Map:
    nodes: tuple[Node, ...]
    lines: tuple[Line, ...]
    width: int
    height: int
    left_out: int
    box_width: int = BOX_WIDTH
    box_height: int = BOX_HEIGHT


def draw(found: Sequence[Tunnel], hosts: dict[str, int]) -> Map:
    """`hosts` are numbers by name. Only ends of tunnels are drawn."""
    ends = list(dict.fromkeys(name for tunnel in found for name in (tunnel.here, tunnel.there)))
    shown = ends[:MOST]
    wide, high = max(230, min(52 * len(shown), 820)), min(36 * len(shown), 520) if len(shown) > 2 else 0
    middle = (wide + BOX_WIDTH // 2 + 16, high + BOX_HEIGHT // 2 + 16)
    counted = {name: sum(name in (tunnel.here, tunnel.there) for tunnel in found) for name in shown}
    nodes = {
        name: _node(name, number, len(shown), middle, (wide, high), hosts.get(name), counted[name]) for number, name in enumerate(shown)
    }
    lines = _lines([one for one in found if one.here in nodes and one.there in nodes], nodes, middle)
    return Map(tuple(nodes.values()), tuple(lines), 2 * middle[0], 2 * middle[1], len(ends) - len(shown))


def _node(name: str, number: int, of: int, middle: tuple[int, int], radius: tuple[int, int], pk: int | None, count: int) -> Node:
    angle = math.pi + 2 * math.pi * number / of
    line = f"{count} tunnel{'s' * (count != 1)}" if pk is not None else "not in this group"
    return Node(round(middle[0] + radius[0] * math.cos(angle)), round(middle[1] + radius[1] * math.sin(angle)), name, line, pk)


def _lines(found: Sequence[Tunnel], nodes: dict[str, Node], middle: tuple[int, int]) -> list[Line]:
    """Several between the same two bend away from each other."""
    pairs: dict[frozenset[str], list[Tunnel]] = {}
    for tunnel in found:
        pairs.setdefault(frozenset((tunnel.here, tunnel.there)), []).append(tunnel)
    lines = []
    for beside in pairs.values():
        for number, tunnel in enumerate(beside):
            lines.append(_line(tunnel, nodes, (number - (len(beside) - 1) / 2) * 44, label=len(found) <= LABELLED))
    return lines


def _line(tunnel: Tunnel, nodes: dict[str, Node], aside: float, *, label: bool) -> Line:
    start, end = sorted((nodes[tunnel.here], nodes[tunnel.there]), key=lambda node: (node.x, node.y))
    across, down = end.x - start.x, end.y - start.y
    length = math.hypot(across, down) or 1
    bend = (round((start.x + end.x) / 2 - 2 * aside * down / length), round((start.y + end.y) / 2 + 2 * aside * across / length))
    mark = (round((start.x + 2 * bend[0] + end.x) / 4), round((start.y + 2 * bend[1] + end.y) / 4))
    title = f"{tunnel.label} between {tunnel.here} and {tunnel.there}{f': {tunnel.trouble}' if tunnel.trouble else ''}"
    return Line(f"M{start.x} {start.y}Q{bend[0]} {bend[1]} {end.x} {end.y}", tunnel.tone, title, tunnel.label if label else "", mark)
