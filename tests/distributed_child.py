"""The processes of tests/test_distributed.py: python distributed_child.py MODE FOLDER."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import torch
import typed
from compared import TRAININGS, make_task
from ranks import together

from vdg import train
from vdg.data.batches import Batch
from vdg.settings import RunConfig
from vdg.systems import patn
from vdg.systems.vdg import stage1, stage2
from vdg.training import distributed, task

ADVERSARY = {"discriminator_width": 4, "discriminator_levels": 2, "ema_decay": 0.5}
BATCH, SIZE, STEPS = 4, typed.SIZE, 5


def descent(module, learning_rate, beta=None):
    """Plain gradient descent in place of Adam.

    The gradient of a bias before a batch-norm is only rounding error, which Adam would scale to
    full steps.
    """
    return torch.optim.SGD([p for p in module.parameters() if p.requires_grad], learning_rate)


def tasks():
    """Tasks of every system, equal in every process, without dropout, which has no shards."""
    task.adam = stage2.adam = descent
    stage1.LEFT_OUT = 0.5
    plain = typed.vdg()
    warped = typed.vdg(part_warp=True)  # which it leaves out for some pairs, at random
    for name, chosen in (("stage1", plain), ("stage1 warp", warped)):
        yield name, stage1.stage1_task(typed.build(chosen), chosen)
    rate = {"discriminator_learning_rate": 1e-3}
    refined = typed.vdg("stage2", **ADVERSARY, **rate)
    yield "stage2", stage2.stage2_task(typed.build(plain, refined), refined)
    for system, stage in TRAININGS:
        # more than the images of all steps, because each process has a pool of its own
        pool = {"pool": 50} if system is patn else {}
        yield f"{system.__name__} {stage}", make_task(system, stage, learning_rate=1e-3, **pool)


def batch_at(step):
    """This process's shard of one global batch."""
    chance = torch.Generator().manual_seed(step)

    def draw(*shape):
        return distributed.shard(torch.rand(BATCH, *shape, generator=chance))

    def joints():
        return (draw(18, 2) * torch.tensor(SIZE)).floor()

    I_a, K_a, I_b, K_b = 2 * draw(3, *SIZE) - 1, joints(), 2 * draw(3, *SIZE) - 1, joints()
    return Batch(I_a, K_a, I_b, K_b, (draw(1, *SIZE) > 0.5).float())


def step(folder):
    """Take a few steps of both tasks; rank 0 writes the first gradients and the final weights."""
    torch.set_num_threads(1)
    found = {}
    with distributed.join(torch.device("cpu")):
        for name, trained in tasks():
            trained.modules.train()
            for module in trained.modules.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.eval()
            trained.wrap(distributed.wrap)
            for i in range(STEPS):
                trained.update(batch_at(i))
                if i == 0:
                    for key, value in trained.modules.named_parameters():
                        if value.grad is not None:
                            found[f"{name} gradient {key}"] = value.grad.clone()
            state = trained.modules.state_dict().items()
            # every process has a pool of its own
            found |= {f"{name} {key}": v.clone() for key, v in state if "_pool." not in key}
        if distributed.rank() == 0:
            torch.save(found, folder / f"found-{distributed.world_size()}.pt")


def whole_training(folder):
    """Train stage I, with a file per rank that contains its process id."""
    torch.set_num_threads(1)
    train.require_unchanged = lambda code: None  # this file imports more than a run does
    config = RunConfig.model_validate_json((folder / "configs/drawn/stage1-vdg.json").read_text())
    (folder / f"rank-{os.environ.get('RANK', 0)}").write_text(str(os.getpid()))
    out = folder / "out"
    train.train_stage1(train.Run(config, folder / "data" / "drawn", 0, out, out / "losses.csv"))


def by_one_and_by_two(work, *folders):
    """In new processes: `work(folder)` alone in the first folder, and by two in the last."""
    for size, folder in ((1, folders[0]), (2, folders[-1])):
        os.environ["DVC_ROOT"] = str(folder)
        if any(together(lambda folder=folder: work(folder), size)):
            sys.exit(1)


if __name__ == "__main__":
    mode, *folders = sys.argv[1:]
    folders = [Path(folder) for folder in folders]
    if mode == "train":
        whole_training(*folders)
    else:
        by_one_and_by_two({"steps": step, "trainings": whole_training}[mode], *folders)
