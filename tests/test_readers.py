"""Readers of Market-1501 and DeepFashion."""

import zipfile

import numpy as np
import pytest
from conftest import published
from PIL import Image
from reading import read_all

from vdg.data import deepfashion, market1501
from vdg.data.names import parse
from vdg.errors import InputError
from vdg.keypoints.annotations import read_keypoints

TRAIN = "bounding_box_train/0002_c1s1_000451_03.jpg"
TEST = "bounding_box_test/-1_c1s1_000401_03.jpg"


def make_folder(root, names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 8)).save(root / name)
    return root


def make_zip(root, names):
    make_folder(root, names)
    with zipfile.ZipFile(root.with_suffix(".zip"), "w") as file:
        for name in names:
            file.write(root / name, name)
    return root.with_suffix(".zip")


def read_market(root):
    return read_all(market1501, root, height=8, width=4)


@pytest.mark.parametrize("make", [make_zip, make_folder])
@pytest.mark.parametrize("above", ["", "Market-1501-v15.09.15/"])
def test_market_layout(tmp_path, make, above):
    names = [TRAIN, "bounding_box_train/0002_c2s1_000451_03.jpg.jpg", TEST]
    names += ["bounding_box_train/0007_c2s1_000451_03.png", "query/0003_c1s1_000001_00.jpg"]
    parts = read_market(make(tmp_path / "data", [above + name for name in names]))
    assert list(parts) == ["train", "test"]
    assert parts["train"].names == [
        "0002_c1s1_000451_03.jpg",
        "0002_c2s1_000451_03.jpg.jpg",
        "0007_c2s1_000451_03.png",
    ]
    assert parts["train"].identities == ["0002", "0002", "0007"]
    assert parts["train"].images.shape == (3, 8, 4, 3)
    assert parts["test"].names == ["-1_c1s1_000401_03.jpg"]
    assert parts["test"].identities == [""]


def test_market_without_test_part(tmp_path):
    assert list(read_market(make_folder(tmp_path, [TRAIN]))) == ["train"]


def test_market_without_training_part(tmp_path):
    root = make_folder(tmp_path, [TEST, "query/0003_c1s1_000001_00.jpg"])
    with pytest.raises(InputError, match=r"no bounding_box_train/.* but bounding_box_test, query:"):
        read_market(root)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="but nothing:"):
        read_market(empty)


@pytest.mark.parametrize("name", ["me.jpg", "2_c1s1_000451_03.jpg", "0002/" + TRAIN[19:]])
def test_market_name_of_another_form(tmp_path, name):
    root = make_folder(tmp_path, [TRAIN, f"bounding_box_train/{name}"])
    with pytest.raises(InputError, match=f"{name} has no Market-1501 name"):
        read_market(root)


def test_market_duplicate(tmp_path):
    root = make_folder(tmp_path, [TRAIN, "copy/" + TRAIN])
    with pytest.raises(InputError, match=r"0002_c1s1_000451_03.jpg twice, also as copy/bound"):
        read_market(root)


def test_market_of_another_size(tmp_path):
    root = make_folder(tmp_path, [TRAIN])
    with pytest.raises(InputError, match=f"{TRAIN} is RGB, 8 high, 4 wide; expected RGB, 128 high"):
        read_all(market1501, root, height=128, width=64)


MEMBERS = [
    "img/WOMEN/Dresses/id_00002629/02_3_back.jpg",
    "img/MEN/Jackets_Vests/id_00000653/04_1_front.jpg",
    "img/MEN/Jackets_Vests/id_00000653/04_7_additional.jpg",
]
FLAT = [
    "fashionWOMENDressesid0000262902_3back.jpg",
    "fashionMENJackets_Vestsid0000065304_1front.jpg",
    "fashionMENJackets_Vestsid0000065304_7additional.jpg",
]


def read_fashion(root, names):
    return read_all(deepfashion, root, height=8, width=4, names=names)


@pytest.mark.parametrize("make", [make_zip, make_folder])
@pytest.mark.parametrize("start", [0, len("img/")])
def test_fashion_layout(tmp_path, make, start):
    root = make(tmp_path / "data", [member[start:] for member in MEMBERS])
    parts = read_fashion(root, {"train": [FLAT[2], FLAT[1]], "test": [FLAT[0]]})
    assert parts["train"].names == [FLAT[1], FLAT[2]]
    assert parts["train"].identities == ["fashionMENJackets_Vestsid0000065304"] * 2
    assert parts["train"].images.shape == (2, 8, 4, 3)
    assert parts["test"].names == [FLAT[0]]


def test_fashion_needs_annotations(tmp_path):
    with pytest.raises(InputError, match="set `annotations`"):
        read_fashion(make_folder(tmp_path, MEMBERS), None)


def test_fashion_name_without_image(tmp_path):
    root = make_folder(tmp_path, MEMBERS[:1])
    with pytest.raises(InputError, match=f"test annotations against .*: 2 names .*: {FLAT[1]}"):
        read_fashion(root, {"test": FLAT})


def test_fashion_duplicate(tmp_path):
    root = make_folder(tmp_path, [MEMBERS[0], "img_highres" + MEMBERS[0][3:]])
    with pytest.raises(InputError, match=f"{FLAT[0]} twice, as img/.* and img_highres/"):
        read_fashion(root, {"train": FLAT[:1]})


def test_fashion_of_another_layout(tmp_path):
    with pytest.raises(InputError, match="but bounding_box_train: give the folder img"):
        read_fashion(make_folder(tmp_path, [TRAIN]), {"train": FLAT})


def test_market1501_archive(market):
    parts = read_all(market1501, market / "Market-1501-v15.09.15.zip", height=128, width=64)
    assert len(parts["train"]) == 12_936
    assert len(set(parts["train"].identities)) == 751
    assert set(parts["train"].names) == set(read_keypoints(market / "market-annotation-train.csv"))
    assert 90 < np.mean(parts["train"].images[::100]) < 130


def test_market1501_test_names(market):
    names = read_keypoints(market / "market-annotation-test.csv")
    assert len(names) == 19_732
    assert all(map(parse, names))


def test_deepfashion_sample():
    root = published("deepfashion-sample", "img.zip", "fasion-resize-annotation-test.csv")
    names = list(read_keypoints(root / "fasion-resize-annotation-test.csv"))
    with zipfile.ZipFile(root / "img.zip") as file:
        assert set(map(deepfashion.flat_name, file.namelist())) == set(names)
    test = read_all(deepfashion, root / "img.zip", height=256, width=256, names={"test": names})[
        "test"
    ]
    assert len(test) == 501
    assert len(set(test.identities)) == 234
