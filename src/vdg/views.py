"""From which side a picture shows its person, and how far two poses are apart."""

import numpy as np

RIGHT_SHOULDER, LEFT_SHOULDER, RIGHT_HIP, LEFT_HIP = 2, 5, 8, 11
TURNED = 0.25
"""Shoulders nearer than this to each other, in lengths of the torso, are those of a side view."""

VIEWS = ("front", "side", "back")


def views(keypoints: np.ndarray) -> np.ndarray:
    """(N, 18, 2) with shoulders and hips found -> (N,) of VIEWS.

    Who faces the camera has the right shoulder on the picture's left.
    """
    joints = keypoints.astype(float)
    across = joints[:, LEFT_SHOULDER, 1] - joints[:, RIGHT_SHOULDER, 1]
    shoulders = joints[:, [LEFT_SHOULDER, RIGHT_SHOULDER], 0].mean(1)
    torso = np.abs(joints[:, [LEFT_HIP, RIGHT_HIP], 0].mean(1) - shoulders).clip(min=1)
    turn = across / torso
    return np.select([turn > TURNED, turn < -TURNED], ["front", "back"], "side")


def pose_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, 18, 2) twice -> (N,): mean distance, in pixels, of the joints that both poses have."""
    both = ((a >= 0) & (b >= 0)).all(-1)
    moved = np.linalg.norm(a.astype(float) - b, axis=-1)
    return (moved * both).sum(1) / both.sum(1)
