"""What tests/test_distributed.py runs in every process: python distributed_child.py MODE FOLDER."""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import torch

from vdg import train as experiment
from vdg.data.batches import Batch
from vdg.systems import vdg
from vdg.training import distributed
from vdg.training import objectives as vdg_tasks
from vdg.training.losses import ImageLoss
from vdg.training.objectives import Reconstruction, Refinement

SHAPE = {"width": 4, "widest": 8, "depth": 2, "shared_encoders": False}
SHAPE |= {"discriminator_width": 4, "discriminator_levels": 2}
BATCH, SIZE, STEPS = 4, (32, 16), 5
RATE = 1e-3


def tasks():
    """Both stages' tasks, the same in every process.

    With plain gradient descent: a bias before a batch-norm has no gradient but rounding, which Adam
    would blow up to whole steps.
    """

    def descent(module, learning_rate, beta=None):
        return torch.optim.SGD([p for p in module.parameters() if p.requires_grad], learning_rate)

    vdg_tasks.adam = descent
    torch.manual_seed(0)
    stage1 = vdg.build_stage1(SHAPE)
    yield "stage1", Reconstruction(vdg.build_stage1(SHAPE), RATE)
    loss = ImageLoss("mask-l1+mask-ssim", 0.85)
    generator, adversary = vdg.build_generator(stage1, SHAPE), vdg.build_discriminator(SHAPE)
    rates = {"learning_rate": RATE, "discriminator_learning_rate": RATE}
    yield "stage2", Refinement(generator, adversary, loss, lambda_=10, averaging=0.5, **rates)


def batch_at(step):
    """This process's share of one global batch."""
    chance = torch.Generator().manual_seed(step)

    def draw(channels):
        return distributed.shard(torch.rand(BATCH, channels, *SIZE, generator=chance))

    I_a, P_a, I_b, P_b = 2 * draw(3) - 1, draw(18), 2 * draw(3) - 1, draw(18)
    return Batch(I_a, P_a, I_b, P_b, (draw(1) > 0.5).float())


def step(folder):
    """A few steps of both tasks; process 0 writes gradients after the first, weights at the end."""
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


def train(folder):
    """The training of stage I, with a file that says which process is which."""
    torch.set_num_threads(1)
    config = json.loads((folder / "configs/drawn/stage1-vdg.json").read_text())
    (folder / f"rank-{os.environ.get('RANK', 0)}").write_text(str(os.getpid()))
    outputs = experiment.Outputs.of(folder / "out", folder / "out" / "losses.csv")
    experiment.train_stage1(config, folder / "data" / "drawn", 0, outputs)


if __name__ == "__main__":
    {"step": step, "train": train}[sys.argv[1]](Path(sys.argv[2]))
