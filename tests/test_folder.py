"""The reader of people of one's own: images of any size in folders."""

import os
import re
import shutil
import zipfile

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image
from reading import read_all
from repositories import dvc, make_repository, run, set_params
from test_readers import make_folder

from vdg import estimators
from vdg.data import folder
from vdg.data.download import fetch
from vdg.data.images import ImageSet
from vdg.data.preparation import build
from vdg.errors import InputError
from vdg.keypoints.annotations import read_keypoints, write_keypoints

SIZE = {"height": 8, "width": 4}
PEOPLE = [f"{who}/{number:02d}.jpg" for who in ("anna", "ben", "eva") for number in range(4)]


def read(root, annotations=None, test_fraction=0.3, seed=0):
    return read_all(
        folder, root, **SIZE, annotations=annotations, test_fraction=test_fraction, seed=seed
    )


def everybody(parts):
    return sorted(name for images, _ in parts.values() for name in images.names)


def test_a_folder_per_identity(tmp_path):
    parts = read(make_folder(tmp_path, PEOPLE))
    assert list(parts) == ["train", "test"]
    assert everybody(parts) == sorted(name.replace("/", "_") for name in PEOPLE)
    train, test = (set(images.identities) for images, _ in parts.values())
    assert len(train) == 2
    assert len(test) == 1
    assert train | test == {"anna", "ben", "eva"}
    for images, keypoints in parts.values():
        assert images.images.shape == (len(images), 8, 4, 3)
        assert keypoints is None
        assert images.identities == [name.split("_")[0] for name in images.names]


def test_a_zip_of_it(tmp_path):
    make_folder(tmp_path / "people", PEOPLE)
    with zipfile.ZipFile(tmp_path / "people.zip", "w") as file:
        for name in PEOPLE:
            file.write(tmp_path / "people" / name, name)
    one, other = (read(tmp_path / name) for name in ("people", "people.zip"))
    assert everybody(one) == everybody(other)


def test_names_that_begin_with_the_identity(tmp_path):
    names = [f"{who}_c{c}s1_000451_03.jpg" for who in ("0002", "0007") for c in (1, 2, 3, 4)]
    junk = ["-1_c1s1_000451_03.jpg", "0000_c1s1_000451_03.jpg"]
    parts = read(make_folder(tmp_path, [*names, *junk]))
    assert everybody(parts) == names
    assert {len(set(images.identities)) for images, _ in parts.values()} == {1}


def test_the_split_is_drawn_with_a_seed():
    names = [f"person-{number:02d}" for number in range(20)]
    drawn = [folder.split(names * 2, 0.25, seed) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(len(held_out) == 5 for held_out in drawn)
    assert len(folder.split(names, 0.001, 0)) == 1
    assert len(folder.split(names, 0.999, 0)) == 19


def test_images_are_fitted_and_key_points_move_along(tmp_path):
    make_folder(tmp_path / "people", PEOPLE)
    wide = Image.new("RGB", (16, 8), (0, 0, 255))
    wide.paste((255, 0, 0), (8, 0, 16, 8))  # the right half is red
    wide.save(tmp_path / "people" / "anna" / "09.png")
    joints = np.full((18, 2), -1)
    joints[4] = 7, 15  # the last pixel
    write_keypoints(tmp_path / "joints.csv", ["anna/09.png"], [joints])
    parts = read(tmp_path / "people", tmp_path / "joints.csv")
    images, keypoints = next(part for part in parts.values() if "anna_09.png" in part[0].names)
    image = images.images[images.names.index("anna_09.png")]
    # 16 x 8 becomes 4 x 2 in the middle of the 8 rows, and its edges fill the rest
    assert (image[:, 0] == [0, 0, 255]).all()
    assert (image[:, 3] == [255, 0, 0]).all()
    assert keypoints["anna_09.png"][4].tolist() == [4, 3]
    assert (np.delete(keypoints["anna_09.png"], 4, 0) == -1).all()


def saved(name, image, **options):
    return lambda root: image.save(root / "ben" / name, **options)


KINDS = {
    "grey": saved("x.png", Image.new("L", (9, 9), 90)),
    "sixteen bits": saved("x.png", Image.fromarray(np.full((9, 9), 90 * 257, np.uint16))),
    "cmyk": saved("x.jpg", Image.new("CMYK", (9, 9), (165, 165, 165, 0))),
    "animated": saved(
        "x.gif",
        Image.new("L", (9, 9), 90),
        save_all=True,
        append_images=[Image.new("L", (9, 9), 200)],
    ),
    "palette": saved("x.png", Image.new("RGB", (9, 9), (90, 90, 90)).quantize(4)),
    "a pixel": saved("x.bmp", Image.new("RGB", (1, 1), (90, 90, 90))),
    "20,000 wide": saved("x.png", Image.new("RGB", (20_000, 1), (90, 90, 90))),
}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_images_of_every_kind(tmp_path, make):
    make_folder(tmp_path, PEOPLE)
    make(tmp_path)
    for images, _ in read(tmp_path).values():
        for name, image in zip(images.names, images.images, strict=True):
            if name.startswith("ben_x"):
                assert np.abs(image.astype(int) - 90).max() <= 1
                return
    pytest.fail("the image was not read")


def alone(root):
    shutil.rmtree(root / "ben")
    shutil.rmtree(root / "eva")


def single(root):
    for number in (1, 2, 3):
        (root / "ben" / f"{number:02d}.jpg").unlink()


def few(root):
    for who in ("anna", "ben", "eva"):
        for number in (2, 3):
            (root / who / f"{number:02d}.jpg").unlink()


def moved_down(root):
    root.rename(root.parent / "top")
    root.mkdir()
    (root.parent / "top").rename(root / "top")


def broken(root):
    (root / "anna" / "00.jpg").write_bytes(b"no picture")


FAULTS = {
    "empty": (lambda root: [shutil.rmtree(path) for path in root.iterdir()], "holds no images: "),
    "one identity": (alone, "shows only anna: training and test need one identity each"),
    "one image": (single, "ben has a single image, which makes no pair"),
    "few pairs": (few, "1 identities and 2 pairs of images, and scores need 10"),
    "damaged": (broken, "anna/00.jpg: cannot read image: unsupported or corrupt"),
    "another file": (lambda r: (r / "anna/a.heic").touch(), "anna/a.heic is no image that can"),
    "no identity": (lambda r: shutil.move(r / "ben/00.jpg", r / "me.jpg"), "me.jpg names no ident"),
    "mixed": (lambda r: shutil.move(r / "ben/00.jpg", r / "0002_1.jpg"), "images beside folders"),
    "too deep": (lambda r: shutil.move(r / "ben", r / "anna/ben"), "anna/ben/00.jpg lies too deep"),
    "a colon": (lambda r: shutil.move(r / "ben/00.jpg", r / "ben/a:b.jpg"), "has a colon"),
    "a comma": (lambda r: (r / "ben").rename(r / "Ben, B."), "'Ben, B./00.jpg' has a colon, comma"),
    "not UTF-8": (
        lambda r: (r / "ben/00.jpg").rename(r / "ben" / os.fsdecode(b"\xe9.jpg")),
        r"'ben/\\udce9.jpg' is not named in UTF-8: rename it",
    ),
    "another suffix": (
        lambda root: Image.new("RGB", (4, 8)).save(root / "ben/00.png"),
        "ben/00.jpg and ben/00.png have one name in the data set, ben_00 without a suffix: rename",
    ),
    "equal names": (
        lambda root: [
            shutil.copytree(root / "ben", root / "ben_x"),
            shutil.copy(root / "ben/00.jpg", root / "ben/x_00.jpg"),
        ],
        r"ben/x_00.jpg and ben_x/00.jpg have one name",
    ),
    "a folder above": (moved_down, "holds the folder top/ alone: give that folder"),
}


@pytest.mark.parametrize(("spoil", "words"), FAULTS.values(), ids=FAULTS)
def test_faults_are_found_at_the_door(tmp_path, spoil, words):
    root = make_folder(tmp_path / "people", PEOPLE)
    spoil(root)
    with pytest.raises(InputError, match=words) as refused:
        read(root)
    assert "\n" not in str(refused.value)
    assert str(root) in str(refused.value)


@pytest.mark.parametrize(
    ("name", "joint", "words"),
    [
        ("anna/99.jpg", (1, 1), "joints.csv: 1 names without an image: anna/99.jpg"),
        (
            "anna/00.jpg",
            (8, 1),
            "joints.csv: anna/00.jpg: 18 of 18 joints lie outside its image of 8 x 4 pixels",
        ),
    ],
)
def test_annotations_that_do_not_fit(tmp_path, name, joint, words):
    root = make_folder(tmp_path / "people", PEOPLE)
    write_keypoints(tmp_path / "joints.csv", [name], [np.full((18, 2), joint)])
    with pytest.raises(InputError, match=words):
        read(root, tmp_path / "joints.csv")


def source(archive, annotations):
    found = {"reader": "folder", "archive": str(archive), "annotations": annotations}
    return {"height": 32, "width": 16, "source": found | {"test_fraction": 0.3, "seed": 0}}


def test_key_points_are_estimated_without_annotations(tmp_path, monkeypatch):
    """Every image gets the joints that the (mocked) estimator returns for it as it is packed."""
    root = make_folder(tmp_path / "people", PEOPLE)
    fetch(folder, source(root, None), tmp_path / "download")
    assert not list((tmp_path / "download").glob("*.csv"))
    joints = np.full((18, 2), 5)

    def load(height, width, device, invented):
        assert (height, width) == (32, 16)
        return lambda images: np.stack([joints] * len(images))

    monkeypatch.setattr(estimators, "load", load)
    split = {"split": "official", "hold_out_identities": 1, "validation_identities": 1}
    parts = build(tmp_path / "download", **split, device="cpu")
    assert {name: len(part.pairs) for name, part in parts.items()} == {
        "train": 12,
        "validation": 12,
        "test": 12,
    }


def test_what_is_missing_is_said(tmp_path, capsys):
    root = make_folder(tmp_path / "people", PEOPLE)
    with pytest.raises(InputError, match=r"nowhere does not exist: put your images there, a fold"):
        fetch(folder, source(tmp_path / "nowhere", None), tmp_path / "download")
    with pytest.raises(InputError, match=r"joints.csv does not exist"):
        fetch(folder, source(root, str(tmp_path / "joints.csv")), tmp_path / "download")
    assert not (tmp_path / "download").exists()
    write_keypoints(tmp_path / "joints.csv", PEOPLE[1:], [np.full((18, 2), 1)] * 11)
    fetch(folder, source(root, str(tmp_path / "joints.csv")), tmp_path / "download")
    assert re.search(
        r"(train|test): 1 images have no key points: left out", capsys.readouterr().err
    )


# docs/own-images.md, as written


MICRO = {"steps": 2, "batch_size": 2}


def test_the_walk_through(tmp_path):
    """The section and the commands of the page, with few people and few steps."""
    page = (ROOT / "docs/own-images.md").read_text().split("\n## Train on your own people\n")[1]
    section = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1]
    render, train = (
        line for line in re.search(r"```sh\n(.*?)```", page, re.DOTALL)[1].splitlines() if line
    )
    repository = make_repository(tmp_path / "repository")
    assert len(section.splitlines()) <= 8
    with open(repository / "params.yaml", "a") as file:
        # the page's section begins with the key that is there already
        file.write(section.removeprefix("dataset:\n"))
    set_params(repository, {"networks": ["vdg"], "variants": ["full"]})
    for stage in ("stage1", "stage2"):
        changes = {f"network.vdg.{stage}.synthetic.{key}": value for key, value in MICRO.items()}
        set_params(repository, changes)
    run(repository, *render.split(), "--identities", "6", "--views", "4", "--height", "64")
    images = sorted((repository / "raw/people").rglob("*.png"))
    assert len(images) == 24
    assert read_keypoints(repository / "raw/people.csv").keys() == {
        f"{path.parent.name}/{path.name}" for path in images
    }
    assert train.startswith("dvc exp run ")
    overrides = re.findall(r"-S '([^']+)'", train)
    changed = [part for override in overrides for part in ("-S", override)]
    dvc(repository, "exp", "run", *changed)
    packed = ImageSet.load(repository / "data/people/download/train.safetensors")
    assert packed.images.shape[1:] == (64, 32, 3)
    table = (repository / "reports/results.md").read_text()
    assert "## people" in table
    assert "| full |" in table
