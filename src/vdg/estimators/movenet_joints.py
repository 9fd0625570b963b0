"""Key-point estimation with MoveNet."""

import sys
from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from vdg.estimators import movenet, movenet_weights
from vdg.estimators.coco import coco_to_openpose
from vdg.pose import TORSO
from vdg.views import views

SCORE = 0.3  # minimum score of a joint; joints below it are missing
# fraction of the square input: a joint further beyond the image is missing, a nearer one moves to
# its edge. The former are under 0.1 % of the joints of whole crops; of people whom the frame cuts,
# five of six of them are joints that the image does not show.
BEYOND = 2 / movenet.SIZE
CENTER = 0.1  # minimum score of a person's centre
WINDOW = 7  # cells; side of the window of non-maximum suppression of the centres
# half the side of a close-up: REACH times the distance of the furthest joint from the middle of the
# torso, but at least TORSO_REACH times the torso's extent, which includes undetected feet
REACH, TORSO_REACH = 1.25, 2.5
SAME = 0.1  # maximum distance between two detections of one person, in heights of the person
FACE = [0, 14, 15]  # nose and eyes


@torch.inference_mode()
def estimate(
    images, device="cpu", network=None, batch: int = 8, invented: list[int] | None = None
) -> np.ndarray:
    """Estimate the key points of the person nearest to the centre of each image.

    images: uint8, (N, H, W, 3), RGB; array or tensor. network: default `movenet_weights.load`.
    invented: as for `people`.

    Returns int16, (N, 18, 2) as (y, x) in OpenPose order; -1 = missing; all -1 if nobody is
    detected.
    """
    network = movenet_weights.load(device) if network is None else network
    keypoints = np.full((len(images), 18, 2), -1, np.int16)
    for start in tqdm(range(0, len(images), batch), desc="key points", unit="batch", disable=None):
        part = slice(start, start + batch)
        keypoints[part] = _estimate(torch.as_tensor(images[part]).to(device), network)
    return _kept(keypoints, invented)


@torch.inference_mode()
def people(image, device="cpu", network=None, invented: list[int] | None = None) -> np.ndarray:
    """Estimate the key points of the people in an image, in order of falling confidence.

    People are detected in the whole image, then estimated again in a close-up each. Small people
    and some people who stand close together are missed.

    image: uint8, (H, W, 3), RGB. network: as for `estimate`. invented: takes how many joints were
    dropped as invented, for `say_invented`, which is called without it.

    Returns int16, (K, 18, 2) as (y, x) in OpenPose order; -1 = missing.
    """
    network = movenet_weights.load(device) if network is None else network
    pixels = torch.as_tensor(np.array(image)).to(device)[None]
    square, frame = letter_box(pixels)
    maps = network.maps(square)
    centers = likely_centers(maps["center"][0, 0].sigmoid())
    joints = torch.cat([movenet.decode(center, maps) for center in centers.split(1)])
    found: list[np.ndarray] = []
    for rough in openpose(joints, frame, pixels.shape[1:3]):
        person = _look_closer(pixels, rough, network)
        one, *others = without_invented_faces(np.array([person, *found]))
        if (person[list(TORSO)] >= 0).any() and not any(_same(one, other) for other in others):
            found.append(person)
    return _kept(np.array(found, np.int16).reshape(-1, 18, 2), invented)


def _estimate(pixels: Tensor, network) -> np.ndarray:
    """Key points (N, 18, 2), with invented faces."""
    square, frame = letter_box(pixels)
    return with_invented_faces(network(square), frame, pixels.shape[1:3])


def _kept(keypoints: np.ndarray, invented: list[int] | None) -> np.ndarray:
    """`without_invented_faces`, which counts the dropped joints, or says how many they are."""
    kept = without_invented_faces(keypoints)
    dropped = _missing(kept) - _missing(keypoints)
    if invented is None:
        say_invented([dropped])
    else:
        invented.append(dropped)
    return kept


def _missing(keypoints: np.ndarray) -> int:
    return int((keypoints[..., 0] < 0).sum())


def invented_text(dropped: int) -> str:
    """How many joints `without_invented_faces` removed."""
    return f"{dropped} noses and eyes of people seen from behind: invented, so dropped"


def say_invented(counts: Iterable[int]) -> None:
    """Print one line for all images, if any joints of them were dropped."""
    if dropped := sum(counts):
        print(invented_text(dropped), file=sys.stderr)


def letter_box(pixels: Tensor) -> tuple[Tensor, np.ndarray]:
    """Resize images to fit MoveNet's square input, centred, with black padding.

    pixels: uint8 (N, H, W, 3).

    Returns (N, 3, 256, 256) in [0, 255], and [[top, left], [height, width]] of the images in the
    square, as fractions of its side.
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
    """`with_invented_faces`, without them."""
    return without_invented_faces(with_invented_faces(joints, frame, size))


def with_invented_faces(joints: Tensor, frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Convert joints in the square (N, 17, 3) to key points (N, 18, 2) in images of `size` (H, W).

    frame: from `letter_box`.
    """
    joints = joints.double().cpu().numpy()
    places = (joints[..., :2] - frame[0]) / frame[1] * size
    outside = np.maximum(frame[0] - joints[..., :2], joints[..., :2] - frame.sum(0)).max(-1)
    seen = (joints[..., 2] >= SCORE) & (outside <= BEYOND)
    places = places.clip(0, np.subtract(size, 1))
    return coco_to_openpose(places[..., ::-1], seen)


def without_invented_faces(keypoints: np.ndarray) -> np.ndarray:
    """Remove nose and eyes of people seen from behind: MoveNet gives them high scores wrongly.

    keypoints: (N, 18, 2).
    """
    hidden = np.isin(np.arange(18), FACE) & (views(keypoints) == "back")[:, None]
    return np.where(hidden[..., None], -1, keypoints).astype(np.int16)


def likely_centers(scores: Tensor) -> Tensor:
    """Candidate centres of people: (K,), cells of a map (64, 64), highest score first; K >= 1."""
    peaks = scores == F.max_pool2d(scores[None], WINDOW, 1, WINDOW // 2)[0]
    peaks = (scores * peaks).flatten()
    count = max(1, int((peaks >= CENTER).sum()))
    return peaks.argsort(descending=True, stable=True)[:count]


def _look_closer(pixels: Tensor, person: np.ndarray, network) -> np.ndarray:
    """Estimate the joints (18, 2) of a person detected in an image (1, H, W, 3) in a close-up."""
    if (person[list(TORSO)] < 0).all():
        return person
    window = close_up(person, pixels.shape[1:3])
    (top, left), (bottom, right) = window
    (found,) = _estimate(pixels[:, top:bottom, left:right], network)
    return np.where(found >= 0, found + window[0], -1)


def close_up(person: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The window around a person in an image of `size` (H, W), centred on the torso.

    person: (18, 2), with at least one joint of the torso.

    Returns [[top, left], [bottom, right]], in pixels, clipped to the image.
    """
    torso = person[list(TORSO)]
    torso = torso[(torso >= 0).all(1)].astype(float)
    middle = (torso.min(0) + torso.max(0)) / 2
    furthest = np.abs(person[(person >= 0).all(1)] - middle).max()
    reach = max(REACH * furthest, TORSO_REACH * np.ptp(torso, 0).max(), 1)
    low, high = np.floor(middle - reach), np.ceil(middle + reach)
    return np.clip([low, high], 0, size).astype(int)


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two detections (18, 2) are of the same person."""
    both = ((a >= 0) & (b >= 0)).all(1)
    height = max(np.ptp(joints[(joints >= 0).all(1)], 0).max() for joints in (a, b))
    apart = np.linalg.norm((a - b)[both], axis=1)
    return bool(len(apart)) and bool(np.median(apart) < SAME * height)
