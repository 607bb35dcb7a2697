"""The README promises nothing that is not there: its commands, folders and make targets exist."""

import re
import subprocess

import pytest

from gates import style
from geoingest.cli import group

README = (style.ROOT / "README.md").read_text("utf-8")


def test_every_command_in_the_readme_exists():
    named = set(re.findall(r"^(?:\$ |\.venv/bin/)?geoingest (\w+)", README, re.MULTILINE))
    assert {"run", "show", "validate", "catalog", "doctor"} <= named <= set(group.list_commands(None))


def test_every_make_target_in_the_readme_exists():
    named = set(re.findall(r"\bmake (\w+)\b", README)) - {"clean"}
    listed = subprocess.run(
        ["make", "help"], cwd=style.ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert named
    assert all(f"make {target} " in listed for target in named), named


def test_every_folder_in_the_readme_exists():
    table = README.partition("## Where things are")[2].partition("##")[0]
    folders = re.findall(r"^\| `([\w/]+)`", table, re.MULTILINE)
    assert len(folders) > 5
    assert [folder for folder in folders if not (style.ROOT / folder).is_dir()] == []


@pytest.mark.parametrize("path", [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link])
def test_every_link_in_the_readme_leads_somewhere(path):
    assert (style.ROOT / path).exists()
