"""Select the key-point estimator: MoveNet, installed by `make estimator`, or Keypoint R-CNN.

This module downloads nothing.
"""

import functools
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vdg.errors import InputError
from vdg.estimators import keypoint_rcnn, movenet_joints, movenet_weights
from vdg.files import read_arrays, sha256, write_arrays
from vdg.large_arrays import Array

PART = 800
"""Images whose key points are written together: whole batches of each estimator."""


def available() -> bool:
    """Whether the weights of at least one estimator are installed."""
    return _has(movenet_weights) or _has(keypoint_rcnn)


def name() -> str | None:
    """The estimator of `load`, with the first digits of its weights' SHA-256; None without one.

    Scores and poses depend on it, so the name is part of a run's settings.
    """
    if _has(movenet_weights):
        return f"MoveNet Thunder {sha256(movenet_weights.weights_file())[:8]}"
    if _has(keypoint_rcnn):
        return f"Keypoint R-CNN {keypoint_rcnn.WEIGHTS_HASH}"
    return None


def load(
    height: int, width: int, device="cpu", invented: list[int] | None = None
) -> Callable[..., np.ndarray]:
    """The estimator of crops of one size: MoveNet, or Keypoint R-CNN if only that is installed.

    invented: as for `people`.

    Returns a function from images, uint8 (N, H, W, 3), RGB, to the key points of one person per
    image, int16 (N, 18, 2), (y, x), -1 = missing. Raises InputError if no weights are installed.
    """
    require_one()
    if _has(movenet_weights):
        network = movenet_weights.load(device)
        options = {"device": device, "network": network, "invented": invented}
        return functools.partial(movenet_joints.estimate, **options)
    network = keypoint_rcnn.load_network(height, width, device)
    return functools.partial(keypoint_rcnn.estimate, device=device, network=network)


def estimate_all(images: Array, device, kept: Path) -> np.ndarray:
    """The key points that `load` finds in all images of a data set.

    images: uint8 (N, H, W, 3). kept: a folder for what was found so far of these images by this
    estimator. An interrupted call leaves it, and the next one goes on; at the end it is removed.

    Returns int16 (N, 18, 2). Raises InputError as `load` does.
    """
    height, width = images.shape[1:3]
    invented: list[int] = []
    find = load(height, width, device, invented=invented)
    parts = []
    for start in range(0, len(images), PART):
        file = kept / f"{start:08d}.safetensors"
        if not file.is_file():
            print(f"key points: {start} of {len(images)} images", file=sys.stderr)
            write_arrays(file, {"keypoints": find(images[start : start + PART])})
        parts.append(read_arrays(file)[0]["keypoints"])
    movenet_joints.say_invented(invented)
    shutil.rmtree(kept, ignore_errors=True)
    return np.concatenate(parts)


def people(image, device="cpu", invented: list[int] | None = None) -> np.ndarray:
    """Key points of all people in an image, uint8 (H, W, 3), RGB, in order of falling confidence.

    Uses Keypoint R-CNN if installed, because it separates people better; otherwise MoveNet, some
    of whose joints are invented and so dropped.

    invented: takes how many, for `movenet_joints.say_invented` after several images; without it a
    line says it.

    Returns int16 (K, 18, 2), (y, x), -1 = missing. Raises InputError if no weights are installed.
    """
    require_one()
    if _has(keypoint_rcnn):
        return keypoint_rcnn.people(image, device)
    return movenet_joints.people(image, device, invented=invented)


def _has(estimator) -> bool:
    return estimator.weights_file().is_file()


def require(expected: str | None) -> None:
    """Raise InputError if the estimator of `load` is not the one that a run is recorded with."""
    require_one()
    if name() != expected:
        raise InputError(
            f"the settings in configs/ are of the estimator {expected}, and {name()} is installed: "
            "run dvc repro -f resolve, then dvc repro"
        )


def require_one() -> None:
    """Raise InputError if no weights are installed."""
    if not available():
        file = keypoint_rcnn.weights_file()
        raise InputError(
            f"no estimator of key points is here: run make estimator, or put {file.name} in "
            f"{file.parent}, or give key points (--keypoints and --pose of vdg generate, "
            "`annotations` in params.yaml)"
        )
