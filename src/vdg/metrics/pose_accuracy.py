"""Pose metrics: does the generated person have the target pose?

The paper reports no pose metric, although a generator can reach a high SSIM in a wrong pose. There
are two metrics, one for rendered and one for real data. Both are also computed on the real targets,
whose score is the upper bound.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from vdg.blocks import Decoder, Encoder
from vdg.data.batches import from_uint8
from vdg.large_arrays import Array

WIDTHS = [16, 32, 64]
STEPS, BATCH, LEARNING_RATE = 250, 32, 2e-3
PCK_ALPHA = 0.1


def intersection_over_union(a: Tensor, b: Tensor) -> Tensor:
    """IoU of bool masks (N, H, W): (N,) in [0, 1]; 1 for two empty masks."""
    union = (a | b).sum((1, 2))
    return torch.where(union > 0, (a & b).sum((1, 2)) / union.clamp(min=1), 1.0)


def pck(estimated: Tensor, target: Tensor, alpha: float = PCK_ALPHA) -> Tensor:
    """Percentage of correct key points (Yang, Ramanan, TPAMI 2013): (N,) in [0, 1].

    A joint is correct if its error is at most alpha * max(height, width) of the bounding box of the
    target's joints. Joints missing in the target are ignored; joints missing in the estimate are
    wrong.

    estimated, target: (N, 18, 2), (y, x) in pixels, negative = missing.
    """
    present, detected = (target >= 0).all(2), (estimated >= 0).all(2)
    low = target.masked_fill(~present[..., None], 1 << 14).amin(1)
    reach = alpha * (target.amax(1) - low).amax(1)
    distance = (estimated - target).double().norm(dim=2)
    correct = present & detected & (distance <= reach[:, None])
    return correct.sum(1) / present.sum(1).clamp(min=1)


class Segmenter(nn.Module):
    """(B, 3, H, W) in [-1, 1] -> person logits (B, H, W)."""

    def __init__(self):
        super().__init__()
        self.encoder = Encoder(3, WIDTHS)
        self.decoder = Decoder(WIDTHS, WIDTHS[:-1], 1)

    def forward(self, images: Tensor) -> Tensor:
        features = self.encoder(images)
        return self.decoder(features[-1], features[:-1])[:, 0]


def train_segmenter(images: Array, silhouettes: Array, device="cpu") -> Segmenter:
    """Train a person segmenter on real images and blurred copies of them.

    The blur makes the segmenter robust to blurred images: the metric measures the pose, and
    sharpness is measured separately.
    images: uint8 (N, H, W, 3); silhouettes: bool (N, H, W).
    The result depends on torch's random state.
    """
    network = Segmenter().to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    for step in tqdm(range(STEPS), desc="train segmenter", unit="step", disable=None):
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - step / STEPS)
        drawn = torch.randint(len(images), (BATCH,)).numpy()
        x, y = (torch.as_tensor(array[drawn]).to(device) for array in (images, silhouettes))
        x, y = from_uint8(x), y.float()
        if step % 2:
            x, y = x.flip(3), y.flip(2)
        size, coarse = x.shape[2:], 2 ** int(torch.randint(3, ()))
        x = F.interpolate(F.avg_pool2d(x, coarse), size, mode="bilinear")
        loss = F.binary_cross_entropy_with_logits(network(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval().requires_grad_(False)


class SilhouetteIoU:
    """Pose metric of rendered data: IoU of the segmented person and the rendered silhouette.

    silhouettes: bool (N, H, W), of the targets.
    """

    def __init__(self, network: Segmenter, silhouettes: Array, device="cpu"):
        self.network, self.silhouettes, self.device = network, silhouettes, device

    @torch.no_grad()
    def __call__(self, images: np.ndarray, chunk: slice) -> dict[str, Tensor]:
        """images: uint8 (B, H, W, 3), of the pairs `chunk`."""
        targets = torch.as_tensor(self.silhouettes[chunk]).to(self.device)
        segmented = self.network(from_uint8(torch.as_tensor(images).to(self.device))) > 0
        return {"pose_iou": intersection_over_union(segmented, targets).cpu()}


class KeypointAccuracy:
    """Pose metric of real data: PCK of the key points estimated in generated images.

    estimate: uint8 (B, H, W, 3) -> key points (B, 18, 2); keypoints: (N, 18, 2), of the targets.
    """

    def __init__(self, estimate, keypoints: np.ndarray):
        self.estimate, self.keypoints = estimate, torch.as_tensor(keypoints)

    def __call__(self, images: np.ndarray, chunk: slice) -> dict[str, Tensor]:
        """images: uint8 (B, H, W, 3), of the pairs `chunk`."""
        estimated = torch.as_tensor(self.estimate(images))
        return {"pck": pck(estimated, self.keypoints[chunk])}


PoseMetric = SilhouetteIoU | KeypointAccuracy
