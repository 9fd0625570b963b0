"""vdg score on folders of other systems."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from folders_of import NAMES, save, skimage_ssim
from PIL import Image

from vdg.errors import InputError
from vdg.evaluation.image_folders import draw_masks, read_folder, stack_masks
from vdg.keypoints.annotations import write_keypoints
from vdg.masks import pose_mask


def test_the_command(folders):
    done = subprocess.run(
        [sys.executable, "-m", "vdg", "score", "--generated", folders[0], "--target", folders[1]],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "| scored | scored |" in done.stdout


def test_flat_targets_have_no_sharpness(score, folders):
    for path in folders[1].iterdir():
        Image.new("RGB", Image.open(path).size, "gray").save(path)
    done = score("--generated", folders[0], "--target", folders[1], "--classifier", "none")
    assert done.returncode == 1
    assert "one flat colour" in done.stderr


def expected(generated, targets, mask=None):
    body = dict.fromkeys(NAMES, 1) if mask is None else mask
    sides = ([side[name] * body[name] for name in NAMES] for side in (generated, targets))
    return skimage_ssim(*sides)


@pytest.mark.parametrize("width", [0, 10, 17])
def test_a_crop_that_is_no_crop(score, folders, width):
    generated, target = folders
    crop = ("--crop-width", str(width), "--classifier", "none")
    done = score("--generated", generated, "--target", target, *crop)
    assert done.returncode == 1
    assert f"--crop-width {width}: must be from 11, SSIM's window, to the width, 16" in done.stderr


def test_ssim_with_white_margins_is_that_of_padded_files(score, pictures, folders, tmp_path):
    """PATN's script pads its crops of DeepFashion."""
    padded = tuple(
        {n: np.pad(p, ((0, 0), (5, 5), (0, 0)), constant_values=255) for n, p in side.items()}
        for side in pictures
    )
    common = ("--generated", folders[0], "--target", folders[1], "--classifier", "none")
    done = score(*common, "--pad-width", "26", "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "SSIM (white margins, 26 columns)" in done.stdout
    table = pd.read_csv(tmp_path / "out" / "scores.csv")
    np.testing.assert_allclose(table["ssim_padded_26"], expected(*padded), atol=1e-6)
    np.testing.assert_allclose(table["ssim"], expected(*pictures), atol=1e-6)
    done = score(*common, "--pad-width", "16")
    assert "--pad-width 16: must be above the width, 16" in done.stderr


def test_agrees_with_scikit_image(score, pictures, folders, tmp_path):
    output = tmp_path / "out"
    done = score(
        *("--generated", folders[0], "--target", folders[1], "--classifier", "none"),
        *("--output", output, "--name", "theirs"),
    )
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(output / "scores.csv")
    assert list(table["name"]) == NAMES
    np.testing.assert_allclose(table["ssim"], expected(*pictures), atol=1e-6)
    figures = json.loads((output / "scores.json").read_text())["metrics"]
    assert figures["ssim"] == pytest.approx(np.mean(expected(*pictures)), abs=1e-6)
    assert "mask_ssim" not in figures
    assert f"| theirs | scored | {figures['ssim']:.3f} |" in done.stdout


def test_strips_score_as_folders_do(score, pictures, folders, tmp_path):
    generated, targets = pictures
    strips = {n: np.hstack([np.zeros_like(targets[n]), targets[n], generated[n]]) for n in NAMES}
    whole = score("--generated", folders[0], "--target", folders[1], "--classifier", "none")
    cut = score("--strips", save(tmp_path / "strips", strips), "--classifier", "none")
    assert cut.returncode == 0, cut.stderr
    first, table = cut.stdout.split("\n", 1)
    assert first == "24 strips of 3 panels of 16 x 32: source, target, generated"
    assert whole.stdout.split("\n", 1) == ["24 pictures of 16 x 32, targets of equal names", table]


def test_masks_from_pictures_and_from_key_points_agree(score, pictures, folders, tmp_path):
    joints = np.full((18, 2), -1, np.int16)
    joints[[2, 5, 8, 11]] = [[8, 4], [8, 11], [20, 5], [20, 10]]
    mask = pose_mask(joints, 32, 16)
    masks = save(tmp_path / "masks", {name: mask.astype(np.uint8) * 255 for name in NAMES})
    write_keypoints(tmp_path / "joints.csv", [f"{n}.jpg" for n in NAMES], [joints] * len(NAMES))
    common = ("--generated", folders[0], "--target", folders[1], "--output", tmp_path / "out")
    done = [
        score(*common, *given, "--classifier", "none")
        for given in (("--masks", masks), ("--keypoints", tmp_path / "joints.csv"))
    ]
    assert done[0].returncode == 0, done[0].stderr
    assert done[0].stdout == done[1].stdout
    assert "mask-SSIM begins at 0." in done[0].stdout
    table = pd.read_csv(tmp_path / "out" / "scores.csv")
    body = dict.fromkeys(NAMES, mask[..., None])
    np.testing.assert_allclose(table["mask_ssim"], expected(*pictures, body), atol=1e-6)


BODY = np.full((18, 2), -1, np.int16)
BODY[[2, 5, 8, 11]] = [[8, 4], [8, 11], [20, 5], [20, 10]]


def drawn(tmp_path, rows, *pictures):
    """Masks of 32 x 16 pictures from a CSV: {name of the row: key points}."""
    write_keypoints(tmp_path / "joints.csv", rows, rows.values())
    targets = dict.fromkeys(pictures, np.zeros((32, 16, 3), np.uint8))
    return draw_masks([tmp_path / "joints.csv"], targets)


@pytest.mark.parametrize(
    ("row", "others", "picture"),
    [
        ("hanna_01.jpg", ["anna_01.jpg", "hanna_02.jpg"], "hanna_02__hanna_01"),
        ("12.png", ["2.png", "3.png"], "3__12"),
        ("anna_01.jpg", ["anna_02.jpg"], "anna_02.jpg___anna_01.jpg_vis"),
        ("b_1.jpg", ["a_b_1_c.jpg"], "a_b_1_c__b_1"),
        ("ben/01.jpg", ["anna/01.jpg"], "anna_01__ben_01"),
    ],
)
def test_the_row_of_a_picture_is_that_of_its_target(tmp_path, row, others, picture):
    rows = dict.fromkeys([*others, row], BODY) | {row: BODY + (BODY >= 0)}
    for order in (rows, dict(reversed(rows.items()))):
        mask = drawn(tmp_path, order, picture)[0]
        np.testing.assert_array_equal(mask, pose_mask(rows[row], 32, 16))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            {"a/b.jpg": BODY, "a_b.png": BODY},
            "a/b.jpg and a_b.png have one name, a_b, without a su",
        ),
        ({"c.jpg": BODY}, "joints.csv has no row for a_b__a: add one"),
        ({"a.jpg": BODY + 40}, "a.jpg: 18 of 18 joints lie outside its image of 32 x 16 pixels"),
        ({"a.jpg": BODY * 0 - 1}, "joints.csv has no joint for a_b__a: leave its picture out"),
    ],
    ids=["one name", "no row", "outside", "no joint"],
)
def test_key_points_that_give_no_mask(tmp_path, rows, words):
    with pytest.raises(InputError, match=words):
        drawn(tmp_path, rows, "a_b__a")


@pytest.mark.parametrize("mode", ["L", "P"])
def test_a_mask_without_white(tmp_path, mode):
    """Of 0 and 1, or with a dark colour for the body."""
    mask = Image.new(mode, (16, 32))
    mask.paste(1, (4, 4, 12, 28))
    if mode == "P":
        mask.putpalette([0, 0, 0, 128, 0, 0])
    mask.save(tmp_path / "a.png")
    masks = read_folder(tmp_path, "L")
    with pytest.raises(InputError, match="the mask of a has no pixel above 127: save masks white"):
        stack_masks(masks, {"a": np.zeros((32, 16, 3), np.uint8)}, tmp_path)


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_a_transparent_colour_is_refused_as_an_alpha_channel_is(tmp_path, mode):
    colour = (0, 0, 0) if mode == "RGB" else 0
    Image.new(mode, (16, 32)).save(tmp_path / "a.png", transparency=colour)
    with pytest.raises(InputError, match=r"a.png has a transparent colour: save it as RGB without"):
        read_folder(tmp_path)


def test_inception_score_and_fid_carry_the_stand_ins_name(score, folders):
    done = score("--generated", folders[1], "--target", folders[1])
    assert done.returncode == 0, done.stderr
    assert "IS (EfficientNet-Lite0) ↑ | FID (EfficientNet-Lite0) ↓" in done.stdout


def another_name(generated, _):
    generated["other"] = generated.pop(NAMES[0])


def one_missing(generated, _):
    del generated[NAMES[3]]


def another_size(generated, _):
    generated[NAMES[5]] = generated[NAMES[5]][:20]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (another_name, ["no target picture", "other"]),
        (one_missing, ["no generated picture", NAMES[3]]),
        (another_size, [NAMES[5], "generated picture is 20 high, 16 wide", "32 high"]),
    ],
)
def test_what_does_not_match_is_named(score, pictures, tmp_path, damage, words):
    generated, targets = pictures
    damage(generated, targets)
    folders = save(tmp_path / "made", generated), save(tmp_path / "real", targets)
    done = score("--generated", folders[0], "--target", folders[1], "--classifier", "none")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert all(word in done.stderr for word in words), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_other_bad_folders_are_named(score, folders, tmp_path):
    (tmp_path / "empty").mkdir()
    cut = save(tmp_path / "cut", {"a": np.zeros((32, 16, 3), np.uint8)})
    broken = save(tmp_path / "broken", {})
    (broken / "x.png").write_bytes(b"\x89PNG")
    cases = {
        "holds no JPEG or PNG": ("--generated", tmp_path / "empty", "--target", folders[1]),
        "is not a folder": ("--generated", tmp_path / "nowhere", "--target", folders[1]),
        "strips of 16 x 32 have no number of panels of a size": ("--strips", cut),
        "x.png: cannot read image": ("--generated", broken, "--target", folders[1]),
    }
    for words, arguments in cases.items():
        done = score(*arguments, "--classifier", "none")
        assert done.returncode == 1
        assert words in done.stderr


def test_few_pictures_say_what_to_do(score, pictures, tmp_path):
    few = [{n: p[n] for n in NAMES[:19]} for p in pictures]
    folders = save(tmp_path / "made", few[0]), save(tmp_path / "real", few[1])
    done = score("--generated", folders[0], "--target", folders[1])
    assert done.returncode == 1
    assert "19 pictures are too few for IS and FID: with ten splits IS cannot" in done.stderr
    assert "--classifier none" in done.stderr


# --- the leaderboard -----------------------------------------------------------------------------


def test_rows_are_added_to_a_leaderboard(score, pictures, folders, tmp_path):
    board = tmp_path / "boards" / "leaderboard.csv"
    common = ("--target", folders[1], "--classifier", "none", "--append", board)
    real = save(tmp_path / "again", pictures[1])
    for name, folder in (("theirs", folders[0]), ("real", real)):
        done = score("--generated", folder, *common, "--name", name)
        assert done.returncode == 0, done.stderr
    table = pd.read_csv(board).set_index("name")
    assert list(table.index) == ["theirs", "real"]
    assert list(table["pairs"]) == [len(NAMES)] * 2
    np.testing.assert_allclose(table.at["theirs", "ssim"], np.mean(expected(*pictures)), atol=1e-6)
    assert table.at["real", "ssim"] == 1
    assert table.at["theirs", "generated_sha256"] != table.at["theirs", "targets_sha256"]
    assert table.at["real", "generated_sha256"] == table.at["real", "targets_sha256"]
    assert table.at["theirs", "command"].startswith("vdg score --generated")
    assert table.at["theirs", "version"]


def test_the_hash_is_of_names_and_pixels(score, pictures, folders, tmp_path):
    """As a reader of the page can compute it, and whatever the format of the files."""
    board = tmp_path / "leaderboard.csv"
    common = ("--target", folders[1], "--classifier", "none", "--append", board, "--name", "x")
    assert score("--generated", folders[0], *common).returncode == 0
    expected = hashlib.sha256()
    for name in sorted(NAMES):
        expected.update(f"{name}\n(32, 16, 3)\n".encode() + pictures[0][name].tobytes())
    assert pd.read_csv(board).at[0, "generated_sha256"] == expected.hexdigest()
    for path in folders[0].iterdir():
        Image.open(path).save(path, compress_level=0)
    assert (
        score("--generated", folders[0], *common).returncode == 0
    )  # the same images: the same row
    assert len(pd.read_csv(board)) == 1


def test_a_name_is_of_one_set_of_images(score, folders, tmp_path):
    board = tmp_path / "leaderboard.csv"
    common = ("--classifier", "none", "--append", board, "--name", "x")
    assert score("--generated", folders[0], "--target", folders[1], *common).returncode == 0
    before = board.read_bytes()
    done = score("--generated", folders[1], "--target", folders[1], *common)
    assert done.returncode == 1
    assert "has a row 'x' of other images: choose another --name" in done.stderr
    assert board.read_bytes() == before


def test_a_leaderboard_gains_the_columns_of_its_rows(score, folders, tmp_path):
    board = tmp_path / "leaderboard.csv"
    common = ("--generated", folders[0], "--target", folders[1], "--append", board)
    for name, classifier in (("a", "none"), ("b", "efficientnet-lite0")):
        assert score(*common, "--name", name, "--classifier", classifier).returncode == 0
    fid = pd.read_csv(board).set_index("name")["fid_efficientnet_lite0"]
    assert np.isnan(fid["a"])
    assert fid["b"] > 0


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "", "\0"])
def test_what_is_no_leaderboard_is_left_alone(score, folders, tmp_path, text):
    board = tmp_path / "leaderboard.csv"
    board.write_text(text)
    common = ("--generated", folders[0], "--target", folders[1], "--classifier", "none")
    done = score(*common, "--append", board, "--name", "x")
    assert done.returncode == 1
    assert str(board) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert board.read_text() == text


def test_a_row_needs_a_name(score, folders, tmp_path):
    common = ("--generated", folders[0], "--target", folders[1], "--classifier", "none")
    done = score(*common, "--append", tmp_path / "leaderboard.csv")
    assert done.returncode == 2
    assert not (tmp_path / "leaderboard.csv").exists()


def test_a_list_of_pairs_gives_the_order(score, pictures, tmp_path):
    """IS depends on it."""
    sources = [f"{i:04d}_c1.jpg" for i in range(24)]
    pairs = list(zip(sources, sources[1:] + sources[:1], strict=True))[::-1]
    lines = "".join(f"{a},{b}\n" for a, b in pairs)
    (tmp_path / "pairs.csv").write_text(f"from,to\n{lines}")
    names = [f"{Path(a).stem}__{Path(b).stem}" for a, b in pairs]
    folders = [
        save(tmp_path / n, dict(zip(names, p.values(), strict=True)))
        for n, p in zip(("made", "real"), pictures, strict=True)
    ]
    done = score(
        *("--generated", folders[0], "--target", folders[1], "--classifier", "none"),
        *("--pairs", tmp_path / "pairs.csv", "--output", tmp_path / "out"),
    )
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert list(table["name"]) == names
    np.testing.assert_allclose(table["ssim"], expected(*pictures), atol=1e-6)
    (folders[0] / f"{names[0]}.png").rename(folders[0] / "x.png")
    (folders[1] / f"{names[0]}.png").rename(folders[1] / "x.png")
    done = score(
        *("--generated", folders[0], "--target", folders[1], "--classifier", "none"),
        *("--pairs", tmp_path / "pairs.csv"),
    )
    assert "x is no pair of the list" in done.stderr
