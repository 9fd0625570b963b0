"""OpenPose's JSON files, valid and invalid, as the reader of key points takes them."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vdg.errors import InputError
from vdg.keypoints import reading

JOINTS = np.column_stack([np.arange(18) * 3.0, np.arange(18) * 5.0, np.full(18, 0.9)])


def text(changes=()):
    """A JSON of one person with changes of its 54 numbers: {index: value}."""
    numbers = JOINTS.ravel().tolist()
    for index, value in dict(changes).items():
        numbers[index] = value
    return json.dumps({"people": [{"pose_keypoints_2d": numbers}]})


def read(tmp_path, content):
    """The only picture's people, (K, 18, 2), (y, x) in the file's unit, nan = missing."""
    path = tmp_path / "pose.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    (shot,) = reading.read(path).shots
    return shot.people


def test_joints_are_rows_then_columns(tmp_path):
    (joints,) = read(tmp_path, text({3: 0.5, 4: 7}))  # integers are numbers, too
    assert joints[1:3].tolist() == [[7, 0.5], [10, 6]]


def test_what_is_not_found_may_be_anywhere(tmp_path):
    (joints,) = read(tmp_path, text({0: -70_000, 1: 1e300, 2: 0.05}))
    assert np.isnan(joints[0]).all()
    assert not np.isnan(joints[1:]).any()


NO_NUMBERS = {
    "NaN": float("nan"),
    "infinity": float("inf"),
    "400 digits": 10**400,
    "text": "12",
    "true": True,
    "null": None,
    "object": {},
}


@pytest.mark.parametrize("value", NO_NUMBERS.values(), ids=NO_NUMBERS)
@pytest.mark.parametrize("index", [0, 53])
def test_what_is_no_number(tmp_path, value, index):
    message = rf"pose.json: people: 0: pose_keypoints_2d: value {index} is .*, not a finite number"
    with pytest.raises(InputError, match=message):
        read(tmp_path, text({index: value}))


OTHERS = {
    "empty": ("", "is not valid JSON: get the file again"),
    "no JSON": ("joints", "is not valid JSON"),
    "no people": ("{}", "is an object, which no known tool writes"),
    "a number": ("3", "is a number, which no known tool writes"),
    "people as object": ('{"people": {}}', "people: expected a list of objects, found {}"),
    "a number as person": ('{"people": [1]}', r"people: expected a list of objects, found \[1\]"),
    "nobody's joints": ('{"people": [{}]}', "people: 0 has no pose_keypoints_2d"),
    "joints as text": (
        '{"people": [{"pose_keypoints_2d": "abc"}]}',
        'value 0 is "abc", not a finite number',
    ),
    "rows of four": (
        '{"people": [{"pose_keypoints_2d": [[1, 2, 1, 1]]}]}',
        "has rows of 4 numbers",
    ),
    "nested": ("[" * 100_000, "is not valid JSON"),
    "cut off": (text()[:-9], "is not valid JSON"),
    "no text": (b"\xff\xfe\x00", "is not UTF-8 text"),
    "17 joints and two numbers": (
        json.dumps({"people": [{"pose_keypoints_2d": [0.0] * 53}]}),
        "people: 0: pose_keypoints_2d has 53 numbers, not x, y and a score of each joint",
    ),
    "21 joints": (
        json.dumps({"people": [{"pose_keypoints_2d": [0.0] * 63}]}),
        "has 21 joints, and orders are known of 17, 18, 25, 26, 33, 133, 136",
    ),
    "a canvas of no size": (
        json.dumps({"people": [], "canvas_height": 0, "canvas_width": 4}),
        "canvas_height is 0 and canvas_width 4: a size is 1 or more",
    ),
}


@pytest.mark.parametrize(("content", "message"), OTHERS.values(), ids=OTHERS)
def test_other_files(tmp_path, content, message):
    with pytest.raises(InputError, match=rf"pose.json:? {message}|pose.json: .*{message}") as told:
        read(tmp_path, content)
    assert len(str(told.value)) < 300
    assert "\n" not in str(told.value)


NOBODY = {
    "an empty list": "[]",
    "people as null": '{"people": null}',
    "no people": '{"people": []}',
    "joints as null": '{"people": [{"pose_keypoints_2d": null}]}',
    "no joint": '{"people": [{"pose_keypoints_2d": []}]}',
    "zeros": json.dumps({"people": [{"pose_keypoints_2d": [0.0] * 75}]}),
}


@pytest.mark.parametrize("content", NOBODY.values(), ids=NOBODY)
def test_nobody(tmp_path, content):
    assert read(tmp_path, content).shape == (0, 18, 2)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*none.json: No such file"):
        reading.read(tmp_path / "none.json")
    with pytest.raises(InputError, match=r"cannot read .*: Is a directory"):
        reading.read(tmp_path)


@pytest.fixture
def _subnormals():
    """Numbers that a training in the process of the tests has had rounded to 0."""
    torch.set_flush_denormal(False)


values = st.one_of(st.integers(), st.floats(), st.text(max_size=3), st.none(), st.booleans())


@pytest.mark.usefixtures("_subnormals")
@given(changes=st.dictionaries(st.integers(0, 53), values, max_size=5))
def test_joints_are_where_the_file_says_or_refused(tmp_path_factory, changes):
    try:
        (joints,) = read(tmp_path_factory.getbasetemp(), text(changes))
    except InputError:
        return
    given = json.loads(text(changes))["people"][0]["pose_keypoints_2d"]
    for found, (left, top, confidence) in zip(joints, np.reshape(given, (18, 3)), strict=True):
        marked = (top, left) in ((0, 0), (-1, -1))
        expected = (top, left) if confidence >= 0.1 and not marked else (np.nan, np.nan)
        np.testing.assert_array_equal(found, expected)
