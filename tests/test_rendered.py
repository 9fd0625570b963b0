"""The open benchmark of rendered people: what its pictures promise."""

import os

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from reading import read_all
from scipy.ndimage import distance_transform_edt

from vdg import config
from vdg.data import market1501, names, rendered, synthetic
from vdg.data.pairs import all_pairs, draw_pairs
from vdg.data.preparation import build
from vdg.data.rendered import figure, scene
from vdg.data.rendered.render import render
from vdg.data.rendered.wardrobe import BAGS, HAIR_KINDS, HATS, sample_person
from vdg.data.rendering import archive
from vdg.data.rendering.geometry import Shapes, turn
from vdg.data.rendering.poses import sample_pose
from vdg.data.rendering.raster import NOTHING, cover
from vdg.files import sha256

PEOPLE = range(1, 200)
SIZE = {"height": 64, "train_identities": 4, "test_identities": 2, "views": 8, "seed": 0}


@pytest.fixture(scope="module")
def pictures():
    return {(i, v): render(i, v, 128, 0) for i in range(1, 13) for v in range(8)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rendered")
    rendered.write_archive(folder, **SIZE)
    return folder


def person_with(**wanted):
    """The first person of whom these attributes have these values."""
    people = (sample_person(i, 0) for i in PEOPLE)
    return next(p for p in people if all(getattr(p, k) == v for k, v in wanted.items()))


def bag_carrier(kind):
    return next(p for i in PEOPLE if (p := sample_person(i, 0)).bag.kind == kind)


def drawn(person, azimuth, seed=0):
    """Colours of a standing person seen from an azimuth, and which part each sample shows."""
    pose = sample_pose(np.random.default_rng(seed), {"stand": 1.0})
    parts, joints = figure.build(person, pose, turn("x", 8) @ turn("y", azimuth))
    rows, columns = np.linspace(0.6, -0.65, 256), np.linspace(-0.3, 0.3, 128)
    covered = cover(Shapes(parts), rows, columns)
    owner = np.where(covered.owners == NOTHING, NOTHING, covered.quadrics.part[covered.owners])
    return parts, owner, joints


# --- pictures -------------------------------------------------------------------------------------


def test_forms(pictures):
    for picture in pictures.values():
        assert picture.image.shape == (128, 64, 3)
        assert picture.image.dtype == np.uint8
        assert picture.keypoints.shape == (18, 2)
        assert picture.silhouette.shape == (128, 64)
        assert 1 <= picture.camera <= scene.CAMERAS
        assert 1 <= picture.sequence <= scene.SEQUENCES


def test_joints_lie_inside_and_on_the_person(pictures):
    for picture in pictures.values():
        found = picture.keypoints[(picture.keypoints >= 0).all(1)]
        assert (found < [128, 64]).all()
        assert distance_transform_edt(~picture.silhouette)[tuple(found.T)].max() <= 3
        assert (picture.keypoints[(picture.keypoints < 0).any(1)] == -1).all()


def test_most_pictures_have_a_torso(pictures):
    torso = [2, 5, 8, 11]
    assert np.mean([(p.keypoints[torso] >= 0).all() for p in pictures.values()]) > 0.8


def test_outlines_are_smooth():
    """A pixel on the outline mixes the person and what is behind: no more than half jump."""
    picture = render(1, 0, 128, 0)
    grey = picture.image.astype(float).mean(2)
    jump = np.abs(np.diff(grey, axis=1))
    outline = picture.silhouette[:, 1:] != picture.silhouette[:, :-1]
    across = np.abs(grey[:, 3:] - grey[:, :-3])[:, : outline.shape[1] - 2]
    assert jump[:, 1:-1][outline[:, 1:-1]].mean() < 0.75 * across[outline[:, 1:-1]].mean()


def test_same_arguments_same_picture_whatever_came_before(pictures):
    sample_person.cache_clear()
    scene.scene.cache_clear()
    for one, other in zip(render(7, 3, 128, 0), pictures[7, 3], strict=True):
        np.testing.assert_array_equal(one, other)
    assert (render(7, 3, 128, 1).image != pictures[7, 3].image).mean() > 0.5


def test_eyes_and_nose_show_from_the_front_only():
    person = person_with(hat="none", hair_kind="short")
    for azimuth, shown in [(0, True), (180, False)]:
        parts, owner, joints = drawn(person, azimuth)
        facing = joints[[0, 14, 15], 2] > joints[[16, 17], 2].mean()
        assert facing.all() == shown
        skull = next(k for k, p in enumerate(parts) if p.radii == (0.05, 0.038))
        assert (owner == skull).any()


def test_a_face_has_eyes_and_a_mouth():
    person = person_with(beard=False, glasses=False, hat="none")
    skull = next(p for p in drawn(person, 0)[0] if p.radii == (0.05, 0.038))
    points = np.array([[0.021, -0.012, 0.05], [0, -0.056, 0.05], [0, -0.03, 0.05], [0, 0, -0.05]])
    eye, mouth, cheek, behind = skull.paint(*points.T).T
    assert eye.sum() < 0.4 * cheek.sum()
    assert mouth[1] < 0.7 * cheek[1]
    np.testing.assert_array_equal(cheek, person.skin)
    assert person.hair_kind == "bald" or (behind == person.hair).all()


def test_a_backpack_shows_from_behind():
    person = bag_carrier("backpack")
    bare = person._replace(bag=person.bag._replace(kind="none"))
    seen = {}
    for azimuth in (0, 180):
        parts, owner, _ = drawn(person, azimuth)
        pack = len(figure.build(bare, *_standing(azimuth))[0])
        assert len(parts) > pack  # bags are the last parts
        seen[azimuth] = (owner >= pack).sum()
    assert seen[180] > 800
    assert seen[0] < 0.02 * seen[180]


def _standing(azimuth):
    pose = sample_pose(np.random.default_rng(0), {"stand": 1.0})
    return pose, turn("x", 8) @ turn("y", azimuth)


@pytest.mark.parametrize("kind", ["messenger", "tote", "handbag"])
def test_a_bag_hangs_at_its_side(kind):
    person = bag_carrier(kind)
    parts, _, joints = drawn(person, 0)
    bare, _ = figure.build(person._replace(bag=person.bag._replace(kind="none")), *_standing(0))
    bag = parts[len(bare)]
    assert np.sign(bag.origin[0]) == person.bag.side  # seen from the front, left is right
    assert bag.origin[1] < joints[[2, 5], 1].min()


def test_an_open_jacket_shows_the_shirt_in_front_only():
    opened = (p for i in PEOPLE if (p := sample_person(i, 0)).gap > 0 and p.bag.kind == "none")
    person = next(p for p in opened if p.top.pattern == p.jacket.pattern == "plain")
    chest = drawn(person, 0)[0][0]
    across = np.array([0.01, 0.01, 0.09])
    high = np.full(3, person.torso - 0.1) - 0.02
    at = np.stack([across, high - (person.torso - 0.052), [0.06, -0.06, 0.0]])
    front, back, side = chest.paint(*at).T

    def away(colour, cloth):
        """How far the hue of a colour is from that of a cloth."""
        return np.abs(colour / colour.sum() - cloth.colours[0] / cloth.colours[0].sum()).max()

    assert away(front, person.top) < 0.01
    assert away(back, person.jacket) < 0.01
    assert away(side, person.jacket) < 0.01
    assert away(front, person.jacket) > 0.03


def test_a_person_keeps_the_clothes_in_all_views():
    """Shirt and trousers have their hue, in the light of the camera, in every view."""
    coloured = [
        (i, p)
        for i in PEOPLE
        if (p := sample_person(i, 0)).jacket is None
        and p.top.pattern == p.bottom.pattern == "plain"
        and p.legs == 2
        and p.bag.kind == "none"
        and p.hair_kind == "short"
        and np.ptp(p.top.colours[0]) > 60
    ]
    assert len(coloured) >= 3
    for identity, person in coloured[:3]:
        for view in range(8):
            picture = render(identity, view, 128, 0)
            gain = scene.light(picture.camera, picture.sequence, 0).gain
            (top, bottom), (knee, _) = picture.keypoints[[2, 8], 0], picture.keypoints[[9, 12], 0]
            for rows, cloth in [((top, bottom), person.top), ((bottom + 4, knee), person.bottom)]:
                if min(rows) < 0:  # hidden joints
                    continue
                worn = np.zeros_like(picture.silhouette)
                worn[slice(*rows)] = picture.silhouette[slice(*rows)]
                pixels = picture.image[worn].astype(float)
                hues = pixels / (pixels.sum(1, keepdims=True) + 1)
                wanted = gain * cloth.colours[0] / (gain * cloth.colours[0]).sum()
                away = np.abs(hues - wanted).max(1)
                assert np.mean(away < 0.06) > 0.4, (identity, view)


def test_every_kind_occurs():
    people = [sample_person(i, 0) for i in PEOPLE]
    assert {p.hair_kind for p in people} == set(HAIR_KINDS)
    assert {p.hat for p in people} == set(HATS)
    assert {p.bag.kind for p in people} == set(BAGS)
    assert 0.4 < np.mean([p.top.pattern != "plain" for p in people]) < 0.7
    for attribute in ("skirt", "tails", "gap"):
        assert 0.05 < np.mean([getattr(p, attribute) > 0 for p in people]) < 0.5, attribute


# --- cameras --------------------------------------------------------------------------------------


def test_a_take_has_one_background():
    """Of two pictures of one take a strip along the ground is alike, of two cameras it is not."""
    person = sample_person(1, 0)
    one, other = person.takes[0], person.takes[1]
    still = np.zeros(2)

    def ground(take, walked=still):
        box = scene.window(take.place, walked, 0.9)
        return scene.cut(take.camera, 0, box, 64).mean((0, 1))

    moved = np.abs(ground(one) - ground(one, np.array([0.4, 0.05]))).max()
    assert one.camera == other.camera or moved < np.abs(ground(one) - ground(other)).max()


def test_cameras_differ_in_light():
    lights = [scene.light(camera, 1, 0) for camera in range(1, scene.CAMERAS + 1)]
    assert len({tuple(np.round(light.gain, 2)) for light in lights}) == scene.CAMERAS
    assert np.ptp([light.direction[0] for light in lights]) > 0.5


def test_windows_lie_in_the_scene():
    rng = np.random.default_rng(0)
    for _ in range(200):
        left, upper, right, lower = scene.window(
            rng.random(2), rng.uniform((-0.6, -0.12), (0.6, 0.12)), rng.uniform(0.88, 0.95)
        )
        assert min(left, upper) >= 0
        assert right <= scene.WIDTH
        assert lower <= scene.HEIGHT
        assert right - left == pytest.approx((lower - upper) / 2, rel=0.02)


# --- the data set ---------------------------------------------------------------------------------


def test_names_give_camera_and_sequence(folder):
    parts = read_all(market1501, folder / archive.ARCHIVE, height=64, width=32)
    for part in parts.values():
        for name in part.names:
            known = names.parse(name)
            assert known.form.title == "Market-1501"
            take = name.split("_")[1]
            identity = int(known.identity)
            takes = {f"c{t.camera}s{t.sequence}" for t in sample_person(identity, 0).takes}
            assert take in takes
            assert known.camera == int(take[1])


def test_one_identity_is_seen_by_several_cameras():
    takes = [{(t.camera, t.sequence) for t in sample_person(i, 0).takes} for i in PEOPLE]
    assert {len(t) for t in takes} == {3, 4}
    same = [len({camera for camera, _ in t}) < len(t) for t in takes]
    assert 0.02 < np.mean(same) < 0.25  # two sequences of one camera


@pytest.mark.parametrize("write", [rendered.write_archive, synthetic.write_archive])
def test_processes_draw_the_same_bytes(write, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "WORTH_A_PROCESS", 5)
    hashes = []
    for cores in (1, 2):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        out = tmp_path / str(cores)
        out.mkdir()
        write(out, **SIZE | {"train_identities": 2, "views": 4})
        hashes.append({path.name: sha256(path) for path in sorted(out.iterdir())})
    assert hashes[0] == hashes[1]
    assert len(hashes[0]) == 5


def test_the_section_is_the_benchmark():
    dataset = config.load(ROOT / "params.yaml").dataset["rendered"]
    source = dataset.source
    assert (dataset.height, dataset.width, source.views) == (128, 64, 8)
    held_out = dataset.poses.validation_identities
    assert source.train_identities - held_out >= 1000
    assert held_out >= 50
    assert source.test_identities >= 100
    assert dataset.evaluation.pairs == 2000
    assert dataset.poses.split == "official"


def test_no_person_is_in_two_splits(folder, tmp_path):
    parts = read_all(market1501, folder / archive.ARCHIVE, height=64, width=32)
    for part, images in parts.items():
        images.save(tmp_path / f"{part}.safetensors")
        table = f"annotation-{part}.csv"
        (tmp_path / table).write_bytes((folder / table).read_bytes())
    poses = build(
        tmp_path, split="official", hold_out_identities=0, validation_identities=1, device="cpu"
    )
    people = {
        split: {names.parse(found.picture_names[i]).identity for i in np.unique(found.pairs)}
        for split, found in poses.items()
    }
    assert all(people.values())
    assert not people["train"] & people["validation"]
    assert not (people["train"] | people["validation"]) & people["test"]


def test_pairs_are_drawn_as_the_published_list():
    identities = [f"{i:04d}" for i in range(2, 202, 2) for _ in range(8)]
    pairs = all_pairs(identities)
    assert len(pairs) == 100 * 8 * 7
    wanted = pd.DataFrame(pairs).sample(2000, random_state=0).to_numpy()
    np.testing.assert_array_equal(draw_pairs(pairs, 2000), wanted)
    assert all(identities[a] == identities[b] and a != b for a, b in wanted)
