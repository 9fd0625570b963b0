"""From which side a person is seen, and how far two poses differ: what tables are grouped by."""

import numpy as np

from vdg.pose import TORSO, has_torso

RIGHT_SHOULDER, LEFT_SHOULDER, RIGHT_HIP, LEFT_HIP = TORSO
TURNED = 0.25
"""Maximum horizontal shoulder distance of a side view, in lengths of the torso."""


def views(keypoints: np.ndarray) -> np.ndarray:
    """(N, 18, 2) -> (N,): "front", "side", "back", or "unknown" without a shoulder or hip.

    A person who faces the camera has the right shoulder on the left of the image.
    """
    joints = keypoints.astype(float)
    across = joints[:, LEFT_SHOULDER, 1] - joints[:, RIGHT_SHOULDER, 1]
    shoulders = joints[:, [LEFT_SHOULDER, RIGHT_SHOULDER], 0].mean(1)
    torso = np.abs(joints[:, [LEFT_HIP, RIGHT_HIP], 0].mean(1) - shoulders).clip(min=1)
    turn = across / torso
    known = ["unknown", "front", "back"]
    return np.select([~has_torso(keypoints), turn > TURNED, turn < -TURNED], known, "side")


def pose_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, 18, 2), (N, 18, 2) -> (N,): mean distance in pixels of the joints present in both poses.

    nan without common joints.
    """
    both = ((a >= 0) & (b >= 0)).all(-1)
    moved = np.linalg.norm(a.astype(float) - b, axis=-1)
    count = both.sum(1)
    return np.where(count, (moved * both).sum(1) / count.clip(min=1), np.nan)
