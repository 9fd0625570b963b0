"""More images of people in a folder, for re-identification."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_generate import SIZE, model  # noqa: F401

from vdg import cli, estimators
from vdg.commands import augment
from vdg.data import folder
from vdg.data.market1501 import NAME
from vdg.data.synthetic.render import render
from vdg.keypoints.annotations import read_keypoints, write_keypoints
from vdg.pose import has_torso


@pytest.fixture
def people(tmp_path, monkeypatch):
    """Three people with three images each, and key points of them in people.csv."""
    monkeypatch.chdir(tmp_path)
    rows = {}
    for identity, name in ((1, "anna"), (2, "ben"), (3, "eva")):
        views = (render(identity, view, 64, 0) for view in range(30))
        whole = [picture for picture in views if has_torso(picture.keypoints)]
        for number, picture in enumerate(whole[:3]):
            path = Path("people", name, f"{number}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture.image).save(path)
            rows[f"{name}/{number}.png"] = picture.keypoints
    write_keypoints("people.csv", rows, rows.values())
    return rows


@pytest.fixture
def run(model, monkeypatch):  # noqa: F811
    def call(*arguments):
        given = ("--model", model, "--sources", "people", "--output", "more", "--device", "cpu")
        monkeypatch.setattr(sys, "argv", ["augment", *map(str, (*given, *arguments))])
        try:
            cli.run(augment.main)
        except SystemExit as end:
            return end.code
        return 0

    return call


def names():
    return sorted(path.name for path in Path("more").iterdir())


def test_images_of_each_identity_with_market_names(people, run, capsys):
    assert run("--keypoints", "people.csv", "--per-identity", 4) == 0
    assert len(names()) == 12
    assert all(NAME.fullmatch(name) for name in names())
    assert [name[:4] for name in names()] == 4 * ["0001"] + 4 * ["0002"] + 4 * ["0003"]
    assert "0002: ben" in capsys.readouterr().out
    # what comes out is a folder that the reader reads, with its key points
    options = {"annotations": Path("more.csv"), "test_fraction": 0.3, "seed": 0}
    parts = folder.read(Path("more"), height=SIZE[0], width=SIZE[1], **options)
    assert {len(keypoints) for _, keypoints in parts.values()} == {4, 8}


def test_poses_are_those_of_other_people(people, run):
    assert run("--keypoints", "people.csv", "--per-identity", 4) == 0
    scaled = {name: np.where(k >= 0, k // 2, -1) for name, k in people.items()}
    for name, joints in read_keypoints(Path("more.csv")).items():
        own = ["anna", "ben", "eva"][int(name[:4]) - 1]
        known = {who.split("/")[0] for who, k in scaled.items() if (k == joints).all()}
        assert known
        assert own not in known


def test_no_image_twice_while_there_are_other_poses(people, run):
    """Three images in six poses of others are 18 pairs."""
    assert run("--keypoints", "people.csv", "--per-identity", 18) == 0
    for who in ("0001", "0002", "0003"):
        found = {path.read_bytes() for path in Path("more").glob(f"{who}*")}
        poses = {k.tobytes() for n, k in read_keypoints(Path("more.csv")).items() if n[:4] == who}
        assert len(found) == 18
        assert len(poses) == 6


def test_the_same_seed_gives_the_same_images(people, run):
    found = []
    for seed in (3, 3, 4):
        assert run("--keypoints", "people.csv", "--seed", seed, "--per-identity", 2) == 0
        found.append([Path("more", name).read_bytes() for name in names()])
        for path in Path("more").iterdir():
            path.unlink()
        Path("more").rmdir()
        Path("more.csv").unlink()
    assert found[0] == found[1] != found[2]


def test_numbers_and_cameras_of_market_names_stay(people, run):
    flat = {}
    Path("flat").mkdir()
    for name, joints in people.items():
        who = {"anna": "0002", "ben": "0007", "eva": "1501"}[name.split("/")[0]]
        member = f"{who}_c6s1_00000{name[-5]}_00.png"
        Path("people", name).rename(Path("flat", member))
        flat[member] = joints
    write_keypoints("flat.csv", flat, flat.values())
    given = ("--sources", "flat", "--keypoints", "flat.csv", "--per-identity", 1)
    assert run(*given, "--pose", "walk", "stand@90") == 0
    assert names() == [f"{who}_c6s0_000000_00.png" for who in ("0002", "0007", "1501")]


def test_key_points_are_estimated(people, run, monkeypatch, capsys):
    """Images in which nobody is found are left out."""
    half = iter(range(99))
    joints = people["anna/0.png"]

    def estimate(picture, device):
        return np.stack([joints] if next(half) % 2 else [np.full((18, 2), -1)])

    monkeypatch.setattr(estimators, "people", estimate)
    assert run("--per-identity", 1) == 0
    assert capsys.readouterr().err.count("no shoulders and hips: left out") == 5
    assert len(names()) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--sources", "nowhere"), "nowhere does not exist: give the folder of images"),
        (("--keypoints", "nowhere.csv"), "cannot read nowhere.csv"),
        (("--keypoints", "people.csv", "--pose", "jump"), "unknown pose 'jump'"),
        (("--keypoints", "large.csv"), "large.csv: anna/0.png has joints outside its image of 64"),
        (("--keypoints", "people.csv", "--output", "people"), "people exists: remove it, or"),
        (("--per-identity", 0), "--per-identity is 1 or more"),
    ],
)
def test_faults(people, run, capsys, arguments, words):
    large = [np.where(joints >= 0, 4 * joints, -1) for joints in people.values()]
    write_keypoints("large.csv", people, large)
    said = run(*arguments)
    assert words in (capsys.readouterr().err if said == 2 else said)
    assert not Path("more").exists()
    assert not Path("more.csv").exists()
