"""GeoJSON made ready for GDAL: every feature looked at once, exactly, before the driver may read it.

GDAL's drivers go on where they should stop: a geometry they cannot read becomes null, a broken line of a sequence is
dropped, an unknown `crs` becomes EPSG:4326, integers beyond 64 bits are clamped, a `type` far from the start is not
seen. So one pass of our own decides counts, the CRS, and the type of each property. Where GDAL would still read
something else than what stands there, it gets a plain rewritten copy.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from geoingest.errors.source import SourceUnreadableError
from geoingest.formats.geojson_geometry import geometry_fault, is_blank
from geoingest.formats.geojson_values import TEXTS, UNFIT, Seen, as_text, kind_of, own_type, written
from geoingest.formats.json_outline import outline
from geoingest.formats.json_stream import read_collection, read_sequence
from geoingest.formats.prepared import Prepared, Scratch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# GDAL looks for `type` in the first 6,000 bytes only.
_GDAL_LOOKS_BYTES = 4000
_FEATURE_MEMBERS = {"type", "id", "bbox", "geometry", "properties", "crs"}
_UNSET = "unset"


@dataclass(slots=True, kw_only=True)
class _Facts:
    """What one pass over the features learns."""

    name: str
    features: int = 0
    null_geometries: int = 0
    has_blanks: bool = False
    seen: dict[str, Seen] = field(default_factory=dict)
    ids: Seen = 0
    foreign: set[str] = field(default_factory=set)
    crs: object = _UNSET
    one_per_line: bool = True
    title: str | None = None

    def add(self, feature: object) -> None:
        number = self.features + 1
        if not isinstance(feature, dict) or feature.get("type") != "Feature":
            raise SourceUnreadableError(name=self.name, reason=f"item {number} is no Feature")
        properties = feature.get("properties")
        if not isinstance(properties, (dict, type(None))):
            raise SourceUnreadableError(
                name=self.name, reason=f"the properties of feature {number} are no object"
            )
        self.features = number
        self._add_geometry(feature.get("geometry"))
        for key, value in (properties or {}).items():
            self.seen[key] = self.seen.get(key, 0) | kind_of(value)
            if self.seen[key] & UNFIT:
                reason = f"feature {number}: property '{key}' holds a NUL or half a character"
                raise SourceUnreadableError(name=self.name, reason=reason)
        self.ids |= kind_of(feature.get("id"))
        self.foreign.update(feature.keys() - _FEATURE_MEMBERS)
        if "crs" in feature:
            self.add_crs(feature["crs"])

    def add_crs(self, crs: object) -> None:
        if self.crs not in (_UNSET, crs):
            raise SourceUnreadableError(
                name=self.name, reason="names more than one coordinate reference system"
            )
        self.crs = crs

    def _add_geometry(self, geometry: object) -> None:
        self.has_blanks |= is_blank(geometry)
        if geometry is None or is_blank(geometry):
            self.null_geometries += 1
        elif fault := geometry_fault(geometry):
            raise SourceUnreadableError(name=self.name, reason=f"feature {self.features}: {fault}")


def prepare_geojson(path: Path, *, sequence: bool, name: str) -> Prepared:
    """The file as GDAL may read it, with the counts, CRS and types that its features have.

    Raises: SourceUnreadableError.
    """
    facts = _Facts(name=name)
    for feature in _features(path, facts, sequence=sequence):
        facts.add(feature)
    warnings = tuple(_warnings(facts))
    layer = facts.title or path.stem
    # Ids that are text become a column by GDAL's own hand; numbers would become row numbers.
    keep_ids = bool(facts.ids & ~TEXTS) and "id" not in facts.seen
    if keep_ids:
        facts.seen["id"] = facts.ids
    types = {key: kind for key, seen in facts.seen.items() if (kind := own_type(seen)) is not None}
    scratch = None
    if keep_ids or _must_rewrite(path, facts, sequence=sequence):
        scratch = Scratch()
        path = _rewrite(
            path, facts, scratch.path / f"{path.stem}.geojson", keep_ids=keep_ids, sequence=sequence
        )
        sequence = False
    return Prepared(
        path=path,
        driver="GeoJSONSeq" if sequence else "GeoJSON",
        # Types of date-times are ours: GDAL's end at the millisecond and at the first mixture.
        options=() if sequence else (("DATE_AS_STRING", "YES"),),
        # Listing the layers would cost GDAL a pass over the file.
        layer=layer,
        features=facts.features,
        null_geometries=facts.null_geometries,
        crs=_crs_text(facts.crs),
        crs_unknown=facts.crs is None,
        types=types,
        warnings=warnings,
        scratch=scratch,
    )


def _features(path: Path, facts: _Facts, *, sequence: bool) -> Iterator[object]:
    if sequence:
        for record, one_line in read_sequence(path, name=facts.name):
            facts.one_per_line &= one_line
            yield _as_feature(record)
        return
    for feature, members in read_collection(path, name=facts.name):
        if members is None:
            yield feature
        else:
            yield from _rest(members, facts)


def _rest(members: dict[str, object], facts: _Facts) -> Iterator[object]:
    """The one feature of a file that is no collection; of a collection only its CRS."""
    if members.get("type") != "FeatureCollection":
        yield _as_feature(members)
        return
    if isinstance(members.get("name"), str):
        facts.title = str(members["name"])
    if "features" not in members:
        raise SourceUnreadableError(name=facts.name, reason="the FeatureCollection has no features")
    if members["features"] is not None:
        raise SourceUnreadableError(
            name=facts.name, reason="the features of the FeatureCollection are no array"
        )
    if "crs" in members:
        facts.add_crs(members["crs"])


def _as_feature(value: object) -> object:
    """A bare geometry as a feature without properties; anything else unchanged."""
    if isinstance(value, dict) and ("coordinates" in value or "geometries" in value):
        crs = {"crs": value["crs"]} if "crs" in value else {}
        return {"type": "Feature", "properties": {}, "geometry": value, **crs}
    return value


def _must_rewrite(path: Path, facts: _Facts, *, sequence: bool) -> bool:
    if facts.has_blanks or any(map(as_text, facts.seen.values())):
        return True
    if sequence:
        # The sequence driver has no way to give date-times as text.
        return not facts.one_per_line or any(own_type(seen) is not None for seen in facts.seen.values())
    with path.open("rb") as file:
        head = file.read(_GDAL_LOOKS_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
    return "type" not in outline(head).members


def _rewrite(path: Path, facts: _Facts, target: Path, *, keep_ids: bool, sequence: bool) -> Path:
    texts = {key for key, seen in facts.seen.items() if as_text(seen)}
    with target.open("w", encoding="utf-8") as file:
        file.write('{"type":"FeatureCollection","features":[\n')
        for number, feature in enumerate(_features(path, _Facts(name=facts.name), sequence=sequence)):
            file.write((",\n" if number else "") + _rewritten(feature, texts, keep_ids=keep_ids))
        file.write("\n]}\n")
    return target


def _rewritten(feature: object, texts: set[str], *, keep_ids: bool) -> str:
    if not isinstance(feature, dict):
        raise TypeError(feature)
    identity = {"id": feature.get("id")} if keep_ids else {}
    properties = {**identity, **(feature.get("properties") or {})}
    for key in texts & properties.keys():
        properties[key] = written(properties[key])
    geometry = feature.get("geometry")
    plain = {
        "type": "Feature",
        "properties": properties,
        "geometry": None if is_blank(geometry) else geometry,
    }
    if not keep_ids and isinstance(feature.get("id"), str):
        plain["id"] = feature["id"]
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))


def _crs_text(crs: object) -> str | None:
    """The CRS text of a `crs` member: RFC 7946 has none and means WGS 84; the format of 2008 has names and links.

    What names no CRS is given on as it stands, and is no known CRS.
    """
    if crs is None:
        return None
    if crs == _UNSET:
        return "EPSG:4326"
    properties = crs.get("properties") if isinstance(crs, dict) else None
    if isinstance(crs, dict) and isinstance(properties, dict):
        if crs.get("type") == "name" and isinstance(properties.get("name"), str):
            return str(properties["name"])
        if crs.get("type") == "EPSG" and isinstance(properties.get("code"), int):
            return f"EPSG:{properties['code']}"
    return json.dumps(crs)


def _warnings(facts: _Facts) -> Iterator[str]:
    if facts.foreign:
        names = ", ".join(sorted(facts.foreign)[:10])
        yield f"{facts.name}: members of features outside `properties` are not read: {names}"
    if facts.ids and "id" in facts.seen:
        yield f"{facts.name}: the features' own ids are not read, as there is a property 'id'"
