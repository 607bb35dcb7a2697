"""Each gate refuses a bad sample: a check that cannot fail is a defect."""

import shutil
import subprocess
import sys
import textwrap
import tomllib

import pytest

from gates import style


def indented(count: int) -> str:
    return "    x = 1\n" * count


@pytest.mark.parametrize("gate", style.GATES, ids=lambda gate: gate.__name__)
def test_the_project_keeps_its_style(gate):
    assert list(gate(style.read_tree())) == []


@pytest.mark.parametrize(
    ("gate", "path", "text"),
    [
        pytest.param(style.long_functions, "src/a.py", f"def f():\n{indented(60)}", id="61 lines"),
        pytest.param(style.long_modules, "src/a.py", "x = 1\n" * 401, id="401 lines"),
        pytest.param(style.vague_modules, "src/geoingest/utils.py", "x = 1\n", id="vague module"),
        pytest.param(style.vague_modules, "src/geoingest/core/a.py", "x = 1\n", id="vague folder"),
        pytest.param(style.plan_files, "docs/ROADMAP.md", "first this", id="plan"),
        pytest.param(style.unfinished_work, "a.sh", "# TODO later", id="unfinished"),
        pytest.param(style.registry_hosts, "a.txt", "gro.ipyp"[::-1], id="registry"),
        pytest.param(style.heavy_imports, "src/geoingest/naming.py", "import pyarrow.parquet", id="import"),
        pytest.param(style.heavy_imports, "operator/a.py", "from numpy import array", id="import from"),
        pytest.param(style.unused_definitions, "src/a.py", "def lonely(): ...", id="unused function"),
        pytest.param(
            style.unused_definitions, "src/a.py", "class C:\n def lonely(self): C", id="unused method"
        ),
    ],
)
def test_a_gate_refuses_a_bad_sample(gate, path, text):
    assert len(list(gate({path: text}))) == 1


@pytest.mark.parametrize(
    ("gate", "tree"),
    [
        pytest.param(style.long_functions, {"a.py": f"def f():\n{indented(59)}"}, id="60 lines"),
        pytest.param(style.long_modules, {"a.py": "x = 1\n" * 400}, id="400 lines"),
        pytest.param(style.heavy_imports, {"src/a.py": "def f():\n import numpy"}, id="late import"),
        pytest.param(style.heavy_imports, {style.HEAVY_PLACES[0] + "a.py": "import numpy"}, id="formats"),
        pytest.param(style.unused_definitions, {"src/a.py": "@register\ndef f(): ..."}, id="registered"),
        pytest.param(style.unused_definitions, {"src/a.py": "class C(B):\n def hook(self): C"}, id="hook"),
        pytest.param(style.long_modules, {"tests/a.py": "x = 1\n" * 600}, id="600 lines of tests"),
        pytest.param(
            style.unused_definitions,
            {"src/a.py": "def entry(): ...", "pyproject.toml": 'x = "a:entry"'},
            id="entry point",
        ),
    ],
)
def test_a_gate_lets_a_good_sample_pass(gate, tree):
    assert list(gate(tree)) == []


@pytest.mark.parametrize(
    ("code", "text"),
    [
        pytest.param("D103", '"""Module."""\n\n\ndef f() -> None:\n    return\n', id="docstring"),
        pytest.param("D100", "x = 1\n", id="module docstring"),
        pytest.param("T201", '"""Module."""\n\nprint(1)\n', id="print"),
        pytest.param("F401", '"""Module."""\n\nimport os\n', id="unused import"),
        pytest.param("ERA001", '"""Module."""\n\n# x = f(1)\n', id="dead code"),
        pytest.param("ANN201", '"""Module."""\n\n\ndef f():\n    """One."""\n', id="untyped"),
    ],
)
def test_ruff_still_refuses_what_the_gates_leave_to_it(code, text):
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "concise"]
    command += ["--stdin-filename", str(style.ROOT / "src/geoingest/sample.py"), "-"]
    done = subprocess.run(command, cwd=style.ROOT, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f" {code} " in done.stdout


@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        pytest.param(
            "geoingest/model/a.py", "import geoingest.formats.a", "rings", id="a word reads a format"
        ),
        pytest.param("geoingest/formats/a.py", "import geoingest.runtime.a", "rings", id="upwards"),
        pytest.param("geoingest/engines/a.py", "import geoingest.stores.a", "rings", id="sideways"),
        pytest.param("geoingest/utilities.py", "", "rings", id="a module without a ring"),
        pytest.param("geoingest/model/a.py", "import pyarrow", "words", id="a heavy word"),
        pytest.param("geoingest_load/a.py", "import geoingest_export.a", "deployables", id="load and export"),
        pytest.param("geoingest_load/a.py", "import geoingest.cli.a", "deployables", id="a function and cli"),
        pytest.param(
            "geoingest/runtime/a.py", "import geoingest_load.a", "deployables", id="runtime and load"
        ),
        pytest.param(
            "geoingest_operator/a.py", "import geoingest.formats.a", "operator", id="an operator with pyarrow"
        ),
    ],
)
def test_a_breach_of_the_import_rings_is_seen(tmp_path, module, statement, contract):
    report = lint_house(tmp_path, {module: statement})
    broken = [line for line in report.splitlines() if line.endswith(" BROKEN")]
    assert any(line.startswith(f"{contract}:") for line in broken), report


def test_the_bare_house_breaks_no_ring(tmp_path):
    assert "0 broken" in lint_house(tmp_path, {})


def lint_house(root, changed):
    """What import-linter says, by the project's own contracts, of a small house with one module changed."""
    project = tomllib.loads((style.ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    deployables = [name for name in project["root_packages"] if name != "geoingest"]
    rings = ["model", "formats", "engines", "stores", "settings", "runtime", "cli", "errors"]
    house = {f"geoingest/{ring}/__init__.py": "" for ring in rings}
    house |= {f"{package}/a.py": "" for package in deployables} | {"geoingest/formats/a.py": "import pyarrow"}
    house |= {f"geoingest/{ring}/a.py": "" for ring in rings if ring != "formats"}
    house |= {f"geoingest/{word}.py": "" for word in ("naming", "routing", "recipes", "events")}
    for path, text in {**house, **changed}.items():
        for folder in (root / path).parents:
            if folder == root:
                break
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "__init__.py").touch()
        (root / path).write_text(textwrap.dedent(text))
    shutil.copy(style.ROOT / "pyproject.toml", root)
    command = [
        sys.executable,
        "-c",
        "import sys; from importlinter.cli import lint_imports_command as run; run()",
    ]
    done = subprocess.run(
        [*command, "--no-cache", "--no-logo"], cwd=root, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr
