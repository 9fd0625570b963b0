"""The renderer of the embedded data set."""

import os
import re
import zipfile

import numpy as np
import pytest
from reading import read_all
from scipy.ndimage import distance_transform_edt

from vdg.data import market1501
from vdg.data.rendering import archive
from vdg.data.silhouettes import read_silhouettes
from vdg.data.synthetic import write_archive
from vdg.data.synthetic.people import sample_person
from vdg.data.synthetic.render import render
from vdg.errors import InputError
from vdg.files import sha256
from vdg.keypoints.annotations import read_keypoints

FILES = (
    "annotation-test.csv",
    "annotation-train.csv",
    "silhouettes-test.safetensors",
    "silhouettes-train.safetensors",
    "people.zip",
)
SHOULDERS_HIPS = [2, 5, 8, 11]
SIZE = {"height": 32, "train_identities": 3, "test_identities": 2, "views": 3, "seed": 0}


@pytest.fixture(scope="module")
def pictures():
    return {(i, v): render(i, v, 64, 0) for i in range(1, 31) for v in range(8)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthetic")
    write_archive(folder, **SIZE)
    return folder


def members(folder):
    with zipfile.ZipFile(folder / "people.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_forms(pictures):
    for picture in pictures.values():
        assert picture.image.shape == (64, 32, 3)
        assert picture.image.dtype == np.uint8
        assert picture.keypoints.shape == (18, 2)
        assert picture.keypoints.dtype == np.int16
        assert picture.silhouette.shape == (64, 32)
        assert picture.silhouette.dtype == bool
        assert 1 <= picture.camera <= 6


def test_same_arguments_same_picture():
    for one, other in zip(render(3, 2, 64, 5), render(3, 2, 64, 5), strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_seed_view_or_identity_differs():
    image = render(3, 2, 64, 5).image
    for arguments in [(3, 2, 64, 6), (3, 3, 64, 5), (4, 2, 64, 5)]:
        assert (render(*arguments).image != image).mean() > 0.5


def test_height_scales_the_same_scene():
    small, large = render(7, 1, 64, 0), render(7, 1, 128, 0)
    halved = large.image.reshape(64, 2, 32, 2, 3).mean((1, 3))
    assert np.abs(halved - small.image).mean() < 3
    found = (small.keypoints >= 0) & (large.keypoints >= 0)
    assert np.abs(large.keypoints // 2 - small.keypoints)[found].max() <= 1


def test_keypoints_are_missing_or_inside(pictures):
    for picture in pictures.values():
        found = (picture.keypoints >= 0).all(1)
        assert (picture.keypoints[~found] == -1).all()
        assert (picture.keypoints[found] < [64, 32]).all()


def test_found_keypoints_lie_on_the_person(pictures):
    for picture in pictures.values():
        away = distance_transform_edt(~picture.silhouette)
        found = picture.keypoints[picture.keypoints[:, 0] >= 0]
        assert away[tuple(found.T)].max() <= 2


def test_person_fills_the_crop(pictures):
    covered = [picture.silhouette for picture in pictures.values()]
    heights = [np.ptp(np.flatnonzero(mask.any(1))) + 1 for mask in covered]
    assert min(heights) > 0.8 * 64
    assert 0.15 < np.mean(covered) < 0.5


def test_estimator_finds_shoulders_and_hips_mostly(pictures):
    found = [(p.keypoints[SHOULDERS_HIPS] >= 0).all() for p in pictures.values()]
    assert 0.85 < np.mean(found) < 0.98


def test_sides_of_front_and_back_views(pictures):
    fronts = backs = 0
    for picture in pictures.values():
        joints = picture.keypoints.astype(int)
        right, left = joints[[2, 8], 1], joints[[5, 11], 1]
        if joints[SHOULDERS_HIPS].min() < 0 or abs(left[0] - right[0]) < 8:
            continue
        if joints[[0, 16, 17]].min() >= 0:  # nose and both ears
            fronts += 1
            assert right[0] < left[0]  # the person's right is at the picture's left
            assert right[1] <= left[1]
        elif joints[[0, 14, 15]].max() < 0:
            backs += 1
            assert left[0] < right[0]
            assert left[1] <= right[1]
    assert min(fronts, backs) > 10


def test_eyes_show_from_the_front_only(pictures):
    for picture in pictures.values():
        row, column = picture.keypoints[[2, 5]].T
        if row.min() >= 0 and column[0] - column[1] > 8:  # a back view
            assert (picture.keypoints[[14, 15]] == -1).any()


def torso(picture):
    joints = picture.keypoints[SHOULDERS_HIPS]
    top, bottom = joints[:2, 0].max() + 4, joints[2:, 0].min() - 6
    centre = int(joints[:, 1].mean())
    return picture.image[top:bottom, centre - 1 : centre + 2].reshape(-1, 3).astype(float)


def test_garments_are_alike_across_views(pictures):
    within, medians = [], []
    for identity in range(1, 31):
        if sample_person(identity, 0).top.pattern != "plain":
            continue
        views = [pictures[identity, view] for view in range(8)]
        views = [v for v in views if (v.keypoints[SHOULDERS_HIPS] >= 0).all()]
        colours = np.array([np.median(torso(view), axis=0) for view in views])
        within.append(np.abs(colours - np.median(colours, 0)).mean())
        medians.append(np.median(colours, 0))
    assert len(within) > 8
    assert np.median(within) < 15
    assert np.mean(within) < 0.4 * np.std(medians, axis=0).mean()


def test_half_of_the_tops_are_patterned():
    tops = [sample_person(identity, 0).top for identity in range(1, 301)]
    assert 0.4 < np.mean([top.pattern != "plain" for top in tops]) < 0.6
    assert min(top.period for top in tops) > 1 / 14
    assert min(np.abs(np.subtract(*top.colours)).mean() for top in tops) > 55


def test_stripes_reach_the_picture():
    person = next(i for i in range(1, 100) if sample_person(i, 0).top.pattern == "horizontal")
    views = [render(person, view, 64, 0) for view in range(8)]
    spread = [torso(v).mean(1).std() for v in views if (v.keypoints[SHOULDERS_HIPS] >= 0).all()]
    assert np.median(spread) > 15


def test_identity_is_seen_by_a_few_cameras_and_all_around(pictures):
    for identity in range(1, 31):
        assert 1 <= len({pictures[identity, view].camera for view in range(8)}) <= 3
    faces = [p.keypoints[0, 0] >= 0 for p in pictures.values()]
    assert 0.3 < np.mean(faces) < 0.8


def test_archive_is_read_as_market1501(folder):
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    for name in members(folder):
        assert re.fullmatch(r"bounding_box_(train|test)/\d{4}_c[1-6]s\d_\d{6}_\d\d\.png", name)
    parts = read_all(market1501, folder / "people.zip", height=32, width=16)
    assert [len(parts[part]) for part in ("train", "test")] == [9, 6]
    assert len(set(parts["train"].identities)) == 3
    assert not set(parts["train"].identities) & set(parts["test"].identities)


def test_archive_holds_what_render_draws(folder):
    keypoints = read_keypoints(folder / "annotation-test.csv")
    parts = read_all(market1501, folder / "people.zip", height=32, width=16)
    names, masks = read_silhouettes(folder / "silhouettes-test.safetensors")
    assert names == list(keypoints) == parts["test"].names
    assert list(read_keypoints(folder / "annotation-train.csv")) == parts["train"].names
    picture = render(4, 1, 32, 0)  # the second test identity
    (row,) = (i for i, name in enumerate(names) if re.match(r"0004_c\ds1_000176", name))
    np.testing.assert_array_equal(parts["test"].images[row], picture.image)
    np.testing.assert_array_equal(keypoints[names[row]], picture.keypoints)
    np.testing.assert_array_equal(masks[row], picture.silhouette)


def test_annotation_rows_have_the_published_form(folder):
    header, *rows = (folder / "annotation-train.csv").read_text().splitlines()
    assert header == "name:keypoints_y:keypoints_x"
    numbers = r"\[(-1|\d+)(, (-1|\d+)){17}\]"
    assert all(re.fullmatch(rf"[\w.]+: {numbers}: {numbers}", row) for row in rows)


def test_archive_bytes_are_stable(folder, tmp_path):
    write_archive(tmp_path, **SIZE)
    assert [sha256(tmp_path / name) for name in FILES] == [sha256(folder / name) for name in FILES]


def test_processes_draw_the_same_bytes(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "WORTH_A_PROCESS", 5)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    write_archive(tmp_path, **SIZE)
    assert [sha256(tmp_path / name) for name in FILES] == [sha256(folder / name) for name in FILES]


def test_counts_leave_other_pictures_alone(folder, tmp_path):
    write_archive(tmp_path, **SIZE | {"train_identities": 1, "test_identities": 3, "views": 2})
    few, many = members(tmp_path), members(folder)
    shared = few.keys() & many.keys()
    assert len(shared) == (1 + 2) * 2
    assert all(few[name] == many[name] for name in shared)


@pytest.mark.parametrize(
    "wrong", [{"train_identities": 0}, {"views": 0}, {"height": 62}, {"seed": -1}]
)
def test_wrong_settings_are_named(tmp_path, wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        write_archive(tmp_path, **SIZE | wrong)
    assert not list(tmp_path.iterdir())
