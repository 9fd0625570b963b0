"""Two processes with half a batch each train as one process with the whole batch."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
import torch
from compared import TRAININGS

from vdg.code import hashes
from vdg.errors import InputError
from vdg.files import read_json, write_json
from vdg.training import distributed
from vdg.training.distributed import BatchNorm

TASKS = [
    "stage1",
    "stage1 warp",
    "stage2",
    *(f"{system.__name__} {stage}" for system, stage in TRAININGS),
]
CHILD = Path(__file__).parent / "distributed_child.py"
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")


def start(*command, folder, cwd=None):
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env=os.environ | {"DVC_ROOT": str(folder), "PYTHONPATH": str(CHILD.parents[1])},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def run(*command, folder):
    process = start(*command, folder=folder)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output


def test_gradients_and_weights_equal_those_of_one_process(tmp_path):
    run(CHILD, "steps", tmp_path, folder=tmp_path)
    one, two = (torch.load(tmp_path / f"found-{n}.pt", weights_only=True) for n in (1, 2))
    assert one.keys() == two.keys()
    for task in TASKS:
        gradients = [key for key in one if key.startswith(f"{task} gradient")]
        moved = [key for key in gradients if one[key].abs().max() > 1e-4]
        assert len(moved) >= 10, task
    for key, value in one.items():
        # sums of large terms are rounded as those are
        error = 1e-5 * max(1.0, float(value.abs().max()))
        torch.testing.assert_close(two[key], value, rtol=0, atol=error, msg=key)


@pytest.fixture
def prepare(stage1_config, drawn_data, tmp_path):
    """Make a folder with the data and the settings of a training: prepare(name, steps)."""

    def make(name, steps):
        folder = tmp_path / name
        (folder / "data").mkdir(parents=True)
        (folder / "data" / "drawn").symlink_to(drawn_data)
        settings = stage1_config.settings | {"steps": steps}
        config = stage1_config.model_dump() | {"settings": settings}
        write_json(folder / "configs" / "drawn" / "stage1-vdg.json", config)
        return folder

    return make


def test_a_training_by_two_ends_like_one_and_process_0_alone_writes(prepare):
    folders = [prepare(name, 40) for name in ("one", "two")]
    run(CHILD, "trainings", *folders, folder=folders[0])
    one, two = (pd.read_csv(folder / "out" / "losses.csv") for folder in folders)
    # A bias in front of a batch-norm has no gradient but rounding, which Adam scales up: statistics
    # of the batch take it out again, those that a network keeps for later follow with a delay.
    watched = [name for name in one if name.startswith("validation")]
    assert len(watched) == 2
    pd.testing.assert_frame_equal(one[watched], two[watched], rtol=0, atol=1e-3)
    losses = [run.drop(columns=watched) for run in (one, two)]
    pd.testing.assert_frame_equal(*losses, rtol=0, atol=5e-5)
    files = [sorted(p.name for p in (folder / "out").iterdir()) for folder in folders]
    assert files[0] == files[1]


def test_a_killed_process_ends_the_training_with_an_error(prepare):
    folder = prepare("killed", 1_000_000)
    process = start(*TORCHRUN, CHILD, "train", folder, folder=folder)
    deadline = time.time() + 120
    while len(list(folder.glob("rank-*"))) < 2 and time.time() < deadline:
        time.sleep(0.2)
    time.sleep(1)
    os.kill(int((folder / "rank-1").read_text()), signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "SIGKILL" in output or "-9" in output
    assert not (folder / "out" / "model.safetensors").exists()


def catches_sigterm(process):
    """Whether a process has installed its SIGTERM handler (Linux)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def trainers(stage):
    """The processes that train below torchrun, which a stage started."""
    with contextlib.suppress(psutil.NoSuchProcess):  # other children end while one looks
        launchers = psutil.Process(stage.pid).children()
        return [worker for launcher in launchers for worker in launcher.children()]
    return []


@pytest.fixture
def trained_by_two(prepare):
    """A stage that trains with two workers, which listen to signals: (folder, process, torchrun,
    workers)."""
    folder = prepare("stopped", 1_000_000)
    path = folder / "configs" / "drawn" / "stage1-vdg.json"
    code = hashes("stages.train_stage1", "vdg.systems.vdg.stage1")
    write_json(path, read_json(path) | {"processes": 2, "code": code})
    arguments = ("--dataset", "drawn", "--network", "vdg", "--seed", 0)
    process = start("-m", "stages.train_stage1", *arguments, folder=folder, cwd=folder)
    deadline, workers = time.time() + 120, []
    while time.time() < deadline and not (len(workers) == 2 and all(map(catches_sigterm, workers))):
        time.sleep(0.2)
        workers = trainers(process)
    torchrun = workers[0].parent()
    yield folder, process, torchrun, workers
    for remaining in (process, torchrun, *workers):
        with contextlib.suppress(psutil.NoSuchProcess):
            remaining.kill()


def ended(process):
    """Whether a process is gone; where init reaps no orphans, it stays as a zombie."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


reads_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="reads Linux's /proc"
)


@reads_proc
def test_a_signal_to_the_stage_stops_its_workers_after_a_checkpoint(trained_by_two):
    folder, process, _, workers = trained_by_two
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 143, output
    assert "stopped by SIGTERM after a checkpoint; the same command goes on" in output
    assert len(list(folder.glob(".scratch/*/step-*.pt"))) == 1
    assert not list(folder.rglob("model.safetensors"))
    assert all(ended(worker) for worker in workers)


@reads_proc
def test_workers_stop_after_a_checkpoint_when_what_started_them_is_killed(trained_by_two):
    folder, process, _, workers = trained_by_two
    process.kill()
    output, _ = process.communicate(timeout=60)  # also the workers' output, to their end
    assert process.returncode != 0
    assert "stopped by SIGTERM after a checkpoint; the same command goes on" in output
    assert len(list(folder.glob(".scratch/*/step-*.pt"))) == 1
    assert all(ended(worker) for worker in workers)


def test_alone_nothing_changes():
    torch.manual_seed(0)
    x = torch.randn(4, 3, 5, 5)
    ours, theirs = BatchNorm(3), torch.nn.BatchNorm2d(3)
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=0)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert distributed.wrap(ours) is ours
    assert torch.equal(distributed.shard(x), x)
    assert (distributed.world_size(), distributed.rank()) == (1, 0)
    assert distributed.any_rank(True, "cpu") is True


def test_a_batch_that_does_not_divide(monkeypatch):
    monkeypatch.setattr(distributed, "world_size", lambda: 3)
    with pytest.raises(InputError, match="a batch of 4 does not divide by 3"):
        distributed.shard(torch.zeros(4, 1))


@pytest.mark.parametrize(
    ("device", "gpus", "message"),
    [
        ("cuda:1", 2, "device must be auto, cpu or cuda, not 'cuda:1'"),
        ("mps", 0, "device must be auto, cpu or cuda, not 'mps'"),
        ("auto", 1, "processes = 2: each takes a GPU, and there are 1 here"),
    ],
)
def test_more_workers_than_the_device_has_room_for(monkeypatch, device, gpus, message):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(InputError, match=message):
        distributed.relaunch(2, device)
