"""Invalid requests to the demo page, and the information that its server exposes."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import requests
from conftest import ROOT
from PIL import Image

from vdg.commands import demo as stage
from vdg.errors import InputError

pytest.importorskip("gradio", reason="needs requirements-demo.txt")
from vdg.inference import demo

SIZE = [32, 16]


@pytest.fixture(scope="module")
def studio(small_model):
    return demo.Studio({"small": small_model}, "cpu")


@pytest.fixture(scope="module")
def drawing(studio):
    """Arguments with which `draw` and `resize` work: model, picture, source, target."""
    image, source = studio.person(0, "small")
    return "small", image, source, studio.pose("walk", 0, "small")


def joints(*first, count=18):
    """A skeleton editor's value, whose first joint is the one given."""
    return {"size": SIZE, "joints": [list(first), *([[5, 5]] * (count - 1))]}


EDITORS = {
    "17 joints": joints(5, 5, count=17),
    "19 joints": joints(5, 5, count=19),
    "one number": joints(5),
    "three numbers": joints(5, 5, 5),
    "outside": joints(32, 5),
    "far outside": joints(70_000, 5),
    "huge": joints(10**400, 5),
    "negative": joints(-2, -2),
    "half missing": joints(-1, 5),
    "NaN": joints(float("nan"), 5),
    "infinite": joints(5, float("inf")),
    "text": joints("a", 5),
    "null": joints(None, 5),
    "no joints": {"size": SIZE},
    "no size": {"joints": [[5, 5]] * 18},
    "joints of text": {"size": SIZE, "joints": "abc"},
    "no object": "abc",
    "nothing": None,
    "huge frame": {"size": [40_000, 20_000], "joints": [[5, 5]] * 18},
    "flat frame": {"size": [0, 0], "joints": [[-1, -1]] * 18},
    "negative frame": {"size": [-32, -16], "joints": [[-1, -1]] * 18},
    "frame of text": {"size": "ab", "joints": [[5, 5]] * 18},
}
every_editor = pytest.mark.parametrize("value", EDITORS.values(), ids=EDITORS)


@every_editor
def test_skeletons_that_no_editor_shows(studio, drawing, value):
    name, image, source, target = drawing
    for given in ((value, target), (source, value)):
        with pytest.raises(InputError):
            studio.draw(name, image, *given)
    with pytest.raises(InputError):
        studio.resize(name, image, value, target)


def test_what_an_editor_shows_is_drawn(studio, drawing):
    assert len(studio.draw(*drawing)) == 4
    assert studio.resize(*drawing)[0]["size"] == SIZE


@pytest.mark.parametrize(
    "call",
    [
        lambda studio, given: studio.draw("small", None, *given),
        lambda studio, given: studio.resize("small", None, *given),
        lambda studio, given: studio.upload(None, "small"),
    ],
    ids=["draw", "resize", "upload"],
)
def test_no_picture(studio, drawing, call):
    with pytest.raises(InputError, match="no picture yet: pick a person"):
        call(studio, drawing[2:])


@pytest.mark.parametrize("name", ["", "large", "/etc/passwd", None])
def test_no_such_model(studio, drawing, name):
    for call in (
        lambda: studio.person(0, name),
        lambda: studio.pose("walk", 0, name),
        lambda: studio.draw(name, *drawing[1:]),
        lambda: studio.resize(name, *drawing[1:]),
    ):
        with pytest.raises(InputError, match="there is no model"):
            call()


@pytest.mark.parametrize("index", [-1, 12, "a", None, [0, 1], 0.5])
def test_no_such_person(studio, index):
    with pytest.raises(InputError, match="there is no person"):
        studio.person(index, "small")


@pytest.mark.parametrize(
    ("name", "azimuth"), [("jump", 0), ("walk", None), ("walk", "x"), ("walk", float("nan"))]
)
def test_no_such_pose(studio, name, azimuth):
    with pytest.raises(InputError, match="pose"):
        studio.pose(name, azimuth, "small")


@pytest.mark.parametrize("size", [(3000, 2000), (1, 20_000), (400, 500)])
def test_uploads_are_shrunk(studio, tmp_path, size):
    """The page keeps the pictures of many visitors in memory."""
    Image.new("RGB", size).save(tmp_path / "large.png")
    image, value = studio.upload(str(tmp_path / "large.png"), "small")
    assert max(image.size) == min(max(size), 512)
    assert np.array(value["joints"]).shape == (18, 2)


def test_an_upload_of_too_many_pixels(studio, tmp_path):
    Image.new("1", (13_000, 13_000)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 100_000
    with pytest.raises(InputError, match=r"bomb.png has more than 50 million pixels"):
        studio.upload(str(tmp_path / "bomb.png"), "small")


# --- over HTTP


@contextlib.contextmanager
def serving(model, *options, program=("-m", "vdg", "demo"), **variables):
    """The page served by its command: (address, first output)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ("--port", str(port), "--device", "cpu", *options)
    process = subprocess.Popen(
        [sys.executable, *program, *arguments, "--model", str(model)],
        cwd=ROOT,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        told = []
        while not told or "public link" not in told[-1]:  # the last words of a start
            told.append(process.stdout.readline())
            assert told[-1], "".join(told)  # it ended
        yield f"http://127.0.0.1:{port}", "".join(told)
    finally:
        process.kill()
        process.communicate()


SLOW = """
import sys, threading, time
from pathlib import Path
from vdg.inference import demo
from vdg.commands import demo as stage

go, running, lock, draw = Path(sys.argv.pop(1)), set(), threading.Lock(), demo.Studio.pose
def pose(self, name, azimuth, model):  # the name is that of the call
    if azimuth != 77:
        return draw(self, name, azimuth, model)
    with lock:
        running.add(threading.get_ident())
        together = len(running)
    while not go.exists():
        time.sleep(0.05)
    with lock:
        running.discard(threading.get_ident())
    raise demo.InputError(f"{together} together")
demo.Studio.pose = pose
stage.main()
"""


@pytest.fixture(scope="module")
def server(small_model, tmp_path_factory):
    """The page served to a network: (address, first output, file that a view from 77 waits for)."""
    go = tmp_path_factory.mktemp("server") / "go"
    program = ("-c", "import sys; sys.path.insert(0, 'src')\n" + SLOW, str(go))
    with serving(small_model, "--host", "0.0.0.0", program=program) as served:
        yield *served, go


def test_a_host_that_others_reach_is_warned_of(server):
    assert "is open to others: whoever reaches it can use the page" in server[1]
    assert "ssh -N -L" in server[1]


@pytest.fixture(scope="module")
def guarded(small_model):
    """The page served to a network that has to log in."""
    given = ("--host", "0.0.0.0", "--login", "ada")
    with serving(small_model, *given, VDG_PASSWORD="correct horse") as it:
        yield it


GUARDED = {
    "the page's content": ("GET", "/config", None),
    "its handlers": ("GET", "/gradio_api/info", None),
    "a call": ("POST", "/gradio_api/call/pose", {"data": ["walk", 0, "small"]}),
    "the queue": ("POST", "/gradio_api/queue/join", {"data": [], "session_hash": "a"}),
    "a file": ("GET", "/gradio_api/file=/etc/passwd", None),
}


@pytest.mark.parametrize(("method", "path", "body"), GUARDED.values(), ids=GUARDED)
def test_nothing_is_answered_before_a_login(guarded, method, path, body):
    assert requests.request(method, guarded[0] + path, json=body, timeout=30).status_code == 401


def test_an_upload_needs_a_login(guarded):
    sent = {"files": ("a.png", b"x")}
    url = f"{guarded[0]}/gradio_api/upload"
    assert requests.post(url, files=sent, timeout=30).status_code == 401


def test_a_login(guarded, small_model):
    url, session = f"{guarded[0]}/login", requests.Session()
    for name, word in (("ada", "wrong horse"), ("ada", ""), ("eve", "correct horse"), ("", "")):
        answer = session.post(url, data={"username": name, "password": word}, timeout=30)
        assert answer.status_code in (400, 422)
        assert session.get(f"{guarded[0]}/config", timeout=30).status_code == 401
    answer = session.post(url, data={"username": "ada", "password": "correct horse"}, timeout=30)
    assert answer.ok
    assert session.get(f"{guarded[0]}/config", timeout=30).ok


def test_a_login_does_not_encrypt(guarded):
    assert "the password and all pictures travel unencrypted" in guarded[1]
    assert "correct horse" not in guarded[1]


def test_a_password_comes_from_a_file_or_a_variable(tmp_path, monkeypatch):
    file = tmp_path / "password"
    file.write_text("one two three\nand a note\n")
    assert stage.password(file) == "one two three"
    file.write_text("one two three\n", encoding="utf-8-sig")  # as editors of Windows save it
    assert stage.password(file) == "one two three"
    monkeypatch.setenv("VDG_PASSWORD", "four five six")
    assert stage.password(None) == "four five six"
    monkeypatch.delenv("VDG_PASSWORD")
    with pytest.raises(InputError, match="VDG_PASSWORD holds no password of at least 8"):
        stage.password(None)
    for content in (b"", b"short\n", b"\nsecond line", b"\xff" * 9):
        file.write_bytes(content)
        with pytest.raises(InputError, match="password"):
            stage.password(file)
    with pytest.raises(InputError, match="cannot read --password-file"):
        stage.password(tmp_path)


def test_few_calls_wait_and_one_runs(server, small_model):
    """Of 40 visitors at once one is served, 32 wait, and the others are turned away."""
    address, _, go = server
    url, body = f"{address}/gradio_api/call/pose", {"data": ["walk", 77, small_model.name]}
    first = requests.post(url, json=body, timeout=30)
    time.sleep(1)  # until it has left the queue
    answers = [first, *(requests.post(url, json=body, timeout=30) for _ in range(39))]
    codes = [answer.status_code for answer in answers]
    assert codes == [200] * 33 + [503] * 7
    assert "Queue is full" in answers[-1].text
    go.write_text("")
    for answer in answers[:33]:
        event = answer.json()["event_id"]
        assert "1 together" in requests.get(f"{url}/{event}", timeout=60).text


FORBIDDEN = {
    "a file of the system": "/gradio_api/file=/etc/passwd",
    "of the folder it was started in": "/gradio_api/file=params.yaml",
    "by its path": f"/gradio_api/file={ROOT / 'params.yaml'}",
    "a model": "/gradio_api/file={model}",
    "above the folder": "/gradio_api/file=../../../etc/passwd",
    "as Gradio served them once": "/file=/etc/passwd",
    "above the page's own files": "/static/../../../../../etc/passwd",
    "above its scripts": "/assets/..%2f..%2f..%2f..%2fetc/passwd",
    "another address": "/gradio_api/file=http://127.0.0.1:1/",
    "a proxy": "/gradio_api/proxy=http://127.0.0.1:1/",
    "who uses the page": "/monitoring",
}


@pytest.mark.parametrize("path", FORBIDDEN.values(), ids=FORBIDDEN)
def test_nothing_of_the_machine_is_served(server, small_model, path):
    # as it is: requests would take the dots out of a path
    prepared = requests.Request("GET", server[0]).prepare()
    prepared.url = server[0] + path.format(model=small_model)
    answer = requests.Session().send(prepared, timeout=30)
    assert answer.status_code in (400, 403, 404)
    assert b"root:" not in answer.content
    assert len(answer.content) < 500


def call(address, name, *data):
    """Response of one of the page's handlers to a client: (event, data)."""
    url = f"{address}/gradio_api/call/{name}"
    event = requests.post(url, json={"data": data}, timeout=30).json()["event_id"]
    lines = requests.get(f"{url}/{event}", timeout=30).text.splitlines()
    return lines[0].removeprefix("event: "), json.loads(lines[1].removeprefix("data: "))


def test_a_handler_answers(server, small_model):
    event, (value,) = call(server[0], "pose", "walk", 0, small_model.name)
    assert event == "complete"
    assert value["size"] == SIZE


@pytest.mark.parametrize(
    "path", ["/etc/passwd", str(ROOT / "docs"), "../params.yaml", "http://127.0.0.1:1/a.png"]
)
def test_a_file_of_the_machine_is_no_upload(server, small_model, path):
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    event, told = call(server[0], "upload", file, small_model.name)
    assert event == "error"
    assert "root:" not in json.dumps(told)


def converse(address, session, name, *data):
    """Response of a handler in a session, which stores the selected person: (success, output)."""
    handlers = requests.get(f"{address}/config", timeout=30).json()["dependencies"]
    (number,) = (handler["id"] for handler in handlers if handler["api_name"] == name)
    body = {"data": data, "fn_index": number, "session_hash": session}
    assert requests.post(f"{address}/gradio_api/queue/join", json=body, timeout=30).ok
    told = requests.get(
        f"{address}/gradio_api/queue/data",
        params={"session_hash": session},
        stream=True,
        timeout=30,
    )
    for line in told.iter_lines():
        message = json.loads(line.removeprefix(b"data: ") or "{}")
        if message.get("msg") == "process_completed":
            return message["success"], message["output"]
    raise AssertionError("no answer")


@pytest.fixture(scope="module")
def session(server, small_model):
    """A session with a selected person."""
    success, output = converse(server[0], "test", "wrapped", small_model.name)
    assert success
    return output["data"][1]


@every_editor
def test_a_handler_answers_damage_with_a_message(server, small_model, session, value):
    sendable = json.loads(json.dumps(value).replace("NaN", "null").replace("Infinity", "9e99"))
    success, output = converse(
        *(server[0], "test", "draw", small_model.name, None, session, sendable),
    )
    assert not success
    assert output["error"]  # nothing to read where an exception is no message


def test_a_handler_draws(server, small_model, session):
    data = small_model.name, None, session, joints(9, 9)
    success, output = converse(server[0], "test", "draw", *data)
    assert success
    assert "ms on cpu" in output["data"][3]  # a doubt about the pose may follow


def test_the_size_of_uploads_is_bounded(server):
    url = f"{server[0]}/gradio_api/upload"
    sent = requests.post(url, files={"files": ("a.png", bytes(21_000_000))}, timeout=60)
    assert sent.status_code == 413
    assert requests.post(url, files={"files": ("a.png", b"x")}, timeout=30).ok


def test_an_upload_is_handed_out_as_a_file_alone(server):
    """An upload is never served as HTML, whose scripts would run at this address."""
    files = {"files": ("../../evil.html", b"<script>")}
    (path,) = requests.post(f"{server[0]}/gradio_api/upload", files=files, timeout=30).json()
    assert ".." not in path
    answer = requests.get(f"{server[0]}/gradio_api/file={path}", timeout=30)
    assert answer.headers["content-disposition"].startswith("attachment")
