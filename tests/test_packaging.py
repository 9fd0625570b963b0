"""Imported packages are declared, and declared packages are locked."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements(lines) -> dict[str, Requirement]:
    """The requirements among lines, by name; comments, options and hashes left out."""
    stripped = (re.split(r"\s#| \\", line)[0].strip() for line in lines)
    found = [Requirement(line) for line in stripped if re.match(r"\w", line)]
    return {canonicalize_name(one.name): one for one in found}


def read(name: str) -> dict[str, Requirement]:
    return requirements((ROOT / name).read_text().splitlines())


def imported() -> set[str]:
    """Top-level names of third-party packages that the library imports, anywhere in a file."""
    names = set()
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"vdg"}


def test_an_install_brings_what_the_library_imports():
    extras = PROJECT["optional-dependencies"]
    wanted = [line for name in ("demo", "lpips", "onnx") for line in extras[name]]
    declared = requirements([*PROJECT["dependencies"], *wanted])
    owners = packages_distributions()
    for name in imported():
        owner = canonicalize_name(owners.get(name, [name])[0])
        assert owner in declared, f"src/vdg imports {name}: add {owner} to pyproject.toml"


def test_the_pipeline_runs_on_versions_that_the_library_allows():
    pinned, wanted = read("requirements.txt"), requirements(PROJECT["dependencies"])
    assert wanted.keys() <= pinned.keys()
    for name, requirement in wanted.items():
        version = str(pinned[name].specifier).removeprefix("==")
        assert requirement.specifier.contains(version), f"{requirement} is not {version}"


@pytest.mark.parametrize("name", ["requirements", "requirements-demo", "requirements-onnx"])
def test_lock_is_in_step(name):
    locked = read(f"{name}.lock")
    for package, requirement in read(f"{name}.txt").items():
        assert package in locked, f"{name}.lock lacks {package}: run make lock"
        assert locked[package].specifier == requirement.specifier, f"{package}: run make lock"


@pytest.mark.parametrize("name", ["requirements-demo", "requirements-onnx"])
def test_locks_agree(name):
    other = read(f"{name}.lock")
    for package, requirement in read("requirements.lock").items():
        assert other[package].specifier == requirement.specifier, f"{package}: run make lock"


def test_every_locked_file_is_hashed_and_no_index_is_named():
    for name in ("requirements.lock", "requirements-demo.lock", "requirements-onnx.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert not re.search(r"^\s*-[-\w]*(index|links|host)", text, re.MULTILINE)
        for entry in re.split(r"\n(?=\w)", text)[1:]:
            assert "--hash=sha256:" in entry, entry
