"""Motion: frames in order, gaps, smoothing, and what `stages.generate` writes of it."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_generate import finder, model, person  # noqa: F401

from vdg import cli, estimators
from vdg.commands import generate
from vdg.data.fitting import Frame
from vdg.errors import InputError
from vdg.inference import motion
from vdg.inference.pose_finder import PoseFinder
from vdg.inference.transfer import named_pose

SIZE = (32, 16)


def test_frames_are_in_natural_order(tmp_path):
    for number in (10, 9, 1):
        (tmp_path / f"frame{number}.json").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "frame1.png").touch()  # OpenPose's rendering beside its JSON
    expected = [str(tmp_path / f"frame{number}.json") for number in (1, 9, 10)]
    assert motion.frames([str(tmp_path)]) == expected
    assert motion.frames(sorted(expected)) == expected
    with pytest.raises(InputError, match="a motion has two frames or more"):
        motion.frames(["frame.png"])
    assert motion.frames(expected[:1]) == expected[:1]  # it may hold several frames
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds no frames"):
        motion.frames([str(tmp_path / "empty")])


def straight(frames):
    """All joints move on straight lines at constant speed."""
    time = np.arange(frames, dtype=float)[:, None, None]
    return 20 + time * np.linspace(-0.5, 0.5, 36).reshape(18, 2)


def test_smoothing_keeps_straight_motion_and_closes_short_gaps():
    poses = straight(20)
    gappy = poses.copy()
    gappy[5:8, 4] = np.nan  # three frames: closed
    gappy[5:9, 7] = np.nan  # four: not
    gappy[:2, 3] = np.nan  # at the start there is nothing to interpolate from
    found = motion.smooth(gappy)
    open_gap = np.zeros((20, 18), bool)
    open_gap[5:9, 7] = open_gap[:2, 3] = True
    np.testing.assert_array_equal(np.isnan(found[..., 0]), open_gap)
    np.testing.assert_allclose(found[~open_gap], poses[~open_gap], atol=1e-9)


def test_smoothing_takes_out_jitter():
    poses, random = straight(60), np.random.default_rng(0)
    jittered = poses + random.normal(0, 1, poses.shape)
    error = np.abs(motion.smooth(jittered) - poses)[5:-5].mean()
    assert error < 0.7 * np.abs(jittered - poses).mean()
    np.testing.assert_array_equal(motion.smooth(jittered[:5]), jittered[:5])  # shorter than it


def test_a_fitted_motion_fills_the_frame():
    poses = 1000 + 30 * straight(20)
    poses[:, 17] = np.nan
    found = motion.fit(poses, SIZE)
    low, high = np.nanmin(found, (0, 1)), np.nanmax(found, (0, 1))
    assert (low >= 0).all()
    assert (high <= np.array(SIZE) - 1).all()
    assert np.isclose((high - low) / SIZE, 0.9).any()
    # all frames alike: distances shrink by one factor
    ratio = np.nanstd(found[1:] - found[:-1]) / np.nanstd(poses[1:] - poses[:-1])
    assert np.isclose(
        ratio, ((high - low) / (np.nanmax(poses, (0, 1)) - np.nanmin(poses, (0, 1))))
    ).all()


def openpose(*people):
    """The text of OpenPose's JSON."""
    shown = []
    for joints in people:
        found = (joints >= 0).all(1)
        flat = np.concatenate([np.where(joints >= 0, joints, 0)[:, ::-1], found[:, None]], 1)
        shown.append({"pose_keypoints_2d": flat.astype(float).ravel().tolist()})
    return json.dumps({"people": shown})


@pytest.fixture
def poses(tmp_path):
    """A folder with JSON of eleven frames: a turn of a person who walks."""
    (tmp_path / "poses").mkdir()
    for frame in range(11):
        joints = named_pose(f"walk@{3 * frame}", SIZE)
        (tmp_path / "poses" / f"{frame}.json").write_text(openpose(joints))
    return tmp_path / "poses"


@pytest.fixture
def draw(model, person, tmp_path, monkeypatch):  # noqa: F811
    """Run stages.generate in an empty folder: its status or its error."""
    monkeypatch.chdir(tmp_path)
    given = ("--model", model, "--source", "person.png", "--keypoints", "joints.csv:person.png")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["generate", *map(str, (*given, *arguments))])
        try:
            cli.run(generate.main)
        except SystemExit as end:
            return end.code
        return 0

    return call


def frames_of(folder="posed-frames"):
    return sorted(path.name for path in Path(folder).iterdir())


def test_a_motion_is_a_sequence_and_an_animation(draw, poses, capsys):
    assert draw("--pose", poses) == 0
    assert frames_of() == [f"{number:04d}.png" for number in range(11)]
    assert Image.open("posed-frames/0010.png").size == SIZE[::-1]
    with Image.open("posed.gif") as animation:
        assert animation.size == SIZE[::-1]
        assert animation.n_frames > 1
    text = Path("posed-keypoints.csv").read_text().splitlines()
    assert [line.split(":")[0] for line in text[2:]] == [f"{n}-{n}.json" for n in range(11)]
    # a shorter one leaves nothing of it behind
    files = [poses / f"{number}.json" for number in (10, 2, 3)]
    assert draw("--pose", *files, "--motion", "--smooth") == 0
    assert frames_of() == ["0000.png", "0001.png", "0002.png"]
    names = [line.split(":")[0] for line in Path("posed-keypoints.csv").read_text().splitlines()]
    assert names[1:] == ["source", "0-2.json", "1-3.json", "2-10.json"]


def test_frames_of_others_are_kept(draw, poses):
    Path("posed-frames").mkdir()
    Path("posed-frames/holiday.png").write_bytes(b"mine")
    assert "posed-frames exists and is not of this command" in draw("--pose", poses)
    assert frames_of() == ["holiday.png"]
    assert not Path("posed.png").exists()


def test_frames_without_a_person_are_left_out(draw, poses, capsys):
    (poses / "4.json").write_text('{"people": []}')
    assert draw("--pose", poses) == 0
    said = capsys.readouterr().err
    assert said.count("left out") == 1
    assert "4.json: nobody with both shoulders and hips: left out" in said
    assert len(frames_of()) == 10
    assert draw("--pose", poses, "--smooth") == 0  # the gap is short
    assert "left out" not in capsys.readouterr().err
    assert len(frames_of()) == 11
    for number in range(11):
        (poses / f"{number}.json").write_text('{"people": []}')
    assert "no person was found" in draw("--pose", poses)


def test_joints_of_a_larger_video(draw, poses):
    for path in poses.iterdir():
        joints = named_pose("walk", (640, 320)) + np.array([100, 900])
        path.write_text(openpose(joints))
    assert "0.json: 18 of 18 joints lie outside a picture of the model of 32 x 16" in draw(
        "--pose", poses
    )
    assert not Path("posed-frames").exists()
    assert draw("--pose", poses, "--fit") == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--turntable", 3, "--smooth"), "--turntable turns a named pose"),
        (("--motion", "--pose", "walk"), "walk: a motion has two frames or more"),
        (("--motion", "--pose", "walk", "stand"), "cannot read stand: No such file"),
        (("--motion", "--pose", "a.json", "b.json"), "cannot read a.json: No such file"),
    ],
)
def test_what_is_no_motion(draw, capsys, arguments, words):
    said = draw(*arguments)
    assert words in (capsys.readouterr().err if said == 2 else said)
    assert not Path("posed-frames").exists()


def test_one_person_is_followed(finder, person, tmp_path, monkeypatch):  # noqa: F811
    """Of several people, the one nearest to the frame before, whatever their order."""
    joints = named_pose("walk", (64, 32))
    other = np.where(joints >= 0, joints + np.array([0, 9]), -1)
    crowds = iter([np.stack(people) for people in ([joints], [other, joints], [joints, other])])
    found = finder()
    monkeypatch.setattr(estimators, "people", lambda *_: next(crowds))
    files = [str(tmp_path / "person.png")] * 3
    _, followed = found.motion(files, smoothed=False, fitted=False)
    assert (followed == followed[0]).all()
    crowds = iter([np.stack([joints, other])])
    with pytest.raises(InputError, match=r"person.png: 2 people were found in the first frame"):
        found.motion(files, smoothed=False, fitted=False)


def test_invented_joints_are_said_once(finder, person, tmp_path, monkeypatch, capsys):  # noqa: F811
    joints = named_pose("walk", (64, 32))

    def estimate(_image, _device, invented):
        invented.append(3)
        return joints[None]

    found = finder()
    monkeypatch.setattr(estimators, "people", estimate)
    found.motion([str(tmp_path / "person.png")] * 4, smoothed=False, fitted=False)
    said = [line for line in capsys.readouterr().err.splitlines() if "invented" in line]
    assert said == ["12 noses and eyes of people seen from behind: invented, so dropped"]


@pytest.mark.parametrize("fitted", [False, True])
def test_one_person_is_followed_in_large_frames(tmp_path, monkeypatch, fitted):
    """In pixels of the frame, a newcomer on the left is near the first one's place in the box."""
    Image.new("RGB", (1280, 720)).save(tmp_path / "frame.png")
    joints = named_pose("walk", (400, 200))
    first, newcomer = (np.where(joints >= 0, joints + np.array([250, x]), -1) for x in (1000, 20))
    crowds = iter([first[None], np.stack([newcomer, first]), np.stack([first, newcomer])])
    monkeypatch.setattr(estimators, "people", lambda *_: next(crowds))
    found = PoseFinder((128, 64), "cpu", tmp_path / "out.png")
    _, followed = found.motion([str(tmp_path / "frame.png")] * 3, smoothed=False, fitted=fitted)
    assert (followed == followed[0]).all()
    if not fitted:
        np.testing.assert_array_equal(followed[0], Frame.of(720, 1280, (128, 64)).place(first))
