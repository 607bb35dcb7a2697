"""The process of the command line: `geoingest` as installed, and `python -m geoingest.cli`."""

import sys

from geoingest.cli import main


def run_process() -> None:
    """The command line, in a process that is all its own."""
    # pyogrio imports pandas and geopandas when it finds them. Nothing here uses them, and half a second is most of what
    # a small file takes. Only in this process: whoever calls `main` in one of theirs may want them.
    for unused in ("pandas", "geopandas"):
        sys.modules.setdefault(unused, None)  # type: ignore[arg-type]
    main()


if __name__ == "__main__":
    run_process()
