"""The training loop on a toy task: interruptions, checkpoints, schedule, records."""

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from vdg import cli, runtime
from vdg.errors import InputError, StoppedError
from vdg.training import checkpoints, distributed
from vdg.training import loop as training
from vdg.training.checkpoints import clean_up
from vdg.training.loop import learning_rate_factor, run_steps
from vdg.training.progress import LossesFile
from vdg.training.task import adam

SOURCES = Path(training.__file__).parents[2]
STEPS = 64  # no multiple of what follows
SETTINGS = {"steps": STEPS, "log_every": 5, "checkpoint_every": 20, "checkpoint_seconds": 0}


class Toy:
    """Learn to halve numbers, with dropout, so that the random state matters too."""

    def __init__(self):
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.2), nn.Linear(8, 4))
        self.modules = nn.ModuleDict({"net": self.net})
        self.optimizers = {"net": adam(self.net, 0.01)}
        self.rates = []

    def wrap(self, wrapper):
        assert wrapper(self.net) is self.net  # a single process

    def update(self, x):
        self.rates.append(self.optimizers["net"].param_groups[0]["lr"])
        loss = (self.net(x) - x / 2).square().mean()
        self.optimizers["net"].zero_grad()
        loss.backward()
        self.optimizers["net"].step()
        return {"mse": loss.detach(), "step_size": torch.tensor(self.rates[-1])}

    def state(self):
        optimizer = self.optimizers["net"].state_dict()["state"]
        tensors = [value for values in optimizer.values() for value in values.values()]
        return [*self.net.state_dict().values(), *tensors, torch.get_rng_state()]


def batch_at(step):
    return torch.randn(8, 4, generator=torch.Generator().manual_seed(step))


def signalled_at(last, *signals):
    """Batches that send signals to this process during the step `last`."""

    def batch(step):
        if step == last:
            for number in signals:
                os.kill(os.getpid(), number)
        return batch_at(step)

    return batch


def run(scratch, batches=batch_at, **settings):
    task = Toy()
    rows = run_steps(task, batches, scratch=scratch, **SETTINGS | settings)
    return task, rows


def same(one, other):
    """Whether two runs have bit-identical final states and records."""
    pairs = zip(one[0].state(), other[0].state(), strict=True)
    return one[1] == other[1] and all(torch.equal(a, b) for a, b in pairs)


def names(scratch):
    """Files beside the lock."""
    return sorted(path.name for path in scratch.iterdir() if path.name[0] != ".")


@pytest.fixture
def whole(tmp_path):
    """An uninterrupted run."""
    task, rows = run(tmp_path / "whole")
    task.final = task.state()
    task.state = lambda: task.final  # later runs move the generator on
    return task, rows


@pytest.fixture
def stopped(tmp_path):
    """The scratch folder of a run with checkpoints at steps 20 and 40."""
    scratch = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        run(scratch, signalled_at(47, signal.SIGINT, signal.SIGINT))
    assert names(scratch) == ["step-00000020.pt", "step-00000040.pt"]
    return scratch


def test_twice_the_same(whole, tmp_path):
    assert same(run(tmp_path / "again"), whole)


def test_the_loss_falls(whole):
    rows = whole[1]
    assert rows[-1]["mse"] < 0.7 * rows[0]["mse"]


CHILD = """
import sys
from pathlib import Path
from test_training import cli, run, signalled_at
cli.run(lambda: run(Path(sys.argv[1]), signalled_at(47, int(sys.argv[2]))) and None)
"""


def test_a_stopped_process_goes_on_to_the_same_bytes(whole, tmp_path, capsys):
    """SIGKILL: tests/test_resume.py."""
    scratch = tmp_path / "stopped"
    paths = os.pathsep.join([str(SOURCES), str(Path(__file__).parent)])
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(scratch), str(int(signal.SIGTERM))],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert child.returncode == 143, child.stderr
    assert "Traceback" not in child.stderr
    assert "stopped by SIGTERM after a checkpoint; the same command goes on" in child.stderr
    assert names(scratch)[-1] == "step-00000048.pt"
    assert same(run(scratch), whole)
    assert "at step 48" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_after_a_checkpoint(whole, tmp_path, number, capsys):
    handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(StoppedError) as stop:
        run(tmp_path, signalled_at(7, number))
    assert stop.value.exit_code == 128 + number
    assert "press Ctrl-C again to exit now" in capsys.readouterr().err
    assert names(tmp_path)[-2:] == ["step-00000008.pt", "whole"]  # of the step under way
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert same(run(tmp_path), whole)


def test_stopping_again_and_again(whole, tmp_path):
    for last in (3, 12, 22, 61, 63):
        with pytest.raises(StoppedError):
            run(tmp_path / "again", signalled_at(last, signal.SIGTERM))
    assert same(run(tmp_path / "again"), whole)


def test_a_second_signal_stops_at_once(whole, stopped):
    assert same(run(stopped), whole)


def test_a_finished_run_trains_nothing_more(whole, tmp_path):
    settings = {"steps": 40}
    first = run(tmp_path / "a", **settings)
    first[0].final = first[0].state()
    again = run(tmp_path / "a", **settings)
    assert again[0].rates == []
    assert again[1] == first[1]
    assert all(torch.equal(a, b) for a, b in zip(first[0].final, again[0].state(), strict=True))


def test_two_checkpoints_are_kept(tmp_path):
    shown = []
    run(tmp_path, checkpoint_every=10, at_checkpoint=lambda: shown.append(names(tmp_path)[-1]))
    assert shown == [f"step-{step:08d}.pt" for step in range(10, 61, 10)]
    assert names(tmp_path) == ["step-00000050.pt", "step-00000060.pt"]
    clean_up(tmp_path)
    assert not tmp_path.exists()
    clean_up(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        *("truncated", "empty", "unlike"),
        pytest.param(
            "garbage",
        ),
    ],
)
def test_a_damaged_checkpoint_is_set_aside(whole, stopped, damage, capsys):
    newest = stopped / "step-00000040.pt"
    content = newest.read_bytes()
    if damage == "unlike":
        torch.save({"weights": torch.zeros(3)}, newest)
    else:
        kept = {"truncated": content[: len(content) // 2], "empty": b"", "garbage": b"x" * 999}
        newest.write_bytes(kept[damage])
    with pytest.warns(UserWarning, match=r"step-00000040.pt is damaged .*; set aside"):
        resumed = run(stopped)
    assert same(resumed, whole)
    assert "at step 20" in capsys.readouterr().err
    assert "step-00000040.damaged" in names(stopped)


@pytest.mark.parametrize(
    ("place", "error", "raised"),
    [
        ((Path, "read_bytes"), OSError(16, "busy"), InputError),
        ((torch, "load"), MemoryError(), MemoryError),
        ((torch, "load"), RuntimeError("DefaultCPUAllocator: can't allocate memory"), RuntimeError),
    ],
)
def test_a_checkpoint_that_cannot_be_read_now_is_not_called_damaged(
    stopped, monkeypatch, place, error, raised
):
    def fail(*_, **__):
        raise error

    before = names(stopped)
    monkeypatch.setattr(*place, fail)
    with pytest.raises(raised):
        run(stopped)
    assert names(stopped) == before


def test_each_process_resumes_its_own_state(tmp_path, monkeypatch):
    def chance(rank):
        return torch.Generator().manual_seed(rank)

    states = [
        {"sums": {"l1": torch.tensor(float(rank))}, "rng": chance(rank).get_state()}
        for rank in (0, 1)
    ]
    monkeypatch.setattr(distributed, "gather", lambda own: states)
    checkpoints.save(Toy(), tmp_path, 20, [], {}, "cpu")
    for rank in (0, 1):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        *_, sums = checkpoints.resume(Toy(), tmp_path, "cpu")
        assert sums == {"l1": rank}
        assert torch.equal(torch.rand(3), torch.rand(3, generator=chance(rank)))


@pytest.mark.filterwarnings("ignore:.*is damaged")
def test_without_a_whole_checkpoint_training_starts_anew(whole, stopped):
    for path in stopped.iterdir():
        path.write_bytes(b"")
    assert same(run(stopped), whole)


def test_checkpoints_keep_their_distance_in_time(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(training.time, "monotonic", lambda: clock[0])

    def ten_seconds_each(step):
        clock[0] += 10
        return batch_at(step)

    run(tmp_path, ten_seconds_each, steps=40, checkpoint_every=2, checkpoint_seconds=155)
    assert names(tmp_path) == ["step-00000016.pt", "step-00000032.pt"]


def test_what_a_killed_write_left_is_ignored(whole, stopped):
    (stopped / ".step-00000060.pt.x1y2").write_bytes(b"half")
    assert same(run(stopped), whole)


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("dump", [torch.save, lambda o, path: path.write_bytes(pickle.dumps(o))])
def test_a_checkpoint_runs_no_code(whole, stopped, tmp_path, dump):
    evil = {"step": 60, "rows": [], "modules": Evil(tmp_path / "executed")}
    dump(evil, stopped / "step-00000060.pt")
    with pytest.warns(UserWarning, match=r"step-00000060.pt is damaged"):
        resumed = run(stopped)
    assert not (tmp_path / "executed").exists()
    assert same(resumed, whole)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    ("step", "row", "last"), [(7, 10, "none"), (47, 50, "step-00000040.pt"), (62, 64, "60.pt")]
)
def test_a_loss_that_is_not_finite(tmp_path, value, step, row, last):
    with pytest.raises(InputError, match=f"diverged before step {row}: mse is not") as caught:
        run(tmp_path, lambda i: batch_at(i) * (value if i == step else 1), checkpoint_every=10)
    assert "step_size" not in str(caught.value)
    assert "lower the learning rate" in str(caught.value)
    assert str(caught.value).endswith(last)
    assert all(int(path.stem.removeprefix("step-")) <= step for path in tmp_path.glob("step-*"))


@pytest.mark.parametrize(("step", "found", "last"), [(39, 40, "20.pt"), (63, 64, "60.pt")])
def test_a_gradient_that_is_not_finite(tmp_path, step, found, last):
    """The loss of the same step is finite, and a checkpoint may precede the next step."""

    class Exploding(Toy):
        def update(self, batch):
            losses = super().update(batch)
            if len(self.rates) == step + 1:
                self.net[2].bias.data[1] = float("inf")
            return losses

    with pytest.raises(InputError, match=f"diverged before step {found}: the weights net.2.bias"):
        run_steps(Exploding(), batch_at, scratch=tmp_path, **SETTINGS)
    assert names(tmp_path)[-1].endswith(last)


@pytest.mark.filterwarnings("error")
def test_learning_rate_schedule(tmp_path):
    task, rows = run(tmp_path, steps=20, lr_decay_fraction=0.5)
    expected = [0.01] * 10 + [0.01 * (20 - step) / 10 for step in range(10, 20)]
    assert task.rates == pytest.approx(expected)
    assert rows[-1]["step_size"] == pytest.approx(sum(expected[-5:]) / 5)


def test_learning_rate_factor():
    assert [learning_rate_factor(step, 100, 0.5) for step in (0, 50, 75, 99)] == [1, 1, 0.5, 0.02]
    assert [learning_rate_factor(step, 100, 1.0) for step in (0, 25, 50)] == [1, 0.75, 0.5]
    assert learning_rate_factor(99, 100, 0.0) == 1


class Counter(Toy):
    """Known losses: the batch is the number of the step."""

    def update(self, step):
        return {"step_loss": torch.tensor(float(step)), "one": torch.tensor(1.0)}


def test_rows_are_means_since_the_last(tmp_path):
    rows = run_steps(Counter(), lambda step: step, steps=12, scratch=tmp_path, log_every=5)
    assert rows == [
        {"step": 5, "step_loss": 2.0, "one": 1.0},
        {"step": 10, "step_loss": 7.0, "one": 1.0},
        {"step": 12, "step_loss": 10.5, "one": 1.0},
    ]


def test_what_is_watched_is_measured_so_often(tmp_path):
    seen = []

    def watch():
        seen.append(True)
        return {"ssim": float(len(seen))}

    rows = run_steps(
        Counter(),
        lambda step: step,
        steps=50,
        scratch=tmp_path,
        log_every=5,
        watch=watch,
        watches=4,
    )
    assert {row["step"]: row["ssim"] for row in rows if "ssim" in row} == {
        15: 1.0,  # every quarter, rounded up to where there is a row
        30: 2.0,
        45: 3.0,
        50: 4.0,
    }


def test_adam_is_torchs():
    """Its steps and its state, to the bit; `vdg.training.task` takes wrappers off its methods."""

    def trained(make):
        torch.manual_seed(0)
        net = nn.Linear(4, 3)
        optimizer = make(net)
        for step in range(6):
            if step == 3:
                state, optimizer = optimizer.state_dict(), make(net)
                optimizer.load_state_dict(state)
            optimizer.zero_grad()
            (net(batch_at(step)) - 1).square().mean().backward()
            optimizer.step()
        values = optimizer.state_dict()["state"].values()
        return [*net.parameters(), *(tensor for value in values for tensor in value.values())]

    settings = {"lr": 0.01, "betas": (0.5, 0.999), "fused": True}
    theirs = trained(lambda net: torch.optim.Adam(net.parameters(), **settings))
    ours = trained(lambda net: adam(net, 0.01, 0.5))
    assert len(ours) == len(theirs) == 8
    assert all(map(torch.equal, ours, theirs))


def test_losses_as_csv(tmp_path):
    rows = [{"step": 20, "l1": 1 / 3, "image": 2.0}, {"step": 40, "l1": 1e-9, "image": 12345678.0}]
    LossesFile(tmp_path / "losses" / "a.csv").finish(rows)
    text = (tmp_path / "losses" / "a.csv").read_text()
    assert text == "step,l1,image\n20,0.333333,2\n40,1e-09,1.23457e+07\n"
    LossesFile(tmp_path / "long.csv").finish([{"step": 12345678, "l1": 0.5}])
    assert (tmp_path / "long.csv").read_text() == "step,l1\n12345678,0.5\n"
    rows[1]["ssim"] = 0.5
    LossesFile(tmp_path / "a.csv", ("ssim",)).finish(rows)
    lines = ["step,l1,image,ssim", "20,0.333333,2,", "40,1e-09,1.23457e+07,0.5"]
    assert (tmp_path / "a.csv").read_text().splitlines() == lines


def test_losses_can_be_read_while_they_grow(tmp_path):
    """Each row when it is known; a file that a link gave is not written into."""
    path, old = tmp_path / "a.csv", tmp_path / "cached"
    old.write_text("earlier")
    path.symlink_to(old)
    rows, seen = [], []
    file = LossesFile(path, ("ssim",))
    for step in (5, 10, 15):
        rows.append({"step": step, "l1": 0.5} | ({"ssim": 0.25} if step == 15 else {}))
        file.write(rows)
        seen.append(path.read_text())
    assert [len(text.splitlines()) for text in seen] == [2, 3, 4]
    assert old.read_text() == "earlier"
    file.finish(rows)
    assert path.read_text() == seen[-1]


def test_a_resumed_training_writes_the_rows_before_it(whole, stopped, tmp_path):
    """All of them at once, then one by one, to the bytes of a training that was not stopped."""
    path, calls = tmp_path / "a.csv", []
    file = LossesFile(path)

    def at_row(rows):
        calls.append(len(rows))
        file.write(rows)

    run(stopped, at_row=at_row)
    assert calls == [8, *range(9, 14)]
    grown = path.read_bytes()
    LossesFile(path).finish(whole[1])
    assert path.read_bytes() == grown


def test_bfloat16(tmp_path):
    task, rows = run(tmp_path, precision="bf16", steps=10)
    assert all(value.dtype == torch.float32 for value in task.net.parameters())
    assert rows != run(tmp_path / "fp32", steps=10)[1]


@pytest.fixture
def inputs(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode())
    return [tmp_path / "a", tmp_path / "b"]


def test_scratch_folder_is_that_of_one_run_alone(inputs):
    settings = {
        "seed": 0,
        "device": "cpu",
        "stage1": {"steps": 5, "width": 8},
        "code": {"src/vdg/training/losses.py": "1"},
    }
    folders = [runtime.scratch_folder(settings, inputs)]
    changes = [{"seed": 1}, {"stage1": {"steps": 6, "width": 8}}]
    for change in [*changes, {"code": {"src/vdg/training/losses.py": "2"}}]:
        folders.append(runtime.scratch_folder(settings | change, inputs))
    folders.append(runtime.scratch_folder(settings, inputs[:1]))
    inputs[1].write_bytes(b"c")
    folders.append(runtime.scratch_folder(settings, inputs))
    assert len(set(folders)) == len(folders)


def test_scratch_folder_does_not_depend_on_the_checkout(inputs, tmp_path, monkeypatch):
    monkeypatch.delenv("DVC_ROOT", raising=False)
    settings = {"seed": 0, "device": "cpu", "stage1": {"steps": 5, "width": 8}}
    folder = runtime.scratch_folder(settings, inputs)
    assert folder.parts[0] == ".scratch"
    copies = [tmp_path / "copy" / path.name for path in inputs]
    copies[0].parent.mkdir()
    for path, copied in zip(inputs, copies, strict=True):
        copied.write_bytes(path.read_bytes())
    turned = {key: settings[key] for key in reversed(settings)}
    assert runtime.scratch_folder(turned, copies[::-1]) == folder
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert runtime.scratch_folder(settings, inputs) == tmp_path / folder


def test_devices():
    assert runtime.select_device("cpu") == torch.device("cpu")
    with pytest.raises(InputError, match="device 'cuda:99' is not on this machine"):
        runtime.select_device("cuda:99")


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (InputError("params.yaml: alpha"), "error: params.yaml: alpha", ""),
        (StoppedError(signal.SIGTERM), 143, "stopped by SIGTERM"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_a_stage_says(error, code, text, capsys):
    def main():
        raise error

    with pytest.raises(SystemExit) as left:
        cli.run(main)
    assert left.value.code == code
    assert text in capsys.readouterr().err
