"""One described person in the files of all tools: the same joints, or the exact refusal."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from vdg.data.fitting import Frame
from vdg.errors import InputError
from vdg.evaluation.image_folders import draw_masks
from vdg.inference.pose_finder import PoseFinder
from vdg.keypoints import formats, reading
from vdg.keypoints.annotations import KEYPOINTS_HEADER, read_keypoints
from vdg.keypoints.by_picture import ByPicture
from vdg.keypoints.reading import Options
from vdg.keypoints.skeletons import COCO, joint_name
from vdg.masks import pose_mask
from vdg.pose import JOINTS

SIZE = HEIGHT, WIDTH = 768, 384
# x, y of OpenPose's 18 joints in a picture of 384 x 768; the neck is between the shoulders
PERSON = np.array([
    [189.5, 145.5], [191.5, 221.5], [125.5, 221.5], [61.5, 133.5], [5.5, 69.5], [257.5, 221.5],
    [317.5, 137.5], [357.5, 73.5], [165.5, 385.5], [153.5, 541.5], [149.5, 693.5], [221.5, 389.5],
    [233.5, 541.5], [249.5, 693.5], [177.5, 133.5], [201.5, 133.5], [157.5, 129.5], [221.5, 129.5],
])  # fmt: skip
RIGHT = PERSON[:, ::-1]
BY_NAME = dict(zip(JOINTS, PERSON.tolist(), strict=True))
COCO_POINTS = np.array([BY_NAME[name] for name in COCO])
SCALE = np.array([WIDTH, HEIGHT])
WRIST = JOINTS.index("right wrist")


def triples(points, score=0.9):
    scores = np.broadcast_to(score, len(points))[:, None]
    return np.concatenate([points, scores], 1).ravel().tolist()


def keys(flat, **more):
    return {"people": [{"pose_keypoints_2d": flat, "face_keypoints_2d": []}]} | more


def body25(points):
    return np.concatenate([points[:8], points[[8, 11]].mean(0)[None], points[8:], np.zeros((6, 2))])


def in_order(count, places):
    """`count` joints of which some, {index: name}, are of the person."""
    points = np.full((count, 2), 20.0)
    for index, name in places.items():
        points[index] = BY_NAME[name]
    return points


HALPE = in_order(136, dict(enumerate(COCO)) | {17: "nose", 18: "neck", 19: "nose"})
LANDMARKS = dict(zip((0, 2, 5, 7, 8, *range(11, 17), *range(23, 29)), COCO, strict=True))
MEDIAPIPE = in_order(33, LANDMARKS) / SCALE
LABELS = {name: "".join(word.title() for word in name.split()) for name in JOINTS}  # LeftEye


def labelme(**more):
    shapes = [
        {"label": name.replace(" ", "_"), "points": [point], "shape_type": "point", **more}
        for name, point in BY_NAME.items()
    ]
    box = {"label": "person", "points": [[0, 0], [9, 9]], "shape_type": "rectangle"}
    return {"version": "7.9.0", "shapes": [box, *shapes], "imagePath": "..\\photo.png",
            "imageHeight": HEIGHT, "imageWidth": WIDTH}  # fmt: skip


def studio(person=None):
    return [
        {
            "type": "keypointlabels", "original_width": WIDTH, "original_height": HEIGHT,
            "value": {"x": x / WIDTH * 100, "y": y / HEIGHT * 100, "width": 0.4,
                      "keypointlabels": [LABELS[name]]},
        } | ({"parentID": person} if person else {})
        for name, (x, y) in BY_NAME.items()
    ]  # fmt: skip


def coco(points=COCO_POINTS, names=COCO, size=SIZE):
    flat = triples(points, 2.0)
    flat = [round(x) if i % 3 == 2 else x for i, x in enumerate(flat)]
    category = {"id": 7, "name": "person", "keypoints": [n.replace(" ", "_") for n in names]}
    image = {"id": 3, "file_name": "train/photo.png", "height": size[0], "width": size[1]}
    boxes = {"id": 1, "image_id": 3, "category_id": 7, "bbox": [0, 0, 9, 9]}
    return {"images": [image], "categories": [category],
            "annotations": [boxes, boxes | {"id": 2, "keypoints": flat}]}  # fmt: skip


def ultralytics(scale=(1, 1)):
    x, y = (COCO_POINTS / scale).T.round(5).tolist()
    return [{"name": "person", "class": 0, "confidence": 0.9, "box": {"x1": 0, "y1": 0},
             "keypoints": {"x": x, "y": y, "visible": [0.9] * 17}}]  # fmt: skip


def mmpose_person():
    return {"keypoints": COCO_POINTS.tolist(), "keypoint_scores": [0.9] * 17,
            "bbox": [[0, 0, 9, 9]], "bbox_score": 0.9}  # fmt: skip


def on_canvas(height, width, scale):
    return keys(triples(PERSON * scale, 1.0), canvas_height=height, canvas_width=width)


ALPHAPOSE = {"image_id": "photo.png", "category_id": 1, "keypoints": triples(COCO_POINTS),
             "score": 2.5, "box": [0, 0, 384, 768]}  # fmt: skip
PIFPAF = {"keypoints": triples(COCO_POINTS), "bbox": [0, 0, 9, 9], "score": 0.9, "category_id": 1}
DRESS = np.concatenate([PERSON / [WIDTH / 384, HEIGHT / 512], np.zeros((18, 2))], 1).tolist()
MARKS = [{"x": x, "y": y, "z": 0.1, "visibility": 0.9} for x, y in MEDIAPIPE.tolist()]
GHOST = np.zeros((18, 3))
GHOST[[0, 14, 16]] = [12, 20, 0.3]

FILES = {
    "OpenPose 18": keys(triples(PERSON), version=1.3),
    "OpenPose before 1.3": {"version": 1.0, "people": [{"pose_keypoints": triples(PERSON)}]},
    "BODY_25": keys(triples(body25(PERSON)), version=1.3),
    "COCO's 17 in OpenPose's keys": keys(triples(COCO_POINTS)),
    "MediaPipe's 33 in OpenPose's keys": keys(triples(in_order(33, LANDMARKS))),
    "Halpe's 26 in OpenPose's keys": keys(triples(HALPE[:26])),
    "COCO-WholeBody": keys(triples(in_order(133, dict(enumerate(COCO))))),
    "x and y in pairs": keys(PERSON.ravel().tolist()),
    "rows": keys(np.reshape(triples(PERSON), (18, 3)).tolist()),
    "0..1": keys(triples(PERSON / SCALE)),
    "-1..1": keys(triples(2 * PERSON / SCALE - 1)),
    "ControlNet": on_canvas(HEIGHT, WIDTH, 1),
    "canvas of a shorter side of 512": on_canvas(1024, 512, 512 / WIDTH),
    "canvas of 0..1": on_canvas(1024, 512, 1 / SCALE),
    "ComfyUI": [on_canvas(1024, 512, 512 / WIDTH)],
    "ComfyUI, no body": [{"people": [{"pose_keypoints_2d": None, "face_keypoints_2d": None},
                                     *on_canvas(HEIGHT, WIDTH, 1)["people"]],
                          "canvas_height": HEIGHT, "canvas_width": WIDTH}],
    "a person of zeros": {"people": [{"pose_keypoints_2d": [0.0] * 54},
                                     *keys(triples(PERSON))["people"]]},
    "a ghost": {"people": [*keys(triples(PERSON))["people"],
                           {"pose_keypoints_2d": GHOST.ravel().tolist()}]},
    "AlphaPose": [ALPHAPOSE],
    "AlphaPose, 136 joints": [ALPHAPOSE | {"keypoints": triples(HALPE)}],
    "AlphaPose, open": {"photo.png": keys(triples(PERSON), version="AlphaPose v0.3")},
    "AlphaPose, cmu": {"photo.png": {"version": "AlphaPose v0.3",
                                     "bodies": [{"joints": triples(PERSON)}]}},
    "AlphaPose, open, of its sep-json": keys(triples(PERSON), version="AlphaPose v0.3"),
    "AlphaPose, cmu, of its sep-json": {"version": "AlphaPose v0.3",
                                        "bodies": [{"joints": triples(PERSON)}]},
    "the top of the head as the neck": keys(triples(np.where(
        np.arange(18)[:, None] == 1, [[190.0, 90.0]], PERSON))),
    "mmpose": [mmpose_person()],
    "mmpose, video": [{"frame_id": 0, "instances": [mmpose_person()]}],
    "mmpose, its demos": {"meta_info": {}, "instance_info": [mmpose_person()]},
    "mmpose in Python": {"visualization": [], "predictions": [[mmpose_person()]]},
    "ultralytics": ultralytics(),
    "ultralytics, normalized": ultralytics(SCALE),
    "openpifpaf": [PIFPAF],
    "COCO": coco(),
    "COCO, other names": coco(PERSON[::-1], JOINTS[::-1]),
    "COCO, a smaller copy": coco(COCO_POINTS / 2, size=(HEIGHT // 2, WIDTH // 2)),
    "COCO's results": [{"image_id": 3, "category_id": 1, "keypoints": triples(COCO_POINTS, 1.0),
                        "score": 0.9}],
    "labelme": labelme(),
    "labelme, a group": labelme(group_id=4),
    "Label Studio": [{"id": 1, "data": {"img": "/data/upload/1/1a2b3c4d-photo.png"},
                      "annotations": [{"result": studio()}]}],
    "Label Studio, a person's box": [{"id": 1, "data": {"img": "s3://bucket/photo.png"},
                                      "annotations": [{"result": studio("abc")}]}],
    "Label Studio, JSON-MIN": [{"id": 1, "img": "/data/upload/photo.png", "kp": [
        point["value"] | {"original_width": WIDTH, "original_height": HEIGHT}
        for point in studio()]}],
    "MediaPipe": MARKS,
    "MediaPipe, by name": {"pose_landmarks": [MARKS]},
    "MediaPipe, lists": [[*point, 0.1, 0.9] for point in MEDIAPIPE.tolist()],
    "percent, said": keys(triples(PERSON / SCALE * 100)),
    "said with nobody beside it": {"people": [*keys(triples(PERSON))["people"], {
        "pose_keypoints_2d": []}]},
}  # fmt: skip


@pytest.fixture
def photo(tmp_path):
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def source(photo, content, name="pose.json", **options):
    """The source's joints (18, 2) of a file of key points, in a picture of its own size."""
    path = photo.with_name(name)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    finder = PoseFinder(SIZE, "cpu", photo.with_name("out.png"), Options(**options))
    return finder.source(photo, Image.open(photo), str(path), None)


@pytest.mark.parametrize("name", FILES)
def test_all_tools_describe_one_person(photo, name):
    options = {"unit": "percent"} if name == "percent, said" else {}
    found = source(photo, FILES[name], **options)
    assert missing(found) == []
    assert np.abs(found - np.floor(RIGHT)).max() <= 1


@pytest.mark.parametrize("name", FILES)
def test_a_pose_is_the_same_in_the_models_pictures(photo, name):
    """Of a canvas that the file names, of --pose-size, or of the model's pictures in 0..1."""
    path = photo.with_name("pose.txt")  # the content says what it is
    path.write_text(json.dumps(FILES[name]))
    unit = "percent" if name == "percent, said" else None
    finder = PoseFinder((128, 64), "cpu", photo, Options(size=SIZE, unit=unit))
    expected = Frame.of(*SIZE, (128, 64)).place(RIGHT - 0.5)
    found = finder.target(str(path))
    assert np.abs(found - expected).max() <= 1


def test_dresscode_is_of_half_its_pictures(tmp_path):
    Image.new("RGB", (768, 1024)).save(tmp_path / "photo.png")
    path = tmp_path / "013563_2.json"
    path.write_text(json.dumps({"keypoints": DRESS}))
    finder = PoseFinder((1024, 768), "cpu", tmp_path / "out.png")
    found = finder.source(tmp_path / "photo.png", Image.open(tmp_path / "photo.png"), str(path), 0)
    assert np.abs(found - RIGHT / SIZE * [1024, 768]).max() <= 1


@pytest.mark.parametrize(
    ("size", "canvas"),
    [((1000, 600), (896, 512)), ((600, 1000), (512, 896)), ((333, 100), (1728, 512))],
)
def test_a_padded_canvas(tmp_path, size, canvas):
    """ControlNet's nodes scale the shorter side to 512 and pad to multiples of 64."""
    Image.new("RGB", size[::-1]).save(tmp_path / "photo.png")
    joints = PERSON / SCALE * size[::-1]
    path = tmp_path / "pose.json"
    scaled = joints * 512 / min(size)
    path.write_text(
        json.dumps(keys(triples(scaled), canvas_height=canvas[0], canvas_width=canvas[1]))
    )
    finder = PoseFinder(size, "cpu", tmp_path / "out.png")
    found = finder.source(
        tmp_path / "photo.png", Image.open(tmp_path / "photo.png"), str(path), None
    )
    assert np.abs(found - np.floor(joints[:, ::-1])).max() <= 1


# joints that are missing


def missing(found):
    return np.flatnonzero((found < 0).all(1)).tolist()


def with_joint(index, point, score=0.9):
    flat = np.reshape(triples(PERSON), (18, 3)).copy()
    flat[index] = *point, score
    return keys(flat.ravel().tolist())


LEFT_OUT = {
    "beyond": (with_joint(WRIST, (WIDTH + 0.4, 70)), {}, "1 joints beyond the picture are missing"),
    "negative": (with_joint(WRIST, (-3, 70)), {}, "1 joints beyond the picture are missing"),
    "0, 0": (with_joint(WRIST, (0, 0)), {}, r"1 joints at \(0, 0\) are read as missing"),
    "weak": (with_joint(WRIST, (5, 70), 0.05), {}, "1 joints below a score of 0.1 are missing"),
    "weaker than asked": (with_joint(WRIST, (5, 70), 0.5), {"confidence": 0.6}, "of 0.6"),
    "AlphaPose": ([ALPHAPOSE | {"keypoints": triples(COCO_POINTS, [
        0.39 if name == "right wrist" else 0.9 for name in COCO])}], {}, "score of 0.4"),
    "AlphaPose, sep-json": (keys(triples(PERSON, [0.39 if i == WRIST else 0.9 for i in range(18)]),
                                 version="AlphaPose v0.3"), {}, "score of 0.4"),
    "rtmlib": (keys(triples(PERSON, [0.29 if i == WRIST else 0.9 for i in range(18)])), {},
               "score of 0.3"),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_joint_that_is_missing_is_said_once(photo, capsys, name):
    content, options, line = LEFT_OUT[name]
    if name == "weak":  # OpenPose's own necks are not computed
        content["people"][0]["pose_keypoints_2d"][4] -= 9
    if name == "rtmlib":
        content["people"][0]["pose_keypoints_2d"][3:6] = [191.5, 221.5, 0.9]
    found = source(photo, content, **options)
    assert missing(found) == [WRIST]
    said = capsys.readouterr().err
    assert len([text for text in said.splitlines() if re.search(r"(are|as) missing", text)]) == 1
    assert re.search(line, said)


def csv(y, x):
    return f"{KEYPOINTS_HEADER}\nphoto.png: {list(y)}: {list(x)}\n"


def test_the_fields_csv(photo, capsys):
    whole = np.floor(PERSON).astype(int).tolist()
    x, y = map(list, zip(*whole, strict=True))
    right = np.array([y, x]).T
    np.testing.assert_array_equal(source(photo, csv(y, x), "a.csv"), right)
    fractions = [[value + 0.25 for value in axis] for axis in (y, x)]
    np.testing.assert_array_equal(source(photo, csv(*fractions), "a.csv"), right)
    shares = [[v / HEIGHT for v in fractions[0]], [v / WIDTH for v in fractions[1]]]
    np.testing.assert_array_equal(source(photo, csv(*shares), "a.csv"), right)
    x[WRIST], y[WRIST] = -1, -1
    assert missing(source(photo, csv(y, x), "a.csv")) == [WRIST]
    capsys.readouterr()
    x[WRIST], y[WRIST] = 0, 0
    assert missing(source(photo, csv(y, x), "a.csv")) == [WRIST]
    assert "a.csv: 1 joints at (0, 0) are read as missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("zeros", "other", "kept"),
    [
        (1, 5, False),  # no -1 in the file: 0 stands for it
        (1, -1, True),  # the corner, as three times in the published files
        (2, -1, False),  # two joints of one person are not in one corner
    ],
)
def test_zeros_of_a_data_set(tmp_path, capsys, zeros, other, kept):
    joints = np.arange(36).reshape(18, 2) + 5
    joints[:zeros], joints[9] = 0, other
    rows = [f"{name}.jpg: {joints[:, 0].tolist()}: {joints[:, 1].tolist()}" for name in "ab"]
    (tmp_path / "a.csv").write_text("\n".join([KEYPOINTS_HEADER, *rows]) + "\n")
    found = read_keypoints(tmp_path / "a.csv")["b.jpg"]
    assert (found[:zeros] == (0 if kept else -1)).all()
    line = f"a.csv: {2 * zeros} joints at (0, 0) are read as missing"
    assert (line in capsys.readouterr().err) is not kept


# refusals

TWO = {"people": 2 * keys(triples(PERSON))["people"]}
REFUSED = {
    "XML of CVAT": (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations></annotations>',
        "pose.json is XML: export COCO's key points instead (in CVAT: COCO Keypoints 1.0)",
    ),
    "two people": (
        TWO,
        "pose.json: 2 people were found: choose one, counted from 0, with --person K",
    ),
    "many beyond": (
        keys(triples(PERSON * 2)),
        "pose.json: 11 of 18 joints lie outside the source of 768 x 384 pixels (height x width): "
        "they are of a picture of another size; give them in its pixels",
    ),
    "a canvas of another shape": (
        on_canvas(512, 512, 1),
        "pose.json: its canvas is 512 x 512, which is not the shape of a picture of 768 x 384 "
        "pixels (height x width): give the picture that the joints are of",
    ),
    "percent": (
        keys(triples(PERSON / SCALE * 100)),
        "pose.json: all joints lie in 0..100 of a picture of 768 x 384 pixels (height x width): "
        "say whether they are percent with --unit percent or --unit pixels",
    ),
    "nobody": (keys(None), "pose.json: no person was found in it"),
    "only a ghost": (keys(GHOST.ravel().tolist()), "pose.json: no person was found in it"),
    "two people in one annotation": (
        coco(np.concatenate([COCO_POINTS, COCO_POINTS])),
        "pose.json: annotations: 1 has 34 joints and its category 17 names: write the file again",
    ),
    "two people without groups": (
        labelme() | {"shapes": 2 * labelme()["shapes"]},
        "pose.json: the file has nose twice: give each person a group of its own in the tool",
    ),
    "labels of no joint": (
        labelme() | {"shapes": [{"label": "cat", "points": [[1, 2]], "shape_type": "point"}]},
        "pose.json: no label names a joint, such as left_shoulder: cat: rename the labels",
    ),
    "another object": (
        {"joints": []},
        "pose.json is an object with joints, which no known tool writes: see the formats in "
        "docs/keypoints.md, or name it with --format",
    ),
    "boxes of a detector": (
        [{"name": "person", "class": 0, "confidence": 0.9, "box": {}}],
        "pose.json is a list with name, class, confidence, box, which no known tool writes: see "
        "the formats in docs/keypoints.md, or name it with --format",
    ),
    "an order unknown": (
        keys([1.0] * 48),
        "pose.json: people: 0: pose_keypoints_2d has 16 joints, and orders are known of 17, 18, "
        "25, 26, 33, 133, 136: convert them to OpenPose's 18 first",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(photo, name):
    content, line = REFUSED[name]
    with pytest.raises(InputError) as told:
        source(photo, content)
    assert str(told.value).removeprefix(f"{photo.parent}/") == line


def test_label_studios_coco_export_merges_people(photo, capsys):
    found = source(photo, coco() | {"info": {"contributor": "Label Studio"}})
    assert np.abs(found - np.floor(RIGHT)).max() <= 1
    assert "merges the people of a picture into one" in capsys.readouterr().err


def test_a_file_of_several_pictures(photo):
    other = ALPHAPOSE | {"image_id": "other.png", "keypoints": triples(COCO_POINTS - 5)}
    found = source(photo, [other, ALPHAPOSE])  # the source's own name
    assert np.abs(found - np.floor(RIGHT)).max() <= 1
    finder = PoseFinder(SIZE, "cpu", photo)
    path = photo.with_name("pose.json")
    moved = finder.target(f"{path}:other.png")
    assert np.abs(moved - np.floor(RIGHT - 5))[moved >= 0].max() <= 1
    with pytest.raises(
        InputError, match=r"is of 2 pictures: name one, .*:NAME, of other.png, photo"
    ):
        finder.target(str(path))


@pytest.mark.parametrize(
    ("path", "row"),
    [
        ("photos/anna/00.png", "anna/00.png"),
        ("bert/00.jpg", "bert/00.png"),
        ("./00.png", "00.png"),
        ("carl/00.png", "00.png"),
        ("anna\\00.png", "anna/00.png"),
        ("01.png", "images/anna/01.png"),  # the end of a row's name
        ("photos/anna/01.png", "images/anna/01.png"),
        ("anna/02.png", "anna/02.jpg"),  # a folder says more than a suffix
        ("photos/x.png", "2 rows for 'photos/x.png': name one, .*:NAME, of x.jpg, x.gif$"),
        ("bert/01.png", "no row for 'bert/01.png'; if images/anna/01.png is meant: .*/01.png$"),
        ("anna/09.png", "no row for 'anna/09.png'$"),
    ],
)
def test_which_row_is_of_a_picture(tmp_path, path, row):
    names = ["anna/00.png", "bert/00.png", "00.png", "images/anna/01.png", "anna/02.jpg", "02.png"]
    names += ["x.jpg", "x.gif"]
    shots = [reading.Shot(name, None, PERSON[None], [0]) for name in names]
    file = reading.KeypointFile(tmp_path / "a.csv", formats.CSV, "18 joints", shots)
    if row in names:
        assert file.shot(path).name == row
    else:
        with pytest.raises(InputError, match=row):
            file.shot(path)


def test_a_file_of_one_other_picture_is_told(photo, capsys):
    y, x = (np.floor(axis).astype(int).tolist() for axis in PERSON.T[::-1])
    source(photo, csv(y, x), "a.csv")
    assert "warning" not in capsys.readouterr().err
    source(photo, csv(y, x).replace("photo.png", "other.png"), "a.csv")
    assert f"a.csv is of other.png, not of {photo}" in capsys.readouterr().err


def test_the_advice_for_several_people_of_one_picture_works(photo):
    other = ALPHAPOSE | {"image_id": "other.png"}
    (photo.with_name("pose.json")).write_text(json.dumps([ALPHAPOSE, ALPHAPOSE, other]))
    finder, text = PoseFinder(SIZE, "cpu", photo), f"{photo.with_name('pose.json')}:photo.png"
    with pytest.raises(InputError, match=r"counted from 0, with --pose .*/pose.json:photo.png:K$"):
        finder.target(text)
    assert finder.target(f"{text}:1").shape == (18, 2)


def test_a_format_that_it_is_not(photo):
    with pytest.raises(
        InputError, match=r"is not as mmpose writes it: leave --format out, or give"
    ):
        source(photo, keys(triples(PERSON)), format="mmpose")


def test_frames_without_names_are_chosen_by_their_place(photo):
    frames = [on_canvas(HEIGHT, WIDTH, 1), None, on_canvas(1024, 512, 512 / WIDTH)]
    with pytest.raises(InputError, match=r"is of 3 pictures: name one, .*:NAME, of 0, 1, 2"):
        source(photo, frames)
    found = PoseFinder(SIZE, "cpu", photo, Options(size=SIZE)).target(
        f"{photo.with_name('pose.json')}:2"
    )
    assert np.abs(found - np.floor(RIGHT)).max() <= 1


def test_another_person(photo):
    two = {"people": [{"pose_keypoints_2d": None}, *keys(triples(PERSON))["people"],
                      *keys(triples(PERSON + 1))["people"]]}  # fmt: skip
    path = photo.with_name("two.json")
    path.write_text(json.dumps(two))
    finder = PoseFinder(SIZE, "cpu", photo)
    np.testing.assert_array_equal(finder.target(f"{path}:2"), np.floor(RIGHT + 1))
    with pytest.raises(InputError, match=r"two.json:0: person 0 is not in it: choose one of 1, 2"):
        finder.target(f"{path}:0")


# the order of the joints

ORDERS = {
    "as they should be": (PERSON, None),
    "the neck last": (
        np.array([BY_NAME[name] for name in (*COCO, "neck")]),
        "COCO's with the neck last",
    ),
    "y before x": (PERSON[:, ::-1], "x and y are exchanged"),
    "left and right": (
        PERSON[[0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16]],
        "left and right are exchanged",
    ),
    "reversed": (PERSON[::-1], "another order than"),
}


@pytest.mark.parametrize("name", ORDERS)
def test_joints_in_another_order(tmp_path, name):
    points, words = ORDERS[name]
    path = tmp_path / "pose.json"
    path.write_text(json.dumps(keys(triples(points))))
    warnings = [note for note in reading.read(path).notes if "warning" in note]
    assert [words in note for note in warnings] == ([] if words is None else [True])


def test_published_files_draw_no_warning(market):
    for part, count in (("train", 12_936), ("test", 19_732)):
        file = reading.read(market / f"market-annotation-{part}.csv")
        assert file.notes == []
        assert len(file.shots) == count


def test_what_a_file_was_taken_for(tmp_path):
    path = tmp_path / "pose.json"
    two = on_canvas(512, 1024, 1)
    path.write_text(json.dumps({**two, "people": 2 * two["people"]}))
    line = "18 joints of OpenPose (DWPose, ControlNet or ComfyUI), 2 people, canvas 512 x 1024"
    assert reading.read(path).about() == f"{path}: {line}"
    path.write_text(json.dumps(keys(triples(PERSON / SCALE))))
    assert (
        reading.read(path)
        .about()
        .endswith("18 joints of OpenPose (rtmlib, in OpenPose's keys), 1 person, 0..1")
    )
    assert reading.read(path, Options(format="openpose")).format.key == "openpose"


@pytest.mark.parametrize(
    ("label", "joint"),
    [("LShoulder", "left shoulder"), ("left_shoulder", "left shoulder"), ("R. Hip", "right hip"),
     ("ankle-right", "right ankle"), ("rightKnee", "right knee"), ("Nose", "nose"),
     ("left_eye_inner", None), ("hip", None), ("person", None), ("left hand", None)],
)  # fmt: skip
def test_names_of_joints(label, joint):
    assert joint_name(label) == joint


def test_scores_and_folders_read_them_by_picture(tmp_path):
    """A folder of OpenPose's files, and a file of several pictures, for targets of their names."""
    folder = tmp_path / "poses"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}_keypoints.json").write_text(json.dumps(keys(triples(PERSON))))
    listed = [ALPHAPOSE | {"image_id": f"{name}.jpg"} for name in ("a", "b")]
    (tmp_path / "all.json").write_text(json.dumps(listed))
    white = np.full((*SIZE, 3), 255, np.uint8)
    expected = pose_mask(np.floor(RIGHT), *SIZE)
    for path in (folder, tmp_path / "all.json"):
        masks = draw_masks([path], {"x___a": white, "b": white})
        assert (masks == expected).mean() > 0.999
    given = ByPicture(folder)
    given.rename(["a.png", "b.png"], str)
    np.testing.assert_array_equal(given.pixels("b.png", SIZE), np.floor(RIGHT))
    with pytest.raises(InputError, match=r"names without an image: a\.png"):
        given.rename(["c.png"], str)
    (folder / "b_keypoints.json").write_text(json.dumps(TWO))
    with pytest.raises(InputError, match="b shows 2 people: leave the picture out"):
        draw_masks([folder], {"b": white})
