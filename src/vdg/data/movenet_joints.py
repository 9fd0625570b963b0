"""Key points of images with MoveNet."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from vdg.data import movenet, movenet_weights
from vdg.data.coco import coco_to_openpose
from vdg.pose import TORSO, views

SCORE = 0.3  # of a joint, below which it counts as missing
CENTER = 0.1  # of a person's centre, below which nobody is looked for there
WINDOW = 7  # cells; only the likeliest centre in a square of so many is looked at
# half the side of a close-up: in distances of the furthest joint from the torso's middle, and at
# least in lengths of the torso, so that it holds the feet where only the torso was found
REACH, TORSO_REACH = 1.25, 2.5
SAME = 0.1  # distance between two detections of one person, in heights of the person
FACE = [0, 14, 15]  # nose and eyes


@torch.inference_mode()
def estimate(images, device="cpu", network=None, batch: int = 8) -> np.ndarray:
    """Estimate the key points of the person in the middle of each image.

    images: uint8, (N, H, W, 3), RGB; array or tensor. network: default that of `movenet_weights`.

    Returns int16, (N, 18, 2) as (y, x) in OpenPose order; -1 = missing; all -1 without a person.
    """
    network = movenet_weights.load(device) if network is None else network
    keypoints = np.full((len(images), 18, 2), -1, np.int16)
    for start in tqdm(range(0, len(images), batch), desc="key points", unit="batch", disable=None):
        part = slice(start, start + batch)
        keypoints[part] = _estimate(torch.as_tensor(images[part]).to(device), network)
    return keypoints


@torch.inference_mode()
def people(image, device="cpu", network=None) -> np.ndarray:
    """Estimate the key points of the people in a picture, the most certain person first.

    Everybody is looked for in the whole picture, then estimated anew in a close-up. Small people,
    and some of those who stand close together, are overlooked.

    image: uint8, (H, W, 3), RGB. network: as for `estimate`.

    Returns int16, (K, 18, 2) as (y, x) in OpenPose order; -1 = missing.
    """
    network = movenet_weights.load(device) if network is None else network
    pixels = torch.as_tensor(np.array(image)).to(device)[None]
    square, frame = letter_box(pixels)
    maps = network.maps(square)
    centers = likely_centers(maps["center"][0, 0].sigmoid())
    joints = torch.cat([movenet.decode(center, maps) for center in centers.split(1)])
    found = []
    for rough in openpose(joints, frame, pixels.shape[1:3]):
        person = _look_closer(pixels, rough, network)
        if (person[list(TORSO)] >= 0).any() and not any(_same(person, other) for other in found):
            found.append(person)
    return np.array(found, np.int16).reshape(-1, 18, 2)


def _estimate(pixels: Tensor, network) -> np.ndarray:
    square, frame = letter_box(pixels)
    return openpose(network(square), frame, pixels.shape[1:3])


def letter_box(pixels: Tensor) -> tuple[Tensor, np.ndarray]:
    """Fit images into MoveNet's square, whole and in its middle, on black.

    pixels: uint8 (N, H, W, 3).

    Returns (N, 3, 256, 256) in [0, 255], and [[top, left], [height, width]] of the images in the
    square, as fractions of it.
    """
    size = np.array(pixels.shape[1:3])
    inner = np.maximum(1, np.round(size * movenet.SIZE / size.max())).astype(int)
    scaled = F.interpolate(
        pixels.permute(0, 3, 1, 2).float(), tuple(inner.tolist()), mode="bilinear", antialias=True
    )
    before = (movenet.SIZE - inner) // 2
    (top, left), (bottom, right) = before.tolist(), (movenet.SIZE - inner - before).tolist()
    return F.pad(scaled, (left, right, top, bottom)), np.stack([before, inner]) / movenet.SIZE


def openpose(joints: Tensor, frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Joints in the square (N, 17, 3) as key points (N, 18, 2) of images of `size` (H, W)."""
    joints = joints.double().cpu().numpy()
    places = (joints[..., :2] - frame[0]) / frame[1] * size
    places = places.clip(0, np.subtract(size, 1))  # a joint may lie on, or just beyond, the edge
    keypoints = coco_to_openpose(places[..., ::-1], joints[..., 2] >= SCORE)
    return without_invented_faces(keypoints)


def without_invented_faces(keypoints: np.ndarray) -> np.ndarray:
    """Drop nose and eyes of people seen from behind, of which MoveNet is sure all the same.

    keypoints: (N, 18, 2).
    """
    hidden = np.isin(np.arange(18), FACE) & (views(keypoints) == "back")[:, None]
    return np.where(hidden[..., None], -1, keypoints).astype(np.int16)


def likely_centers(scores: Tensor) -> Tensor:
    """Where people may be: (K,), cells of a map (64, 64), the likeliest first; at least one."""
    peaks = scores == F.max_pool2d(scores[None], WINDOW, 1, WINDOW // 2)[0]
    peaks = (scores * peaks).flatten()
    count = max(1, int((peaks >= CENTER).sum()))
    return peaks.argsort(descending=True, stable=True)[:count]


def _look_closer(pixels: Tensor, person: np.ndarray, network) -> np.ndarray:
    """The joints (18, 2) of somebody who was found in a picture (1, H, W, 3), from a close-up."""
    if (person[list(TORSO)] < 0).all():
        return person
    window = close_up(person, pixels.shape[1:3])
    (top, left), (bottom, right) = window
    (found,) = _estimate(pixels[:, top:bottom, left:right], network)
    return np.where(found >= 0, found + window[0], -1)


def close_up(person: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The part of a picture of `size` (H, W) that holds a person, the torso in its middle.

    person: (18, 2), with one joint of the torso at least.

    Returns [[top, left], [bottom, right]], in pixels, within the picture.
    """
    torso = person[list(TORSO)]
    torso = torso[(torso >= 0).all(1)].astype(float)
    middle = (torso.min(0) + torso.max(0)) / 2
    furthest = np.abs(person[(person >= 0).all(1)] - middle).max()
    reach = max(REACH * furthest, TORSO_REACH * np.ptp(torso, 0).max(), 1)
    low, high = np.floor(middle - reach), np.ceil(middle + reach)
    return np.clip([low, high], 0, size).astype(int)


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two detections (18, 2) are of one person."""
    both = ((a >= 0) & (b >= 0)).all(1)
    height = max(np.ptp(joints[(joints >= 0).all(1)], 0).max() for joints in (a, b))
    apart = np.linalg.norm((a - b)[both], axis=1)
    return bool(len(apart)) and bool(np.median(apart) < SAME * height)
