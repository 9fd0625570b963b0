"""Which estimator finds key points: MoveNet, which `make estimator` fetches, or Keypoint R-CNN.

Nothing is downloaded here.
"""

import functools
from collections.abc import Callable

import numpy as np

from vdg.data import keypoint_rcnn, movenet_joints, movenet_weights
from vdg.errors import InputError


def available() -> bool:
    """Whether the weights of an estimator are on this machine."""
    return _has(movenet_weights) or _has(keypoint_rcnn)


def load(height: int, width: int, device="cpu") -> Callable[..., np.ndarray]:
    """The estimator of crops of one size: MoveNet, or Keypoint R-CNN where only that is here.

    Returns a function of images, uint8 (N, H, W, 3), RGB, that returns the key points of one person
    in each: int16 (N, 18, 2), (y, x), -1 = missing. Raises InputError where no weights are.
    """
    _require_one()
    if _has(movenet_weights):
        network = movenet_weights.load(device)
        return functools.partial(movenet_joints.estimate, device=device, network=network)
    network = keypoint_rcnn.load_network(height, width, device)
    return functools.partial(keypoint_rcnn.estimate, device=device, network=network)


def people(image, device="cpu") -> np.ndarray:
    """Key points of everybody in a picture, uint8 (H, W, 3), RGB, the most certain person first.

    By Keypoint R-CNN where its weights are, because it tells people apart better; else by MoveNet.

    Returns int16 (K, 18, 2), (y, x), -1 = missing. Raises InputError where no weights are.
    """
    _require_one()
    estimator = keypoint_rcnn if _has(keypoint_rcnn) else movenet_joints
    return estimator.people(image, device)


def _has(estimator) -> bool:
    return estimator.weights_file().is_file()


def _require_one() -> None:
    if not available():
        file = keypoint_rcnn.weights_file()
        raise InputError(
            f"no estimator of key points is here: run make estimator, or put {file.name} in "
            f"{file.parent}, or give key points (--keypoints and --pose of stages.generate, "
            "`annotations` in params.yaml)"
        )
