"""An image of a result for the press: SVG, 1200 by 675 (16:9), that needs nothing else to be shown. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import Final
from xml.sax.saxutils import escape

from .board import Board

WIDTH: Final = 1200
HEIGHT: Final = 675
_EDGE: Final = 60
_INK: Final = "#171a2b"
_SOFT: Final = "#4d5268"
_ACCENT: Final = "#153b8f"
_WASH: Final = "#e8ecf6"
_MOST_BARS: Final = 10
_MOST_WORDS: Final = 24
_SIZES: Final = (20, 26, 34, 44, 58)


def draw(event: str, title: str, board: Board, foot: str) -> str:
    """The result of a poll, `foot` below it. What has no room is left out, and the image says so."""
    lines = _wrapped(title, 48, 2)
    head = [_text(_EDGE, 70, 24, event, _SOFT, most=80)]
    head += [_text(_EDGE, 122 + 50 * n, 44, line, _INK, bold=True) for n, line in enumerate(lines)]
    top = 122 + 50 * len(lines)
    body = _words(board, top) if board.kind == "words" else _bars(board, top)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="Fira Sans, Arial, Helvetica, sans-serif" role="img"><title>{_safe(title)}</title>'
        f'<path fill="#fff" d="M0 0h{WIDTH}v{HEIGHT}H0z"/>'
        f"{''.join(head)}{''.join(body)}{_text(_EDGE, HEIGHT - 32, 22, foot, _SOFT)}</svg>\n"
    )


def _bars(board: Board, top: int) -> Iterator[str]:
    bars = board.bars[:_MOST_BARS]
    if not bars:
        return
    step = min(78.0, (HEIGHT - 80 - top) / len(bars))
    size = min(26.0, 0.42 * step)
    width = WIDTH - 2 * _EDGE
    for n, bar in enumerate(bars):
        y = top + n * step
        length = max(0.0, min(1.0, bar.length)) * width
        figure = (
            str(bar.count) if board.kind in ("groups", "scale") else f"{bar.count} ({100 * bar.part:.0f} %)"
        )
        yield _text(_EDGE, y + size, size, bar.title, _INK, most=70)
        yield _text(WIDTH - _EDGE, y + size, size, figure, _INK, bold=True, end=True)
        at = f'x="{_EDGE}" y="{y + size + 0.14 * step:.1f}" height="{0.28 * step:.1f}" rx="4"'
        yield f'<rect {at} width="{width}" fill="{_WASH}"/><rect {at} width="{length:.1f}" fill="{_ACCENT}"/>'
    if len(board.bars) > len(bars):
        yield _text(WIDTH - _EDGE, HEIGHT - 32, 22, f"+ {len(board.bars) - len(bars)}", _SOFT, end=True)


def _words(board: Board, top: int) -> Iterator[str]:
    x, y, base = float(_EDGE), float(top + 10), 0.0  # `base`: from the top of a line to where its words stand
    words = board.words[:_MOST_WORDS]
    for n, word in enumerate(words):
        size = _SIZES[word.size - 1]
        width = 0.58 * size * len(word.text) + 0.9 * size  # generous: fonts differ
        if x > _EDGE and x + width > WIDTH - _EDGE:
            x, y, base = float(_EDGE), y + 1.35 * base, 0.0
        base = max(base, float(size))  # words come in the order of their sizes: the first is the largest
        if y + 1.35 * base > HEIGHT - 80:
            yield _text(WIDTH - _EDGE, HEIGHT - 32, 22, f"+ {len(board.words) - n}", _SOFT, end=True)
            return
        yield _text(x, y + base, size, word.text, _ACCENT if word.size > 3 else _INK, bold=word.size == 5)
        x += width


def _text(
    x: float,
    y: float,
    size: float,
    text: str,
    colour: str,
    *,
    bold: bool = False,
    end: bool = False,
    most: int = 200,
) -> str:
    weight = ' font-weight="600"' if bold else ""
    anchor = ' text-anchor="end"' if end else ""
    short = text if len(text) <= most else text[: most - 1] + "…"
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}" fill="{colour}"{weight}{anchor}>{_safe(short)}</text>'


def _wrapped(text: str, width: int, most: int) -> list[str]:
    lines = wrap(" ".join(text.split()), width) or [""]
    return lines if len(lines) <= most else [*lines[: most - 1], lines[most - 1][: width - 1] + "…"]


def _safe(text: str) -> str:
    """Without signs that XML has no room for."""
    return escape("".join(sign for sign in text if sign.isprintable() or sign == " "))
