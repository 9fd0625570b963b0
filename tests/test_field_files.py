"""What the field's repositories write: strips of any number of panels, single results, names."""

import numpy as np
import pandas as pd
import pytest
from folders_of import save, skimage_ssim
from PIL import Image

from vdg import code
from vdg.errors import InputError
from vdg.evaluation import names, strips
from vdg.evaluation.image_folders import in_order, partners
from vdg.keypoints.annotations import read_pairs, write_keypoints

COUNT = 24
A = [f"{i:04d}_c1s1_{i:06d}_00" for i in range(COUNT)]
B = [f"{i:04d}_c{1 + i % 3}s{1 + i % 2}_{900 + i:06d}_01" for i in range(COUNT)]
BODY = np.full((18, 2), -1, np.int16)
BODY[[2, 5, 8, 11]] = [[8, 4], [8, 11], [20, 5], [20, 10]]


@pytest.fixture
def sides(pictures):
    """Source, target and generated images, 32 x 16, in the order of A and B."""
    generated, targets = (list(side.values()) for side in pictures)
    return targets[1:] + targets[:1], targets, generated


def ssim(generated, targets):
    return np.mean(skimage_ssim(generated, targets))


def scores(tmp_path):
    return pd.read_csv(tmp_path / "out" / "scores.csv")


# --- strips --------------------------------------------------------------------------------------

FORMS = {
    "VU-Net": ("{}.jpg___{}.jpg_vis", "source target generated"),
    "Def-GAN": ("{}.jpg_{}.jpg", "source target generated"),
    "PATN": ("{}.jpg___{}.jpg_vis", "source pose target pose generated"),
    "dash": ("{}-{}", "source target generated"),
}


def write_strips(folder, sides, form, panels):
    known = dict(zip(("source", "target", "generated"), sides, strict=True))
    shown = {}
    for i, (a, b) in enumerate(zip(A, B, strict=True)):
        row = [known[p][i] if p in known else np.zeros((32, 16, 3), np.uint8) for p in panels]
        shown[form.format(a, b)] = np.hstack(row)
    return save(folder, shown)


@pytest.mark.parametrize("system", FORMS)
def test_strips_as_a_repository_writes_them(score, sides, tmp_path, system):
    """Their masks come from the key points of two splits."""
    form, panels = FORMS[system][0], FORMS[system][1].split()
    folder = write_strips(tmp_path / "strips", sides, form, panels)
    for name, half in (("train", B[:10]), ("test", B[10:] + A)):
        write_keypoints(tmp_path / f"{name}.csv", [f"{n}.jpg" for n in half], [BODY] * len(half))
    done = score(
        *("--strips", folder, "--classifier", "none", "--output", tmp_path / "out"),
        *("--keypoints", tmp_path / "train.csv", tmp_path / "test.csv"),
    )
    assert done.returncode == 0, done.stderr
    said = f"{COUNT} strips of {len(panels)} panels of 16 x 32: {', '.join(panels)}\n"
    assert done.stdout.startswith(said)
    assert scores(tmp_path)["ssim"].mean() == pytest.approx(ssim(sides[2], sides[1]), abs=1e-6)


def test_a_source_in_the_file_is_no_target(score, sides, tmp_path):
    """The mask of the source would fit, and score another number."""
    folder = write_strips(tmp_path / "strips", sides, "{}__{}", ["source", "target", "generated"])
    write_keypoints(tmp_path / "test.csv", [f"{n}.jpg" for n in A], [BODY] * COUNT)
    done = score(
        *("--strips", folder, "--classifier", "none", "--keypoints", tmp_path / "test.csv"),
    )
    assert done.returncode == 1
    assert f"test.csv has no row for {A[0]}__{B[0]}: add one" in done.stderr


SIX = ["source", "pose", "target", "pose", "coarse", "generated"]


def test_six_panels_are_named_and_never_guessed(score, sides, tmp_path):
    folder = write_strips(tmp_path / "strips", sides, "{}___{}_vis", SIX)
    common = ("--strips", folder, "--classifier", "none", "--output", tmp_path / "out")
    done = score(*common)
    assert done.returncode == 1
    assert "6 panels of 16 x 32, whose order is not known: name them, as in --pan" in done.stderr
    done = score(*common, "--panels", "3")
    assert done.returncode == 1
    assert "3 panels of 32 x 32, but images of such names have another aspect" in done.stderr
    done = score(*common, "--panels", ",".join(SIX))
    assert done.returncode == 0, done.stderr
    assert f"6 panels of 16 x 32: {', '.join(SIX)}" in done.stdout
    assert scores(tmp_path)["ssim"].mean() == pytest.approx(ssim(sides[2], sides[1]), abs=1e-6)


def test_masks_give_the_size_of_a_panel(score, sides, tmp_path):
    """They are named as their targets."""
    shown = {}
    for i, (source, target, generated) in enumerate(zip(*sides, strict=True)):
        shown[f"x{i:02d}-y{i:02d}"] = np.hstack([source, target, generated])
    folder = save(tmp_path / "strips", shown)
    body = np.zeros((32, 16), np.uint8)
    body[4:28, 4:12] = 255
    masks = save(tmp_path / "masks", {f"y{i:02d}": body for i in range(COUNT)})
    common = ("--strips", folder, "--classifier", "none")
    assert score(*common, "--masks", masks).returncode == 0
    narrow = save(tmp_path / "narrow", {f"y{i:02d}": body[:, 4:12] for i in range(COUNT)})
    done = score(*common, "--masks", narrow, "--panels", "3")
    assert done.returncode == 1
    assert "3 panels of 16 x 32, but the masks are 8 x 32: mend --panels or --masks" in done.stderr


@pytest.mark.parametrize(
    ("height", "width", "stem", "count"),
    [
        (128, 192, "0001_c1s1_000001_00__0001_c2s1_000001_00", 3),
        (128, 320, "0001_c1s1_000001_00.jpg___0001_c2s1_000001_00.jpg_vis", 5),
        (256, 768, "fashionWOMENa_1front.jpg___fashionWOMENa_2side.jpg_vis", 3),
        (256, 880, "fashionWOMENa_1front.jpg___fashionWOMENa_2side.jpg_vis", 5),
        (256, 528, "a-b", 3),
        (64, 192, "a-b", None),  # three squares, or six as narrow as Market-1501's
        (256, 192, "a", None),  # one picture
        (128, 100, "a-b", None),
    ],
)
def test_the_panels_are_counted_by_the_data_sets_aspect(height, width, stem, count):
    pictures = {stem: np.zeros((height, width, 3), np.uint8)}
    if count is None:
        with pytest.raises(InputError, match=f"strips of {width} x {height} have .* say which wi"):
            strips.split(pictures, "strips")
    else:
        assert len(strips.split(pictures, "strips").panels) == count


def test_strips_that_cannot_be_cut():
    pair = {"a": np.zeros((32, 48, 3), np.uint8), "b": np.zeros((32, 32, 3), np.uint8)}
    with pytest.raises(InputError, match="b is 32 x 32, the first strip 48 x 32: all must be of"):
        strips.split(pair, "strips")
    with pytest.raises(InputError, match="strips of 48 x 32 are not 5 panels of one width"):
        strips.split({"a": pair["a"]}, "strips", 5)


@pytest.mark.parametrize("text", ["6", "0", "source,target", "target,generated,generated", ""])
def test_panels_without_an_order(score, tmp_path, text):
    assert score("--strips", tmp_path, "--panels", text).returncode == 2


# --- single results ------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{}_2_{}_vis", "{}__{}", "{}.jpg_{}.jpg", "{}-{}"])
def test_single_results_beside_a_folder_of_targets(score, sides, tmp_path, form):
    """One of the targets is of two pairs, one of none."""
    _, targets, generated = sides
    stems = [form.format(*pair) for pair in zip(A, [B[0], B[0], *B[2:]], strict=True)]
    made = save(tmp_path / "made", dict(zip(stems, generated, strict=True)))
    real = save(tmp_path / "real", dict(zip(B, targets, strict=True)))
    done = score(
        *("--generated", made, "--target", real, "--classifier", "none"),
        *("--output", tmp_path / "out"),
    )
    assert done.returncode == 0, done.stderr
    assert "24 pictures of 16 x 32, 23 of 24 targets, which their names end in" in done.stdout
    expected = ssim(generated, [targets[0], targets[0], *targets[2:]])
    assert scores(tmp_path)["ssim"].mean() == pytest.approx(expected, abs=1e-6)


def test_results_without_their_target():
    image = np.zeros((32, 16, 3), np.uint8)
    with pytest.raises(InputError, match=r"1 of 2 generated pictures have no target .*: a_2_c_vis"):
        partners({"a_2_c_vis": image, "c_2_a_vis": image}, {"a": image}, "generated", "target")


@pytest.mark.parametrize(
    ("name", "known", "target"),
    [
        ("2__12", ["2", "12"], "12"),
        ("3__12", ["2", "3"], None),  # 2 is the end of 12, and 3 the source
        ("b__a_b_1", ["b_1", "a_b_1"], "a_b_1"),
        ("x_2_y_vis", ["x", "y"], "y"),
        ("y", ["y"], "y"),
        ("x_vis", ["x_vis", "x"], "x"),
    ],
)
def test_the_target_in_a_name(name, known, target):
    assert names.target_of(name, known) == target


def test_a_list_of_pairs_knows_all_spellings():
    pairs = [("b.jpg", "a.jpg"), ("a.jpg", "b.jpg")]
    for form in ("{}__{}", "{}.jpg___{}.jpg_vis", "{}_2_{}_vis", "{}.jpg_{}.jpg", "{}-{}"):
        shown = {form.format(*pair): 0 for pair in (("a", "b"), ("b", "a"))}
        assert list(in_order(shown, pairs)) == [form.format("b", "a"), form.format("a", "b")]
    with pytest.raises(InputError, match="a_b_c may be two pairs of the list: rename it"):
        in_order({"a_b_c": 0}, [("a_b", "c"), ("a", "b_c")])


# --- warnings ------------------------------------------------------------------------------------


def test_formats_draw_a_line(score, folders):
    made, real = folders
    common = ("--generated", made, "--target", real, "--classifier", "none")
    first, *others = sorted(made.iterdir())
    assert "warning" not in score(*common).warnings
    Image.open(first).save(first.with_suffix(".jpg"))
    first.unlink()
    assert f"warning: {made} holds JPEG and PNG files: JPEG in" in score(*common).warnings
    for path in others:
        Image.open(path).save(path.with_suffix(".jpg"))
        path.unlink()
    said = score(*common).warnings
    assert said.count("warning") == 1
    assert "the generated pictures are JPEG, their targets PNG: JPEG in place" in said


def test_exchanged_channels_draw_a_line(score, tmp_path):
    random = np.random.default_rng(0)
    targets = random.integers(0, 256, (COUNT, 32, 16, 3)) // [1, 2, 4] + [0, 20, 30]
    noise = random.integers(-9, 10, targets.shape)
    generated = np.clip(targets + noise, 0, 255).astype(np.uint8)
    real = save(tmp_path / "real", dict(zip(A, targets.astype(np.uint8), strict=True)))
    for kind, images in {"rgb": generated, "bgr": generated[..., ::-1]}.items():
        made = save(tmp_path / kind, dict(zip(A, images, strict=True)))
        done = score("--generated", made, "--target", real, "--classifier", "none")
        assert done.returncode == 0
        assert ("reddish where their targets are bluish" in done.warnings) == (kind == "bgr")


def test_few_pictures_draw_a_line(score, folders):
    done = score("--generated", folders[0], "--target", folders[1])
    assert "warning: 24 pictures are few for IS and FID: IS cannot exceed 2.4" in done.warnings


# --- order and cameras ---------------------------------------------------------------------------


def test_shuffling_moves_is_alone(score, folders, tmp_path):
    found = []
    for more in ((), ("--shuffle", "2020"), ("--shuffle", "1")):
        done = score(
            *("--generated", folders[0], "--target", folders[1], "--output", tmp_path / "out"),
            *more,
        )
        assert done.returncode == 0, done.stderr
        found.append(pd.read_json(tmp_path / "out" / "scores.json")["metrics"])
    for other in found[1:]:
        moved = {m for m in other.index if abs(other[m] - found[0][m]) > 1e-6 * abs(found[0][m])}
        assert moved == {"is_efficientnet_lite0", "is_efficientnet_lite0_splits_std"}
    assert found[1]["is_efficientnet_lite0"] != found[2]["is_efficientnet_lite0"]


def test_scores_by_camera(score, sides, tmp_path):
    _, targets, generated = sides
    stems = [f"{a}__{b}" for a, b in zip(A, B, strict=True)]
    folders = [
        save(tmp_path / kind, dict(zip(stems, images, strict=True)))
        for kind, images in (("made", generated), ("real", targets))
    ]
    done = score("--generated", folders[0], "--target", folders[1], "--classifier", "none")
    assert done.returncode == 0, done.stderr
    groups = {"one sequence": [0, 6, 12, 18], "one camera": [3, 9, 15, 21]}
    groups["two cameras"] = [i for i in range(COUNT) if i % 3]
    for group, members in groups.items():
        value = ssim(*([side[i] for i in members] for side in (generated, targets)))
        assert f"| {group} | {len(members)} | {value:.3f} |" in done.stdout


def test_other_names_have_no_cameras():
    assert names.cameras(["a__b"]) is None
    assert names.cameras([]) is None
    assert names.cameras([f"{A[0]}_2_{B[0]}_vis", f"-1_c1s1_000001_00.jpg_{A[0]}.jpg"]) == [
        "one sequence",
        "one sequence",
    ]


def test_the_share_of_pairs_of_one_sequence(market):
    """As docs/data.md says, of the published list."""
    pairs = read_pairs(market / "market-pairs-test.csv")
    found = names.cameras(f"{source} {target}" for source, target in pairs)
    assert [found.count(group) for group in names.CAMERAS] == [2514, 221, 9265]


def test_an_edit_of_the_folder_reader_scores_nothing_again():
    reached = code.hashes("stages.evaluate")
    assert "src/vdg/evaluation/names.py" in reached
    assert not {p for p in reached if "image_folders" in p or "strips" in p or "commands/" in p}
