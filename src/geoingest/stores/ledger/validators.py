"""What each collection's documents look like, as MongoDB's `$jsonSchema`, made from the pydantic models.

MongoDB takes a part of JSON Schema draft 4 with `bsonType` in the place of `type`: no references, no defaults,
no formats, and `integer` is unknown. Fields with a default are not required, so that a document that was
written before they existed can still be updated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from geoingest.model.asset import Asset
from geoingest.model.records import Activity, Dataset, LineageEdge, ManifestRecord
from geoingest.model.run import Run
from geoingest.stores.ledger.collections import (
    ACTIVITY,
    ASSETS,
    COLLECTIONS,
    DATASETS,
    LINEAGE,
    MANIFESTS,
    RUNS,
)

MODELS: Mapping[str, type[BaseModel]] = {
    DATASETS.name: Dataset,
    MANIFESTS.name: ManifestRecord,
    RUNS.name: Run,
    ASSETS.name: Asset,
    LINEAGE.name: LineageEdge,
    ACTIVITY.name: Activity,
}
BSON_TYPES: Mapping[str, list[str]] = {
    "string": ["string"],
    "boolean": ["bool"],
    "null": ["null"],
    "object": ["object"],
    "array": ["array"],
    # BSON picks the width by the value.
    "integer": ["int", "long"],
    "number": ["double", "int", "long"],
}


def collection_schema(collection: str) -> dict[str, Any]:
    """The `$jsonSchema` of a collection's documents; `_id` repeats the collection's key."""
    described = MODELS[collection].model_json_schema()
    schema = _translate(described, described.get("$defs", {}))
    schema["properties"] = {"_id": schema["properties"][COLLECTIONS[collection].key], **schema["properties"]}
    return schema


def _translate(described: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in described:
        return _translate(definitions[described["$ref"].rpartition("/")[2]], definitions)
    schema: dict[str, Any] = {}
    if "anyOf" in described:
        schema["anyOf"] = [_translate(option, definitions) for option in described["anyOf"]]
    if "const" in described:
        schema["enum"] = [described["const"]]
    for word in ("enum", "required", "minItems", "maxItems"):
        if word in described:
            schema[word] = described[word]
    if "type" in described:
        date = described.get("format") == "date-time"
        schema["bsonType"] = ["date"] if date else BSON_TYPES[described["type"]]
    return schema | _children(described, definitions)


def _children(described: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    if "properties" in described:
        fields = described["properties"].items()
        schema["properties"] = {name: _translate(field, definitions) for name, field in fields}
    others = described.get("additionalProperties")
    if others is not None:
        schema["additionalProperties"] = (
            others if isinstance(others, bool) else _translate(others, definitions)
        )
    if "prefixItems" in described:
        schema["items"] = [_translate(item, definitions) for item in described["prefixItems"]]
    elif "items" in described:
        schema["items"] = _translate(described["items"], definitions)
    return schema
