"""Which layer of a file is meant: the named one, or the only one with geometry. Never silently the first or last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyogrio

from geoingest.errors.source import LayerAmbiguousError, LayerNotFoundError
from geoingest.formats.gdal_session import listening

if TYPE_CHECKING:
    from pathlib import Path


def choose_layer(path: Path, *, wanted: str | None, name: str) -> str:
    """The layer to read; tables without geometry (styles, metadata, attributes) do not count.

    Raises: LayerAmbiguousError, LayerNotFoundError, SourceUnreadableError.
    """
    with listening(name):
        found = [(str(layer), geometry) for layer, geometry in pyogrio.list_layers(path)]
    spatial = [layer for layer, geometry in found if geometry is not None]
    if wanted is not None:
        if wanted in spatial:
            return wanted
        raise LayerNotFoundError(name=name, layer=wanted, layers=spatial)
    if not spatial:
        raise LayerNotFoundError(name=name, layer=None, layers=[layer for layer, _ in found])
    if len(spatial) > 1:
        raise LayerAmbiguousError(name=name, layers=spatial)
    return spatial[0]
