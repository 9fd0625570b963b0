"""More images of people in a folder, for re-identification."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reading import read_all
from test_generate import SIZE, model  # noqa: F401

from vdg import cli, estimators
from vdg.commands import augment
from vdg.data import folder
from vdg.data.names import parse
from vdg.data.synthetic.render import render
from vdg.errors import InputError
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
    assert {parse(name).form.title for name in names()} == {"Market-1501"}
    assert [name[:4] for name in names()] == 4 * ["0001"] + 4 * ["0002"] + 4 * ["0003"]
    assert "0002: ben" in capsys.readouterr().out
    # what comes out is a folder that the reader reads, with its key points
    options = {"annotations": Path("more.csv"), "test_fraction": 0.3, "seed": 0}
    parts = read_all(folder, Path("more"), height=SIZE[0], width=SIZE[1], **options)
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
    assert names() == [f"{who}_c6s0_000000_00.jpg" for who in ("0002", "0007", "1501")]


def test_key_points_are_estimated(people, run, monkeypatch, capsys):
    """Images in which nobody is found are left out."""
    half = iter(range(99))
    joints = people["anna/0.png"]

    def estimate(picture, device, _invented):
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
        (
            ("--keypoints", "large.csv"),
            "large.csv: anna/0.png: 14 of 14 joints lie outside",
        ),
        (("--keypoints", "people.csv", "--output", "people"), "people exists: remove it, or"),
        (
            ("--keypoints", "people.csv", "--output", "people/more"),
            "people/more lies in people, wh",
        ),
        (
            ("--keypoints", "people.csv", "--output", "link/anna/more"),
            "link/anna/more lies in peop",
        ),
        (("--per-identity", 0), "--per-identity is 1 or more"),
    ],
)
def test_faults(people, run, capsys, arguments, words):
    Path("link").symlink_to("people")
    large = [np.where(joints >= 0, 4 * joints, -1) for joints in people.values()]
    write_keypoints("large.csv", people, large)
    said = run(*arguments)
    assert words in (capsys.readouterr().err if said == 2 else said)
    assert not Path("more").exists()
    assert not Path("more.csv").exists()
    assert sorted(path.name for path in Path("people").iterdir()) == ["anna", "ben", "eva"]


def test_several_people_in_sources_are_refused(people, run, monkeypatch):
    joints = people["anna/0.png"]
    calls = iter(range(99))

    def estimate(picture, device, _invented):
        return np.stack([joints] * (2 if next(calls) in (1, 5) else 1))

    monkeypatch.setattr(estimators, "people", estimate)
    said = run()
    assert "several people were found in 2 of 9 images (anna/1.png, ben/2.png): cut each to" in said
    assert not Path("more").exists()


def renamed(people, change):
    """The people in a folder `other` and its table, under other names."""
    rows = {}
    for name, joints in people.items():
        new = Path("other", change(*name.split("/")))
        new.parent.mkdir(parents=True, exist_ok=True)
        Path("people", name).rename(new)
        rows[new.relative_to("other").as_posix()] = joints
    write_keypoints("other.csv", rows, rows.values())
    return "--sources", "other", "--keypoints", "other.csv", "--per-identity", 1


def test_junk_neither_renumbers_people_nor_becomes_one(people, run, capsys):
    numbers = {"anna": "0003", "ben": "0005", "eva": "-1"}
    assert run(*renamed(people, lambda who, file: f"{numbers[who]}/{file}")) == 0
    assert names() == ["0003_c1s0_000000_00.jpg", "0005_c1s0_000000_00.jpg"]
    assert "left out, as they show no person: -1 (3)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("identities", "numbers"),
    [
        (["anna", "ben"], ["0001", "0002"]),
        (["0003", "0005"], ["0003", "0005"]),
        (["7", "12"], ["0012", "0007"]),  # sorted as names
        (["anna", "0001", "3"], ["0001", "0003", "0002"]),
        (["0000", "0001"], ["0002", "0001"]),  # 0000 is a distractor to those who read it
        (["7141"], ["7141"]),
        (["٣", "1_001"], ["0001", "0002"]),  # a digit, but not of a number that loaders read
    ],
)
def test_numbers(identities, numbers):
    assert list(augment.numbered(identities).values()) == numbers


def test_one_number_for_two_people():
    with pytest.raises(
        InputError, match="0007 and 7 are two people of the sources, but one number"
    ):
        augment.numbered(["7", "0007"])


def market1501_loader(folder):
    """The labels that torchreid 0.2.5's and fast-reid 1.4.0's class Market1501 reads, by file."""
    labels = {}
    for path in sorted(folder.glob("*.jpg")):
        identity, camera = map(int, re.search(r"([-\d]+)_c(\d)", path.name).groups())
        assert 0 <= identity <= 1501
        assert 1 <= camera <= 6
        labels[path.name] = identity, camera
    return labels


def test_loaders_of_market1501_read_the_labels(people, run, capsys):
    """bench/reid_loaders.py counts with the loaders themselves."""
    numbers = {"anna": "0002", "ben": "0751", "eva": "1501"}
    given = renamed(people, lambda who, file: f"{numbers[who]}_c{len(who)}s2_00015{file[0]}_00.png")
    assert run(*given) == 0
    labels = market1501_loader(Path("more"))
    assert list(labels.values()) == [(2, 4), (751, 3), (1501, 3)]
    assert list(labels) == names()
    assert "warning" not in capsys.readouterr().err
    for name in names():
        with Image.open(Path("more", name)) as image:
            assert image.format == "JPEG"
            assert image.info["comment"] == b"generated by vdg"
            assert all(table == [1, 1] for table in ([c[1], c[2]] for c in image.layer))


def test_numbers_beyond_market1501_are_kept_and_said(people, run, capsys):
    numbers = {"anna": "0002", "ben": "7141", "eva": "9999"}
    assert run(*renamed(people, lambda who, file: f"{numbers[who]}_c8_f00{file[0]}6182.png")) == 0
    assert names() == [f"{who}_c8s0_000000_00.jpg" for who in ("0002", "7141", "9999")]
    said = capsys.readouterr().err
    assert "warning: identities 7141, 9999 and cameras 8 are kept, but torchreid's and" in said
    with pytest.raises(AssertionError):
        market1501_loader(Path("more"))


def test_png_on_demand(people, run):
    assert run("--keypoints", "people.csv", "--per-identity", 1, "--format", "png") == 0
    assert {Path(name).suffix for name in names()} == {".png"}
