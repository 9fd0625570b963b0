"""Poses: 18 joints. Their heat maps P are in vdg.heat_maps, their masks M in vdg.masks.

Key points are (y, x) pixel coordinates in OpenPose's order, -1 for a missing joint.
Lengths are given at a height of 128 pixels and scale with the height of the image.
"""

import numpy as np

JOINTS = (
    *("nose", "neck", "right shoulder", "right elbow", "right wrist"),
    *("left shoulder", "left elbow", "left wrist", "right hip", "right knee", "right ankle"),
    *("left hip", "left knee", "left ankle", "right eye", "left eye", "right ear", "left ear"),
)
MIRRORED = (0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16)
"""Index of each joint after mirroring the image: left and right are swapped."""

TORSO = (2, 5, 8, 11)
"""Shoulders and hips: an image is valid for training and evaluation if all four are present."""

SKELETON = (
    *((1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10)),
    *((1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
MASK_PAIRS = (*SKELETON, (1, 16), (1, 17), (2, 8), (5, 11), (8, 11), (16, 17))
"""The 23 pairs of joints that are connected in the pose mask of PG2 and Def-GAN."""

HEAT_MAP_SIGMA = 6.0


def has_torso(keypoints: np.ndarray) -> np.ndarray:
    """Whether both shoulders and both hips are present: (..., 18, 2) -> bool (...)."""
    return (keypoints[..., list(TORSO), :] >= 0).all((-2, -1))
