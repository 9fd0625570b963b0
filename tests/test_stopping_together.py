"""Two processes that are stopped between two rows of losses resume to the same bytes."""

import os
import subprocess
import sys

import pandas as pd
import torch
from conftest import ROOT

CHILD = """
import os, signal, sys
from pathlib import Path

import torch
from torch import nn

from ranks import together

from vdg import cli
from vdg.training import distributed
from vdg.training.loop import run_steps
from vdg.training.progress import LossesFile
from vdg.training.task import adam

torch.set_num_threads(1)
class Toy:
    def __init__(self):
        torch.manual_seed(0)
        self.net = nn.Linear(4, 4)
        self.modules = nn.ModuleDict({"net": self.net})
        self.optimizers = {"net": adam(self.net, 0.01)}

    def wrap(self, wrapper):
        self.wrapped = wrapper(self.net)

    def update(self, x):
        loss = (self.wrapped(x) - x / 3).square().mean()
        self.optimizers["net"].zero_grad()
        loss.backward()
        self.optimizers["net"].step()
        return {"mse": loss.detach(), "other": x.mean()}

def main(folder, last):
    def batch_at(step):
        if step == last and distributed.rank() == 1:  # one alone is told
            os.kill(os.getpid(), signal.SIGTERM)
        return distributed.shard(torch.randn(8, 4, generator=torch.Generator().manual_seed(step)))

    with distributed.join(torch.device("cpu")):
        task = Toy()
        rows = run_steps(task, batch_at, steps=30, scratch=folder / "scratch")
        if distributed.rank() == 0:
            LossesFile(folder / "losses.csv").finish(rows)
            torch.save([rows, task.modules.state_dict()], folder / "end.pt")

def run(name, last=-1):
    folder = Path(sys.argv[1], name)
    folder.mkdir(exist_ok=True)
    ends = together(lambda: cli.run(lambda: main(folder, last)), 2)
    print(name, any(ends), sorted(path.name for path in folder.glob("scratch/step-*"))[-1:])

run("whole")
run("stopped", 6)
run("stopped", 24)
run("stopped")
"""


def test_both_stop_after_the_step_and_go_on_to_the_same_bits(tmp_path):
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, "-c", CHILD, tmp_path],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == [
        "whole False []",
        "stopped True ['step-00000007.pt']",
        "stopped True ['step-00000025.pt']",
        "stopped False ['step-00000025.pt']",
    ], done.stderr
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert len(pd.read_csv(whole / "losses.csv")) == 2
    ends = [torch.load(folder / "end.pt", weights_only=True) for folder in (whole, stopped)]
    assert ends[0][0] == ends[1][0]  # the rows, to the bit
    assert all(torch.equal(ends[0][1][name], ends[1][1][name]) for name in ends[0][1])
