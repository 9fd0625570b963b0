"""PG2: pose maps and masks, layers against the published ones, objectives."""

import copy

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
from scipy import ndimage
from skimage import draw
from torch.nn import functional as F

from vdg.errors import InputError
from vdg.pose import MASK_PAIRS
from vdg.systems import pg2
from vdg.systems.pg2 import disc_maps, limb_mask

H, W = SIZE
PUBLISHED = {"stage1": {"width": 128}, "stage2": {"width": 128, "discriminator_width": 64}}


@pytest.fixture(scope="module")
def batch():
    return rendered_batch(4, H)


# what it renders


@pytest.mark.parametrize(("height", "width", "radius", "area"), [(128, 64, 4, 49), (64, 32, 2, 13)])
def test_discs(pose, height, width, radius, area):
    joints = {0: (20, 12), 4: (0, 0), 17: (height - 1, width - 1)}
    keypoints = torch.tensor(np.stack([pose({}), pose(joints)])).float()
    keypoints[1, 0] += 0.9  # truncated
    maps = disc_maps(keypoints, height, width, radius)
    assert maps.shape == (2, 18, height, width)
    assert maps.dtype == torch.float32
    assert maps.is_contiguous(memory_format=torch.channels_last)
    assert (maps[0] == -1).all()
    y, x = np.mgrid[:height, :width]
    for joint in range(18):
        v, u = joints.get(joint, (-99, -99))
        expected = np.where((y - v) ** 2 + (x - u) ** 2 <= radius**2, 1, -1)
        np.testing.assert_array_equal(maps[1, joint], expected)
    assert (maps[1, 0] == 1).sum() == area


def drawn_mask(keypoints, shape, radius):
    """PG2's own way: discs at both ends and about every `radius` pixels of each limb, closed."""
    mask = np.zeros(shape, bool)
    for a, b in MASK_PAIRS:
        start, end = keypoints[a].astype(float), keypoints[b].astype(float)
        if (start >= 0).all() and (end >= 0).all():
            count = max(int(np.linalg.norm(end - start) // radius), 1)
            for centre in np.linspace(start, end, count + 1).round():
                mask[draw.disk(centre, radius + 0.01, shape=shape)] = True
    square = np.ones((5, 5))
    grown = ndimage.binary_dilation(mask, square)
    return ndimage.binary_erosion(grown, square, border_value=1)


@pytest.mark.parametrize(("height", "radius"), [(128, 4), (128, 7), (256, 4), (64, 2), (64, 3.5)])
def test_the_limb_mask_is_that_of_discs(height, radius):
    shape = height, height // 2
    poses = rendered_poses(24, height)
    masks = limb_mask(torch.tensor(poses), *shape, radius)
    assert masks.shape == (24, 1, *shape)
    assert masks.dtype == torch.float32
    assert set(masks.unique().tolist()) == {0, 1}
    theirs = np.stack([drawn_mask(keypoints, shape, radius) for keypoints in poses])
    ours = masks[:, 0].numpy() > 0
    overlaps = (ours & theirs).sum((1, 2)) / (ours | theirs).sum((1, 2))
    assert overlaps.mean() >= 0.93
    assert overlaps.min() >= 0.85


def test_the_limb_mask_of_one_limb_is_a_capsule(pose):
    a, b = np.array([30, 20]), np.array([60, 42])
    poses = [pose({1: tuple(a), 2: tuple(b)}), pose({1: (40, 20), 2: (40, 20)}), pose({1: (9, 9)})]
    masks = limb_mask(torch.tensor(np.stack(poses)), 128, 64, 4, closing=1)[:, 0].bool().numpy()
    place = np.stack(np.mgrid[:128, :64], -1)
    share = np.clip((place - a) @ (b - a) / ((b - a) ** 2).sum(), 0, 1)
    away = np.linalg.norm(place - (a + share[..., None] * (b - a)), axis=-1)
    np.testing.assert_array_equal(masks[0][abs(away - 4) > 1e-3], (away < 4)[abs(away - 4) > 1e-3])
    # both joints at one place: a disc; a joint without a partner: nothing
    np.testing.assert_array_equal(masks[1], ((place - [40, 20]) ** 2).sum(-1) <= 16)
    assert not masks[2].any()


def test_the_limb_mask_is_closed(pose):
    # two parallel limbs with 4 and with 5 empty rows between them
    for gap, filled in ((4, True), (5, False)):
        joints = {2: (40, 10), 3: (40, 50), 5: (49 + gap, 10), 6: (49 + gap, 50)}
        mask = limb_mask(torch.tensor(pose(joints))[None], 128, 64, 4)[0, 0]
        between = mask[45 : 45 + gap, 15:45]
        assert bool(between.all()) == bool(between.any()) == filled


# layers


@pytest.mark.parametrize(("kernel", "at"), [(3, 0), (5, 1)])
def test_strides_pad_as_tensorflow_does(uniform, kernel, at):
    layer = pg2.StridedConv(1, 1, kernel)
    image = uniform(1, 1, 8, 6)
    with torch.no_grad():
        layer.bias.zero_()
        for offset in range(-at, kernel - at):  # of the one tap that is not zero
            layer.weight.zero_()[..., offset + at, at] = 1
            rows = torch.arange(0, 8, 2) + offset
            inside = (rows >= 0) & (rows < 8)
            expected = image[:, :, rows.clamp(0, 7), ::2] * inside[:, None]
            assert torch.equal(layer(image), expected)


def test_the_up_step_is_that_of_the_published_order(uniform):
    step, x = pg2.up(4, 3), uniform(2, 4, 3, 2)
    published = F.relu(step[0](F.interpolate(x, scale_factor=2, mode="nearest")))
    torch.testing.assert_close(step(x), published)


def published(size):
    with torch.device("meta"):
        first, second = (settings(pg2, s, size=size, **own) for s, own in PUBLISHED.items())
        generator = pg2.build_generator(pg2.build_stage1(first), second)
        return generator, pg2.stage2_task(generator, second).discriminator


COUNTS = {
    (128, 64): ((70_795_075, 6_058_883, 4_324_737), (37.375, 10.202, 0.324)),
    (256, 256): ((122_103_235, 12_696_067, 10_896_257), (306.1, 97.0, 3.01)),
}


@pytest.mark.parametrize("size", COUNTS)
def test_published_size(size):
    counts, costs = COUNTS[size]
    generator, D = published(size)
    assert tuple(map(parameters, (generator.stage1, generator.stage2, D))) == counts
    image, keypoints = meta(1, 3, *size), meta(1, 18, 2)
    G1 = gigamacs(generator.stage1, image, keypoints, keypoints) + spared(generator.stage1, size)
    assert pytest.approx(costs[0], rel=0.01) == G1
    assert gigamacs(generator.stage2, image, image) == pytest.approx(costs[1], rel=0.01)
    assert gigamacs(D, image) == pytest.approx(costs[2], rel=0.01)


def spared(stage1, size):
    """Gigamacs of the 1x1 convolutions that the published order spends more than ours."""
    *ups, _ = stage1.network.decoder.after
    weights = [step[0].weight.numel() for step in ups]
    fine = [size[0] * size[1] / 4**level for level in reversed(range(len(ups)))]
    return sum(0.75 * a * b for a, b in zip(weights, fine, strict=True)) / 1e9


@pytest.mark.parametrize("size", [(32, 16), (64, 32), (96, 48), (128, 64), (256, 128), (64, 64)])
def test_sizes(size):
    with torch.device("meta"):
        task = make_task(pg2, "stage2", size=size)
    image, keypoints = meta(2, 3, *size), meta(2, 18, 2)
    for network in (task.result.stage1, task.result):
        assert network(image, keypoints, keypoints).shape == image.shape
    assert task.discriminator(image).shape == (2, 1)


@pytest.mark.parametrize("size", [(16, 16), (64, 24), (100, 64), (256, 176)])
def test_a_size_that_does_not_halve(size):
    with pytest.raises(InputError, match=rf"divisible by .* not {size[0]} x {size[1]}"):
        pg2.build_stage1(settings(pg2, size=size))


def test_initialisation():
    task = make_task(pg2, "stage2")
    for name, weights in task.modules.named_parameters():
        if name.endswith("bias"):
            assert not weights.any(), name
    linear = task.result.stage1.network.bottleneck[1].weight  # Xavier
    assert linear.std().item() == pytest.approx((2 / sum(linear.shape)) ** 0.5, rel=0.1)
    assert task.discriminator.layers[2].weight.std().item() == pytest.approx(0.02, rel=0.1)


# objectives


def test_only_the_target_pose_is_seen(batch):
    generator, other = make_task(pg2, "stage2").result, batch.K_a + 3
    image = generator(batch.I_a, batch.K_a, batch.K_b)
    assert image.dtype == torch.float32
    assert torch.equal(image, generator(batch.I_a, other, batch.K_b))
    assert not torch.equal(image, generator(batch.I_a, batch.K_a, other))


def test_the_loss_of_stage1(batch):
    task = make_task(pg2)
    error = (task.result(batch.I_a, batch.K_a, batch.K_b) - batch.I_b).abs().detach()
    losses = task.update(batch)
    mask = limb_mask(batch.K_b, H, W, 1)  # 4 px at 128
    torch.testing.assert_close(losses["l1"], error.mean())
    torch.testing.assert_close(losses["mask_l1"], error.mean() + (error * mask).mean())


def test_the_losses_of_stage2(batch):
    task = make_task(pg2, "stage2")
    D = copy.deepcopy(task.discriminator)
    coarse = task.result.stage1(batch.I_a, batch.K_a, batch.K_b)
    image = task.result(batch.I_a, batch.K_a, batch.K_b).detach()
    losses = task.update(batch)

    real, source, _, fake = D(torch.cat([batch.I_b, batch.I_a, coarse, image])).chunk(4)
    error, mask = (image - batch.I_b).abs(), limb_mask(batch.K_b, H, W, 1)
    torch.testing.assert_close(losses["image"], error.mean() + (error * mask).mean())
    torch.testing.assert_close(losses["adversarial"], bce(fake, 1.0).detach())
    L_D = bce(real, 1.0) / 2 + bce(source, 0.0) / 4 + bce(fake, 0.0) / 4
    torch.testing.assert_close(losses["discriminator"], L_D.detach())


@pytest.mark.parametrize(("height", "groups"), [(128, 4), (256, 3)])
def test_what_shares_a_batch_with_the_predictions(height, groups):
    batch = rendered_batch(1, height)
    batch.I_a, batch.I_b = batch.I_a[..., : height // 4], batch.I_b[..., : height // 4]
    task = make_task(pg2, "stage2", size=(height, height // 4), width=1)
    seen = []
    task.modules["discriminator"].register_forward_pre_hook(lambda _, x: seen.append(len(x[0])))
    task.update(batch)
    assert seen == [groups, groups]


def test_a_frozen_stage1_does_not_train(batch):
    task = make_task(pg2, "stage2")
    before = copy.deepcopy(task.result.stage1.state_dict())
    task.update(batch)
    torch.testing.assert_close(task.result.stage1.state_dict(), before, rtol=0, atol=0)
