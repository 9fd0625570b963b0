"""Data-parallel training by torchrun's processes, each with one shard of every batch.

With one process, every function here is a no-op, so callers need no special case.
"""

import contextlib
import datetime
import os
import signal
import subprocess
import sys

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from vdg.errors import InputError, StoppedError
from vdg.training import lifetime

PATIENCE = datetime.timedelta(minutes=10)
"""Timeout of collective operations."""


def relaunch(processes: int, device: str) -> None:
    """Start `processes` copies of this process with torchrun, unless this is one of the copies.

    Does not return if it starts them: it exits with torchrun's status. A signal is forwarded to the
    copies, which save a checkpoint and stop; then StoppedError is raised.
    Raises InputError for a device, as in params.yaml, that does not fit so many processes.
    """
    if processes == 1 or "RANK" in os.environ:
        return
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(
            f"processes = {processes}: each takes a GPU, or they share the CPU: device must be "
            f"auto, cpu or cuda, not {device!r}; CUDA_VISIBLE_DEVICES chooses among GPUs"
        )
    gpus = torch.cuda.device_count()
    if device != "cpu" and 0 < gpus < processes:
        raise InputError(f"processes = {processes}: each takes a GPU, and there are {gpus} here")
    module = sys.modules["__main__"].__spec__.name
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    # a new session: otherwise Ctrl-C would reach the copies twice
    process = subprocess.Popen(
        [sys.executable, *launch, "-m", module, *sys.argv[1:]],
        env=os.environ | {lifetime.RELAUNCHED: "1"},
        start_new_session=True,
    )
    stopped: list[int] = []

    def forward(signum, _frame):
        stopped.append(signum)
        process.send_signal(signal.SIGTERM)

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, forward)
    status = process.wait()
    if stopped:
        raise StoppedError(stopped[0])
    sys.exit(status)


@contextlib.contextmanager
def join(device: torch.device):
    """Join torchrun's process group, if there is one. Yields this process's device."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield device
        return
    if device.type == "cuda":
        rank, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if rank >= gpus:
            raise InputError(f"process {rank} has no GPU: there are {gpus}; start fewer processes")
        device = torch.device("cuda", rank)
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield device
        dist.barrier()  # wait for all ranks
    finally:
        dist.destroy_process_group()


def world_size() -> int:
    """Number of training processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Rank of this process; rank 0 writes the files."""
    return dist.get_rank() if dist.is_initialized() else 0


def shard(batch: Tensor) -> Tensor:
    """This process's shard (B / world_size, ...) of a tensor of a whole batch (B, ...).

    Raises InputError if B is not a multiple of world_size.
    """
    if len(batch) % world_size():
        raise InputError(f"a batch of {len(batch)} does not divide by {world_size()} processes")
    return batch.chunk(world_size())[rank()]


def wrap(module: nn.Module) -> nn.Module:
    """Wrap a module so that gradients and batch-norm statistics are averaged over all ranks."""
    if world_size() == 1:
        return module
    for layer in module.modules():
        if type(layer) is nn.BatchNorm2d:
            layer.__class__ = BatchNorm  # in place, because optimisers hold its parameters
    # no buffer broadcast: batch statistics are equal on all ranks already, and spectral norms
    # follow from the weights
    return DistributedDataParallel(module, broadcast_buffers=False)


def mean(value: Tensor) -> Tensor:
    """The mean of a tensor over all ranks."""
    if world_size() > 1:
        value = value.clone()
        dist.all_reduce(value)
        value /= world_size()
    return value


def any_rank(flag: bool, device: torch.device | str) -> bool:
    """Whether `flag` is true on any rank; all ranks return the same."""
    if world_size() == 1:
        return flag
    return bool(mean(torch.tensor(float(flag), device=device)) > 0)


def gather(value: dict) -> list[dict]:
    """The value of every rank, in rank order. Its tensors must be on the CPU."""
    if world_size() == 1:
        return [value]
    values: list = [None] * world_size()
    dist.all_gather_object(values, value)
    return values


@contextlib.contextmanager
def rank0_first():
    """Run the block on rank 0 first, then on the other ranks."""
    if rank() > 0:
        dist.barrier()
    yield
    if world_size() > 1 and rank() == 0:
        dist.barrier()


class BatchNorm(nn.BatchNorm2d):
    """Batch-norm synchronised over all ranks, on any device.

    torch's SyncBatchNorm supports GPUs only. With one process this is nn.BatchNorm2d.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or world_size() == 1:
            return super().forward(x)
        from torch.distributed.nn.functional import all_reduce  # differentiable

        wide = x.float()
        count = x.numel() // x.shape[1] * world_size()
        sums = torch.cat([wide.sum((0, 2, 3)), wide.square().sum((0, 2, 3))])
        average, square = (all_reduce(sums) / count).chunk(2)
        variance = (square - average.square()).clamp(min=0)
        with torch.no_grad():
            self.running_mean.lerp_(average, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            self.num_batches_tracked += 1
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shape = (1, -1, 1, 1)
        shifted = wide * scale.view(shape) + (self.bias - average * scale).view(shape)
        return shifted.to(x.dtype)
