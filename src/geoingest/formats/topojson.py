"""TopoJSON made ready for GDAL: arcs and coordinates checked, integers that it would round or clamp written as text.

GDAL reads the whole document into memory, and so does this. It makes an empty line of an arc that does not exist.
TopoJSON 1.0 extends GeoJSON 1.0, whose coordinates are WGS 84 longitude and latitude, and has no words of its own for
another CRS. Projected topologies exist all the same: a manifest can name theirs, and coordinates that cannot be degrees
are refused where every layer's are checked.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow as pa

from geoingest.errors.source import SourceUnreadableError
from geoingest.formats.geojson_geometry import positions_fault
from geoingest.formats.geojson_values import Seen, as_text, kind_of, written
from geoingest.formats.json_stream import read_sequence
from geoingest.formats.prepared import Prepared, Scratch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Geometry = dict[str, object]


def prepare_topojson(path: Path, *, name: str) -> Prepared:
    """The topology as GDAL may read it.

    Raises: SourceUnreadableError.
    """
    documents = [record for record, _ in read_sequence(path, name=name)]
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise SourceUnreadableError(name=name, reason="text after the end of the topology")
    topology = documents[0]
    geometries = list(_geometries(topology.get("objects")))
    if fault := _fault(topology, geometries):
        raise SourceUnreadableError(name=name, reason=fault)
    texts = _text_properties(geometries)
    scratch = None
    if texts:
        scratch = Scratch()
        path = _rewrite(topology, geometries, texts, scratch.path / path.name)
    return Prepared(
        path=path,
        driver="TopoJSON",
        crs_by_format="EPSG:4326",
        types=dict.fromkeys(texts, pa.string()),
        scratch=scratch,
    )


def _geometries(objects: object) -> Iterator[Geometry]:
    """Every geometry object of the topology, those inside collections too."""
    for geometry in (
        objects.values() if isinstance(objects, dict) else objects if isinstance(objects, list) else ()
    ):
        if isinstance(geometry, dict):
            yield geometry
            yield from _geometries(geometry.get("geometries"))


def _fault(topology: dict[str, object], geometries: list[Geometry]) -> str | None:
    arcs = topology.get("arcs")
    if not isinstance(arcs, list):
        return "the topology has no arcs"
    if any(not isinstance(arc, list) or positions_fault(arc) for arc in arcs):
        return "an arc is no list of positions"
    for number, geometry in enumerate(geometries, start=1):
        if not all(_is_index(index, len(arcs)) for index in _flat(geometry.get("arcs", []))):
            return f"geometry {number} names an arc that does not exist"
        coordinates = geometry.get("coordinates", [])
        single = geometry.get("type") == "Point"
        if not isinstance(coordinates, list) or positions_fault([coordinates] if single else coordinates):
            return f"geometry {number} has coordinates that are no numbers"
    return None


def _is_index(index: object, arcs: int) -> bool:
    """Whether it names an arc; ~n is arc n backwards."""
    return isinstance(index, int) and -arcs <= index < arcs


def _flat(arcs: object) -> Iterator[object]:
    if not isinstance(arcs, list):
        yield arcs
        return
    for arc in arcs:
        yield from _flat(arc)


def _text_properties(geometries: list[Geometry]) -> set[str]:
    seen: dict[str, Seen] = {}
    for geometry in geometries:
        for key, value in _properties(geometry).items():
            seen[key] = seen.get(key, 0) | kind_of(value)
    return {key for key, kinds in seen.items() if as_text(kinds)}


def _rewrite(topology: dict[str, object], geometries: list[Geometry], texts: set[str], target: Path) -> Path:
    for geometry in geometries:
        properties = _properties(geometry)
        for key in texts & properties.keys():
            properties[key] = written(properties[key])
    target.write_text(json.dumps(topology, ensure_ascii=False), encoding="utf-8")
    return target


def _properties(geometry: Geometry) -> dict[str, object]:
    properties = geometry.get("properties")
    return properties if isinstance(properties, dict) else {}
