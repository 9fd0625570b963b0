"""The demo page: the actions of its controls, and the page in a browser."""

import os
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import typed
from browser import open_page
from conftest import ROOT
from PIL import Image

from vdg import estimators
from vdg.data.synthetic.render import NAMED_POSES
from vdg.errors import InputError
from vdg.inference.transfer import named_pose

pytest.importorskip("gradio", reason="needs requirements-demo.txt")
from vdg.inference import demo


@pytest.fixture(scope="module")
def choices(tmp_path_factory):
    """Two models, of pictures of two sizes."""
    folder = tmp_path_factory.mktemp("models")
    for name, size in {"small": (32, 16), "square": (64, 64)}.items():
        typed.save(folder / "set" / name / "model.safetensors", size)
    return demo.models_here([], folder)


@pytest.fixture(scope="module")
def studio(choices):
    return demo.Studio(choices, "cpu")


def test_models_that_are_here(choices, tmp_path):
    assert list(choices) == ["set/small", "set/square"]
    pretrained = tmp_path / "x-full.safetensors"
    pretrained.write_bytes(b"")
    assert list(demo.models_here([pretrained], tmp_path)) == ["pretrained (x-full)"]
    with pytest.raises(InputError, match=r"there is no model in .* run dvc repro"):
        demo.models_here([tmp_path / "none"], tmp_path)


def test_draw(studio):
    image, source = studio.person(0, "set/small")
    target = studio.pose("walk", 40, "set/small")
    coarse, result, change, took = studio.draw("set/small", image, source, target)
    assert coarse.size == result.size == change.size == (192, 384)
    difference = np.abs(np.asarray(result).astype(int) - np.asarray(coarse))
    assert (np.asarray(change) == difference).all()
    assert difference.any()
    assert took.endswith("ms on cpu")
    target["joints"][4] = [1, 1]
    moved = studio.draw("set/small", image, source, target)[1]
    assert (np.asarray(moved) != np.asarray(result)).any()


def test_another_size_of_model(studio):
    image, source = studio.person(1, "set/small")
    target = studio.pose("stand", 0, "set/small")
    with pytest.raises(InputError, match="another model"):
        studio.draw("set/square", image, source, target)
    wide_source, wide_target = studio.resize("set/square", image, source, target)
    joints = demo.joints_of(wide_target)
    small = named_pose("stand", (32, 16))
    found = small[:, 0] >= 0
    np.testing.assert_array_equal(joints[found], 2 * small[found] + 1 + [0, 16])
    assert (joints[~found] == -1).all()
    assert studio.draw("set/square", image, wide_source, wide_target)[1].size == (384, 384)
    # and back, to where they were
    again = studio.resize("set/small", image, wide_source, wide_target)
    for value, before in zip(again, (source, target), strict=True):
        assert np.abs(demo.joints_of(value) - demo.joints_of(before)).max() <= 1


def test_joints_stay_on_a_picture_of_another_shape(studio):
    """A picture twice as wide as high, with a joint in its upper right corner."""
    image = Image.new("RGB", (80, 40))
    joints = np.full((18, 2), -1)
    for model, (size, corner) in {
        "set/small": ((32, 16), (12, 15)),
        "set/square": ((64, 64), (16, 63)),
    }.items():
        joints[4] = corner
        value = demo.editor_value(joints, size, image)
        other = "set/square" if model == "set/small" else "set/small"
        moved = demo.joints_of(studio.resize(other, image, value, value)[0])
        assert abs(moved[4] - ([16, 62] if other == "set/square" else [12, 15])).max() <= 2


def test_joints_of_a_small_picture_stay_where_they_are(studio):
    """A picture of 8 x 4 pixels, enlarged 4 times for one model and 8 times for the other."""
    image = Image.new("RGB", (4, 8))
    joints = np.full((18, 2), -1)
    joints[:4] = (0, 0), (31, 15), (10, 5), (3, 12)
    value = demo.editor_value(joints, (32, 16), image)
    same = demo.joints_of(studio.resize("set/small", image, value, value)[0])
    np.testing.assert_array_equal(same, joints)
    larger = demo.joints_of(studio.resize("set/square", image, value, value)[0])
    # the middle of row 10 is row 21 twice as large; the picture begins in column 16
    np.testing.assert_array_equal(larger[:4], [(1, 17), (63, 47), (21, 27), (7, 41)])
    assert (larger[4:] == -1).all()


def test_an_image_is_resized_for_the_page_alone(studio, monkeypatch):
    done, resize = [], Image.Image.resize
    monkeypatch.setattr(
        Image.Image, "resize", lambda *given, **more: done.append(1) or resize(*given, **more)
    )
    image, source = studio.person(1, "set/small")
    assert len(done) == 1
    studio.resize("set/square", image, source, studio.pose("stand", 0, "set/small"))
    assert len(done) == 2


def test_bundled_poses_of_a_narrow_model(choices, monkeypatch):
    """A person as high as 64 x 24 pixels is too wide for them."""
    sizes = {"set/small": (32, 16), "set/square": (64, 24)}
    studio = demo.Studio(choices, "cpu")
    monkeypatch.setattr(studio, "model", lambda name: SimpleNamespace(size=sizes[name]))
    image, source = studio.person(0, "set/small")
    for name in NAMED_POSES:
        narrow = demo.joints_of(studio.pose(name, 0, "set/square"))
        _, moved = studio.resize("set/square", image, source, studio.pose(name, 0, "set/small"))
        away = np.abs(demo.joints_of(moved) - narrow)
        assert away[(narrow >= 0) & (np.array(moved["joints"]) >= 0)].max() <= 1


def test_poses_that_cannot_be_drawn(studio):
    image, source = studio.person(0, "set/small")
    target = studio.pose("stand", 0, "set/small")
    empty = target | {"joints": [[-1, -1]] * 18}
    with pytest.raises(InputError, match="the source: 0 of 18 joints"):
        studio.draw("set/small", image, empty, target)
    with pytest.raises(InputError, match="no shoulder and no hip"):
        studio.draw("set/small", image, source, empty)


@pytest.fixture
def upload(studio, tmp_path, monkeypatch):
    """Upload an image of 128 x 64 pixels with a mocked estimator that returns `people`."""

    def run(people=None, size=(64, 128)):
        monkeypatch.setattr(estimators, "available", lambda: people is not None)
        monkeypatch.setattr(estimators, "people", lambda *_: people)
        Image.new("RGB", size).save(tmp_path / "person.png")
        image, value = studio.upload(str(tmp_path / "person.png"), "set/small")
        assert image.size == size
        return demo.joints_of(value)

    return run


def a_person(column: int = 28):
    """Joints that cover 88 rows, with a torso of 40 x 10 pixels."""
    joints = np.full((18, 2), [20, column])
    joints[[5, 11], 1] += 10
    joints[[8, 11], 0] += 40
    joints[[10, 13], 0] += 88
    return joints


def test_models_are_named_without_their_folders(tmp_path):
    one, two = tmp_path / "a" / "model.safetensors", tmp_path / "b" / "model.safetensors"
    assert demo.named([one]) == {"model.safetensors": one}
    assert demo.named([one, two, one]) == {
        "a/model.safetensors": one,
        "b/model.safetensors": two,
    }


def test_upload_without_an_estimator(upload):
    np.testing.assert_array_equal(upload(None), named_pose("stand", (32, 16)))


def test_upload_shows_the_estimated_joints(upload):
    found = upload(a_person()[None])  # 128 pixels high, and 32
    np.testing.assert_array_equal(found, a_person() // 4)


def test_upload_says_what_the_estimator_dropped(studio, upload, monkeypatch):
    upload(a_person()[None])
    said = []
    monkeypatch.setattr(demo.gr, "Info", said.append)

    def estimate(_image, _device, invented):
        invented.append(2)
        return a_person()[None]

    monkeypatch.setattr(estimators, "people", estimate)
    studio._estimated(Image.new("RGB", (64, 128)), "set/small")
    assert said == ["2 noses and eyes of people seen from behind: invented, so dropped"]


def test_upload_of_several_people(upload):
    half = a_person(10)
    half[8] = -1
    with pytest.warns(UserWarning, match="2 people were found"):
        found = upload(np.stack([half, a_person()]))
    np.testing.assert_array_equal(found, a_person() // 4)  # the whole one
    found = upload(half[None])
    assert found[8].tolist() == [-1, -1]
    assert found[2].tolist() == [5, 2]


def test_upload_of_nobody(upload):
    with pytest.warns(UserWarning, match="No person was found"):
        found = upload(np.zeros((0, 18, 2)))
    np.testing.assert_array_equal(found, named_pose("stand", (32, 16)))


def test_upload_of_a_small_picture(upload):
    with pytest.warns(UserWarning, match=r"12 x 6 pixels .* enlarged 2.7 times"):
        upload(a_person()[None] // 12, (6, 12))


@pytest.fixture(scope="module")
def address(choices):
    """The page, served as a user would serve it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vdg", "demo", "--port", str(port), "--model"]
    server = subprocess.Popen(
        [*command, *map(str, choices.values())],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    told = []
    while not told or f"http://127.0.0.1:{port}" not in told[-1]:
        told.append(server.stdout.readline())
        assert told[-1], "".join(told)  # it ended
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait(30)


def eventually(look, what: str):
    """Poll `look` until it returns a true value."""
    for _ in range(150):
        if found := look():
            return found
        time.sleep(0.2)
    raise AssertionError(f"waited in vain for {what}")


def test_page(address, tmp_path):
    from selenium.webdriver import ActionChains

    def shown(name):
        pictures = page.find_elements("css selector", f"#{name} img")
        return pictures[0].get_attribute("src") if pictures else None

    with open_page(address) as page:
        first = eventually(lambda: shown("result"), "the first result")
        assert shown("coarse")
        assert shown("change")
        loaded = page.execute_script("return performance.getEntriesByType('resource')")
        assert all(entry["name"].startswith(("http://127.0.0.1", "data:")) for entry in loaded)

        joint = page.find_element("css selector", "#target circle[data-joint='4']")
        before = joint.get_attribute("cx")
        ActionChains(page).drag_and_drop_by_offset(joint, 40, -60).perform()
        joint = page.find_element("css selector", "#target circle[data-joint='4']")
        assert joint.get_attribute("cx") != before
        eventually(lambda: shown("result") not in (None, first), "another result")

        ActionChains(page).double_click(joint).perform()
        eventually(
            lambda: page.find_elements("css selector", "#target .missing[data-joint='4']"),
            "a missing joint",
        )

        under = "return document.querySelector('#source image').getAttribute('href')"
        shown_first = page.execute_script(under)
        page.find_elements("css selector", "#people .thumbnail-item")[2].click()
        eventually(lambda: page.execute_script(under) != shown_first, "another person")

        broken = tmp_path / "broken.png"
        broken.write_bytes(b"no picture")
        upload = page.find_element("css selector", "input[type=file]")
        upload.send_keys(str(broken))
        said = eventually(
            lambda: [e.text for e in page.find_elements("css selector", ".toast-body") if e.text],
            "a message",
        )
        assert "cannot read image" in said[0]
        assert shown("result")


def test_mistakes_are_told_before_the_page_is_served(vdg, tmp_path):
    for arguments, message in (
        (["--model", str(tmp_path / "none.safetensors")], "none.safetensors"),
        (["--device", "gpu"], "'gpu' is none of auto, cpu"),
    ):
        ran = vdg("demo", *arguments)
        assert ran.returncode != 0
        assert message in ran.stderr
        assert "Traceback" not in ran.stderr


def test_without_gradio(tmp_path):
    (tmp_path / "gradio.py").write_text("raise ImportError(name='gradio')")
    ran = subprocess.run(
        [sys.executable, "-m", "vdg", "demo"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        text=True,
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "error: the page needs gradio: pip install -r requirements-demo.txt" in ran.stderr
