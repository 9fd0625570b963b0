"""Folders of people as other tools write them: who is a person, and which reader fits."""

import re
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reading import read_all

from vdg.clutter import is_clutter
from vdg.data import deepfashion, download, folder, market1501
from vdg.data.archive import RESIZERS, Archive
from vdg.data.names import identity_of, parse
from vdg.errors import InputError
from vdg.evaluation.image_folders import read_folder
from vdg.inference import motion
from vdg.keypoints.annotations import write_keypoints

CAMERAS = (1, 2, 3, 4)


def draw(root, names, size=(4, 8)):
    """Write an image of a colour of its own for each name."""
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (number, 90, 20)).save(path)
    return root


def market(*identities):
    return [f"{who}_c{c}s1_00{c}151_01.jpg" for who in identities for c in CAMERAS]


def people(root):
    parts = read_all(folder, root, height=8, width=4, annotations=None, test_fraction=0.3, seed=0)
    return sorted({who for images, _ in parts.values() for who in images.identities})


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "title", "identity", "camera"),
    [
        ("0002_c1s1_000451_03.jpg", "Market-1501", "0002", 1),
        ("0002_c1s1_000451_03.jpg.jpg", "Market-1501", "0002", 1),
        ("-1_c6s3_000451_03.jpg", "Market-1501", "", 6),
        ("0000_c6s3_000451_03.jpg", "Market-1501", "", 6),
        ("0005_c8_f0046182.jpg", "DukeMTMC-reID", "0005", 8),
        ("0001_c1_1.png", "CUHK03-NP", "0001", 1),
        ("1_001_2_08.png", "CUHK03", "1_001", 2),
        ("0000_000_01_0303morning_0008_0.jpg", "MSMT17", "0000", 1),
        ("0013_003_15_0114afternoon_0164_1_ex.jpg", "MSMT17", "0013", 15),
        ("0001C1T0001F001.jpg", "MARS", "0001", 1),
        ("00-1C1T0001F001.jpg", "MARS", "", 1),
        ("0000C6T0001F001.jpg", "MARS", "", 6),
        ("fashionWOMENDressesid0000262902_1front.jpg", "DeepFashion", 0, None),
        ("fasionWOMENDressesid0000262902_3back.jpg", "DeepFashion", 0, None),
        ("deepfashionWOMENDressesid0000262902_4full.png", "DeepFashion", 0, None),
        # a category with an underscore: the first one does not end the identity
        ("fashionMENTees_Tanksid0000390104_1front.jpg", "DeepFashion", 1, None),
    ],
)
def test_forms_of_file_names(name, title, identity, camera):
    outfits = ["WOMENDressesid0000262902", "MENTees_Tanksid0000390104"]
    known = parse(name)
    assert (known.form.title, known.camera) == (title, camera)
    assert identity_of(name) == (outfits[identity] if isinstance(identity, int) else identity)


@pytest.mark.parametrize(
    ("path", "identity"),
    [
        ("anna/01.jpg", "anna"),
        ("0000/01.jpg", "0000"),  # a person of one's own
        ("0000/0000_000_01_0303morning_0008_0.jpg", "0000"),
        ("0000/0000_c2s1_000151_00.jpg", ""),
        ("0000/0000C2T0001F001.jpg", ""),
        ("-1/anything.jpg", ""),
        ("00-1/01.jpg", ""),
        ("junk/-1_c1s1_000451_03.jpg", ""),
        ("anna/0003_c1s1_000451_03.jpg", "anna"),  # the folder counts
        ("anna_01.jpg", "anna"),
        ("0000_01.jpg", "0000"),
        ("-1_01.jpg", ""),
    ],
)
def test_whom_a_path_shows(path, identity):
    assert identity_of(path) == identity


# --- reader folder --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "left"),
    [
        (market("0003", "0005", "0010", "-1", "0000"), "-1 (4), 0000 (4)"),
        (
            [f"{n[: n.index('_')]}/{n}" for n in market("0003", "0005", "0010", "-1", "0000")],
            "-1 (4), 0000 (4)",
        ),
        (
            [
                f"{i}/{i}C1T000{k}F001.jpg"
                for i in ("0003", "0005", "0010", "00-1")
                for k in CAMERAS
            ],
            "00-1 (4)",
        ),
    ],
    ids=["flat", "a folder each", "MARS"],
)
def test_junk_is_nobody_and_counted(tmp_path, capsys, names, left):
    assert people(draw(tmp_path, names)) == ["0003", "0005", "0010"]
    assert f"left out, as they show no person: {left}" in capsys.readouterr().err


@pytest.mark.parametrize("above", ["", "{}/"])
def test_0000_of_msmt17_is_a_person(tmp_path, capsys, above):
    names = [
        f"{above.format(who)}{who}_00{c}_0{c}_0303morning_0008_{c}.jpg"
        for who in ("0000", "0001", "0002")
        for c in CAMERAS
    ]
    assert people(draw(tmp_path, names)) == ["0000", "0001", "0002"]
    assert "left out" not in capsys.readouterr().err


def below(where, names):
    return [f"{where}/{name}" for name in names]


TWO = market("0003", "0005")
REFUSED = {
    "a root of Market-1501": (
        [
            f"{part}/{n}"
            for part in ("bounding_box_train", "bounding_box_test", "query")
            for n in TWO
        ],
        r"no people \(bounding_box_test, bounding_box_train, query\): .*such as \S+/"
        r"bounding_box_train; .*Market-1501's splits, whose root reader: market1501 takes",
    ),
    "one above it": (
        below("Market-1501-v15.09.15/bounding_box_train", TWO),
        "such as .*v15.09.15/b",
    ),
    "prepared": (below("train", TWO) + below("test", TWO), "reader: market1501 takes"),
    "Duke": (below("bounding_box_train", ["0001_c5_f0016182.jpg"]), "DukeMTMC-reID's splits"),
    "people in splits": (
        ["train/anna/1.jpg", "train/ben/1.jpg", "val/eva/1.jpg"],
        r"no people \(train, val\): give the folders of all people side by side",
    ),
    "cameras": (
        [f"cam0{c}/person0{k}_cam0{c}_frame026.jpg" for c in (1, 2) for k in CAMERAS],
        r"named as cameras are no people \(cam01, cam02\): give each person a folder, or",
    ),
    "cameras of letters": ([f"cam_{c}/000_{c}.bmp" for c in "ab"], r"\(cam_a, cam_b\)"),
    "c1, c2": ([f"c{c}/p{k}.jpg" for c in (1, 2) for k in CAMERAS], r"\(c1, c2\)"),
    "several in a folder": (
        below("day1", TWO) + below("day2", TWO),
        r"day1 is no person: by the images' names it holds 2, 0003, 0005: give \S+/day1 itself",
    ),
    "two data sets": (
        [*TWO, "0003_c5_f0016182.jpg"],
        "mixes names of DukeMTMC-reID and Market-1501",
    ),
    "DeepFashion": (
        ["img/WOMEN/Dresses/id_00002629/02_1_front.jpg"],
        "DeepFashion's, which reader: deepfashion takes",
    ),
    "flattened": (
        below("train", ["fashionWOMENDressesid0000262902_1front.jpg"]),
        "DeepFashion's, which reader: deepfashion takes",
    ),
}


@pytest.mark.parametrize(("names", "words"), REFUSED.values(), ids=REFUSED)
def test_folders_that_are_no_people(tmp_path, names, words):
    with pytest.raises(InputError, match=words) as refused:
        people(draw(tmp_path / "data", names))
    assert "\n" not in str(refused.value)


def test_people_whose_names_only_look_like_splits_or_cameras(tmp_path):
    """Val and Cam are names; a folder "test" beside people is one of them."""
    names = [f"{who}/{k}.jpg" for who in ("Val", "Cam", "c1", "anna", "Camille") for k in CAMERAS]
    assert people(draw(tmp_path, names)) == ["Cam", "Camille", "Val", "anna", "c1"]


# --- reader market1501 ----------------------------------------------------------------------------


def read_market(root, **options):
    return read_all(market1501, root, height=8, width=4, **options)


@pytest.mark.parametrize("above", ["", "market_data/"])
def test_prepared_train_and_test(tmp_path, above):
    """As Def-GAN's, PATN's and GFLA's code lays Market-1501 out."""
    names = below(f"{above}train", market("0002")) + below(f"{above}test", market("0003", "-1"))
    parts = read_market(draw(tmp_path, names))
    assert parts["train"].names == market("0002")
    assert set(parts["test"].identities) == {"0003", ""}


def test_official_folders_go_before_prepared_ones(tmp_path):
    names = below("bounding_box_train", market("0002")) + below("train", market("0007"))
    assert set(read_market(draw(tmp_path, names))["train"].identities) == {"0002"}


def test_people_of_msmt17_are_numbered_apart(tmp_path):
    """Its training and test people are others, both numbered from 0000."""
    names = [
        f"{p}/0000/0000_00{c}_0{c}_0303noon_0008_0.jpg" for p in ("train", "test") for c in (1, 2)
    ]
    parts = read_market(draw(tmp_path, names))
    assert set(parts["train"].identities) == {"train-0000"}
    assert set(parts["test"].identities) == {"test-0000"}


@pytest.mark.parametrize("name", ["0001_c5_f0016182.jpg", "0001_c1_1.png", "0001C1T0001F001.jpg"])
def test_names_of_other_data_sets(tmp_path, name):
    place = "bbox_train/0001" if "T0001" in name else "bounding_box_train"
    parts = read_market(draw(tmp_path, [f"{place}/{name}"]))
    assert parts["train"].identities == ["0001"]


def test_images_of_other_sizes_are_resized(tmp_path):
    draw(tmp_path, ["bounding_box_train/0001_c5_f0016182.jpg"], size=(10, 25))
    with pytest.raises(
        InputError, match=r"25 high, 10 wide; expected .* set source.resize to biline"
    ):
        read_market(tmp_path)
    assert read_market(tmp_path, resize="bicubic")["train"].images.shape == (1, 8, 4, 3)


def test_an_image_of_the_right_size_is_not_filtered(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (8, 4, 3), np.uint8)
    path = draw(tmp_path, ["bounding_box_train/0001_c1_1.png"]) / "bounding_box_train/0001_c1_1.png"
    Image.fromarray(noise).save(path)
    for resize in (None, *RESIZERS):
        assert (read_market(tmp_path, resize=resize)["train"].images[0] == noise).all()


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (below("0003", market("0003")), "if each folder is a person, reader: folder takes it"),
        (market("0003"), "one folder of names as Market-1501's, which reader: folder takes"),
        (["img/WOMEN/Dresses/id_00002629/02_1_front.jpg"], "reader: deepfashion takes"),
        (["train/fashionWOMENDressesid0000262902_1front.jpg"], "reader: deepfashion takes"),
        (
            below("bounding_box_train", [market("0003")[0], "0003_c5_f0016182.jpg"]),
            "has a name of Market-1501, .* of DukeMTMC-reID, where a number is another person",
        ),
    ],
)
def test_what_market1501_does_not_take(tmp_path, names, words):
    with pytest.raises(InputError, match=words):
        read_market(draw(tmp_path, names))


# --- reader deepfashion ---------------------------------------------------------------------------

ROWS = ["fashionWOMENDressesid0000262902_1front.jpg", "fashionMENTees_Tanksid0000390104_1front.jpg"]


@pytest.mark.parametrize(
    "change",
    [
        str,
        lambda name: name.replace("fashion", "fasion"),
        lambda name: name.replace("fashion", "deepfashion").replace(".jpg", ".png"),
    ],
    ids=["fashion", "fasion", "deepfashion"],
)
@pytest.mark.parametrize("above", ["", "fashion_data/"])
def test_flattened_folders(tmp_path, change, above):
    draw(
        tmp_path,
        [f"{above}{part}/{change(row)}" for part, row in zip(("train", "test"), ROWS, strict=True)],
    )
    named = {"train": ROWS[:1], "test": ROWS[1:]}
    parts = read_all(deepfashion, tmp_path, height=8, width=4, names=named)
    assert {part: images.names for part, images in parts.items()} == named
    # without tables, the folders are the split
    parts = read_all(deepfashion, tmp_path, height=8, width=4)
    assert [images.names for images in parts.values()] == [[change(row)] for row in ROWS]
    assert parts["test"].identities == ["fashionMENTees_Tanksid0000390104"]


def test_high_resolution_images_are_resized_and_not_squeezed(tmp_path):
    draw(tmp_path, ["img_highres/WOMEN/Dresses/id_00002629/02_1_front.jpg"], size=(750, 1101))
    names = {"train": ROWS[:1]}
    with pytest.raises(InputError, match=r"1101 high, 750 wide; expected .* set source.resize"):
        read_all(deepfashion, tmp_path, height=256, width=176, names=names)
    for size in ((256, 176), (512, 352)):
        shape = {"height": size[0], "width": size[1]}
        parts = read_all(deepfashion, tmp_path, **shape, names=names, resize="lanczos")
        assert parts["train"].images.shape == (1, *size, 3)
    with pytest.raises(
        InputError, match=r"people would be 1.47 times too wide: correct height, wid"
    ):
        read_all(deepfashion, tmp_path, height=256, width=256, names=names, resize="bicubic")


def test_each_filter_averages(tmp_path):
    """Alternate black and white columns become grey, not one of the two."""
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    draw(tmp_path, ["1.png"])
    Image.fromarray(stripes).save(tmp_path / "1.png")
    with Archive(tmp_path) as archive:
        for resize in RESIZERS:
            image = archive.image("1.png", 16, 16, resize)[:, 2:-2]
            assert np.abs(image.astype(int) - 127.5).max() < 16, resize


# --- the download stage ---------------------------------------------------------------------------


def test_resize_reaches_the_reader(tmp_path, monkeypatch):
    draw(tmp_path / "duke", ["bounding_box_train/0001_c5_f0016182.jpg"], size=(10, 25))
    source = {
        "reader": "market1501",
        "archive": str(tmp_path / "duke"),
        "url": None,
        "sha256": None,
    }
    source |= {"annotations": {"train": None, "test": None}, "pairs": None, "resize": "bicubic"}
    config = {"height": 8, "width": 4, "source": source}
    download.fetch(market1501, config, tmp_path)
    assert (tmp_path / "train.safetensors").is_file()
    monkeypatch.setattr(market1501, "read", lambda root, *, height, width, names: {})
    with pytest.raises(
        InputError, match=r"source.resize = 'bicubic': reader market1501 does not re"
    ):
        download.fetch(market1501, config, tmp_path)


# --- operating systems' files and spellings -------------------------------------------------------

CLUTTER = ["._1.jpg", ".DS_Store", "Thumbs.db", "THUMBS.DB", "ehthumbs.db", "Desktop.ini", "Icon\r"]
CLUTTER += ["__macosx/1.jpg", "@EADIR/1.jpg/small.jpg", "$RECYCLE.BIN/1.jpg", "a/._b/1.jpg"]


@pytest.mark.parametrize("name", CLUTTER)
def test_clutter_in_any_spelling(tmp_path, name):
    names = [f"{who}/{k}.jpg" for who in ("anna", "ben", "eva") for k in CAMERAS]
    draw(tmp_path, names)
    for place in (tmp_path, tmp_path / "anna"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"no image")
    assert people(tmp_path) == ["anna", "ben", "eva"]


@pytest.mark.parametrize("name", ["Icon/1.jpg", "icons.jpg", "thumbs/1.jpg", "desktop.jpg"])
def test_what_is_no_clutter(name):
    assert not is_clutter(name)


def test_score_skips_clutter(tmp_path):
    draw(tmp_path, ["a.png"])
    (tmp_path / "._a.png").write_bytes(b"no image")
    assert list(read_folder(tmp_path)) == ["a"]


def test_a_motion_skips_clutter(tmp_path):
    for name in ("f1.json", "f2.json", "._f1.json", "._f2.json"):
        (tmp_path / name).write_text("{}")
    assert [Path(frame).name for frame in motion.frames([str(tmp_path)])] == ["f1.json", "f2.json"]


def spelled(form):
    return [
        unicodedata.normalize(form, f"{who}/{k}.jpg") for who in ("José", "Zoë") for k in CAMERAS
    ]


@pytest.mark.parametrize("zipped", [False, True, "without a flag"])
@pytest.mark.parametrize(("disk", "table"), [("NFD", "NFC"), ("NFC", "NFD"), ("NFD", "NFD")])
def test_names_of_two_unicode_forms_are_one(tmp_path, disk, table, zipped):
    root = draw(tmp_path / "people", spelled(disk))
    if zipped:
        with zipfile.ZipFile(tmp_path / "people.zip", "w") as file:
            for name in spelled(disk):
                file.write(root / name, name)
        root = tmp_path / "people.zip"
    if zipped == "without a flag":  # as macOS's Finder writes it
        clear_flag(root)
    write_keypoints(tmp_path / "joints.csv", spelled(table), [np.full((18, 2), 1)] * 8)
    parts = read_all(
        folder,
        root,
        height=8,
        width=4,
        annotations=tmp_path / "joints.csv",
        test_fraction=0.3,
        seed=0,
    )
    assert sorted(who for images, _ in parts.values() for who in set(images.identities)) == [
        "José",
        "Zoë",
    ]
    assert sum(len(keypoints) for _, keypoints in parts.values()) == 8


def clear_flag(path: Path) -> None:
    """Remove the flag of UTF-8 names from the headers of a zip file."""
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        for found in re.finditer(re.escape(signature), bytes(data)):
            data[found.start() + offset + 1] &= ~0x08
    path.write_bytes(data)


def test_two_names_that_differ_in_their_form_alone(tmp_path):
    root = draw(tmp_path, [*spelled("NFC"), *spelled("NFD")])
    with pytest.raises(InputError, match="twice: two names differ in their Unicode form alone"):
        people(root)
