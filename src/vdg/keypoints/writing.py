"""Write key points for other tools: the field's CSV, OpenPose's JSON and COCO's annotations."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from vdg.errors import InputError
from vdg.files import json_bytes
from vdg.keypoints import units
from vdg.keypoints.annotations import keypoints_csv
from vdg.keypoints.skeletons import COCO
from vdg.pose import JOINTS

Size = tuple[int, int]


@dataclass(frozen=True)
class Posed:
    """A picture with its people: places (K, 18, 2), (y, x) in its pixels, nan = missing.

    size: (H, W) in pixels, if it is known.
    """

    name: str
    size: Size | None
    people: np.ndarray


def csv(pictures: Sequence[Posed]) -> bytes:
    """The field's CSV: whole pixels of one person a picture; a picture of nobody has no row.

    Raises InputError for a picture of several people.
    """
    for picture in pictures:
        if len(picture.people) > 1:
            raise InputError(
                f"{picture.name} shows {len(picture.people)} people, and the CSV holds one a "
                "picture: choose one with --person K, or another format with --to"
            )
    rows = [picture for picture in pictures if len(picture.people)]
    return keypoints_csv([p.name for p in rows], [units.pixels(p.people[0]) for p in rows])


def openpose(picture: Posed) -> bytes:
    """OpenPose's JSON of one picture, 18 joints, with its canvas if the size is known."""
    people = []
    for joints in picture.people:
        found = ~np.isnan(joints[:, :1])
        flat = np.concatenate([np.where(found, joints[:, ::-1], 0), found], 1).round(3)
        people.append({"person_id": [-1], "pose_keypoints_2d": flat.ravel().tolist()})
    value: dict = {"version": 1.3, "people": people}
    if picture.size is not None:
        value |= {"canvas_height": picture.size[0], "canvas_width": picture.size[1]}
    return json_bytes(value)


def openpose_names(pictures: Sequence[Posed]) -> list[str]:
    """The file of each picture as OpenPose names it. Raises InputError for two of one name."""
    names = [f"{PurePosixPath(p.name.replace('/', '_')).stem}_keypoints.json" for p in pictures]
    for name, count in Counter(names).items():
        if count > 1:
            raise InputError(f"two pictures would be written to {name}: rename one")
    return names


def coco(pictures: Sequence[Posed]) -> bytes:
    """COCO's annotations: 17 joints, v = 2 where found. The neck is lost."""
    place = [JOINTS.index(name) for name in COCO]
    images, annotations = [], []
    for number, picture in enumerate(pictures, 1):
        image = {"id": number, "file_name": picture.name}
        if picture.size is not None:
            image |= {"height": picture.size[0], "width": picture.size[1]}
        images.append(image)
        for joints in picture.people:
            points = joints[place]
            found = ~np.isnan(points[:, :1])
            flat = np.concatenate([np.where(found, points[:, ::-1], 0), 2 * found], 1).round(3)
            low, high = np.nanmin(joints, 0).round(3), np.nanmax(joints, 0).round(3)
            height, width = (high - low).round(3).tolist()
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "keypoints": flat.ravel().tolist(),
                    "num_keypoints": int(found.sum()),
                    "bbox": [*low[::-1].tolist(), width, height],
                    "area": height * width,
                    "iscrowd": 0,
                }
            )
    category = {"id": 1, "name": "person", "supercategory": "person", "skeleton": []}
    category["keypoints"] = [name.replace(" ", "_") for name in COCO]
    return json_bytes({"images": images, "annotations": annotations, "categories": [category]})
