"""SIGKILL at any moment, then the same command: the same bytes as an uninterrupted run."""

import json
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT

from vdg import config, resolve
from vdg.files import sha256

STAGES = {"stage1": "vdg", "stage2": "full"}
SMALL = {
    "width": 4,
    "max_width": 8,
    "depth": 2,
    "steps": 60,
    "batch_size": 4,
}

# one process imports torch and forks a child per attempt, which would otherwise take seconds each
CHILD = """
import json, os, random, signal, sys, time
from pathlib import Path

import torch

from vdg import files
from vdg import train as module
from vdg.training import loop as training

torch.set_num_threads(1)
stage, configuration, data, base = sys.argv[1:5]
configuration, data, base = json.loads(configuration), Path(data), Path(base)
train = training.train
def often(*args, **settings):
    return train(*args, **settings, log_every=5, checkpoint_every=10)
module.train = often

def work(folder):
    os.environ["DVC_ROOT"] = str(folder)
    stage1 = folder / "stage1" / "model.safetensors" if stage == "stage2" else None
    run = module.Run(configuration, data, 0, folder / stage, folder / f"{stage}.csv", stage1)
    (module.train_stage2 if stage1 else module.train_stage1)(run)

def die_in_write(number):
    # at the nth flush of a file to disk: before its new content has its name
    sync, calls = os.fsync, []
    def fsync(handle):
        calls.append(handle)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        sync(handle)
    files.os.fsync = fsync

def attempt(folder, kill, number):
    # whether it was killed: from outside, or inside a write when `number` says so
    pid = os.fork()
    if pid == 0:
        if kill and number % 3 == 2:
            die_in_write(1 + number // 3)
        try:
            work(folder)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    if kill and number % 3 != 2:
        time.sleep(chance.uniform(0.02, 0.4))
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if not os.WIFSIGNALED(status) and os.WEXITSTATUS(status):
        sys.exit("the training failed")
    return os.WIFSIGNALED(status)

chance, killed = random.Random(stage), 0
attempt(base / "whole", False, 0)
while killed < 10:
    if attempt(base / "killed", True, killed):
        killed += 1
    else:  # finished before its time came: once more from the start, so that ten are killed
        (base / "killed" / stage / "model.safetensors").unlink()
attempt(base / "killed", False, 0)
print(killed)
"""


@pytest.fixture(scope="module")
def configs(tmp_path_factory):
    """The default configuration of both stages, scaled down."""
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    for stage in STAGES:
        raw["network"]["vdg"][stage]["synthetic"] |= SMALL
    raw["dataset"]["synthetic"] |= {"height": 32, "width": 16}
    raw["network"]["vdg"]["stage2"]["synthetic"] |= {"discriminator_width": 4}
    path = tmp_path_factory.mktemp("configs") / "params.yaml"
    path.write_text(yaml.safe_dump(raw))
    files = resolve.resolve(config.load(path))
    return {
        f"stage{i}": files[f"synthetic/stage{i}-{n}.json"] for i, n in ((1, "vdg"), (2, "full"))
    }


def train(stage, configs, data, folder):
    """Train in a child process, uninterrupted and with kills; returns the kill count and log."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, stage, json.dumps(configs[stage]), data, folder],
        cwd=ROOT / "src",
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout), done.stderr


def test_twenty_kills_change_no_byte(configs, drawn_data, tmp_path):
    """Ten kills per stage, at random moments; every third during a file write."""
    kills = 0
    for stage in STAGES:
        count, log = train(stage, configs, drawn_data, tmp_path)
        kills += count
        assert "resuming" in log
        assert "damaged" not in log  # a file is whole or not there
        for name in (f"{stage}/model.safetensors", f"{stage}.csv", f"{stage}/samples.png"):
            assert sha256(tmp_path / "killed" / name) == sha256(tmp_path / "whole" / name)
    assert kills == 20
    assert not list((tmp_path / "killed" / ".scratch").iterdir())
