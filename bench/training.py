"""Training speed, relative to the machine's peak arithmetic.

Run as `python -m bench.training [--dataset NAME ...] [--network NAME ...] [--variant NAME ...]
[--device DEVICE] [--precision bf16]`: stage I of the networks, stage II of the variants, by default
vdg and full. The settings are those of params.yaml. The images are noise, because speed does not
depend on their content. The peak is that of one large matrix product, in the same process and
precision.
"""

import argparse
import contextlib
import threading
import time

import numpy as np
import psutil
import torch
from torch.utils.flop_counter import FlopCounterMode

from vdg import cli, config, resolve
from vdg.data.batches import PairData
from vdg.data.images import ImageSet
from vdg.data.pose_set import PoseSet
from vdg.data.sampling import PairSampler
from vdg.runtime import select_device, set_up
from vdg.settings import RunConfig
from vdg.train import stage1_task, stage2_task
from vdg.training import graphs
from vdg.training.task import Task

PICTURES = 512
WARM_UP = graphs.WARM_UP + 1
WAIT_EVERY = 4  # steps
PEAK_SIDE = {"cpu": 2048, "cuda": 8192}


def wait(device: torch.device) -> None:
    """Wait until the device has finished its queued work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(call, device: torch.device, budget: float) -> float:
    """Mean time of a call in seconds, over about as many calls as fit into `budget` seconds."""
    for i in range(WARM_UP):
        call(i)
    wait(device)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < budget:
        for _ in range(WAIT_EVERY):  # synchronising after every call would leave a GPU idle
            call(WARM_UP + count)
            count += 1
        wait(device)
    return (time.perf_counter() - start) / count


@contextlib.contextmanager
def peak_memory(device: torch.device):
    """Yield a list that contains the peak memory of the block in bytes, after its end.

    GPU: memory allocated by torch. Otherwise: resident memory of the process, sampled at 10 Hz.
    """
    found: list[int] = []
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        yield found
        found.append(torch.cuda.max_memory_allocated(device))
        return
    ended, sizes = threading.Event(), [0]

    def watch():
        while not ended.wait(0.1):
            sizes.append(psutil.Process().memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    yield found
    ended.set()
    watcher.join()
    found.append(max(sizes))


def matrix_peak(device: torch.device, precision: str) -> float:
    """Floating-point operations per second of a large square matrix product."""
    side = PEAK_SIDE.get(device.type, 2048)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a = torch.randn(side, side, device=device).to(dtype)
    return 2 * side**3 / seconds(lambda _: a @ a, device, 2.0)


def noise(height: int, width: int, device: torch.device) -> PairData:
    """Noise images, key points and masks; each image is paired with its predecessor."""
    random = np.random.default_rng(0)
    names = [f"{i}.png" for i in range(PICTURES)]
    images = random.integers(0, 256, (PICTURES, height, width, 3)).astype(np.uint8)
    keypoints = random.integers(0, (height, width), (PICTURES, 18, 2)).astype(np.int16)
    masks = random.integers(0, 256, (PICTURES, -(-height * width // 8))).astype(np.uint8)
    pairs = np.stack([np.arange(PICTURES), np.roll(np.arange(PICTURES), 1)], 1).astype(np.int32)
    poses = PoseSet("train", names, keypoints, masks, pairs, (height, width))
    return PairData(ImageSet(names, names, images), poses, device)


def measure(
    task: Task,
    data: PairData,
    batch: int,
    precision: str,
    peak: float,
    budget: float,
) -> list[str]:
    """The cells of one row of the table, from `images/s` on.

    batch: its size. budget: seconds of measuring.
    """
    device, settings = data.device, task.settings
    for module in task.modules.values():
        module.train().to(device, memory_format=torch.channels_last)
    sampler, flip = PairSampler(data.pairs, batch, 0), torch.arange(batch) % 2 == 0

    def fetch(i):
        return data.batch(sampler.batch(i), flip)

    def update(pairs):
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            return task.update(pairs)

    with FlopCounterMode(display=False) as counter:
        update(fetch(0))
    operations = counter.get_total_flops()
    advance = graphs.recorded(task, update, device)
    with peak_memory(device) as memory:
        whole = seconds(lambda i: advance(fetch(i)), device, budget)
    part = seconds(fetch, device, 1.0)
    return [
        f"{batch / whole:.0f}",
        f"{operations / batch / 1e9:.3f}",
        f"{operations / whole / 1e9:.0f}",
        f"{operations / whole / peak:.0%}",
        f"{part / whole:.1%}",
        f"{memory[0] / 2**30:.2f}",
        f"{settings.steps * settings.batch_size / batch * whole / 60:.1f}",  # for as many images
    ]


def tasks(params: config.Params, dataset: str, networks: list[str], variants: list[str]):
    """Yield the trainings of a data set: (name, task)."""
    used = list(dict.fromkeys([*networks, *(params.variant[v].network for v in variants)]))
    named = {"datasets": [dataset], "networks": used, "variants": variants}
    resolved = resolve.resolve(params.model_copy(update=named))

    def run(name: str) -> RunConfig:
        return RunConfig.model_validate(resolved[f"{dataset}/{name}.json"])

    for name in networks:
        yield f"stage1-{name}", stage1_task(run(f"stage1-{name}"))[0]
    for name in variants:
        coarse, meta = stage1_task(run(f"stage1-{params.variant[name].network}"))
        yield f"stage2-{name}", stage2_task(run(f"stage2-{name}"), coarse.result, meta)[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", nargs="*", help="of params.yaml; default: all")
    parser.add_argument("--network", nargs="*", default=["vdg"], help="for stage I; default: vdg")
    parser.add_argument(
        "--variant", nargs="*", default=["full"], help="for stage II; default: full"
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--batch-size", type=int, help="in place of the data set's own")
    parser.add_argument("--seconds", type=float, default=8.0, help="of measuring, per training")
    args = parser.parse_args()
    params = config.load("params.yaml")
    device = select_device(args.device)
    set_up(0, params.deterministic, params.threads)
    peak = matrix_peak(device, args.precision)
    print(
        f"{device}, {torch.get_num_threads()} threads, {args.precision}, torch {torch.__version__};"
        f" matrix product: {peak / 1e9:.0f} GFLOP/s. minutes: of the whole training\n\n"
        "| training | images/s | GFLOP/image | GFLOP/s | of the peak | input | peak GiB | minutes |"
        "\n|---|---|---|---|---|---|---|---|"
    )
    for name in args.dataset or params.dataset:
        data = noise(params.dataset[name].height, params.dataset[name].width, device)
        for training, task in tasks(params, name, args.network, args.variant):
            batch = args.batch_size or task.settings.batch_size
            cells = measure(task, data, batch, args.precision, peak, args.seconds)
            print(f"| {name} {training} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    cli.run(main)
