"""The server of the demo page: what it leaves on the disk, and its answers to malformed events."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import requests
import torch
from conftest import ROOT

from vdg import cli, systems
from vdg.commands import generate
from vdg.commands.demo import SESSIONS
from vdg.errors import InputError
from vdg.inference import motion
from vdg.inference.private_folder import PREFIX, private_folder
from vdg.inference.transfer import named_pose

SIZE = [32, 16]
SETTINGS = {"steps": 1, "batch_size": 4, "learning_rate": 1e-3, "size": SIZE, "width": 4}

# --- the folder

HOLD = """
import signal, sys, time
from vdg.inference.private_folder import private_folder
# whatever the tests themselves were started with, such as nohup, or in the background
signal.signal(signal.SIGHUP, signal.SIG_IGN if "ignore" in sys.argv else signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
with private_folder() as folder:
    (folder / "upload").mkdir()
    (folder / "upload" / "a.png").write_bytes(b"x")
    print(folder, flush=True)
    for _ in range(600):  # Python 3.14 may see a signal that comes now only after a sleep
        time.sleep(0.1)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """The system's folder of temporary files."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield folder
    tempfile.tempdir = None


def start(*arguments):
    """A process that holds a folder: (process, folder)."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        text=True,
    )
    return process, Path(process.stdout.readline().strip())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_deletes_the_folder(number):
    process, folder = start()
    assert (folder / "upload" / "a.png").is_file()
    assert folder.stat().st_mode & 0o077 == 0
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode in (128 + number, -number)
    assert not folder.exists()


def test_an_ignored_hangup_stays_ignored():
    process, folder = start("ignore")
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    assert folder.is_dir()
    process.terminate()
    process.communicate(timeout=30)
    assert not folder.exists()


def test_a_start_deletes_what_a_killed_one_left(temporary):
    running, held = start()
    killed, left = start()
    killed.kill()
    killed.communicate(timeout=30)
    others = temporary / "else"
    others.mkdir()
    (others / "keep").write_text("")
    (temporary / f"{PREFIX}link").symlink_to(others)
    (temporary / f"{PREFIX}file").write_text("")
    assert left.is_dir()
    with private_folder() as folder:
        assert folder.is_dir()
        assert not left.exists()
        assert (held / "upload" / "a.png").is_file()  # its program still runs
    assert not folder.exists()
    assert (others / "keep").exists()
    running.terminate()
    running.communicate(timeout=30)


# --- the page


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "small.safetensors"
    meta = {"system": "pg2", "stage1": SETTINGS, "stage2": None, "size": SIZE}
    torch.manual_seed(0)
    systems.save(path, systems.builder(meta)(), meta)
    return path


@pytest.fixture(scope="module")
def server(model, tmp_path_factory):
    """The page as a user serves it: (address, folder of temporary files, its output so far)."""
    pytest.importorskip("gradio", reason="needs requirements-demo.txt")
    folder = tmp_path_factory.mktemp("tmp")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vdg", "demo", "--device", "cpu", "--port", str(port)]
    output = folder.parent / f"{folder.name}.log"
    with output.open("w") as log:
        process = subprocess.Popen(
            [*command, "--model", str(model)],
            cwd=ROOT,
            env=os.environ
            | {"TMPDIR": str(folder), "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    while "public link" not in output.read_text():  # the last words of its start
        assert process.poll() is None, output.read_text()
        time.sleep(0.2)
    yield f"http://127.0.0.1:{port}", folder, output, process
    process.kill()
    process.wait()


def send(address, name, data, event=None, number=None, session="s"):
    """The answer to an event: the status and text of a refusal, or the last message."""
    handlers = requests.get(f"{address}/config", timeout=30).json()["dependencies"]
    found = {handler["api_name"]: handler["id"] for handler in handlers}
    body = {"data": data, "fn_index": found[name] if number is None else number}
    body |= {"session_hash": session, "event_data": event}
    joined = requests.post(f"{address}/gradio_api/queue/join", json=body, timeout=30)
    if not joined.ok:
        return f"{joined.status_code} {joined.text}"
    told = requests.get(
        f"{address}/gradio_api/queue/data",
        params={"session_hash": session},
        stream=True,
        timeout=30,
    )
    return next(line.decode() for line in told.iter_lines() if b"process_completed" in line)


@pytest.mark.parametrize("event", [None, {}, [], "a", {"index": 1.0}, {"index": True, "value": 1}])
def test_a_malformed_choice_ends_in_a_line(server, model, event):
    said = send(server[0], "choose", [model.name], event)
    assert "there is no person" in said
    assert "Traceback" not in server[2].read_text()


def test_an_event_of_no_handler_ends_in_a_line(server, model):
    assert send(server[0], "choose", [model.name], number=9999).startswith("400 ")
    assert "Traceback" not in server[2].read_text()


def test_a_message_names_an_upload_without_its_folder(server, model):
    url = f"{server[0]}/gradio_api/upload"
    (path,) = requests.post(url, files={"files": ("no.png", b"no picture")}, timeout=30).json()
    assert Path(path).is_relative_to(server[1])
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    said = send(server[0], "upload", [file, model.name])
    assert "no.png: cannot read image" in said
    assert str(server[1]) not in said


def test_a_visitor_whose_session_was_dropped_reads_a_line(server, model):
    address = server[0]
    stand = {"size": SIZE, "joints": named_pose("stand", tuple(SIZE)).tolist()}
    drawing = [model.name, None, stand, stand]
    person = {"index": 0}

    def visit(session):
        assert '"success":true' in send(address, "choose", [model.name], person, session=session)

    visit("first")
    assert '"success":true' in send(address, "draw", drawing, session="first")
    for number in range(SESSIONS):
        visit(f"later {number}")
    assert "there is no picture yet: pick a person" in send(
        address, "draw", drawing, session="first"
    )
    visit("first")  # as it says
    assert '"success":true' in send(address, "draw", drawing, session="first")


def test_a_page_that_is_ended_leaves_nothing(server):
    """The last of these tests: it ends the server."""
    _, folder, _, process = server
    assert any(path.is_file() for path in folder.rglob("*"))
    process.terminate()
    process.wait(30)
    assert list(folder.glob(f"{PREFIX}*")) == []


# --- bounds


def test_a_turntable_is_bounded(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["generate", "--source", "a.png", "--turntable", "10000000"])
    with pytest.raises(SystemExit):
        cli.run(generate.main)
    assert "at most 360 views" in capsys.readouterr().err


def test_a_motion_is_bounded():
    with pytest.raises(InputError, match="motion of 2001 frames, at most 2000"):
        motion.frames([f"{i}.json" for i in range(2001)])
