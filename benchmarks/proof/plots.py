"""Plots as SVG text, to be put into a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from apportion.records.display import markup

from .findings import Dose, PolicyResult, Ranged

__all__ = ["dose_plot", "frontier_plot"]

_COLOURS = {
    "U": "#6b7280",
    "StaticMix": "#9ca3af",
    "R": "#2563eb",
    "A": "#d97706",
    "R→A": "#7c3aed",
    "UpFront": "#059669",
    "J": "#dc2626",
    "JointSafe": "#f87171",
}
_OTHER = "#a8a29e"
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 12.0, 14.0, 40.0


@dataclass(frozen=True, slots=True)
class _Frame:
    """A plotting area, and where values lie in it."""

    width: float
    height: float
    low: float
    high: float
    """Of the vertical axis."""
    left: float = _LEFT
    top: float = _TOP

    def y(self, value: float) -> float:
        span = self.high - self.low
        return self.top + self.height * (1 - (value - self.low) / span)


def frontier_plot(policies: Sequence[PolicyResult], unit: str) -> str:
    """Score against realised cost, with intervals; a dashed line is a cap."""
    costs = [policy.cost.value for policy in policies]
    first, last = math.log(min(costs) * 0.85), math.log(max(max(costs), *(p.budget for p in policies)) * 1.15)
    low, high = _span([policy.score for policy in policies])
    frame = _Frame(680.0, 320.0, low, high)

    def x(cost: float) -> float:
        return frame.left + frame.width * (math.log(cost) - first) / (last - first)

    parts = _axis(frame, lambda value: f"{value:.2f}")
    for cap, budget in dict.fromkeys((policy.cap, policy.budget) for policy in policies):
        parts.append(_line(x(budget), frame.top, x(budget), frame.top + frame.height, "cap"))
        parts.append(_text(x(budget), frame.top + frame.height + 16, f"{cap}: {budget:.3g}", "middle"))
    for policy in policies:
        colour = _COLOURS.get(policy.label, _OTHER)
        at = x(policy.cost.value)
        title = f"{policy.label}, {policy.cap}: {policy.score.value:.3f} for {policy.cost.value:.4g} {unit}"
        parts.append(_whisker(at, frame, policy.score, colour, title))
    parts.append(
        _text(frame.left + frame.width / 2, frame.top + frame.height + 34, f"cost, {unit} a question", "middle")
    )
    picture = _svg(frame.left + frame.width + _RIGHT, frame.top + frame.height + _BOTTOM, parts)
    return picture + _legend([policy.label for policy in policies])


def dose_plot(doses: Sequence[Dose]) -> str:
    """J minus a rival in points: a panel for every pool and kind of questions, a point for every cap."""
    pools = list(dict.fromkeys(dose.pool for dose in doses))
    kinds = list(dict.fromkeys(dose.questions for dose in doses))
    low, high = _span([dose.difference for dose in doses])
    low, high = min(low, -0.01), max(high, 0.01)
    width, height, gap = 190.0, 120.0, 34.0
    parts: list[str] = []
    for row, kind in enumerate(kinds):
        for column, pool in enumerate(pools):
            frame = _Frame(width, height, low, high, _LEFT + column * (width + gap), 26.0 + row * (height + gap))
            parts += _axis(frame, lambda value: f"{100 * value:+.1f}" if value else "0")
            parts.append(_line(frame.left, frame.y(0), frame.left + width, frame.y(0), "zero"))
            parts.append(_text(frame.left + width / 2, frame.top - 8, f"{pool}, {kind}", "middle"))
            found = [dose for dose in doses if dose.pool == pool and dose.questions == kind]
            for number, dose in enumerate(found):
                at = frame.left + width * (number + 0.5) / len(found)
                title = f"{dose.cap}: J {dose.joint:.3f}, {dose.against} {dose.rival:.3f}, {dose.count} questions"
                parts.append(_whisker(at, frame, dose.difference, _COLOURS["J"], title))
                if row == len(kinds) - 1:
                    parts.append(_text(at, frame.top + height + 14, dose.cap, "middle"))
    return _svg(_LEFT + len(pools) * (width + gap), 26.0 + len(kinds) * (height + gap), parts)


def _span(values: Sequence[Ranged]) -> tuple[float, float]:
    low, high = min(value.low for value in values), max(value.high for value in values)
    room = 0.06 * (high - low) or 0.01
    return low - room, high + room


def _axis(frame: _Frame, shown: object) -> list[str]:
    """The frame, with up to six marks on the vertical axis."""
    parts = [
        f'<rect class="frame" x="{frame.left:.1f}" y="{frame.top:.1f}" '
        f'width="{frame.width:.1f}" height="{frame.height:.1f}"/>'
    ]
    step = _step(frame.high - frame.low)
    mark = math.ceil(frame.low / step) * step
    while mark <= frame.high:
        value = round(mark, 10) + 0.0
        text = shown(value) if callable(shown) else str(value)
        parts.append(_line(frame.left - 4, frame.y(value), frame.left, frame.y(value), "mark"))
        parts.append(_text(frame.left - 7, frame.y(value) + 4, text, "end"))
        mark += step
    return parts


def _step(span: float) -> float:
    """A round distance between marks."""
    rough = span / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= rough)


def _whisker(at: float, frame: _Frame, value: Ranged, colour: str, title: str) -> str:
    return (
        f'<g stroke="{colour}" fill="{colour}"><title>{markup(title)}</title>'
        f'<line x1="{at:.1f}" y1="{frame.y(value.low):.1f}" x2="{at:.1f}" y2="{frame.y(value.high):.1f}"/>'
        f'<circle cx="{at:.1f}" cy="{frame.y(value.value):.1f}" r="3.5"/></g>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{markup(text)}</text>'


def _legend(labels: Sequence[str]) -> str:
    marks = [
        f'<span><i style="background:{_COLOURS.get(label, _OTHER)}"></i>{markup(label)}</span>'
        for label in dict.fromkeys(labels)
        if label in _COLOURS
    ]
    other = f'<span><i style="background:{_OTHER}"></i>the field\'s own</span>'
    return f'<p class="legend">{"".join(marks)}{other}</p>'


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img">{"".join(parts)}</svg>'
