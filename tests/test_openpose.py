"""OpenPose's JSON files, valid and invalid."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vdg.errors import InputError
from vdg.inference.transfer import read_openpose

JOINTS = np.column_stack([np.arange(18) * 3.0, np.arange(18) * 5.0, np.full(18, 0.9)])


def text(changes=()):
    """A JSON of one person with changes of its 54 numbers: {index: value}."""
    numbers = JOINTS.ravel().tolist()
    for index, value in dict(changes).items():
        numbers[index] = value
    return json.dumps({"people": [{"pose_keypoints_2d": numbers}]})


def read(tmp_path, content):
    path = tmp_path / "pose.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_openpose(path)


def test_the_largest_joint_that_fits(tmp_path):
    changes = {0: 32767.9, 1: 0.0, 3: 0, 4: 7}  # integers are numbers, too
    (joints,) = read(tmp_path, text(changes))
    assert joints[:3].tolist() == [[0, 32767], [7, 0], [10, 6]]
    assert joints.dtype == np.int16


def test_what_is_not_found_may_be_anywhere(tmp_path):
    (joints,) = read(tmp_path, text({0: -70_000, 1: 1e300, 2: 0.05}))
    assert joints[0].tolist() == [-1, -1]


FOUND_NOWHERE = {
    "one turn of 16 bits": 65536 + 12.0,
    "beyond 16 bits": 32768.0,
    "negative": -5.0,
    "just negative": -0.5,
    "large and negative": -65536 + 12,
    "1e300": 1e300,
}


@pytest.mark.parametrize("value", FOUND_NOWHERE.values(), ids=FOUND_NOWHERE)
@pytest.mark.parametrize("axis", [0, 1])
def test_a_joint_that_no_picture_holds(tmp_path, value, axis):
    with pytest.raises(InputError, match=r"pose.json: joint 2 of person 0 is at x"):
        read(tmp_path, text({6 + axis: value}))


NO_NUMBERS = {
    "NaN": float("nan"),
    "infinity": float("inf"),
    "400 digits": 10**400,
    "text": "12",
    "true": True,
    "null": None,
    "list": [1],
    "object": {},
}


@pytest.mark.parametrize("value", NO_NUMBERS.values(), ids=NO_NUMBERS)
@pytest.mark.parametrize("index", [0, 1, 2, 53])
def test_what_is_no_number(tmp_path, value, index):
    with pytest.raises(InputError, match=rf"pose.json is not OpenPose's JSON: .*{index}: Input"):
        read(tmp_path, text({index: value}))


OTHERS = {
    "empty": "",
    "no JSON": "joints",
    "a list": "[]",
    "no people": "{}",
    "people as object": '{"people": {}}',
    "people as null": '{"people": null}',
    "a number as person": '{"people": [1]}',
    "nobody's joints": '{"people": [{}]}',
    "joints as null": '{"people": [{"pose_keypoints_2d": null}]}',
    "joints as text": '{"people": [{"pose_keypoints_2d": "abc"}]}',
    "joints in pairs": '{"people": [{"pose_keypoints_2d": [[1, 2, 1]]}]}',
    "nested": "[" * 100_000,
    "cut off": text()[:-9],
    "no text": b"\xff\xfe\x00",
    "25 joints": json.dumps({"people": [{"pose_keypoints_2d": [0.0] * 75}]}),
    "17 joints and two numbers": json.dumps({"people": [{"pose_keypoints_2d": [0.0] * 53}]}),
    "no joint": json.dumps({"people": [{"pose_keypoints_2d": []}]}),
}


@pytest.mark.parametrize("content", OTHERS.values(), ids=OTHERS)
def test_other_files(tmp_path, content):
    with pytest.raises(
        InputError, match=r"pose.json (is not OpenPose's JSON: |has \d+ joints)"
    ) as told:
        read(tmp_path, content)
    assert len(str(told.value)) < 300
    assert "\n" not in str(told.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*none.json: No such file"):
        read_openpose(tmp_path / "none.json")
    with pytest.raises(InputError, match=r"cannot read .*: Is a directory"):
        read_openpose(tmp_path)


values = st.one_of(st.integers(), st.floats(), st.text(max_size=3), st.none(), st.booleans())


@given(changes=st.dictionaries(st.integers(0, 53), values, max_size=5))
def test_joints_are_where_the_file_says_or_refused(tmp_path_factory, changes):
    try:
        (joints,) = read(tmp_path_factory.getbasetemp(), text(changes))
    except InputError:
        return
    given = json.loads(text(changes))["people"][0]["pose_keypoints_2d"]
    for (y, x), (left, top, confidence) in zip(joints, np.reshape(given, (18, 3)), strict=True):
        expected = (np.floor(top), np.floor(left)) if confidence >= 0.1 else (-1, -1)
        assert (y, x) == expected
