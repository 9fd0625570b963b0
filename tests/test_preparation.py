"""Packing of an archive, and preparation of the pairs and masks of each split."""

import itertools
import shutil
import zipfile

import numpy as np
import pytest
from reading import build_poses

from vdg import estimators
from vdg.data import deepfashion, download, market1501, preparation, synthetic
from vdg.data.images import ImageSet
from vdg.data.market1501 import identity_of
from vdg.data.pairs import is_valid
from vdg.data.pose_set import PoseSet
from vdg.errors import InputError
from vdg.files import sha256
from vdg.keypoints.annotations import read_keypoints, write_keypoints
from vdg.masks import pose_mask

H, W = 32, 16
RENDERED = {"train_identities": 4, "test_identities": 2, "views": 4, "seed": 0}
NOWHERE = {"url": None, "sha256": None, "annotations": {}, "pairs": None}
TORSO = dict.fromkeys((2, 5, 8, 11), (10, 8))
OFFICIAL = {"split": "official", "hold_out_identities": 1, "device": "cpu"}
OFFICIAL |= {"validation_identities": 0}
HOLD_OUT = OFFICIAL | {"split": "hold-out"}


def fetch(output, reader, source):
    download.fetch(reader, {"height": H, "width": W, "source": NOWHERE | source}, output)
    return output


@pytest.fixture(scope="module")
def fetched(tmp_path_factory):
    """The download folder of a tiny embedded data set."""
    output = tmp_path_factory.mktemp("fetched")
    source = {"reader": "synthetic"} | RENDERED
    download.fetch(synthetic, {"height": H, "width": W, "source": source}, output)
    return output


@pytest.fixture
def folder(fetched, tmp_path):
    """A copy of that folder that a test may damage."""
    return shutil.copytree(fetched, tmp_path / "download")


@pytest.fixture
def archive(fetched):
    """Its archive and annotations, in the form in which a user has those of Market-1501."""
    parts = ("train", "test")
    listed = {part: str(fetched / f"annotation-{part}.csv") for part in parts}
    return {"archive": str(fetched / "people.zip"), "annotations": listed}


def rewrite(folder, part, change):
    """Apply `change`, a function of the dict, to the key points of a split."""
    path = folder / f"annotation-{part}.csv"
    poses = read_keypoints(path)
    change(poses)
    write_keypoints(path, poses, poses.values())


def names_of(poses):
    return [(poses.picture_names[a], poses.picture_names[b]) for a, b in poses.pairs]


def identity(name):
    return name.split("_")[0]


def test_official_split(fetched, tmp_path):
    splits = build_poses(tmp_path, fetched, **OFFICIAL)
    assert splits.keys() == {"train", "validation", "test"}
    assert not len(splits.pop("validation").pairs)
    for part, poses in splits.items():
        images = ImageSet.load(fetched / f"{part}.safetensors")
        published = read_keypoints(fetched / f"annotation-{part}.csv")
        assert (poses.part, poses.picture_names, poses.size) == (part, images.names, (H, W))
        valid = [name for name, joints in published.items() if is_valid(identity_of(name), joints)]
        pairs = [p for p in itertools.permutations(valid, 2) if identity(p[0]) == identity(p[1])]
        assert pairs
        assert sorted(names_of(poses)) == sorted(pairs)
        masks = poses.masks()
        for i, name in enumerate(images.names):
            if name in valid:
                np.testing.assert_array_equal(poses.keypoints[i], published[name])
                np.testing.assert_array_equal(masks[i], pose_mask(published[name], H, W))
            else:
                assert (poses.keypoints[i] == -1).all()
                assert not masks[i].any()
    people = [{identity(name) for pair in names_of(p) for name in pair} for p in splits.values()]
    assert not people[0] & people[1]


@pytest.mark.parametrize("with_test_part", [True, False])
def test_hold_out_split(folder, with_test_part):
    if not with_test_part:
        for name in ("test.safetensors", "annotation-test.csv"):
            (folder / name).unlink()
    splits = preparation.build(folder, **HOLD_OUT)
    assert {poses.part for poses in splits.values()} == {"train"}
    train, validation, test = (
        {identity(a) for a, _ in names_of(poses)} for poses in splits.values()
    )
    assert (len(validation), len(test)) == (0, 1)
    assert max(train) < min(test)  # the last by name


@pytest.mark.parametrize("split", ["official", "hold-out"])
def test_validation_identities_are_the_last_of_those_that_are_left(folder, split):
    plain, settings = HOLD_OUT | {"split": split}, {"validation_identities": 1}
    before = preparation.build(folder, **plain)
    splits = preparation.build(folder, **plain | settings)
    everyone = {identity(a) for a, _ in names_of(before["train"])}
    validation = {identity(a) for a, _ in names_of(splits["validation"])}
    assert validation == {max(everyone)}
    assert {identity(a) for a, _ in names_of(splits["train"])} == everyone - validation
    assert splits["validation"].part == "train"
    assert names_of(splits["test"]) == names_of(before["test"])


def test_nobody_left_beside_the_validation(fetched):
    with pytest.raises(InputError, match="validation_identities is 99, but only"):
        preparation.build(fetched, **OFFICIAL | {"validation_identities": 99})


def test_twice_the_same_bytes(fetched, tmp_path):
    for run in "ab":
        preparation.build(fetched, **OFFICIAL)["train"].save(tmp_path / run)
    assert sha256(tmp_path / "a") == sha256(tmp_path / "b")
    loaded = PoseSet.load(tmp_path / "a")
    assert names_of(loaded) == names_of(preparation.build(fetched, **OFFICIAL)["train"])


def test_no_test_part(folder):
    (folder / "test.safetensors").unlink()
    with pytest.raises(InputError, match=r"has no test images: .*split=hold-out"):
        preparation.build(folder, **OFFICIAL)


def test_nobody_left_to_train_on(fetched):
    with pytest.raises(InputError, match="hold_out_identities is 9, but only"):
        preparation.build(fetched, **HOLD_OUT | {"hold_out_identities": 9})


@pytest.mark.parametrize("place", [(H, 0), (0, W)])
@pytest.mark.parametrize("part", ["train", "test"])
def test_joint_outside_its_picture(folder, part, place):
    def move(poses):
        next(iter(poses.values()))[0] = place

    rewrite(folder, part, move)
    with pytest.raises(InputError, match=rf"annotation-{part}.csv: \S+.png has joints outside"):
        preparation.build(folder, **OFFICIAL)


@pytest.mark.parametrize("part", ["train", "test"])
def test_filter_that_leaves_no_pair(folder, part):
    def hide(poses):
        for joints in poses.values():
            joints[2] = -1

    rewrite(folder, part, hide)
    with pytest.raises(InputError, match=f"no pair is left in the {part} part: of .* 0 have both"):
        preparation.build(folder, **OFFICIAL)


def test_every_identity_with_one_picture(packed, pose):
    people = {"train": "12", "test": "34"}
    folder = packed({k: {f"{i}_a.png": pose(TORSO) for i in v} for k, v in people.items()})
    with pytest.raises(InputError, match=r"no pair is left .* none shares its identity"):
        preparation.build(folder, **OFFICIAL)


def test_an_identity_with_one_picture_has_no_pair(packed, pose):
    names = ["1_a.png", "1_b.png", "2_a.png", "3_a.png", "3_b.png"]
    poses = {name: pose(TORSO) for name in names}
    poses["3_b.png"][2] = -1  # the filter leaves one of two
    folder = packed({"train": poses, "test": {f"1{name}": poses[name] for name in poses}})
    expected = [("1_a.png", "1_b.png"), ("1_b.png", "1_a.png")]
    assert names_of(preparation.build(folder, **OFFICIAL)["train"]) == expected


@pytest.fixture
def shared(packed, pose):
    """A download folder whose parts share the identities 2 to 5; junk is in both, too."""
    parts = {"train": ["", *"12345"], "test": ["", *"23456"]}
    return packed(
        {k: {f"{i}_{n}.png": pose(TORSO) for i in v for n in "ab"} for k, v in parts.items()}
    )


def test_identities_of_training_and_test(shared):
    with pytest.raises(
        InputError, match=r"share 4 identities: 2, 3, 4, \.\.\.; remove them from one"
    ):
        preparation.build(shared, **OFFICIAL)
    preparation.build(shared, **HOLD_OUT)  # it takes the test people from the training part


def test_a_published_list_may_share_identities(shared, capsys):
    (shared / "pairs-test.csv").write_text("from,to\n2_a.png,2_b.png\n")
    assert names_of(preparation.build(shared, **OFFICIAL)["test"]) == [("2_a.png", "2_b.png")]
    assert "share 4 identities: 2, 3, 4, ...; kept, as the" in capsys.readouterr().err


def test_pictures_without_annotation_are_left_out(folder):
    before = names_of(preparation.build(folder, **OFFICIAL)["train"])
    dropped = before[0][0]
    rewrite(folder, "train", lambda poses: poses.pop(dropped))
    after = names_of(preparation.build(folder, **OFFICIAL)["train"])
    assert after == [pair for pair in before if dropped not in pair]


def test_published_pairs_are_taken_as_they_are(folder):
    names = ImageSet.load(folder / "test.safetensors").names
    wanted = [(names[5], names[0]), (names[1], names[2]), (names[5], names[0])]
    text = "\n".join(["from,to", *(",".join(pair) for pair in wanted)])
    (folder / "pairs-test.csv").write_text(text + "\n")
    assert names_of(preparation.build(folder, **OFFICIAL)["test"]) == wanted


def test_published_pairs_without_annotation(folder):
    name, other = ImageSet.load(folder / "test.safetensors").names[:2]
    (folder / "pairs-test.csv").write_text(f"from,to\n{name},{other}\n")
    rewrite(folder, "test", lambda poses: poses.pop(other))
    with pytest.raises(InputError, match=rf"published pairs against the annotations.*: {other}"):
        preparation.build(folder, **OFFICIAL)


@pytest.mark.parametrize(
    ("split", "pair"),
    [
        (OFFICIAL, ["nobody.png", "noone.png"]),
        (HOLD_OUT, ["{0}", "{1}"]),  # the test part is not what a hold-out is scored on
    ],
    ids=["official", "hold-out"],
)
def test_published_pairs_of_unknown_pictures(folder, split, pair):
    names = ImageSet.load(folder / "test.safetensors").names
    (folder / "pairs-test.csv").write_text("from,to\n" + ",".join(pair).format(*names) + "\n")
    with pytest.raises(InputError, match="published"):
        preparation.build(folder, **split)


def test_without_annotations_key_points_are_estimated(folder, monkeypatch):
    (folder / "annotation-train.csv").unlink()

    def load(*size, invented):
        assert size == (H, W, "cpu")
        return estimate

    def estimate(images):
        found = np.full((len(images), 18, 2), -1, np.int16)
        found[:, list(TORSO)] = 3
        return found

    monkeypatch.setattr(estimators, "load", load)
    train = preparation.build(folder, **OFFICIAL)["train"]
    total = RENDERED["train_identities"] * RENDERED["views"]
    assert len(train.pairs) == total * (RENDERED["views"] - 1)
    assert len(np.unique(train.pairs)) == total


def test_an_interrupted_estimation_keeps_what_it_found(tmp_path, monkeypatch):
    images = np.arange(10, dtype=np.uint8).repeat(H * W * 3).reshape(10, H, W, 3)
    seen: list[int] = []

    def find(part):
        if len(seen) == 4:  # once
            seen.append(-1)
            raise KeyboardInterrupt
        seen.extend(part[:, 0, 0, 0])
        return np.broadcast_to(part[:, 0, 0, :1, None].astype(np.int16), (len(part), 18, 2))

    monkeypatch.setattr(estimators, "load", lambda *_, **__: find)
    monkeypatch.setattr(estimators, "PART", 4)
    with pytest.raises(KeyboardInterrupt):
        estimators.estimate_all(images, "cpu", tmp_path / "kept")
    found = estimators.estimate_all(images, "cpu", tmp_path / "kept")
    assert found[:, 5, 1].tolist() == list(range(10))
    assert seen == [*range(4), -1, *range(4, 10)]
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("name", ["train.safetensors", "test.safetensors"])
def test_damaged_download(folder, name):
    path = folder / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=rf"{name} is damaged"):
        preparation.build(folder, **OFFICIAL)


def test_missing_download(tmp_path):
    with pytest.raises(InputError, match=r"train.safetensors is missing: run the stage"):
        preparation.build(tmp_path, **HOLD_OUT)


# the download stage, which everything enters by


def test_fetch_packs_both_parts(fetched):
    total = {part: RENDERED[f"{part}_identities"] * RENDERED["views"] for part in ("train", "test")}
    for part, count in total.items():
        images = ImageSet.load(fetched / f"{part}.safetensors")
        assert images.images.shape == (count, H, W, 3)
        assert images.names == sorted(set(images.names))
        assert images.identities == [identity(name) for name in images.names]


def test_fetch_twice_gives_the_same_bytes(fetched, tmp_path, archive):
    again = fetch(tmp_path / "again", market1501, archive)
    for path in again.iterdir():
        assert sha256(path) == sha256(fetched / path.name)
    assert "train.safetensors" in {path.name for path in again.iterdir()}


def test_fetch_with_published_pairs(tmp_path, archive, fetched):
    names = ImageSet.load(fetched / "test.safetensors").names
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(f"from,to\n{names[0]},{names[1]}\n")
    output = fetch(tmp_path / "out", market1501, archive | {"pairs": str(pairs)})
    assert (output / "pairs-test.csv").read_bytes() == pairs.read_bytes()


def test_paths_start_at_the_repository(tmp_path, archive, monkeypatch):
    shutil.copy(archive["archive"], tmp_path / "a.zip")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    output = fetch(tmp_path / "out", market1501, {"archive": "a.zip"})
    assert (output / "test.safetensors").is_file()


@pytest.mark.parametrize(
    ("reader", "words"),
    [(market1501, "Market-1501.*research"), (deepfashion, "In-shop.*agreement.*password")],
)
def test_missing_archive(tmp_path, archive, reader, words):
    path = tmp_path / "raw" / "archive.zip"
    with pytest.raises(InputError, match=rf"{path} does not exist: .*{words}.* at {path}"):
        fetch(tmp_path / "out", reader, archive | {"archive": str(path)})
    assert not (tmp_path / "out").exists()


def truncated(path):
    path.write_bytes(path.read_bytes()[:-100])


def outside(path):
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../bounding_box_train/0001_c1s1_000151_09.png", b"")


def undecodable(path):
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("bounding_box_train/0001_c1s1_000151_09.png", b"no picture")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (truncated, "not a whole zip file"),
        (outside, "points outside"),
        (undecodable, "0001_c1s1_000151_09.png: cannot read image"),
    ],
)
def test_damaged_archive_writes_nothing(tmp_path, archive, damage, words):
    path = tmp_path / "a.zip"
    shutil.copy(archive["archive"], path)
    damage(path)
    with pytest.raises(InputError, match=words):
        fetch(tmp_path / "out", market1501, archive | {"archive": str(path)})
    assert not [*(tmp_path / "out").glob("*")]  # the stage replaces its folder at the end


def test_another_sha256(tmp_path, archive):
    with pytest.raises(InputError, match=r"has sha256 [0-9a-f]{64}, expected 0{64}"):
        fetch(tmp_path / "out", market1501, archive | {"sha256": "0" * 64})
    assert not (tmp_path / "out").exists()


def test_missing_annotations(tmp_path, archive):
    path = str(tmp_path / "train.csv")
    with pytest.raises(InputError, match=rf"{path} does not exist: .* source.annotations"):
        fetch(tmp_path / "out", market1501, archive | {"annotations": {"train": path}})
    assert not (tmp_path / "out").exists()


def test_missing_pairs(tmp_path, archive):
    path = str(tmp_path / "pairs.csv")
    with pytest.raises(InputError, match=rf"{path} does not exist: .* source.pairs"):
        fetch(tmp_path / "out", market1501, archive | {"pairs": path})


def test_annotations_of_another_data_set(tmp_path, archive):
    swapped = {"train": archive["annotations"]["test"]}
    with pytest.raises(InputError, match=r"annotation-test.csv: 8 names without an image: 0002"):
        fetch(tmp_path / "out", market1501, archive | {"annotations": swapped})
    assert not (tmp_path / "out").exists()


def test_a_folder_in_the_place_of_a_csv(tmp_path, archive):
    (tmp_path / "pairs.csv").mkdir()
    source = archive | {"pairs": str(tmp_path / "pairs.csv")}
    with pytest.raises(InputError, match=r"pairs.csv is a folder: put the CSV there"):
        fetch(tmp_path / "out", market1501, source)


def test_pairs_of_two_people(tmp_path, archive, fetched):
    names = ImageSet.load(fetched / "test.safetensors").names
    stranger = next(name for name in names if identity(name) != identity(names[0]))
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(f"from,to\n{names[0]},{names[1]}\n{names[1]},{stranger}\n")
    people = rf"line 3: {names[1]} is of {identity(names[1])}, {stranger} of {identity(stranger)}"
    with pytest.raises(InputError, match=rf"pairs.csv, {people}: a pair shows one identity"):
        fetch(tmp_path / "out", market1501, archive | {"pairs": str(pairs)})


def test_pairs_that_occur_twice_are_told_of_and_kept(tmp_path, archive, fetched, capsys):
    one, two = ImageSet.load(fetched / "test.safetensors").names[:2]
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(f"from,to\n{one},{two}\n{two},{one}\n{one},{two}\n")
    output = fetch(tmp_path / "out", market1501, archive | {"pairs": str(pairs)})
    assert "pairs.csv: 1 pairs repeat others and count once more" in capsys.readouterr().err
    assert (output / "pairs-test.csv").read_bytes() == pairs.read_bytes()


def test_pairs_of_unknown_pictures(tmp_path, archive):
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("from,to\na.png,b.png\n")
    with pytest.raises(InputError, match=r"pairs.csv: 2 names without an image: [ab].png"):
        fetch(tmp_path / "out", market1501, archive | {"pairs": str(pairs)})
    assert not (tmp_path / "out").exists()


def test_pictures_of_another_size(tmp_path, archive):
    config = {"height": 128, "width": 64, "source": NOWHERE | archive}
    with pytest.raises(InputError, match="is RGB, 32 high, 16 wide; expected RGB, 128 high, 64"):
        download.fetch(market1501, config, tmp_path / "out")


def test_deepfashion_needs_annotations(tmp_path, archive):
    with pytest.raises(InputError, match="no split of its own: set `annotations`"):
        fetch(tmp_path / "out", deepfashion, archive | {"annotations": {}})
