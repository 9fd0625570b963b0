"""The cost of a training, and that the compared systems are trained at that of `full`."""

import copy
from functools import partial

import pytest
import torch
import typed
import yaml
from compared import TRAININGS, make_task
from conftest import ROOT
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from vdg import config, resolve
from vdg.settings import RunConfig
from vdg.systems.vdg import stage1, stage2
from vdg.train import stage1_task, stage2_task
from vdg.training.cost import COUNTED, budget, multiply_adds, noise

COMPARED = {"pg2": "pg2", "def-gan": None, "def-gan-nn": None, "dpig": None, "patn": None}


class Colours:
    """Learn a 1x1 convolution from 3 to 3 channels: 9 multiply-adds per pixel and direction."""

    def __init__(self, **settings):
        self.settings = typed.vdg(size=(8, 4), **settings)
        self.result = nn.Conv2d(3, 3, 1)
        self.modules = nn.ModuleDict({"net": self.result})

    def update(self, batch):
        self.result.zero_grad()
        loss = (self.result(batch.I_a) - batch.I_b).square().mean()
        loss.backward()
        with torch.no_grad():
            self.result.weight -= self.result.weight.grad
        return {"l1": loss.detach()}


def test_multiply_adds_of_a_known_update():
    # forward, and the gradient of the weights; the image needs none
    assert multiply_adds(Colours(), [8, 4]) == 2 * 9 * 8 * 4


def refinement():
    """The task of a micro form of VDG's stage II."""
    first, second = typed.vdg(), typed.vdg("stage2", discriminator_width=4, discriminator_levels=2)
    return stage2.stage2_task(typed.build(first, second), second)


def coarse():
    """The task of a micro form of VDG's stage I, with the part warp."""
    settings = typed.vdg(part_warp=True)
    return stage1.stage1_task(typed.build(settings), settings)


MAKE = {"vdg stage1": coarse, "vdg stage2": refinement} | {
    f"{system.__name__} {stage}": partial(make_task, system, stage) for system, stage in TRAININGS
}


@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
def test_counted_as_pytorch_counts(make):
    task = make()
    counted = multiply_adds(task, typed.SIZE)
    with FlopCounterMode(display=False) as counter:
        task.update(noise(COUNTED, typed.SIZE))
    assert counted == counter.get_total_flops() / 2 / COUNTED > 0


def test_counting_leaves_no_trace():
    task = Colours()
    weights, random = copy.deepcopy(task.result.state_dict()), torch.get_rng_state()
    multiply_adds(task, [8, 4])
    torch.testing.assert_close(task.result.state_dict(), weights, rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), random)


def test_a_budget_contains_that_of_stage1():
    first = budget(Colours(steps=10, batch_size=4), {"system": "toy"})
    assert first == {"images_seen": 40, "training_tmac": pytest.approx(40 * 576e-12)}
    both = budget(Colours(steps=5, batch_size=4), first)
    assert both == {"images_seen": 60, "training_tmac": pytest.approx(60 * 576e-12)}


@pytest.fixture(scope="module")
def tmac(tmp_path_factory):
    """Training TMAC of a network, and of the variant that refines it: tmac(dataset, ...)."""
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    raw |= {"datasets": ["synthetic", "rendered", "market1501-holdout"]}
    raw |= {"variants": ["full", "pg2"]}
    raw |= {"networks": ["vdg", *COMPARED]}
    path = tmp_path_factory.mktemp("settings") / "params.yaml"
    path.write_text(yaml.safe_dump(raw))
    files = resolve.resolve(config.load(path))

    def count(dataset, network, variant):
        first = RunConfig(**files[f"{dataset}/stage1-{network}.json"])
        task, about = stage1_task(first)
        about |= budget(task, about)
        if variant:
            second = RunConfig(**files[f"{dataset}/stage2-{variant}.json"])
            task, about = stage2_task(second, task.result, about)
            about |= budget(task, about)
        return about["training_tmac"]

    return count


@pytest.mark.parametrize("dataset", ["synthetic", "rendered", "market1501-holdout"])
def test_compared_systems_are_trained_at_the_cost_of_full(dataset, tmac):
    full = tmac(dataset, "vdg", "full")
    for network, variant in COMPARED.items():
        assert tmac(dataset, network, variant) == pytest.approx(full, rel=0.1), network
