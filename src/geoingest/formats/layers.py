"""Which layer of a file is meant: the named one, or the only one with geometry. Never silently the first or last."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pyogrio
from pyogrio.errors import DataLayerError

from geoingest.errors.source import LayerAmbiguousError, LayerNotFoundError, SourceUnreadableError
from geoingest.formats.gdal_session import listening

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geoingest.formats.prepared import Prepared


def choose_layer(prepared: Prepared, *, wanted: str | None, name: str) -> str:
    """The layer to read; tables without geometry (styles, metadata, attributes) do not count.

    Raises: LayerAmbiguousError, LayerNotFoundError, SourceUnreadableError.
    """
    if prepared.layer is not None:
        found = [(prepared.layer, True)]
    else:
        with listening(name):
            found = list(_layers(prepared))
    if not found:
        raise SourceUnreadableError(name=name, reason="no layer of it can be read")
    spatial = [layer for layer, has_geometry in found if has_geometry]
    if wanted is not None:
        if wanted in spatial:
            return wanted
        raise LayerNotFoundError(name=name, layer=wanted, layers=spatial)
    if not spatial:
        raise LayerNotFoundError(name=name, layer=None, layers=[layer for layer, _ in found])
    if len(spatial) > 1:
        raise LayerAmbiguousError(name=name, layers=spatial)
    return spatial[0]


def _layers(prepared: Prepared) -> Iterator[tuple[str, bool]]:
    """(name, whether it has geometry) of every layer."""
    if prepared.driver != "GPKG":
        for layer, geometry in pyogrio.list_layers(prepared.path):
            yield str(layer), geometry is not None
        return
    # `list_layers` takes no open options, and without IMMUTABLE SQLite may write beside the input.
    number = 0
    with contextlib.suppress(DataLayerError):
        while True:
            info = pyogrio.read_info(prepared.path, layer=number, **dict(prepared.options))
            yield str(info["layer_name"]), info["geometry_type"] is not None
            number += 1
