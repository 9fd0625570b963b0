"""Generation from a user's image."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image

from vdg import decoding, estimators, systems
from vdg.data.batches import to_uint8
from vdg.data.fitting import Frame, letter_box, open_picture
from vdg.data.synthetic.render import NAMED_POSES, named_keypoints, render
from vdg.errors import InputError
from vdg.estimators import movenet_weights
from vdg.inference.pose_finder import PoseFinder, doubts, pose_doubts
from vdg.inference.transfer import (
    BATCH,
    PoseTransfer,
    named_pose,
    require_torso,
)
from vdg.keypoints.annotations import read_keypoints, write_keypoints
from vdg.pose import has_torso

SIZE = (32, 16)


@pytest.fixture(scope="module")
def model(small_model):
    return small_model


@pytest.fixture
def person(tmp_path):
    """An image of another size than the model's, with its key points."""
    drawn = next(
        p for v in range(20) if (p := render(1, v, 64, 0)).keypoints[[2, 5, 8, 11]].min() >= 0
    )
    Image.fromarray(drawn.image).save(tmp_path / "person.png")
    write_keypoints(tmp_path / "joints.csv", ["person.png"], [drawn.keypoints])
    return drawn


@pytest.fixture
def generate(vdg):
    """The command in this process."""
    return lambda *arguments: vdg("generate", *arguments)


def start(*arguments):
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "vdg", "generate", *map(str, arguments)],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("name", NAMED_POSES)
def test_named_poses_can_be_drawn_from_every_side(name):
    for azimuth in range(0, 360, 45):
        joints = named_keypoints(name, azimuth, 128)
        assert (joints[[1, 2, 5]] >= 0).any()
        assert joints.max(0)[0] < 128
        assert joints.max(0)[1] < 64


def test_a_named_pose_turns():
    front, back = (named_keypoints("stand", azimuth, 128) for azimuth in (0, 180))
    right, left = 2, 5
    assert front[right, 1] < front[left, 1]  # who faces us has the right shoulder on our left
    assert back[right, 1] > back[left, 1]
    assert front[0, 0] >= 0
    assert back[0, 0] == -1  # the nose is hidden


def test_named_pose_in_a_wider_frame_stands_in_its_middle():
    narrow, wide = (named_pose("walk@30", size) for size in ((64, 32), (64, 64)))
    found = narrow[:, 0] >= 0
    np.testing.assert_array_equal(wide[found], narrow[found] + [0, 16])
    assert (wide[~found] == -1).all()


@pytest.mark.parametrize(
    ("size", "height", "corner"),
    [((128, 48), 96, (16, 0)), ((256, 64), 128, (64, 0)), ((128, 64), 128, (0, 0))],
)
@pytest.mark.parametrize("name", NAMED_POSES)
def test_named_poses_fit_into_narrow_images(tmp_path, name, size, height, corner):
    poses = {f"{name}@{azimuth}": named_pose(f"{name}@{azimuth}", size) for azimuth in (0, 45, 90)}
    for text, joints in poses.items():
        drawn = named_keypoints(name, float(text.partition("@")[2]), height)
        np.testing.assert_array_equal(joints, np.where(drawn >= 0, drawn + corner, -1))
        assert (joints < size).all()
    write_keypoints(tmp_path / "poses.csv", poses, poses.values())
    for text, joints in read_keypoints(tmp_path / "poses.csv").items():
        np.testing.assert_array_equal(joints, poses[text])


@pytest.mark.parametrize(
    ("pose", "words"),
    [("jump", "one of stand, walk"), ("walk@x", "'x' is not a number"), ("walk@nan", "'nan' is")],
)
def test_unknown_poses(pose, words):
    with pytest.raises(InputError, match=words):
        named_pose(pose, SIZE)


def test_letter_box_keeps_the_whole_picture():
    picture = Image.new("RGB", (40, 20), (200, 10, 10))
    picture.putpixel((39, 0), (0, 0, 255))
    pixels, frame = letter_box(picture, SIZE)
    assert pixels.shape == (32, 16, 3)
    assert frame == (0.4, 12, 0)
    assert (pixels[:, 3] == [200, 10, 10]).all()  # edges are repeated
    joints = np.full((18, 2), -1, np.int16)
    joints[4] = 10, 35
    placed = frame.place(joints)
    assert placed[4].tolist() == [16, 14]
    assert (np.delete(placed, 4, 0) == -1).all()


def test_the_centre_of_a_pixel_is_mapped():
    """Row 10 of 32 covers the rows 40 to 43 of 128: its centre is where 42 begins."""
    assert Frame(4, 0, 0).place(np.full((18, 2), 10)).tolist() == [[42, 42]] * 18
    # half the size: rows 10 and 11 are row 5
    assert Frame(0.5, 0, 3).place(np.full((2, 18, 2), 11)).tolist() == [[[5, 8]] * 18] * 2
    picture = Image.new("RGB", (16, 32))
    picture.putpixel((5, 10), (255, 255, 255))
    pixels, frame = letter_box(picture, (128, 64))
    y, x = frame.place(np.array([[10, 5]]))[0]
    assert pixels[y, x, 0] == pixels.max()


@pytest.mark.parametrize("picture", [(128, 64), (8, 4), (50, 70), (1000, 30), (3, 300)])
def test_a_place_in_the_letter_box_and_back(picture):
    frame, rows, columns = Frame.of(*picture, (64, 48)), *np.ogrid[:64, :48]
    box = np.stack(np.broadcast_arrays(rows, columns), -1).reshape(-1, 2)
    found = frame.undo(box)
    inside = (found > -0.5) & (found < np.subtract(picture, 0.5))
    box, found = box[inside.all(1)], found[inside.all(1)]
    np.testing.assert_array_equal(frame.place(found), box)
    every = np.stack(np.meshgrid(*map(np.arange, picture), indexing="ij"), -1).reshape(-1, 2)
    away = np.abs(frame.undo(frame.place(every)) - every)
    assert away.max() <= 0.5 / frame.scale + 1e-9  # half a pixel of the box
    missing = np.full((18, 2), -1)
    assert (frame.undo(missing) == -1).all()
    assert (frame.place(missing) == -1).all()


def test_pictures_as_people_have_them(tmp_path):
    grey = Image.new("L", (8, 4), 90)
    grey.save(tmp_path / "grey.png")
    clear = Image.new("RGBA", (8, 4), (255, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side
    Image.new("RGB", (8, 4)).save(tmp_path / "turned.jpg", exif=exif)
    assert open_picture(tmp_path / "grey.png").getpixel((0, 0)) == (90, 90, 90)
    assert open_picture(tmp_path / "clear.png").getpixel((0, 0)) == (128, 128, 128)
    assert open_picture(tmp_path / "turned.jpg").size == (4, 8)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(InputError, match=r"text.png: cannot read image"):
        open_picture(tmp_path / "text.png")
    with pytest.raises(InputError, match=r"cannot read .*nowhere.png: No such file"):
        open_picture(tmp_path / "nowhere.png")


def test_too_few_joints():
    joints = np.full((18, 2), -1)
    joints[[0, 1, 2]] = 5
    with pytest.raises(InputError, match=r"photo.jpg: 3 of 18 joints.*shoulders and hips"):
        require_torso(joints, "photo.jpg")


def test_python_call_equals_the_network(model, person):
    transfer = PoseTransfer.load(model, "cpu")
    assert transfer.size == SIZE
    image, frame = letter_box(Image.fromarray(person.image), SIZE)
    source, target = frame.place(person.keypoints), named_pose("walk", SIZE)
    one = transfer(image[None], source[None], target[None])
    assert one.shape == (1, *SIZE, 3)
    assert one.dtype == np.uint8
    given = torch.as_tensor(image.copy())[None].permute(0, 3, 1, 2) / 127.5 - 1
    K_a, K_b = (torch.as_tensor(joints)[None].float() for joints in (source, target))
    with torch.inference_mode():
        expected = to_uint8(systems.load(model)[0](given, K_a, K_b))
    np.testing.assert_array_equal(one, expected)
    two = transfer(*(np.stack([x, x]) for x in (image, source, target)))
    np.testing.assert_array_equal(two[1], one[0])
    with pytest.raises(InputError, match=r"the model takes \(1, 32, 16, 3\)"):
        transfer(person.image[None], source[None], target[None])


class Recorder(torch.nn.Module):
    """A generator that repeats its input and records the sizes of its batches."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def forward(self, images, *_):
        self.batches.append(len(images))
        return images


@pytest.mark.parametrize(("count", "batches"), [(70, [32, 32, 6]), (32, [32]), (1, [1]), (0, [0])])
def test_many_images_pass_the_network_in_batches(uniform, count, batches):
    assert BATCH == 32
    model = PoseTransfer(Recorder(), SIZE, {}, torch.device("cpu"))
    images = uniform(count, *SIZE, 3, low=0, high=255).to(torch.uint8).numpy()
    joints = np.zeros((count, 18, 2))
    for stage in model.both_stages(images, joints, joints):
        np.testing.assert_array_equal(stage, images)
    assert model.generator.batches == batches


def test_command_writes_result_strip_and_key_points(generate, model, person, tmp_path):
    joints = f"{tmp_path / 'joints.csv'}:person.png"
    done = generate(
        *("--model", model, "--source", tmp_path / "person.png", "--keypoints", joints),
        *("--pose", "walk@90", joints.replace("joints", "other"), "--output", tmp_path / "out.png"),
    )
    assert done.returncode == 1
    device, taken, error = done.stderr.splitlines()
    assert taken.endswith("joints.csv: 18 joints (the field's CSV), 1 person")
    assert device.startswith("device: auto, which is ")
    assert "other.csv" in error
    assert not (tmp_path / "out.png").exists()
    done = start(
        *("--model", model, "--source", tmp_path / "person.png", "--keypoints", joints),
        *("--pose", "walk@90", "arms-up", "--output", tmp_path / "out.png"),
    )
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / "out.png").size == (2 * 16 + 2, 32)
    assert (tmp_path / "out-strip.png").is_file()
    used = read_keypoints(tmp_path / "out-keypoints.csv")
    assert list(used) == ["source", "0-walk@90", "1-arms-up"]
    np.testing.assert_array_equal(used["1-arms-up"], named_pose("arms-up", SIZE))


def test_turntable_is_an_animation(generate, model, person, tmp_path):
    joints = f"{tmp_path / 'joints.csv'}:person.png"
    done = generate(
        *("--model", model, "--source", tmp_path / "person.png", "--keypoints", joints),
        *("--pose", "stand", "--turntable", 6, "--output", tmp_path / "turn.png"),
    )
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "turn.gif") as animation:
        assert animation.size == (16, 32)
        assert animation.n_frames > 1
    assert "images/s" in done.stdout


@pytest.mark.parametrize(
    "arguments", [("stand", "--turntable", 0), ("stand", "walk", "--turntable", 6)]
)
def test_a_turntable_turns_one_pose_through_views(generate, model, tmp_path, arguments):
    output = tmp_path / "turn.png"
    done = generate("--model", model, "--source", "x", "--output", output, "--pose", *arguments)
    assert done.returncode == 2
    assert "--turntable takes one named pose, and two views or more" in done.stderr
    assert not output.exists()


def whole(person, shift=0):
    """Joints of a rendered person, moved to the right."""
    return np.where(person.keypoints >= 0, person.keypoints + np.array([0, shift]), -1)


@pytest.fixture
def finder(tmp_path, monkeypatch):
    """A PoseFinder with a mocked estimator."""

    def make(people=()):
        found = np.array(people).reshape(-1, 18, 2)
        monkeypatch.setattr(estimators, "people", lambda *_: found)
        return PoseFinder(SIZE, "cpu", tmp_path / "out.png")

    return make


def test_several_people(tmp_path, person, finder):
    photo = tmp_path / "person.png"
    picture = open_picture(photo)
    crowd = np.stack([whole(person), whole(person, 2)])
    message = r"person.png: 2 people .*out-people.png shows .* with --person K"
    for number in (None, 2):
        with pytest.raises(InputError, match=message):
            finder(crowd).source(photo, picture, None, number)
    drawn = np.asarray(open_picture(tmp_path / "out-people.png"))
    assert drawn.shape == np.asarray(picture).shape
    assert (drawn != np.asarray(picture)).any()
    placed = [letter_box(picture, SIZE)[1].place(joints) for joints in crowd]
    for number, expected in enumerate(placed):
        joints = finder(crowd).source(photo, picture, None, number)
        np.testing.assert_array_equal(joints, expected)
        np.testing.assert_array_equal(finder(crowd).target(f"{photo}:{number}"), expected)
    np.testing.assert_array_equal(finder(crowd[:1]).target(str(photo)), placed[0])
    message = r"person.png: 2 people .*out-pose-people.png .* with --pose .*person.png:K"
    with pytest.raises(InputError, match=message):
        finder(crowd).target(str(photo))


def test_nobody_and_half_a_person(tmp_path, person, finder):
    photo = tmp_path / "person.png"
    with pytest.raises(InputError, match=r"person.png: no person was found"):
        finder().target(str(photo))
    assert not (tmp_path / "out-pose-people.png").exists()
    half = whole(person)
    half[8:] = -1
    message = r"person.png \(.*people.png shows what was found\): \d+ of 18 joints"
    with pytest.raises(InputError, match=message):
        finder([half]).target(str(photo))
    assert (tmp_path / "out-pose-people.png").exists()


def test_key_points_that_are_written(tmp_path, person, finder):
    photo, row = tmp_path / "person.png", f"{tmp_path / 'joints.csv'}:person.png"
    picture = open_picture(photo)
    placed = letter_box(picture, SIZE)[1].place(person.keypoints)
    np.testing.assert_array_equal(finder().source(photo, picture, row, None), placed)
    # 64 pixels high, for a model of 32
    with pytest.raises(
        InputError, match=r"joints.csv: person.png: \d+ of \d+ joints lie outside a picture of"
    ):
        finder().target(row)
    with pytest.raises(InputError, match=r"outside the source of 20 x 10"):
        finder().source(photo, picture.resize((10, 20)), row, None)
    only = finder().source(photo, picture, str(tmp_path / "joints.csv"), None)
    np.testing.assert_array_equal(only, placed)  # a file of one picture needs no name
    with pytest.raises(InputError, match=r"joints.csv has no row for 'nobody.png'"):
        finder().source(photo, picture, f"{tmp_path / 'joints.csv'}:nobody.png", None)
    flat = np.concatenate([placed[:, ::-1], np.full((18, 1), 0.9)], 1)
    flat[(placed < 0).any(1)] = 0
    two = [{"pose_keypoints_2d": (flat + np.array([k, 0, 0])).ravel().tolist()} for k in (0, 1)]
    (tmp_path / "two.json").write_text(json.dumps({"people": two}))
    with pytest.raises(InputError, match=r"two.json: 2 people were found: .* --pose .*two.json:K"):
        finder().target(str(tmp_path / "two.json"))
    np.testing.assert_array_equal(finder().target(f"{tmp_path / 'two.json'}:0"), placed)


def test_a_row_of_a_csv_is_of_one_person(tmp_path, person, finder):
    photo, row = tmp_path / "person.png", f"{tmp_path / 'joints.csv'}:person.png"
    with pytest.raises(InputError, match=r"--person 1: .*joints.csv:person.png is of one person"):
        finder().source(photo, open_picture(photo), row, 1)


def test_the_place_of_an_image_needs_no_resizing(tmp_path, person, finder, monkeypatch):
    monkeypatch.setattr(Image.Image, "resize", None)
    photo, found = tmp_path / "person.png", finder([whole(person)])
    source = found.source(photo, open_picture(photo), None, None)
    np.testing.assert_array_equal(source, found.target(str(photo)))


def test_too_many_pixels(tmp_path, monkeypatch):
    Image.new("RGB", (40, 40)).save(tmp_path / "large.png")
    monkeypatch.setattr(decoding, "MAX_PIXELS", 1599)
    with pytest.raises(InputError, match=r"large.png has more than .* pixels: make it smaller"):
        open_picture(tmp_path / "large.png")


def test_stage_one_is_seen_on_its_way(model, person):
    transfer = PoseTransfer.load(model, "cpu")
    image, frame = letter_box(Image.fromarray(person.image), SIZE)
    given = image[None], frame.place(person.keypoints)[None], named_pose("walk", SIZE)[None]
    coarse, result = transfer.both_stages(*given)
    np.testing.assert_array_equal(result, transfer(*given))
    assert (coarse != result).any()
    alone = PoseTransfer(transfer.generator.stage1, SIZE, {}, transfer.device)
    for stage in alone.both_stages(*given):
        np.testing.assert_array_equal(stage, coarse)


def test_a_file_whose_name_has_an_at_sign_is_no_named_pose(finder, tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*photo@2x.jpg"):
        finder().target(str(tmp_path / "photo@2x.jpg"))


def test_traceback_on_demand(generate, model, tmp_path):
    arguments = "--model", model, "--source", tmp_path / "nowhere.png"
    assert "Traceback" not in generate(*arguments).stderr
    told = start(*arguments, "--debug").stderr
    assert "Traceback" in told
    assert "nowhere.png: No such file" in told


# photographs, by what an estimator finds in them

needs_weights = pytest.mark.skipif(
    not movenet_weights.weights_file().is_file(), reason="needs MoveNet's weights: make estimator"
)


@pytest.fixture
def photographs(tmp_path):
    """JPEGs of two rendered people, 256 pixels high, each placed in a larger image."""
    drawn = {"photo": render(4, 0, 256, 0), "other": render(3, 0, 256, 0)}
    for name, person in drawn.items():
        scene = np.full((400, 400, 3), 120, np.uint8)
        scene[80:336, 150:278] = person.image
        Image.fromarray(scene).save(tmp_path / f"{name}.jpg")
    return drawn


@needs_weights
def test_photographs_need_no_key_points(generate, model, photographs, tmp_path):
    done = generate(
        *("--model", model, "--source", tmp_path / "photo.jpg", "--pose", tmp_path / "other.jpg"),
        *("--output", tmp_path / "out.png"),
    )
    assert done.returncode == 0, done.stderr
    source, target = (line for line in done.stderr.splitlines() if line.startswith("warning"))
    assert "photo.jpg: the person covers 2" in source
    assert "other.jpg: the pose's torso is shorter than those of the training data" in target
    assert (tmp_path / "out-strip.png").is_file()
    used = read_keypoints(tmp_path / "out-keypoints.csv")
    frame = letter_box(Image.new("RGB", (400, 400)), SIZE)[1]
    for name, joints in zip(("photo", "other"), used.values(), strict=True):
        moved = photographs[name].keypoints + np.array([80, 150])
        placed = frame.place(np.where(photographs[name].keypoints >= 0, moved, -1))
        both = ((joints >= 0) & (placed >= 0)).all(1)
        assert both.sum() > 12
        assert np.abs(joints - placed)[both].max() <= 1


@needs_weights
def test_a_picture_of_nobody(tmp_path):
    finder = PoseFinder(SIZE, "cpu", tmp_path / "out.png")
    for size in ((1, 1), (300, 200), (20_000, 30)):
        Image.new("RGB", size, (120, 110, 100)).save(tmp_path / "wall.jpg")
        with pytest.raises(InputError, match=r"wall.jpg: no person was found in it$"):
            finder.source(tmp_path / "wall.jpg", open_picture(tmp_path / "wall.jpg"), None, None)


@needs_weights
def test_a_picture_of_five(tmp_path):
    scene = np.full((200, 500, 3), 120, np.uint8)
    for column, identity in enumerate((4, 3, 6, 8, 9)):
        drawn = next(p for v in range(9) if (p := render(identity, v, 128, 0)).keypoints[0, 0] >= 0)
        scene[40:168, 20 + 96 * column : 84 + 96 * column] = drawn.image
    Image.fromarray(scene).save(tmp_path / "group.png")
    with pytest.raises(InputError, match=r"group.png: \d people were found .* with --pose .*:K"):
        PoseFinder(SIZE, "cpu", tmp_path / "out.png").target(str(tmp_path / "group.png"))


@needs_weights
def test_a_grey_picture_is_as_good(photographs, tmp_path):
    Image.open(tmp_path / "photo.jpg").convert("L").save(tmp_path / "grey.jpg")
    finder = PoseFinder(SIZE, "cpu", tmp_path / "out.png")
    grey, colour = (finder.target(str(tmp_path / f"{name}.jpg")) for name in ("grey", "photo"))
    assert np.median(np.abs(grey - colour)) <= 1


@needs_weights
def test_a_photograph_upside_down(photographs, tmp_path):
    turned = tmp_path / "turned.jpg"
    Image.open(tmp_path / "photo.jpg").rotate(180).save(turned)
    with pytest.raises(InputError, match=r"turned.jpg: no person was found in it$"):
        PoseFinder(SIZE, "cpu", tmp_path / "out.png").target(str(turned))


def sixteen_bits(image):
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)


KINDS = {
    "grey.png": lambda image: image.convert("L"),
    "sixteen.png": sixteen_bits,
    "cmyk.jpg": lambda image: image.convert("CMYK"),
    "cmyk.tiff": lambda image: image.convert("CMYK"),
    "clear.png": lambda image: image.convert("RGBA"),
    "palette.png": lambda image: image.quantize(64),
    "animated.gif": lambda image: image,
}


@pytest.mark.parametrize(("name", "convert"), KINDS.items())
def test_sources_of_every_kind(name, convert, model, person, tmp_path):
    """Grey or a little coarser, the source is the same, and so is the result."""
    others = {"save_all": True, "append_images": [Image.new("RGB", (32, 64))]}
    options = others if name == "animated.gif" else {}
    convert(Image.fromarray(person.image)).save(tmp_path / name, **options)
    expected = Image.fromarray(person.image)
    if name in ("grey.png", "sixteen.png"):
        expected = expected.convert("L").convert("RGB")
    image, frame = letter_box(open_picture(tmp_path / name), SIZE)
    away = np.abs(image.astype(int) - letter_box(expected, SIZE)[0])
    assert away.mean() < 4
    given = image[None], frame.place(person.keypoints)[None], named_pose("walk", SIZE)[None]
    assert PoseTransfer.load(model, "cpu")(*given).shape == (1, *SIZE, 3)


def test_without_an_estimator(generate, model, person, tmp_path, monkeypatch):
    for variable in ("XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "empty"))
    output = tmp_path / "out.png"
    done = generate("--model", model, "--source", tmp_path / "person.png", "--output", output)
    assert done.returncode == 1
    error = done.stderr.splitlines()[-1]
    assert error.startswith("error: no estimator of key points is here: run make estimator")
    assert not output.exists()


def standing(pose, top: int, left: int):
    """A person whose joints cover 120 rows, and whose torso covers 40 rows and 10 columns."""
    torso = {2: (top, left), 5: (top, left + 10), 8: (top + 40, left), 11: (top + 40, left + 10)}
    return pose(torso | {10: (top + 120, left)})


@pytest.mark.parametrize(
    ("size", "top", "left", "words"),
    [
        ((200, 100), 40, 40, None),
        ((250, 100), 40, 40, "the person covers 48% of the height"),
        ((200, 100), 4, 40, "the frame cuts the torso"),
        ((200, 100), 40, 86, "the frame cuts the torso"),
    ],
)
def test_doubts_about_a_source(pose, size, top, left, words):
    image, joints = Image.new("RGB", size[::-1]), standing(pose, top, left)
    said = list(doubts(image, joints, (128, 64)))
    assert len(said) == (words is not None)
    assert all(re.search(words, doubt) for doubt in said)
    joints[11] = -1  # then the torso is not whole, which is an error and no doubt
    assert "the frame" not in str(list(doubts(image, joints, (128, 64))))


def test_doubts_about_a_small_picture(pose):
    joints = np.where(standing(pose, 40, 40) >= 0, standing(pose, 40, 40) // 3, -1)
    assert list(doubts(Image.new("RGB", (32, 64)), joints, (128, 64))) == []
    (said,) = doubts(Image.new("RGB", (20, 62)), joints, (128, 64))
    assert said.startswith("its 62 x 20 pixels (height x width) are enlarged 2.1 times to fit")


@pytest.mark.parametrize(
    ("length", "aside", "words"),
    [
        (40, 0, None),
        (20, 0, "the pose's torso is shorter than those of the training data"),
        (80, 0, "the pose's torso is longer than those of the training data"),
        (40, 20, None),
        (40, 30, "the pose leans by more than 34 degrees"),
        (-40, 0, "the pose leans by more than 34 degrees"),
    ],
)
def test_doubts_about_a_pose(pose, length, aside, words):
    """Lengths are in pixels of an image of 128 x 64; 34 degrees are 27 pixels aside over 40."""
    shoulders, hips = (60, 20 + aside), (60 + length, 20)
    joints = pose({2: shoulders, 5: shoulders, 8: hips, 11: hips})
    said = list(pose_doubts(joints, (128, 64)))
    assert len(said) == (words is not None)
    assert all(doubt.startswith(words) for doubt in said)


def test_doubts_about_a_pose_are_said(finder, person, tmp_path, capsys):
    half = whole(person) // 2
    half[whole(person) < 0] = -1
    finder([half]).target(str(tmp_path / "person.png"))
    said = capsys.readouterr().err
    assert re.fullmatch(r"warning: .*person.png: the pose's torso is shorter than .*\n", said)


@pytest.mark.parametrize("name", NAMED_POSES)
def test_no_doubt_about_named_poses(name):
    for azimuth in range(0, 360, 45):
        joints = named_keypoints(name, azimuth, 128)
        assert not has_torso(joints) or not list(pose_doubts(joints, (128, 64)))


def test_a_source_upside_down(pose, finder, tmp_path, capsys):
    Image.new("RGB", (100, 200)).save(tmp_path / "turned.png")
    joints = standing(pose, 20, 40)
    joints[[2, 5]], joints[[8, 11]] = joints[[8, 11]].copy(), joints[[2, 5]].copy()
    picture = open_picture(tmp_path / "turned.png")
    finder([joints]).source(tmp_path / "turned.png", picture, None, None)
    said = capsys.readouterr().err
    assert re.fullmatch(r"warning: .*turned.png: the hips are above the shoulders: .*\n", said)
