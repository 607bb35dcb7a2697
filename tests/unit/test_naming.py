"""Names are deterministic, apart where they must be, and valid where they are used."""

import re
import string
import uuid
from contextlib import suppress

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from geoingest.naming import (
    FORMS,
    archive_key,
    asset_key,
    has_control_characters,
    ingest_name,
    run_id,
    schema_name,
    scratch_prefix,
    source_uri,
)

UIDS = st.uuids().map(str) | st.text(min_size=1, max_size=20)
ATTEMPTS = st.integers(1, 10**6)
RUNS = st.uuids().map(str)
KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60).map(
    lambda name: f"manifests/{name}.json"
)
ETAGS = st.text(string.hexdigits + "-", min_size=1, max_size=40)
BUCKETS = st.from_regex(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", fullmatch=True)
DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@settings(deadline=None)
@given(st.tuples(UIDS, ATTEMPTS), st.tuples(UIDS, ATTEMPTS))
def test_each_attempt_of_each_ingest_is_one_run(one, other):
    first, again, another = (run_id(uid=uid, attempt=attempt) for uid, attempt in (one, one, other))
    assert first == again == str(uuid.UUID(first))
    assert (first == another) == (one == other)


@pytest.mark.parametrize(("uid", "attempt"), [("", 1), ("a", 0)])
def test_a_run_without_identity_is_refused(uid, attempt):
    with pytest.raises(ValueError, match="a run needs a uid and an attempt from 1"):
        run_id(uid=uid, attempt=attempt)


@settings(deadline=None)
@given(RUNS, RUNS)
def test_each_run_has_a_schema_that_needs_no_quotes(one, other):
    name = schema_name(one)
    assert re.fullmatch(r"run_[0-9a-f]{32}", name)
    assert len(name.encode()) <= 63
    assert (name == schema_name(other)) == (one == other)


@pytest.mark.parametrize("run", ["", "x", "'; drop schema public; --", "{" + str(uuid.UUID(int=1)) + "}"])
def test_what_is_no_run_id_names_no_schema_and_no_scratch(run):
    with pytest.raises(ValueError, match=r"UUID|run id"):
        schema_name(run)
    with pytest.raises(ValueError, match=r"UUID|run id"):
        scratch_prefix(run)


@given(RUNS, RUNS)
def test_no_run_keeps_scratch_below_another(one, other):
    assume(one != other)
    assert scratch_prefix(one) == f"runs/{one}/"
    assert not scratch_prefix(one).startswith(scratch_prefix(other))


def test_an_asset_lies_in_the_folder_of_its_version():
    assert asset_key("parcels", 3, "parquet") == "parcels/v3/data.parquet"


@given(
    st.tuples(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True), ATTEMPTS),
    st.tuples(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True), ATTEMPTS),
)
def test_no_two_versions_share_an_asset_key(one, other):
    assert (asset_key(*one, "tif") == asset_key(*other, "tif")) == (one == other)


@pytest.mark.parametrize(("dataset", "version"), [("../x", 1), ("a/b", 1), ("", 1), ("a\n", 1), ("a", 0)])
def test_what_is_no_dataset_version_has_no_key(dataset, version):
    with pytest.raises(ValueError, match="not a dataset version"):
        asset_key(dataset, version, "parquet")


def test_each_format_has_its_extension_and_content_type():
    assert {name: (form.extension, form.content_type) for name, form in FORMS.items()} == {
        "geoparquet": ("parquet", "application/vnd.apache.parquet"),
        "parquet": ("parquet", "application/vnd.apache.parquet"),
        "cog": ("tif", "image/tiff; application=geotiff; profile=cloud-optimized"),
    }


def test_a_manifest_is_archived_under_its_own_name_in_a_folder_of_its_content():
    assert archive_key("manifests/city/a.json", etag="abc") == (
        "archive/c9bf2f8152df7b17c680bbb2b857ee16/a.json"
    )


@settings(deadline=None)
@given(st.tuples(KEYS, ETAGS, st.booleans()), st.tuples(KEYS, ETAGS, st.booleans()))
def test_no_archived_manifest_overwrites_another(one, other):
    first, again, another = (
        archive_key(key, etag=etag, rejected=rejected) for key, etag, rejected in (one, one, other)
    )
    assert first == again
    assert (first == another) == (one == other)
    assert first.startswith("archive/rejected/") == one[2]
    # Never found again as a new manifest.
    assert not first.startswith("manifests/")


@pytest.mark.parametrize("name", ["a" * 1000, "ä" * 500, "🌍" * 250])
def test_a_long_manifest_name_is_archived_within_the_limits_of_every_store(name):
    key = archive_key(f"manifests/{name}.json", etag="e", rejected=True)
    assert all(len(segment.encode()) <= 255 for segment in key.split("/"))
    assert key.endswith(f"{name[-1]}.json")


def test_the_quotes_of_an_etag_are_no_part_of_it():
    assert archive_key("manifests/a.json", etag='"e"') == archive_key("manifests/a.json", etag="e")
    assert ingest_name("manifests/a.json", etag='"e"') == ingest_name("manifests/a.json", etag="e")


@settings(deadline=None)
@given(st.tuples(KEYS, ETAGS), st.tuples(KEYS, ETAGS))
def test_each_content_of_each_manifest_object_is_one_resource(one, other):
    first, again, another = (ingest_name(key, etag=etag) for key, etag in (one, one, other))
    assert first == again
    assert DNS_LABEL.fullmatch(first)
    assert (first == another) == (one == other)


@pytest.mark.parametrize(
    ("key", "stem"),
    [
        ("manifests/city/Parcels_2023 Q4.json", "parcels-2023-q4"),
        ("manifests/Größe.yaml", "gr-e"),
        ("manifests/地図.yml", "manifest"),
        (f"manifests/{'x' * 100}.json", "x" * 42),
        (f"manifests/{'x' * 41}_y.json", "x" * 41),
    ],
)
def test_a_resource_is_recognised_by_the_name_of_its_manifest(key, stem):
    assert ingest_name(key, etag="e").rpartition("-")[0] == stem


@given(st.text(max_size=60) | st.text(max_size=60).map("landing-zone/".__add__))
def test_a_source_path_that_is_normal_stays_as_it_is(path):
    with suppress(ValueError):
        uri = source_uri(path, landing_bucket=None)
        assert source_uri(uri, landing_bucket=None) == uri


@given(BUCKETS, st.text(st.sampled_from("ab./\t\x85ä%"), max_size=12))
def test_a_source_uri_is_a_plain_key_in_its_bucket(bucket, key):
    plain = key.rstrip() and ".." not in key.rstrip().split("/") and not has_control_characters(key.rstrip())
    if plain:
        assert source_uri(f"{bucket}/{key}", landing_bucket=bucket) == f"s3://{bucket}/{key.rstrip()}"
    else:
        with pytest.raises(ValueError, match=r"a non-empty key|a key without"):
            source_uri(f"{bucket}/{key}", landing_bucket=bucket)
