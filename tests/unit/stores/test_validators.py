"""The schemas of the collections: the part of JSON Schema that MongoDB knows, and one step for each change."""

from __future__ import annotations

import hashlib
import json

import pytest

from geoingest.stores.ledger.collections import COLLECTIONS
from geoingest.stores.ledger.migrations import STEPS
from geoingest.stores.ledger.validators import MODELS, collection_schema

# https://www.mongodb.com/docs/manual/reference/operator/query/jsonSchema/#available-keywords
KNOWN = {
    "bsonType",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "anyOf",
    "enum",
    "minItems",
    "maxItems",
}
# Changed models need a further migration that puts the new schemas into force, and then the new digest here.
LAST_STEP = 2
DIGEST = "828b580d31f89900"


def schemas(schema):
    yield schema
    children = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
    items = schema.get("items", [])
    children += items if isinstance(items, list) else [items]
    others = schema.get("additionalProperties")
    children += [others] if isinstance(others, dict) else []
    for child in children:
        yield from schemas(child)


@pytest.mark.parametrize("collection", MODELS)
def test_a_schema_uses_only_what_mongodb_knows(collection):
    used = {word for schema in schemas(collection_schema(collection)) for word in schema}
    assert used <= KNOWN


@pytest.mark.parametrize("collection", MODELS)
def test_a_schema_is_closed_and_requires_its_key(collection):
    schema, key = collection_schema(collection), COLLECTIONS[collection].key
    assert (schema["bsonType"], schema["additionalProperties"]) == (["object"], False)
    assert key in schema["required"]
    assert schema["properties"]["_id"] == schema["properties"][key] == {"bsonType": ["string"]}


def test_types_say_what_bson_holds():
    run = collection_schema("runs")["properties"]
    assert run["created_at"] == {"bsonType": ["date"]}
    assert run["completed_at"] == {"anyOf": [{"bsonType": ["date"]}, {"bsonType": ["null"]}]}
    assert run["status"]["enum"] == ["running", "success", "failure", "canceled"]
    assert run["stages"]["additionalProperties"]["properties"]["claims"] == {"bsonType": ["int", "long"]}
    metadata = collection_schema("assets")["properties"]["metadata"]["anyOf"][0]["properties"]
    pairs = metadata["header_mapping"]["anyOf"][0]["items"]
    assert pairs == {
        "minItems": 2,
        "maxItems": 2,
        "bsonType": ["array"],
        "items": [{"bsonType": ["string"]}, {"bsonType": ["string"]}],
    }


def test_a_changed_model_comes_with_a_migration():
    text = json.dumps({name: collection_schema(name) for name in MODELS}, sort_keys=True)
    assert (STEPS[-1].number, hashlib.sha256(text.encode()).hexdigest()[:16]) == (LAST_STEP, DIGEST)
