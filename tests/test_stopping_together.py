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

from vdg import cli
from vdg.training import distributed
from vdg.training.loop import run_steps
from vdg.training.progress import LossesFile

torch.set_num_threads(1)
folder, last = Path(sys.argv[1]), int(sys.argv[2])

class Toy:
    def __init__(self):
        torch.manual_seed(0)
        self.net = nn.Linear(4, 4)
        self.modules = nn.ModuleDict({"net": self.net})
        self.optimizers = {"net": torch.optim.Adam(self.net.parameters(), lr=0.01)}

    def wrap(self, wrapper):
        self.wrapped = wrapper(self.net)

    def update(self, x):
        loss = (self.wrapped(x) - x / 3).square().mean()
        self.optimizers["net"].zero_grad()
        loss.backward()
        self.optimizers["net"].step()
        return {"mse": loss.detach(), "other": x.mean()}

def batch_at(step):
    if step == last and distributed.rank() == 1:  # one alone is told
        os.kill(os.getpid(), signal.SIGTERM)
    return distributed.shard(torch.randn(8, 4, generator=torch.Generator().manual_seed(step)))

def main():
    with distributed.join(torch.device("cpu")):
        task = Toy()
        rows = run_steps(task, batch_at, steps=30, scratch=folder / "scratch")
        if distributed.rank() == 0:
            LossesFile(folder / "losses.csv").finish(rows)
            torch.save([rows, task.modules.state_dict()], folder / "end.pt")

cli.run(main)
"""


def run(folder, last):
    folder.mkdir(exist_ok=True)
    (folder / "child.py").write_text(CHILD)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return subprocess.run(
        [sys.executable, *launch, folder / "child.py", folder, str(last)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )


def test_both_stop_after_the_step_and_go_on_to_the_same_bits(tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert run(whole, -1).returncode == 0
    for last, checkpoint in ((6, 7), (24, 25)):
        assert run(stopped, last).returncode != 0
        assert sorted(stopped.glob("scratch/step-*"))[-1].name == f"step-{checkpoint:08d}.pt"
    assert run(stopped, -1).returncode == 0
    assert len(pd.read_csv(whole / "losses.csv")) == 2
    ends = [torch.load(folder / "end.pt", weights_only=True) for folder in (whole, stopped)]
    assert ends[0][0] == ends[1][0]  # the rows, to the bit
    assert all(torch.equal(ends[0][1][name], ends[1][1][name]) for name in ends[0][1])
