"""The section deepfashion-512 on rendered people, in the form of DeepFashion's img_highres."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reading import build_poses

from vdg import config, resolve
from vdg.data import deepfashion, download
from vdg.data.images import ImageSet
from vdg.data.synthetic.render import render
from vdg.errors import InputError
from vdg.keypoints.annotations import write_keypoints
from vdg.runtime import set_up
from vdg.settings import RunConfig
from vdg.train import stage1_task, stage2_task
from vdg.training.cost import noise

PARAMS = config.load(Path(__file__).parents[1] / "params.yaml")
SECTION = PARAMS.dataset["deepfashion-512"]
ORIGINAL = (1101, 750)  # of img_highres
TABLE = (256, 176)  # that PATN's key points are in pixels of


@pytest.fixture
def fetch(tmp_path):
    """Run the download stage on three people of two views each."""
    flat = {"train": [], "test": []}
    joints = {}
    for who, view in ((who, view) for who in range(3) for view in range(2)):
        path = f"WOMEN/Dresses/id_{who:08d}/01_{view + 1}_front.jpg"
        picture = render(who + 1, view, 256, 0)
        canvas = Image.new("RGB", TABLE[::-1], "white")
        canvas.paste(Image.fromarray(picture.image), (24, 0))
        (tmp_path / "img_highres" / path).parent.mkdir(parents=True, exist_ok=True)
        canvas.resize(ORIGINAL[::-1]).save(tmp_path / "img_highres" / path, quality=95)
        name = deepfashion.flat_name(path)
        flat["test" if who == 2 else "train"].append(name)
        found = picture.keypoints >= 0
        joints[name] = np.where(found, picture.keypoints + np.array([0, 24]), -1).astype(np.int16)
    for part, names in flat.items():
        write_keypoints(tmp_path / f"{part}.csv", names, [joints[name] for name in names])
    first, second = flat["test"]
    (tmp_path / "pairs.csv").write_text(f"from,to\n{first},{second}\n{second},{first}\n")

    def run(size=TABLE):
        source = SECTION.source.model_dump() | {
            "archive": str(tmp_path / "img_highres"),
            "annotations": {part: str(tmp_path / f"{part}.csv") for part in flat},
            "annotation_size": list(size),
            "pairs": str(tmp_path / "pairs.csv"),
        }
        settings = {"height": SECTION.height, "width": SECTION.width, "source": source}
        (tmp_path / "download").mkdir(exist_ok=True)
        download.fetch(deepfashion, settings, tmp_path / "download")
        return joints

    return run


def test_key_points_move_with_the_resized_images(fetch, tmp_path):
    joints = fetch()
    settings = SECTION.poses.model_dump() | {"device": "cpu"}
    splits = build_poses(tmp_path, tmp_path / "download", **settings)
    for part, count in (("train", 4), ("test", 2)):
        images = ImageSet.open(tmp_path / f"download/{part}.safetensors")
        assert images.images.shape == (count, 512, 352, 3)
        poses = splits[part]
        assert len(poses.pairs)
        for i in np.unique(poses.pairs):
            # the middle of pixel k of 256 is that of the pixels 2 k and 2 k + 1 of 512
            given = joints[images.names[i]]
            np.testing.assert_array_equal(
                poses.keypoints[i], np.where(given < 0, -1, 2 * given + 1)
            )
            clothes = images.images[i][tuple(poses.keypoints[i][2])]  # at the right shoulder
            assert clothes.tolist() != [255, 255, 255]
    assert len(splits["test"].pairs) == 2  # the list's


def test_key_points_of_another_size_than_was_said(fetch):
    with pytest.raises(InputError, match=r"outside source\.annotation_size, of 64 x 44"):
        fetch((64, 44))


def test_two_steps_of_each_training():
    """With batches of one: those of the section are for a GPU. `weighted` is `full` with another w,
    of the same size."""
    lists = {"datasets": ["deepfashion-512"], "networks": ["vdg"], "variants": ["full"]}
    runs = resolve.resolve(PARAMS.model_copy(update=lists))

    def settings_of(run):
        content = RunConfig.model_validate(runs[f"deepfashion-512/{run}.json"])
        return content.model_copy(update={"settings": content.settings | {"batch_size": 1}})

    set_up(0)
    batch = noise(1, (512, 352))
    stage1, meta = stage1_task(settings_of("stage1-vdg"))
    take_two_steps(stage1, batch)
    stage2, _ = stage2_task(settings_of("stage2-full"), stage1.result, meta)
    take_two_steps(stage2, batch)


def take_two_steps(task, batch):
    task.modules.train()
    for _ in range(2):
        losses = task.update(batch)
        assert all(math.isfinite(float(loss)) for loss in losses.values())
    assert task.result(batch.I_a, batch.K_a, batch.K_b).shape == (1, 3, 512, 352)
