"""The Gradio page of `vdg demo`: choose a person and a pose, see the result live."""

import base64
import functools
import importlib.resources
import io
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import gradio as gr
import numpy as np
from fastapi.responses import JSONResponse
from PIL import Image
from pydantic import BaseModel, Field, ValidationError

from vdg import estimators
from vdg.data.fitting import Frame, as_rgb, letter_box
from vdg.data.synthetic.render import NAMED_POSES
from vdg.decoding import open_file, opened
from vdg.drawing import enlarge
from vdg.errors import InputError
from vdg.estimators.movenet_joints import invented_text
from vdg.inference import bundled
from vdg.inference.bundled import BONES
from vdg.inference.pose_finder import doubts, pose_doubts
from vdg.inference.transfer import PoseTransfer, named_height, named_pose, require_torso
from vdg.pose import TORSO, has_torso
from vdg.runtime import select_device

SHOWN_HEIGHT = 384  # pixels; height of the images on the page
LARGEST_SIDE = 512  # pixels; uploads are kept at this side, the height of the largest models' input

EDITOR = importlib.resources.files("vdg.inference") / "editor"

INTRODUCTION = """
# The same person in another pose

Pick a person, then a pose, or drag its joints; a double click makes a joint missing, and a hollow
one comes back when it is dragged. The people are rendered: the first eight are like those that the
model `rendered` knows, the last four like those of the default run (`models/synthetic/`).
`market1501-holdout` knows photographs.
A picture of your own should show one person, cut out tightly; {joints} Use
pictures of people who agreed to it, and mark what is generated.
"""
ESTIMATED = "its joints are estimated; drag those that are wrong."
BY_HAND = "drag the joints onto it (after `make estimator` they are estimated)."


def models_here(pretrained: Sequence[Path], trained: Path) -> dict[str, Path]:
    """Model files on the page by name: the pretrained ones first, then those trained here.

    Raises InputError if there is none.
    """
    choices = {f"pretrained ({path.stem})": path for path in pretrained if path.is_file()}
    models = sorted(trained.glob("*/*/model.safetensors"))
    choices |= {str(path.parent.relative_to(trained)): path for path in models}
    if not choices:
        raise InputError(
            f"there is no model in {trained} and none of {', '.join(map(str, pretrained))}: run "
            "dvc repro first, or name a model file with --model"
        )
    return choices


def named(paths: Sequence[Path]) -> dict[str, Path]:
    """Model files by name, with as many of their folders as tell them apart.

    Visitors see the names, and a whole path would show them how this machine is arranged.
    """
    whole = list(dict.fromkeys(path.resolve() for path in paths))
    for count in range(1, max(len(path.parts) for path in whole) + 1):
        names = {str(Path(*path.parts[-count:])): path for path in whole}
        if len(names) == len(whole):
            break
    return names


def data_uri(image: Image.Image) -> str:
    """An image as a PNG data URI."""
    png = io.BytesIO()
    image.save(png, "PNG")
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()


def skeleton_editor(elem_id: str) -> gr.HTML:
    """A skeleton with draggable joints; a double click makes a joint missing.

    Its value has the keys "size": [H, W]; "joints": [[y, x], ...], -1 for missing joints;
    "parked": positions at which missing joints are drawn hollow, to be dragged from; "picture":
    data URI of the background, or "".
    """
    template, css, script = (
        (EDITOR / f"skeleton.{kind}").read_text("utf-8") for kind in ("html", "css", "js")
    )
    template = template.replace("BONES", json.dumps(BONES)).replace("HEIGHT", str(SHOWN_HEIGHT))
    return gr.HTML(
        html_template=template,
        css_template=css,
        js_on_load=script,
        apply_default_css=False,
        elem_id=elem_id,
        value=editor_value(np.full((18, 2), -1), (128, 64)),
    )


def editor_value(joints: np.ndarray, size: tuple[int, int], picture: Image.Image | None = None):
    """The value of a skeleton editor. joints: (18, 2), (y, x), in an image of `size` (H, W)."""
    shown = ""
    if picture is not None:
        scale = max(1, SHOWN_HEIGHT // size[0])
        shown = data_uri(
            Image.fromarray(letter_box(picture, (size[0] * scale, size[1] * scale))[0])
        )
    return {
        "size": list(size),
        "joints": np.asarray(joints).tolist(),
        "parked": named_pose("stand", size).tolist(),
        "picture": shown,
    }


class _Editor(BaseModel):
    """The validated keys of a skeleton editor's value; see `editor_value`."""

    size: tuple[int, int]
    joints: Annotated[list[tuple[int, int]], Field(min_length=18, max_length=18)]


def joints_of(value: dict) -> np.ndarray:
    """The joints of a skeleton editor's value: int16 (18, 2).

    Raises InputError for an invalid value, because any client may send one.
    """
    try:
        shown = _Editor.model_validate(value)
    except ValidationError as error:
        raise InputError("this is no skeleton of 18 joints: reload the page") from error
    for y, x in shown.joints:
        inside = 0 <= y < shown.size[0] and 0 <= x < shown.size[1]
        if not inside and (y, x) != (-1, -1):
            raise InputError("a joint is outside of the picture: reload the page")
    return np.array(shown.joints, np.int16)


class Studio:
    """The actions of the page's controls.

    choices: model files by name. device: name, as the parameter `device`.
    """

    def __init__(self, choices: dict[str, Path], device: str):
        self.choices = choices
        chosen = str(select_device(device))
        self.model = functools.cache(functools.partial(self._load, chosen))
        self.people = bundled.people()

    def _load(self, device: str, name: str) -> PoseTransfer:
        if name not in self.choices:
            raise InputError(f"there is no model {name!r}: reload the page")
        return PoseTransfer.load(self.choices[name], device)

    def person(self, index: int, model: str):
        """A bundled person. Returns (image, value of the source's editor)."""
        if type(index) is not int or index not in range(len(self.people)):
            raise InputError(f"there is no person {index!r}: reload the page")
        image, keypoints = self.people[index]
        size = self.model(model).size
        joints = _frame(image, size).place(keypoints)
        return image, editor_value(joints, size, image)

    def upload(self, path: str | None, model: str):
        """An uploaded image. Returns (image, value of the source's editor).

        The joints are estimated. Without an estimator or a detection, they are those of a standing
        skeleton.
        """
        _require_picture(path)
        file = Path(path)
        with open_file(file) as opened_file, opened(opened_file, file.name) as picture:
            image = as_rgb(picture, file.name)  # messages name the file without its folder
        image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
        size = self.model(model).size
        joints = self._estimated(image, model) if estimators.available() else None
        if joints is None:
            return image, editor_value(named_pose("stand", size), size, image)
        for doubt in doubts(image, joints, size):
            gr.Warning(f"The picture: {doubt}")
        return image, editor_value(_frame(image, size).place(joints), size, image)

    def _estimated(self, image: Image.Image, model: str) -> np.ndarray | None:
        """Joints (18, 2) of the most confident person, preferably one with a complete torso."""
        invented: list[int] = []
        people = estimators.people(image, self.model(model).device, invented)
        whole = [joints for joints in people if has_torso(joints)]
        if not len(people):
            gr.Warning("No person was found in the picture: drag the joints onto it")
            return None
        if len(people) > 1:
            gr.Warning(f"{len(people)} people were found: cut the picture to the one you mean")
        if dropped := sum(invented):
            gr.Info(invented_text(dropped))
        return (whole or list(people))[0]

    def pose(self, name: str, azimuth: float, model: str):
        """A bundled pose. Returns the value of the target's editor."""
        size = self.model(model).size
        return editor_value(named_pose(f"{name}@{azimuth}", size), size)

    def resize(self, model: str, image: Image.Image, source: dict, target: dict):
        """Convert both editors to the image size of another model. Returns their values."""
        _require_picture(image)
        # source: from the old letter-box to the image, then to the new letter-box
        joints, size = joints_of(source), self.model(model).size
        old = tuple(source["size"])
        if old not in {self.model(name).size for name in self.choices}:
            raise InputError("the skeletons are of no model that is here: reload the page")
        # the image ends at its height less 0.5, which is outside: a joint beside it moves onto it
        inside = _frame(image, old).undo(joints).clip(-0.5, np.subtract(image.size[::-1], 0.501))
        placed = _frame(image, size).place(np.where(joints >= 0, inside, -1))
        # target: scaled and centred like named poses
        joints, scale = joints_of(target), named_height(size) / named_height(old)
        moved = np.floor((joints + 0.5 - np.array(old) / 2) * scale + np.array(size) / 2)
        moved = np.where(joints >= 0, moved.clip(0, [size[0] - 1, size[1] - 1]), -1).astype(int)
        return editor_value(placed, size, image), editor_value(moved, size)

    def draw(self, model: str, image: Image.Image, source: dict, target: dict):
        """Returns (stage I, result, their absolute difference, time as text)."""
        network = self.model(model)
        _require_picture(image)
        joints = joints_of(source), joints_of(target)
        if tuple(source["size"]) != network.size or tuple(target["size"]) != network.size:
            raise InputError("the skeletons are of another model: pick the person again")
        require_torso(joints[0], "the source")
        if (joints[1][list(TORSO)] < 0).all():
            raise InputError("the target pose has no shoulder and no hip")
        pixels, _ = letter_box(image, network.size)
        given = pixels[None], joints[0][None], joints[1][None]
        start = time.perf_counter()
        coarse, result = (stage[0] for stage in network.both_stages(*given))
        took = f"{1000 * (time.perf_counter() - start):.0f} ms on {network.device}"
        if has_torso(joints[1]):  # beside the time, because a message would come at every drag
            took = "; ".join([took, *pose_doubts(joints[1], network.size)])
        change = np.abs(result.astype(int) - coarse).astype(np.uint8)
        scale = max(1, SHOWN_HEIGHT // network.size[0])
        return *(enlarge(x, scale) for x in (coarse, result, change)), took


def _frame(image: Image.Image, size: tuple[int, int]) -> Frame:
    """The position of an image in a letter-box of `size` (H, W)."""
    return Frame.of(image.height, image.width, size)


def _require_picture(picture: Image.Image | str | None) -> None:
    if picture is None:
        raise InputError("there is no picture yet: pick a person, or give a picture of yours")


def _told(function):
    """Decorate a function to show its InputErrors as messages on the page."""

    @functools.wraps(function)
    def wrapped(*arguments):
        try:
            return function(*arguments)
        except InputError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return wrapped


def unknown_event(_request, _error: KeyError) -> JSONResponse:
    """The answer to an event that names no handler of the page."""
    return JSONResponse({"detail": "there is no such handler: reload the page"}, 400)


def build(studio: Studio) -> gr.Blocks:
    """Build the page."""
    names = list(studio.choices)
    picture = functools.partial(
        gr.Image, interactive=False, format="png", height=SHOWN_HEIGHT, buttons=["download"]
    )
    column = functools.partial(gr.Column, min_width=200)
    with gr.Blocks(
        title="VDG", analytics_enabled=False, fill_width=True, delete_cache=(600, 600)
    ) as page:
        joints = ESTIMATED if estimators.available() else BY_HAND
        gr.Markdown(INTRODUCTION.format(joints=joints))
        image = gr.State()
        model = gr.Dropdown(names, value=names[0], label="model", elem_id="model")
        with gr.Row():
            with column():
                gr.Markdown("### Source")
                source = skeleton_editor("source")
                people = gr.Gallery(
                    [person for person, _ in studio.people],
                    columns=4,
                    height=290,
                    object_fit="contain",
                    allow_preview=False,
                    label="rendered people",
                    elem_id="people",
                )
                upload = gr.UploadButton("a picture of yours", file_types=["image"])
            with column():
                gr.Markdown("### Pose")
                target = skeleton_editor("target")
                pose = gr.Dropdown(list(NAMED_POSES), value="walk", label="bundled pose")
                azimuth = gr.Slider(
                    0, 359, value=15, step=1, label="direction in degrees (0 faces you)"
                )
            with column():
                gr.Markdown("### Result")
                result = picture(label="result", elem_id="result")
                took = gr.Markdown()
            with column():
                gr.Markdown("### Stage I")
                coarse = picture(label="coarse prediction", elem_id="coarse")
            with column():
                gr.Markdown("### Difference")
                change = picture(label="what stage II changed", elem_id="change")

        newest = {"trigger_mode": "always_last"}  # during a call, only the last event is queued
        drawing = newest | {
            "fn": _told(studio.draw),
            "inputs": [model, image, source, target],
            "outputs": [coarse, result, change, took],
            "show_progress": "hidden",
        }

        # not gr.SelectData, which Gradio cannot make of a malformed event
        def choose(chosen: gr.EventData, model: str):
            event = chosen._data if isinstance(chosen._data, dict) else {}
            return studio.person(event.get("index"), model)

        posing = newest | {
            "fn": _told(studio.pose),
            "inputs": [pose, azimuth, model],
            "outputs": target,
        }
        resizing = newest | {
            "fn": _told(studio.resize),
            "inputs": [model, image, source, target],
            "outputs": [source, target],
        }
        person = {"outputs": [image, source]}
        first = functools.partial(studio.person, 0)
        page.load(_told(first), model, **person).then(**posing).then(**drawing)
        people.select(_told(choose), model, **person, **newest).success(**drawing)
        upload.upload(_told(studio.upload), [upload, model], **person).success(**drawing)
        for control in (pose, azimuth):
            control.input(**posing).success(**drawing)
        model.input(**resizing).success(**drawing)
        for editor in (source, target):
            editor.input(**drawing)
    return page
