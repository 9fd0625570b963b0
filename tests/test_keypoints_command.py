"""`vdg keypoints`: from any format to three, and back."""

import json
import sys

import numpy as np
import pytest
from PIL import Image
from test_keypoint_formats import COCO_POINTS, FILES, PERSON, SCALE, SIZE, keys, triples

from vdg import cli, estimators
from vdg.commands import keypoints
from vdg.keypoints import reading
from vdg.keypoints.annotations import read_keypoints
from vdg.pose import JOINTS

EXPECTED = np.floor(PERSON[:, ::-1])


@pytest.fixture
def convert(tmp_path, monkeypatch):
    """Run the command in an empty folder: its status or its error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["vdg keypoints", *map(str, arguments)])
        try:
            cli.run(keypoints.main)
        except SystemExit as end:
            return end.code
        return 0

    return call


def write(path, value):
    path.write_text(json.dumps(value))
    return path.name


@pytest.mark.parametrize("to", ["csv", "openpose", "coco"])
@pytest.mark.parametrize("name", ["OpenPose 18", "BODY_25", "ComfyUI", "AlphaPose", "labelme"])
def test_round_trip(convert, tmp_path, name, to):
    file = write(tmp_path / "photo.json", FILES[name])
    assert convert(file, "--to", to, "--size", "768x384", "--output", "one") == 0
    assert convert("one", "--to", "csv", "--output", "two.csv") == 0
    (joints,) = read_keypoints(tmp_path / "two.csv").values()
    assert np.abs(joints - EXPECTED).max() <= 1
    if to == "csv":
        assert (tmp_path / "one").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_invented_joints_of_all_pictures_are_said_once(convert, tmp_path, monkeypatch, capsys):
    def estimate(_image, _device, invented):
        invented.append(2)
        return EXPECTED[None].astype(np.int16)

    for name in ("a.png", "b.png"):
        Image.new("RGB", SIZE[::-1], (9, 9, 9)).save(tmp_path / name)
    monkeypatch.setattr(estimators, "people", estimate)
    assert convert("a.png", "b.png", "--output", "out.csv") == 0
    assert capsys.readouterr().err.count("4 noses and eyes of people seen from behind") == 1


def test_pictures_and_files_of_them(convert, tmp_path, monkeypatch):
    Image.new("RGB", SIZE[::-1], (9, 9, 9)).save(tmp_path / "a.png")
    monkeypatch.setattr(estimators, "people", lambda *_: EXPECTED[None].astype(np.int16))
    file = write(tmp_path / "b_keypoints.json", keys(triples(PERSON)))
    out = ("--to", "openpose", "--output", "out", "--overlay", "shown.png")
    assert convert("a.png", file, *out) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "a_keypoints.json", "b_keypoints.json",
    ]  # fmt: skip
    a, b = (reading.read(tmp_path / "out" / f"{x}_keypoints.json").shots[0] for x in "ab")
    np.testing.assert_array_equal(np.floor(a.people[0]), EXPECTED)
    np.testing.assert_allclose(b.people[0], PERSON[:, ::-1])
    assert a.size == SIZE
    shown = np.asarray(Image.open(tmp_path / "shown.png").convert("RGB"))
    assert (shown != 9).any(-1).sum() > 1000


def test_the_overlay_is_drawn_over_the_picture(convert, tmp_path):
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (192, 384), (0, 200, 0)).save(tmp_path / "pictures" / "photo.jpg", quality=95)
    smaller = keys(triples(PERSON), canvas_height=768, canvas_width=384)
    file = write(tmp_path / "photo_keypoints.json", smaller)
    given = (file, "--pictures", "pictures", "--output", "out.csv", "--overlay", "o.png")
    assert convert(*given) == 0
    rows = read_keypoints(tmp_path / "out.csv")
    np.testing.assert_array_equal(rows["photo.jpg"], np.floor(PERSON[:, ::-1] / 2))
    shown = np.asarray(Image.open(tmp_path / "o.png"))
    assert shown.shape == (384, 192, 3)
    y, x = rows["photo.jpg"][JOINTS.index("right hip")]
    assert (shown[y, x] == 255).all()
    assert np.abs(shown[300, 10].astype(int) - [0, 200, 0]).max() < 9


REFUSED = {
    "no size": (keys(triples(PERSON / SCALE)), (), "no size is known: give it with --size HxW"),
    "two people": (
        {"people": 2 * keys(triples(PERSON))["people"]},
        (),
        "shows 2 people, and the CSV holds one a picture: choose one with --person K",
    ),
    "a person who is not there": (
        keys(triples(PERSON)),
        ("--person", 1),
        "--person 1: pose shows 1 people, counted from 0",
    ),
    "of a larger picture": (
        keys(triples(PERSON)),
        ("--size", "128x64"),
        "joints lie outside its picture of 128 x 64 pixels",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(convert, tmp_path, name):
    value, options, words = REFUSED[name]
    said = convert(write(tmp_path / "pose.json", value), *options, "--output", "out.csv")
    assert words in said
    assert "\n" not in said
    assert not (tmp_path / "out.csv").exists()


def test_nothing_is_replaced(convert, tmp_path):
    file = write(tmp_path / "pose.json", keys(triples(PERSON)))
    (tmp_path / "out.csv").write_text("mine")
    assert "out.csv exists: remove it" in convert(file, "--output", "out.csv")
    assert (tmp_path / "out.csv").read_text() == "mine"


def test_coco_is_as_its_tools_read_it(convert, tmp_path):
    file = write(tmp_path / "photo.json", FILES["OpenPose 18"])
    assert convert(file, "--to", "coco", "--size", "768x384", "--output", "coco.json") == 0
    value = json.loads((tmp_path / "coco.json").read_text())
    (image,), (person,) = value["images"], value["annotations"]
    assert (image["height"], image["width"]) == SIZE
    np.testing.assert_allclose(
        np.reshape(person["keypoints"], (17, 3)), np.insert(COCO_POINTS, 2, 2, axis=1)
    )
    assert person["num_keypoints"] == 17
    assert len(value["categories"][0]["keypoints"]) == 17
