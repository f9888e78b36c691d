"""Draws the operating curve as SVG: by hand, so that the same numbers give the same file on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 960, 640
LEFT, RIGHT, TOP = 64, 24, 64
PANEL_W, PANEL_H, GAP = 408, 216, 56
LOW, HIGH = 0.80, 1.20

# Okabe and Ito's colours, which people with any colour vision can tell apart; dashes tell them apart in print.
STYLES = (
    ("#0072b2", ""),
    ("#d55e00", ""),
    ("#009e73", ""),
    ("#cc79a7", "7 3"),
    ("#56789a", "2 3"),
    ("#000000", "10 4"),
    ("#7a5c00", "4 2 1 2"),
)
INK, FAINT, BAND = "#24292f", "#d0d7de", "#fff1d6"


def draw(found: dict[str, Any]) -> str:
    """Draws the picture.

    Args:
        found: The record that `benchmarks.operating_curve` writes.
    """
    names = list(found["machines"])
    second = LEFT + PANEL_W + GAP
    lower = TOP + PANEL_H + GAP + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-labelledby="title description" font-family="system-ui, sans-serif" font-size="13">',
        '<title id="title">Operating curve of the speed test</title>',
        f'<desc id="description">{escape(_description(found))}</desc>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 28, f"Who passes, by true speed ({found['students']:,} students a point)", size=17, bold=True),
    ]
    parts += _panel(found, LEFT, TOP, "The sequential paired test", "earned", 1.0, "% of students")
    parts += _panel(found, second, TOP, "Mean of ten unpaired runs", "peer_passed", 1.0, "% of students")
    parts += _panel(found, LEFT, lower, "Pairs that the sequential test takes", "pairs_mean", 120.0, "pairs, mean")
    parts += _legend(names, second, lower)
    return "\n".join([*parts, "</svg>", ""])


def _panel(found: dict[str, Any], left: int, top: int, title: str, key: str, most: float, unit: str) -> list[str]:
    bottom = top + PANEL_H
    margin, full = _x(left, float(found["margin"])), _x(left, 1.0)
    parts = [
        _text(left, top - 12, title, bold=True),
        f'<rect x="{margin:g}" y="{top}" width="{full - margin:g}" height="{PANEL_H}" fill="{BAND}"/>',
    ]
    for step in range(5):
        y = bottom - PANEL_H * step / 4
        label = f"{25 * step}" if most == 1.0 else f"{most * step / 4:g}"
        parts.append(f'<path d="M{left} {y:g}H{left + PANEL_W}" stroke="{FAINT}"/>')
        parts.append(_text(left - 8, y + 4, label, anchor="end"))
    for ratio in (0.8, 0.9, 1.0, 1.1, 1.2):
        x = _x(left, ratio)
        parts.append(f'<path d="M{x:g} {bottom}v5" stroke="{INK}"/>')
        parts.append(_text(x, bottom + 19, f"{ratio:.1f}", anchor="middle"))
    parts.append(_text(left + PANEL_W, bottom + 36, "true speedup / threshold", anchor="end"))
    parts.append(_text(left + PANEL_W, top - 12, unit, anchor="end"))
    for number, machine in enumerate(found["machines"].values()):
        cells = [cell for cell in machine["cells"] if cell[key] is not None]
        points = [(_x(left, cell["ratio"]), bottom - PANEL_H * cell[key] / most) for cell in cells]
        parts += [_line(points, number)] if points else []
    return parts


def _legend(names: Sequence[str], left: int, top: int) -> list[str]:
    parts = [_text(left, top - 12, "Machine", bold=True)]
    for number, name in enumerate(names):
        y = top + 14 + 24 * number
        parts.append(_line([(left, y), (left + 44, y)], number))
        parts.append(_text(left + 56, y + 4, name))
    y = top + 14 + 24 * len(names)
    parts.append(f'<rect x="{left}" y="{y - 8}" width="44" height="16" fill="{BAND}"/>')
    parts.append(_text(left + 56, y + 4, "0.95 to 1 times the threshold: the student's margin"))
    return parts


def _line(points: Sequence[tuple[float, float]], number: int) -> str:
    colour, dashes = STYLES[number % len(STYLES)]
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>'


def _x(left: int, ratio: float) -> float:
    return round(left + PANEL_W * (ratio - LOW) / (HIGH - LOW), 1)


def _text(x: float, y: float, text: str, anchor: str = "start", size: int = 13, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    where = f'x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size}"'
    return f'<text {where}{weight} fill="{INK}">{escape(text)}</text>'


def _description(found: dict[str, Any]) -> str:
    told = []
    for name, machine in found["machines"].items():
        cells = {cell["ratio"]: cell for cell in machine["cells"]}
        peer = ""
        if cells[0.9]["peer_passed"] is not None:
            peer = f" (ten unpaired runs: {cells[0.9]['peer_passed']:.1%} and {cells[1.0]['peer_passed']:.1%})"
        told.append(
            f"{name}: {cells[0.9]['earned']:.2%} of the students at 0.9 of the threshold pass and "
            f"{cells[1.0]['earned']:.2%} of those at 1.0{peer}"
        )
    return "; ".join(told)
