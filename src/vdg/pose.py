"""Poses: 18 joints, their heat maps P and the pose mask M.

Key points are (y, x) pixel coordinates in OpenPose's order, -1 for a missing joint.
Lengths are given at a height of 128 pixels and scale with the height of the image.
"""

import functools

import numpy as np
import torch
from scipy import ndimage
from skimage import draw

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
MASK_RADIUS = 4.0
MASK_CLOSING = 5


def constant(values: tuple, device: torch.device) -> torch.Tensor:
    """torch.tensor(values) on a device.

    On a GPU it is made once, so never write into it: a copy from the CPU would wait for all work
    before it, and could not be recorded in a CUDA graph.
    """
    if device.type == "cuda":
        return _kept(values, str(values), device)
    return torch.tensor(values, device=device)


@functools.cache
def _kept(values, _text, device):  # the text tells (0, 1) from (False, True)
    with torch.inference_mode(False):  # else it could not be used in training
        return torch.tensor(values, device=device)


def heat_maps(
    keypoints: torch.Tensor, height: int, width: int, sigma: float | None = None
) -> torch.Tensor:
    """Gaussian heat maps P (Siarohin et al., CVPR 2018).

    keypoints: (B, 18, 2), (y, x) in pixels, negative = missing.
    sigma: pixels; by default HEAT_MAP_SIGMA at a height of 128, scaled with the height.
    Returns (B, 18, height, width) in [0, 1], laid out channels last as the pictures are: peak 1 at
    the joint, a zero map where it is missing.
    """
    keypoints = keypoints.to(torch.float32)
    sigma = HEAT_MAP_SIGMA * height / 128 if sigma is None else sigma
    scale = 2 * sigma**2
    rows = torch.arange(height, device=keypoints.device, dtype=torch.float32)[:, None]
    columns = torch.arange(width, device=keypoints.device, dtype=torch.float32)[:, None]
    y, x = keypoints[:, None, :, 0], keypoints[:, None, :, 1]
    found = (y >= 0) & (x >= 0)
    # a 2D Gaussian is the product of two 1D Gaussians
    along_y = torch.exp(-((rows - y) ** 2) / scale) * found
    along_x = torch.exp(-((columns - x) ** 2) / scale)
    return (along_y[:, :, None] * along_x[:, None]).permute(0, 3, 1, 2)


def capped_heat_maps(keypoints: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """`heat_maps` as Def-GAN's and PATN's code draws them: sigma is 6 px at heights of 128 and of
    256 alike, and less where the image is smaller."""
    sigma = HEAT_MAP_SIGMA * min(1, height / 128)
    return heat_maps(keypoints, height, width, sigma)


def has_torso(keypoints: np.ndarray) -> np.ndarray:
    """Whether both shoulders and both hips are present: (..., 18, 2) -> bool (...)."""
    return (keypoints[..., list(TORSO), :] >= 0).all((-2, -1))


def pose_mask(keypoints: np.ndarray, height: int, width: int) -> np.ndarray:
    """Pose mask M in Def-GAN's form (Siarohin et al., CVPR 2018).

    A disc on every joint and a bar between the joints of each pair, closed with a square.

    keypoints: (18, 2), (y, x) in pixels, negative = missing. Returns bool (height, width).
    """
    scale = height / 128
    radius = MASK_RADIUS * scale
    mask = np.zeros((height, width), bool)
    found = (keypoints >= 0).all(-1)
    joints = keypoints.astype(float)
    for a, b in MASK_PAIRS:
        along = joints[b] - joints[a]
        length = np.hypot(*along)
        if found[a] and found[b] and length > 0:
            across = np.array([-along[1], along[0]]) / length * radius
            corners = np.array([joints[a] + across, joints[b] + across])
            corners = np.concatenate([corners, [joints[b] - across, joints[a] - across]])
            mask[draw.polygon(*corners.T, mask.shape)] = True
    for joint in joints[found]:
        mask[draw.disk(joint, radius, shape=mask.shape)] = True
    size = max(1, round(MASK_CLOSING * scale) | 1)
    grown = ndimage.maximum_filter(mask, size, mode="constant", cval=False)
    return ndimage.minimum_filter(grown, size, mode="constant", cval=True)
