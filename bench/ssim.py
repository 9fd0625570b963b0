"""Speed of our batched SSIM relative to a loop of scikit-image calls, on the same cores.

Run as `python -m bench.ssim`. Images are random uint8 RGB; both use the same window, covariance and
range.
"""

import time

import numpy as np
import torch
from skimage.metrics import structural_similarity

from vdg import cli
from vdg.metrics.ssim import ssim

SIZES = {(64, 32): 256, (128, 64): 64, (256, 256): 16}  # (height, width): images
GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
UNIFORM = {"win_size": 7}


def seconds(call, budget: float = 2.0) -> float:
    """Time of the fastest call within `budget` seconds, which other work disturbed least."""
    best, end = float("inf"), time.perf_counter() + budget
    while (start := time.perf_counter()) < end:
        call()
        best = min(best, time.perf_counter() - start)
    return best


def main():
    print(f"{torch.get_num_threads()} threads; milliseconds per image pair, ratio of the two")
    random = np.random.default_rng(0)
    for window, settings in (("gaussian", GAUSSIAN), ("uniform", UNIFORM)):
        for (height, width), count in SIZES.items():
            x = random.integers(0, 256, (count, 3, height, width), dtype=np.uint8)
            y = np.clip(x + random.integers(-40, 41, x.shape), 0, 255).astype(np.uint8)
            x_torch, y_torch = torch.from_numpy(x), torch.from_numpy(y)

            def loop(x=x, y=y, settings=settings):
                for a, b in zip(x, y, strict=True):
                    structural_similarity(a, b, channel_axis=0, data_range=255, **settings)

            def batched(x=x_torch, y=y_torch, window=window):
                ssim(x, y, window=window)

            theirs, ours = (1000 * seconds(call) / count for call in (loop, batched))
            print(
                f"{window:8} {height:3} x {width:3}: scikit-image {theirs:6.2f}, "
                f"vdg {ours:6.3f}, {theirs / ours:5.1f} times as fast"
            )


if __name__ == "__main__":
    cli.run(main)
