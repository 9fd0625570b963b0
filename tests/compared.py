"""What the tests of the compared systems share."""

from types import SimpleNamespace

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from vdg.data.synthetic.render import render

COMMON = {"steps": 20, "batch_size": 4, "learning_rate": 2e-3, "lr_decay_fraction": 0.5}


def settings(defaults, size, **own):
    """All settings of a stage: a system's defaults, the common ones, and `own` over both."""
    return COMMON | {"flip": True} | defaults | {"size": list(size)} | own


def rendered_poses(count, height):
    """Key points of rendered people, (count, 18, 2)."""
    return np.stack([render(i, 0, height, 0).keypoints for i in range(count)])


def rendered_batch(count, height):
    """Two views, height x height // 2, of each of `count` rendered people."""
    batch = SimpleNamespace()
    for view, name in enumerate("ab"):
        people = [render(i, view, height, 0) for i in range(count)]
        images = torch.tensor(np.stack([person.image for person in people]))
        setattr(batch, f"I_{name}", images.permute(0, 3, 1, 2).float() / 127.5 - 1)
        keypoints = torch.tensor(np.stack([person.keypoints for person in people]))
        setattr(batch, f"K_{name}", keypoints.float())
    return batch


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def gigamacs(module, *inputs):
    """10^9 multiply-adds of the convolutions and linear layers of one forward pass."""
    with FlopCounterMode(display=False) as counter:
        module(*inputs)
    counts = counter.get_flop_counts()["Global"]
    aten = torch.ops.aten
    return (counts.get(aten.convolution, 0) + counts.get(aten.addmm, 0)) / 2e9


def meta(*shape):
    return torch.empty(shape, device="meta")


def bce(logits, target):
    return torch.nn.functional.binary_cross_entropy_with_logits(
        logits, torch.full_like(logits, target)
    )
