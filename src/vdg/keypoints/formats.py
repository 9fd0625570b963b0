"""What is in the key-point files of other tools: one function and one row of a table per format.

Each function turns a file's JSON into pictures with the people as the file has them. It raises
InputError, without the file's name, where the content is not what the format says.
"""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vdg.errors import InputError
from vdg.keypoints.skeletons import NECK, ORDERS, SHOULDERS, joint_name, to_openpose

Size = tuple[int, int]
PIXELS, UNIT, SIGNED, PERCENT = UNITS = ("pixels", "0..1", "-1..1", "percent")
SCORED = 1.0  # the score of a joint that a file gives without one


@dataclass
class Person:
    """joints: (18, 2), x and y in the file's unit. scores: (18,), 0 where a joint is not given."""

    joints: np.ndarray
    scores: np.ndarray


@dataclass
class Picture:
    """One picture or frame of a file.

    name: that of the picture; None if the file does not say. size: (H, W) of the canvas that the
    coordinates refer to, if the file says it.
    """

    name: str | None = None
    size: Size | None = None
    people: list[Person] = field(default_factory=list)
    layout: str = ""  # "25 joints of OpenPose"


@dataclass(frozen=True)
class Format:
    """key: as of --format. tool: who writes it. threshold: of a joint's score, from which it is
    found; each tool draws joints from it. unit: of the coordinates, if always the same."""

    key: str
    tool: str
    threshold: float
    fits: Callable[[Any], bool]
    read: Callable[[Any], list[Picture]]
    unit: str | None = None


# parts of several formats


def numbers(value: Any, where: str) -> np.ndarray:
    """A list of finite numbers, flat or in rows of equal length, as an array."""
    rows = value if isinstance(value, list) else [value]
    for index, row in enumerate(rows):
        for number in row if isinstance(row, list) else [row]:
            if not _is_number(number):
                raise InputError(
                    f"{where}: value {index} is {_shown(number)}, not a finite number: "
                    "write the file again"
                )
    if not isinstance(value, list) or len({len(r) if isinstance(r, list) else 0 for r in rows}) > 1:
        raise InputError(
            f"{where}: expected a list of numbers, found {_shown(value)}: write the file again"
        )
    return np.array(value, float)


def _is_number(value: Any) -> bool:
    # isinstance would accept bool; a long integer has no float
    if type(value) not in (int, float):
        return False
    return abs(value) <= 1e308 if type(value) is int else math.isfinite(value)


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _triples(value: Any, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Points (J, 2) and scores (J,) of x, y, score in turn, or of x, y; flat or in rows."""
    flat = numbers(value, where)
    if flat.ndim == 1:
        width = next((w for w in (3, 2) if flat.size % w == 0 and flat.size // w in ORDERS), 3)
        if flat.size % width:
            raise InputError(
                f"{where} has {flat.size} numbers, not x, y and a score of each joint: "
                "write the file again"
            )
        flat = flat.reshape(-1, width)
    if flat.shape[1] not in (2, 3):
        raise InputError(
            f"{where} has rows of {flat.shape[1]} numbers, not x, y and a score: write the file "
            "again, or name what it is with --format"
        )
    return flat[:, :2], flat[:, 2] if flat.shape[1] == 3 else np.full(len(flat), SCORED)


def _add(picture: Picture, points: np.ndarray, scores: np.ndarray, where: str, names=None) -> None:
    """Append a person to a picture. names: of the joints; None says them by their number."""
    if names is None:
        if len(points) not in ORDERS:
            known = ", ".join(map(str, ORDERS))
            raise InputError(
                f"{where} has {len(points)} joints, and orders are known of {known}: convert them "
                "to OpenPose's 18 first"
            )
        owner, names = ORDERS[len(points)]
        picture.layout = f"{len(points)} joints of {owner}"
    else:
        picture.layout = f"{len(points)} joints by name"
    picture.people.append(Person(*to_openpose(points, scores, names)))


def _size(value: dict, height: str, width: str, where: str) -> Size | None:
    """The size under two keys of an object, if both are there and not null."""
    pair = value.get(height), value.get(width)
    if None in pair:
        return None
    if not all(_is_number(side) and side >= 1 for side in pair):
        raise InputError(
            f"{where}: {height} is {_shown(pair[0])} and {width} {_shown(pair[1])}: "
            "a size is 1 or more"
        )
    return int(pair[0]), int(pair[1])


def _objects(value: Any, *keys: str) -> bool:
    """Whether it is a list of objects, one or more, the first of which has all keys."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(entry, dict) for entry in value)
        and all(key in value[0] for key in keys)
    )


def _list(value: Any, where: str) -> list[dict]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise InputError(
            f"{where}: expected a list of objects, found {_shown(value)}: write the file again"
        )
    return value


# OpenPose's keys, which many others write, too

BODY = ("pose_keypoints_2d", "pose_keypoints", "keypoints")


def _has_people(value: Any) -> bool:
    return isinstance(value, dict) and "people" in value


def _has_canvas(value: Any) -> bool:
    return isinstance(value, dict) and "canvas_height" in value and "canvas_width" in value


def _people(value: Any, where: str, name: str | None = None) -> Picture:
    """One picture of OpenPose's keys; a body that is null or empty is a person without joints."""
    if not _has_people(value):
        raise InputError(f"{where}: expected an object with people, found {_shown(value)}: "
                         "name what the file is with --format")  # fmt: skip
    picture = Picture(name, _size(value, "canvas_height", "canvas_width", where))
    people = [] if value["people"] is None else value["people"]
    for index, person in enumerate(_list(people, f"{where}people")):
        key = next((key for key in BODY if key in person), None)
        place = f"{where}people: {index}"
        if key is None:
            raise InputError(f"{place} has no {BODY[0]}: write the file again")
        if not person[key]:
            picture.people.append(Person(np.full((18, 2), np.nan), np.zeros(18)))
            continue
        _add(picture, *_triples(person[key], f"{place}: {key}"), f"{place}: {key}")
    return picture


def _openpose(value: Any) -> list[Picture]:
    return [_people(value, "")]


def _frames(value: Any) -> list[Picture]:
    """Objects of OpenPose's keys, one per frame; a frame that is null shows nobody."""
    frames = value if isinstance(value, list) else [value]
    return [
        Picture() if frame is None else _people(frame, f"frame {index}: " if index else "")
        for index, frame in enumerate(frames)
    ]


def _are_frames(value: Any) -> bool:
    frames = value if isinstance(value, list) else [value]
    shown = [frame for frame in frames if frame is not None]
    return bool(shown) and all(map(_has_people, shown)) and (shown != [value] or _has_canvas(value))


def _is_converted(value: Any) -> bool:
    """Whether OpenPose's keys hold a COCO estimator's 17 joints with a computed neck.

    Their neck is the middle of the shoulders and its score the lower of theirs, as rtmlib and
    DWPose write it; and hidden joints have a place, with a low score, where OpenPose's are 0.
    """
    if not _has_people(value) or _has_canvas(value):
        return False
    bodies = [person.get(BODY[0]) for person in value["people"] or [] if isinstance(person, dict)]
    flat = [body for body in bodies if isinstance(body, list) and len(body) == 54]
    if not flat or len(flat) < len(bodies) or not all(_is_number(v) for b in flat for v in b):
        return False
    joints = np.array(flat, float).reshape(-1, 18, 3)
    shoulders, neck = joints[:, list(SHOULDERS)], joints[:, NECK]
    near = np.abs(shoulders[..., :2].mean(1) - neck[:, :2]).max() < 0.01
    lower = np.abs(shoulders[..., 2].min(1) - neck[:, 2]).max() < 1e-4
    return bool(near and lower and (joints != 0).any(-1).all())


# AlphaPose


def _alphapose_list(value: Any) -> list[Picture]:
    return _by_picture(_list(value, "the file"), lambda entry: str(entry["image_id"]))


def _by_picture(entries: list[dict], name_of: Callable[[dict], str | None]) -> list[Picture]:
    """People with "keypoints" of x, y, score in turn, grouped by picture in the file's order."""
    pictures: dict[str | None, Picture] = {}
    for index, entry in enumerate(entries):
        where = f"entry {index}"
        if "keypoints" not in entry:
            raise InputError(f"{where} has no keypoints: write the file again")
        name = name_of(entry)
        picture = pictures.setdefault(name, Picture(name))
        if entry["keypoints"]:  # or it is a box alone
            _add(picture, *_triples(entry["keypoints"], f"{where}: keypoints"), where)
    return list(pictures.values())


def _is_alphapose_picture(value: Any) -> bool:
    """Whether it is a file of AlphaPose's folder sep-json, of one picture."""
    if not isinstance(value, dict):
        return False
    return "bodies" in value or (
        "people" in value and str(value.get("version")).startswith("AlphaPose")
    )


def _are_named_pictures(value: Any) -> bool:
    return _is_alphapose_picture(value) or (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(v, dict) and ("people" in v or "bodies" in v) for v in value.values())
    )


def _alphapose_named(value: Any) -> list[Picture]:
    if _is_alphapose_picture(value):
        return [_bodies(value, None) if "bodies" in value else _people(value, "")]
    return [
        _bodies(entry, name) if "bodies" in entry else _people(entry, f"{name}: ", name)
        for name, entry in value.items()
    ]


def _bodies(value: dict, name: str | None) -> Picture:
    picture = Picture(name)
    for index, body in enumerate(_list(value["bodies"], "bodies")):
        where = f"bodies: {index}: joints"
        _add(picture, *_triples(body.get("joints"), where), where)
    return picture


# mmpose, ultralytics, openpifpaf


MMPOSE_KEYS = ("instance_info", "predictions")  # of its demos, and of its inferencer in Python


def _is_mmpose(value: Any) -> bool:
    if isinstance(value, dict):
        return any(key in value for key in MMPOSE_KEYS)
    if _objects(value, "instances"):
        return True
    return _objects(value, "keypoints", "keypoint_scores")


def _mmpose(value: Any) -> list[Picture]:
    if isinstance(value, dict):
        value = next((value[key] for key in MMPOSE_KEYS if key in value), value)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]  # a batch of one picture
    entries = _list(value, "the file")
    if not entries or "instances" not in entries[0]:
        entries = [{"instances": entries}]  # a picture; a video has one such object a frame
    pictures = []
    for number, entry in enumerate(entries):
        picture = Picture()
        for index, person in enumerate(_list(entry.get("instances"), f"frame {number}: instances")):
            where = f"frame {number}: person {index}"
            points = _triples(person.get("keypoints"), f"{where}: keypoints")[0]
            scores = numbers(person.get("keypoint_scores"), f"{where}: keypoint_scores")
            _same_length(points, scores, where)
            _add(picture, points, scores, where)
        pictures.append(picture)
    return pictures


def _same_length(points: np.ndarray, others: np.ndarray, where: str) -> None:
    if others.shape != points.shape[:1]:
        raise InputError(
            f"{where}: {len(points)} joints and {others.size} scores: write the file again"
        )


def _is_ultralytics(value: Any) -> bool:
    return _objects(value, "keypoints") and isinstance(value[0]["keypoints"], dict)


def _ultralytics(value: Any) -> list[Picture]:
    picture = Picture()
    for index, entry in enumerate(_list(value, "the file")):
        joints, where = entry.get("keypoints"), f"entry {index}: keypoints"
        if not isinstance(joints, dict) or "x" not in joints or "y" not in joints:
            raise InputError(f"{where}: expected x and y, found {_shown(joints)}: "
                             "export the results of a pose model")  # fmt: skip
        x, y = (numbers(joints[axis], f"{where}: {axis}") for axis in ("x", "y"))
        _same_length(x, y, where)
        given = joints.get("visible", joints.get("visibility"))
        scores = np.full(len(x), SCORED) if given is None else numbers(given, f"{where}: visible")
        _same_length(x, scores, where)
        _add(picture, np.stack([x, y], 1), scores, where)
    return [picture]


def _openpifpaf(value: Any) -> list[Picture]:
    return _by_picture(_list(value, "the file"), lambda entry: None)


# COCO


def _is_coco(value: Any) -> bool:
    return isinstance(value, dict) and "annotations" in value and "images" in value


def _coco(value: Any) -> list[Picture]:
    pictures = {}
    for index, image in enumerate(_list(value["images"], "images")):
        if "id" not in image:
            raise InputError(f"images: {index} has no id: write the file again")
        name = image.get("file_name")
        size = _size(image, "height", "width", f"images: {index}")
        pictures[image["id"]] = Picture(None if name is None else str(name), size)
    names = {
        category.get("id"): [joint_name(str(label)) or "" for label in category["keypoints"]]
        for category in _list(value.get("categories") or [], "categories")
        if category.get("keypoints")
    }
    for index, entry in enumerate(_list(value["annotations"], "annotations")):
        where = f"annotations: {index}"
        if not entry.get("keypoints"):
            continue  # a box or an outline
        if entry.get("image_id") not in pictures:
            raise InputError(f"{where} is of image {_shown(entry.get('image_id'))}, which images "
                             "does not list: write the file again")  # fmt: skip
        points, scores = _triples(entry["keypoints"], f"{where}: keypoints")
        order = names.get(entry.get("category_id"))
        if order is not None and len(order) != len(points):
            raise InputError(f"{where} has {len(points)} joints and its category {len(order)} "
                             "names: write the file again")  # fmt: skip
        if order is not None and sum(map(bool, order)) < 8:
            order = None  # numbers, or words of another kind
        _add(pictures[entry["image_id"]], points, scores, where, order)
    return list(pictures.values())


def caution(value: Any) -> str | None:
    """What a file's writer loses of people, if that is known."""
    about = value.get("info") if isinstance(value, dict) else None
    if isinstance(about, dict) and about.get("contributor") == "Label Studio":
        return (
            "Label Studio's COCO export merges the people of a picture into one: export its JSON "
            "where a picture shows several"
        )
    return None


def _is_results(value: Any) -> bool:
    return _objects(value, "image_id", "keypoints") and not _is_alphapose(value)


def _is_alphapose(value: Any) -> bool:
    return _objects(value, "image_id", "keypoints") and (
        isinstance(value[0]["image_id"], str) or "box" in value[0]
    )


# annotations by hand


def _labelled(points: Iterable[tuple[str, Sequence[float], float]], picture: Picture, who: str):
    """Add one person of labelled points (label, (x, y), score). Other labels are left out."""
    named: dict[str, tuple[Sequence[float], float]] = {}
    for label, place, score in points:
        name = joint_name(label)
        if name in named:
            raise InputError(
                f"{who} has {label} twice: give each person a group of its own in the tool"
            )
        if name is not None:
            named[name] = place, score
    if named:
        places = np.array([place for place, _ in named.values()], float)
        scores = np.array([score for _, score in named.values()])
        _add(picture, places, scores, who, list(named))


def _is_labelme(value: Any) -> bool:
    return isinstance(value, dict) and "shapes" in value and "imagePath" in value


def _labelme(value: Any) -> list[Picture]:
    name = value.get("imagePath")
    size = _size(value, "imageHeight", "imageWidth", "the file")
    picture = Picture(Path(str(name).replace("\\", "/")).name if name else None, size)
    groups: dict[Any, list] = {}
    for index, shape in enumerate(_list(value.get("shapes"), "shapes")):
        if shape.get("shape_type", "point") == "point":
            points = numbers(shape.get("points"), f"shapes: {index}: points")
            if points.shape != (1, 2):
                raise InputError(f"shapes: {index}: a point is one x, y: write the file again")
            found = groups.setdefault(shape.get("group_id"), [])
            found.append((str(shape.get("label")), points[0], SCORED))
    for group, points in groups.items():
        _labelled(points, picture, "the file" if group is None else f"group {group}")
    return _require_joints(picture, groups.values())


def _require_joints(picture: Picture, groups: Iterable[list]) -> list[Picture]:
    """The picture, unless it has points and none of them names a joint."""
    labels = sorted({label for group in groups for label, *_ in group})
    if labels and not picture.people:
        raise InputError(
            f"no label names a joint, such as left_shoulder: {', '.join(labels[:4])}: "
            "rename the labels"
        )
    return [picture]


def _is_label_studio(value: Any) -> bool:
    if not _objects(value):
        return False
    whole = any("annotations" in task or "completions" in task for task in value)
    return whole or any(_minimal(task) for task in value)


def _minimal(task: dict) -> list[dict]:
    """The labels of a task in Label Studio's smaller JSON, under whatever key they are."""
    found = (v for v in task.values() if isinstance(v, list))
    return next((v for v in found if _objects(v, "keypointlabels", "x", "y")), [])


def _label_studio(value: Any) -> list[Picture]:
    pictures = []
    for number, task in enumerate(_list(value, "the file")):
        labels, groups = _minimal(task), {}
        results = [{"value": label, **label} for label in labels]
        if not labels:
            done = task.get("annotations") or task.get("completions") or [{}]
            results = _list(done, f"task {number}: annotations")[0].get("result") or []
        picture = Picture(_task_name(task))
        for index, result in enumerate(_list(results, f"task {number}: result")):
            point, where = result.get("value"), f"task {number}: result {index}"
            if not isinstance(point, dict) or not point.get("keypointlabels"):
                continue
            place = numbers([point.get("x"), point.get("y")], where)
            picture.size = _size(result, "original_height", "original_width", where) or picture.size
            found = groups.setdefault(result.get("parentID"), [])
            found.append((str(point["keypointlabels"][0]), place, SCORED))
        for points in groups.values():
            _labelled(points, picture, f"task {number}")
        pictures += _require_joints(picture, groups.values())
    return pictures


def _task_name(task: dict) -> str | None:
    """The name of a task's picture, without the folder and the digits of an upload."""
    data = task.get("data") if isinstance(task.get("data"), dict) else task
    for text in (task.get("file_upload"), *data.values()):
        if isinstance(text, str) and Path(text).suffix:
            name = Path(text.partition("?d=")[2] or text).name
            head, _, rest = name.partition("-")
            digits = len(head) == 8 and all(c in "0123456789abcdef" for c in head)
            return rest if digits and rest else name
    return None


# DressCode, MediaPipe

DRESSCODE_SIZE = (512, 384)


def _is_dresscode(value: Any) -> bool:
    rows = value.get("keypoints") if isinstance(value, dict) else None
    return isinstance(rows, list) and len(rows) == 18 and _rows_of(rows, 4)


def _rows_of(rows: list, length: int) -> bool:
    return all(isinstance(row, list) and len(row) == length for row in rows)


def _dresscode(value: Any) -> list[Picture]:
    rows = value.get("keypoints") if isinstance(value, dict) else value
    joints, picture = numbers(rows, "keypoints"), Picture(size=DRESSCODE_SIZE)
    if joints.shape != (18, 4):
        raise InputError("keypoints: expected 18 rows of 4 numbers: write the file again")
    # its own loader draws joints beyond the first pixel
    _add(picture, joints[:, :2], (joints[:, :2] > 1).any(1).astype(float), "keypoints")
    return [picture]


LANDMARKS = ("pose_landmarks", "poseLandmarks", "landmarks", "keypoints")


def _poses(value: Any) -> list | None:
    """The lists of 33 landmarks in a value, one per person; None if there are none."""
    if isinstance(value, dict):
        inside = (_poses(value[key]) for key in LANDMARKS if key in value)
        return next((poses for poses in inside if poses is not None), None)
    if isinstance(value, list) and len(value) == 33 and all(map(_is_landmark, value)):
        return [value]
    if isinstance(value, list) and value:
        inside = [_poses(entry) for entry in value]
        if None not in inside:
            return [pose for poses in inside for pose in poses]
    return None


def _is_landmark(value: Any) -> bool:
    if isinstance(value, dict):
        return "x" in value and "y" in value
    return isinstance(value, list) and 2 <= len(value) <= 5


def _mediapipe(value: Any) -> list[Picture]:
    picture, poses = Picture(), _poses(value)
    if poses is None:
        raise InputError("no list of 33 landmarks with x and y is in it: write the file again")
    for index, landmarks in enumerate(poses):
        where = f"pose {index}"
        rows = [
            [mark["x"], mark["y"], mark.get("visibility", SCORED)]
            if isinstance(mark, dict)
            else [*mark[:2], mark[3] if len(mark) > 3 else SCORED]  # x, y, z, visibility
            for mark in landmarks
        ]
        joints = numbers(rows, where)
        _add(picture, joints[:, :2], joints[:, 2], where)
    return [picture]


def _is_pifpaf(value: Any) -> bool:
    return _objects(value, "keypoints") and isinstance(value[0]["keypoints"], list)


def _is_nobody(value: Any) -> bool:
    return isinstance(value, list) and all(entry is None for entry in value)


NOBODY = Format("nobody", "an empty list", 0.0, _is_nobody, lambda v: [Picture() for _ in v or [0]])
CSV = Format("csv", "the field's CSV", 0.0, lambda value: False, lambda value: [])
FORMATS = (
    NOBODY,
    Format("alphapose-open", "AlphaPose, by picture", 0.4, _are_named_pictures, _alphapose_named),
    Format("controlnet", "DWPose, ControlNet or ComfyUI", 0.3, _are_frames, _frames),
    Format("rtmlib", "rtmlib, in OpenPose's keys", 0.3, _is_converted, _openpose),
    Format("openpose", "OpenPose's keys", 0.1, _has_people, _openpose),
    Format("coco", "COCO's annotations", 1.0, _is_coco, _coco),
    Format("alphapose", "AlphaPose", 0.4, _is_alphapose, _alphapose_list),
    Format("mmpose", "mmpose", 0.3, _is_mmpose, _mmpose),
    Format("ultralytics", "ultralytics", 0.25, _is_ultralytics, _ultralytics),
    Format("coco-results", "COCO's results", 0.3, _is_results,
           lambda v: _by_picture(_list(v, "the file"), lambda entry: str(entry.get("image_id")))),
    Format("labelme", "labelme", 0.5, _is_labelme, _labelme),
    Format("label-studio", "Label Studio", 0.5, _is_label_studio, _label_studio, PERCENT),
    Format("dresscode", "DressCode", 0.5, _is_dresscode, _dresscode, PIXELS),
    Format("mediapipe", "MediaPipe", 0.5, lambda v: _poses(v) is not None, _mediapipe),
    Format("openpifpaf", "openpifpaf", 0.15, _is_pifpaf, _openpifpaf),
)  # fmt: skip
"""Tried in this order: a format stands before those whose mark it has, too."""
