"""Estimates, not measurements: memory and minutes of the full-scale trainings on a GPU.

Run as `python -m bench.estimate [--dataset NAME ...] [--network NAME] [--variant NAME]`, on any
machine. One step of each training is taken on the CPU at two small batch sizes. Its multiply-adds,
its operations, the bytes that they read and write, and those that autograd keeps are counted and
continued linearly to the batch size of params.yaml. A card then takes the time of the arithmetic
plus that of the memory traffic, or that of launching the operations, if that is longer.
"""

import argparse
import dataclasses
import math
import weakref
from collections import Counter
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from vdg import cli, config, resolve
from vdg.data.batches import Batch
from vdg.settings import RunConfig
from vdg.train import stage1_task, stage2_task
from vdg.training.cost import noise
from vdg.training.task import Task

COUNTED = (2, 4)  # batch sizes
ADAM = 8  # bytes per weight: both moments
FASHION = dict.fromkeys(("deepfashion", "deepfashion-176", "deepfashion-512"), 48_674)
IMAGES = {"market1501": 12_936} | FASHION
"""Of the training part. A training keeps them on the device where they fit: `images_on_device`."""
PIXEL = 3 + 2 / 8
"""Bytes of an image's pixel: its colours, and a bit of a mask for training and validation each."""
OVERHEAD = 1.3
"""Factor on what autograd keeps: on a CPU, torch's profiler finds 1.1 to 1.3 times that in use."""
CONTEXT = 0.6  # GiB of CUDA and its libraries
LAUNCH, REPLAY = 45e-6, 10e-6
"""Seconds per operation, from Python and inside a CUDA graph: at most, on docs/gpu.md's H100."""


@dataclasses.dataclass
class Card:
    """A class of GPU, by its data sheet. flops: dense bf16 with fp32 sums. traffic: bytes/s."""

    name: str
    flops: float
    traffic: float

    def seconds(self, step: "Step", launch: float) -> float:
        """Of a step: 40 % of the arithmetic, 70 % of the bandwidth, or `launch` per operation."""
        work = 2 * step.multiply_adds / (0.4 * self.flops) + step.traffic / (0.7 * self.traffic)
        return max(work, launch * step.operations)


CARDS = (Card("24 GB (RTX 3090)", 71e12, 0.94e12), Card("80 GB (A100)", 312e12, 2.0e12))


@dataclasses.dataclass
class Step:
    """What one step takes; saved and traffic in bytes."""

    multiply_adds: float
    traffic: float
    operations: float
    saved: float

    @classmethod
    def between(cls, a: "Step", b: "Step", at: float) -> "Step":
        """On the line through a (at = 0) and b (at = 1)."""
        pairs = zip(dataclasses.astuple(a), dataclasses.astuple(b), strict=True)
        return cls(*(x + at * (y - x) for x, y in pairs))


class Traffic(TorchDispatchMode):
    """Counts operations, and the bytes of what they are given and return; views cost nothing."""

    def __init__(self):
        super().__init__()
        self.operations = self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        aliases = [returned.alias_info for returned in func._schema.returns]
        if not any(alias and not alias.is_write for alias in aliases):
            tensors = {id(x): x for x in tree_leaves((args, kwargs, result)) if torch.is_tensor(x)}
            self.operations += 1
            self.bytes += sum(x.numel() * x.element_size() for x in tensors.values())
        return result


class Saved(saved_tensors_hooks):
    """Tracks the bytes that autograd keeps for the backward pass; `most` is their highest sum.

    Every storage counts once, and the weights, which are there anyway, do not.
    """

    class Kept:
        def __init__(self, tensor: Tensor):
            self.tensor = tensor.detach()

    def __init__(self, modules: nn.Module):
        super().__init__(self.pack, lambda kept: kept.tensor)
        self.weights = {p.untyped_storage().data_ptr() for p in modules.parameters()}
        self.holders: Counter[int] = Counter()
        self.bytes = self.most = 0

    def pack(self, tensor: Tensor) -> Kept:
        kept, storage = self.Kept(tensor), tensor.untyped_storage()
        key, size = storage.data_ptr(), storage.nbytes()
        if key not in self.weights:
            self.bytes += 0 if self.holders[key] else size
            self.most = max(self.most, self.bytes)
            self.holders[key] += 1
            weakref.finalize(kept, self.drop, key, size)
        return kept

    def drop(self, key: int, size: int) -> None:
        self.holders[key] -= 1
        self.bytes -= 0 if self.holders[key] else size


def count(task, batch: Batch, precision: str) -> Step:
    """What one step of a task takes, after one that sets its optimisers up."""
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
    with autocast:
        task.update(batch)
    saved, traffic = Saved(task.modules), Traffic()
    with FlopCounterMode(display=False) as flops, traffic, saved, autocast:
        task.update(batch)
    return Step(flops.get_total_flops() / 2, traffic.bytes, traffic.operations, saved.most)


def trainings(params: config.Params, dataset: str, network: str, variant: str) -> Iterator[tuple]:
    """(name, task) of a network and, if it refines that network, of the variant.

    They are built as the pipeline builds them.
    """
    variants = [variant] if params.variant[variant].network == network else []
    lists = {"datasets": [dataset], "networks": [network], "variants": variants}
    runs = resolve.resolve(params.model_copy(update=lists))
    first = RunConfig.model_validate(runs[f"{dataset}/stage1-{network}.json"])
    task, meta = stage1_task(first)
    yield network, task
    for name in variants:
        second = RunConfig.model_validate(runs[f"{dataset}/stage2-{name}.json"])
        yield f"{network} {name}", stage2_task(second, task.result, meta)[0]


def fixed(task: Task) -> float:
    """Bytes of weights and buffers, of gradients and of Adam's moments."""
    groups = [group for adam in task.optimizers.values() for group in adam.param_groups]
    trained = sum(p.numel() for group in groups for p in group["params"])
    return 4 * sum(x.numel() for x in task.modules.state_dict().values()) + (4 + ADAM) * trained


def at_full_batch(task: Task, precision: str) -> Step:
    """What one step takes at the batch size of its settings."""
    task.modules.train().to(memory_format=torch.channels_last)
    few, many = COUNTED
    steps = [count(task, noise(n, task.settings.size), precision) for n in COUNTED]
    return Step.between(*steps, at=(task.settings.batch_size - few) / (many - few))


def row(dataset: str, name: str, task: Task, step: Step) -> str:
    """One line of the table."""
    settings = task.settings
    data = PIXEL * IMAGES.get(dataset, 0) * math.prod(settings.size) / 2**30
    memory = CONTEXT + (fixed(task) + OVERHEAD * step.saved) / 2**30
    cells = [
        f"{dataset}, {name}",
        settings.batch_size,
        settings.steps,
        f"{step.multiply_adds / 1e9:.0f}",
    ]
    cells += [f"{step.traffic / 1e9:.1f}", round(step.operations), f"{memory:.1f}", f"{data:.1f}"]
    launch = REPLAY if task.capturable else LAUNCH
    cells += [f"{settings.steps * card.seconds(step, launch) / 60:.0f}" for card in CARDS]
    return f"| {' | '.join(map(str, cells))} |"


def main():
    params = config.load("params.yaml")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--dataset", nargs="*", choices=params.dataset, default=["market1501", "deepfashion"])
    add("--network", choices=params.network, default="vdg")
    add("--variant", choices=params.variant, default="full", help="left out if of another network")
    add("--precision", choices=["fp32", "bf16"], default="bf16")
    args = parser.parse_args()
    print(f"Estimates for {args.precision}, not measurements.\n")
    columns = ["training", "batch", "steps", "GMAC/step", "GB moved/step", "operations/step", "GiB"]
    columns += ["images, GiB", *(f"minutes, {card.name}" for card in CARDS)]
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for dataset in args.dataset:
        for name, task in trainings(params, dataset, args.network, args.variant):
            step = at_full_batch(task, args.precision)
            print(row(dataset, name, task, step), flush=True)


if __name__ == "__main__":
    cli.run(main)
