"""The section deepfashion-176 on rendered people, in the form of DeepFashion's img.zip."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reading import build_poses

from vdg import config
from vdg.data import deepfashion, download
from vdg.data.images import ImageSet
from vdg.data.synthetic.render import render
from vdg.errors import InputError
from vdg.keypoints.annotations import write_keypoints
from vdg.masks import pose_mask

SIDE, RENDERED = 256, 128
CUT = 40  # columns on each side, by PATN's script
VIEWS = ("front", "side", "back")
SECTION = config.load(Path(__file__).parents[1] / "params.yaml").dataset["deepfashion-176"]


@pytest.fixture(scope="module")
def people():
    """White squares with a person in the middle, by member of the archive; key points in them."""
    squares, joints = {}, {}
    for identity in range(3):
        for view, word in enumerate(VIEWS):
            picture = render(identity, view, SIDE, seed=0)
            square = np.full((SIDE, SIDE, 3), 255, np.uint8)
            left = (SIDE - RENDERED) // 2
            square[:, left : left + RENDERED] = picture.image
            name = f"img/WOMEN/Dresses/id_{identity:08d}/01_{view + 1}_{word}.png"
            missing = (picture.keypoints < 0).any(1, keepdims=True)
            squares[name] = square
            joints[name] = np.where(missing, -1, picture.keypoints + np.array([0, left])).astype(
                np.int16
            )
    return squares, joints


@pytest.fixture
def fetch(people, tmp_path):
    """Run the download stage on them; shift: what the annotations' columns are counted from."""
    squares, joints = people
    with zipfile.ZipFile(tmp_path / "img.zip", "w") as file:
        for name, square in squares.items():
            with file.open(name, "w") as member:
                Image.fromarray(square).save(member, "PNG")

    def run(shift):
        for part, ids in (("train", (0, 1)), ("test", (2,))):
            names = [name for name in squares if int(name.split("id_")[1][:8]) in ids]
            cut = [np.where(joints[n] < 0, -1, joints[n] - [0, shift]) for n in names]
            flat = map(deepfashion.flat_name, names)
            write_keypoints(tmp_path / f"{part}.csv", flat, cut)
        listed = [deepfashion.flat_name(name) for name in names]
        rows = "".join(f"{a},{b}\n" for a in listed for b in listed if a != b)
        (tmp_path / "pairs.csv").write_text(f"from,to\n{rows}")
        source = SECTION.source.model_dump() | {
            "archive": str(tmp_path / "img.zip"),
            "annotations": {part: str(tmp_path / f"{part}.csv") for part in ("train", "test")},
            "pairs": str(tmp_path / "pairs.csv"),
        }
        settings = {"height": SECTION.height, "width": SECTION.width, "source": source}
        download.fetch(deepfashion, settings, tmp_path / "download")
        settings = SECTION.poses.model_dump() | {"device": "cpu"}
        return build_poses(tmp_path, tmp_path / "download", **settings)

    return run


def test_images_are_the_columns_40_to_215(fetch, people, tmp_path):
    squares, joints = people
    splits = fetch(CUT)
    for part, count in (("train", 6), ("test", 3)):
        images = ImageSet.load(tmp_path / f"download/{part}.safetensors")
        assert images.images.shape == (count, 256, 176, 3)
        for i, name in enumerate(images.names):
            member = next(m for m in squares if deepfashion.flat_name(m) == name)
            np.testing.assert_array_equal(images.images[i], squares[member][:, 40:216])
            poses = splits[part]
            expected = np.where(joints[member] < 0, -1, joints[member] - [0, CUT])
            if i in poses.pairs:
                np.testing.assert_array_equal(poses.keypoints[i], expected)
                np.testing.assert_array_equal(poses.masks()[i], pose_mask(expected, 256, 176))
    assert splits["test"].size == (256, 176)
    assert len(splits["test"].pairs) == 6  # those of the list


def test_annotations_of_whole_images_are_refused(fetch):
    with pytest.raises(InputError, match="has joints outside its image of 256 x 176"):
        fetch(-CUT)


def test_the_section_scores_the_margins_too():
    assert SECTION.evaluation.pad_width == SECTION.width + 2 * SECTION.source.margin == SIDE
    assert SECTION.evaluation.fid_reference == "train"
