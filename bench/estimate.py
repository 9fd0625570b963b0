"""Estimate, not measure, memory and training time of the full-scale trainings on a GPU.

Run as `python -m bench.estimate [--dataset NAME ...] [--network NAME] [--variant NAME]`, on any
machine. One step of each training runs on the CPU at two small batch sizes. Its multiply-adds,
operations, memory traffic and saved activations are counted and extrapolated linearly to the batch
size of params.yaml. The estimated time of a step is that of the arithmetic plus that of the memory
traffic, or the time to launch the operations from Python if that is longer.
"""

import argparse
import dataclasses
import weakref
from collections import Counter
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from vdg import config, resolve
from vdg.data.batches import Batch
from vdg.train import stage1_task, stage2_task

COUNTED = (2, 4)  # batch sizes
CHANNELS = {"I": 3, "P": 18, "M": 1}  # channels of a Batch's images, heat maps and masks
ADAM = 8  # bytes per weight, for both moments
PICTURES = {"market1501": 12_936 + 19_732, "deepfashion": 48_674 + 4_038}
"""Images of both splits, kept on the device: 3 bytes per pixel for RGB and 1 for the mask."""
OVERHEAD = 1.3
"""Peak memory relative to autograd's saved tensors: 1.1 to 1.3 by torch's profiler on a CPU."""
CONTEXT = 0.6  # GiB, for CUDA and its libraries
LAUNCH = 10e-6  # seconds per operation, in Python


@dataclasses.dataclass
class Card:
    """A GPU by its data sheet. flops: dense bf16, fp32 accumulation, 1/s. traffic: bytes/s."""

    name: str
    flops: float
    traffic: float

    def seconds(self, step: "Step") -> float:
        """Time of one step, at 40 % of the peak arithmetic and 70 % of the peak bandwidth."""
        work = 2 * step.multiply_adds / (0.4 * self.flops) + step.traffic / (0.7 * self.traffic)
        return max(work, LAUNCH * step.operations)


CARDS = (Card("24 GB (RTX 3090)", 71e12, 0.94e12), Card("80 GB (A100)", 312e12, 2.0e12))


@dataclasses.dataclass
class Step:
    """Cost of one step; saved and traffic in bytes."""

    multiply_adds: float
    traffic: float
    operations: float
    saved: float

    @classmethod
    def between(cls, a: "Step", b: "Step", at: float) -> "Step":
        """Interpolate or extrapolate linearly between a (at = 0) and b (at = 1)."""
        pairs = zip(dataclasses.astuple(a), dataclasses.astuple(b), strict=True)
        return cls(*(x + at * (y - x) for x, y in pairs))


class Traffic(TorchDispatchMode):
    """Counts operations, and the bytes of their inputs and outputs; views are not counted."""

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
    """Tracks the bytes that autograd saves for the backward pass; `most` is the peak.

    Each storage counts once. Weights do not count, because `fixed` includes them.
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


def noise(count: int, size: tuple[int, int]) -> Batch:
    """A batch of noise: key points (K) anywhere in the image, other tensors in [0, 1]."""

    def values(kind: str) -> Tensor:
        if kind == "K":
            return torch.rand(count, 18, 2) * torch.tensor(size)
        images = torch.rand(count, CHANNELS[kind], *size)
        return images.contiguous(memory_format=torch.channels_last)

    return Batch(**{field.name: values(field.name[0]) for field in dataclasses.fields(Batch)})


def count(task, batch: Batch, precision: str) -> Step:
    """Cost of one step of a task, after a first step that initialises its optimisers."""
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
    with autocast:
        task.update(batch)
    saved, traffic = Saved(task.modules), Traffic()
    with FlopCounterMode(display=False) as flops, traffic, saved, autocast:
        task.update(batch)
    return Step(flops.get_total_flops() / 2, traffic.bytes, traffic.operations, saved.most)


def trainings(params: config.Params, dataset: str, network: str, variant: str) -> Iterator[tuple]:
    """Yield (stage, task, settings) of both stages, built as in the pipeline."""
    lists = {"datasets": [dataset], "networks": [network], "variants": [variant]}
    runs = resolve.resolve(params.model_copy(update=lists))
    first = runs[f"{dataset}/stage1-{network}.json"]
    second = runs[f"{dataset}/stage2-{variant}.json"]
    task, meta = stage1_task(first)
    yield "stage I", task, first["settings"]
    yield "stage II", stage2_task(second, task.result, meta)[0], second["settings"]


def fixed(task) -> float:
    """Bytes of weights, buffers, gradients and Adam's moments."""
    groups = [group for adam in task.optimizers.values() for group in adam.param_groups]
    trained = sum(p.numel() for group in groups for p in group["params"])
    return 4 * sum(x.numel() for x in task.modules.state_dict().values()) + (4 + ADAM) * trained


def at_full_batch(task, settings: dict, size: tuple[int, int], precision: str) -> Step:
    """Cost of one step at the batch size of the settings."""
    task.modules.train().to(memory_format=torch.channels_last)
    few, many = COUNTED
    steps = [count(task, noise(n, size), precision) for n in COUNTED]
    return Step.between(*steps, at=(settings["batch_size"] - few) / (many - few))


def row(name: str, task, settings: dict, size: tuple[int, int], step: Step) -> str:
    """One line of the table."""
    data = 4 * PICTURES.get(name.split()[0], 0) * size[0] * size[1] / 2**30
    memory = CONTEXT + data + (fixed(task) + OVERHEAD * step.saved) / 2**30
    cells = [name, settings["batch_size"], settings["steps"], f"{step.multiply_adds / 1e9:.0f}"]
    cells += [f"{step.traffic / 1e9:.1f}", round(step.operations), f"{memory:.1f}", f"{data:.1f}"]
    cells += [f"{settings['steps'] * card.seconds(step) / 60:.0f}" for card in CARDS]
    return f"| {' | '.join(map(str, cells))} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", nargs="*", default=["market1501", "deepfashion"])
    parser.add_argument("--network", default="vdg")
    parser.add_argument("--variant", default="full")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="bf16")
    args = parser.parse_args()
    params = config.load("params.yaml")
    print(f"Estimates for {args.precision}: nothing of this has been measured on a GPU.\n")
    columns = ["training", "batch", "steps", "GMAC/step", "GB moved/step", "operations/step", "GiB"]
    columns += ["of it data", *(f"minutes, {card.name}" for card in CARDS)]
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for name in args.dataset:
        size = params.dataset[name].height, params.dataset[name].width
        for stage, task, settings in trainings(params, name, args.network, args.variant):
            step = at_full_batch(task, settings, size, args.precision)
            print(row(f"{name} {stage}", task, settings, size, step), flush=True)


if __name__ == "__main__":
    main()
