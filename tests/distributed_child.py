"""The processes of tests/test_distributed.py: python distributed_child.py MODE FOLDER."""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import torch

from vdg import train
from vdg.data.batches import Batch
from vdg.systems import vdg
from vdg.training import distributed
from vdg.training import objectives as vdg_tasks

SHAPE = {"width": 4, "max_width": 8, "depth": 2, "shared_encoders": False}
SHAPE |= {"discriminator_width": 4, "discriminator_levels": 2}
SHAPE |= {
    "part_warp": False,
    "alpha": 0.85,
    "similarity": "mask-ssim",
    "mask_weight": 1.0,
    "lambda": 10,
    "feature_matching": 1.0,
    "ema_decay": 0.5,
    "size": [32, 16],
}
SHAPE |= {"learning_rate": 1e-3, "discriminator_learning_rate": 1e-3}
BATCH, SIZE, STEPS = 4, (32, 16), 5


def tasks():
    """The tasks of both stages, equal in every process.

    They use plain gradient descent. The gradient of a bias before a batch-norm is only rounding
    error, which Adam would scale to full steps.
    """

    def descent(module, learning_rate, beta=None):
        return torch.optim.SGD([p for p in module.parameters() if p.requires_grad], learning_rate)

    vdg_tasks.adam = descent
    torch.manual_seed(0)
    stage1 = vdg.build_stage1(SHAPE)
    yield "stage1", vdg.stage1_task(vdg.build_stage1(SHAPE), SHAPE)
    yield "stage2", vdg.stage2_task(vdg.build_generator(stage1, SHAPE), SHAPE)


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
        for name, task in tasks():
            task.modules.train()
            task.wrap(distributed.wrap)
            for i in range(STEPS):
                task.update(batch_at(i))
                if i == 0:
                    for key, value in task.modules.named_parameters():
                        if value.grad is not None:
                            found[f"{name} gradient {key}"] = value.grad.clone()
            found |= {f"{name} {key}": v.clone() for key, v in task.modules.state_dict().items()}
        if distributed.rank() == 0:
            torch.save(found, folder / f"found-{distributed.world_size()}.pt")


def whole_training(folder):
    """Train stage I, with a file per rank that contains its process id."""
    torch.set_num_threads(1)
    config = json.loads((folder / "configs/drawn/stage1-vdg.json").read_text())
    (folder / f"rank-{os.environ.get('RANK', 0)}").write_text(str(os.getpid()))
    out = folder / "out"
    train.train_stage1(train.Run(config, folder / "data" / "drawn", 0, out, out / "losses.csv"))


if __name__ == "__main__":
    {"step": step, "train": whole_training}[sys.argv[1]](Path(sys.argv[2]))
