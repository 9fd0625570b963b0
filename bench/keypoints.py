"""Accuracy and speed of the default key-point estimator, MoveNet.

Run as `python -m bench.keypoints`, after `make estimator`. The references are the published key
points of 500 training crops of Market-1501 (raw/market1501/; skipped if missing) and the renderer's
key points of 250 crops. All crops have 128 x 64 pixels and a complete torso.

PCK@0.1: fraction of the joints present in both whose error is at most a tenth of the longer side of
the joints' bounding box. found: fraction of the reference joints that were detected.
"""

import time
from pathlib import Path

import numpy as np
import torch

from vdg import cli
from vdg.data.archive import Archive
from vdg.data.synthetic.render import render
from vdg.estimators import movenet_joints, movenet_weights
from vdg.keypoints.annotations import read_keypoints
from vdg.metrics.pose_accuracy import PCK_ALPHA
from vdg.pose import TORSO

HEIGHT, WIDTH = 128, 64
MARKET = Path("raw/market1501")


def market(count: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """Crops (N, H, W, 3) of Market-1501 and their published key points (N, 18, 2)."""
    joints = read_keypoints(MARKET / "market-annotation-train.csv")
    names = [name for name, found in joints.items() if (found[list(TORSO)] >= 0).all()]
    names = [names[i] for i in np.linspace(0, len(names) - 1, count).astype(int)]
    with Archive(MARKET / "Market-1501-v15.09.15.zip") as archive:
        members = {Path(m).name: m for m in archive.members if "bounding_box_train" in m}
        images = np.stack(
            [*archive.images([members[name] for name in names], HEIGHT, WIDTH, "crops")]
        )
    return images, np.stack([joints[name] for name in names])


def rendered(count: int = 250) -> tuple[np.ndarray, np.ndarray]:
    """Rendered crops (N, H, W, 3), in order of identity and view, and their key points."""
    drawn = (render(identity, view, HEIGHT, 0) for identity in range(1, count) for view in range(5))
    whole = (picture for picture in drawn if (picture.keypoints[list(TORSO)] >= 0).all())
    chosen = [next(whole) for _ in range(count)]
    return np.stack([p.image for p in chosen]), np.stack([p.keypoints for p in chosen])


def report(name: str, images: np.ndarray, published: np.ndarray) -> None:
    network = movenet_weights.load()
    movenet_joints.estimate(images[:16], network=network)  # warms up
    start = time.perf_counter()
    estimated = movenet_joints.estimate(images, network=network)
    rate = len(images) / (time.perf_counter() - start)
    wanted, found = ((joints >= 0).all(2) for joints in (published, estimated))
    error = np.linalg.norm(estimated.astype(float) - published, axis=2)
    low = np.where(wanted[..., None], published, 1 << 14).min(1)
    reach = PCK_ALPHA * (published.max(1) - low).max(1)[:, None]
    both = wanted & found
    print(
        f"{name:12} {len(images)} pictures: PCK@{PCK_ALPHA} {(error <= reach)[both].mean():.3f}, "
        f"found {found[wanted].mean():.3f}, median error {np.median(error[both]):.1f} px, "
        f"{rate:.1f} pictures/s on {torch.get_num_threads()} threads"
    )


def main():
    if MARKET.is_dir():
        report("Market-1501", *market())
    else:
        print(f"Market-1501  skipped: no {MARKET}/")
    report("rendered", *rendered())


if __name__ == "__main__":
    cli.run(main)
