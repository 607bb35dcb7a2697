"""What the ledger says of a file's columns."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class TypeName(StrEnum):
    """The kinds of columns; INTEGER is any width and sign, ARRAY any list, UNKNOWN what has no name here."""

    STRING = "STRING"
    INTEGER = "INTEGER"
    FLOAT = "FLOAT"
    BOOLEAN = "BOOLEAN"
    TIMESTAMP = "TIMESTAMP"
    DATE = "DATE"
    TIME = "TIME"
    DECIMAL = "DECIMAL"
    BINARY = "BINARY"
    ARRAY = "ARRAY"
    STRUCT = "STRUCT"
    MAP = "MAP"
    GEOMETRY = "GEOMETRY"
    UNKNOWN = "UNKNOWN"


class ColumnDescription(BaseModel):
    """One column.

    Attributes:
        title: what people call it; the column's own name when nobody said.
        description: empty when nobody said.
        logical_type: the Arrow type as text, a timestamp with its zone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    description: str
    type_name: TypeName
    logical_type: str
    nullable: bool
