"""The house style that no linter knows: sizes, names, words that no file may hold. `make check` runs it.

Docstrings, prints, unused imports and arguments are ruff's work, import rings are import-linter's.
"""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
PRODUCT = ("src/", "functions/", "operator/")
MAX_FUNCTION_LINES = 60
MAX_MODULE_LINES = 400
MAX_TEST_MODULE_LINES = 600
VAGUE_NAMES = {"utils", "util", "common", "helpers", "core", "base", "manager", "misc"}
PLAN_FILES = {"todo", "plan", "status", "notes", "roadmap"}
HEAVY = {"numpy", "pyarrow", "shapely", "pyproj", "pyogrio", "rasterio", "geopandas", "pandas", "duckdb"}
HEAVY_PLACES = ("src/geoingest/formats/", "src/geoingest/engines/")
OWN_SAMPLES = "tests/gates/"
"""The gates and their bad samples, which say what no other file may say."""
REGISTRIES = re.compile(
    r"\b(pypi[.]org|pythonhosted[.]org|npmjs[.](org|com)|crates[.]io|proxy[.]golang[.]org"
    r"|repo1?[.]maven|(deb|security)[.]debian[.]org)\b"
)
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b")

Tree = Mapping[str, str]
"""Path relative to the root, with forward slashes, to text."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


def read_tree(root: Path = ROOT) -> dict[str, str]:
    """Every text file that git tracks or would track."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    tree = {}
    for name in listed.stdout.split("\0"):
        content = (root / name).read_bytes() if name and (root / name).is_file() else b""
        if content and b"\0" not in content[:8000]:
            tree[name] = content.decode("utf-8")
    return tree


def long_functions(tree: Tree) -> Iterator[str]:
    """Functions over the limit, docstring included; decorators are not: a table of cases is data."""
    for path, function, lines in functions(tree):
        if lines > MAX_FUNCTION_LINES:
            yield f"{path}:{function.lineno}: {function.name} has {lines} lines, {MAX_FUNCTION_LINES} at most"


def long_modules(tree: Tree) -> Iterator[str]:
    """Modules over the limit."""
    for path in modules(tree):
        count = tree[path].count("\n")
        limit = MAX_TEST_MODULE_LINES if path.startswith("tests/") else MAX_MODULE_LINES
        if count > limit:
            yield f"{path}: {count} lines, {limit} at most; split it by meaning"


def vague_modules(tree: Tree) -> Iterator[str]:
    """Modules and folders whose name says nothing."""
    for path in modules(tree):
        vague = VAGUE_NAMES.intersection(PurePosixPath(path).with_suffix("").parts)
        if vague:
            yield f"{path}: {', '.join(sorted(vague))} is no name; name what it holds"


def plan_files(tree: Tree) -> Iterator[str]:
    """Files that plan or report work; git is for what is done."""
    for path in tree:
        if PurePosixPath(path).stem.lower() in PLAN_FILES and not path.endswith(".py"):
            yield f"{path}: plans and status notes do not belong in git"


def unfinished_work(tree: Tree) -> Iterator[str]:
    """Marks of work left undone, in any kind of file."""
    for path, number, line in lines(tree):
        if UNFINISHED.search(line):
            yield f"{path}:{number}: finish it or leave it out: {line.strip()[:80]}"


def registry_hosts(tree: Tree) -> Iterator[str]:
    """Addresses of package registries: whoever installs decides where packages come from."""
    for path, number, line in lines(tree):
        if REGISTRIES.search(line):
            yield f"{path}:{number}: names a package registry's host"


def heavy_imports(tree: Tree) -> Iterator[str]:
    """Heavy libraries at the top of a module that others import for its words: cold starts pay for it."""
    for path, module in modules(tree).items():
        if not path.startswith(PRODUCT) or path.startswith(HEAVY_PLACES):
            continue
        for node in module.body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in HEAVY.intersection(name.partition(".")[0] for name in names):
                yield f"{path}:{node.lineno}: import {name} where it is used, not at the top"


def unused_definitions(tree: Tree) -> Iterator[str]:
    """Functions, classes and methods of the product that nothing names.

    A decorator counts as a use, and so does a base class for the methods below it: they may be its hooks.
    """
    words = Counter(word for path, text in tree.items() if is_code(path) for word in re.findall(r"\w+", text))
    for path, module in modules(tree).items():
        nodes = list(ast.walk(module)) if path.startswith(PRODUCT) else []
        hooks = {
            id(part) for node in nodes if isinstance(node, ast.ClassDef) and node.bases for part in node.body
        }
        for node in nodes:
            if not isinstance(node, Function | ast.ClassDef) or node.decorator_list or id(node) in hooks:
                continue
            if words[node.name] == 1 and not node.name.startswith("__"):
                yield f"{path}:{node.lineno}: nothing uses {node.name}"


GATES = (
    long_functions,
    long_modules,
    vague_modules,
    plan_files,
    unfinished_work,
    registry_hosts,
    heavy_imports,
    unused_definitions,
)


def is_code(path: str) -> bool:
    """Whether a name in this file is a use of it: Python, and the files that name entry points."""
    return path.endswith((".py", ".yaml", ".toml", "Makefile", "Dockerfile"))


def modules(tree: Tree) -> dict[str, ast.Module]:
    """Path to syntax tree of every Python file."""
    return {path: ast.parse(text) for path, text in tree.items() if path.endswith(".py")}


def functions(tree: Tree) -> Iterator[tuple[str, Function, int]]:
    """Path, function and its number of lines."""
    for path, module in modules(tree).items():
        for node in ast.walk(module):
            if isinstance(node, Function):
                yield path, node, (node.end_lineno or node.lineno) - node.lineno + 1


def lines(tree: Tree) -> Iterator[tuple[str, int, str]]:
    """Path, line number from 1 and text of every line outside the gates' own samples."""
    for path, text in tree.items():
        if path.startswith(OWN_SAMPLES):
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            yield path, number, line


def main() -> int:
    """Prints what offends the house style, or the sizes; 1 when something offends."""
    tree = read_tree()
    found = [offence for gate in GATES for offence in gate(tree)]
    sizes = [size for path, _, size in functions(tree) if path.startswith(PRODUCT)]
    median = statistics.median(sizes) if sizes else 0
    report = (
        f"{len(sizes)} functions in the product, median {median:g} lines, longest {max(sizes, default=0)}"
    )
    print("\n".join(found) or report)  # noqa: T201 (this is a command)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
