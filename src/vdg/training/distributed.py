"""Training by several processes, started by torchrun, each with its shard of every batch.

With one process every function here does nothing, so that callers need not ask.
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
"""How long a process waits for the others before it takes them for dead."""


def relaunch(processes: int, device: str) -> None:
    """Let torchrun start `processes` copies of this process, unless this is one of them.

    Does not return then: the exit status is torchrun's, or the conventional one of a signal, which
    the copies receive and answer with a checkpoint.
    Raises InputError for a device, as in params.yaml, that has no room for so many.
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
    # a session of its own, or Ctrl-C would reach the copies twice
    process = subprocess.Popen(
        [sys.executable, *launch, "-m", module, *sys.argv[1:]], start_new_session=True
    )
    stopped: list[int] = []

    def forward(signum, _frame):
        stopped.append(signum)
        process.send_signal(signal.SIGTERM)

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, forward)
    while (status := process.poll()) is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)
        if lifetime.orphaned() and not stopped:
            forward(signal.SIGHUP, None)
    if stopped:
        raise StoppedError(stopped[0])
    sys.exit(status)


@contextlib.contextmanager
def join(device: torch.device):
    """Join the processes that torchrun started, if it did. Yields this process's device."""
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
    """How many processes train."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is; 0 writes the files."""
    return dist.get_rank() if dist.is_initialized() else 0


def shard(batch: Tensor) -> Tensor:
    """This process's shard of what belongs to a whole batch, (B, ...)."""
    if len(batch) % world_size():
        raise InputError(f"a batch of {len(batch)} does not divide by {world_size()} processes")
    return batch.chunk(world_size())[rank()]


def wrap(module: nn.Module) -> nn.Module:
    """The module, its gradients averaged and its batch-norm taken over all processes."""
    if world_size() == 1:
        return module
    for layer in module.modules():
        if type(layer) is nn.BatchNorm2d:
            layer.__class__ = BatchNorm  # in place: optimisers hold its parameters
    # no buffers to send: batch statistics are those of all processes already, and spectral norms
    # follow from the weights
    return DistributedDataParallel(module, broadcast_buffers=False)


def mean(value: Tensor) -> Tensor:
    """The mean of a tensor over all processes."""
    if world_size() > 1:
        value = value.clone()
        dist.all_reduce(value)
        value /= world_size()
    return value


def any_rank(flag: bool, device: torch.device | str) -> bool:
    """Whether `flag` is true in any process; the same answer in all of them."""
    if world_size() == 1:
        return flag
    return bool(mean(torch.tensor(float(flag), device=device)) > 0)


def gather(values: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """Such scalars of every process, in the order of the ranks."""
    if world_size() == 1 or not values:
        return [values] * world_size()
    stacked = torch.stack(list(values.values()))
    of_all = [torch.empty_like(stacked) for _ in range(world_size())]
    dist.all_gather(of_all, stacked)
    return [dict(zip(values, of_one, strict=True)) for of_one in of_all]


@contextlib.contextmanager
def rank0_first():
    """Run the block in process 0, and only then in the others."""
    if rank() > 0:
        dist.barrier()
    yield
    if world_size() > 1 and rank() == 0:
        dist.barrier()


class BatchNorm(nn.BatchNorm2d):
    """Batch-norm over the batch of all processes, on any device.

    torch's SyncBatchNorm does the same on a GPU alone. With one process it is nn.BatchNorm2d.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or world_size() == 1:
            return super().forward(x)
        from torch.distributed.nn.functional import all_reduce  # with a gradient

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
