"""Helpers shared by the tests of the compared systems."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import typed
from torch.utils.flop_counter import FlopCounterMode

from vdg.data.synthetic.render import render
from vdg.systems import def_gan, dpig, patn, pg2

SIZE = typed.SIZE
SMALL = {
    pg2: {"stage1": {"width": 4}, "stage2": {"width": 4, "discriminator_width": 4}},
    dpig: {"stage1": {"width": 4, "part_size": 3, "background_size": 5, "discriminator_width": 4}},
    def_gan: {"stage1": {"width": 4}},
    patn: {"stage1": {"width": 4, "blocks": 2, "pool": 6}},
}
"""A micro form of each system."""
TRAININGS = [(system, stage) for system, stages in SMALL.items() for stage in stages]
every_training = pytest.mark.parametrize(
    ("system", "stage"), TRAININGS, ids=[f"{s.__name__[12:]}-{stage}" for s, stage in TRAININGS]
)


def settings(system, stage="stage1", **own):
    """The settings of a stage of a system's module."""
    return typed.settings(system.__name__.rpartition(".")[2], stage, **own)


def make_task(system, stage="stage1", seed=0, **own):
    """The task of a micro form of a system, in training mode; `own`: settings of the stage."""
    torch.manual_seed(seed)
    own = {"learning_rate": 2e-3} | own
    chosen = settings(system, stage, **(SMALL[system][stage] | own))
    if stage == "stage1":
        task = system.stage1_task(system.build_stage1(chosen), chosen)
    else:
        first = settings(system, size=chosen.size, **SMALL[system]["stage1"])
        generator = system.build_generator(system.build_stage1(first), chosen)
        task = system.stage2_task(generator, chosen)
    task.modules.train()
    return task


def restore(task, other):
    """Give a task the state of another, as a checkpoint does."""
    task.modules.load_state_dict(other.modules.state_dict())
    for name, optimizer in task.optimizers.items():
        optimizer.load_state_dict(copy.deepcopy(other.optimizers[name].state_dict()))


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
