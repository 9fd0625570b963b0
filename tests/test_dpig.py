"""DPIG: its boxes and crops, its layers against the published ones, its objective."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from compared import (
    SIZE,
    bce,
    gigamacs,
    make_task,
    meta,
    parameters,
    rendered_batch,
    rendered_poses,
    settings,
)
from torch.nn import functional as F

from vdg.errors import InputError
from vdg.systems import dpig
from vdg.systems.pg2 import disc_maps, limb_mask

H, W = SIZE
PUBLISHED = {"width": 128, "discriminator_width": 64}


@pytest.fixture(scope="module")
def batch():
    """Without a target: nothing of view b may enter the training."""
    both = rendered_batch(4, H)
    return SimpleNamespace(I_a=both.I_a, K_a=both.K_a)


# boxes and crops

HEAD, TORSO, LEGS = (0, 1, 2, 5, 14, 15, 16, 17), (2, 3, 4, 5, 6, 7, 8, 11), tuple(range(8, 14))
PARTS = (HEAD, TORSO, LEGS, (5, 6, 7), (2, 3, 4), (11, 12, 13), (8, 9, 10))


def boxes_by_hand(keypoints, height, width):
    """The boxes of one pose, (7, 4), and which parts it has."""
    found = [bool((joint >= 0).all()) for joint in keypoints]
    places = [tuple(map(int, joint)) for joint in keypoints]
    several, lone = 6 * height / 128, 10 * height / 128
    if height > 128:
        whole = (found[9] or found[10]) and (found[12] or found[13])
        several, lone, rise = (10, 20, 10) if whole else (20, 40, 25)
        places[0] = places[0][0] - rise, places[0][1]
    boxes, visible = [], []
    for part in PARTS:
        joints = [places[joint] for joint in part if found[joint]]
        visible.append(bool(joints))
        if not joints:
            boxes.append((0, 0, 1, 1))
            continue
        margin = lone if len(joints) == 1 else several
        y, x = zip(*joints, strict=True)
        low = max(min(y) - margin, 0), max(min(x) - margin, 0)
        boxes.append((*low, min(max(y) + margin, height - 1), min(max(x) + margin, width - 1)))
    return boxes, visible


@pytest.mark.parametrize(("height", "width"), [(128, 64), (64, 32), (256, 128)])
def test_boxes(height, width):
    poses = rendered_poses(16, height).astype(float)
    random = np.random.default_rng(0)
    poses[8:][random.random((8, 18)) < 0.7] = -1
    poses[poses >= 0] += random.uniform(0, 0.9, (poses >= 0).sum())  # to be truncated
    poses[0], poses[1, 1:] = -1, -1  # none found, and one alone
    boxes, visible = dpig.part_boxes(torch.tensor(poses), height, width)
    expected = [boxes_by_hand(keypoints, height, width) for keypoints in poses]
    np.testing.assert_allclose(boxes, [box for box, _ in expected])
    assert visible.tolist() == [seen for _, seen in expected]
    assert {True, False} == set(visible.flatten().tolist())


def test_the_crop_of_the_whole_image_is_a_resize(uniform):
    features = uniform(2, 3, 16, 12)
    box = torch.tensor([0.0, 0, 16, 12]).expand(2, 1, -1)
    expected = F.interpolate(features, (9, 9), mode="bilinear", align_corners=True)
    torch.testing.assert_close(dpig.crops(features, box, 9), expected)


def test_crops_are_bilinear(uniform):
    features = uniform(2, 3, 16, 12)
    y1, x1, y2, x2 = 2.0, 1.0, 11.0, 9.5
    corners = torch.tensor([[0.0, 0, 1, 1], [y1, x1, y2, x2]]).expand(2, -1, -1)
    ours = dpig.crops(features, corners, 7).unflatten(0, (2, 2))[:, 1]
    i = torch.arange(7) / 6
    y, x = 2 * (y1 + (y2 - y1) * i) / 16 - 1, 2 * (x1 + (x2 - x1) * i) / 12 - 1
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).expand(2, -1, -1, -1)
    torch.testing.assert_close(ours, F.grid_sample(features, grid, align_corners=True))


# layers


@pytest.mark.parametrize(("height", "width"), [(5, 4), (16, 12), (2, 3)])
def test_numbers_are_convolved_as_if_they_were_tiled(uniform, height, width):
    layer = dpig.TiledConv(6, 2, 3)
    numbers, maps = uniform(2, 6), uniform(2, 2, height, width)
    tiled = numbers[..., None, None].expand(-1, -1, height, width)
    expected = F.conv2d(torch.cat([tiled, maps], 1), layer.weight, layer.bias, padding=1)
    torch.testing.assert_close(layer(numbers, maps), expected)


# parameters of encoder, decoder and D; gigamacs of encoder and, with tiled maps, decoder
COUNTS = {
    (128, 64): ((47_352_736, 71_197_123, 4_324_737), (27.41, 40.668)),
    (256, 256): ((58_140_832, 82_088_387, 4_324_737), (49.55, 315.7)),
}


@pytest.mark.parametrize("size", COUNTS)
def test_published_size(size):
    counts, (encoder, decoder) = COUNTS[size]
    with torch.device("meta"):
        chosen = settings(dpig, size=size, **PUBLISHED)
        generator = dpig.build_stage1(chosen)
        D = dpig.stage1_task(generator, chosen).discriminator
    parts = generator.appearance, generator.decoder, D
    assert tuple(map(parameters, parts)) == counts
    image, keypoints = meta(1, 3, *size), meta(1, 18, 2)
    assert gigamacs(generator.appearance, image, keypoints) == pytest.approx(encoder, rel=0.01)
    whole = gigamacs(generator, image, keypoints, keypoints) + spared(generator, size)
    assert whole == pytest.approx(encoder + decoder, rel=0.01)
    assert gigamacs(D, image) == pytest.approx(0.324 * size[0] * size[1] / 128 / 64, rel=0.01)


def spared(generator, size):
    """Gigamacs of 1x1 convolutions after upsampling and of tiled numbers, which ours does not."""
    *ups, _ = generator.decoder.decoder.after
    weights = [step[0].weight.numel() for step in ups]
    fine = [size[0] * size[1] / 4**level for level in reversed(range(len(ups)))]
    up = sum(0.75 * a * b for a, b in zip(weights, fine, strict=True))
    return (up + 9 * generator.appearance.out_features * 128 * (size[0] * size[1] - 9)) / 1e9


@pytest.mark.parametrize("size", [(32, 16), (64, 32), (96, 48), (128, 64), (256, 176), (64, 64)])
def test_sizes(size):
    with torch.device("meta"):
        task = make_task(dpig, size=size)
        image, keypoints = meta(2, 3, *size), meta(2, 18, 2)
        assert task.result(image, keypoints, keypoints).shape == image.shape
        assert task.discriminator(image).shape == (2 * (8 if size[0] > 128 else 1), 1)


@pytest.mark.parametrize("size", [(16, 16), (64, 24), (256, 180)])
def test_a_size_that_does_not_halve(size):
    with pytest.raises(InputError, match=rf"divisible by 16 .* not {size[0]} x {size[1]}"):
        dpig.build_stage1(settings(dpig, size=size))


def test_what_is_not_visible_has_no_numbers(batch):
    appearance, keypoints = make_task(dpig).result.appearance, batch.K_a.clone()
    keypoints[0, [11, 12, 13]] = -1  # the left leg
    torch.nn.init.ones_(appearance.parts.out.bias)
    embedded = appearance(batch.I_a, keypoints)
    assert embedded.shape == (4, 7 * 3 + 5)
    parts = embedded[:, :21].reshape(4, 7, 3)
    _, visible = dpig.part_boxes(keypoints, H, W)
    assert not visible[0, 5]
    assert torch.equal(parts.any(-1), visible)
    assert embedded[:, 21:].any(1).all()


def test_the_mask_parts_person_and_background():
    batch = rendered_batch(1, 128)
    appearance = make_task(dpig, size=(128, 64)).result.appearance
    embedded = appearance(batch.I_a, batch.K_a)
    mask = limb_mask(batch.K_a, 128, 64, 7)
    reach = 3  # of three 3x3 convolutions before the mask
    near = F.max_pool2d(mask, 2 * reach + 1, stride=1, padding=reach)
    inside = 1 - F.max_pool2d(1 - mask, 2 * reach + 1, stride=1, padding=reach)
    for where, changes in ((1 - near, slice(21, None)), (inside, slice(21))):
        assert where.any()
        moved = appearance(batch.I_a + where, batch.K_a) != embedded
        assert moved[:, changes].any()
        moved[:, changes] = False
        assert not moved.any()


def test_a_pose_transfer_takes_appearance_from_a_and_discs_from_b(batch):
    generator, K_b = make_task(dpig).result, batch.K_a.roll(1, 0)
    image = generator(batch.I_a, batch.K_a, K_b)
    assert image.shape == batch.I_a.shape
    assert image.dtype == torch.float32
    embedded = generator.appearance(batch.I_a, batch.K_a)
    assert torch.equal(image, generator.decoder(embedded, disc_maps(K_b, H, W, 1)))


# objective


def test_the_losses(batch):
    task = make_task(dpig)
    D = copy.deepcopy(task.discriminator)
    image = task.result(batch.I_a, batch.K_a, batch.K_a).detach()
    losses = task.update(batch)
    real, fake = D(batch.I_a), D(image)  # each with its own statistics
    torch.testing.assert_close(losses["l1"], (image - batch.I_a).abs().mean())
    torch.testing.assert_close(losses["adversarial"], bce(fake, 1.0).detach())
    expected = (bce(real, 1.0) + bce(fake, 0.0)) / 2
    torch.testing.assert_close(losses["discriminator"], expected.detach())


@pytest.mark.parametrize(("height", "seen"), [(128, [2, 2, 2]), (256, [4, 4])])
def test_real_and_generated_share_a_batch_above_128_pixels_alone(height, seen):
    batch, found = rendered_batch(2, height), []
    batch.I_a = batch.I_a[..., : height // 4]
    task = make_task(dpig, size=(height, height // 4), width=1)
    task.modules["discriminator"].register_forward_pre_hook(lambda _, x: found.append(len(x[0])))
    task.update(batch)
    assert found == seen


def test_rates_halve_where_they_did():
    rate = make_task(dpig).rate
    assert [rate(step, 120_000) for step in (0, 49_999, 50_000, 99_999, 100_000, 119_999)] == [
        *(1, 1, 0.5, 0.5, 0.25, 0.25)
    ]
    assert [rate(step, 12) for step in range(12)] == [1] * 5 + [0.5] * 5 + [0.25] * 2
