"""The results table of the paper, as published.

Lakhal, Lanz, Cavallaro, "Pose Guided Human Image Synthesis by View Disentanglement and Enhanced
Weighting Loss", ECCV 2018 workshops; read from the slides of the talk.
"""

from typing import Annotated

from pydantic import AfterValidator

COLUMNS = {
    "market1501": ("ssim", "is", "mask_ssim", "mask_is"),
    "deepfashion": ("ssim", "is"),
}

TABLE = {
    "PG²": {"market1501": (0.252, 4.015, 0.771, 3.555), "deepfashion": (0.641, 3.187)},
    "Def-GAN": {"market1501": (0.290, 2.990, 0.798, 3.544), "deepfashion": (0.665, 3.420)},
    "PDIG": {"market1501": (0.099, 3.483, 0.614, 3.491), "deepfashion": (0.614, 3.228)},
    "VDG^L1": {"market1501": (0.224, 3.733, 0.767, 3.503), "deepfashion": (0.700, 3.428)},
    "VDG^mask-L1": {"market1501": (0.238, 3.933, 0.768, 3.542), "deepfashion": (0.690, 3.429)},
    "VDG": {"market1501": (0.238, 4.007, 0.775, 3.354), "deepfashion": (0.708, 3.003)},
    "VDG_w": {"market1501": (0.266, 3.453, 0.783, 3.227), "deepfashion": (0.702, 3.491)},
}


def _known(name: str) -> str:
    if name not in TABLE:
        raise ValueError(f"not a row of the paper's table: {', '.join(TABLE)}")
    return name


Published = Annotated[str, AfterValidator(_known)]
"""The name of a row of the table."""
FULL = "VDG"  # the row of the whole method
WEIGHTED = "VDG_w"  # the row that the paper does not define


def row(name: str, dataset: str) -> dict[str, float]:
    """One published row, by metric. Raises KeyError where the paper has none."""
    return dict(zip(COLUMNS[dataset], TABLE[name][dataset], strict=True))
