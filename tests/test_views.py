"""Front, side and back views of poses with known direction."""

import numpy as np
import pytest

from vdg.data.synthetic.render import named_keypoints
from vdg.pose import TORSO
from vdg.views import pose_distance, views


@pytest.mark.parametrize(("azimuth", "view"), [(0, "front"), (180, "back"), (330, "front")])
@pytest.mark.parametrize("name", ["stand", "walk", "arms-out"])
def test_direction_of_a_drawn_skeleton(name, azimuth, view):
    joints = named_keypoints(name, azimuth, 128)
    assert (joints[list(TORSO)] >= 0).all()
    assert views(joints[None]).tolist() == [view]


def test_shoulders_above_each_other_are_a_side_view():
    joints = np.full((2, 18, 2), -1, np.int16)
    joints[:, [2, 5]] = [[20, 30], [20, 34]]
    joints[:, [8, 11]] = [[60, 30], [60, 33]]
    joints[1, 5] = 20, 45
    assert views(joints).tolist() == ["side", "front"]
    joints[1, 8] = -1
    assert views(joints).tolist() == ["side", "unknown"]


def test_pose_distance_is_of_joints_that_both_have():
    joints = np.full((2, 18, 2), -1, np.int16)
    joints[:, 2], joints[:, 5] = (10, 10), (20, 20)
    other = joints.copy()
    other[:, 2] += [3, 4]
    joints[:, 7] = 1, 1  # in one of the two
    other[1, 9] = 2, 2
    assert pose_distance(joints, other).tolist() == [2.5, 2.5]
    assert pose_distance(joints, joints).tolist() == [0, 0]
    joints[1] = -1
    np.testing.assert_array_equal(pose_distance(joints, other), [2.5, np.nan])
