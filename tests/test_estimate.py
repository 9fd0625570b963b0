"""What bench.estimate counts, on layers whose numbers are known."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from bench.estimate import Card, Saved, Step, Traffic

FLOAT = 4  # bytes


def test_kept_for_the_backward_pass_are_inputs_and_not_weights():
    first, second = nn.Linear(5, 7), nn.Linear(7, 3)
    x = torch.randn(11, 5, requires_grad=True)
    saved = Saved(nn.ModuleList([first, second]))
    with saved:
        y = second(first(x)).sum()
    assert saved.bytes == saved.most == 11 * (5 + 7) * FLOAT
    y.backward()
    del y
    assert saved.bytes == 0
    assert saved.most == 11 * (5 + 7) * FLOAT


def test_what_two_operations_keep_counts_once():
    x = torch.randn(10, requires_grad=True)
    saved = Saved(nn.ModuleList())
    with saved:
        y = x.exp() * x.sin()  # keep exp(x), sin(x) and x; the product keeps both factors again
    assert saved.most == 3 * 10 * FLOAT
    assert y.requires_grad


def test_gradients_are_those_without_counting():
    layer, x = nn.Conv2d(3, 4, 3), torch.randn(2, 3, 8, 8)
    expected = torch.autograd.grad(layer(x).square().sum(), layer.weight)[0]
    with Saved(layer):
        counted = torch.autograd.grad(layer(x).square().sum(), layer.weight)[0]
    torch.testing.assert_close(counted, expected, rtol=0, atol=0)


def test_traffic_is_what_is_read_and_written():
    a, b = torch.ones(6, 4), torch.ones(4, 5)
    with FlopCounterMode(display=False) as flops, Traffic() as traffic:
        (a @ b).view(5, 6).transpose(0, 1)  # views move nothing
    assert traffic.operations == 1
    assert traffic.bytes == (6 * 4 + 4 * 5 + 6 * 5) * FLOAT
    assert flops.get_total_flops() / 2 == 6 * 4 * 5


def test_steps_are_continued_linearly():
    step = Step.between(Step(1, 10, 100, 0), Step(2, 30, 100, 5), at=3)
    assert step == Step(4, 70, 100, 15)


@pytest.mark.parametrize(("operations", "seconds"), [(0, 3.0), (10**6, 10.0)])
def test_a_card_is_as_fast_as_its_bottleneck(operations, seconds):
    card = Card("", flops=2 / 0.4, traffic=1 / 0.7)
    assert card.seconds(Step(1, 2, operations, 0), 1e-5) == pytest.approx(seconds)
