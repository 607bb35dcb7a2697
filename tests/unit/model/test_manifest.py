"""What each field of a manifest takes, and what a manifest means for its run."""

import copy

import pytest
from pydantic import ValidationError

from geoingest.errors.manifest import ManifestInvalidError
from geoingest.model.ingest import parse_manifest
from geoingest.model.manifest import (
    Manifest,
    ManifestFile,
    ManifestMetadata,
    RunAttributes,
    dataset_id,
    manifest_document,
    run_attributes,
)
from geoingest.routing import INTENTS

METADATA = {"title": "", "description": "", "source": "", "license": "", "attribution": ""}
VECTOR = {
    "batch_id": "b",
    "uploader": "u",
    "intent": "ingest_vector",
    "files": [{"path": "landing-zone/a.gpkg", "type": "vector", "format": "GPKG"}],
    "metadata": METADATA,
}
JOIN_CONFIG = {"spatial_dataset_id": "s", "tabular_dataset_id": "t", "left_key": "k"}


def with_(document, path, value):
    """A copy of `document` with `value` at `path`."""
    changed = copy.deepcopy(document)
    *parents, last = path
    inner = changed
    for part in parents:
        inner = inner[part]
    inner[last] = value
    return changed


def without(document, path):
    changed = copy.deepcopy(document)
    *parents, last = path
    inner = changed
    for part in parents:
        inner = inner[part]
    del inner[last]
    return changed


def problems(document, **context):
    try:
        parse_manifest(document, **context)
    except ManifestInvalidError as error:
        return [str(problem) for problem in error.problems]
    return []


def tagged(**tags):
    return parse_manifest(with_(VECTOR, ["metadata", "tags"], tags))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        pytest.param(["extra"], "extra", id="manifest"),
        pytest.param(["files", 0, "extra"], "files[0].extra", id="file"),
        pytest.param(["metadata", "extra"], "metadata.extra", id="metadata"),
        pytest.param(["metadata", "join_config", "extra"], "metadata.join_config.extra", id="join_config"),
    ],
)
def test_unknown_keys_are_refused_at_every_level_by_name(path, name):
    document = with_(VECTOR, ["metadata", "join_config"], JOIN_CONFIG)
    (problem,) = problems(with_(document, path, 1))
    assert problem.startswith(f"{name}: got an unknown key, expected one of ")


@pytest.mark.parametrize(
    "path",
    [
        ["batch_id"],
        ["uploader"],
        ["intent"],
        ["metadata"],
        ["files", 0, "path"],
        ["files", 0, "type"],
        ["files", 0, "format"],
        ["metadata", "title"],
        ["metadata", "description"],
        ["metadata", "source"],
        ["metadata", "license"],
        ["metadata", "attribution"],
        ["metadata", "join_config", "spatial_dataset_id"],
        ["metadata", "join_config", "tabular_dataset_id"],
        ["metadata", "join_config", "left_key"],
    ],
    ids=lambda path: path[-1],
)
def test_required_fields_are_missed_by_name(path):
    document = with_(VECTOR, ["metadata", "join_config"], JOIN_CONFIG)
    (problem,) = problems(without(document, path))
    assert f"{path[-1]}: got nothing, expected " in problem


@pytest.mark.parametrize("field", ["batch_id", "uploader"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param("", "got '', expected a non-empty string", id="empty"),
        pytest.param(" ", "got ' ', expected a non-empty string", id="blank"),
        pytest.param(7, "got 7, expected a string", id="integer"),
        pytest.param(True, "got true, expected a string", id="boolean"),
        pytest.param(None, "got null, expected a string", id="null"),
        pytest.param("a\nb", "got 'a\\nb', expected text without control characters", id="two lines"),
        pytest.param("x" * 257, "got 257 characters, expected at most 256", id="too long"),
    ],
)
def test_names_are_non_empty_strings_and_nothing_is_coerced(field, value, message):
    assert problems(with_(VECTOR, [field], value)) == [f"{field}: {message}"]


def test_an_unregistered_intent_is_refused_with_the_known_ones():
    assert problems(with_(VECTOR, ["intent"], "ingest_vectors")) == [
        f"intent: got 'ingest_vectors', expected one of {', '.join(INTENTS)}; did you mean 'ingest_vector'?"
    ]


@pytest.mark.parametrize(
    ("intent", "file_type", "expected"),
    [
        ("ingest_vector", "raster", "vector"),
        ("ingest_road_network", "tabular", "vector"),
        ("ingest_raster", "vector", "raster"),
        ("ingest_tabular", "vector", "tabular"),
    ],
)
def test_a_file_type_must_fit_the_intent(intent, file_type, expected):
    document = with_(with_(VECTOR, ["intent"], intent), ["files", 0, "type"], file_type)
    assert problems(document) == [
        f"files[0].type: got '{file_type}', expected {expected}: intent {intent} takes {expected} files"
    ]


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        pytest.param("landing-zone/a.gpkg", "s3://landing-zone/a.gpkg", id="scheme added"),
        pytest.param(" s3://landing-zone/a b.gpkg\n", "s3://landing-zone/a b.gpkg", id="trimmed"),
        pytest.param("landing-zone/ä/..b/c..gpkg", "s3://landing-zone/ä/..b/c..gpkg", id="dots in names"),
    ],
)
def test_a_path_is_normalised(path, uri):
    assert parse_manifest(with_(VECTOR, ["files", 0, "path"], path)).files[0].path == uri


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("landing-zone", "a non-empty key", id="no key"),
        pytest.param("s3://landing-zone/", "a non-empty key", id="empty key"),
        pytest.param("", "a bucket of 3 to 63", id="empty"),
        pytest.param("ab/c", "a bucket of 3 to 63", id="short bucket"),
        pytest.param(f"{'a' * 64}/c", "a bucket of 3 to 63", id="long bucket"),
        pytest.param("Landing-zone/c", "a bucket of 3 to 63", id="upper-case bucket"),
        pytest.param("-landing/c", "a bucket of 3 to 63", id="hyphen first"),
        pytest.param("landing./c", "a bucket of 3 to 63", id="dot last"),
        pytest.param("landing\n/c", "a bucket of 3 to 63", id="newline in bucket"),
        pytest.param("https://landing-zone/c", "a bucket of 3 to 63", id="another scheme"),
        pytest.param("/vsicurl/http://example.com/c", "a bucket of 3 to 63", id="GDAL prefix"),
        pytest.param("landing-zone/../c", "without '..' segments", id="parent segment"),
        pytest.param("landing-zone/a/..", "without '..' segments", id="parent segment last"),
        pytest.param("landing-zone/a\nb", "without control characters", id="newline"),
        pytest.param("landing-zone/a\x85b", "without control characters", id="C1"),
        pytest.param(f"landing-zone/{'ä' * 513}", "at most 1024 bytes", id="long key"),
        pytest.param("data-lake/a.gpkg", "the landing bucket 'landing-zone'", id="another bucket"),
    ],
)
def test_a_path_that_is_no_landing_object_is_refused(path, expected):
    (problem,) = problems(with_(VECTOR, ["files", 0, "path"], path))
    assert problem.startswith("files[0].path: got ")
    assert expected in problem


def test_the_landing_bucket_is_the_platforms_choice():
    document = with_(VECTOR, ["files", 0, "path"], "inbox/a.gpkg")
    assert parse_manifest(document, landing_bucket="inbox").files[0].path == "s3://inbox/a.gpkg"
    assert problems(document, landing_bucket="landing-zone") != []
    assert problems(document, landing_bucket=None) == []


def test_two_spellings_of_one_path_are_one_file_too_many():
    files = [{**VECTOR["files"][0], "path": path} for path in ("landing-zone/a", " s3://landing-zone/a")]
    assert problems(with_(VECTOR, ["files"], files)) == [
        "files[1].path: got 's3://landing-zone/a' again, expected each file once: files[0] is the same"
    ]


@pytest.mark.parametrize(
    ("intent", "count", "expected"),
    [
        ("ingest_vector", 0, "files: got no files, expected at least one: intent ingest_vector reads files"),
        ("ingest_raster", 0, "files: got no files, expected at least one: intent ingest_raster reads files"),
        ("ingest_tabular", 0, "files: Tabular ingestion requires exactly one file, got 0"),
        ("ingest_tabular", 2, "files: Tabular ingestion requires exactly one file, got 2"),
        (
            "join_datasets",
            1,
            "files: got 1 file, expected none: intent join_datasets reads datasets, not files",
        ),
    ],
)
def test_the_number_of_files_must_fit_the_intent(intent, count, expected):
    kind = intent.removeprefix("ingest_")
    files = [{"path": f"landing-zone/{n}", "type": kind, "format": "x"} for n in range(count)]
    files = [{**file, "type": "vector"} for file in files] if kind == "join_datasets" else files
    document = with_(with_(VECTOR, ["intent"], intent), ["files"], files)
    assert problems(with_(document, ["metadata", "join_config"], JOIN_CONFIG)) == [expected]


def test_a_join_needs_its_join_config():
    document = with_(without(VECTOR, ["files"]), ["intent"], "join_datasets")
    (problem,) = problems(document)
    assert problem.startswith("metadata.join_config: got nothing, expected a mapping: intent join_datasets ")


def test_a_join_reads_right_from_left_and_the_latest_versions_unless_told():
    document = with_(without(VECTOR, ["files"]), ["intent"], "join_datasets")
    config = parse_manifest(with_(document, ["metadata", "join_config"], JOIN_CONFIG)).metadata.join_config
    assert (config.how, config.spatial_key, config.spatial_version, config.tabular_version) == (
        "left",
        "k",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("how", "full", "got 'full', expected 'left', 'inner', 'right' or 'outer'"),
        ("spatial_version", 0, "got 0, expected 1 or more"),
        ("tabular_version", True, "got true, expected an integer"),
        ("tabular_version", 1.0, "got 1.0, expected an integer"),
        ("left_key", "", "got '', expected a non-empty string"),
        ("spatial_dataset_id", "a/b", "got 'a/b', expected a dataset id ([A-Za-z0-9][A-Za-z0-9._-]{0,127})"),
    ],
)
def test_a_join_config_takes_only_what_a_join_can_do(key, value, expected):
    document = with_(VECTOR, ["metadata", "join_config"], {**JOIN_CONFIG, key: value})
    assert problems(document) == [f"metadata.join_config.{key}: {expected}"]


def test_required_texts_may_be_empty_but_not_null():
    assert problems(VECTOR) == []
    assert problems(with_(VECTOR, ["metadata", "title"], None)) == [
        "metadata.title: got null, expected a string"
    ]


def test_keywords_are_trimmed_and_unique_in_order_and_case():
    words = [" a ", "B", "", "b", "  ", "a", "B "]
    manifest = parse_manifest(with_(VECTOR, ["metadata", "keywords"], words))
    assert manifest.metadata.keywords == ("a", "B", "b")


@pytest.mark.parametrize("value", ["text", 1, 1.0, True, False, 0, -(2**63), 2**63 - 1, "", "1"])
def test_a_tag_keeps_its_value_and_its_type(value):
    kept = tagged(tag=value).metadata.tags["tag"]
    assert (type(kept), kept) == (type(value), value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(None, "null", id="null"),
        pytest.param({}, "a mapping", id="mapping"),
        pytest.param([1], "a list", id="list"),
        pytest.param(2**63, "9223372036854775808", id="beyond 64 bits"),
        pytest.param(-(2**63) - 1, "-9223372036854775809", id="below 64 bits"),
    ],
)
def test_a_tag_that_no_store_keeps_exactly_is_refused(value, shown):
    expected = "a string, an integer of 64 bits, a finite number or a boolean"
    assert problems(with_(VECTOR, ["metadata", "tags"], {"tag": value})) == [
        f"metadata.tags.tag: got {shown}, expected {expected}"
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_tag_that_is_no_number_is_refused(value):
    assert problems(with_(VECTOR, ["metadata", "tags"], {"tag": value})) == [
        f"metadata.tags.tag: got {value!r}, expected a finite number"
    ]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("type", "shapefile", "got 'shapefile', expected 'vector', 'raster' or 'tabular'"),
        ("format", "", "got '', expected a non-empty string"),
        ("layer", "", "got '', expected a non-empty string"),
        ("crs", "WGS 84", "got 'WGS 84', expected AUTHORITY:CODE such as EPSG:4326"),
        ("crs", 4326, "got 4326, expected a string"),
        ("crs", "+proj=longlat", "got '+proj=longlat', expected AUTHORITY:CODE such as EPSG:4326"),
        ("force_crs", "true", "got 'true', expected true or false"),
        ("force_crs", True, "got true, expected a crs beside it"),
        ("encoding", "utf-9", "got 'utf-9', expected a text encoding such as utf-8 or cp1252"),
        ("encoding", "rot13", "got 'rot13', expected a text encoding such as utf-8 or cp1252"),
        ("encoding", "../x", "got '../x', expected a text encoding such as utf-8 or cp1252"),
    ],
)
def test_a_file_field_takes_only_what_it_means(field, value, expected):
    assert problems(with_(VECTOR, ["files", 0, field], value)) == [f"files[0].{field}: {expected}"]


def test_a_crs_override_keeps_its_code_and_shouts_its_authority():
    document = with_(VECTOR, ["files", 0, "crs"], "ogc:CRS84h")
    assert parse_manifest(document).files[0].crs == "OGC:CRS84h"


def test_more_files_than_a_resource_can_hold_are_refused():
    files = [{**VECTOR["files"][0], "path": f"landing-zone/{n}"} for n in range(1001)]
    assert problems(with_(VECTOR, ["files"], files)) == ["files: got 1001 entries, expected at most 1000"]


def test_a_wrong_field_does_not_hide_what_does_not_fit_together():
    document = with_(with_(VECTOR, ["files", 0, "path"], 5), ["files", 0, "type"], "raster")
    assert problems(document) == [
        "files[0].path: got 5, expected a string",
        "files[0].type: got 'raster', expected vector: intent ingest_vector takes vector files",
    ]


def test_a_manifest_built_in_code_must_hold_together_as_well():
    file = ManifestFile(path="landing-zone/a", type="raster", format="x")
    metadata = ManifestMetadata(title="", description="", source="", license="", attribution="")
    with pytest.raises(ValidationError, match="intent ingest_vector takes vector files"):
        Manifest(batch_id="b", uploader="u", intent="ingest_vector", files=(file,), metadata=metadata)


def test_a_tag_beyond_the_limit_is_refused():
    (problem,) = problems(with_(VECTOR, ["metadata", "tags"], {"tag": "x" * 4097}))
    assert problem.endswith("..., expected at most 4096 characters")


def test_metadata_built_in_code_holds_no_nul_either():
    with pytest.raises(ValidationError, match="text without NUL"):
        ManifestMetadata(title="\0", description="", source="", license="", attribution="")


def test_the_tag_chooses_the_dataset_id():
    assert dataset_id(tagged(dataset_id=" parcels.v2 "), seed="run-1") == "parcels.v2"


@pytest.mark.parametrize("tags", [{}, {"dataset_id": ""}, {"dataset_id": "  "}], ids=str)
def test_without_a_tag_the_run_decides_the_dataset_id_once(tags):
    manifest = tagged(**tags)
    first, again, other = (dataset_id(manifest, seed=seed) for seed in ("run-1", "run-1", "run-2"))
    assert first == again != other
    assert first.startswith("dataset_")
    assert len(bytes.fromhex(first.removeprefix("dataset_"))) == 6


@pytest.mark.parametrize("value", ["a/b", "..", "-a", "a b", "ä", "a" * 129, "a\n", "a\nb"])
def test_a_dataset_id_of_another_form_is_refused(value):
    found = problems(with_(VECTOR, ["metadata", "tags"], {"dataset_id": value}))
    if value == "a\n":
        assert found == []  # trimmed before it is looked at
    else:
        (problem,) = found
        assert problem.startswith("metadata.tags.dataset_id: got ")


@pytest.mark.parametrize(("value", "shown"), [(7, "7"), (True, "true"), (1.5, "1.5")])
def test_a_dataset_id_that_is_no_string_is_refused(value, shown):
    assert problems(with_(VECTOR, ["metadata", "tags"], {"dataset_id": value})) == [
        f"metadata.tags.dataset_id: got {shown}, expected a string"
    ]


@pytest.mark.parametrize(
    ("tags", "source"),
    [
        ({"ingestion_source": "sftp", "source": "x"}, "sftp"),
        ({"source": " x "}, "x"),
        ({"ingestion_source": "", "source": "x"}, "x"),
        ({"source": 7}, "7"),
        ({}, "unknown"),
    ],
)
def test_the_source_of_a_run_is_its_first_tag_that_says_something(tags, source):
    assert run_attributes(tagged(**tags)) == RunAttributes(operator="u", source=source, testing=None)


@pytest.mark.parametrize(
    ("value", "testing"),
    [
        *((text, True) for text in ("1", "true", "yes", "y", "on", " TRUE ")),
        *((text, False) for text in ("0", "false", "no", "n", "off")),
        *((text, None) for text in ("", "maybe", "2")),
        (True, True),
        (False, False),
        (1, True),
        (0, False),
        (0.0, False),
    ],
)
def test_testing_is_read_as_a_boolean_or_not_at_all(value, testing):
    assert run_attributes(tagged(testing=value)).testing is testing


def test_the_ledger_document_leaves_out_what_is_absent():
    assert manifest_document(parse_manifest(VECTOR)) == {
        **VECTOR,
        "files": [
            {
                "path": "s3://landing-zone/a.gpkg",
                "type": "vector",
                "format": "GPKG",
                "force_crs": False,
            }
        ],
        "metadata": {**METADATA, "keywords": [], "tags": {}},
    }
