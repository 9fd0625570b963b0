"""Key-point estimation with torchvision's Keypoint R-CNN, which separates people."""

import functools
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from vdg.errors import InputError
from vdg.estimators.coco import coco_to_openpose
from vdg.files import sha256

WEIGHTS = "keypointrcnn_resnet50_fpn_coco-fc266e95.pth"  # ends in the first digits of its SHA-256
WEIGHTS_HASH = WEIGHTS.rpartition("-")[2].removesuffix(".pth")
# A crop contains a person by construction, so a probability above 0.5 is enough.
PERSON_SCORE = 0.5
# A key point's score is the logit of its heat map's peak; Detectron draws key points above 2.
KEYPOINT_SCORE = 2.0
# People in COCO are larger than in re-identification crops: 128 and 256 px are resized to 512.
NETWORK_HEIGHT = 512
LONGEST = 1333  # pixels; maximum side of a resized image, torchvision's default
CROWD = 20  # maximum number of people detected in a photograph


def weights_file() -> Path:
    """Path of the weights in torch hub's cache."""
    return Path(torch.hub.get_dir(), "checkpoints", WEIGHTS)


def load_network(height: int, width: int, device="cpu", people: int = 1) -> torch.nn.Module:
    """Build the network for images of one size, with torchvision's COCO weights.

    people: maximum number of detections per image.

    Raises InputError if the weights are missing or damaged.
    """
    return build_network(height, width, _weights(), people).to(device).eval()


def build_network(
    height: int, width: int, weights: dict | None = None, people: int = 1
) -> torch.nn.Module:
    """Build torchvision's keypointrcnn_resnet50_fpn, which resizes its input; see `input_sides`."""
    from torchvision.models.detection import KeypointRCNN  # takes two seconds to import
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
    from torchvision.ops import FrozenBatchNorm2d

    norm = functools.partial(FrozenBatchNorm2d, eps=0.0)  # as COCO_V1 was trained
    shorter, longer = input_sides(height, width)
    network = KeypointRCNN(
        resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=norm),
        num_classes=2,
        min_size=shorter,
        max_size=longer,
        box_detections_per_img=people,  # the highest scores
    )
    if weights is not None:
        network.load_state_dict(weights)
    return network


def input_sides(height: int, width: int) -> tuple[int, int]:
    """Bounds of the shorter and the longer side to which images of one size are resized.

    The height becomes NETWORK_HEIGHT unless the width would exceed LONGEST. torchvision keeps the
    aspect ratio and both bounds.
    """
    scale = NETWORK_HEIGHT / height
    return round(min(height, width) * scale), min(round(max(height, width) * scale), LONGEST)


@functools.cache
def _for_photographs(device: str) -> torch.nn.Module:
    """The network of `people`, once per device: building it takes longer than an image."""
    return load_network(NETWORK_HEIGHT, NETWORK_HEIGHT, device, CROWD)


@functools.cache
def _weights() -> dict:
    file = weights_file()
    if not file.is_file():
        raise InputError(f"{file} does not exist: put torchvision's weights of that name there")
    if not sha256(file).startswith(file.stem.rpartition("-")[2]):
        raise InputError(f"{file} has another hash than its name says: get it again")
    return torch.load(file, map_location="cpu", weights_only=True)


@torch.inference_mode()
def estimate(images, device="cpu", network=None, batch: int = 16) -> np.ndarray:
    """Estimate the key points of the person with the highest score in each image.

    images: uint8, (N, H, W, 3), RGB; array or tensor.
    network: takes a list of float (3, H, W) in [0, 1]; returns for each a dict of the boxes'
        "scores" (D,), "keypoints" (D, 17, 3) and "keypoints_scores" (D, 17). Default:
        `load_network`.

    Returns int16, (N, 18, 2) as (y, x) in OpenPose order; -1 = missing; all -1 if nobody is
    detected.
    """
    _, height, width, _ = images.shape
    network = load_network(height, width, device) if network is None else network
    keypoints = np.full((len(images), 18, 2), -1, np.int16)
    for start in tqdm(range(0, len(images), batch), desc="key points", unit="batch", disable=None):
        pixels = torch.as_tensor(images[start : start + batch]).to(device)
        found = network(list(pixels.permute(0, 3, 1, 2).float() / 255))
        for index, detected in enumerate(found, start):
            for best in _joints(detected, height, width)[:1]:
                keypoints[index] = best
    return keypoints


@torch.inference_mode()
def people(image, device="cpu", network=None) -> np.ndarray:
    """Estimate the key points of all people in an image, in order of falling score.

    image: uint8, (H, W, 3), RGB. network: as for `estimate`.

    Returns int16, (K, 18, 2) as (y, x) in OpenPose order; -1 = missing.
    """
    pixels = torch.as_tensor(np.array(image))
    height, width, _ = pixels.shape
    shorter, longer = input_sides(height, width)
    if min(height, width) * longer < 2 * max(height, width):
        return np.empty((0, 18, 2), np.int16)  # a line, of which resizing would leave nothing
    if network is None:
        network = _for_photographs(str(device))
        network.transform.min_size, network.transform.max_size = (shorter,), longer
    found = _joints(network([pixels.to(device).permute(2, 0, 1).float() / 255])[0], height, width)
    return found[(found >= 0).any((1, 2))]  # drop detections without any joint


def _joints(detected: dict, height: int, width: int) -> np.ndarray:
    """(K, 18, 2): the people detected in one image with at least PERSON_SCORE."""
    order = detected["scores"].argsort(descending=True, stable=True)
    order = order[detected["scores"][order] >= PERSON_SCORE]
    joints = detected["keypoints"][order, :, :2].cpu().double().numpy()
    visible = (detected["keypoints_scores"][order] >= KEYPOINT_SCORE).cpu().numpy()
    # the network may place a joint on the far edge or slightly beyond
    return coco_to_openpose(np.clip(joints, 0, [width - 1, height - 1]), visible)
