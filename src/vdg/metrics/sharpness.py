"""Sharpness: gradient magnitude of generated images relative to that of their targets.

SSIM rewards blur, so it should always be read together with sharpness.
"""

import numpy as np

from vdg.errors import InputError


def sharpness(generated: np.ndarray, targets: np.ndarray) -> float:
    """Sum of the gradient magnitudes of generated images over that of their targets.

    generated, targets: (N,), from `vdg.metrics.gradient.gradient_magnitude`. 1 is as sharp as the
    real images.
    Raises InputError if all target gradients are 0.
    """
    if not targets.any():
        raise InputError("all target images are of one flat colour: sharpness is undefined")
    return float(generated.sum() / targets.sum())
