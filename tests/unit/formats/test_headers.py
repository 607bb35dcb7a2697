from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoingest.formats.headers import (
    MAX_NAME_BYTES,
    RESERVED_ATTRIBUTES,
    normalise_headers,
    rename_attributes,
)

# Short words over few letters meet each other often, which is what the rules are about.
WORDS = st.one_of(
    st.text(max_size=80),
    st.text(alphabet="aAbB_1 -'é", max_size=4),
    st.sampled_from(
        [
            "geom",
            "GEOM",
            "fid",
            "bbox",
            "a",
            "A",
            "a_1",
            "a_1_1",
            "geom_1",
            "x" * 63,
            "x" * 64,
            "x" * 62 + "_1",
        ]
    ),
)
LISTS = st.lists(WORDS, max_size=12)


def clean(*headers: str) -> list[str]:
    return [name for _, name in normalise_headers(headers)]


def renamed(*names: str) -> list[str]:
    return [name for _, name in rename_attributes(names)]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param(
            ["First Name", "Last Name", "Age (Years)", "Email.Address", "Age-Years"],
            ["first_name", "last_name", "age_years", "email_address", "age_years_1"],
            id="the rule's example",
        ),
        pytest.param(["Größe (m²)"], ["grosse_m2"], id="accents and superscripts"),
        pytest.param(["Łódź", "Ærø", "Đà Nẵng"], ["lodz", "aero", "da_nang"], id="letters that do not decompose"),
        pytest.param(["Þór", "œuvre", "CO₂"], ["thor", "oeuvre", "co2"], id="letters that are two"),
        pytest.param(["a", "A", "a_1"], ["a", "a_1", "a_1_1"], id="suffixed names are checked too"),
        pytest.param(["", "  ", "日本", "?"], ["col_0", "col_1", "col_2", "col_3"], id="nothing left"),
        pytest.param(["col_1", ""], ["col_1", "col_1_1"], id="col_index may be taken"),
        pytest.param(["2024", "3d view"], ["_2024", "_3d_view"], id="leading digits"),
        pytest.param(["__a__b__", "-a-"], ["a_b", "a"], id="runs collapse and ends are trimmed"),
        pytest.param(["™"], ["tm"], id="capitals from decomposition"),
    ],
)  # fmt: skip
def test_headers_are_cleaned(headers, expected):
    assert clean(*headers) == expected


def test_long_headers_are_cut_at_a_word():
    assert clean("population " * 8) == ["population_population_population_population_population"]


def test_a_long_word_is_cut_inside():
    assert clean("x" * 100, "x" * 100) == ["x" * 63, "x" * 61 + "_1"]


def test_repeated_originals_keep_every_entry():
    assert normalise_headers(["A", "A"]) == [("A", "a"), ("A", "a_1")]


def test_reserved_headers_are_not_given():
    assert normalise_headers(["Geom"], reserved=["GEOM"]) == [("Geom", "geom_1")]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["Name", "pop2020", "_x"], ["Name", "pop2020", "_x"], id="plain names stay"),
        pytest.param(
            ["geom", "OGC_FID", "fid", "BBOX"], ["geom_1", "ogc_fid_1", "fid_1", "bbox_1"], id="reserved"
        ),
        pytest.param(["a-b", "a'b"], ["a_b", "a_b_1"], id="odd characters"),
        pytest.param(["Name", "name"], ["Name", "name_1"], id="repeats by case"),
        pytest.param(["a", "A", "a_1"], ["a", "a_1", "a_1_1"], id="suffixed names are checked too"),
        pytest.param(["y" * 64], ["y" * 63], id="over-long"),
        pytest.param(["é" * 40], ["e" * 40], id="bytes are counted after cleaning"),
    ],
)
def test_attributes_are_renamed(names, expected):
    assert renamed(*names) == expected


@pytest.mark.parametrize("rule", [normalise_headers, rename_attributes])
@given(names=LISTS)
def test_names_never_collide_and_always_fit(rule, names):
    pairs = rule(names)
    new = [name for _, name in pairs]
    assert [original for original, _ in pairs] == names
    assert len({name.lower() for name in new}) == len(new)
    assert all(len(name.encode()) <= MAX_NAME_BYTES for name in new)
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) for name in new)
    assert pairs == rule(names)


@given(names=LISTS)
def test_headers_are_lower_case(names):
    assert all(name == name.lower() for name in clean(*names))


@given(names=LISTS)
def test_attributes_are_never_reserved(names):
    assert not {name.lower() for name in renamed(*names)} & set(RESERVED_ATTRIBUTES)


@pytest.mark.parametrize("rule", [normalise_headers, rename_attributes])
@given(names=LISTS)
def test_names_that_are_already_good_stay_as_they_are(rule, names):
    once = [name for _, name in rule(names)]
    # A leading or doubled underscore is an attribute's right and no header's.
    good = once if rule is rename_attributes else [name for name in once if not name.startswith("_")]
    assert [name for _, name in rule(good)] == good
