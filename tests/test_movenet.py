"""MoveNet: the network, its weights and its key points."""

import json

import numpy as np
import pytest
import torch

from vdg.data.synthetic.render import render
from vdg.errors import InputError
from vdg.estimators import movenet_joints, movenet_weights
from vdg.estimators.movenet import GRID, HEADS, Conv, MoveNet, decode
from vdg.estimators.movenet_joints import SCORE, close_up, letter_box, likely_centers, openpose
from vdg.files import sha256
from vdg.metrics.pose_accuracy import pck

needs_weights = pytest.mark.skipif(
    not movenet_weights.weights_file().is_file(), reason="needs MoveNet's weights: make estimator"
)

# y, x and score of identity 4, view 0 in a frame of 256 x 256, by a direct interpretation of the
# published TensorFlow.js graph, node by node
REFERENCE = [
    *([0.13612, 0.48474, 0.59699], [0.11785, 0.50566, 0.89834], [0.11724, 0.47287, 0.70978]),
    *([0.12331, 0.53492, 0.70486], [0.12065, 0.46392, 0.80087], [0.23881, 0.59247, 0.86830]),
    *([0.23350, 0.41040, 0.92167], [0.39800, 0.59612, 0.82763], [0.37185, 0.39502, 0.86192]),
    *([0.52249, 0.57205, 0.46541], [0.50331, 0.37084, 0.78502], [0.48675, 0.54317, 0.82569]),
    *([0.47946, 0.43805, 0.78528], [0.69111, 0.57374, 0.88417], [0.69411, 0.41120, 0.87406]),
    *([0.84842, 0.63680, 0.75056], [0.89950, 0.39731, 0.82290]),
]


@needs_weights
def test_outputs_are_those_of_the_published_graph():
    frame = np.zeros((256, 256, 3), np.uint8)
    frame[:, 64:192] = render(4, 0, 256, 0).image
    network = movenet_weights.load()
    with torch.inference_mode():
        (joints,) = network(torch.as_tensor(frame).permute(2, 0, 1)[None].float())
    np.testing.assert_allclose(joints, REFERENCE, rtol=0, atol=1e-3)


@pytest.mark.parametrize("stride", [1, 2])
def test_same_padding_as_tensorflow(stride):
    """At stride 2 TensorFlow's kernels of 3 x 3 begin at the first pixel and end past the last."""
    x, conv = torch.arange(36.0).reshape(1, 1, 6, 6), Conv(1, 1, 3, stride, bias=False)
    with torch.no_grad():
        found = conv(x)[0, 0]
    around = np.zeros((8, 8))
    start = 1 if stride == 1 else 0
    around[start : start + 6, start : start + 6] = x[0, 0]
    kernel = conv.weight.detach()[0, 0].numpy()
    for i in range(6 // stride):
        for j in range(6 // stride):
            seen = around[i * stride : i * stride + 3, j * stride : j * stride + 3]
            assert found[i, j] == pytest.approx((seen * kernel).sum(), abs=1e-4)


def maps_of(people: dict[tuple[int, int], float]) -> dict[str, torch.Tensor]:
    """Maps of people whose joint k lies k - 8 cells below the centre, and half a cell to the right.

    people: logit of each centre, by its row and column.
    """
    maps = {name: torch.full((1, depth, GRID, GRID), -9.0) for name, depth in HEADS.items()}
    maps["regress"].zero_()
    maps["offset"].zero_()
    for (row, column), logit in people.items():
        maps["center"][0, 0, row, column] = logit
        for joint in range(17):
            maps["regress"][0, 2 * joint, row, column] = joint - 8
            maps["heatmap"][0, joint, row + joint - 8, column] = 2.0
            maps["offset"][0, 2 * joint + 1, row + joint - 8, column] = 0.5
    return maps


def test_decode():
    maps = maps_of({(20, 30): 3.0})
    # of two peaks of a joint the near one wins, though it is lower
    maps["heatmap"][0, 3, 60, 60] = 9.0
    # and the joint is where its peak is, not where the centre expects it
    maps["heatmap"][0, 5, 17, 30], maps["heatmap"][0, 5, 19, 32] = -9.0, 1.0
    maps["offset"][0, 10:12, 19, 32] = torch.tensor([0.25, -0.25])
    joints = decode(torch.tensor([20 * GRID + 30]), maps)[0].numpy()
    expected = np.array([[12 + k, 30.5, 2.0] for k in range(17)])
    expected[5] = 19.25, 31.75, 1.0
    np.testing.assert_allclose(joints[:, :2] * GRID, expected[:, :2], atol=1e-4)
    np.testing.assert_allclose(joints[:, 2], 1 / (1 + np.exp(-expected[:, 2])), atol=1e-6)


def test_the_person_in_the_middle_is_meant(monkeypatch):
    network = MoveNet()
    at_the_edge, in_the_middle = (30, 4), (30, 34)
    maps = maps_of({at_the_edge: 3.0, in_the_middle: 1.0})
    monkeypatch.setattr(network, "maps", lambda images: maps)
    joints = network(torch.zeros(1, 3, 256, 256))
    assert joints.shape == (1, 17, 3)
    assert (joints[0, :, 1] * GRID).round().tolist() == [34] * 17


def test_each_image_of_a_batch_is_decoded_by_itself():
    one, two = maps_of({(20, 30): 3.0}), maps_of({(40, 10): 3.0})
    both = {name: torch.cat([one[name], two[name]]) for name in HEADS}
    centers = torch.tensor([20 * GRID + 30, 40 * GRID + 10])
    joints = decode(centers, both)
    for index, maps in enumerate((one, two)):
        alone = decode(centers[index : index + 1], maps)
        torch.testing.assert_close(joints[index : index + 1], alone)


# from images to key points


@pytest.mark.parametrize("size", [(128, 64), (64, 128), (256, 256), (900, 700), (37, 91), (40, 2)])
def test_letter_box_and_back(size):
    """A bright spot keeps its position through the letter-box."""
    height, width = size
    spot = np.array([height // 4, width // 2])
    side = max(1, max(size) // 64)
    pixels = np.zeros((1, height, width, 3), np.uint8)
    pixels[0, spot[0] : spot[0] + side, spot[1] : spot[1] + side] = 255
    square, frame = letter_box(torch.as_tensor(pixels))
    assert square.shape == (1, 3, 256, 256)
    light = square[0, 0].double().numpy()
    centre = [(light.sum(1 - axis) @ (np.arange(256) + 0.5)) / light.sum() for axis in (0, 1)]
    joints = torch.tensor([[[*centre, 256.0]] * 17]) / 256
    found = openpose(joints, frame, size)
    assert np.abs(found[0] - (spot + side / 2)).max() <= max(1, max(size) / 256)


def test_letter_box_keeps_the_image_whole_and_black_beside_it():
    square, _ = letter_box(torch.full((2, 128, 64, 3), 200, dtype=torch.uint8))
    assert (square[..., 64:192] == 200).all()
    assert (square[..., :64] == 0).all()
    assert (square[..., 192:] == 0).all()
    assert letter_box(torch.full((1, 1, 1, 3), 7, dtype=torch.uint8))[0].unique().tolist() == [7]


def test_unsure_joints_are_missing_and_others_stay_in_the_image():
    joints = torch.full((1, 17, 3), 0.5)
    joints[0, 15] = torch.tensor([1.005, 0.5, 0.9])  # an ankle slightly below the frame
    joints[0, 16] = torch.tensor([1.02, 0.5, 0.9])  # the other, which the image does not show
    joints[0, 9] = torch.tensor([0.5, 0.23, 0.9])  # a wrist to the left of it
    joints[0, 10, 2] = SCORE - 0.01  # the other
    found = openpose(joints, np.array([[0.0, 0.25], [1.0, 0.5]]), (128, 64))
    assert found.dtype == np.int16
    assert found[0, 13].tolist() == [127, 32]
    assert (found[0, [4, 7, 10]] == -1).all()
    assert (np.delete(found[0], [4, 7, 10, 13], 0) == [64, 32]).all()


@pytest.mark.parametrize(("turned", "missing"), [(False, []), (True, [0, 14, 15])])
def test_no_face_is_seen_from_behind(turned, missing):
    """A person who looks away has the right shoulder on the right of the image."""
    joints = np.stack([np.arange(18) + 20, np.full(18, 30)], 1)
    joints[[2, 8], 1], joints[[5, 11], 1] = (50, 10) if turned else (10, 50)
    found = movenet_joints.without_invented_faces(joints[None])[0]
    assert np.flatnonzero((found < 0).any(1)).tolist() == missing
    kept = np.delete(np.arange(18), missing)
    np.testing.assert_array_equal(found[kept], joints[kept])


def test_a_face_stays_where_the_view_is_not_known():
    joints = np.full((1, 18, 2), 9)
    joints[0, [2, 5]] = [[9, 50], [9, 10]]
    joints[0, 8] = -1
    np.testing.assert_array_equal(movenet_joints.without_invented_faces(joints), joints)


def test_likely_centers():
    scores = torch.zeros(GRID, GRID)
    scores[10, 10], scores[10, 12], scores[30, 50], scores[60, 3] = 0.7, 0.6, 0.9, 0.05
    assert likely_centers(scores).tolist() == [30 * GRID + 50, 10 * GRID + 10]
    assert likely_centers(scores / 20).tolist() == [30 * GRID + 50]


def test_close_up(pose):
    standing = pose({2: (30, 40), 5: (30, 60), 8: (70, 42), 11: (70, 58), 10: (130, 45)})
    (top, left), (bottom, right) = close_up(standing, (300, 300))
    # the middle of the torso is (50, 50); its length of 40 reaches further than the ankle
    assert (top, left, bottom, right) == (0, 0, 150, 150)
    standing[10] = 170, 45
    assert close_up(standing, (300, 300)).tolist() == [[0, 0], [200, 200]]
    assert close_up(standing, (180, 90)).tolist() == [[0, 0], [180, 90]]


class Stub:
    """Sees two people in a picture of 64 x 128, and one in the middle of whatever it looks at."""

    def __init__(self, score: float):
        self.score = score

    def maps(self, square):
        return maps_of({(32, 16): 1.0, (32, 48): 2.0})

    def __call__(self, square):
        assert square.shape[1:] == (3, 256, 256)
        return torch.tensor([[0.5, 0.5, self.score]]).expand(len(square), 17, 3)


def test_everybody_is_looked_at_twice():
    """The rough joints span 16 cells of 2 pixels; the second look puts all on one place."""
    image = np.zeros((64, 128, 3), np.uint8)
    found = movenet_joints.people(image, network=Stub(0.9))
    assert found.shape == (2, 18, 2)
    assert abs(found[:, :, 1].astype(int) - [[97], [33]]).max() <= 2, "the most certain first"
    assert movenet_joints.people(image, network=Stub(SCORE - 0.01)).shape == (0, 18, 2)


def test_estimate_in_batches():
    images = torch.zeros(5, 128, 64, 3, dtype=torch.uint8)
    found = movenet_joints.estimate(images, network=Stub(0.9), batch=2)
    assert found.shape == (5, 18, 2)
    assert (found == [64, 32]).all()
    none = movenet_joints.estimate(images.numpy(), network=Stub(0.1))
    assert (none == -1).all()
    assert movenet_joints.estimate(images[:0], network=Stub(0.9)).shape == (0, 18, 2)


@needs_weights
def test_two_people_in_one_picture():
    scene = np.full((200, 300, 3), 128, np.uint8)
    truth = []
    for (identity, view), column in {(4, 0): 60, (3, 0): 190}.items():
        drawn = render(identity, view, 128, 0)
        scene[40:168, column : column + 64] = drawn.image
        moved = drawn.keypoints + np.array([40, column])
        truth.append(np.where(drawn.keypoints >= 0, moved, -1))
    found = movenet_joints.people(scene)
    assert len(found) == 2
    for person in truth:
        assert max(pck(*map(torch.tensor, (found, np.stack([person] * 2)))).tolist()) > 0.8


@needs_weights
@pytest.mark.parametrize("image", [np.zeros((1, 1, 3)), np.full((80, 40, 3), 127)])
def test_nobody(image):
    assert movenet_joints.people(image.astype(np.uint8)).shape == (0, 18, 2)
    assert (movenet_joints.estimate(image[None].astype(np.uint8)) == -1).all()


# the weights


def tensorflow(name: str, value: np.ndarray) -> np.ndarray:
    """One of our parameters in TensorFlow's memory layout."""
    if value.ndim == 1:
        return value
    return np.moveaxis(value, (0, 1), (2, 3) if ".depthwise" in name else (3, 2))


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A network with random weights, and files of these weights in the published format."""
    torch.manual_seed(0)
    network = MoveNet().half()
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    known, data = dict(movenet_weights.names()), b""
    entries = [{"name": "shape", "shape": [2], "dtype": "int32"}]
    data += np.array([17, -1], np.int32).tobytes()
    for name, value in state.items():
        array = tensorflow(name, value)
        entry = {"name": known[name], "shape": list(array.shape), "dtype": "float32"}
        entries.append(entry | {"quantization": {"dtype": "float16"}})
        data += array.tobytes()
    model = {"generatedBy": "test", "weightsManifest": [{"weights": entries}]}
    (tmp_path / "m.bin").write_bytes(data)
    (tmp_path / "m.json").write_text(json.dumps(model))
    monkeypatch.setattr(movenet_weights, "SHA256", sha256(tmp_path / "m.bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    movenet_weights.load.cache_clear()
    yield network.float(), tmp_path / "m.bin", tmp_path / "m.json"
    movenet_weights.load.cache_clear()


def test_what_is_converted_is_loaded(published):
    network, weights, topology = published
    file = movenet_weights.weights_file()
    movenet_weights.convert(weights, topology, file)
    assert file.parent.name == "vdg"
    loaded = movenet_weights.load("cpu").state_dict()
    assert loaded.keys() == network.state_dict().keys()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(loaded[name], value, rtol=0, atol=0)


def test_other_files_are_refused(published, tmp_path):
    _, weights, topology = published
    target = movenet_weights.weights_file()
    known = movenet_weights.SHA256
    other = tmp_path / "other.bin"
    other.write_bytes(weights.read_bytes()[:-2])
    broken, empty = tmp_path / "broken.json", tmp_path / "empty.json"
    broken.write_text("{")
    empty.write_text('{"weightsManifest": [{"weights": []}], "generatedBy": ""}')
    for files, words in {
        (other, topology): f"other.bin has sha256 .* expected {known}",
        (weights, broken): "broken.json is not valid JSON",
        (weights, empty): "empty.json does not describe .*m.bin",
        (tmp_path / "no.bin", topology): "cannot read .*no.bin: No such file",
    }.items():
        with pytest.raises(InputError, match=words) as refused:
            movenet_weights.convert(*files, target)
        assert "\n" not in str(refused.value)
    assert not target.exists()


@pytest.mark.parametrize(("content", "words"), [(None, "does not exist"), (b"x", "is damaged")])
def test_weights_that_cannot_be_loaded(published, content, words):
    if content:
        movenet_weights.weights_file().parent.mkdir(parents=True)
        movenet_weights.weights_file().write_bytes(content)
    with pytest.raises(InputError, match=rf"{words}.*make estimator"):
        movenet_weights.load("cpu")
