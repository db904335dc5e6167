"""The requests of a fleet over time, as an SVG with no font or file from anywhere else. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final, TypeAlias

WIDTH, HEIGHT, LEFT, TOP, BETWEEN = 760, 120, 60, 48, 76  # pixels; the height is that of a panel
SECOND: Final = 5  # pixels
ROTATIONS: Final = (40, 70, 100)  # seconds
FOREGROUND, BACKGROUND, DIM = "#d8dee9", "#1e2430", "#4c566a"  # as in the other pictures
PANELS: Final = {
    "without": ("without a store", "#f07178"),
    "with": ("with a store, in Redis", "#a3d977"),
}

Courses: TypeAlias = Mapping[str, Sequence[int]]
"""By panel, how many requests the vault got in each second since the start."""


def alt_of(courses: Courses) -> str:
    """Return what the picture says, for readers who do not see it."""
    without, shared = (sum(courses[column]) for column in PANELS)
    seconds = len(courses["with"])
    return (
        "Requests a second at the vault while 200 hosts start together and run for two minutes:"
        f" in these {seconds} s {without:,} without a store, {shared:,} with one"
    )


def svg_of(courses: Courses) -> str:
    """Return a panel for each column, one above the other, on one logarithmic scale."""
    most = max(max(courses[column]) for column in PANELS)
    decades = max(1, math.ceil(math.log10(most or 1)))
    height = TOP + len(PANELS) * (HEIGHT + BETWEEN) - 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
        f' viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(alt_of(courses))}</title>",
        f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>',
        f'<g font-family="system-ui, sans-serif" font-size="13" fill="{FOREGROUND}">',
    ]
    for place, (column, (title, colour)) in enumerate(PANELS.items()):
        bottom = TOP + place * (HEIGHT + BETWEEN) + HEIGHT
        parts += _panel(title, colour, courses[column], bottom, decades)
    return "\n".join([*parts, "</g>", "</svg>", ""])


def _panel(
    title: str, colour: str, course: Sequence[int], bottom: int, decades: int
) -> Iterator[str]:
    end, top = LEFT + len(course) * SECOND, bottom - HEIGHT
    yield _text(LEFT, top - 14, f"requests a second, {title}: {sum(course):,} in all")
    yield _line(LEFT, bottom, end, bottom)
    for decade in range(decades + 1):
        y = bottom - _height(10**decade, decades)
        yield _line(LEFT, y, end, y)
        yield _text(LEFT - 8, y + 4, f"{10**decade:,}", "end")
    for second in range(0, len(course) + 1, 10):
        yield _text(LEFT + second * SECOND, bottom + 16, f"{second} s", "middle")
    for second in ROTATIONS:
        x = LEFT + second * SECOND
        yield _line(x, top, x, bottom)
        yield _text(x + 4, top + 12, "rotation")
    bars = "".join(
        f"M{LEFT + (second + 0.5) * SECOND:.0f} {bottom}v-{_height(count, decades):.0f}"
        for second, count in enumerate(course)
        if count
    )
    yield f'<path d="{bars}" stroke="{colour}" stroke-width="3"/>'


def _height(count: int, decades: int) -> float:
    """Return the height of a bar in pixels; that of one request can be seen."""
    return (math.log10(count) + 0.25) / (decades + 0.25) * HEIGHT


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<path d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}" stroke="{DIM}"/>'
