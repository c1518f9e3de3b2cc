"""The chart of energy against usefulness, as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator
from xml.sax.saxutils import escape

from .lighting_evidence import FIFTH, MEAN, SHARE, Evidence, Line

_WIDTH, _HEIGHT = 920, 640
_TOP, _BOTTOM = 82, 430
_PANELS = ((70, 440), (520, 890))  # left and right of each, in pixels
_LEAST, _MOST = 40.0, 190.0  # percent on the axis
_BESIDE = (
    (0, -9),
    (0, 19),
    (13, 5),
    (-13, 5),
    (13, -9),
    (-13, -9),
    (13, 19),
    (-13, 19),
)  # a number and its dot
_COLOURS = ("#666666", "#000000", "#b8500f", "#8a6d00", "#7a3e9d", "#1b6ca8", "#0a7d3b", "#5f8f2f")


def chart(one: Evidence) -> str:
    """Two panels over the same energies: the mean, and the 5th percentile. The goal's corner is green."""
    return "\n".join((*_head(one), *_panel(0, one.lines), *_panel(1, one.lines), *_legend(one), "</svg>", ""))


def _head(one: Evidence) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        'aria-labelledby="title text" font-family="sans-serif" font-size="13">'
    )
    yield '<title id="title">Energy against usefulness of seven lighting schemes</title>'
    told = "; ".join(
        f"{line.name}: {line.of_dusk:.0f} % of dusk to dawn, usefulness {line.motorist.mean:.3f}, "
        f"5th percentile {line.motorist.fifth:.2f}"
        for line in one.lines
    )
    yield f'<desc id="text">{escape(told)}</desc>'
    yield f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>'
    title = f"Energy against usefulness to motorists, {one.judged_on} (tuned on the {one.tuned_on})"
    yield _text(_WIDTH / 2, 26, title, "middle", size=16)
    yield _text(
        _WIDTH / 2,
        46,
        f"{one.vehicles:,} real vehicles at one cross-section; the street is generated",
        "middle",
    )


def _panel(which: int, lines: list[Line]) -> Iterator[str]:
    left, right = _PANELS[which]
    low, step, goal = ((0.8, 0.05, MEAN), (0.0, 0.2, FIFTH))[which]

    def x(share: float) -> float:
        return left + (right - left) * (max(_LEAST, share) - _LEAST) / (_MOST - _LEAST)

    def y(value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP - 15) * (max(low, value) - low) / (1.0 - low)

    yield (
        f'<rect x="{x(0):.1f}" y="{y(1.0):.1f}" width="{x(SHARE) - x(0):.1f}" height="{y(goal) - y(1.0):.1f}" '
        'fill="#cfeed6"/>'
    )
    for i in range(round((1.0 - low) / step) + 1):
        value = low + step * i
        yield _rule(left, y(value), right, y(value))
        yield _text(left - 8, y(value) + 4, f"{value:.2f}", "end")
    for share in range(50, int(_MOST) + 1, 25):
        yield _rule(x(share), _TOP + 15, x(share), _BOTTOM)
        yield _text(x(share), _BOTTOM + 20, f"{share} %", "middle")
    yield _text((left + right) / 2, _BOTTOM + 40, "energy, dusk to dawn = 100 %", "middle")
    yield _text(left, _TOP - 10, ("mean usefulness", "5th percentile of usefulness")[which], "start")
    dots = [(x(line.of_dusk), y((line.motorist.mean, line.motorist.fifth)[which])) for line in lines]
    taken: list[tuple[float, float]] = [*dots]
    for number, (across, down) in enumerate(dots):
        yield f'<circle cx="{across:.1f}" cy="{down:.1f}" r="5" fill="{_COLOURS[number]}"/>'
        others = [one for one in taken if one != (across, down)]
        beside = [(across + dx, down + dy) for dx, dy in _BESIDE]
        best = max(
            beside,
            key=lambda at: min((math.dist((at[0], at[1] - 5), one) for one in others), default=99) > 12,
        )
        taken.append((best[0], best[1] - 5))
        yield (
            f'<text x="{best[0]:.1f}" y="{best[1]:.1f}" text-anchor="middle" font-size="13" font-weight="bold" '
            f'fill="{_COLOURS[number]}">{number + 1}</text>'
        )


def _legend(one: Evidence) -> Iterator[str]:
    for number, line in enumerate(one.lines):
        column, row = divmod(number, 4)
        left, top = 70 + 440 * column, _BOTTOM + 75 + 26 * row
        yield f'<circle cx="{left}" cy="{top - 4}" r="9" fill="{_COLOURS[number]}"/>'
        yield (
            f'<text x="{left}" y="{top}" text-anchor="middle" font-size="12" font-weight="bold" '
            f'fill="#ffffff">{number + 1}</text>'
        )
        text = (
            f"{line.name}: {line.of_dusk:.0f} %, mean {line.motorist.mean:.3f}, 5th {line.motorist.fifth:.2f}"
        )
        yield _text(left + 18, top, text, "start")
    yield _text(
        70,
        _BOTTOM + 75 + 26 * 4,
        f"green: the goal, ≤ {SHARE:.0f} % at ≥ {MEAN:.2f} and ≥ {FIFTH:.2f}; axes do not begin at 0",
        "start",
    )


def _text(x: float, y: float, text: str, anchor: str, size: int = 13) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
    return f'<text {place} fill="#1a1a1a">{escape(text)}</text>'


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#d8d8d8"/>'
