"""A map as SVG text, of bounded size whatever is drawn on it.

Owns the way from coordinates to pixels, the simplification to what an eye can see, and the graticule.
Reads no file and knows no dataset; text that comes from one is escaped by whoever puts it on a page.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

Coordinates = NDArray[np.float64]
"""Shape (n, 2): x, y."""
Geometries = NDArray[Any]
"""Shape (n,): shapely geometries."""
Dots = NDArray[np.int64]
"""Shape (n, 2): x, y in SVG units."""
Box = tuple[float, float, float, float]
"""West, south, east, north. West above east crosses the antimeridian."""

WIDTH_PX: Final = 1200
"""A desktop page's width; simplification is to half of one of these pixels."""
UNITS_PER_PX: Final = 10
"""SVG units: tenths of a pixel, so that paths hold whole numbers only."""
SVG: Final = "http://www.w3.org/2000/svg"
SMALLEST: Final = 1e-8
"""A window's length per its coordinates' size; below, digits run out and it is taken for a point."""
CORNER: Final = 420
"""SVG units that labels keep clear at the left, the right and the bottom."""
MAX_VERTICES: Final = 200_000
"""About 12 bytes each at the most, so a map stays under 3 MB."""
COARSEST_PX: Final = 8
"""Beyond this tolerance shapes lose their look; fewer of them are drawn instead."""
MAX_DOTS: Final = 30_000
DOT_PX: Final = ((20, 9.0), (500, 5.0), (5_000, 3.0), (math.inf, 1.8))
"""Below so many dots, their diameter: few are easy to find, many do not merge."""
FLATTEST, TALLEST = 0.42, 0.66
"""Height over width that still looks like a map on a page."""
DEGREE_STEPS: Final = (60, 30, 15, 10, 5, 2, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The window that a map shows: a box in CRS units and its height in pixels.

    Geographic coordinates are drawn as plate carrée with the middle latitude true to scale. A window
    across the antimeridian has `east` above 180.
    """

    west: float
    south: float
    east: float
    north: float
    height_px: float
    is_geographic: bool
    wraps: bool = False

    def to_px(self, coordinates: Coordinates) -> Coordinates:
        """Pixels right of the west edge and below the north edge, shape (n, 2)."""
        x, y = coordinates[:, 0], coordinates[:, 1]
        if self.wraps:
            x = np.where(x < (self.west + self.east - 360) / 2, x + 360, x)
        right = (x - self.west) * (WIDTH_PX / (self.east - self.west))
        down = (self.north - y) * (self.height_px / (self.north - self.south))
        return np.column_stack([right, down])


def fit_frame(bounds: Box, *, is_geographic: bool) -> Frame:
    """The window around `bounds` with a margin, neither flat nor tall; a single point gets surroundings."""
    west, south, east, north = bounds
    wraps = is_geographic and west > east
    if wraps:
        east += 360
    middle = (south + north) / 2
    squeeze = math.cos(math.radians(min(abs(middle), 80))) if is_geographic else 1.0
    width, height = (east - west) * squeeze, north - south
    longest = max(width, height)
    if longest < SMALLEST * max(1.0, *map(abs, bounds)):
        longest = 0.5 if is_geographic else 25_000.0
    margin = longest * 0.04
    shown_width = max(width + 2 * margin, (height + 2 * margin) / TALLEST)
    shown_height = max(height + 2 * margin, shown_width * FLATTEST)
    across = shown_width / squeeze / 2
    return Frame(
        west=(west + east) / 2 - across,
        east=(west + east) / 2 + across,
        south=middle - shown_height / 2,
        north=middle + shown_height / 2,
        height_px=WIDTH_PX * shown_height / shown_width,
        is_geographic=is_geographic,
        wraps=wraps,
    )


class Sketch:
    """What is drawn so far, in pixels: areas, lines and dots, simplified as they come to stay small."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.features = 0
        self._tolerance_px = 0.5
        self._shapes: Geometries = np.empty(0, dtype=object)
        self._points: Dots = np.empty((0, 2), dtype=np.int64)
        self._specks: Dots = self._points

    def add(self, geometries: Geometries) -> None:
        """Draws features; null, empty and non-finite ones leave no mark and are not counted."""
        usable = geometries[~(shapely.is_missing(geometries) | shapely.is_empty(geometries))]
        usable = usable[np.isfinite(shapely.bounds(usable)).all(axis=1)]
        self.features += len(usable)
        parts = shapely.transform(_simple_parts(shapely.force_2d(usable)), self.frame.to_px)
        boxes = shapely.bounds(parts)
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        point = shapely.get_type_id(parts) == shapely.GeometryType.POINT
        # What is smaller than a pixel would vanish when simplified, and many houses with it.
        speck = ~point & ((boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0) < 1)
        self._points = _merge_dots(self._points, centres[point])
        self._specks = _merge_dots(self._specks, centres[speck])
        self._shapes = np.concatenate([self._shapes, self._simplify(parts[~point & ~speck])])
        self._shrink()

    def areas(self) -> Iterator[str]:
        """One SVG path per polygon, holes included (to be filled by the even-odd rule)."""
        for polygon in self._shapes[shapely.get_type_id(self._shapes) == shapely.GeometryType.POLYGON]:
            yield "".join(_path(shapely.get_coordinates(ring)) + "z" for ring in shapely.get_rings(polygon))

    def lines(self) -> str:
        """All lines as one SVG path."""
        lines = self._shapes[shapely.get_type_id(self._shapes) != shapely.GeometryType.POLYGON]
        return "".join(_path(shapely.get_coordinates(line)) for line in lines)

    def dots(self) -> Iterator[tuple[float, str]]:
        """Diameter in pixels and one SVG path (zero-length strokes with round caps) of the points and of the specks.

        Specks beside larger shapes stay as small as they are; alone they are what there is to see.
        """
        for dots, is_detail in ((self._points, False), (self._specks, len(self._shapes) > 0)):
            shown = dots[:: math.ceil(len(dots) / MAX_DOTS) or 1]
            smaller = (size for count, size in DOT_PX if len(shown) < count)
            yield (1.0 if is_detail else next(smaller)), "".join(f"M{x} {y}h0" for x, y in shown.tolist())

    def _simplify(self, shapes: Geometries) -> Geometries:
        simplified = shapely.simplify(shapes, self._tolerance_px, preserve_topology=False)
        return _simple_parts(simplified[~shapely.is_empty(simplified)])

    def _shrink(self) -> None:
        while shapely.get_num_coordinates(self._shapes).sum() > MAX_VERTICES:
            if self._tolerance_px < COARSEST_PX:
                self._tolerance_px *= 2
                self._shapes = self._simplify(self._shapes)
            else:
                self._shapes = self._shapes[::2]


def render_map(sketch: Sketch, *, label: str) -> str:
    """The sketch as one `<svg>` element that fills its container's width, in light and in dark mode.

    Args: label: already escaped text for readers that see no picture.
    """
    frame = sketch.frame
    size = f"{WIDTH_PX * UNITS_PER_PX} {round(frame.height_px * UNITS_PER_PX)}"
    parts = [
        f'<svg class="map" xmlns="{SVG}" viewBox="0 0 {size}" role="img" aria-label="{label}">',
        f"<style>{STYLE}</style>",
        *_graticule(frame),
        '<g class="areas">',
        *(f'<path d="{path}"/>' for path in sketch.areas()),
        "</g>",
        f'<path class="lines" d="{sketch.lines()}"/>',
        *(f'<path class="dots" stroke-width="{size_px}" d="{path}"/>' for size_px, path in sketch.dots()),
        *_labels(frame),
        "</svg>",
    ]
    return "\n".join(parts)


STYLE: Final = """
.map{--ink:#0f766e;--fill:#14b8a6;--grid:#c9d6d8;--sea:#f1f6f7;--text:#60737a}
.map{background:var(--sea);display:block;width:100%}
@media(prefers-color-scheme:dark){.map{--ink:#5eead4;--fill:#2dd4bf;--grid:#2a3a3f;--sea:#11191c;--text:#8ba0a6}}
.map path{vector-effect:non-scaling-stroke;stroke-linejoin:round;stroke-linecap:round;fill:none}
.map .grid{stroke:var(--grid);stroke-width:1}
.map .areas path{fill:var(--fill);fill-opacity:.32;fill-rule:evenodd;stroke:var(--ink);stroke-width:.9}
.map .lines{stroke:var(--ink);stroke-width:1.3}
.map .dots{stroke:var(--ink);stroke-opacity:.85}
.map text{font:120px system-ui,sans-serif;fill:var(--text)}
.map text{stroke:var(--sea);stroke-width:35px;paint-order:stroke}
@media(max-width:700px){
.map text{font-size:280px;stroke-width:80px}
.map .n1{display:none}.map .areas path{stroke-width:.6}}
"""


def _merge_dots(dots: Dots, centres: Coordinates) -> Dots:
    """The dots and the new ones, without those that would lie within half a pixel of another."""
    half_px = UNITS_PER_PX // 2
    snapped = np.rint(centres * UNITS_PER_PX / half_px).astype(np.int64) * half_px
    return np.unique(np.concatenate([dots, snapped]), axis=0)


def _simple_parts(geometries: Geometries) -> Geometries:
    """Points, lines and polygons only: multi-part geometries and collections taken apart, however nested."""
    parts: Geometries = geometries
    while (shapely.get_type_id(parts) >= shapely.GeometryType.MULTIPOINT).any():
        parts = shapely.get_parts(parts)
    whole: Geometries = parts[~shapely.is_empty(parts)]
    return whole


def _path(coordinates: Coordinates) -> str:
    """A run of pixel coordinates as an SVG path in whole tenths of pixels, each relative to the last."""
    points = np.rint(coordinates * UNITS_PER_PX).astype(np.int64)
    steps = np.diff(points, axis=0)
    steps = steps[steps.any(axis=1)]
    return f"M{points[0, 0]} {points[0, 1]}l{' '.join(map(str, steps.ravel().tolist())) or '0 0'}"


def _step(span: float, *, is_geographic: bool) -> float:
    """A round distance between grid lines so that about ten fit into `span`."""
    wanted = span / 10
    if is_geographic and wanted >= 1:
        return min(DEGREE_STEPS, key=lambda step: abs(math.log(step / wanted)))
    magnitude = 10.0 ** math.floor(math.log10(wanted))
    return min(
        (magnitude * factor for factor in (1, 2, 5, 10)), key=lambda step: abs(math.log(step / wanted))
    )


def _ticks(low: float, high: float, step: float) -> list[float]:
    """Multiples of `step` strictly inside the window and clear of its corners."""
    inset = (high - low) * 0.02
    first, last = math.ceil((low + inset) / step), math.floor((high - inset) / step)
    return [round(index * step, 9) for index in range(first, last + 1)]


def _grid(frame: Frame) -> tuple[list[float], list[float]]:
    """The x and the y values where grid lines run; a globe has none beyond its poles or its date line."""
    step = _step(frame.east - frame.west, is_geographic=frame.is_geographic)
    xs, ys = _ticks(frame.west, frame.east, step), _ticks(frame.south, frame.north, step)
    if frame.is_geographic:
        ys = [y for y in ys if abs(y) <= 90]  # noqa: PLR2004 (the poles)
        xs = [x for x in xs if frame.wraps or abs(x) <= 180]  # noqa: PLR2004 (the date line)
    return xs, ys


def _graticule(frame: Frame) -> Iterator[str]:
    xs, ys = _grid(frame)
    width, height = WIDTH_PX * UNITS_PER_PX, round(frame.height_px * UNITS_PER_PX)
    across = "".join(f"M{_right(frame, x)} 0v{height}" for x in xs)
    down = "".join(f"M0 {_down(frame, y)}h{width}" for y in ys)
    yield f'<path class="grid" d="{across}{down}"/>'


def _labels(frame: Frame) -> Iterator[str]:
    """What each grid line stands for, none in the corners; a phone has room for every other one."""
    xs, ys = _grid(frame)
    width, height = WIDTH_PX * UNITS_PER_PX, round(frame.height_px * UNITS_PER_PX)
    for index, x in enumerate(xs):
        right = _right(frame, x)
        if CORNER < right < width - CORNER:
            text = _degrees(_on_globe(x), "EW") if frame.is_geographic else _number(x)
            place = f'x="{right}" y="{height - 70}" text-anchor="middle"'
            yield f'<text class="n{index % 2}" {place}>{text}</text>'
    for index, y in enumerate(ys):
        down = _down(frame, y)
        if CORNER / 2 < down < height - CORNER:
            text = _degrees(y, "NS") if frame.is_geographic else _number(y)
            place = f'x="70" y="{down}" dominant-baseline="middle"'
            yield f'<text class="n{index % 2}" {place}>{text}</text>'


def _right(frame: Frame, x: float) -> int:
    return round((x - frame.west) / (frame.east - frame.west) * WIDTH_PX * UNITS_PER_PX)


def _down(frame: Frame, y: float) -> int:
    return round((frame.north - y) / (frame.north - frame.south) * frame.height_px * UNITS_PER_PX)


def _on_globe(longitude: float) -> float:
    """A longitude past the antimeridian as it is called there: 190 is 170 west."""
    return longitude - 360 if longitude > 180 else longitude  # noqa: PLR2004 (the date line)


def _degrees(value: float, signs: str) -> str:
    return f"{abs(value):.10g}°{signs[value < 0] if value else ''}"


def _number(value: float) -> str:
    return f"{value:,.10g}".replace(",", "\N{NARROW NO-BREAK SPACE}")
