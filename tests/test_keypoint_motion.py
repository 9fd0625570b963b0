"""Motions in the files of other tools: many frames in one unit, and a frame that is damaged."""

import json

import numpy as np
import pytest

from vdg.errors import InputError
from vdg.inference.pose_finder import PoseFinder
from vdg.inference.transfer import named_pose
from vdg.keypoints.reading import Options

SIZE = (128, 64)
POSE = named_pose("walk", SIZE)
SHARES = np.array([64, 128])  # of x and y


def flat(joints, scale=1.0):
    """OpenPose's 54 numbers of joints (18, 2), (y, x), -1 = missing."""
    found = (joints >= 0).all(1, keepdims=True)
    points = np.where(found, (joints[:, ::-1] + 0.5) * scale, 0)
    return np.concatenate([points, found], 1).ravel().tolist()


def people(*numbers, **more):
    return {"people": [{"pose_keypoints_2d": body} for body in numbers]} | more


@pytest.fixture
def motion(tmp_path):
    """Write frames, each a text or a value, and find their poses: names without folder, joints."""

    def call(frames, fitted=False, **options):
        paths = [tmp_path / f"{number:03d}.json" for number in range(len(frames))]
        for path, frame in zip(paths, frames, strict=True):
            path.write_text(frame if isinstance(frame, str) else json.dumps(frame))
        finder = PoseFinder(SIZE, "cpu", tmp_path / "out.png", Options(**options))
        names, joints = finder.motion([str(path) for path in paths], False, fitted)
        return [name.removeprefix(f"{tmp_path}/") for name in names], joints

    return call


BAD = {
    "cut off": (json.dumps(people(flat(POSE)))[:-9], "is not valid JSON: get the file again"),
    "another file": ('{"a": 1}', "is an object with a, which no known tool writes"),
    "of another size": (people(flat(POSE, 9.0)), "joints lie outside a picture of the model"),
}


@pytest.mark.parametrize("name", BAD)
def test_one_bad_frame_of_300_is_left_out(motion, capsys, name):
    content, line = BAD[name]
    frames = [people(flat(POSE))] * 300
    frames[71] = content
    names, joints = motion(frames)
    assert len(names) == 299
    assert "071.json" not in names
    assert (joints == POSE).all()
    said = [text for text in capsys.readouterr().err.splitlines() if "071.json" in text]
    assert len(said) == 1
    assert line in said[0]
    assert said[0].endswith("the frame is left out")


def test_many_bad_frames_are_refused(motion):
    frames = [people(flat(POSE))] * 300
    frames[10:50] = ["{"] * 40
    with pytest.raises(InputError, match=r"010.json is not valid JSON"):
        motion(frames)
    with pytest.raises(InputError, match=r"001.json is not valid JSON"):
        motion([people(flat(POSE)), "{"])


@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_shares_of_the_picture_have_one_unit_over_all_frames(motion, fitted, signed):
    """A frame alone may look like another unit: all joints of it are positive."""
    frames = []
    for step in range(4):
        body = np.reshape(flat(POSE + 3 * step * (POSE >= 0), 1 / SHARES), (18, 3))
        if signed:
            body[body[:, 2] > 0, :2] = 2 * body[body[:, 2] > 0, :2] - 1
        frames.append(people(body.ravel().tolist()))
    frames[2]["people"].insert(0, {"pose_keypoints_2d": None})
    _, joints = motion(frames, fitted)
    found = joints[0] >= 0
    assert np.ptp(joints[0][found[:, 0]], 0).min() > 15  # no motion of one pixel
    if not fitted:
        np.testing.assert_array_equal(joints[0], POSE)
        steps = (joints[1] - joints[0])[found]
        assert (steps == 3).all()


def test_comfy_ui_writes_all_frames_into_one_file(motion, tmp_path):
    canvas = {"canvas_height": 1024, "canvas_width": 512}
    frames = [people(flat(POSE, 8.0), **canvas), people(None, **canvas), people(**canvas)]
    (tmp_path / "all.json").write_text(json.dumps([*frames, None, frames[0]]))
    finder = PoseFinder(SIZE, "cpu", tmp_path / "out.png")
    names, joints = finder.motion([str(tmp_path / "all.json")], False, False)
    assert names == [f"{tmp_path}/all.json:{number}" for number in (0, 4)]
    assert (joints == POSE).all()


def test_poses_of_a_larger_picture(motion):
    frames = [people(flat(POSE, 4.0))] * 2
    with pytest.raises(InputError, match=r"--fit scales the motion into it, or .* --pose-size HxW"):
        motion(frames)
    _, joints = motion(frames, size=(512, 256))
    assert (joints == POSE).all()


def test_a_ghost_in_the_first_frame(motion):
    ghost = np.zeros((18, 3))
    ghost[[0, 14]] = 12, 20, 0.3
    frames = [people(ghost.ravel().tolist(), flat(POSE)), people(flat(POSE))]
    _, joints = motion(frames)
    assert (joints == POSE).all()
