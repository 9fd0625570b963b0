import urllib.error
from pathlib import Path

import pytest
import skimage.data
import torch
import torchvision

from vdg import backbones
from vdg.errors import InputError
from vdg.files import sha256
from vdg.metrics import classifiers
from vdg.metrics.classifiers import Classifier, check_available, load

INCEPTION_FILE = "pt_inception-2015-12-05-6726825d.pth"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty weights folder, and no network."""

    def no_network(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    return folder


def test_images_are_stretched_and_scaled():
    seen = []

    class Spy(torch.nn.Module):
        def forward(self, x):
            seen.append(x)
            return x.mean((2, 3))

    head = torch.nn.Linear(3, 4)
    images = torch.full((40, 3, 10, 5), 255, dtype=torch.uint8)
    images[:, 1] = 0
    features, probabilities = Classifier("spy", Spy(), head, 20, 127.5, 127.5)(images)
    assert {tuple(x.shape[1:]) for x in seen} == {(3, 20, 20)}
    torch.testing.assert_close(features, torch.tensor([1.0, -1, 1]).expand(40, 3))
    torch.testing.assert_close(probabilities, head(features).softmax(1))


def centre_crop(image):
    height, width, _ = image.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return torch.tensor(image[top : top + side, left : left + side]).permute(2, 0, 1)[None]


@pytest.mark.parametrize(
    ("picture", "classes"),
    [("cat", {281, 282, 285}), ("coffee", {504, 967, 968})],  # ImageNet: cats; mug, espresso, cup
)
def test_efficientnet_recognises_pictures(picture, classes):
    classifier = load("efficientnet-lite0")
    assert classifier.name == "EfficientNet-Lite0"
    features, probabilities = classifier(centre_crop(getattr(skimage.data, picture)()))
    assert features.shape == (1, 1280)
    assert features.dtype == probabilities.dtype == torch.float32
    assert probabilities.shape == (1, 1000)
    assert probabilities.argmax().item() in classes


def test_efficientnet_scores_alike_twice():
    images = torch.randint(0, 256, (20, 3, 64, 32), dtype=torch.uint8)
    first, second = (load("efficientnet-lite0")(images) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_damaged_efficientnet_weights(monkeypatch):
    monkeypatch.setattr(backbones, "EFFICIENTNET_SHA256", "00000000")
    with pytest.raises(InputError, match="missing or damaged"):
        check_available("efficientnet-lite0")


def test_inception_is_pytorch_fid_s(hub, monkeypatch):
    from pytorch_fid import inception

    torch.manual_seed(0)
    with monkeypatch.context() as patch:  # a random network, as the weights are not here
        patch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: None)
        patch.setattr(torchvision.models.Inception3, "load_state_dict", lambda *_: None)
        state = inception.fid_inception_v3().state_dict()
    torch.save(state, hub / INCEPTION_FILE)
    monkeypatch.setattr(classifiers, "INCEPTION_SHA256", sha256(hub / INCEPTION_FILE)[:8])
    classifier = load("inception-2015")

    images = torch.randint(0, 256, (2, 3, 64, 32), dtype=torch.uint8)
    features, probabilities = classifier(images)
    monkeypatch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: state)
    with torch.inference_mode():
        expected = inception.InceptionV3().eval()(images / 255)[0].flatten(1)
    assert classifier.name == "Inception-2015"
    torch.testing.assert_close(features, expected, rtol=1e-3, atol=1e-4)
    without_bias = (features @ state["fc.weight"].T).softmax(1)
    torch.testing.assert_close(probabilities, without_bias)
    assert probabilities.shape == (2, 1008)


def test_missing_inception_weights_say_what_to_do(hub):
    with pytest.raises(InputError) as error:
        check_available("inception-2015")
    message = str(error.value)
    assert "\n" not in message
    for part in (
        INCEPTION_FILE,
        "6726825d",
        "https://github.com/mseitzer/pytorch-fid/",
        str(hub),
        "no network",
        "evaluation.classifier=efficientnet-lite0",
    ):
        assert part in message
    assert not list(hub.iterdir())


def test_wrong_inception_weights(hub):
    Path(hub, INCEPTION_FILE).write_bytes(b"not the weights")
    with pytest.raises(InputError, match="damaged or another one"):
        load("inception-2015")


def test_unknown_classifier():
    with pytest.raises(InputError, match=r"'vgg'.*inception-2015, efficientnet-lite0"):
        check_available("vgg")
