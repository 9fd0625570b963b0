"""Heat maps and pose masks."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation, binary_erosion, maximum_filter, minimum_filter
from skimage import draw

from vdg.data.market1501 import identity_of
from vdg.data.pairs import is_valid
from vdg.heat_maps import heat_maps
from vdg.masks import pose_mask
from vdg.pose import JOINTS, MASK_PAIRS, MIRRORED, SKELETON, TORSO

NECK, RIGHT_SHOULDER, RIGHT_ELBOW, LEFT_ANKLE = 1, 2, 3, 13


def test_joint_tables():
    assert len(JOINTS) == 18
    assert [JOINTS[i] for i in TORSO] == [
        *("right shoulder", "left shoulder", "right hip", "left hip")
    ]
    for joint, other in enumerate(MIRRORED):
        swapped = JOINTS[joint].replace("right", "?").replace("left", "right").replace("?", "left")
        assert JOINTS[other] == swapped
    assert len(SKELETON) == 17
    assert len({frozenset(pair) for pair in MASK_PAIRS}) == 23
    # the pairs of one side are those of the other
    mirrored = {frozenset(MIRRORED[joint] for joint in pair) for pair in MASK_PAIRS}
    assert mirrored == {frozenset(pair) for pair in MASK_PAIRS}


@pytest.mark.parametrize(("height", "width"), [(128, 64), (64, 32), (32, 48)])
def test_heat_maps_follow_the_formula(pose, height, width):
    joints = {0: (5, 7), 4: (0, 0), 17: (height - 1, width - 1)}
    maps = heat_maps(torch.tensor(pose(joints))[None], height, width)[0]
    assert maps.shape == (18, height, width)
    assert maps.dtype == torch.float32
    y, x = np.mgrid[:height, :width]
    sigma = 6 * height / 128
    for joint in range(18):
        if joint in joints:
            v, u = joints[joint]
            expected = np.exp(-((y - v) ** 2 + (x - u) ** 2) / (2 * sigma**2))
            assert maps[joint, v, u] == 1
        else:
            expected = np.zeros((height, width))
        np.testing.assert_allclose(maps[joint], expected, atol=1e-6)


def test_heat_maps_of_a_batch(pose):
    poses = torch.tensor(np.stack([pose({1: (3, 4)}), pose({}), pose({1: (9, 2), 5: (8, 8)})]))
    maps = heat_maps(poses, 32, 16)
    for one, keypoints in zip(maps, poses, strict=True):
        assert torch.equal(one, heat_maps(keypoints[None], 32, 16)[0])
    assert maps[1].count_nonzero() == 0


def disc(centre, radius, shape):
    y, x = np.ogrid[: shape[0], : shape[1]]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2


def test_mask_of_nothing(pose):
    assert not pose_mask(pose({}), 128, 64).any()


def test_mask_of_one_joint_is_a_disc(pose):
    mask = pose_mask(pose({0: (60, 30)}), 128, 64)
    assert mask.dtype == bool
    # a radius of 4 px: rows of 3, 5 and 7 pixels, as 4 px straight up is the edge
    rows = [0, 5, 7, 7, 7, 7, 7, 5, 0]
    assert mask[56:65].sum(1).tolist() == rows
    assert mask.sum() == sum(rows)
    np.testing.assert_array_equal(mask, disc((60, 30), 4, (128, 64)))


def test_mask_of_two_joints_is_a_bar(pose):
    mask = pose_mask(pose({NECK: (40, 20), RIGHT_SHOULDER: (40, 40)}), 128, 64)
    assert mask[37:44, 20:41].all()  # the width of the discs, all the way
    # and nothing beyond a half-width of 4 and the discs at the ends
    y, x = np.mgrid[:128, :64]
    away = np.hypot(y - 40, x - np.clip(x, 20, 40))
    assert mask[away < 4].all()
    assert not mask[away > 4].any()


def test_mask_of_a_slanted_bar(pose):
    a, b = np.array([30, 20]), np.array([60, 42])
    mask = pose_mask(pose({NECK: tuple(a), RIGHT_SHOULDER: tuple(b)}), 128, 64)
    place = np.stack(np.mgrid[:128, :64], -1)
    share = np.clip((place - a) @ (b - a) / ((b - a) ** 2).sum(), 0, 1)
    away = np.linalg.norm(place - (a + share[..., None] * (b - a)), axis=-1)
    assert mask[away < 3.9].all()
    assert not mask[away > 4.1].any()


@pytest.mark.parametrize(
    "joints",
    [
        {RIGHT_ELBOW: (40, 20), LEFT_ANKLE: (40, 45)},  # not a pair
        {NECK: (40, 20), RIGHT_ELBOW: (40, 45)},  # the shoulder between them is missing
    ],
)
def test_no_bar_between_other_joints(pose, joints):
    mask = pose_mask(pose(joints), 128, 64)
    discs = [disc(place, 4, mask.shape) for place in joints.values()]
    np.testing.assert_array_equal(mask, discs[0] | discs[1])


def test_joints_at_one_place(pose):
    joints = dict.fromkeys(range(18), (60, 30))
    np.testing.assert_array_equal(pose_mask(pose(joints), 128, 64), disc((60, 30), 4, (128, 64)))


def test_closing_fills_gaps_of_four_pixels(pose):
    # the discs of two joints that are no pair, with 4 and 5 empty columns between them
    for gap, filled in ((4, True), (5, False)):
        joints = {RIGHT_ELBOW: (60, 20), LEFT_ANKLE: (60, 20 + 7 + gap)}
        mask = pose_mask(pose(joints), 128, 64)
        between = mask[60, 24 : 24 + gap]
        assert len(between) == gap
        assert between.all() == between.any() == filled


def test_closing_leaves_the_border_alone(pose):
    mask = pose_mask(pose({0: (0, 0), 4: (127, 63)}), 128, 64)
    expected = disc((0, 0), 4, mask.shape) | disc((127, 63), 4, mask.shape)
    np.testing.assert_array_equal(mask, expected)


def test_lengths_scale_with_the_height(pose):
    for height, radius in ((64, 2), (128, 4), (256, 8)):
        centre = (height // 2, height // 4)
        mask = pose_mask(pose({0: centre}), height, height // 2)
        np.testing.assert_array_equal(mask, disc(centre, radius, mask.shape))


def test_a_smaller_picture_has_the_same_mask(pose):
    joints = {NECK: (30, 32), 2: (34, 20), 5: (34, 44), 8: (70, 24), 11: (70, 40), 9: (98, 22)}
    large = pose_mask(pose(joints), 128, 64)
    small = pose_mask(pose({k: (y // 2, x // 2) for k, (y, x) in joints.items()}), 64, 32)
    assert abs(small.mean() - large.mean()) < 0.03
    assert (small == large[::2, ::2]).mean() > 0.95


places = st.tuples(st.integers(0, 63), st.integers(0, 31))
joint_sets = st.dictionaries(st.integers(0, 17), places)


def keypoints_of(joints):
    keypoints = np.full((18, 2), -1, np.int16)
    for joint, place in joints.items():
        keypoints[joint] = place
    return keypoints


@given(joint_sets, st.data())
def test_mask_covers_its_joints_and_grows_with_them(joints, data):
    mask = pose_mask(keypoints_of(joints), 64, 32)
    assert mask.shape == (64, 32)
    assert all(mask[place] for place in joints.values())
    assert mask.any() == bool(joints)
    fewer = data.draw(st.sets(st.sampled_from(sorted(joints)))) if joints else set()
    less = pose_mask(keypoints_of({joint: joints[joint] for joint in fewer}), 64, 32)
    assert not (less & ~mask).any()


@given(joint_sets)
def test_mask_of_the_mirrored_pose_is_mirrored(joints):
    mirrored = {MIRRORED[joint]: (y, 31 - x) for joint, (y, x) in joints.items()}
    mask, other = pose_mask(keypoints_of(joints), 64, 32), pose_mask(keypoints_of(mirrored), 64, 32)
    # pixels whose centre lies on the edge of a bar may fall to either side
    assert (mask != other[:, ::-1]).mean() < 0.05


def drawn_by_skimage(keypoints, height, width):
    """The mask by its definition, with a polygon for each bar."""
    scale = height / 128
    mask = np.zeros((height, width), bool)
    joints, found = keypoints.astype(float), (keypoints >= 0).all(1)
    for a, b in MASK_PAIRS:
        along = joints[b] - joints[a]
        if found[a] and found[b] and along.any():
            across = np.array([-along[1], along[0]]) / np.hypot(*along) * 4 * scale
            ends = np.array([joints[a], joints[b]])
            corners = np.concatenate([ends + across, ends[::-1] - across])
            mask[draw.polygon(*corners.T, mask.shape)] = True
    for joint in joints[found]:
        mask[draw.disk(joint, 4 * scale, shape=mask.shape)] = True
    size = max(1, round(5 * scale) | 1)
    grown = maximum_filter(mask, size, mode="constant", cval=False)
    return minimum_filter(grown, size, mode="constant", cval=True)


# pixels' centres lie on a side of a bar that is level, or runs along a triangle of whole numbers
WHOLE = np.array([[0, 10], [10, 0], [3, 4], [4, -3], [-5, 12], [8, 6], [-15, 8], [6, -8]])


@pytest.mark.parametrize("size", [(128, 64), (64, 32), (256, 176), (50, 70)])
@pytest.mark.parametrize("kind", ["anywhere", "beyond the frame", "level", "whole"])
def test_masks_are_those_of_skimage_to_the_pixel(size, kind):
    rng = np.random.default_rng(0)
    for _ in range(12):
        keypoints = rng.uniform(0.05, 0.95, (18, 2)) * size
        if kind == "beyond the frame":
            keypoints = rng.uniform(0, 1.3, (18, 2)) * size
        elif kind == "level":
            keypoints = keypoints // [9, 11] * [9, 11]
        elif kind == "whole":
            steps = rng.integers(0, max(2, size[1] // 30), (18, 1))
            keypoints = np.array(size) // 2 + WHOLE[rng.integers(0, 8, 18)] * steps
        keypoints = keypoints.astype(np.int16)
        keypoints[rng.random(18) < 0.15] = -1
        expected = drawn_by_skimage(keypoints, *size)
        np.testing.assert_array_equal(pose_mask(keypoints, *size), expected)


@given(joint_sets)
def test_heat_maps_stay_in_range(joints):
    maps = heat_maps(torch.tensor(keypoints_of(joints))[None], 64, 32)[0]
    assert maps.min() >= 0
    assert maps.max() <= 1
    assert [bool(one.any()) for one in maps] == [joint in joints for joint in range(18)]


DISC = np.argwhere(disc((4, 4), 4.01, (9, 9))) - 4  # offsets within a radius of 4, edge included


def pg2_mask(keypoints):
    """PG2's mask: discs of radius 4 along each segment, closed; isolated joints get no disc."""
    mask = np.zeros((136, 72), bool)  # with a margin of 4 px for discs that leave the frame
    for a, b in MASK_PAIRS:
        start, end = keypoints[a], keypoints[b]
        if (start >= 0).all() and (end >= 0).all():
            count = max(int(np.hypot(*(end - start)) // 4), 1)
            centres = np.linspace(start, end, count + 1).round().astype(int)
            mask[tuple((centres[:, None] + DISC + 4).reshape(-1, 2).T)] = True
    square = np.ones((5, 5))
    return binary_erosion(binary_dilation(mask[4:-4, 4:-4], square), square, border_value=1)


def test_published_area_and_agreement_with_pg2(market_poses):
    valid = [
        pose for name, pose in market_poses["test"].items() if is_valid(identity_of(name), pose)
    ][:1500]
    masks = [pose_mask(pose, 128, 64) for pose in valid]
    assert 0.305 < np.mean(masks) < 0.32
    overlaps = []
    for ours, pose in list(zip(masks, valid, strict=True))[::10]:
        theirs = pg2_mask(pose)
        overlaps.append((ours & theirs).sum() / (ours | theirs).sum())
    assert 0.93 < np.mean(overlaps) < 0.97
