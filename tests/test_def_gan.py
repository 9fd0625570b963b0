"""Def-GAN: its layers as published, the maps of body parts, the warp, and one-step training."""

import math
from types import SimpleNamespace

import compared
import numpy as np
import pytest
import torch
import typed
from skimage.transform import AffineTransform
from torch.nn.functional import interpolate
from torch.utils.flop_counter import FlopCounterMode

from vdg import systems
from vdg.errors import InputError
from vdg.pose import JOINTS, MIRRORED, TORSO
from vdg.systems import def_gan
from vdg.systems.def_gan import ABSENT, Pose, Warp, part_maps, part_masks, total_least_squares

# (y, x) of somebody who stands upright and faces the camera, at 128 x 64
STANDING = np.array(
    [
        *((12, 32), (24, 32), (25, 22), (43, 17), (59, 14), (26, 42), (44, 47), (60, 51)),
        *((62, 26), (90, 25), (116, 23), (63, 38), (91, 40), (117, 42)),
        *((10, 30), (10, 34), (12, 27), (12, 37)),
    ],
    np.float32,
)
NOSE, RIGHT_ELBOW, RIGHT_WRIST, LEFT_KNEE = 0, 3, 4, 12
BODY, HEAD, RIGHT_THIGH, LEFT_THIGH, RIGHT_SHIN, LEFT_SHIN = range(6)
RIGHT_UPPER_ARM, LEFT_UPPER_ARM, RIGHT_FOREARM, LEFT_FOREARM = range(6, 10)


def settings(**changes):
    return compared.settings(def_gan, **({"size": [128, 64]} | changes))


def poses(*changes, height=128):
    """(B, 18, 2): somebody who stands, with some joints moved: {joint: (y, x)}; None = missing."""
    K = torch.tensor(np.stack([STANDING] * len(changes)))
    for one, moved in zip(K, changes, strict=True):
        for joint, place in moved.items():
            one[joint] = torch.tensor((-1, -1) if place is None else place)
    return torch.where(K >= 0, K * height / 128, -1)


@pytest.fixture
def batch(uniform):
    """Make a batch of people in several poses, in colours without detail: batch(B, H, W)."""

    def make(B=2, H=64, W=32):
        K = [(poses(*[{}] * B, height=H) + uniform(B, 18, 2, low=-3, high=3)).round() for _ in "ab"]
        K[0][0, RIGHT_WRIST] = K[1][-1, LEFT_KNEE] = K[1][-1, NOSE] = -1
        I_a, I_b = (interpolate(uniform(B, 3, 4, 2), (H, W), mode="bicubic") for _ in "ab")
        return SimpleNamespace(I_a=I_a, K_a=K[0], I_b=I_b, K_b=K[1], M_b=None)

    return make


def task(**changes):
    return compared.make_task(def_gan, **({"size": [64, 32], "learning_rate": 1e-3} | changes))


def given(batch):
    return batch.I_a, batch.K_a, batch.K_b


# Layers


def size_of(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("size", "warp", "parameters", "gmac", "gmac_D"),
    [
        ([128, 64], "nearest", 61_109_085, 8.562, 0.244),
        ([128, 64], "bilinear", 61_109_085, 8.562, 0.244),
        ([256, 256], "nearest", 82_080_611, 69.0, 2.19),
        ([128, 64], "none", 36_072_533, 5.797, 0.244),
    ],
)
def test_published_size_and_cost(size, warp, parameters, gmac, gmac_D):
    with torch.device("meta"):
        chosen = settings(size=size, warp=warp)
        G = def_gan.build_stage1(chosen)
        D = def_gan.stage1_task(G, chosen).discriminator
        I_a, K = torch.empty(1, 3, *size), torch.empty(1, 18, 2)
        with FlopCounterMode(display=False) as count_G:
            image = G(I_a, K, K)
        with FlopCounterMode(display=False) as count_D:
            D(I_a, K, K, image)
    assert size_of(G) == parameters
    assert size_of(D) == 2_803_782
    assert count_G.get_total_flops() / 2e9 == pytest.approx(gmac, rel=0.01)
    assert count_D.get_total_flops() / 2e9 == pytest.approx(gmac_D, rel=0.01)


@pytest.mark.parametrize(
    ("size", "patches"),
    [([32, 16], (3, 1)), ([64, 32], (3, 1)), ([128, 64], (3, 1)), ([256, 256], (7, 7))],
)
def test_every_size_has_an_image_and_patches(size, patches, batch):
    network = task(width=2, size=size)
    drawn = batch(1, *size)
    image = network.generator(*given(drawn))
    assert image.shape == (1, 3, *size)
    assert image.abs().max() <= 1
    assert network.discriminator(*given(drawn), image).shape == (1, 1, *patches)


def test_micro_form_of_64_x_32():
    encoder = def_gan.build_stage1(settings(width=8, size=[64, 32])).target_encoder
    assert [layers[1].weight.shape[0] for layers in encoder.down] == [16, 32, 64, 64]


def test_slopes_and_dropout():
    trained = task(width=1, size=[256, 256])
    layers = list(trained.modules.modules())
    assert {x.negative_slope for x in layers if isinstance(x, torch.nn.LeakyReLU)} == {0.2}
    dropout = [layer for layer in layers if isinstance(layer, torch.nn.Dropout)]
    assert [layer.p for layer in dropout] == [0.5] * 3
    assert [block[-1] for block in trained.generator.decoder.up[:3]] == dropout


@pytest.mark.parametrize("size", [[16, 8], [128, 60], [128, 32], [120, 64], [256, 176]])
def test_sizes_that_do_not_fit(size):
    with pytest.raises(InputError, match=f"{size[0]} x {size[1]} pixels.*multiples of"):
        def_gan.build_stage1(settings(size=size))


def test_settings_that_do_not_fit():
    with pytest.raises(InputError, match="nn_window: 4 pixels have no middle"):
        def_gan.build_stage1(settings(nn_window=4))
    for wrong in ({"features": "efficientnet-lite0"}, {"nn_weight": 2.0}):
        with pytest.raises(InputError, match="features and nn_weight go together"):
            def_gan.build_stage1(settings(**wrong))


def test_norm_is_over_the_whole_image_with_one_gain_and_one_bias(uniform):
    norm = def_gan.LayerNorm()
    assert [p.numel() for p in norm.parameters()] == [1, 1]
    torch.nn.init.constant_(norm.gain, 3)
    torch.nn.init.constant_(norm.bias, -2)
    x = uniform(2, 5, 4, 3)
    flat = x.numpy().reshape(2, -1)
    centred, std = flat - flat.mean(1, keepdims=True), flat.std(1, keepdims=True)
    expected = centred / np.sqrt(std**2 + 1e-6) * 3 - 2
    normalised = norm(x).detach().reshape(2, -1).numpy()
    np.testing.assert_allclose(normalised, expected, rtol=1e-5, atol=1e-5)
    authors = centred / (std + 1e-3)
    ratio = (normalised + 2) / 3 / authors
    np.testing.assert_allclose(ratio, 1 + np.broadcast_to(1e-3 / std, ratio.shape), rtol=1e-4)


def test_norm_of_a_constant_has_a_finite_gradient():
    x = torch.full((1, 2, 3, 3), 0.5, requires_grad=True)
    def_gan.LayerNorm()(x).square().sum().backward()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize(("size", "sigma"), [([64, 32], 3), ([128, 64], 6), ([256, 128], 6)])
def test_heat_maps_do_not_grow_beyond_6_pixels(size, sigma):
    network = task(width=1, size=size).generator
    seen = []
    network.target_encoder.register_forward_hook(lambda _, inputs, __: seen.extend(inputs))
    K = poses({NOSE: (40, 20)}, height=size[0])
    network(torch.zeros(1, 3, *size), K, K)
    y, x = K[0, NOSE].long()
    assert seen[0][0, NOSE, y, x] == 1
    assert seen[0][0, NOSE, y, x + sigma] == pytest.approx(math.exp(-0.5))


def test_images_of_a_batch_do_not_mix_and_evaluation_has_no_dropout(batch):
    network = task().generator.eval()
    drawn = batch(3)
    together = network(*given(drawn))
    alone = torch.cat([network(*(x[i : i + 1] for x in given(drawn))) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(network.train()(*given(drawn)), together)


def test_a_model_file_is_enough_to_build_it_again(batch, tmp_path):
    chosen = settings(width=2, size=[64, 32])
    torch.manual_seed(0)
    network = def_gan.build_stage1(chosen).eval()
    systems.save(tmp_path / "model.safetensors", network, typed.meta(chosen, system="def_gan"))
    loaded, _ = systems.load(tmp_path / "model.safetensors")
    inputs = given(batch(1, 64, 32))
    torch.testing.assert_close(loaded(*inputs), network(*inputs))


# Maps and masks of parts


def maps_of(K_a, K_b):
    return part_maps(Pose(K_a), Pose(K_b))


def masks_of(K_b, height=128, width=64):
    return part_masks(Pose(K_b), height, width)


def sent(maps, points):
    """(2, 3) maps applied to (N, 2) points."""
    return points @ maps[:, :2].T + maps[:, 2]


def test_joints_of_the_parts():
    names = [
        *("thigh", "hip", "knee"),
        *("shin", "knee", "ankle"),
        *("upper arm", "shoulder", "elbow"),
        *("forearm", "elbow", "wrist"),
    ]
    limbs = zip(names[1::3], names[2::3], strict=True)
    expected = [tuple(f"{side} {n}" for n in limb) for limb in limbs for side in ("right", "left")]
    ends = zip(def_gan.STARTS, def_gan.ENDS, strict=True)
    assert [(JOINTS[start], JOINTS[end]) for start, end in ends] == expected
    assert {JOINTS[i].split()[-1] for i in def_gan.HEAD} == {"nose", "eye", "ear"}


def test_three_points_have_an_exact_map(uniform):
    target = uniform(5, 3, 2, low=0, high=60).double()
    exact = uniform(5, 2, 3, low=-2, high=2).double()
    source = target @ exact[:, :, :2].mT + exact[:, None, :, 2]
    maps, known = total_least_squares(source, target, torch.ones(5, 3, dtype=torch.bool))
    torch.testing.assert_close(maps, exact)
    assert known.all()


def test_more_points_have_the_map_that_scikit_image_finds(uniform):
    source, target = (uniform(4, 9, 2, low=0, high=60).double() for _ in "ab")
    used = torch.ones(4, 9, dtype=torch.bool)
    used[1, 4:] = used[2, :3] = used[3, ::2] = False
    maps, known = total_least_squares(source, target, used)
    assert known.all()
    for i in range(4):
        reference = AffineTransform.from_estimate(target[i, used[i]].numpy(), source[i, used[i]])
        np.testing.assert_allclose(maps[i], reference.params[:2], rtol=1e-6, atol=1e-6)


def corners(start, end, extension, torso):
    """Of a limb's rectangle, in words of the paper: at its first joint, right and left, ..."""
    start = start + 0.1 * (start - end)
    end = end + extension * (end - start)
    along = (start - end) / np.hypot(*(start - end))
    across = 0.2 * torso * np.array([-along[1], along[0]])
    return np.array([start + across, start - across, end + across, end - across])


def torso_of(K):
    sides = [np.hypot(*(K[hip] - K[shoulder])) for hip, shoulder in ((8, 2), (11, 5))]
    return np.sqrt((sides[0] ** 2 + sides[1] ** 2) / 2)


@pytest.mark.parametrize(
    ("part", "joints", "extension"),
    [
        (RIGHT_THIGH, (8, 9), 0.1),
        (LEFT_SHIN, (12, 13), 0.3),
        (LEFT_UPPER_ARM, (5, 6), 0.1),
        (RIGHT_FOREARM, (3, 4), 0.3),
    ],
)
def test_limb_maps_send_corners_to_corners(part, joints, extension):
    K_a, K_b = poses({RIGHT_WRIST: (35, 5), 12: (80, 50), 13: (85, 20)}, {8: (70, 20), 6: (20, 60)})
    maps = maps_of(K_a[None], K_b[None])[0, part].numpy()
    source, target = (
        corners(*K[list(joints)].numpy()[:, ::-1].astype(float), extension, torso_of(K.numpy()))
        for K in (K_a, K_b)
    )
    np.testing.assert_allclose(sent(maps, target), source, atol=1e-9)


def test_a_limb_that_the_source_lacks_is_read_from_its_other_side():
    K_a, K_b = poses({RIGHT_WRIST: None}), poses({})
    swapped = K_a[:, MIRRORED]  # what is on its left counts as right
    maps = maps_of(K_a, K_b)[0]
    torch.testing.assert_close(maps[RIGHT_FOREARM], maps_of(swapped, K_b)[0, RIGHT_FOREARM])
    # and then the same pixels lead to both forearms
    torso = torso_of(STANDING)
    left = corners(STANDING[6, ::-1], STANDING[7, ::-1], 0.3, torso)
    right = corners(STANDING[3, ::-1], STANDING[4, ::-1], 0.3, torso)
    np.testing.assert_allclose(sent(maps[RIGHT_FOREARM].numpy(), right), left, atol=1e-4)
    np.testing.assert_allclose(sent(maps[LEFT_FOREARM].numpy(), left), left, atol=1e-4)


ON_A_LINE = {2: (25, 30), 5: (25, 30), 8: (62, 30), 11: (62, 30)}
"""The torso of somebody exactly from the side, which says nothing of the width."""


def absent(maps):
    return (maps == torch.tensor(ABSENT, dtype=torch.float64)).all(-1).all(-1)


@pytest.mark.parametrize(
    ("source", "target", "parts"),
    [
        ({}, {}, []),
        ({4: None}, {}, []),
        ({4: None, 7: None}, {}, [RIGHT_FOREARM, LEFT_FOREARM]),
        ({}, {4: None}, [RIGHT_FOREARM]),
        ({}, {9: None}, [RIGHT_THIGH, RIGHT_SHIN]),
        ({0: None, 14: None, 15: None}, {16: None, 17: None}, [HEAD]),
        ({0: None, 14: None, 15: None}, {16: None}, []),
        ({}, {4: (43, 17)}, [RIGHT_FOREARM]),  # as long as nothing
        ({4: (43, 17)}, {}, [RIGHT_FOREARM]),
        ({}, ON_A_LINE, [BODY]),
        (ON_A_LINE, {}, [BODY]),
        ({2: None}, {}, range(10)),  # no torso
        ({}, {11: None}, range(10)),
    ],
)
def test_parts_that_cannot_be_located_are_absent(source, target, parts):
    found = absent(maps_of(poses(source), poses(target)))[0].nonzero()[:, 0]
    assert found.tolist() == list(parts)


def test_absent_parts_read_outside_at_every_level():
    warp = Warp(poses({2: None}, height=256), poses({}, height=256), 256, 256, "nearest")
    for level in range(4):
        features = torch.ones(1, 1, 256 >> level, 256 >> level)
        assert not warp(features, 2**level).any()


def test_body_mask_is_the_frame_and_head_mask_a_square():
    K = poses({0: (12, 30), 14: (10, 29), 15: (10, 34), 16: None, 17: (13, 38)})
    masks = masks_of(K)[0]
    assert masks[BODY].all()
    radius = int(0.4 * torso_of(STANDING))
    y, x = 11, 32  # floors of 11.25 and 32.75
    expected = np.zeros((128, 64), bool)
    expected[max(0, y - radius) : y + radius, x - radius : x + radius] = True
    np.testing.assert_array_equal(masks[HEAD], expected)
    assert not masks_of(poses(dict.fromkeys(def_gan.HEAD)))[0, HEAD].any()


def test_limb_masks_are_rectangles():
    masks = masks_of(poses({3: (40, 20), 4: (60, 20)}))[0]
    rows, columns = masks[RIGHT_FOREARM].nonzero().T
    half = 0.2 * torso_of(STANDING)
    assert (columns.min(), columns.max()) == (math.ceil(20 - half), math.floor(20 + half))
    # 22 px from the extended elbow to the wrist; half of that on top
    assert (rows.min(), rows.max()) == (38, 71)
    assert len(rows) == 34 * (columns.max() - columns.min() + 1)
    assert not masks_of(poses({4: None}))[0, RIGHT_FOREARM].any()
    assert masks_of(poses({4: None}))[0, RIGHT_UPPER_ARM].any()


def test_turned_limb_masks_contain_their_joints_and_no_corner_beyond():
    K = poses({12: (75, 55), 13: (100, 20)})
    mask = masks_of(K)[0, LEFT_SHIN]
    for joint in (12, 13):
        assert mask[tuple(K[0, joint].long())]
    middle = K[0, [12, 13]].mean(0)
    across = torch.tensor([35.0, 25]) / math.hypot(35, 25) * 0.2 * torso_of(STANDING)
    for side in (-1, 1):
        assert mask[tuple((middle + side * 0.9 * across).round().long())]
        assert not mask[tuple((middle + side * 1.3 * across).round().long())]


# The warp

modes = pytest.mark.parametrize("mode", ["nearest", "bilinear"])


@modes
@pytest.mark.parametrize("level", range(4))
def test_the_same_pose_returns_relu_wherever_a_part_is_masked_out(mode, level, uniform):
    K = poses({})
    warp = Warp(K, K, 128, 64, mode)
    features = uniform(1, 3, 128 >> level, 64 >> level)
    torch.testing.assert_close(warp(features, 2**level), features.relu(), rtol=1e-4, atol=1e-5)


def test_the_same_pose_returns_the_features_where_no_part_is_masked_out(uniform):
    K = poses({})
    warp = Warp(K, K, 128, 64, "nearest")
    warp.masks[..., 50:60, 30:40] = True
    features = uniform(1, 3, 128, 64)
    expected = features.relu()
    expected[..., 50:60, 30:40] = features[..., 50:60, 30:40]
    torch.testing.assert_close(warp(features, 1), expected)


def marks(K, joints):
    """(1, N, 128, 64): a map per joint, with a 1 where it is."""
    features = torch.zeros(1, len(joints), 128, 64)
    for channel, joint in enumerate(joints):
        features[0, channel, *K[0, joint].long()] = 1
    return features


def test_somebody_who_moved(uniform):
    K_b = poses({}) + torch.tensor([4.0, -6])  # 4 down, 6 to the left
    image = uniform(1, 3, 128, 64, low=0)
    warped = Warp(poses({}), K_b, 128, 64, "nearest")(image, 1)
    torch.testing.assert_close(warped[..., 4:, :-6], image[..., :-4, 6:])
    assert not warped[..., :4, :].any()
    assert not warped[..., -6:].any()
    # two levels deeper that is one row, and 1.5 columns, which round away from zero
    small = uniform(1, 3, 32, 16, low=0)
    warped = Warp(poses({}), K_b, 128, 64, "nearest")(small, 4)
    torch.testing.assert_close(warped[..., 1:, :-2], small[..., :-1, 2:])


def test_halves_round_away_from_zero(uniform):
    image = uniform(1, 1, 128, 64, low=0.1)
    K_b = poses({}) + torch.tensor([0.0, 0.5])  # reads at -.5, .5, 1.5, ...
    warped = Warp(poses({}), K_b, 128, 64, "nearest")(image, 1)
    torch.testing.assert_close(warped[..., 1:], image[..., 1:])
    assert not warped[..., 0].any()


def test_bilinear_reads_between_pixels(uniform):
    image = uniform(1, 2, 128, 64, low=0)
    K_b = poses({}) + torch.tensor([-0.25, -0.5])
    warped = Warp(poses({}), K_b, 128, 64, "bilinear")(image, 1)
    columns = (image[..., :-1] + image[..., 1:]) / 2
    expected = 0.75 * columns[..., :-1, :] + 0.25 * columns[..., 1:, :]
    torch.testing.assert_close(warped[..., :-1, :-1], expected)


@modes
def test_somebody_who_turned_round_and_stepped_back(mode):
    """Mirrored and half as large: right and left are where they should be."""
    K_a = poses({2: (26, 22), 8: (62, 26), 5: (26, 42), 11: (62, 38), 9: (90, 26), 6: (44, 48)})
    K_b = K_a * torch.tensor([0.5, -0.5]) + torch.tensor([30.0, 60])
    warped = Warp(K_a, K_b, 128, 64, mode)(marks(K_a, TORSO), 1)
    for channel, joint in enumerate(TORSO):
        brightest = warped[0, channel].flatten().argmax()
        assert divmod(int(brightest), 64) == tuple(K_b[0, joint].long().tolist())
        assert warped.max() == pytest.approx(1)
    assert maps_of(K_a, K_b)[0, BODY, :, :2].det() == pytest.approx(-4)


def test_an_arm_that_was_raised():
    """Only the forearm's map brings the wrist there; its rectangle alone shows it."""
    K_a, K_b = poses({RIGHT_WRIST: (59, 17)}), poses({RIGHT_WRIST: (43, 1)})
    warped = Warp(K_a, K_b, 128, 64, "nearest")(marks(K_a, [RIGHT_WRIST, RIGHT_ELBOW]), 1)
    wrist, elbow = warped[0]
    assert wrist[43, 1] == 1
    assert elbow[43, 17] == 1
    assert wrist[59, 17] == 1  # the body's map leaves it there, too
    assert wrist.sum() == 2


def warped_by_hand(features, K_a, K_b, scale):
    """Nearest-neighbour, pixel by pixel."""
    maps = maps_of(K_a, K_b)
    masks = masks_of(K_b, features.shape[2] * scale, features.shape[3] * scale)
    B, _, height, width = features.shape
    images = []
    for b in range(B):
        pixels = []
        for y in range(height):
            for x in range(width):
                candidates = []
                for part in range(10):
                    A = maps[b, part].float()
                    u = float(A[0, 0] * x + A[0, 1] * y + A[0, 2] / scale)
                    v = float(A[1, 0] * x + A[1, 1] * y + A[1, 2] / scale)
                    u, v = (math.floor(abs(c) + 0.5) * (1 if c >= 0 else -1) for c in (u, v))
                    inside = 0 <= u < width and 0 <= v < height
                    shown = inside and masks[b, part, y * scale, x * scale]
                    zero = features.new_zeros(features.shape[1])
                    candidates.append(features[b, :, v, u] if shown else zero)
                pixels.append(torch.stack(candidates).amax(0))
        images.append(torch.stack(pixels, -1).unflatten(-1, (height, width)))
    return torch.stack(images)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_the_warp_and_its_gradient_are_those_of_a_loop_over_pixels(scale, batch, uniform):
    drawn = batch(2, 32, 16)
    drawn.K_b[1] = drawn.K_b[1, MIRRORED] + 1
    features = uniform(2, 3, 32 // scale, 16 // scale).requires_grad_()
    weight = uniform(*features.shape)
    ours = Warp(drawn.K_a, drawn.K_b, 32, 16, "nearest")(features, scale)
    by_hand = warped_by_hand(features, drawn.K_a, drawn.K_b, scale)
    torch.testing.assert_close(ours, by_hand)
    gradients = [torch.autograd.grad((x * weight).sum(), features)[0] for x in (ours, by_hand)]
    torch.testing.assert_close(*gradients)
    assert gradients[0].abs().max() > 0


def test_warped_levels(batch):
    """Levels 0 to 3 of the source are warped, deeper ones and the target's are not."""
    network = task(size=[128, 64], width=2).generator.eval()
    drawn = batch(1, 128, 64)
    skips = []
    network.decoder.register_forward_hook(lambda _, inputs, __: skips.extend(inputs[0]))
    network(*given(drawn))
    seen, features = [], []
    network.source_encoder.register_forward_hook(lambda _, inputs, __: seen.extend(inputs))
    network(*given(drawn))
    features = network.source_encoder(seen[0])
    warp = Warp(drawn.K_a, drawn.K_b, 128, 64, "nearest")
    for level, (plain, skip) in enumerate(zip(features, skips[:6], strict=True)):
        expected = warp(plain, 2**level) if level < 4 else plain
        torch.testing.assert_close(skip[:, : plain.shape[1]], expected)


# Training


@pytest.mark.parametrize("warp", ["nearest", "bilinear", "none"])
def test_twenty_steps_on_one_batch(warp, batch):
    trained, drawn = task(warp=warp), batch()
    losses = [trained.update(drawn) for _ in range(20)]
    assert losses[-1]["l1"] < 0.8 * losses[0]["l1"]
    assert set(losses[0]) == {"l1", "image", "adversarial", "discriminator"}
    assert not any(value.requires_grad for value in losses[0].values())
    for loss in losses:
        torch.testing.assert_close(loss["image"], 100 * loss["l1"])


def test_losses_of_an_undecided_discriminator(batch):
    """L_D is the sum over real and generated images, not their mean."""
    trained = task()
    for parameter in trained.discriminator.parameters():
        torch.nn.init.zeros_(parameter)
    losses = trained.update(batch())
    assert losses["discriminator"] == pytest.approx(2 * math.log(2))
    assert losses["adversarial"] == pytest.approx(math.log(2))


def test_the_discriminator_learns_real_from_generated(batch):
    trained, drawn = task(), batch(4)
    losses = [trained.update(drawn)["discriminator"] for _ in range(30)]
    assert losses[-1] < losses[0]
    with torch.no_grad():
        real = trained.discriminator(*given(drawn), drawn.I_b)
        fake = trained.discriminator(*given(drawn), trained.generator(*given(drawn)))
    assert real.mean() > fake.mean()


def test_nearest_neighbours_of_features(batch):
    chosen = {"features": "efficientnet-lite0", "nn_weight": 2.0, "l1_weight": 0.0}
    trained, drawn = task(**chosen), batch()
    losses = [trained.update(drawn) for _ in range(20)]
    assert losses[-1]["nn"] < losses[0]["nn"]
    torch.testing.assert_close(losses[0]["image"], 2 * losses[0]["nn"])
    frozen = trained.modules["features"].parameters()
    assert not any(parameter.requires_grad for parameter in frozen)


def test_bfloat16_leaves_maps_and_images_in_full_precision(batch, monkeypatch):
    trained, drawn = task(), batch()
    exact = maps_of(drawn.K_a, drawn.K_b)
    used = []
    monkeypatch.setattr(def_gan, "part_maps", lambda *p: used.append(part_maps(*p)) or used[-1])
    with torch.autocast("cpu", torch.bfloat16):
        losses = trained.update(drawn)
        image = trained.generator(*given(drawn))
        logits = trained.discriminator(*given(drawn), image)
    assert all(value.isfinite() for value in losses.values())
    assert image.dtype == logits.dtype == torch.float32
    assert torch.equal(used[0], exact)
