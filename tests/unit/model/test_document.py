"""One document in, JSON values out; everything else is refused in our own words."""

import json
from collections import UserDict
from contextlib import suppress
from datetime import UTC, datetime

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from geoingest.errors import Problem
from geoingest.errors.manifest import ManifestUnreadableError
from geoingest.model.document import MAX_BYTES, one_of, path_of, read_document, shown

NO_JSON_TAG = "a YAML tag beyond what JSON can say at line 1, column 4"
SAFE_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | SAFE_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(SAFE_TEXT, inner, max_size=4),
    max_leaves=20,
)


def typed(value):
    """The value with the type of each scalar: 1, 1.0 and True are equal in Python."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    return [typed(item) for item in value] if isinstance(value, list) else (type(value), value)


@settings(deadline=None)
@given(JSON_VALUES)
def test_json_reads_as_the_standard_library_reads_it(value):
    text = json.dumps(value)
    document = read_document(text)
    assert typed(document.value) == typed(json.loads(text))
    assert document.problems == ()


@settings(deadline=None)
@given(JSON_VALUES)
def test_yaml_with_every_type_spelt_out_gives_the_values_back(value):
    # Quoted and tagged by the dumper, so that YAML 1.1 and 1.2 agree on every scalar.
    text = yaml.safe_dump(value, allow_unicode=True, default_style='"')
    assert typed(read_document(f"--- \n{text}").value) == typed(value)


@settings(deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_text_is_a_document_or_unreadable(text):
    with suppress(ManifestUnreadableError):
        read_document(text)


@settings(deadline=None)
@given(st.text(st.sampled_from("[]{}:,-&*!|>'\"#%@` \n\tab01.?<~"), max_size=60))
def test_any_punctuation_is_a_document_or_unreadable(text):
    with suppress(ManifestUnreadableError):
        read_document(text)


@pytest.mark.parametrize(
    ("scalar", "expected"),
    [
        pytest.param("2024-01-01", "2024-01-01", id="a date is a string"),
        pytest.param("2024-01-01T12:30:00Z", "2024-01-01T12:30:00Z", id="a timestamp is a string"),
        pytest.param("12:30", "12:30", id="base 60 is a string"),
        pytest.param("no", "no", id="no is a string"),
        pytest.param("on", "on", id="on is a string"),
        pytest.param("007", "007", id="leading zeros are a string"),
        pytest.param("0x1F", "0x1F", id="hexadecimal is a string"),
        pytest.param("1_000", "1_000", id="underscores are a string"),
        pytest.param("=", "=", id="the value key is a string"),
        pytest.param("17", 17, id="an integer"),
        pytest.param("-1.5e3", -1500.0, id="a float"),
        pytest.param("1e3", 1000.0, id="an exponent alone makes a float"),
        pytest.param("true", True, id="true"),
        pytest.param("~", None, id="null"),
        pytest.param("", None, id="nothing is null"),
        pytest.param("'17'", "17", id="quotes make a string"),
        pytest.param("!!str 17", "17", id="a string tag makes a string"),
        pytest.param("!!float 17", 17.0, id="a float tag makes a float"),
    ],
)
def test_yaml_scalars_mean_what_json_could_say(scalar, expected):
    assert typed(read_document(f"key: {scalar}").value) == typed({"key": expected})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "it is empty", id="empty"),
        pytest.param(" \n", "it is empty", id="blank"),
        pytest.param(b"\xff\xfe", "it is not UTF-8 text", id="UTF-16"),
        pytest.param('{"a": 1,, }', "no valid JSON at line 1, column 9", id="broken JSON"),
        pytest.param('{"a": 1}{', "no valid JSON at line 1, column 9", id="JSON with a tail"),
        pytest.param("a: 1\nb: [", "no valid YAML at line 2, column 5", id="broken YAML"),
        pytest.param("a: 1\n---\na: 2", "no valid YAML at line 2, column 1", id="two YAML documents"),
        pytest.param('{"a": 1, "a": 1}', "the key 'a' is given twice", id="repeated JSON key"),
        pytest.param(
            "a: 1\nb:\n  c: 1\n  c: 2",
            "the key 'c' is given twice at line 4, column 3",
            id="repeated YAML key",
        ),
        pytest.param("1: a", "a key is no string at line 1, column 1", id="integer key"),
        pytest.param("? [a]\n: b", "a key is no string at line 1, column 3", id="list as key"),
        pytest.param("a: !!python/object/apply:os.system [id]", NO_JSON_TAG, id="Python object"),
        pytest.param("a: !!timestamp 2024-01-01", NO_JSON_TAG, id="timestamp tag"),
        pytest.param("a: !!binary aGk=", NO_JSON_TAG, id="binary tag"),
        pytest.param("a: !!int ''", "'' is no int at line 1, column 4", id="empty integer"),
        pytest.param("a: &a [*a]", "no valid YAML at line 1, column 4", id="a list in itself"),
        pytest.param(f"[{'9' * 5000}]", "a number has too many digits", id="huge JSON integer"),
        pytest.param(
            f"a: {'9' * 5000}", "a number has too many digits at line 1, column 4", id="huge YAML integer"
        ),
        pytest.param("[" * 34 + "]" * 34, "it is nested more than 32 levels deep", id="deep JSON"),
        pytest.param("[" * 100_000, "it is nested more than 32 levels deep", id="JSON beyond the stack"),
        pytest.param(
            "a: " + "[" * 100_000, "it is nested more than 32 levels deep", id="YAML beyond the stack"
        ),
        pytest.param(" " * MAX_BYTES + "1", "it is larger than 1048576 bytes", id="large"),
        pytest.param(
            "- a\n" * 50_000, "it holds too many values at line 40001, column 1", id="many YAML values"
        ),
        pytest.param(str([0] * 20_000), "it holds too many values", id="many values"),
    ],
)
def test_unreadable_documents_are_refused_with_the_place(text, message):
    with pytest.raises(ManifestUnreadableError) as refused:
        read_document(text)
    assert refused.value.message == f"the manifest cannot be read: {message}"


def test_an_alias_repeats_its_anchor():
    assert read_document("a: &x {b: 1}\nc: *x").value == {"a": {"b": 1}, "c": {"b": 1}}


def test_aliases_that_grow_without_end_are_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 20)]
    with pytest.raises(ManifestUnreadableError, match="too many values"):
        read_document("\n".join(lines))


def test_a_byte_order_mark_is_no_part_of_the_document():
    assert read_document(b'\xef\xbb\xbf{"a": 1}').value == {"a": 1}
    assert read_document('\ufeff{"a": 1}').value == {"a": 1}


def test_a_mapping_of_any_kind_becomes_plain_values():
    document = read_document(UserDict({"a": UserDict({"b": (1, 2)})}))
    assert document.value == {"a": {"b": [1, 2]}}


def test_values_that_cannot_be_stored_are_told_with_their_paths():
    value = {"a": [1, float("inf"), {"b": "x\0"}], "\ud800": 1, "c": datetime(2024, 1, 1, tzinfo=UTC), 5: 6}
    document = read_document(value)
    assert document.value == {"a": [1, None, {"b": None}], "c": None}
    assert document.problems == (
        Problem(path="a[1]", message="got inf, expected a finite number"),
        Problem(path="a[2].b", message="got 'x\\x00', expected text without NUL and lone surrogates"),
        Problem(
            path="['\\ud800']",
            message="got the key '\\ud800', expected text without NUL and lone surrogates",
        ),
        Problem(path="c", message="got a datetime, expected a JSON value"),
        Problem(path="5", message="got the key 5, expected a string"),
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(None, "null", id="null"),
        pytest.param(True, "true", id="true"),
        pytest.param(7, "7", id="integer"),
        pytest.param("a\n", "'a\\n'", id="string"),
        pytest.param({}, "a mapping", id="mapping"),
        pytest.param([], "a list", id="list"),
        pytest.param("x" * 100, "'" + "x" * 79 + "...", id="long string"),
        pytest.param(10**100, "a very long integer", id="long integer"),
    ],
)
def test_values_are_shown_short_and_printable(value, text):
    assert shown(value) == text


def test_paths_are_written_as_people_write_them():
    assert path_of(("files", 1, "type")) == "files[1].type"
    assert path_of(("metadata", "tags", "a b")) == "metadata.tags['a b']"
    assert path_of((0, "a")) == "[0].a"


def test_a_near_miss_gets_a_suggestion_and_nonsense_none():
    assert one_of(["title", "source"], instead_of="titel") == "one of title, source; did you mean 'title'?"
    assert one_of(["title", "source"], instead_of="xyz") == "one of title, source"
