"""What a training costs, counted and not timed: multiply-adds, which no machine changes."""

import copy

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from vdg.data.batches import Batch
from vdg.pose import JOINTS
from vdg.training.task import Task

COUNTED = 2  # images of the update that is counted; batch norm needs more than one


def noise(count: int, size: tuple[int, int]) -> Batch:
    """A batch of `count` pairs of size [H, W]: uniform images, key points anywhere in them."""

    def uniform(channels: int) -> torch.Tensor:
        images = torch.rand(count, channels, *size)
        return images.contiguous(memory_format=torch.channels_last)

    K_a, K_b = (torch.rand(count, len(JOINTS), 2) * torch.tensor(size) for _ in range(2))
    return Batch(2 * uniform(3) - 1, K_a, 2 * uniform(3) - 1, K_b, uniform(1).round())


class Counter(TorchDispatchMode):
    """Counts as PyTorch's FlopCounterMode, which imports PyTorch's compiler for it: see `Adam`."""

    def __init__(self):
        super().__init__()
        self.formulas, self.flops = FlopCounterMode(display=False).flop_registry, 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **kwargs or {})
        if formula := self.formulas.get(func.overloadpacket):
            self.flops += formula(*args, **kwargs or {}, out_val=result)
        return result


def multiply_adds(task: Task, size: tuple[int, int]) -> float:
    """Multiply-adds per image of one update: all networks, forward and backward.

    Counted are convolutions and matrix products, by PyTorch's formulas, in one update of a copy of
    the task on the CPU; the task and the random state stay as they are. size: [H, W].
    """
    with torch.random.fork_rng(devices=[]):
        task = copy.deepcopy(task)
        task.modules.train().to("cpu")
        with Counter() as counter:
            task.update(noise(COUNTED, size))
    return counter.flops / 2 / COUNTED


def budget(task: Task, before: dict) -> dict[str, float]:
    """Images seen and 10¹² multiply-adds up to the end of a training, by their names in metadata.

    before: metadata of the stage I that is refined.
    """
    settings = task.settings
    images = settings.steps * settings.batch_size
    tmac = images * multiply_adds(task, settings.size) / 1e12
    return {
        "images_seen": before.get("images_seen", 0) + images,
        "training_tmac": before.get("training_tmac", 0.0) + tmac,
    }
