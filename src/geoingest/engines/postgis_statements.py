"""A recipe's steps as one SELECT over a loaded part: what PostGIS does exactly as the other engine would.

That is points, lines and polygons with or without Z that are valid. Curves, collections, measures and invalid
geometries come out as they were read, for the function to treat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from geoingest.recipes import PromoteMulti, Repair, Reproject, Simplify, Step

# ISO WKB codes: what PostGIS is trusted with is below, in XY (0) or XYZ (1).
FIRST_COLLECTION, PER_DIMENSION, FIRST_MEASURED = 7, 1000, 2000
FIRST_MULTI, MULTI_OFFSET = 4, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Srids:
    """The numbers of the source and target CRS in `spatial_ref_sys`; a target of null: nothing moves."""

    source: int = 0
    target: int | None = None


def fused_select(loaded: sql.Composable, steps: Sequence[Step], srids: Srids) -> sql.Composed:
    """Columns row, code (as loaded), geom, simplified, and wkb: the untouched bytes of rows left to the function.

    A row has a geom, or wkb, or (when it was null) neither. Args: loaded: the table's identifier.
    """
    query: sql.Composable = sql.SQL(
        "SELECT row, code, geom AS wkb, code < {} AND code % {} < {} AS plain,"
        " NULL AS geom, false AS simplified FROM {}"
    ).format(FIRST_MEASURED, PER_DIMENSION, FIRST_COLLECTION, loaded)
    read = sql.SQL("CASE WHEN plain THEN ST_GeomFromWKB(wkb, {}) END").format(srids.source)
    query = _stage(query, geom=read)
    for step in steps:
        query = _after(query, step, srids)
    return sql.SQL(
        "SELECT row, code, CASE WHEN plain THEN geom END AS geom, simplified, CASE WHEN NOT plain THEN wkb END AS wkb"
        " FROM ({}) AS done"
    ).format(query)


def _after(query: sql.Composable, step: Step, srids: Srids) -> sql.Composable:
    match step:
        case Reproject() if srids.target is not None:
            return _stage(query, geom=sql.SQL("ST_Transform(geom, {})").format(srids.target))
        case PromoteMulti():
            return _stage(query, geom=sql.SQL("ST_Multi(geom)"))
        case Repair():
            return _stage(query, plain=sql.SQL("plain AND ST_IsValid(geom)"))
        case Simplify(tolerance=tolerance):
            # Without looking at the topology Douglas-Peucker is ten times faster; where it keeps every vertex, the
            # careful way does too.
            simpler = sql.SQL(
                "CASE WHEN plain AND ST_NPoints(ST_Simplify(geom, {0}, true)) IS DISTINCT FROM ST_NPoints(geom)"
                " THEN ST_SimplifyPreserveTopology(geom, {0}) END"
            ).format(tolerance)
            query = _stage(query, simpler=simpler)
            shorter = sql.SQL("ST_NPoints(simpler) < ST_NPoints(geom)")
            geom = sql.SQL("CASE WHEN {} THEN simpler ELSE geom END").format(shorter)
            return _stage(query, geom=geom, simplified=shorter)
        case _:
            return query


def _stage(query: sql.Composable, **computed: sql.Composable) -> sql.Composed:
    """One more SELECT around the query, with some columns computed anew or added.

    The OFFSET keeps the planner from writing an expression into every place that uses it. Cast to bigint, it is a
    constant to the planner's first look, which else takes it for a limit and leaves all above to one process.
    """
    kept = {name: sql.Identifier(name) for name in ("row", "code", "wkb", "plain", "geom", "simplified")}
    columns = sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(value, sql.Identifier(name))
        for name, value in {**kept, **computed}.items()
    )
    return sql.SQL("SELECT {} FROM ({} OFFSET bigint '0') AS stage").format(columns, query)
