"""SIGKILL at any moment, then the same command: the same bytes as an uninterrupted run."""

import json
import subprocess
import sys

import compared
import pytest
import yaml
from compared import TRAININGS
from conftest import ROOT

from vdg import config, resolve
from vdg.files import sha256

IN_THE_PREVIEW = 8  # after the first checkpoint: its file is flushed twice
COMPARED = ("pg2", "def-gan", "dpig", "patn")
BUDGET = {"steps": 60, "batch_size": 4}
SMALL = BUDGET | {"width": 4, "max_width": 8, "depth": 2}

# one process imports torch and forks a child per attempt, which would otherwise take seconds each
CHILD = """
import json, os, random, signal, sys, time
from pathlib import Path

import torch

from vdg import files
from vdg import train as module
from vdg.settings import RunConfig
from vdg.training import loop as training

torch.set_num_threads(1)
(runs, kills), (data, base) = map(json.loads, sys.argv[1:3]), map(Path, sys.argv[3:5])
run_steps = training.run_steps
def often(*args, **settings):
    return run_steps(*args, **settings, log_every=5, checkpoint_every=10, checkpoint_seconds=0)
module.run_steps = often

def work(name, folder):
    os.environ["DVC_ROOT"] = str(folder)
    configuration, stage1 = runs[name]
    stage1 = folder / stage1 / "model.safetensors" if stage1 else None
    configuration = RunConfig.model_validate(configuration)
    run = module.Run(configuration, data, 0, folder / name, folder / f"{name}.csv", stage1)
    (module.train_stage2 if stage1 else module.train_stage1)(run)
    assert "torch._dynamo" not in sys.modules  # the compiler is slow to import, and nobody's wish

def die_in_write(number):
    # at the nth flush of a file to disk: before its new content has its name
    sync, calls = os.fsync, []
    def fsync(handle):
        calls.append(handle)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        sync(handle)
    files.os.fsync = fsync

def attempt(name, folder, kill, number):
    # whether it was killed: from outside, or inside a write when `number` says so
    pid = os.fork()
    if pid == 0:
        if kill and number % 3 == 2:
            die_in_write(3 + number // 3)  # the first two flushes are of the losses
        try:
            work(name, folder)
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

# once: the children, which are killed after fractions of a second, inherit what is parsed here
for configuration, _ in runs.values():
    module.require_unchanged(configuration["code"])
for name in runs:
    chance = random.Random(name)
    attempt(name, base / "whole", False, 0)
    for number in kills:
        # finished before its time came: once more from the start, so that all are killed
        while not attempt(name, base / "killed", True, number):
            (base / "killed" / name / "model.safetensors").unlink()
    attempt(name, base / "killed", False, 0)
"""


@pytest.fixture(scope="module")
def configs(tmp_path_factory):
    """params.yaml scaled down, resolved: what each run depends on, by its file's name."""
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    networks = raw["network"]
    for stage in ("stage1", "stage2"):
        networks["vdg"][stage]["synthetic"] |= SMALL
    networks["vdg"]["stage2"]["synthetic"] |= {"discriminator_width": 4}
    for system, stage in TRAININGS:
        name = system.__name__.rpartition(".")[2].replace("_", "-")
        networks[name][stage]["synthetic"] |= BUDGET | {"steps": 25} | compared.SMALL[system][stage]
    raw["dataset"]["synthetic"] |= {"height": 32, "width": 16}
    raw |= {"networks": ["vdg", *COMPARED], "variants": ["full", "pg2"]}
    path = tmp_path_factory.mktemp("configs") / "params.yaml"
    path.write_text(yaml.safe_dump(raw))
    return resolve.resolve(config.load(path))


def require_same_bytes(runs, kills, configs, data, folder):
    """Train in child processes, uninterrupted and killed.

    runs: name -> (file in configs/, the run it refines or None). kills: numbers; that of 3 n + 2
    falls into the flush n + 3, others come at random moments.
    """
    runs = {name: (configs[f"synthetic/{file}.json"], base) for name, (file, base) in runs.items()}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps(runs), json.dumps(kills), data, folder],
        cwd=ROOT / "src",
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "resuming" in done.stderr
    assert "damaged" not in done.stderr  # a file is whole or not there
    for name in runs:
        for file in (f"{name}/model.safetensors", f"{name}.csv", f"{name}/samples.png"):
            assert sha256(folder / "killed" / file) == sha256(folder / "whole" / file), file
    assert not list((folder / "killed" / ".scratch").iterdir())


def test_twelve_kills_change_no_byte(configs, drawn_data, tmp_path):
    runs = {"stage1": ("stage1-vdg", None), "stage2": ("stage2-full", "stage1")}
    require_same_bytes(runs, [0, 1, 2, 3, 5, 8], configs, drawn_data, tmp_path)


def test_kills_of_compared_systems_change_no_byte(configs, drawn_data, tmp_path):
    runs = {name: (f"stage1-{name}", None) for name in COMPARED}
    runs |= {"pg2-refined": ("stage2-pg2", "pg2")}
    require_same_bytes(runs, [IN_THE_PREVIEW], configs, drawn_data, tmp_path)
