"""Made-up building footprints, the same for the same number of rows: a GeoPackage in EPSG:28355."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyogrio.raw
import shapely

CACHE = Path(__file__).parents[1] / ".cache" / "benchmarks"
CHUNK_ROWS = 500_000
KINDS = np.array(["house", "shed", "shop", "office"], dtype=object)
# An L of seven vertices in a unit square.
L_SHAPE = np.array([(0, 0), (1, 0), (1, 0.5), (0.5, 0.5), (0.5, 1), (0, 1), (0, 0)], dtype=float)


def make_footprints(rows: int) -> Path:
    """The path of the GeoPackage with so many rows, made once and kept."""
    path = CACHE / f"footprints-{rows}.gpkg"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"unfinished-{rows}.gpkg")
        unfinished.unlink(missing_ok=True)
        for start in range(0, rows, CHUNK_ROWS):
            _append(unfinished, start, min(CHUNK_ROWS, rows - start))
        unfinished.rename(path)
    return path


def _append(path: Path, start: int, rows: int) -> None:
    rng = np.random.default_rng([28355, start])
    fields = {
        "id": np.arange(start, start + rows, dtype=np.int64),
        "height": rng.uniform(3, 50, rows),
        "levels": rng.integers(1, 12, rows).astype(np.int32),
        "name": np.array([f"building {start + row}" for row in range(rows)], dtype=object),
        "kind": rng.choice(KINDS, rows),
        "surveyed": np.datetime64("2020-01-01", "D") + rng.integers(0, 1000, rows),
    }
    pyogrio.raw.write(
        path,
        geometry=shapely.to_wkb(_shapes(rng, rows)),
        field_data=list(fields.values()),
        fields=np.array(list(fields), dtype=object),
        layer="footprints",
        driver="GPKG",
        geometry_type="Polygon",
        crs="EPSG:28355",
        append=start > 0,
        SPATIAL_INDEX="NO",
    )


def _shapes(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Turned L shapes of 5 to 30 metres, spread over 400 by 400 km."""
    size = rng.uniform(5, 30, (rows, 1, 2))
    angle = rng.uniform(0, np.pi, rows)
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=1).reshape(rows, 2, 2)
    corner = rng.uniform((300_000, 5_800_000), (700_000, 6_200_000), (rows, 2))
    return shapely.polygons(np.einsum("nij,nvj->nvi", turn, L_SHAPE * size) + corner[:, None, :])
