"""What the pages offer to begin with: rendered people, and the bones of a skeleton."""

import numpy as np
from PIL import Image

from vdg.data.synthetic.render import render
from vdg.drawing import COLOURS
from vdg.errors import InputError
from vdg.pose import SKELETON, has_torso

PEOPLE = 8
# even identities are the test split of the embedded data set, unseen in training
IDENTITIES = range(2, 2 * PEOPLE + 1, 2)
RENDERED = 128  # pixels; height of the images

BONES = [
    [a, b, "rgb({}, {}, {})".format(*COLOURS[i % len(COLOURS)])]
    for i, (a, b) in enumerate(SKELETON)
]
"""The joints that a bone connects, and its colour in CSS."""


def people() -> list[tuple[Image.Image, np.ndarray]]:
    """Images (RENDERED pixels high, half as wide) and their key points (18, 2)."""
    return [_person(identity) for identity in IDENTITIES]


def _person(identity: int) -> tuple[Image.Image, np.ndarray]:
    """Image and key points of the first view of a rendered person with a complete torso."""
    for view in range(50):
        picture = render(identity, view, RENDERED, 0)
        if has_torso(picture.keypoints):
            return Image.fromarray(picture.image), picture.keypoints
    raise InputError(f"no view of identity {identity} shows the whole torso")
