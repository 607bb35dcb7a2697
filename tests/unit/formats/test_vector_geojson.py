from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

import sources
from geoingest.errors.source import (
    SourceUnreadableError,
)
from geoingest.formats.vector_files import read_batches
from unit.formats.reading import POINT, column, geometries_of, open_file, rows_of, write_features, write_text


class TestGeojsonValues:
    def test_integers_beyond_64_bits_stay_exact_as_text(self, tmp_path):
        found = column(tmp_path, 9223372036854775808, -1, None)
        assert found.to_pylist() == ["9223372036854775808", "-1", None]

    def test_integers_that_a_float_would_round_stay_exact_beside_floats(self, tmp_path):
        assert column(tmp_path, 9007199254740993, 0.5).to_pylist() == ["9007199254740993", "0.5"]

    def test_one_float_at_the_end_makes_the_column_float(self, tmp_path):
        found = column(tmp_path, *range(70_000), 0.5)
        assert found.type == pa.float64()
        assert found[-1].as_py() == 0.5

    def test_mixed_types_are_text(self, tmp_path):
        found = column(tmp_path, 1, "a", True, {"b": [1]}, None)
        assert found.type == pa.string()
        assert found.to_pylist()[:2] == ["1", "a"]

    def test_booleans_do_not_become_numbers(self, tmp_path):
        assert column(tmp_path, True, 2).to_pylist() == ["true", "2"]

    def test_objects_are_text_marked_as_json(self, tmp_path):
        layer = open_file(write_features(tmp_path, {"a": {"b": [1, None]}}, {"a": None}))
        assert layer.schema.field("a").metadata == {b"logical": b"json"}
        [first, second] = [row["a"] for row in rows_of(layer)]
        assert (json.loads(first), second) == ({"b": [1, None]}, None)

    def test_lists_of_one_type_stay_lists(self, tmp_path):
        assert column(tmp_path, [1, 2], []).to_pylist() == [[1, 2], []]

    def test_integers_beyond_64_bits_in_lists_stay_exact(self, tmp_path):
        found = column(tmp_path, [1, 2**70])
        assert json.loads(found[0].as_py()) == [1, 2**70]

    @pytest.mark.parametrize(
        ("values", "expected", "kind"),
        [
            pytest.param(
                ["2024-01-01T12:00:00+01:00", "2024-01-01T12:00:00-05:00"],
                [datetime(2024, 1, 1, 11, tzinfo=UTC), datetime(2024, 1, 1, 17, tzinfo=UTC)],
                pa.timestamp("ms", tz="UTC"),
                id="mixed zones are instants",
            ),
            pytest.param(
                ["2024-01-01T12:00:00.123456Z"],
                [datetime(2024, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)],
                pa.timestamp("us", tz="UTC"),
                id="microseconds",
            ),
            pytest.param(
                ["2024-01-01T12:00:00.5"],
                [datetime(2024, 1, 1, 12, 0, 0, 500000)],  # noqa: DTZ001
                pa.timestamp("ms"),
                id="local",
            ),
            pytest.param(
                ["2024-01-01T12:00:00Z", "2024-01-01T12:00:00"],
                ["2024-01-01T12:00:00Z", "2024-01-01T12:00:00"],
                pa.string(),
                id="with and without zone",
            ),
            pytest.param(["2024-01-01", "2024-01-01T12:00:00Z"], None, pa.string(), id="day and instant"),
            pytest.param(["2024-02-30"], ["2024-02-30"], pa.string(), id="no such day"),
            pytest.param(["2024/01/02"], ["2024/01/02"], pa.string(), id="ambiguous day"),
            pytest.param(["0001-01-01", "9999-12-31"], [date.min, date.max], pa.date32(), id="days"),
            pytest.param(["23:59:59.5", None], [time(23, 59, 59, 500000), None], pa.time32("ms"), id="time"),
            pytest.param(["12:00:00.000001"], [time(12, 0, 0, 1)], pa.time64("us"), id="fine time"),
        ],
    )
    @pytest.mark.parametrize("sequence", [False, True], ids=["collection", "sequence"])
    def test_dates_and_times_are_exact(self, values, expected, kind, sequence, tmp_path):
        path = write_features(tmp_path, *({"a": value} for value in values))
        if sequence:
            lines = map(json.dumps, json.loads(path.read_text())["features"])
            path = write_text(tmp_path, "places.geojsonl", "\n".join(lines) + "\n")
        table = pa.Table.from_batches(read_batches(open_file(path)))
        assert table["a"].type == kind
        assert table["a"].to_pylist() == (values if expected is None else expected)

    @settings(max_examples=150, deadline=None)
    @given(
        values=st.lists(
            st.one_of(
                st.none(),
                st.booleans(),
                st.integers(-(2**70), 2**70),
                st.floats(allow_nan=False, allow_infinity=False),
                st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
                st.sampled_from(["2024-01-02", "12:00:00", "2024-01-02T12:00:00Z", "NaN", "1", ""]),
            ),
            min_size=1,
            max_size=5,
        )
    )
    def test_no_value_ever_changes(self, values, tmp_path_factory):
        found = column(tmp_path_factory.mktemp("values"), *values).to_pylist()
        for value, result in zip(values, found, strict=True):
            if isinstance(result, str) and not isinstance(value, str):
                assert json.loads(result) == value
            elif isinstance(result, (date, time)):
                assert result.isoformat().replace("+00:00", "Z") == value
            else:
                assert (result, result is None) == (value, value is None)

    @pytest.mark.parametrize("text", ["a\0b", "\ud800", {"b": ["\0"]}])
    def test_text_that_gdal_would_cut_is_an_error(self, text, tmp_path):
        path = tmp_path / "a.geojson"
        feature = {"type": "Feature", "properties": {"a": text}, "geometry": None}
        path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
        with pytest.raises(SourceUnreadableError, match="property 'a'"):
            open_file(path)

    def test_numeric_feature_ids_are_kept(self, tmp_path):
        features = [
            {"type": "Feature", "id": n, "properties": {"a": 1}, "geometry": POINT} for n in (7, 7, 2**60)
        ]
        path = sources.write_json(tmp_path / "a.geojson", {"type": "FeatureCollection", "features": features})
        assert [row["id"] for row in rows_of(open_file(path))] == [7, 7, 2**60]

    def test_members_that_are_not_read_are_told(self, tmp_path):
        feature = {"type": "Feature", "extra": 1, "properties": {}, "geometry": POINT}
        path = sources.write_json(
            tmp_path / "a.geojson", {"type": "FeatureCollection", "features": [feature]}
        )
        assert open_file(path).warnings == (
            "a.geojson: members of features outside `properties` are not read: extra",
        )


class TestGeojsonFiles:
    def test_type_may_come_last(self, tmp_path):
        text = json.dumps({"name": "x" * 20_000, "features": sources.features(), "type": "FeatureCollection"})
        assert len(rows_of(open_file(write_text(tmp_path, "a.geojson", text)))) == len(sources.ROWS)

    def test_a_byte_order_mark_is_no_obstacle(self, tmp_path):
        path = write_features(tmp_path, {"a": "é"})
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        assert rows_of(open_file(path)) == [{"a": "é"}]

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param(
                json.dumps({"type": "Feature", "properties": {"a": 1}, "geometry": POINT}), id="feature"
            ),
            pytest.param(json.dumps(POINT), id="geometry"),
        ],
    )
    def test_a_bare_feature_or_geometry_is_one_row(self, text, tmp_path):
        assert geometries_of(open_file(write_text(tmp_path, "a.geojson", text))) == [shapely.Point(1, 2)]

    def test_no_features_are_no_rows(self, tmp_path):
        layer = open_file(write_features(tmp_path))
        assert (list(read_batches(layer)), layer.features) == ([], 0)

    @pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
    @pytest.mark.parametrize("file_format", ["geojson", "geojsonseq", "topojson", "kml", "gml", "fgb"])
    def test_a_truncated_file_is_an_error(self, file_format, share, tmp_path):
        path = sources.write_sample(file_format, tmp_path)
        content = path.read_bytes().rstrip()
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(SourceUnreadableError):
            rows_of(open_file(path, crs="EPSG:4326"))

    @pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
    def test_a_truncated_geopackage_is_an_error(self, share, tmp_path):
        path = sources.write_sample("gpkg", tmp_path)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(SourceUnreadableError):
            rows_of(open_file(path))

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param('{"type":"FeatureCollection","features":[]} garbage', id="text after the end"),
            pytest.param('{"type":"FeatureCollection","features":[5]}', id="no feature"),
            pytest.param('{"type":"FeatureCollection","features":{}}', id="features no array"),
            pytest.param('{"type":"FeatureCollection"}', id="no features"),
            pytest.param('{"type":"Feature","properties":{"a":NaN},"geometry":null}', id="NaN"),
            pytest.param('{"type":"Feature","properties":[1],"geometry":null}', id="properties no object"),
        ],
    )
    def test_broken_collections_are_errors(self, text, tmp_path):
        with pytest.raises(SourceUnreadableError):
            open_file(write_text(tmp_path, "a.geojson", text))

    def test_text_that_is_not_utf8_is_an_error(self, tmp_path):
        path = write_features(tmp_path, {"a": "x"})
        path.write_bytes(path.read_bytes().replace(b'"x"', b'"\xe9"'))
        with pytest.raises(SourceUnreadableError, match="UTF-8"):
            open_file(path)

    def test_deep_nesting_is_an_error_and_no_crash(self, tmp_path):
        text = '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"a":' + "[" * 200_000
        with pytest.raises(SourceUnreadableError):
            open_file(write_text(tmp_path, "a.geojson", text))

    @pytest.mark.parametrize(
        ("first", "second"),
        [pytest.param("\x1e", "\n\x1e", id="record separators"), pytest.param("", "\n\n", id="blank lines")],
    )
    def test_sequences_may_span_lines_and_be_separated(self, first, second, tmp_path):
        feature = json.dumps({"type": "Feature", "properties": {"a": 1}, "geometry": POINT}, indent=1)
        path = write_text(tmp_path, "a.geojsonl", first + feature + second + feature + "\n")
        assert rows_of(open_file(path)) == [{"a": 1}, {"a": 1}]

    def test_a_broken_line_of_a_sequence_is_an_error(self, tmp_path):
        path = sources.write_sample("geojsonseq", tmp_path)
        lines = path.read_text(encoding="utf-8").splitlines()
        path.write_text("\n".join([*lines[:2], lines[2][:-5], *lines[3:]]), encoding="utf-8")
        with pytest.raises(SourceUnreadableError):
            open_file(path)

    def test_features_larger_than_a_chunk_are_read(self, tmp_path):
        coordinates = np.column_stack([np.linspace(0, 1, 150_000), np.linspace(1, 2, 150_000)])
        line = {"type": "LineString", "coordinates": coordinates.tolist()}
        [geometry] = geometries_of(open_file(write_features(tmp_path, {"a": 1}, geometry=line)))
        assert np.array_equal(shapely.get_coordinates(geometry), coordinates)


class TestTopojson:
    def write(self, folder: Path, *geometries: dict[str, object], arcs: list[object]) -> Path:
        places = {"type": "GeometryCollection", "geometries": list(geometries)}
        return sources.write_json(
            folder / "a.topojson", {"type": "Topology", "objects": {"places": places}, "arcs": arcs}
        )

    def test_shared_arcs_are_put_together(self, tmp_path):
        shape = {"type": "Polygon", "arcs": [[0, ~1]], "properties": {"a": 1}}
        path = self.write(tmp_path, shape, arcs=[[[0, 0], [1, 0], [1, 1]], [[0, 0], [0, 1], [1, 1]]])
        [found] = geometries_of(open_file(path, crs="EPSG:4326"))
        assert found.equals(shapely.box(0, 0, 1, 1))

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            pytest.param([2**63, None], ["9223372036854775808", None], id="beyond 64 bits"),
            pytest.param([2**53 + 1, 0.5], ["9007199254740993", "0.5"], id="rounded by a float"),
            pytest.param([True, 2], ["true", "2"], id="boolean and number"),
        ],
    )
    def test_values_stay_exact(self, values, expected, tmp_path):
        points = [{**POINT, "properties": {"a": value}} for value in values]
        layer = open_file(self.write(tmp_path, *points, arcs=[]), crs="EPSG:4326")
        assert [row["a"] for row in rows_of(layer)] == expected

    @pytest.mark.parametrize(
        ("geometry", "arcs"),
        [
            pytest.param({"type": "LineString", "arcs": [5]}, [], id="no such arc"),
            pytest.param({"type": "LineString", "arcs": ["0"]}, [[[0, 0], [1, 1]]], id="arc by text"),
            pytest.param({"type": "Point", "coordinates": ["x", 1]}, [], id="text as a coordinate"),
            pytest.param({"type": "MultiPoint", "coordinates": [[1]]}, [], id="one coordinate"),
            pytest.param({"type": "LineString", "arcs": [0]}, [[["x", 0]]], id="text in an arc"),
        ],
    )
    def test_what_gdal_would_make_empty_is_an_error(self, geometry, arcs, tmp_path):
        with pytest.raises(SourceUnreadableError):
            open_file(self.write(tmp_path, geometry, arcs=arcs), crs="EPSG:4326")

    def test_the_crs_is_the_one_of_geojson_unless_the_manifest_names_another(self, tmp_path):
        path = self.write(tmp_path, {**POINT, "properties": {}}, arcs=[])
        by_format, named = open_file(path), open_file(path, crs="EPSG:2056")
        assert [(layer.crs_from, json.loads(layer.crs)["id"]["code"]) for layer in (by_format, named)] == [
            ("format", 4326),
            ("manifest", 2056),
        ]
