"""From which side a picture shows its person, and how far two poses are apart."""

import numpy as np

from vdg.pose import TORSO

RIGHT_SHOULDER, LEFT_SHOULDER, RIGHT_HIP, LEFT_HIP = TORSO
TURNED = 0.25
"""Shoulders nearer than this to each other, in lengths of the torso, are those of a side view."""


def views(keypoints: np.ndarray) -> np.ndarray:
    """(N, 18, 2) -> (N,): "front", "side", "back", or "unknown" without a shoulder or hip.

    Who faces the camera has the right shoulder on the picture's left.
    """
    joints = keypoints.astype(float)
    across = joints[:, LEFT_SHOULDER, 1] - joints[:, RIGHT_SHOULDER, 1]
    shoulders = joints[:, [LEFT_SHOULDER, RIGHT_SHOULDER], 0].mean(1)
    torso = np.abs(joints[:, [LEFT_HIP, RIGHT_HIP], 0].mean(1) - shoulders).clip(min=1)
    turn = across / torso
    missing = (keypoints[:, list(TORSO)] < 0).any((1, 2))
    known = ["unknown", "front", "back"]
    return np.select([missing, turn > TURNED, turn < -TURNED], known, "side")


def pose_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, 18, 2) twice -> (N,): mean distance, in pixels, of the joints that both poses have.

    nan where they have none in common.
    """
    both = ((a >= 0) & (b >= 0)).all(-1)
    moved = np.linalg.norm(a.astype(float) - b, axis=-1)
    count = both.sum(1)
    return np.where(count, (moved * both).sum(1) / count.clip(min=1), np.nan)
