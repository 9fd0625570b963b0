"""Pose metrics."""

import numpy as np
import pytest
import torch

from vdg.data.synthetic.render import render
from vdg.metrics.pose_accuracy import (
    KeypointAccuracy,
    SilhouetteIoU,
    intersection_over_union,
    pck,
    train_segmenter,
)


def test_iou_by_hand():
    a = torch.zeros(3, 4, 4, dtype=torch.bool)
    b = a.clone()
    a[0, :2], b[0, 1:3] = True, True  # 8 pixels each, 4 in common
    a[1] = True
    torch.testing.assert_close(
        intersection_over_union(a, b), torch.tensor([4 / 12, 0.0, 1.0]), rtol=0, atol=1e-6
    )


@pytest.fixture
def target():
    """One person whose joints span 40 rows and 10 columns: the PCK threshold is 4 pixels."""
    joints = torch.full((1, 18, 2), -1)
    joints[0, :4] = torch.tensor([[0, 10], [20, 20], [40, 12], [10, 15]])
    return joints


@pytest.mark.parametrize(
    ("moves", "share"),
    [
        ({}, 1),
        ({0: (4, 0)}, 1),
        ({0: (5, 0)}, 3 / 4),
        ({0: (3, 3)}, 3 / 4),  # 4.2 pixels away
        ({0: None, 1: None}, 2 / 4),
        ({9: (30, 30)}, 1),  # a joint that the target lacks
    ],
)
def test_pck_by_hand(target, moves, share):
    estimated = target.clone()
    for joint, move in moves.items():
        estimated[0, joint] = -1 if move is None else estimated[0, joint] + torch.tensor(move)
    assert pck(estimated, target).tolist() == [share]


def test_pck_of_a_person_without_joints_is_zero():
    nothing = torch.full((1, 18, 2), -1)
    assert pck(nothing, nothing).tolist() == [0]


def test_keypoint_accuracy_compares_with_the_targets_of_its_part(target):
    targets = torch.cat([target + 30, target]).numpy()
    metric = KeypointAccuracy(lambda images: target.numpy(), targets)
    image = np.zeros((1, 64, 32, 3), np.uint8)
    assert metric(image, slice(1, 2))["pck"].tolist() == [1]
    assert metric(image, slice(0, 1))["pck"].tolist() == [0]


def test_segmenter_finds_people_it_has_never_seen(monkeypatch):
    monkeypatch.setattr("vdg.metrics.pose_accuracy.STEPS", 60)
    drawn = [render(i, v, 64, 0) for i in range(1, 25) for v in range(4)]
    images = np.stack([picture.image for picture in drawn])
    shapes = np.stack([picture.silhouette for picture in drawn])
    torch.manual_seed(0)
    network = train_segmenter(images[16:], shapes[16:])
    own = SilhouetteIoU(network, shapes[:16])(images[:16], slice(0, 16))["pose_iou"]
    others = SilhouetteIoU(network, np.roll(shapes[:16], 1, 0))(images[:16], slice(0, 16))
    assert own.mean() > 0.75
    assert own.mean() > others["pose_iou"].mean() + 0.15
