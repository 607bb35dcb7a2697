"""The preview page is read back as what a browser would see: well-formed markup, shapes where the data is."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import geopandas as gpd
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import example, given
from hypothesis import strategies as st

from geoingest.formats.map_svg import WIDTH_PX, Sketch, fit_frame
from geoingest.formats.preview import draw_asset, plan_sample, render_svg, write_preview

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def asset(tmp_path):
    """A function that writes geometries as GeoParquet; `geo` changes the column's metadata."""

    def write(geometries, *, crs="EPSG:4326", row_group_size=None, **geo):
        path = tmp_path / "data.parquet"
        frame = gpd.GeoDataFrame({"n": range(len(geometries))}, geometry=list(geometries), crs=crs)
        frame = frame.rename_geometry("geom")
        frame.to_parquet(path, write_covering_bbox=True, row_group_size=row_group_size)
        if geo:
            table = pq.read_table(path)
            metadata = json.loads(table.schema.metadata[b"geo"])
            metadata["columns"]["geom"].update(geo)
            pq.write_table(table.replace_schema_metadata({"geo": json.dumps(metadata)}), path)
        return path

    return write


def shapes(svg: str) -> dict[str, list[str]]:
    """Path texts by what they draw; parsing proves that the text is well-formed XML."""
    root = ET.fromstring(svg)  # noqa: S314 (our own text)
    areas = root.find(f"{SVG}g[@class='areas']")
    found = {"areas": [path.get("d") for path in areas]}
    for kind in ("lines", "dots"):
        text = "".join(path.get("d") for path in root.findall(f"{SVG}path[@class='{kind}']"))
        found[kind] = [f"M{run}" for run in text.split("M")[1:]]
    return found


def corners(path: str) -> list[tuple[float, float]]:
    """The absolute pixels of a path with one ring or line."""
    start, steps = re.fullmatch(r"M(-?\d+ -?\d+)l([-\d ]+)z?", path).groups()
    moves = np.array(steps.split(), dtype=float).reshape(-1, 2)
    return [
        tuple(xy) for xy in (np.cumsum([[float(v) for v in start.split()], *moves], axis=0) / 10).tolist()
    ]


class Visible(HTMLParser):
    """What a reader sees of a page, and which elements and addresses it has."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in {"href", "src", "xlink:href", "data"}]

    def handle_data(self, data):
        if data.strip() and self.tags[-1] != "style":
            self.text.append(data.strip())


def test_a_square_is_drawn_where_it_is_with_north_up(asset):
    path = asset([shapely.box(0, 0, 100, 50)], crs="EPSG:28355")

    drawn = shapes(render_svg(path, title="t"))

    frame = fit_frame((0, 0, 100, 50), is_geographic=False)
    expected = frame.to_px(np.array([(100.0, 0.0), (100.0, 50.0), (0.0, 50.0), (0.0, 0.0)]))
    assert (drawn["lines"], drawn["dots"], len(drawn["areas"])) == ([], [], 1)
    assert set(corners(drawn["areas"][0])) == {tuple(xy) for xy in expected.round(1).tolist()}
    assert expected[0][1] > expected[1][1]


@pytest.mark.parametrize(
    ("bounds", "is_geographic", "shape"),
    [
        pytest.param((0, 0, 100, 50), False, 0.5, id="metres are as long in both directions"),
        pytest.param((10, 59, 14, 61), True, 1.0, id="at 60 degrees north a degree east is half as long"),
        pytest.param((-180, -90, 180, 90), True, 0.5, id="the world is twice as wide as high"),
    ],
)
def test_shapes_keep_their_proportions(bounds, is_geographic, shape):
    frame = fit_frame(bounds, is_geographic=is_geographic)
    west, south, east, north = bounds
    left, top = frame.to_px(np.array([(west, north)], dtype=float))[0]
    right, bottom = frame.to_px(np.array([(east, south)], dtype=float))[0]
    assert (bottom - top) / (right - left) == pytest.approx(shape, rel=1e-6)
    assert 0 < left < right < WIDTH_PX
    assert 0 < top < bottom < frame.height_px


@given(
    west=st.floats(-179, 179),
    south=st.floats(-89, 89),
    width=st.floats(0, 300),
    height=st.floats(0, 100),
    is_geographic=st.booleans(),
)
@example(west=0.0, south=0.0, width=5e-324, height=0.0, is_geographic=False)
@example(west=145.0, south=-37.0, width=1e-12, height=0.0, is_geographic=True)
def test_every_window_contains_its_bounds(west, south, width, height, is_geographic):
    bounds = (west, south, west + width, min(south + height, 90))
    frame = fit_frame(bounds, is_geographic=is_geographic)
    placed = frame.to_px(np.array([bounds[:2], bounds[2:]]))
    assert (placed >= 0).all()
    assert (placed <= [WIDTH_PX, frame.height_px]).all()
    assert 0.4 < frame.height_px / WIDTH_PX < 0.7


def test_data_across_the_antimeridian_is_drawn_close_together(asset):
    west, east = shapely.box(178, -18, 180, -16), shapely.box(-180, -18, -178, -16)
    path = asset([shapely.MultiPolygon([west, east])], bbox=[178, -18, -178, -16])

    svg = render_svg(path, title="Fiji")

    xs = [x for area in shapes(svg)["areas"] for x, _ in corners(area)]
    assert 0 < min(xs) < max(xs) < WIDTH_PX
    assert max(xs) - min(xs) > WIDTH_PX / 2
    assert "179°W" in svg
    assert "181°" not in svg


@pytest.mark.parametrize(
    ("geometry", "counts"),
    [
        pytest.param(shapely.Point(1, 1), (0, 0, 1), id="point"),
        pytest.param(shapely.MultiPoint([(1, 1), (9, 9)]), (0, 0, 2), id="multi-point"),
        pytest.param(shapely.LineString([(0, 0), (9, 9)]), (0, 1, 0), id="line"),
        pytest.param(shapely.Point(4, 4).buffer(3).difference(shapely.box(3, 3, 5, 5)), (1, 0, 0), id="hole"),
        pytest.param(shapely.from_wkt("POLYGON Z ((0 0 1, 9 0 1, 9 9 1, 0 0 1))"), (1, 0, 0), id="Z"),
        pytest.param(
            shapely.from_wkt(
                "GEOMETRYCOLLECTION(POINT(1 1),GEOMETRYCOLLECTION(LINESTRING(0 0,9 9),POINT EMPTY))"
            ),
            (0, 1, 1),
            id="nested collection",
        ),
    ],
)
def test_each_kind_of_geometry_is_drawn_as_its_kind(asset, geometry, counts):
    drawn = shapes(render_svg(asset([geometry, shapely.Point(0, 9)]), title="t"))
    assert (len(drawn["areas"]), len(drawn["lines"]), len(drawn["dots"]) - 1) == counts


def test_an_islet_beside_a_continent_stays_small(asset):
    svg = render_svg(asset([shapely.box(0, 0, 90, 60), shapely.box(95, 10, 95.001, 10.001)]), title="t")
    points, specks = ET.fromstring(svg).findall(f"{SVG}path[@class='dots']")  # noqa: S314 (our own text)
    assert points.get("d") == ""
    assert (specks.get("d").count("M"), specks.get("stroke-width")) == (1, "1.0")


def test_a_hole_is_part_of_its_polygon(asset):
    holed = shapely.box(0, 0, 9, 9).difference(shapely.box(3, 3, 6, 6))
    assert shapes(render_svg(asset([holed]), title="t"))["areas"][0].count("z") == 2


def test_houses_too_small_to_see_become_dots(asset):
    houses = [shapely.box(x, y, x + 10, y + 10) for x in range(0, 400_000, 20_000) for y in (0, 200_000)]
    drawn = shapes(render_svg(asset(houses, crs="EPSG:28355"), title="t"))
    assert (drawn["areas"], len(drawn["dots"])) == ([], len(houses))


@pytest.mark.parametrize(
    ("geometries", "caption"),
    [
        pytest.param([], "0 features drawn", id="no rows"),
        pytest.param([None, None], "0 of 2 features drawn; the others have no geometry", id="only null"),
        pytest.param([shapely.Point()], "0 of 1 feature drawn; the others have no geometry", id="only empty"),
    ],
)
def test_an_asset_without_geometry_has_a_page_that_says_so(asset, tmp_path, geometries, caption):
    write_preview(asset(geometries), tmp_path / "p.html", title="t", facts={"Rows": "0"})
    seen = Visible((tmp_path / "p.html").read_text("utf-8"))
    assert "No geometry to draw" in seen.text
    assert caption in seen.text
    assert "svg" not in seen.tags


def test_null_rows_are_counted_out(asset, tmp_path):
    write_preview(asset([None, shapely.Point(1, 1)]), tmp_path / "p.html", title="t", facts={})
    caption = "1 of 2 features drawn; the others have no geometry"
    assert caption in Visible((tmp_path / "p.html").read_text("utf-8")).text


@pytest.mark.parametrize(
    "evil", ["<script>alert(1)</script>", '"><img src=x onerror=1>', "${title}", "&amp;"]
)
def test_names_from_the_data_are_text_never_markup(asset, tmp_path, evil):
    write_preview(asset([shapely.Point(1, 1)]), tmp_path / "p.html", title=evil, facts={evil: evil})
    seen = Visible((tmp_path / "p.html").read_text("utf-8"))
    assert [text for text in seen.text if text == evil] == [evil] * 4
    assert {"script", "img"}.isdisjoint(seen.tags)


def test_the_page_asks_nobody_for_anything(asset, tmp_path):
    write_preview(asset([shapely.Point(1, 1)]), tmp_path / "p.html", title="t", facts={"URI": "s3://lake/x"})
    page = (tmp_path / "p.html").read_text("utf-8")
    assert Visible(page).addresses == []
    assert set(re.findall(r"https?://[^\s\"']+|url\(|@import", page)) == {"http://www.w3.org/2000/svg"}


def test_the_same_asset_gives_the_same_page(asset, tmp_path):
    path = asset(shapely.points(np.random.default_rng(3).uniform(-80, 80, (500, 2))))
    for name in ("a.html", "b.html"):
        write_preview(path, tmp_path / name, title="t", facts={"Rows": "500"})
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_a_large_file_is_sampled_and_the_page_says_so(asset, tmp_path):
    points = shapely.points(np.random.default_rng(1).uniform(-80, 80, (30_000, 2)))
    path = asset(points, row_group_size=7_000)

    picture = draw_asset(path, title="t")
    write_preview(path, tmp_path / "p.html", title="t", facts={})

    assert (picture.rows, picture.sampled, picture.drawn) == (30_000, 20_000, 20_000)
    caption = "A sample: 20,000 of 30,000 features, evenly spaced over the file"
    assert caption in Visible((tmp_path / "p.html").read_text("utf-8")).text


def test_a_map_of_endless_detail_stays_under_three_megabytes(asset):
    rng = np.random.default_rng(5)
    scribbles = [shapely.LineString(rng.uniform(-80, 80, (2_000, 2))) for _ in range(300)]
    blobs = [shapely.Point(*rng.uniform(-80, 80, 2)).buffer(20, quad_segs=400) for _ in range(300)]
    svg = render_svg(asset(scribbles + blobs), title="t")
    drawn = shapes(svg)
    assert len(svg) < 3_000_000
    assert len(drawn["areas"]) > 30
    assert len(drawn["lines"]) > 30


@pytest.mark.parametrize(
    ("crs", "meaning"),
    [
        pytest.param("EPSG:28355", "Grid: GDA94 / MGA zone 55, metre", id="projected"),
        pytest.param("OGC:CRS84", "Grid: WGS 84 (CRS84), degree", id="geographic"),
        pytest.param(None, "Coordinates without a CRS", id="unknown"),
    ],
)
def test_the_grid_says_what_its_numbers_mean(asset, crs, meaning):
    assert draw_asset(asset([shapely.Point(1, 1)], crs=crs), title="t").grid == meaning


def test_bounds_that_metadata_does_not_tell_are_measured(asset):
    path = asset([shapely.box(0, 0, 100, 50)], crs="EPSG:28355", bbox=None)
    told = asset([shapely.box(0, 0, 100, 50)], crs="EPSG:28355")
    assert render_svg(path, title="t") == render_svg(told, title="t")


def test_grid_lines_of_a_small_window_have_labels_of_their_own(asset):
    svg = render_svg(asset([shapely.box(145.12345, -37.5, 145.12350, -37.49998)]), title="t")
    labels = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert len(labels) == len(set(labels)) > 5


def test_non_finite_coordinates_are_left_out():
    sketch = Sketch(fit_frame((0, 0, 9, 9), is_geographic=True))
    sketch.add(np.array([shapely.Point(np.inf, 1), shapely.Point(1, 1), None], dtype=object))
    assert sketch.features == 1


@given(
    group_rows=st.lists(st.integers(0, 500), max_size=40),
    max_features=st.integers(1, 300),
    max_groups=st.integers(1, 20),
)
def test_a_sample_is_even_within_the_file_and_bounded(group_rows, max_features, max_groups):
    plan = plan_sample(group_rows, max_features=max_features, max_groups=max_groups)
    starts = np.cumsum([0, *group_rows])
    rows = np.concatenate([starts[g] + picked for g, picked in plan.items()] or [np.empty(0)])
    assert len(rows) == len(set(rows.tolist())) <= max_features
    assert len(plan) <= max_groups
    assert all((picked < group_rows[group]).all() for group, picked in plan.items())
    if len(group_rows) <= max_groups:
        assert len(rows) == min(sum(group_rows), max_features)
        gaps = np.diff(rows)
        assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1


def test_the_example_countries_fill_the_map(tmp_path):
    example = Path(__file__).parents[3] / "examples/countries/countries.geojson"
    path = tmp_path / "countries.parquet"
    gpd.read_file(example).to_parquet(path)
    picture = draw_asset(path, title="Countries")
    assert (picture.drawn, picture.rows) == (177, 177)
    assert len(shapes(picture.svg)["areas"]) > 170
