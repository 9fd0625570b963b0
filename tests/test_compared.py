"""What every compared system must do in training; its layers and losses have a file each."""

import copy

import pytest
import torch
from compared import SIZE, every_training, make_task, rendered_batch, restore


@pytest.fixture(scope="module")
def batch():
    return rendered_batch(4, SIZE[0])


@every_training
def test_twenty_steps_on_one_batch(system, stage, batch):
    task = make_task(system, stage)
    rows = [task.update(batch) for _ in range(20)]
    name = "l1" if stage == "stage1" else "image"  # what the pipeline plots
    assert rows[-1][name] < 0.9 * rows[0][name]
    assert not any(loss.requires_grad for loss in rows[0].values())
    assert all(loss.isfinite() for row in rows for loss in row.values())


@every_training
def test_everything_trains_but_a_frozen_stage1(system, stage, batch):
    task = make_task(system, stage)
    before = copy.deepcopy(task.modules)
    for _ in range(3):  # a ReLU may be off on one batch of weights
        task.update(batch)
    for name, weights in task.modules.named_parameters():
        same = torch.equal(weights, before.get_parameter(name))
        assert same == name.startswith("generator.stage1."), name


@every_training
def test_a_step_in_bf16(system, stage, batch):
    exact, task = make_task(system, stage), make_task(system, stage)
    torch.manual_seed(1)  # of dropout
    expected = exact.update(batch)
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16):
        losses = task.update(batch)
        assert task.result(batch.I_a, batch.K_a, batch.K_b).dtype == torch.float32
    for name, loss in losses.items():
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(expected[name].item(), rel=0.05), name


@every_training
def test_a_restored_state_goes_on_as_if_nothing_had_been(system, stage, batch):
    """Weights, batch statistics, and PATN's pool, which by then gives earlier images back."""
    task, other = make_task(system, stage), make_task(system, stage, seed=1)
    for _ in range(3):
        task.update(batch)
    restore(other, task)
    ends = []
    for trained in (task, other):
        torch.manual_seed(7)  # of dropout and pool
        ends.append([trained.update(batch) for _ in range(2)][-1])
    assert ends[0] == ends[1]


@every_training
def test_every_trained_network_is_wrapped(system, stage, batch):
    """Else several processes would not share its gradients."""
    task, wrapped = make_task(system, stage), []
    task.wrap(lambda module: wrapped.append(module) or module)
    ours = {id(p) for module in wrapped for p in module.parameters()}
    trained = {id(p) for o in task.optimizers.values() for g in o.param_groups for p in g["params"]}
    assert trained <= ours
