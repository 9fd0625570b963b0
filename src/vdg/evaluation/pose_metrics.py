"""The pose metric of a data set, which is trained or installed once and shared by its rows."""

from pathlib import Path

import numpy as np
import torch

from vdg import estimators
from vdg.data.batches import PairData
from vdg.data.silhouettes import read_silhouettes
from vdg.evaluation.pairs import EvalPairs
from vdg.files import read_arrays, write_arrays
from vdg.large_arrays import Array, taken
from vdg.metrics.pose_accuracy import KeypointAccuracy, PoseMetric, Segmenter, SilhouetteIoU

SEGMENTER = "segmenter.safetensors"


def load(kind: str | None, data: Path, pairs: EvalPairs, references: Path) -> PoseMetric | None:
    """The pose metric of a data set's evaluation, or None."""
    device, targets = pairs.data.device, pairs.positions[:, 1].numpy()
    if kind == "silhouettes":
        network = Segmenter().to(device, memory_format=torch.channels_last)
        network.load_state_dict(read_arrays(references / SEGMENTER, "pt")[0])
        silhouettes = taken(silhouettes_of(data, pairs.data), targets)
        return SilhouetteIoU(network.eval(), silhouettes, device)
    if kind == "keypoints":
        # what it drops in generated images is counted, and not said for every batch
        estimate = estimators.load(pairs.data.height, pairs.data.width, device, invented=[])
        return KeypointAccuracy(estimate, pairs.data.keypoints.cpu().numpy()[targets])
    return None


def silhouettes_of(data: Path, pairs: PairData) -> Array:
    """The silhouettes of the images, in their order: bool (N, H, W)."""
    path = data / "download" / f"silhouettes-{pairs.part}.safetensors"
    names, silhouettes = read_silhouettes(path)
    position = {name: i for i, name in enumerate(names)}
    return taken(silhouettes, np.array([position[name] for name in pairs.names]))


def save_segmenter(folder: Path, network: Segmenter) -> None:
    state = {k: v.cpu().numpy() for k, v in network.state_dict().items()}
    write_arrays(folder / SEGMENTER, state)
