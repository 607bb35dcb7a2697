from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geoingest.errors.geometry import GeometryUnreadableError
from geoingest.formats import wkb
from unit.formats.wkb_strategies import Shape, column, columns, encode

POINT = Shape(1, ((1.0, 2.0, 3.0),), 1)
DIALECTS = {
    "big-endian": {"order": ">"},
    "extended": {"extended": True},
    "extended with SRID": {"extended": True, "srid": 4326},
    "extended big-endian with SRID": {"order": ">", "extended": True, "srid": 25832},
}


def test_normal_columns_come_back_as_the_same_object():
    array = column([POINT, None, Shape(3, ())])
    assert wkb.normalise(array) is array


@given(columns, st.sampled_from(sorted(DIALECTS)), st.sampled_from([pa.binary(), pa.large_binary()]))
def test_every_dialect_becomes_little_endian_iso(rows, dialect, kind):
    values = [None if row is None else encode(row, **DIALECTS[dialect]) for row in rows]
    array = pa.array([b"", *values, b""], kind).slice(1, len(values))
    normal = wkb.normalise(array)
    assert normal.to_pylist() == column(rows).to_pylist()
    assert normal.type == kind
    wkb.walk(normal)


def test_only_the_rows_of_another_dialect_change():
    rows = [encode(POINT), None, encode(POINT, order=">"), encode(Shape(2, ())), encode(POINT, extended=True)]
    normal = wkb.normalise(pa.array(rows, pa.binary()))
    assert normal.to_pylist() == [encode(POINT), None, encode(POINT), encode(Shape(2, ())), encode(POINT)]


def test_curves_of_another_dialect_are_read_too():
    arc = Shape(8, ((0.0, 0.0), (1.0, 1.0), (2.0, 0.0)))
    surface = Shape(12, (Shape(10, (Shape(9, (arc,)),)),))
    normal = wkb.normalise(pa.array([encode(surface, order=">", extended=True)], pa.binary()))
    assert normal.to_pylist() == [encode(surface)]


def test_what_geos_writes_by_default_is_normalised():
    geometries = shapely.from_wkt(
        [
            "POINT Z (1 2 3)",
            "GEOMETRYCOLLECTION (POINT (0 0), POINT Z (0 0 1))",
            "LINESTRING ZM (1 2 3 4, 5 6 7 8)",
        ]
    )
    written = shapely.to_wkb(shapely.set_srid(geometries, 4326), include_srid=True)
    expected = shapely.to_wkb(geometries, flavor="iso").tolist()
    assert wkb.normalise(pa.array(written, pa.binary())).to_pylist() == expected


def test_not_a_number_keeps_its_bits():
    bits = struct.pack("<Q", 0x7FF0000000000001)
    value = struct.pack(">BI", 0, 1) + bits[::-1] * 2
    normal = wkb.normalise(pa.array([value], pa.binary()))
    assert normal.to_pylist() == [struct.pack("<BI", 1, 1) + bits * 2]


DEEP = encode(POINT, order=">")
for _ in range(40):
    DEEP = struct.pack(">BII", 0, 7, 1) + DEEP


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param(struct.pack(">BI", 0, 2), "cut short (byte 5)", id="no count"),
        pytest.param(struct.pack(">BII", 0, 2, 2**32 - 1), "cut short (byte 9)", id="points beyond the end"),
        pytest.param(struct.pack(">BII", 0, 6, 2**32 - 1), "cut short (byte 9)", id="parts beyond the end"),
        pytest.param(struct.pack(">BII", 0, 3, 2**32 - 1), "cut short (byte 9)", id="rings beyond the end"),
        pytest.param(struct.pack(">BII", 0, 99, 0), "type 99 is unknown", id="unknown type"),
        pytest.param(struct.pack(">BIIBI", 0, 7, 1, 2, 1), "byte order 2", id="unknown byte order"),
        pytest.param(DEEP, "nested deeper than 32", id="too deep"),
    ],
)
def test_rows_that_cannot_be_rewritten_are_refused_by_number(bad, reason):
    array = pa.array([encode(POINT), None, encode(POINT, order=">"), bad], pa.binary())
    with pytest.raises(GeometryUnreadableError) as caught:
        wkb.normalise(array)
    assert caught.value.row == 3
    assert reason in str(caught.value)


def test_bytes_after_the_end_are_left_for_the_walk_to_refuse():
    normal = wkb.normalise(pa.array([encode(POINT, order=">") + b"xyz"], pa.binary()))
    with pytest.raises(GeometryUnreadableError, match="3 bytes follow its end"):
        wkb.walk(normal)


def test_the_normal_form_of_an_unflagged_little_endian_row_needs_no_reading():
    """A row is judged by its outermost header: `walk` refuses what hides inside."""
    mixed = struct.pack("<BII", 1, 7, 1) + encode(POINT, order=">")
    array = pa.array([mixed], pa.binary())
    assert wkb.normalise(array) is array
    with pytest.raises(GeometryUnreadableError, match="byte order 0"):
        wkb.walk(array)
    assert np.array_equal(array.to_pylist(), [mixed])
