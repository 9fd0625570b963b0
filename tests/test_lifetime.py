"""The lock of a scratch folder, and the end of a training whose DVC is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from conftest import ROOT
from test_training import names, run, same, whole  # noqa: F401 (a fixture)

from vdg.errors import InputError
from vdg.training import lifetime
from vdg.training.checkpoints import clean_up

# trains in a folder; says so at step 47, and goes on when there is a file beside the folder
CHILD = """
import os, sys, time
from pathlib import Path
from vdg.training import lifetime
lifetime.POLL = 0.05
lifetime.watch()
from test_training import batch_at, cli, run

scratch = Path(sys.argv[1])
def patient(step):
    if step == 47:
        print(os.getpid(), flush=True)
        while not scratch.with_suffix(".go").exists():
            time.sleep(0.05)
    return batch_at(step)

cli.run(lambda: run(scratch, patient) and None)
"""
LAUNCHER = "import subprocess, sys; subprocess.run([sys.executable, *sys.argv[1:]])"


def start(scratch, *launcher, **variables):
    """A process that has reached step 47: (process, id of the training process)."""
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT), str(Path(__file__).parent)])
    process = subprocess.Popen(
        [sys.executable, *launcher, "-c", CHILD, str(scratch)],
        env=os.environ | {"PYTHONPATH": paths} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return process, int(process.stdout.readline())


def end(process):
    process.kill()
    return process.communicate()[1]


def eventually(look):
    for _ in range(300):
        if look():
            return True
        time.sleep(0.1)
    return False


def test_a_second_training_of_the_same_run_is_told_who_trains(whole, tmp_path):  # noqa: F811
    scratch = tmp_path / "both"
    process, number = start(scratch)
    try:
        with pytest.raises(
            InputError, match=rf"process {number} on .* trains this run already, in"
        ):
            run(scratch)
        assert names(scratch) == ["step-00000020.pt", "step-00000040.pt"]
        process.send_signal(signal.SIGSTOP)  # even one that does nothing holds it
        with pytest.raises(
            InputError, match="end it with SIGTERM, upon which it saves a checkpoint"
        ):
            run(scratch)
    finally:
        end(process)
    # the system's lock ended with its process
    assert same(run(scratch), whole)
    clean_up(scratch)
    assert not scratch.exists()


def test_a_process_may_come_back_to_its_own_folder(whole, tmp_path):  # noqa: F811
    for _ in range(2):
        assert same(run(tmp_path / "own"), whole)


def test_a_folder_that_is_let_go_is_free(tmp_path):
    lifetime.hold(tmp_path / "a")
    code = "import sys; from vdg.training.lifetime import *; hold(Path(sys.argv[1]))"
    other = [sys.executable, "-c", code, str(tmp_path / "a")]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    assert subprocess.run(other, env=environment, capture_output=True).returncode == 1
    lifetime.release(tmp_path / "a")
    assert subprocess.run(other, env=environment).returncode == 0


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write .*file/run: Not a directory"):
        lifetime.hold(tmp_path / "file" / "run")


# as DVC starts a stage: by a shell, which may take its command's place or wait for it
SHELL = LAUNCHER.replace("[", "['sh', '-c', '\"$@\"; exit', 'sh', ", 1)


def abandon(scratch, launcher, notice, **variables):
    """Kill the parent of a training, which may `notice`; returns the training's last output."""
    process, number = start(scratch, "-c", launcher, **variables)
    training = psutil.Process(number)
    process.kill()
    process.wait()
    said = notice(process)
    scratch.with_suffix(".go").write_text("")
    assert eventually(lambda: not training.is_running())
    return said + process.communicate()[1]


@pytest.mark.parametrize("launcher", [LAUNCHER, SHELL], ids=["itself", "through a shell"])
def test_a_training_ends_with_dvc(whole, tmp_path, launcher):  # noqa: F811
    scratch = tmp_path / "orphan"
    said = abandon(scratch, launcher, lambda p: p.stderr.readline(), DVC_STAGE="train-stage1")
    assert said.startswith("Saving a checkpoint")
    assert "stopped by SIGTERM after a checkpoint; the same command goes on" in said
    assert names(scratch)[-1] == "step-00000048.pt"
    assert same(run(scratch), whole)


def test_without_dvc_a_training_outlives_its_shell(tmp_path):
    scratch = tmp_path / "nohup"
    assert abandon(scratch, LAUNCHER, lambda _: time.sleep(0.5) or "") == ""
    assert names(scratch)[-1] == "step-00000060.pt"  # of 64 steps


@pytest.mark.parametrize(("policy", "spins"), [(None, "3000"), ("active", "30000000000")])
def test_waiting_threads_soon_sleep_unless_the_user_says_otherwise(policy, spins):
    """GNU's OpenMP shows its settings as torch is imported."""
    places = {"OMP_DISPLAY_ENV": "verbose", "PYTHONPATH": str(ROOT / "src")}
    places |= {"OMP_WAIT_POLICY": policy} if policy else {}
    unset = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}
    done = subprocess.run(
        [sys.executable, "-m", "stages.train_stage1", "--help"],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k not in unset} | places,
        text=True,
        capture_output=True,
        check=True,
    )
    if "GOMP_SPINCOUNT" not in done.stderr:
        pytest.skip("torch's OpenMP is not GNU's")
    assert f"GOMP_SPINCOUNT = '{spins}'" in done.stderr
