"""Keypoint R-CNN with a mocked network."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torchvision.models.detection import KeypointRCNN_ResNet50_FPN_Weights
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from vdg.errors import InputError
from vdg.estimators import keypoint_rcnn
from vdg.estimators.coco import coco_to_openpose
from vdg.estimators.keypoint_rcnn import KEYPOINT_SCORE, PERSON_SCORE, estimate, people

COCO = KeypointRCNN_ResNet50_FPN_Weights.COCO_V1.meta["keypoint_names"]
OPENPOSE = ["nose", "neck"]
OPENPOSE += [f"{s}_{j}" for s in ("right", "left") for j in ("shoulder", "elbow", "wrist")]
OPENPOSE += [f"{s}_{j}" for s in ("right", "left") for j in ("hip", "knee", "ankle")]
OPENPOSE += [f"{s}_{j}" for j in ("eye", "ear") for s in ("right", "left")]


def test_order():
    coco = np.array([[(index + 0.9, 20 + index) for index in range(17)]])
    joints = coco_to_openpose(coco, np.ones((1, 17), bool))
    assert joints.dtype == np.int16
    assert joints.shape == (1, 18, 2)
    for name, (y, x) in zip(OPENPOSE, joints[0].tolist(), strict=True):
        if name != "neck":
            assert (y - 20, x) == (COCO.index(name),) * 2
    assert joints[0, 1].tolist() == [25, 6]  # shoulders (5.9, 25), (6.9, 26): (6.4, 25.5)


@pytest.mark.parametrize("hidden", COCO)
def test_missing(hidden):
    visible = np.array([[name != hidden for name in COCO]])
    joints = coco_to_openpose(np.ones((1, 17, 2)), visible)[0]
    missing = {name for name, joint in zip(OPENPOSE, joints, strict=True) if (joint == -1).all()}
    assert missing == ({hidden, "neck"} if "shoulder" in hidden else {hidden})


def detection(scores, x=3.0, y=5.0, joint_score=9.0):
    """One output dict of the network; person i has all joints at (x + i, y)."""
    keypoints = torch.tensor([[[x + i, y, 1.0]] * 17 for i in range(len(scores))])
    return {
        "scores": torch.tensor(scores),
        "keypoints": keypoints.reshape(-1, 17, 3),
        "keypoints_scores": torch.full((len(scores), 17), joint_score),
    }


def stub(*detections):
    remaining = list(detections)

    def network(images):
        assert all(image.shape == (3, 16, 8) for image in images)
        assert all(image.dtype == torch.float32 and image.max() <= 1 for image in images)
        return [remaining.pop(0) for _ in images]

    return network


@pytest.mark.parametrize("as_images", [np.asarray, torch.tensor])
def test_estimate(as_images):
    images = as_images(np.full((6, 16, 8, 3), 255, np.uint8))
    low = detection([0.9])
    low["keypoints_scores"][0, COCO.index("left_shoulder")] = KEYPOINT_SCORE - 0.1
    found = [
        detection([0.6, 0.9, 0.8]),
        detection([]),
        detection([PERSON_SCORE - 0.1]),
        detection([0.9], x=8.5, y=-1.0),
        detection([0.9], joint_score=KEYPOINT_SCORE - 0.1),
        low,
    ]
    joints = estimate(images, network=stub(*found), batch=4)
    assert joints.shape == (6, 18, 2)
    assert joints.dtype == np.int16
    assert (joints[0] == (5, 4)).all(), "the highest score wins"
    assert (joints[[1, 2, 4]] == -1).all()
    assert (joints[3] == (0, 7)).all(), "moved into the picture"
    assert (joints[5] == -1).all(axis=1).nonzero()[0].tolist() == [1, 5]


def test_people():
    image = np.full((16, 8, 3), 255, np.uint8)
    found = people(image, network=stub(detection([0.6, 0.9, PERSON_SCORE - 0.1])))
    assert found.shape == (2, 18, 2)
    assert (found[0] == (5, 4)).all(), "the most certain first"
    assert (found[1] == (5, 3)).all()
    assert people(image, network=stub(detection([]))).shape == (0, 18, 2)
    unseen = detection([0.9], joint_score=KEYPOINT_SCORE - 0.1)
    assert people(image, network=stub(unseen)).shape == (0, 18, 2)


@pytest.mark.parametrize(
    ("size", "resized"),
    [
        ((128, 64), (512, 256)),
        ((256, 256), (512, 512)),
        ((480, 640), (512, 682)),
        ((1024, 16), (512, 8)),
        ((16, 1024), (20, 1333)),  # and not 512 x 32768
        ((300, 1200), (333, 1333)),
    ],
)
def test_images_are_resized_to_a_height_and_a_largest_width(size, resized):
    transform = GeneralizedRCNNTransform(*keypoint_rcnn.input_sides(*size), [0.0], [1.0])
    assert transform.resize(torch.zeros(3, *size))[0].shape[1:] == resized


def test_the_network_itself_has_these_bounds():
    transform = keypoint_rcnn.build_network(16, 1024).transform
    assert (transform.min_size, transform.max_size) == ((512,), 1333)


@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1), (20_000, 49)])
def test_nobody_is_in_a_line(size):
    assert people(np.zeros((*size, 3), np.uint8)).shape == (0, 18, 2)


def test_photographs_share_a_network(monkeypatch):
    """It is built once per device, and resizes each image by its own size."""
    built, seen = [], []

    class Network:
        transform = SimpleNamespace(min_size=None, max_size=None)

        def __call__(self, images):
            seen.append((self.transform.min_size, self.transform.max_size))
            return [detection([0.9]) for _ in images]

    def load(height, width, device, people):
        built.append((device, people))
        return Network()

    monkeypatch.setattr(keypoint_rcnn, "load_network", load)
    keypoint_rcnn._for_photographs.cache_clear()
    try:
        for size in ((128, 64), (16, 1024), (128, 64)):
            assert len(people(np.zeros((*size, 3), np.uint8), torch.device("cpu"))) == 1
    finally:
        keypoint_rcnn._for_photographs.cache_clear()
    assert built == [("cpu", keypoint_rcnn.CROWD)]
    assert seen == [((256,), 512), ((512,), 1333), ((256,), 512)]


def test_no_images():
    assert estimate(np.zeros((0, 16, 8, 3), np.uint8), network=stub()).shape == (0, 18, 2)


def test_the_weights_are_those_of_torchvision():
    assert KeypointRCNN_ResNet50_FPN_Weights.COCO_V1.url.endswith(f"/{keypoint_rcnn.WEIGHTS}")


@pytest.mark.parametrize(("content", "message"), [(None, "not exist"), (b"x", "another hash")])
def test_without_the_weights(tmp_path, monkeypatch, content, message):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    file = tmp_path / "checkpoints" / "keypointrcnn_resnet50_fpn_coco-fc266e95.pth"
    if content:
        file.parent.mkdir()
        file.write_bytes(content)
    with pytest.raises(InputError, match=rf"fc266e95\.pth .*{message}"):
        keypoint_rcnn.load_network(128, 64)
