"""Temporary repositories with a micro configuration, for the real DVC command line."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

ROOT = Path(__file__).parents[1]
PG2 = {"steps": 2, "batch_size": 4, "width": 4, "learning_rate": 0.001}
MICRO = {
    "networks": ["vdg", "pg2"],
    "variants": ["full", "pg2"],
    "network.pg2.stage1.synthetic": dict(PG2),
    "network.pg2.stage2.synthetic": dict(PG2),
    "dataset.synthetic.source.train_identities": 8,
    "dataset.synthetic.source.test_identities": 4,
    "dataset.synthetic.source.views": 4,
    "dataset.synthetic.poses.validation_identities": 2,
    "network.vdg.stage1.synthetic.steps": 4,
    "network.vdg.stage1.synthetic.batch_size": 4,
    "network.vdg.stage2.synthetic.steps": 4,
    "network.vdg.stage2.synthetic.batch_size": 4,
    "dataset.synthetic.evaluation.pairs": 12,
    "dataset.synthetic.evaluation.pose": None,  # its segmenter would train for longer than the rest
}


def run(folder, *command, check=True):
    environment = dict(os.environ)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment.pop("DVC_ROOT", None)
    result = subprocess.run(
        command, cwd=folder, env=environment, text=True, capture_output=True, check=False
    )
    assert not check or result.returncode == 0, result.stdout + result.stderr
    return result


def dvc(folder, *arguments, check=True):
    return run(folder, sys.executable, "-m", "dvc", *arguments, check=check)


def set_params(folder, changes):
    path = folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    for key, value in changes.items():
        section = params
        *parents, last = key.split(".")
        for parent in parents:
            section = section[parent]
        section[last] = value
    path.write_text(yaml.safe_dump(params, sort_keys=False))


def make_repository(folder):
    """A git repository with the project's files as they are now, and the micro configuration."""
    for name in ("stages", "src", ".dvc", "params.yaml", "dvc.yaml", ".gitignore", ".dvcignore"):
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("cache", "tmp", "*.local")
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    set_params(folder, MICRO)
    run(folder, "git", "init", "--quiet")
    run(folder, "git", "config", "user.email", "test@example.org")
    run(folder, "git", "config", "user.name", "test")
    commit(folder)
    return folder


def commit(folder):
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--allow-empty", "--message", "state")


def stages_run(output):
    return re.findall(r"Running stage '([^']+)'", output)


def lock(folder):
    return yaml.safe_load((folder / "dvc.lock").read_text())


def contents(folder, *names):
    """The bytes of all files in some folders, by path."""
    files = [path for name in names for path in (folder / name).rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A repository in which the micro pipeline has run; tests must not change it.

    One for all processes that run tests: the first that needs it makes it, others wait.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
    with FileLock(f"{folder}.lock"):
        if not folder.with_suffix(".said").is_file():
            folder.mkdir()
            said = dvc(make_repository(folder), "repro").stdout
            commit(folder)
            folder.with_suffix(".said").write_text(said)
    return folder


@pytest.fixture(scope="session")
def order(finished):
    """The stages that ran in it, in their order."""
    return stages_run(finished.with_suffix(".said").read_text())


@pytest.fixture
def repository(finished, tmp_path):
    """A private copy of the finished repository."""
    return Path(shutil.copytree(finished, tmp_path / "copy", symlinks=True))
