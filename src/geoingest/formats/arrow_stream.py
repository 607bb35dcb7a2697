"""The Arrow stream of one layer as GDAL gives it, with every failure translated and nothing dropped in silence."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pyarrow as pa
from pyogrio.raw import open_arrow

from geoingest.errors.source import SourceUnreadableError
from geoingest.formats.gdal_session import listening, only_driver

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from geoingest.formats.prepared import Prepared


@contextlib.contextmanager
def layer_stream(
    prepared: Prepared,
    layer: str,
    *,
    name: str,
    batch_rows: int = 65_536,
    columns: Sequence[str] | None = None,
    geometry: bool = True,
    text_times: bool = False,
) -> Iterator[tuple[dict[str, object], pa.RecordBatchReader]]:
    """(what pyogrio says of the layer, its open stream); the geometry is the last column."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(only_driver(prepared.driver))
        with listening(name):
            opened = open_arrow(
                prepared.path,
                layer=layer if prepared.layer is None else 0,
                encoding=prepared.recode_from,
                columns=columns,
                read_geometry=geometry,
                batch_size=batch_rows,
                use_pyarrow=True,
                datetime_as_string=text_times,
                **dict(prepared.options),
            )
            meta, reader = stack.enter_context(opened)
        yield meta, reader


def batches(reader: pa.RecordBatchReader, *, name: str) -> Iterator[pa.RecordBatch]:
    """The stream's batches; the warnings of each are judged before it is handed on.

    Raises: SourceUnreadableError.
    """
    while True:
        batch = None
        with listening(name), contextlib.suppress(StopIteration):
            batch = _next(reader, name)
        if batch is None:
            return
        yield batch


def _next(reader: pa.RecordBatchReader, name: str) -> pa.RecordBatch:
    try:
        return reader.read_next_batch()
    except pa.ArrowException as error:
        raise SourceUnreadableError(name=name, reason="reading stopped before the end of the file") from error
