"""What the pages offer to begin with: rendered people, and the bones of a skeleton."""

import numpy as np
from PIL import Image

from vdg.data.rendered.render import render
from vdg.data.rendering.archive import Renderer
from vdg.data.synthetic.render import render as render_small
from vdg.drawing import COLOURS
from vdg.errors import InputError
from vdg.pose import SKELETON, has_torso

# even identities are the test split of both data sets, unseen in training
PEOPLE = [(render, identity) for identity in range(2, 17, 2)]
PEOPLE += [(render_small, identity) for identity in range(2, 9, 2)]
RENDERED = 128  # pixels; height of the images

BONES = [
    [a, b, "rgb({}, {}, {})".format(*COLOURS[i % len(COLOURS)])]
    for i, (a, b) in enumerate(SKELETON)
]
"""The joints that a bone connects, and its colour in CSS."""


def people() -> list[tuple[Image.Image, np.ndarray]]:
    """Images (RENDERED pixels high, half as wide) and their key points (18, 2).

    First those of the open benchmark, then those of the small data set, for models of either.
    """
    return [_person(*person) for person in PEOPLE]


def _person(draw: Renderer, identity: int) -> tuple[Image.Image, np.ndarray]:
    """Image and key points of the first view of a rendered person with a complete torso."""
    for view in range(50):
        picture = draw(identity, view, RENDERED, 0)
        if has_torso(picture.keypoints):
            return Image.fromarray(picture.image), picture.keypoints
    raise InputError(f"no view of identity {identity} shows the whole torso")
