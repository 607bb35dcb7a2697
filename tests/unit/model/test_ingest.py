"""The one door: manifests and resources, JSON and YAML, good ones whole and bad ones with everything told."""

import copy
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic.alias_generators import to_camel

from geoingest.errors import Problem
from geoingest.errors.manifest import ManifestInvalidError, ManifestUnreadableError
from geoingest.model.ingest import Ingest, IngestSpec, parse_ingest, parse_manifest
from geoingest.model.manifest import (
    JoinConfig,
    Manifest,
    ManifestFile,
    ManifestMetadata,
    manifest_document,
)
from geoingest.recipes import Recipe, SimplifyOptions
from geoingest.routing import INTENTS

MANIFESTS = Path(__file__).parents[2] / "manifests"
FILE_KEYS = "path, type, format, layer, crs, force_crs, encoding"
METADATA_KEYS = "title, description, source, license, attribution, keywords, project, tags, join_config"
SPEC_KEYS = (
    "batchId, uploader, intent, files, metadata, recipe, engine, mode, ttlSecondsAfterFinished, "
    "deadlineSeconds"
)
DATASET_ID = "a dataset id ([A-Za-z0-9][A-Za-z0-9._-]{0,127})"
TAG = "a string, an integer of 64 bits, a finite number or a boolean"
CRS = "AUTHORITY:CODE such as EPSG:4326"


def from_file(manifest, recipe):
    """The ingest of a manifest that came without a resource."""
    return Ingest(
        namespace="default",
        name="",
        uid="",
        manifest=manifest,
        recipe=recipe,
        engine=None,
        mode="Apply",
        deadline_s=None,
        ttl_s=None,
    )


def metadata(title="", **fields):
    texts = {"description": "", "source": "", "license": "", "attribution": ""}
    return ManifestMetadata(title=title, **(texts | fields))


EARLIER_MANIFESTS = {
    "vector_full.json": from_file(
        Manifest(
            batch_id="alkis-2023-q4",
            uploader="gis-team@stadt.example",
            intent="ingest_vector",
            files=(
                ManifestFile(
                    path="s3://landing-zone/alkis/2023/flurstuecke_nord.gpkg", type="vector", format="GPKG"
                ),
                ManifestFile(
                    path="s3://landing-zone/alkis/2023/flurstuecke_süd.gpkg", type="vector", format="GPKG"
                ),
            ),
            metadata=metadata(
                "Flurstücke 2023, 4. Quartal",
                description="Parcels of the whole city.\nDelivered by the land registry in two files.",
                source="ALKIS",
                license="DL-DE-BY-2.0",
                attribution="© Stadt Beispiel, Vermessungsamt",
                keywords=("parcels", "cadastre", "Parcels", "ALKIS"),
                project="digital-twin",
                tags={
                    "dataset_id": " parcels-beispiel ",
                    "ingestion_source": "sftp",
                    "source": "land registry",
                    "testing": "no",
                    "priority": 3,
                    "max_error_m": 0.5,
                    "scale": 1.0,
                    "verified": True,
                    "serial": 2**63 - 1,
                },
            ),
        ),
        Recipe(),
    ),
    "raster.json": from_file(
        Manifest(
            batch_id="dem-tile-32",
            uploader="remote-sensing",
            intent="ingest_raster",
            files=(ManifestFile(path="s3://landing-zone/dem/tile_32.tif", type="raster", format="GTiff"),),
            metadata=metadata(
                "Elevation, tile 32",
                description="1 m elevation model",
                source="airborne laser scanning",
                license="CC0-1.0",
            ),
        ),
        None,
    ),
    "tabular.json": from_file(
        Manifest(
            batch_id="census_2021",
            uploader="statistics",
            intent="ingest_tabular",
            files=(
                ManifestFile(
                    path="s3://landing-zone/census/population_by_ward.csv", type="tabular", format="CSV"
                ),
            ),
            metadata=metadata(
                "Population by ward",
                tags={"testing": 0},
                join_config=JoinConfig(
                    spatial_dataset_id="wards",
                    tabular_dataset_id="population_by_ward",
                    left_key="Ward Code (2021)",
                ),
            ),
        ),
        None,
    ),
    "join.json": from_file(
        Manifest(
            batch_id="wards-with-population",
            uploader="analyst",
            intent="join_datasets",
            metadata=metadata(
                "Wards with population",
                description="Wards joined with the census of 2021",
                source="census, wards",
                license="CC-BY-4.0",
                attribution="Office for Statistics",
                join_config=JoinConfig(
                    spatial_dataset_id="wards",
                    spatial_version=3,
                    tabular_dataset_id="population_by_ward",
                    left_key="ward_code",
                    right_key="code",
                    how="inner",
                ),
            ),
        ),
        None,
    ),
}

REFUSED = {
    "bad_vector.json": [
        ("batch_id", "got 20240101, expected a string"),
        ("uploader", "got '  ', expected a non-empty string"),
        (
            "files[0].path",
            "got 's3://other-bucket/a.gpkg', expected an object in the landing bucket 'landing-zone'",
        ),
        ("files[0].laier", f"got an unknown key, expected one of {FILE_KEYS}; did you mean 'layer'?"),
        ("files[2].format", "got '', expected a non-empty string"),
        ("files[3].path", "got 's3://landing-zone/../etc/passwd', expected a key without '..' segments"),
        ("files[3].type", "got 'shapefile', expected 'vector', 'raster' or 'tabular'"),
        ("files[3].format", "got nothing, expected a string"),
        ("metadata.description", "got null, expected a string"),
        ("metadata.license", "got nothing, expected a string"),
        ("metadata.keywords", "got 'a, b', expected a list"),
        ("metadata.tags.empty", f"got null, expected {TAG}"),
        ("metadata.tags.nested", f"got a mapping, expected {TAG}"),
        ("metadata.tags.huge", f"got 9223372036854775808, expected {TAG}"),
        (
            "metadata.licence",
            f"got an unknown key, expected one of {METADATA_KEYS}; did you mean 'license'?",
        ),
        ("prioritty", "got an unknown key, expected one of batch_id, uploader, intent, files, metadata"),
        ("metadata.tags.dataset_id", f"got '../up', expected {DATASET_ID}"),
        ("files[1].force_crs", "got true, expected a crs beside it"),
        (
            "files[2].path",
            "got 's3://landing-zone/b.tif' again, expected each file once: files[1] is the same",
        ),
        ("files[1].type", "got 'raster', expected vector: intent ingest_vector takes vector files"),
    ],
    "bad_tabular.json": [
        ("files[0].encoding", "got 'utf-9', expected a text encoding such as utf-8 or cp1252"),
        ("files[1].crs", f"got 'WGS 84', expected {CRS}"),
        ("metadata.join_config.spatial_dataset_id", f"got 'has space', expected {DATASET_ID}"),
        ("metadata.join_config.left_key", "got '', expected a non-empty string"),
        ("metadata.join_config.how", "got 'full', expected 'left', 'inner', 'right' or 'outer'"),
        ("metadata.join_config.spatial_version", "got 0, expected 1 or more"),
        ("metadata.join_config.tabular_version", "got 1.0, expected an integer"),
        ("metadata.tags.dataset_id", "got 7, expected a string"),
        ("files", "Tabular ingestion requires exactly one file, got 2"),
    ],
    "bad_join.json": [
        ("metadata.title", "got 1, expected a string"),
        (
            "metadata.joinConfig",
            f"got an unknown key, expected one of {METADATA_KEYS}; did you mean 'join_config'?",
        ),
        ("files", "got 1 file, expected none: intent join_datasets reads datasets, not files"),
        (
            "metadata.join_config",
            "got nothing, expected a mapping: intent join_datasets needs to know what to join",
        ),
    ],
    "bad_ingest.yaml": [
        ("apiVersion", "got 'geoingest.dev/v1', expected 'geoingest.dev/v1alpha1'"),
        ("metadata.name", "got nothing, expected a string"),
        ("spec.batchId", "got nothing, expected a string"),
        (
            "spec.intent",
            f"got 'ingest_vectors', expected one of {', '.join(INTENTS)}; did you mean 'ingest_vector'?",
        ),
        ("spec.files[0].forceCrs", "got 'yes', expected true or false"),
        ("spec.recipe.targetCrs", f"got 'wgs84', expected {CRS}"),
        ("spec.recipe.invalidGeometry", "got 'quarantine', expected 'repair' or 'reject'"),
        ("spec.recipe.simplify.tolerance", "got 0, expected more than 0.0"),
        ("spec.engine", "got 'duckdb', expected 'embedded' or 'postgis'"),
        ("spec.mode", "got 'plan', expected 'Apply' or 'Plan'"),
        ("spec.deadlineSeconds", "got 1.5, expected an integer"),
        ("spec.batch_id", f"got an unknown key, expected one of {SPEC_KEYS}; did you mean 'batchId'?"),
    ],
}


def read(name):
    return (MANIFESTS / name).read_bytes()


def problems(document):
    with pytest.raises(ManifestInvalidError) as refused:
        parse_ingest(document)
    return list(refused.value.problems)


@pytest.mark.parametrize("name", EARLIER_MANIFESTS)
def test_a_manifest_of_the_earlier_platform_parses_unchanged(name):
    assert parse_ingest(read(name)) == EARLIER_MANIFESTS[name]


@pytest.mark.parametrize("name", EARLIER_MANIFESTS)
def test_a_manifest_means_the_same_as_json_as_yaml_and_as_a_mapping(name):
    document = json.loads(read(name))
    # The dumper quotes what YAML 1.1 would misread, and nothing else.
    as_yaml = yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
    assert parse_ingest(as_yaml) == parse_ingest(document) == parse_ingest(read(name).decode())


@pytest.mark.parametrize("name", REFUSED)
def test_everything_wrong_with_a_document_is_told_at_once(name):
    assert problems(read(name)) == [Problem(path=path, message=message) for path, message in REFUSED[name]]


def test_every_manifest_on_file_is_tested():
    assert {path.name for path in MANIFESTS.iterdir()} == {*EARLIER_MANIFESTS, *REFUSED, "ingest.yaml"}


def test_a_resource_gives_identity_recipe_and_limits():
    assert parse_ingest(read("ingest.yaml")) == Ingest(
        namespace="city",
        name="parcels-2023-q4",
        uid="0d3c5a8e-8d5a-4f55-9d0b-6f9a1c1f6f10",
        manifest=Manifest(
            batch_id="alkis-2023-q4",
            uploader="gis-team@stadt.example",
            intent="ingest_building_footprints",
            files=(
                ManifestFile(
                    path="s3://landing-zone/alkis/buildings.gml",
                    type="vector",
                    format="GML",
                    layer="AX_Gebaeude",
                    crs="EPSG:25832",
                    force_crs=True,
                    encoding="cp1252",
                ),
            ),
            metadata=metadata(
                "Buildings",
                source="ALKIS",
                license="DL-DE-BY-2.0",
                attribution="Stadt Beispiel",
                tags={"delivered": "2023-12-31", "answer": "no", "snake_case_tag": True},
            ),
        ),
        recipe=Recipe(
            target_crs="EPSG:25832", invalid_geometry="reject", simplify=SimplifyOptions(tolerance=0.5)
        ),
        engine="postgis",
        mode="Plan",
        deadline_s=900,
        ttl_s=3600,
    )


def test_the_message_counts_the_problems_and_shows_the_first():
    with pytest.raises(ManifestInvalidError) as refused:
        parse_ingest(read("bad_tabular.json"))
    assert refused.value.message.startswith("the manifest has 9 problems: files[0].encoding: got 'utf-9', ")
    assert refused.value.message.endswith("; and 4 more")
    assert refused.value.code == "MANIFEST_INVALID"


def test_a_hostile_number_of_problems_is_counted_but_not_listed():
    with pytest.raises(ManifestInvalidError) as refused:
        parse_ingest({"files": [{}] * 5000})
    assert refused.value.message.startswith("the manifest has 15004 problems: batch_id: got nothing, ")
    assert len(refused.value.problems) == 1001
    assert str(refused.value.problems[-1]) == "14004 more problems are not listed"


@pytest.mark.parametrize("text", ["[]", "text", "7", "null"])
def test_a_document_that_is_no_mapping_is_invalid(text):
    (problem,) = problems(text)
    assert problem.path == ""
    assert problem.message.endswith(", expected a mapping")


@pytest.mark.parametrize("key", ["recipe", "engine", "mode"])
def test_what_only_a_resource_can_say_is_unknown_in_a_manifest(key):
    document = json.loads(read("raster.json")) | {key: "keep"}
    assert f"{key}: got an unknown key, " in str(problems(document)[0])


def test_a_recipe_is_refused_where_no_lane_would_apply_it():
    document = yaml.safe_load(read("ingest.yaml"))
    document["spec"] |= {"intent": "ingest_tabular"}
    document["spec"]["files"] = [{"path": "landing-zone/a.csv", "type": "tabular", "format": "CSV"}]
    document["metadata"] = {"name": "a"}
    del document["spec"]["metadata"]["tags"]
    assert problems(document) == [
        Problem(
            path="spec.recipe",
            message="got a recipe, expected none: intent ingest_tabular applies no recipe",
        )
    ]


def test_a_value_that_cannot_be_stored_is_told_even_where_null_would_do():
    document = json.loads(read("raster.json"))
    document["metadata"]["project"] = "a\0"
    assert problems(document) == [
        Problem(
            path="metadata.project",
            message="got 'a\\x00', expected text without NUL and lone surrogates",
        )
    ]


def test_a_value_that_cannot_be_stored_is_told_once():
    document = json.loads(read("raster.json"))
    document["batch_id"] = "a\0"
    document["metadata"]["tags"] = {"x": float("nan")}
    document["metadata"]["\ud800"] = 1
    assert [problem.path for problem in problems(document)] == [
        "batch_id",
        "metadata.tags.x",
        "metadata['\\ud800']",
    ]


def outcome_of(document):
    try:
        return parse_ingest(document)
    except (ManifestInvalidError, ManifestUnreadableError) as error:
        return error


def spelt(value, spell):
    """The document with its keys respelt; the keys of tags are the user's own."""
    if isinstance(value, dict):
        return {spell(k): v if k == "tags" else spelt(v, spell) for k, v in value.items()}
    return [spelt(item, spell) for item in value] if isinstance(value, list) else value


def resource(spec):
    return {
        "apiVersion": "geoingest.dev/v1alpha1",
        "kind": "DatasetIngest",
        "metadata": {"name": "n"},
        "spec": spec,
    }


@pytest.mark.parametrize("name", EARLIER_MANIFESTS)
def test_a_spec_is_the_manifest_in_camel_case(name):
    spec = spelt(json.loads(read(name)), to_camel)
    assert parse_ingest(resource(spec)).manifest == EARLIER_MANIFESTS[name].manifest


def test_every_field_of_the_spec_is_described_and_bounded():
    schema = IngestSpec.model_json_schema(by_alias=True)
    models = [schema, *schema["$defs"].values()]
    for name, field in ((n, f) for model in models for n, f in model["properties"].items()):
        assert field.get("description"), name
        for part in (field, *field.get("anyOf", ()), field.get("items", {})):
            if part.get("type") == "string" and not {"enum", "const"} & part.keys():
                assert "maxLength" in part, name
            if part.get("type") == "array":
                assert "maxItems" in part, name
            if part.get("type") == "object":
                assert "maxProperties" in part, name
            if part.get("type") == "integer":
                assert "maximum" in part, name


LINES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
NAMES = LINES.filter(str.strip)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
DATASET_IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,30}", fullmatch=True)
TAGS = st.dictionaries(
    LINES.filter(lambda key: key != "dataset_id"),
    TEXTS
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False),
    max_size=4,
)
KEYS = LINES.filter(lambda key: ".." not in key.split("/") and key.strip() == key)
CRSS = st.from_regex(r"[A-Z]{2,6}:[0-9]{1,6}", fullmatch=True)
OPTIONAL_FILE = st.fixed_dictionaries(
    {},
    optional={
        "layer": NAMES,
        "crs": CRSS,
        "force_crs": st.just(value=False),
        "encoding": st.sampled_from(["utf-8", "cp1252", "latin-1"]),
    },
)
JOIN_CONFIGS = st.fixed_dictionaries(
    {"spatial_dataset_id": DATASET_IDS, "tabular_dataset_id": DATASET_IDS, "left_key": NAMES},
    optional={
        "right_key": NAMES,
        "how": st.sampled_from(["left", "inner", "right", "outer"]),
        "spatial_version": st.integers(1, 2**31 - 1),
        "tabular_version": st.none() | st.integers(1, 9),
    },
)


@st.composite
def manifests(draw):
    """Documents that follow every rule."""
    intent = draw(st.sampled_from(sorted(INTENTS)))
    route = INTENTS[intent]
    most = {"tabular": 1, "join": 0}.get(route.lane, 3)
    keys = draw(st.lists(KEYS, unique=True, min_size=min(most, 1), max_size=most))
    texts = draw(st.tuples(*[TEXTS] * 5))
    fields = dict(zip(("title", "description", "source", "license", "attribution"), texts, strict=True))
    optional = {"keywords": st.lists(TEXTS, max_size=4), "project": TEXTS, "tags": TAGS}
    fields |= draw(st.fixed_dictionaries({}, optional=optional))
    if route.lane == "join" or draw(st.booleans()):
        fields["join_config"] = draw(JOIN_CONFIGS)
    files = [
        {"path": f"landing-zone/{key}", "type": route.file_type, "format": draw(NAMES)} | draw(OPTIONAL_FILE)
        for key in keys
    ]
    return {
        "batch_id": draw(NAMES),
        "uploader": draw(NAMES),
        "intent": intent,
        "files": files,
        "metadata": fields,
    }


@settings(deadline=None)
@given(manifests())
def test_a_valid_manifest_survives_the_ledger(document):
    manifest = parse_manifest(json.dumps(document))
    stored = json.dumps(manifest_document(manifest))
    again = parse_manifest(stored)
    assert again == manifest
    assert json.dumps(manifest_document(again)) == stored


@settings(deadline=None)
@given(manifests())
def test_a_valid_manifest_is_the_same_in_both_spellings(document):
    ingest = parse_ingest(resource(spelt(document, to_camel)))
    assert ingest.manifest == parse_ingest(document).manifest
    assert (ingest.recipe is None) == (INTENTS[document["intent"]].lane != "vector")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@st.composite
def spoilt(draw):
    """A valid document, in either spelling, with one value anywhere replaced by any JSON at all."""
    document = copy.deepcopy(draw(manifests()))
    if draw(st.booleans()):
        document = resource(spelt(document, to_camel))
    inner = document
    while True:
        steps = sorted(inner, key=str) if isinstance(inner, dict) else range(len(inner))
        step = draw(st.sampled_from(steps))
        deeper = inner[step]
        if not isinstance(deeper, dict | list) or not deeper or draw(st.booleans()):
            break
        inner = deeper
    inner[step] = draw(JSON)
    return document


@settings(deadline=None)
@given(
    spoilt()
    | JSON
    | st.dictionaries(st.sampled_from(["apiVersion", "kind", "spec", "files", "intent"]), JSON)
)
def test_any_json_is_an_ingest_or_one_of_two_errors(document):
    outcome = outcome_of(json.dumps(document))
    if isinstance(outcome, Ingest):
        assert parse_manifest(manifest_document(outcome.manifest)) == outcome.manifest
    else:
        told = [str(problem) for problem in outcome.problems]
        "".join([outcome.message, *told]).encode()
        assert len({problem.path for problem in outcome.problems}) == len(told)
        assert not [line for line in told if "a valid value" in line or "Input should" in line]
