"""The body-part warp: known motions of a whole body, missing joints, degenerate poses."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vdg.pose import MIRRORED
from vdg.systems.vdg.part_warp import FLANK, part_warp

HEIGHT, WIDTH = 128, 64
NOSE, NECK, R_EYE, L_EYE = 0, 1, 14, 15
R_SHOULDER, R_ELBOW, R_WRIST, L_SHOULDER, L_ELBOW, L_WRIST = range(2, 8)
R_HIP, R_KNEE, R_ANKLE, L_HIP, L_KNEE, L_ANKLE = range(8, 14)
BONES = [
    *((R_SHOULDER, R_ELBOW), (R_ELBOW, R_WRIST), (L_SHOULDER, L_ELBOW), (L_ELBOW, L_WRIST)),
    *((R_HIP, R_KNEE), (R_KNEE, R_ANKLE), (L_HIP, L_KNEE), (L_KNEE, L_ANKLE)),
]
# a person of about half the height that faces the camera, (x, y) from the middle of the image
STANDING = {
    **{NOSE: (0, -25), NECK: (0, -17), R_EYE: (-2, -27), L_EYE: (2, -27), 16: (-3, -26)},
    **{17: (3, -26), R_SHOULDER: (-8, -17), R_ELBOW: (-11, -6), R_WRIST: (-12, 4)},
    **{L_SHOULDER: (8, -17), L_ELBOW: (11, -6), L_WRIST: (12, 4), R_HIP: (-5, 4), R_KNEE: (-5, 18)},
    **{R_ANKLE: (-5, 32), L_HIP: (5, 4), L_KNEE: (6, 18), L_ANKLE: (6, 32)},
}
MIDDLE = torch.tensor([(HEIGHT - 1) / 2, (WIDTH - 1) / 2])


@pytest.fixture
def standing():
    """Key points (1, 18, 2), (y, x); not rounded, so that their motions are exact."""
    x, y = torch.tensor([STANDING[joint] for joint in range(18)], dtype=torch.float32).T
    return (torch.stack([y, x], -1) + MIDDLE)[None]


@pytest.fixture
def ramps():
    """An image (1, 3, H, W) whose channels are y and x, in pixels, and a constant: a bilinear
    sample of it says exactly where it was taken."""
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    return (torch.stack([y / HEIGHT, x / HEIGHT, torch.full_like(y, 64) / HEIGHT]) - 0.5)[None]


def sampled(warp, least=0.999):
    """Where a warp of `ramps` took its samples: (N, 2), (y, x), and where it put them."""
    solid = warp[0, 3] > least
    places = warp[0, :2, solid] / warp[0, 3, solid]
    return (places.T + 0.5) * HEIGHT, solid.nonzero().float()


def without(keypoints, *joints):
    keypoints = keypoints.clone()
    keypoints[:, list(joints)] = -1
    return keypoints


def on_bones(coverage, keypoints, bones=BONES):
    """Coverage at the pixels along bones."""
    for a, b in bones:
        share = torch.linspace(0, 1, 16)[:, None]
        y, x = (keypoints[0, a] * (1 - share) + keypoints[0, b] * share).round().long().T
        yield coverage[0, 0, y, x]


def test_identical_poses_give_the_source_back(standing, uniform):
    source = uniform(1, 3, HEIGHT, WIDTH)
    warp = part_warp(source, standing, standing)
    assert warp.shape == (1, 4, HEIGHT, WIDTH)
    assert warp.dtype == torch.float32
    assert warp.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(warp[:, :3], source * warp[:, 3:], atol=1e-4, rtol=0)
    for covered in on_bones(warp[:, 3:], standing):  # and nothing is open at joints
        assert covered.min() > 0.99
    assert 0.1 < warp[:, 3].mean() < 0.3


@pytest.mark.parametrize(
    ("scale", "degrees", "shift"),
    [(1, 0, (9, -7)), (1.4, 0, (0, 0)), (0.6, 0, (20, 5)), (1, 90, (0, 0)), (1.2, -25, (-4, 3))],
)
def test_a_moved_body(standing, ramps, scale, degrees, shift):
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = scale * torch.tensor([[c, s], [-s, c]])
    moved = (standing - MIDDLE) @ turn.T + MIDDLE + torch.tensor(shift)
    source, target = sampled(part_warp(ramps, standing, moved))
    expected = (target - MIDDLE - torch.tensor(shift)) @ torch.linalg.inv(turn).T + MIDDLE
    assert len(source) > 400 * scale**2
    torch.testing.assert_close(source, expected, atol=0.01, rtol=0)


def test_front_and_back_are_mirrored(standing, ramps):
    # right and left keep their names but change places: the same body, seen from behind
    back = without(standing, NOSE, R_EYE, L_EYE)
    back[..., 1] = WIDTH - 1 - back[..., 1]
    source, target = sampled(part_warp(ramps, without(standing, NOSE, R_EYE, L_EYE), back))
    assert len(source) > 400
    expected = torch.stack([target[:, 0], WIDTH - 1 - target[:, 1]], 1)
    torch.testing.assert_close(source, expected, atol=0.01, rtol=0)


def test_the_torso_is_scaled_across_and_along(standing, ramps):
    # only shoulders and hips, in a target twice as high and half as wide
    torso = without(standing, *(joint for joint in range(18) if joint not in (2, 5, 8, 11)))
    squeezed = torch.where(torso >= 0, (torso - MIDDLE) * torch.tensor([2, 0.5]) + MIDDLE, -1)
    warp = part_warp(ramps, torso, squeezed)
    source, target = sampled(warp[:, :, 45:])  # below the head
    target[:, 0] += 45
    fit = [np.polyfit(target[:, i], source[:, i], 1)[0] for i in range(2)]
    # shoulders and hips, and the flank, which moves by the ratio of the torsos' lengths
    across = np.array([4, -4, 2.5, -2.5, FLANK * 42]), np.array([8, -8, 5, -5, FLANK * 21])
    expected = np.linalg.lstsq(across[0][:, None], across[1], rcond=None)[0]
    np.testing.assert_allclose(fit, [0.5, *expected], atol=1e-3)


def test_a_side_view_is_no_streak(standing, ramps):
    side = standing.clone()
    side[..., 1] = MIDDLE[1] + 0.1 * (side[..., 1] - MIDDLE[1])
    warp = part_warp(ramps, standing, side)
    row = warp[0, :, 56]  # at half the torso's height
    source = (row[1, row[3] > 0.999] + 0.5) * HEIGHT
    assert 0.8 < source.diff().mean() < 1.6  # as along the torso; by the joints alone, 10
    warp = part_warp(ramps, side, standing)
    row = warp[0, :, 56]
    source = (row[1, row[3] > 0.999] + 0.5) * HEIGHT
    assert 0.2 < source.diff().mean() < 1  # by the joints alone, 0.1


def test_mirroring_everything_mirrors_the_warp(standing, uniform):
    source = uniform(1, 3, HEIGHT, WIDTH)
    moved = without(standing + torch.tensor([3, 5]), R_ELBOW, L_ANKLE)
    moved[:, L_WRIST] += torch.tensor([-14, 6])

    def mirrored(keypoints):
        keypoints = keypoints[:, list(MIRRORED)].clone()
        keypoints[..., 1] = torch.where(keypoints[..., 1] < 0, -1, WIDTH - 1 - keypoints[..., 1])
        return keypoints

    warp = part_warp(source, standing, moved)
    other = part_warp(source.flip(3), mirrored(standing), mirrored(moved))
    # crossing limbs of the two sides are painted in another order
    torch.testing.assert_close(other.flip(3)[:, 3:], warp[:, 3:], atol=1e-3, rtol=0)
    assert ((other.flip(3) - warp).abs().amax(1) < 1e-3).float().mean() > 0.97


def test_a_plain_image_stays_plain(standing):
    # no outlines, no seams where parts overlap, no grey inside
    colour = torch.tensor([0.8, -0.6, 0.1])[None, :, None, None]
    bent = standing.clone()
    bent[:, [R_ELBOW, R_WRIST, L_KNEE, L_ANKLE]] += torch.tensor(
        [[-8, -6], [-20, 9], [-3, 7], [0, 2]]
    )
    warp = part_warp(colour.expand(1, 3, HEIGHT, WIDTH), standing, bent)
    torch.testing.assert_close(warp[:, :3], colour * warp[:, 3:], atol=1e-4, rtol=0)
    assert min(covered.min() for covered in on_bones(warp[:, 3:], bent)) > 0.99


def test_a_limb_without_joints_in_the_target_is_left_out(standing, ramps):
    whole = part_warp(ramps, standing, standing)
    less = part_warp(ramps, standing, without(standing, R_ANKLE))
    y, x = standing[0, R_ANKLE].round().long()
    assert whole[0, 3, y, x] > 0.99
    assert (less[0, :, y - 6 :, : x + 2] == 0).all()
    assert torch.equal(less[..., WIDTH // 2 :], whole[..., WIDTH // 2 :])


def test_a_limb_without_joints_in_the_source_comes_from_the_other_side(standing, ramps):
    warp = part_warp(ramps, without(standing, R_ANKLE), standing)
    y = int(standing[0, [R_KNEE, R_ANKLE], 0].mean())
    source, target = sampled(warp[:, :, y - 3 : y + 4, : WIDTH // 2])
    # the left shin, mirrored: what is outside stays outside
    expected = standing[0, L_KNEE, 1] - (target[:, 1] - standing[0, R_KNEE, 1])
    torch.testing.assert_close(source[:, 1], expected, atol=0.05, rtol=0)
    neither = part_warp(ramps, without(standing, R_ANKLE, L_ANKLE), standing)
    assert (neither[0, :, y + 3 :] == 0).all()


@pytest.mark.parametrize("far", [(R_SHOULDER, R_HIP), (L_SHOULDER,), (L_HIP,)])
def test_a_hidden_shoulder_or_hip_is_where_the_other_one_is(standing, ramps, far):
    limbs = [R_ELBOW, R_WRIST, L_ELBOW, L_WRIST, R_KNEE, R_ANKLE, L_KNEE, L_ANKLE]
    side = without(standing, *limbs)
    side[..., 1] = side[..., 1].where(side[..., 1] < 0, MIDDLE[1])
    hidden = without(side, *far)
    whole = part_warp(ramps, side, side)
    assert whole[0, 3, 56].max() > 0.99
    for pair in ((side, hidden), (hidden, side), (hidden, hidden)):
        torch.testing.assert_close(part_warp(ramps, *pair), whole)


@pytest.mark.parametrize("joints", [(R_SHOULDER, L_SHOULDER), (R_HIP, L_HIP)])
def test_nothing_without_a_torso(standing, ramps, joints):
    assert (part_warp(ramps, without(standing, *joints), standing) == 0).all()
    assert (part_warp(ramps, standing, without(standing, *joints)) == 0).all()


def test_nothing_for_a_collapsed_torso(standing, ramps):
    flat = standing.clone()
    flat[:, [R_SHOULDER, L_SHOULDER, R_HIP, L_HIP], 0] = 60
    point = torch.full((1, 18, 2), 40)
    for pose in (flat, point):
        for pair in ((pose, standing), (standing, pose), (pose, pose)):
            assert (part_warp(ramps, *pair) == 0).all()


def test_no_face_on_the_back_of_a_head(standing, ramps):
    back = without(standing, NOSE, R_EYE, L_EYE)
    y, x = standing[0, NOSE].round().long()
    for pair in ((standing, back), (back, standing)):
        coverage = part_warp(ramps, *pair)[0, 3, :, x]
        assert coverage[y + 3] == 0
        assert coverage[y - 4] > 0.99  # hair
    for pose in (standing, back):
        assert part_warp(ramps, pose, pose)[0, 3, y - 4 : y + 4, x].min() > 0.99


def test_nothing_comes_from_outside_the_source(standing, ramps):
    # the source shows the body from the waist up
    low = standing + torch.tensor([HEIGHT - 1 - standing[0, R_HIP, 0], 0])
    warp = part_warp(ramps, low, standing)
    hips = int(standing[0, R_HIP, 0])
    source, _ = sampled(warp)
    assert source.max(0).values[0] <= HEIGHT - 1
    assert warp[0, 3, hips - 12 : hips - 2, WIDTH // 2].min() > 0.99
    assert (warp[0, :, hips + 2 :, 20:44] == 0).all()


def test_parts_below_show_where_the_source_ends(standing, ramps):
    # the left forearm is outside the source, and in front of the torso in the target
    outside, folded = standing.clone(), standing.clone()
    outside[:, [L_ELBOW, L_WRIST], 1] += WIDTH
    folded[:, L_WRIST] = folded[:, R_ELBOW]
    hidden, shown, torso = (
        part_warp(ramps, *pair)[..., 53:70, 24:36]
        for pair in ((outside, folded), (standing, folded), (outside, without(folded, L_ELBOW)))
    )
    torch.testing.assert_close(hidden, torso)
    assert not torch.allclose(shown, torso, atol=0.05)


def test_a_limb_that_points_at_the_camera_stays_where_it_is(standing, ramps):
    pointing = standing.clone()
    pointing[:, R_ELBOW] = pointing[:, R_SHOULDER]
    for pair in ((standing, pointing), (pointing, pointing), (pointing, standing)):
        warp = part_warp(ramps, *pair)
        near = part_warp(ramps, standing, pair[1])[:, 3:] > 0
        assert ((warp[:, 3:] > 0) == near).all()
        assert 0.1 < near.float().mean() < 0.3
        assert warp.isfinite().all()


def test_a_batch_is_its_pairs(standing, uniform):
    sources = uniform(4, 3, HEIGHT, WIDTH)
    K_a = torch.cat([standing, without(standing, L_KNEE), standing * 0.7, without(standing, R_HIP)])
    K_b = torch.cat([standing + 4, standing, without(standing, NOSE, R_ELBOW), standing])
    warps = part_warp(sources, K_a, K_b)
    for i in range(4):
        one = part_warp(sources[i : i + 1], K_a[i : i + 1], K_b[i : i + 1])
        torch.testing.assert_close(warps[i : i + 1], one, atol=1e-6, rtol=0)
    assert warps[:3].flatten(1).any(1).all()


def test_key_points_as_read_and_no_gradient(standing, uniform):
    source = uniform(1, 3, HEIGHT, WIDTH).requires_grad_()
    whole = standing.round().to(torch.int16)
    warp = part_warp(source, whole, whole)
    assert not warp.requires_grad
    assert torch.equal(warp, part_warp(source, whole.double(), whole.float()))


def test_a_smaller_image_has_the_same_warp(standing):
    grey = torch.ones(1, 3, HEIGHT, WIDTH)
    moved = standing + torch.tensor([4, 2])
    large = part_warp(grey, standing, moved)
    small = part_warp(grey[..., ::2, ::2], standing / 2, moved / 2)
    assert (large[..., ::2, ::2] - small).abs().mean() < 0.02


joints = st.one_of(
    st.just((-1, -1)), st.tuples(st.integers(0, 70), st.integers(0, 40)), st.just((9, 9))
)
poses = st.lists(joints, min_size=18, max_size=18).map(np.array)


@given(poses, poses, st.booleans())
def test_any_key_points(K_a, K_b, upright):
    if upright:  # or few have a torso
        K_a[[2, 5, 8, 11]] = [(20, 9), (20, 20), (40, 11), (40, 18)]
    source = torch.rand(1, 3, 64, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    warp = part_warp(source, torch.tensor(K_a)[None], torch.tensor(K_b)[None])
    assert warp.isfinite().all()
    assert 0 <= warp[:, 3].min() <= warp[:, 3].max() <= 1
    assert (warp[:, :3].abs() <= warp[:, 3:] + 1e-6).all()
