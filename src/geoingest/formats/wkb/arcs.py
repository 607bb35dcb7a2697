"""Circular arcs through three points, cut into chords.

The circle is found and its chords are cut as GDAL does (`OGRGeometryFactory::curveToLineString`), save that
the control point in the middle is always kept, as it is a coordinate of the data.
"""

from __future__ import annotations

from math import atan2, ceil, cos, hypot, isfinite, pi, sin
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from array import array

_STRAIGHT: Final = 1e-8
"""GDAL's `GetCurveParameters`: below this sine-like measure, three points are taken for collinear."""

_ROUNDING: Final = 1e-9
"""Of a chord: a half circle at 4 degrees is 45 chords, though pi / radians(4) may come out a little above."""


def stroke_arc(start: array[float], middle: array[float], end: array[float], max_angle: float) -> list[float]:
    """The ordinates of all points strictly between start and end, `middle` among them.

    When start and end are one point, it is a full circle and `middle` lies opposite. `max_angle` in radians.
    """
    if start[:2] < end[:2]:
        # Always from the same side, so that both directions round alike.
        return _reversed(stroke_arc(end, middle, start, max_angle), len(middle))
    circle = _circle(start, middle, end)
    if circle is None:
        return list(middle)
    x, y, first, second = circle
    return [
        *_chords(start, middle, (x, y), first, max_angle),
        *middle,
        *_chords(middle, end, (x, y), second, max_angle),
    ]


def _reversed(points: list[float], width: int) -> list[float]:
    return [value for at in range(len(points) - width, -1, -width) for value in points[at : at + width]]


def _circle(
    start: array[float], middle: array[float], end: array[float]
) -> tuple[float, float, float, float] | None:
    """Centre x and y, the signed angles from start to middle and middle to end; None when straight."""
    x, y = start[:2]
    ax, ay = middle[0] - x, middle[1] - y
    bx, by = end[0] - x, end[1] - y
    if bx == by == 0:
        return None if ax == ay == 0 else (x + ax / 2, y + ay / 2, pi, pi)
    cross = ax * by - ay * bx
    size = max(abs(ax), abs(ay), abs(bx - ax), abs(by - ay))
    if not abs(cross) > _STRAIGHT * size * size:
        return None
    a, b = ax * ax + ay * ay, bx * bx + by * by
    cx, cy = (by * a - ay * b) / (2 * cross), (ax * b - bx * a) / (2 * cross)
    if not (isfinite(cx) and isfinite(cy)):
        return None
    angles = [atan2(py - cy, px - cx) for px, py in ((0.0, 0.0), (ax, ay), (bx, by))]
    turn = 2 * pi if cross > 0 else -2 * pi
    # Python's remainder has the sign of the divisor: counter-clockwise angles are positive, others negative.
    return x + cx, y + cy, (angles[1] - angles[0]) % turn, (angles[2] - angles[1]) % turn


def _chords(
    start: array[float], end: array[float], centre: tuple[float, float], sweep: float, max_angle: float
) -> list[float]:
    """The ordinates of the points that cut the way from start to end into equal chords."""
    chords = ceil(abs(sweep) / max_angle - _ROUNDING)
    x, y = start[0] - centre[0], start[1] - centre[1]
    radius, angle = hypot(x, y), atan2(y, x)
    others = tuple(zip(start[2:], end[2:], strict=True))
    points: list[float] = []
    for chord in range(1, chords):
        share = chord / chords
        turned = angle + share * sweep
        points += (centre[0] + radius * cos(turned), centre[1] + radius * sin(turned))
        for one, other in others:
            points.append(one + share * (other - one))
    return points
