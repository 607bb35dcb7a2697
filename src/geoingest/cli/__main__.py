"""The process of the command line: `geoingest` as installed, and `python -m geoingest.cli`."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from geoingest.cli import main


class Without(MetaPathFinder):
    """Import as if these packages were not installed."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002  the signature of finders
        target: ModuleType | None = None,  # noqa: ARG002  likewise
    ) -> ModuleSpec | None:
        """Null: another finder's business. Raises: ModuleNotFoundError: one of the names."""
        if fullname in self._names:
            raise ModuleNotFoundError(f"{fullname} is not used here", name=fullname)
        return None


def run_process() -> None:
    """The command line, in a process that is all its own."""
    # pyogrio imports pandas and geopandas when it finds them. Nothing here uses them, and half a second is most of what
    # a small file takes. Only in this process: whoever calls `main` in one of theirs may want them.
    sys.meta_path.insert(0, Without("pandas", "geopandas"))
    main()


if __name__ == "__main__":
    run_process()
