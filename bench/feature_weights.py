"""Compute loss weights that make feature losses equal to L1 for a copy of the source.

Run as `python -m bench.feature_weights --dataset NAME --features NAME`, after the pose-heatmaps
stage. The published weights are valid for VGG19 only, because other features have other scales.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from vdg import cli
from vdg.data.batches import load_pairs
from vdg.training import features
from vdg.training.losses import l1

PAIRS = 256
WINDOWS = (1, 3, 5)


def weights(I_a: Tensor, I_b: Tensor, network: features.Features) -> dict[str, float]:
    """Loss weights by setting, for the published weight of L1: 100 in Def-GAN, 10 in PATN.

    I_a, I_b: (B, 3, H, W) in [-1, 1].
    """
    copied = l1(I_a, I_b)
    V_a, V_b = network(I_a), network(I_b)
    found = {"patn perceptual_weight": 10 * copied / features.perceptual_loss(V_a, V_b)}
    for k in WINDOWS:
        nearest = features.nearest_neighbour_loss(V_a, V_b, k)
        found[f"def_gan nn_weight, nn_window {k}"] = 100 * copied / nearest
    return {name: float(weight) for name, weight in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--features", default="efficientnet-lite0")
    arguments = parser.parse_args()
    network = features.load_features(arguments.features)
    (data,) = load_pairs(Path("data", arguments.dataset), ["train"], "cpu")
    order = torch.randperm(len(data.pairs), generator=torch.Generator().manual_seed(0))
    batch = data.batch(data.pairs[order[:PAIRS]])
    for name, weight in weights(batch.I_a, batch.I_b, network).items():
        print(f"{name}: {weight:.4g}")


if __name__ == "__main__":
    cli.run(main)
