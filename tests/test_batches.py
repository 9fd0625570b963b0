"""Batches of image pairs."""

import threading

import numpy as np
import pytest
import torch

from vdg.data.ahead import Ahead
from vdg.data.batches import PairData, load_pairs, to_uint8
from vdg.data.images import ImageSet
from vdg.data.pose_set import PoseSet
from vdg.errors import InputError
from vdg.heat_maps import heat_maps
from vdg.masks import pose_mask
from vdg.pose import MIRRORED

H, W, N = 32, 16, 5
NAMES = [f"{i:04d}.png" for i in range(N)]
PAIRS = torch.tensor([[0, 1], [2, 3], [4, 0]])


@pytest.fixture
def splits():
    """An image set of noise and a pose set of random joints, some of them missing."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (N, H, W, 3)).astype(np.uint8)
    keypoints = random.integers(0, (H, W), (N, 18, 2)).astype(np.int16)
    keypoints[random.random((N, 18)) < 0.3] = -1
    bits = np.stack([np.packbits(pose_mask(pose, H, W)) for pose in keypoints])
    poses = PoseSet("train", NAMES, keypoints, bits, PAIRS.numpy().astype(np.int32), (H, W))
    return ImageSet(NAMES, NAMES, images), poses


@pytest.fixture
def data(splits):
    return PairData(*splits)


def test_shapes_and_ranges(data):
    batch = data.batch(PAIRS)
    for I in (batch.I_a, batch.I_b):  # noqa: E741
        assert I.shape == (3, 3, H, W)
        assert (I.min(), I.max()) == (-1, 1)
    for K in (batch.K_a, batch.K_b):
        assert K.shape == (3, 18, 2)
        assert K.min() == -1
    assert batch.M_b.shape == (3, 1, H, W)
    assert batch.M_b.unique().tolist() == [0, 1]
    assert {value.dtype for value in vars(batch).values()} == {torch.float32}


def test_source_and_target_are_those_of_the_pair(splits, data):
    images, poses = splits
    batch = data.batch(PAIRS)
    np.testing.assert_array_equal(to_uint8(batch.I_a), images.images[PAIRS[:, 0]])
    np.testing.assert_array_equal(to_uint8(batch.I_b), images.images[PAIRS[:, 1]])
    for K, column in ((batch.K_a, 0), (batch.K_b, 1)):
        np.testing.assert_array_equal(K, poses.keypoints[PAIRS[:, column]])
    for M_b, target in zip(batch.M_b, PAIRS[:, 1], strict=True):
        np.testing.assert_array_equal(M_b[0], pose_mask(poses.keypoints[target], H, W))


def test_flipped_pairs_are_mirrored(splits, data):
    _, poses = splits
    flip = torch.tensor([True, False, True])
    plain, flipped = data.batch(PAIRS), data.batch(PAIRS, flip)
    for i, mirrored in enumerate(flip):
        for name, value in vars(plain).items():
            if name in ("K_a", "K_b"):  # seen as heat maps, whose left and right change places
                maps, found = (
                    heat_maps(getattr(batch, name)[i : i + 1], H, W)[0]
                    for batch in (plain, flipped)
                )
                expected = maps.flip(-1)[list(MIRRORED)] if mirrored else maps
                torch.testing.assert_close(found, expected, msg=name)
            else:
                expected = value[i].flip(-1) if mirrored else value[i]
                torch.testing.assert_close(getattr(flipped, name)[i], expected, msg=name)
    missing = torch.tensor((poses.keypoints[PAIRS[:, 1]] < 0).any(-1))
    missing = torch.where(flip[:, None], missing[:, list(MIRRORED)], missing)
    assert missing.any()
    assert torch.equal((flipped.K_b < 0).any(-1), missing)


def test_mirroring_by_hand(pose):
    left_wrist, right_wrist, nose = 7, 4, 0
    keypoints = pose({left_wrist: (5, 2), nose: (3, 9)})
    bits = np.packbits(pose_mask(keypoints, H, W))[None]
    image = np.zeros((1, H, W, 3), np.uint8)
    poses = PoseSet("train", NAMES[:1], keypoints[None], bits, np.array([[0, 0]]), (H, W))
    data = PairData(ImageSet(NAMES[:1], NAMES[:1], image), poses)
    K_b = data.batch(torch.tensor([[0, 0]]), torch.tensor([True])).K_b[0]
    assert K_b[right_wrist].tolist() == [5, W - 1 - 2]
    assert K_b[nose].tolist() == [3, W - 1 - 9]
    assert (K_b >= 0).all(1).nonzero().flatten().tolist() == [nose, right_wrist]


def test_flipping_twice_is_the_identity(splits):
    images, poses = splits
    everything = torch.ones(N, dtype=torch.bool)
    selves = torch.arange(N).repeat(2, 1).T
    once = PairData(images, poses).batch(selves, everything)

    keypoints = poses.keypoints[:, MIRRORED].copy()
    keypoints[..., 1] = np.where(keypoints[..., 1] < 0, -1, W - 1 - keypoints[..., 1])
    bits = np.stack([np.packbits(mask[0].numpy().astype(bool)) for mask in once.M_b])
    flipped = PoseSet("train", NAMES, keypoints, bits, poses.pairs, (H, W))
    twice = PairData(ImageSet(NAMES, NAMES, to_uint8(once.I_b)), flipped).batch(selves, everything)
    for name, value in vars(PairData(images, poses).batch(selves)).items():
        torch.testing.assert_close(getattr(twice, name), value, rtol=0, atol=0, msg=name)


def test_no_flip_is_flipping_nothing(data):
    none = data.batch(PAIRS, torch.zeros(3, dtype=torch.bool))
    for name, value in vars(data.batch(PAIRS)).items():
        assert torch.equal(getattr(none, name), value)


@pytest.mark.parametrize("on_device", [False, True])
def test_a_batch_leaves_the_data_alone(splits, on_device):
    images, poses = splits
    data = PairData(images, poses, "cpu", torch.as_tensor(images.images) if on_device else None)
    before = vars(data.batch(PAIRS))
    for flip in (None, torch.ones(3, dtype=torch.bool)):
        for value in vars(data.batch(PAIRS, flip)).values():
            value.zero_()
    for name, value in vars(data.batch(PAIRS)).items():
        assert torch.equal(before[name], value)


def test_batches_of_a_file_and_of_the_device_are_equal(drawn_data):
    splits = ["train", "test"]
    for one, other in zip(
        *(load_pairs(drawn_data, splits, "cpu", on) for on in (False, True)), strict=True
    ):
        assert (one.on_device, other.on_device) == (False, True)
        flip = torch.arange(len(one.pairs)) % 2 == 0
        batches = (vars(data.batch(data.pairs, flip)) for data in (one, other))
        for (name, a), (_, b) in zip(*(batch.items() for batch in batches), strict=True):
            assert torch.equal(a, b), name
            assert a.stride() == b.stride(), name
    (auto,) = load_pairs(drawn_data, ["train"], "cpu", "auto")
    assert not auto.on_device


def test_the_next_step_is_prepared_meanwhile():
    begun: list[int] = []
    goes_on = threading.Event()

    def make(step):
        begun.append(step)
        if step == 6:
            goes_on.set()
        if step == 7:
            raise InputError("no step 7")
        return step * 10

    ahead = Ahead(make)
    assert ahead(5) == 50  # a run may begin anywhere
    assert goes_on.wait(10)
    assert ahead(6) == 60
    with pytest.raises(InputError, match="no step 7"):
        ahead(7)
    assert begun[:3] == [5, 6, 7]


def test_bytes_survive_the_round_trip():
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).expand(1, 16, 16, 3)
    floats = pixels.permute(0, 3, 1, 2).float() / 127.5 - 1
    back = to_uint8(floats)
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, pixels)


def test_bytes_are_rounded_and_clipped():
    images = torch.tensor([-1.5, -1, -1 + 0.49 / 127.5, -1 + 0.51 / 127.5, 1, 1.5])
    found = to_uint8(images.view(1, 1, 1, -1).expand(1, 3, 1, -1))
    assert found[0, 0, :, 0].tolist() == [0, 0, 0, 1, 255, 255]


def test_files_of_different_runs(splits):
    images, poses = splits
    for names in (NAMES[::-1], NAMES[:-1]):
        other = ImageSet(names, names, images.images[: len(names)])
        with pytest.raises(InputError, match="not of the same run"):
            PairData(other, poses)


def test_splits_of_one_packed_file_share_its_images(drawn_data):
    train, validation, test = load_pairs(drawn_data, ["train", "validation", "test"], "cpu")
    assert validation.images is train.images
    assert test.images is not train.images
    assert len(train.pairs) != len(validation.pairs)
    (alone,) = load_pairs(drawn_data, ["validation"], "cpu")
    for name, value in vars(alone.batch(alone.pairs)).items():
        assert torch.equal(getattr(validation.batch(validation.pairs), name), value)


def test_masks_survive_packing(splits):
    _, poses = splits
    masks = poses.masks()[:]
    assert masks.dtype == bool
    for mask, keypoints in zip(masks, poses.keypoints, strict=True):
        np.testing.assert_array_equal(mask, pose_mask(keypoints, H, W))


def test_pose_files(splits, tmp_path):
    _, poses = splits
    poses.save(tmp_path / "poses.safetensors")
    loaded = PoseSet.load(tmp_path / "poses.safetensors")
    assert (loaded.part, loaded.picture_names, loaded.size) == ("train", NAMES, (H, W))
    np.testing.assert_array_equal(loaded.pairs, poses.pairs)
    np.testing.assert_array_equal(loaded.masks()[:], poses.masks()[:])
    splits[0].save(tmp_path / "images.safetensors")
    with pytest.raises(InputError, match=r"images.safetensors is not a pose file"):
        PoseSet.load(tmp_path / "images.safetensors")
    with pytest.raises(InputError, match=r"poses.safetensors is not a packed image set"):
        ImageSet.load(tmp_path / "poses.safetensors")
