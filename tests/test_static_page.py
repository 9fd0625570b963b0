"""The static page: what a visitor's browser shows and computes, in a real Chromium."""

import functools
import http.server
import json
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import open_page
from PIL import Image

from vdg import systems
from vdg.commands import export
from vdg.data.batches import from_uint8
from vdg.data.fitting import Frame, letter_box, open_picture
from vdg.errors import InputError
from vdg.inference import bundled, onnx_file, static_page
from vdg.inference.transfer import SHIPPED, PoseTransfer, named_pose
from vdg.keypoints.annotations import keypoints_csv
from vdg.pose import JOINTS

SIZE = (64, 32)
SETTINGS = {"width": 4, "max_width": 8, "depth": 2, "size": list(SIZE), "flip": True}
SETTINGS |= {"steps": 1, "batch_size": 4, "learning_rate": 1e-3, "lr_decay_fraction": 0.5}
RIGHT_WRIST, RIGHT_HIP = JOINTS.index("right wrist"), JOINTS.index("right hip")


def needs_runtime():
    """Skip without the packages of ONNX, or without npm's archive in the user's cache."""
    if onnx_file.missing():
        pytest.skip("needs pip install --requirement requirements-onnx.txt")
    if not static_page.cached().is_file():
        pytest.skip(f"needs {static_page.cached()}: run vdg export --page DIR once")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    meta = {"system": "vdg", "stage1": SETTINGS, "stage2": SETTINGS, "size": SIZE}
    generator = systems.builder(meta)()
    with torch.no_grad():  # as if it were trained: its last layers start at zero
        for parameter in generator.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.05)
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    systems.save(path, generator, meta)
    return path


@pytest.fixture(scope="module")
def site(model, tmp_path_factory) -> Path:
    """A web host's root, with the page in its folder `demo`."""
    needs_runtime()
    root = tmp_path_factory.mktemp("site")
    static_page.write(root / "demo", model)
    return root


@pytest.mark.parametrize("name", [*SHIPPED, "other"])
def test_each_model_has_its_text(name, model):
    assert static_page._card(SHIPPED.get(name, model)) == name
    assert f'id="about-{name}" hidden' in static_page._page()["index.html"].decode()


class Host(http.server.ThreadingHTTPServer):
    """A static web host. asked: the paths of all requests."""

    def __init__(self, root: Path):
        self.asked = []
        host = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                host.asked.append(self.path)

        super().__init__(("127.0.0.1", 0), functools.partial(Handler, directory=str(root)))
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture(scope="module")
def host(site):
    host = Host(site)
    yield host
    host.shutdown()


def eventually(look, what: str):
    """Poll `look` until it returns a true value."""
    for _ in range(600):
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited in vain for {what}")


def text(page, name: str) -> str:
    return page.find_element("id", name).text


def started(page):
    """Wait for the first result."""
    eventually(lambda: text(page, "time") or text(page, "problem"), "the first result")
    assert text(page, "problem") == ""
    return page


@pytest.fixture(scope="module")
def opened(host):
    with open_page(f"{host.address}/demo/index.html") as page:
        yield started(page)


@pytest.fixture
def page(opened):
    """The page as a visitor first sees it."""
    opened.refresh()
    return started(opened)


def within(page, script: str):
    """What an expression in the page's own modules evaluates to, as JSON."""
    return page.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "(async () => { const { state, source, target, model } = await import('./page.js');"
        f"return JSON.stringify({script}); }})().then((text) => done(JSON.parse(text)),"
        "(error) => done(`error: ${error}`));"
    )


def pixels_of(page) -> np.ndarray:
    """What the model sees of the picture: uint8 (H, W, 3)."""
    flat = np.array(within(page, "Array.from(state.picture.pixels)"), np.uint8)
    assert (flat[3::4] == 255).all()
    return flat.reshape(*SIZE, 4)[..., :3]


def settled(page, before: int) -> None:
    """Wait until the page has drawn what it shows now: more than `before` results, none due."""
    eventually(lambda: within(page, "!model.busy && state.drawn") > before, "another result")


def difference(page, model: Path) -> float:
    """The largest difference of the page's result to PyTorch's."""
    image = from_uint8(torch.from_numpy(pixels_of(page))[None])
    poses = [torch.tensor(within(page, f"{name}.joints"))[None] for name in ("source", "target")]
    with torch.inference_mode():
        expected = PoseTransfer.load(model, "cpu").generator(image, *poses)[0].numpy()
    assert np.ptp(expected) > 0.1
    found = np.array(within(page, "Array.from(state.result)")).reshape(3, *SIZE)
    return np.abs(found - expected).max()


def drag(page, skeleton: str, joint: int, right: int, down: int) -> None:
    from selenium.webdriver import ActionChains

    circle = page.find_element("css selector", f"#{skeleton} circle[data-joint='{joint}']")
    page.execute_script("arguments[0].scrollIntoView({ block: 'center' })", circle)
    ActionChains(page).click_and_hold(circle).move_by_offset(right, down).release().perform()


def keys(page, skeleton: str, *pressed: str) -> None:
    page.find_element("css selector", f"#{skeleton} svg").send_keys(*pressed)


def choose(page, name: str, path: Path) -> None:
    """Give a file to one of the page's inputs."""
    page.find_element("id", name).send_keys(str(path))


def test_what_pytorch_computes(page, model):
    image, joints = bundled.people()[0]
    pixels, frame = letter_box(image, SIZE)
    np.testing.assert_array_equal(pixels_of(page), pixels)
    np.testing.assert_array_equal(within(page, "source.joints"), frame.place(joints))
    np.testing.assert_array_equal(within(page, "target.joints"), named_pose("walk@15", SIZE))
    assert difference(page, model) < 1e-5


def test_dragged_joints(page, model):
    first = within(page, "Array.from(state.result)")
    for skeleton in ("target", "source"):
        before, drawn = within(page, f"{skeleton}.joints"), within(page, "state.drawn")
        drag(page, skeleton, RIGHT_WRIST, 40, -60)
        after = within(page, f"{skeleton}.joints")
        assert after[RIGHT_WRIST] != before[RIGHT_WRIST]
        assert [a == b for a, b in zip(before, after, strict=True)].count(False) == 1
        settled(page, drawn)
        assert difference(page, model) < 1e-5
    assert within(page, "Array.from(state.result)") != first


def test_beside_the_joints_all_of_them_are_dragged(page):
    from selenium.webdriver import ActionChains

    before = np.array(within(page, "target.joints"))
    corner = page.find_element("css selector", "#target svg")
    page.execute_script("arguments[0].scrollIntoView({ block: 'center' })", corner)
    left, up = (-side // 2 + 3 for side in (corner.size["width"], corner.size["height"]))
    ActionChains(page).move_to_element_with_offset(
        corner, left, up
    ).click_and_hold().move_by_offset(3000 // SIZE[0], 0).release().perform()
    moved = np.array(within(page, "target.joints")) - before
    found = before[:, 0] >= 0
    assert moved[found][:, 1].min() == moved[found][:, 1].max() > 0
    assert (moved[found][:, 0] == 0).all()


def test_keyboard(page, model):
    from selenium.webdriver import Keys

    drawn, before = within(page, "state.drawn"), within(page, "target.joints")
    keys(page, "target", Keys.PAGE_DOWN, Keys.PAGE_DOWN, Keys.ARROW_DOWN, Keys.ARROW_RIGHT)
    at = within(page, "target.joints[2]")
    assert at == [before[2][0] + 1, before[2][1] + 1]
    assert page.find_element("css selector", "#target output.joint").text == (
        f"right shoulder: row {at[0]}, column {at[1]}"
    )
    keys(page, "target", Keys.DELETE)
    assert within(page, "target.joints[2]") == [-1, -1]
    settled(page, drawn)
    assert difference(page, model) < 1e-5
    keys(page, "target", Keys.ENTER)
    np.testing.assert_array_equal(within(page, "target.joints[2]"), named_pose("stand", SIZE)[2])


def test_double_click_makes_a_joint_missing(page):
    from selenium.webdriver import ActionChains

    circle = page.find_element("css selector", f"#target circle[data-joint='{RIGHT_WRIST}']")
    page.execute_script("arguments[0].scrollIntoView({ block: 'center' })", circle)
    ActionChains(page).double_click(circle).perform()
    assert within(page, f"target.joints[{RIGHT_WRIST}]") == [-1, -1]
    drag(page, "target", RIGHT_WRIST, 20, 20)
    assert min(within(page, f"target.joints[{RIGHT_WRIST}]")) >= 0


def test_named_poses(page):
    from selenium.webdriver import Keys
    from selenium.webdriver.support.select import Select

    Select(page.find_element("id", "pose")).select_by_visible_text("arms up")
    np.testing.assert_array_equal(within(page, "target.joints"), named_pose("arms-up@15", SIZE))
    page.find_element("id", "azimuth").send_keys(*[Keys.ARROW_RIGHT] * 5)
    assert text(page, "degrees") == "90°"
    np.testing.assert_array_equal(within(page, "target.joints"), named_pose("arms-up@90", SIZE))


def test_people(page):
    page.find_elements("css selector", "#people button")[2].click()
    image, joints = bundled.people()[2]
    pixels, frame = letter_box(image, SIZE)
    eventually(lambda: (pixels_of(page) == pixels).all(), "another person")
    np.testing.assert_array_equal(within(page, "source.joints"), frame.place(joints))


def own_picture(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    """A picture with coarse and fine structure, and transparent parts."""
    random = np.random.default_rng(0)
    width, height = size
    coarse = random.integers(0, 256, (7, 5, 4), np.uint8)
    large = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)).astype(int)
    noisy = (large + random.integers(-40, 40, (height, width, 4))).clip(0, 255).astype(np.uint8)
    return Image.fromarray(noisy).convert(mode)


@pytest.mark.parametrize(
    ("size", "mode", "suffix", "tolerance"),
    [
        ((64, 32), "RGB", "png", 0),  # turned, of the model's own size
        ((101, 300), "RGB", "png", 0),
        ((300, 101), "L", "png", 0),
        ((9, 11), "RGB", "png", 0),  # enlarged
        ((640, 1000), "RGB", "png", 0),
        ((90, 200), "RGBA", "png", 1),  # another rounding of transparency
        ((300, 500), "RGB", "jpg", 2),  # another decoder
    ],
)
def test_letter_box_is_that_of_python(opened, tmp_path, size, mode, suffix, tolerance):
    path = tmp_path / f"{size[0]}-{mode}.{suffix}"
    turned = Image.Exif()
    turned[0x0112] = 6  # turn by 90 degrees
    own_picture(size, mode).save(path, exif=turned, quality=95)
    expected, _ = letter_box(open_picture(path), SIZE)
    choose(opened, "picture-file", path)
    eventually(lambda: within(opened, "state.picture.name") == path.name, "the picture")
    away = np.abs(pixels_of(opened).astype(int) - expected)
    assert away.max() <= tolerance
    np.testing.assert_array_equal(within(opened, "source.joints"), named_pose("stand", SIZE))


def test_key_points_of_the_picture(page, tmp_path):
    picture = tmp_path / "own.png"
    own_picture((101, 300)).save(picture)
    choose(page, "picture-file", picture)
    eventually(lambda: within(page, "state.picture.name") == "own.png", "the picture")
    random = np.random.default_rng(0)
    rows = random.integers(0, (300, 101), (3, 18, 2))
    rows[:, 14] = -1
    csv = tmp_path / "joints.csv"
    csv.write_bytes(keypoints_csv(["a.png", "own.png", "b.png"], rows))
    choose(page, "source-file", csv)
    place = Frame.of(300, 101, SIZE).place

    def shown(joints):
        return eventually(
            lambda: (np.array(within(page, "source.joints")) == place(joints)).all(), "the joints"
        )

    assert shown(rows[1])  # the row of the picture's name
    from selenium.webdriver.support.select import Select

    Select(page.find_element("id", "source-rows")).select_by_visible_text("b.png")
    assert shown(rows[2])
    confidence = np.where(rows[0] >= 0, 0.9, 0)[:, :1]
    flat = np.concatenate([rows[0][:, ::-1] + 0.4, confidence], 1).ravel().tolist()
    people = tmp_path / "own.json"
    people.write_text(json.dumps({"people": [{"pose_keypoints_2d": flat}]}))
    choose(page, "source-file", people)
    assert shown(rows[0])


HEADER = "name:keypoints_y:keypoints_x\n"
ONES = str([1] * 18)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("x", "j.csv is no file of key points"),
        (HEADER + f"a: {ONES}", "j.csv, line 2: expected name:"),
        (HEADER + f"a: {ONES}: [1, 2]", "j.csv, line 2: expected 18 pixels"),
        (HEADER + f"a: {ONES}: {[-1] * 18}", "joint 0 is missing in y or in x alone"),
        (HEADER + f"a: {ONES}: {[32] * 18}", "joints outside of the model’s frame"),
        ('{"people": 3}', "is not OpenPose’s JSON"),
        ('{"people": []}', "holds nobody’s joints"),
        ('{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}', "person 0 has no 18 joints"),
        ("{", "is not valid JSON"),
    ],
)
def test_files_of_key_points_that_are_wrong(opened, tmp_path, content, words):
    before = within(opened, "target.joints")
    (tmp_path / "j.csv").write_text(content)
    choose(opened, "target-file", tmp_path / "j.csv")
    eventually(lambda: words in text(opened, "problem"), words)
    assert within(opened, "target.joints") == before


def test_a_picture_that_cannot_be_read(opened, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    before = pixels_of(opened)
    choose(opened, "picture-file", tmp_path / "broken.png")
    words = "broken.png is no picture that this browser can read"
    eventually(lambda: words in text(opened, "problem"), words)
    np.testing.assert_array_equal(pixels_of(opened), before)


def test_poses_without_a_torso(page):
    from selenium.webdriver import Keys

    keys(page, "source", *[Keys.PAGE_DOWN] * RIGHT_HIP, Keys.DELETE)
    assert text(page, "problem").startswith(
        "The picture needs both shoulders and both hips. Missing: right hip."
    )
    assert "stale" in page.find_element("id", "result").get_attribute("class")
    keys(page, "source", Keys.ENTER)
    assert text(page, "problem") == ""
    for steps in (2, 3, 3, 3):  # shoulders and hips
        keys(page, "target", *[Keys.PAGE_DOWN] * steps, Keys.DELETE)
    assert text(page, "problem").startswith("The pose has no shoulder and no hip.")


ASK_ANOTHER_HOST = """
const [address, done] = arguments;
const ask = `fetch("${address}", { mode: "no-cors" }).then(() => "sent", () => "refused")`;
const worker = new Worker(URL.createObjectURL(new Blob([`${ask}.then(postMessage)`])));
const page = fetch(address, { mode: "no-cors" }).then(() => "sent", () => "refused");
worker.onmessage = async ({ data }) => done([await page, data]);
"""


def test_nothing_leaves_the_folder(host, tmp_path):
    """What Chromium's own log of the network says that the page asked for, its worker included."""
    host.asked.clear()
    other = Host(tmp_path)
    log = tmp_path / "net.json"
    with open_page(f"{host.address}/demo/index.html", f"--log-net-log={log}") as page:
        started(page)
        drag(page, "target", RIGHT_WRIST, 20, 20)
        refused = page.execute_async_script(ASK_ANOTHER_HOST, other.address)
    other.shutdown()
    assert refused == ["refused", "refused"]
    assert other.asked == []
    text = log.read_text().rstrip().rstrip(",")
    events = json.loads(text if text.endswith("}") else text + "]}")
    started_job = events["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    jobs = [
        event["params"]
        for event in events["events"]
        if event["type"] == started_job and "params" in event
    ]
    asked = [job["url"] for job in jobs if host.address in job.get("initiator", "")]
    assert any(url.endswith("/demo/ort/ort.js") for url in asked)
    assert all(url.startswith((f"{host.address}/demo/", "blob:")) for url in asked)
    assert host.asked
    assert all(path.startswith("/demo/") for path in host.asked)


def test_phone_width(page):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True},
    )
    try:
        assert page.execute_script("return document.documentElement.scrollWidth") <= 360
        tops = [
            page.find_element("css selector", f"#{name} .frame").rect["y"]
            for name in ("target", "result")
        ]
        assert abs(tops[0] - tops[1]) < 2  # side by side
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_opened_as_a_file(site):
    with open_page((site / "demo" / "index.html").as_uri()) as page:
        said = eventually(lambda: text(page, "problem"), "a message")
    assert "opened as a file" in said
    assert "python3 -m http.server" in said


def test_without_webassembly(host):
    with open_page(f"{host.address}/demo/index.html", "--js-flags=--jitless") as page:
        assert "no WebAssembly" in eventually(lambda: text(page, "problem"), "a message")


def test_without_the_model(host, site):
    kept = (site / "demo" / "model.onnx").rename(site / "kept")
    try:
        with open_page(f"{host.address}/demo/index.html") as page:
            said = eventually(lambda: text(page, "problem"), "a message")
        assert said == (
            "The page cannot start: the model cannot be loaded: "
            "model.onnx cannot be loaded (status 404)."
        )
    finally:
        kept.rename(site / "demo" / "model.onnx")


# ---- the folder


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--page", "p", "--output", "m.onnx"], "not allowed with argument"),
        (["--output", "m.safetensors", "--runtime", "r.tgz"], "--runtime goes with --page"),
        (["--page", "p", "--dataset", "x"], "give --dataset and --variant, or --model"),
    ],
)
def test_arguments_that_do_not_go_together(monkeypatch, capsys, arguments, words):
    monkeypatch.setattr(sys, "argv", ["vdg export", *arguments])
    with pytest.raises(SystemExit):
        export.main()
    assert words in capsys.readouterr().err


def test_an_archive_that_is_another(model, tmp_path):
    if onnx_file.missing():
        pytest.skip("needs pip install --requirement requirements-onnx.txt")
    (tmp_path / "other.tgz").write_bytes(b"another")
    with pytest.raises(InputError, match=r"other\.tgz has sha512 .*, that of onnxruntime-web@"):
        static_page.write(tmp_path / "page", model, runtime=tmp_path / "other.tgz")
    assert not (tmp_path / "page").exists()


def test_what_npm_sends_is_checked(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "npm").write_text("#!/bin/sh\necho other > onnxruntime-web.tgz\n")
    (tmp_path / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(InputError, match=r"npm sent onnxruntime-web@.* with sha512"):
        static_page.archive()
    assert not static_page.cached().exists()


def test_a_folder_that_holds_something_is_left_alone(model, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="choose another folder for the page"):
        static_page.write(tmp_path, model)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
