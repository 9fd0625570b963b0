"""Losses on frozen features, and their weights files."""

import pytest
import torch
from torch import nn
from torch.nn.functional import pad
from torchvision.models import vgg

from bench.feature_weights import weights
from vdg import backbones
from vdg.errors import InputError
from vdg.training import features
from vdg.training.losses import l1

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean and std of images in [0, 1]


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty weights folder, and no network. Returns where VGG19 would be."""

    def refuse(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints" / "vgg19-dcbb9e9d.pth"


def test_no_features():
    assert features.load_features("none") is None


def test_vgg19_that_cannot_be_had(hub):
    with pytest.raises(InputError, match=r"vgg19-dcbb9e9d.*no network.*efficientnet-lite0 or none"):
        features.load_features("vgg19")


def test_another_file_in_the_place_of_vgg19(hub):
    hub.write_bytes(b"something else")
    with pytest.raises(InputError, match="damaged or another one"):
        features.load_features("vgg19")


def test_vgg19_is_that_of_torchvision_up_to_block1_conv2(hub, monkeypatch, uniform):
    first = vgg.make_layers(vgg.cfgs["E"][:2], batch_norm=False)  # the whole file is 548 MB
    torch.save({f"features.{key}": value for key, value in first.state_dict().items()}, hub)
    monkeypatch.setattr(backbones, "sha256", {hub: "dcbb9e9d..."}.get)
    image = uniform(2, 3, 16, 8)
    mean, std = (torch.tensor(x)[:, None, None] for x in IMAGENET)
    expected = first(((image + 1) / 2 - mean) / std)
    torch.testing.assert_close(features.load_features("vgg19")(image), expected)


def test_the_stem_of_efficientnet_has_features_for_every_pixel(uniform):
    network = features.load_features("efficientnet-lite0")
    image = uniform(2, 3, 32, 16)
    V = network(image)
    assert V.shape == (2, 32, 32, 16)
    assert (V.min(), V.max() <= 6) == (0, True)  # ReLU6
    # a feature sees 3 pixels of the enlarged image, its neighbours here
    changed = image.clone()
    changed[:, :, 10, 5] += 1
    rows, columns = (network(changed) - V).abs().sum((0, 1)).nonzero().T
    assert set(rows.tolist()) <= {9, 10, 11}
    assert set(columns.tolist()) <= {4, 5, 6}
    assert len(rows) > 1


def test_features_are_frozen_but_lead_a_gradient_to_the_image(uniform):
    network = features.load_features("efficientnet-lite0")
    image = uniform(1, 3, 16, 8).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        V = network(image)
    assert V.dtype == torch.float32
    V.mean().backward()
    assert image.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_window_of_one_pixel_is_l1_summed_over_channels(uniform):
    V_hat, V_b = uniform(2, 8, 6, 5), uniform(2, 8, 6, 5)
    loss = features.nearest_neighbour_loss(V_hat, V_b, window=1)
    torch.testing.assert_close(loss, 8 * l1(V_hat, V_b))


def test_a_window_of_three_forgives_a_shift_by_one_pixel(uniform):
    """A shift by one pixel costs nothing, except at the border."""
    wide = uniform(1, 4, 8, 8)
    V_hat, V_b = wide[..., 1:7, 1:7], wide[..., 2:8, 0:6]  # V_hat(y, x) is V_b(y - 1, x + 1)
    assert features.nearest_neighbour_loss(V_hat, V_b, window=1) > 1
    framed = V_hat.clone()
    framed[..., 0, :], framed[..., :, -1] = V_b[..., 0, :], V_b[..., :, -1]
    assert features.nearest_neighbour_loss(framed, V_b, window=3) == 0
    assert features.nearest_neighbour_loss(V_hat, V_b, window=3) > 0


def nearest_by_hand(V_hat, V_b, window):
    B, _, H, W = V_hat.shape
    reach, found = window // 2, torch.zeros(B, H, W)
    for b in range(B):
        for y in range(H):
            for x in range(W):
                rows = range(max(0, y - reach), min(H, y + reach + 1))
                columns = range(max(0, x - reach), min(W, x + reach + 1))
                found[b, y, x] = min(
                    (V_b[b, :, i, j] - V_hat[b, :, y, x]).abs().sum() for i in rows for j in columns
                )
    return found


def test_the_generated_image_stays_and_the_target_is_searched(uniform):
    V_hat, V_b = uniform(2, 3, 5, 4), uniform(2, 3, 5, 4)
    loss = features.nearest_neighbour_loss(V_hat, V_b, window=5)
    torch.testing.assert_close(loss, nearest_by_hand(V_hat, V_b, 5).mean())


class Blur(nn.Module):
    def forward(self, image):
        return nn.functional.avg_pool2d(pad(image, [1] * 4), 3, 1)


def test_weights_make_a_copy_of_the_source_cost_as_much_as_by_l1(uniform):
    I_a, I_b = uniform(3, 3, 16, 8), uniform(3, 3, 16, 8)
    V_a, V_b = Blur()(I_a), Blur()(I_b)
    found = weights(I_a, I_b, Blur())
    assert found["patn perceptual_weight"] == pytest.approx(float(10 * l1(I_a, I_b) / l1(V_a, V_b)))
    for window in (1, 3, 5):
        weighted = found[f"def_gan nn_weight, nn_window {window}"] * nearest_by_hand(
            V_a, V_b, window
        )
        assert float(weighted.mean()) == pytest.approx(float(100 * l1(I_a, I_b)), rel=1e-5)
