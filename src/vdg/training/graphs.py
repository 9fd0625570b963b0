"""A training step as one CUDA graph.

A step of stage II has some 1,500 operations, which a GPU finishes faster than Python launches them.
A graph records them once and launches them together.
"""

from collections.abc import Callable
from dataclasses import fields, replace

import torch
from torch import Tensor

from vdg.data.batches import Batch
from vdg.training import distributed
from vdg.training.task import Task

Update = Callable[[Batch], dict[str, Tensor]]
WARM_UP = 3
"""Steps before the recording, in which cuDNN and the optimisers prepare themselves."""


def recorded(task: Task, update: Update, device: torch.device) -> Update:
    """`update`, recorded on the first call after WARM_UP calls and replayed from then on.

    update: calls `task.update`. Every batch must have the shapes of the first. Returns `update`
    itself where no graph can be: without CUDA, with several processes, and for a task that is not
    `capturable`. The losses of a replay are overwritten by the next one. The optimisers' learning
    rates become tensors on the device: see `set_learning_rate`.
    """
    if device.type != "cuda" or distributed.world_size() > 1 or not task.capturable:
        return update
    for optimizer in task.optimizers.values():
        for group in optimizer.param_groups:
            # a number would be recorded as it is
            group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32).to(device)
            group["capturable"] = True
    return _Recorded(update, device)


def set_learning_rate(group: dict, rate: float) -> None:
    """Set the learning rate of an optimiser's group, also inside a recorded graph."""
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate


class _Recorded:
    def __init__(self, update: Update, device: torch.device):
        self.update, self.device, self.calls = update, device, 0
        self.stream = torch.cuda.Stream(device)
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        self.calls += 1
        if self.calls <= WARM_UP:
            # on the stream of the recording, because autograd remembers streams
            outside = torch.cuda.current_stream(self.device)
            self.stream.wait_stream(outside)
            with torch.cuda.stream(self.stream):
                losses = self.update(batch)
            outside.wait_stream(self.stream)
            return losses
        if self.graph is None:
            self._record(batch)
        else:
            for field in fields(batch):
                getattr(self.batch, field.name).copy_(getattr(batch, field.name))
        self.graph.replay()
        return self.losses

    def _record(self, batch: Batch) -> None:
        self.batch = replace(
            batch, **{f.name: getattr(batch, f.name).clone() for f in fields(batch)}
        )
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(self.device), torch.cuda.graph(self.graph, stream=self.stream):
            self.losses = self.update(self.batch)
