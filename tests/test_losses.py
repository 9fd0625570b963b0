"""Each loss against an independent reference."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage.metrics import structural_similarity

from vdg.training.losses import (
    ImageLoss,
    adversarial_loss,
    discriminator_loss,
    feature_matching,
    l1,
    mask_l1,
    mask_ssim,
)

WEIGHTS = [0.5, 1.0, 4.0]
EDGES = ((0, 0), (0, 0), (5, 5), (5, 5))


@pytest.fixture
def views(uniform):
    """I_hat, I_b and M_b of a batch."""
    M_b = torch.zeros(3, 1, 24, 16)
    M_b[0, :, 4:20, 3:12] = 1
    M_b[1, :, :, 8:] = 1  # and nothing in the third
    return uniform(3, 3, 24, 16), uniform(3, 3, 24, 16), M_b


def reference_ssim(I_hat, I_b, M_b, w):
    """1 - SSIM by scikit-image, of images in [0, 1] whose body pixels weigh 1 + w.

    Their edges are mirrored by half a window, so that each pixel is the centre of one.
    """
    weight = 1 + w * M_b.numpy().astype(np.float64)
    x, y = (
        np.pad((image.numpy().astype(np.float64) + 1) / 2 * weight, EDGES, mode="reflect")
        for image in (I_hat, I_b)
    )
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    values = [
        structural_similarity(a, b, channel_axis=0, data_range=1 + w, **settings)
        for a, b in zip(x, y, strict=True)
    ]
    return 1 - np.mean(values)


def reference_l1(I_hat, I_b, M_b, w):
    return np.mean(np.abs(I_hat.numpy() - I_b.numpy()) * (1 + w * M_b.numpy()))


def test_l1_by_hand():
    I_b = torch.tensor([[[[0.0, 1.0], [-1.0, 0.5]]]]).expand(1, 3, 2, 2)
    I_hat = torch.tensor([[[[0.5, 1.0], [1.0, -0.5]]]]).expand(1, 3, 2, 2)
    M_b = torch.tensor([[[[1.0, 1.0], [1.0, 0.0]]]])
    # |differences| are .5, 0, 2, 1
    assert l1(I_hat, I_b) == pytest.approx(3.5 / 4)
    assert mask_l1(I_hat, I_b, M_b) == pytest.approx((1 + 0 + 4 + 1) / 4)  # over all four pixels
    assert mask_l1(I_hat, I_b, M_b, w=3) == pytest.approx((2 + 0 + 8 + 1) / 4)


@pytest.mark.parametrize("w", WEIGHTS)
def test_mask_l1(views, w):
    assert mask_l1(*views, w).item() == pytest.approx(reference_l1(*views, w), rel=1e-5)


@pytest.mark.parametrize("w", WEIGHTS)
def test_mask_ssim_agrees_with_scikit_image(views, w):
    assert mask_ssim(*views, w).item() == pytest.approx(reference_ssim(*views, w), abs=1e-5)


def test_data_range_is_2_by_default(views):
    assert mask_ssim(*views).item() == pytest.approx(reference_ssim(*views, 1.0), abs=1e-5)


def test_equal_images_cost_nothing(views):
    _, I_b, M_b = views
    assert l1(I_b, I_b) == 0
    assert mask_l1(I_b, I_b, M_b) == 0
    assert mask_ssim(I_b, I_b, M_b).item() == pytest.approx(0, abs=1e-6)


def test_every_pixel_matters_to_the_masked_ssim(views):
    I_hat, I_b, M_b = views
    I_hat.requires_grad_()
    mask_ssim(I_hat, I_b, M_b).backward()
    assert I_hat.grad.ne(0).all()  # also at the border, where no window of SSIM is centred


def test_an_empty_mask_leaves_plain_l1(views):
    I_hat, I_b, M_b = views
    assert mask_l1(I_hat, I_b, torch.zeros_like(M_b)) == l1(I_hat, I_b)


def test_the_body_counts_more(views):
    I_hat, I_b, M_b = views
    on_body = torch.where(M_b > 0, I_hat, I_b)
    beside = torch.where(M_b > 0, I_b, I_hat)
    plain = l1(on_body, I_b) + l1(beside, I_b)
    weighted = mask_l1(on_body, I_b, M_b) + mask_l1(beside, I_b, M_b)
    assert weighted.item() == pytest.approx((plain + l1(on_body, I_b)).item(), rel=1e-5)


def test_without_mask_weight_the_masked_l1_is_l1(views):
    terms = ImageLoss(0, 0)(*views)
    assert terms.keys() == {"mask_l1", "image"}
    assert terms["image"] == terms["mask_l1"] == l1(views[0], views[1])


@pytest.mark.parametrize("w", WEIGHTS)
def test_image_loss_of_mask_l1(views, w):
    terms = ImageLoss(0, w)(*views)
    assert terms.keys() == {"mask_l1", "image"}
    assert terms["image"].item() == pytest.approx(reference_l1(*views, w), rel=1e-5)


@pytest.mark.parametrize("w", WEIGHTS)
@pytest.mark.parametrize("alpha", [0, 0.5, 0.85, 1])
def test_image_loss_of_both_terms(views, alpha, w):
    terms = ImageLoss(alpha, w)(*views)
    L_1, L_SSIM = reference_l1(*views, w), reference_ssim(*views, w)
    expected = alpha * L_SSIM + (1 - alpha) * L_1
    assert terms["image"].item() == pytest.approx(expected, abs=2e-5)
    assert terms["mask_l1"].item() == pytest.approx(L_1, rel=1e-5)
    if alpha:
        assert terms["mask_ssim_loss"].item() == pytest.approx(L_SSIM, abs=1e-5)


def test_adversarial_losses_are_binary_cross_entropies(uniform):
    real, fake = uniform(2, 1, 4, 3, low=-5, high=5), uniform(2, 1, 4, 3, low=-5, high=5)
    ones, zeros = torch.ones_like(real), torch.zeros_like(real)
    bce = F.binary_cross_entropy_with_logits
    expected = (bce(real, ones) + bce(fake, zeros)) / 2
    torch.testing.assert_close(discriminator_loss(real, fake), expected)
    torch.testing.assert_close(adversarial_loss(fake), bce(fake, ones))


def test_adversarial_losses_of_sure_logits_are_finite():
    logits = torch.tensor([-1e4, 1e4], requires_grad=True)
    loss = discriminator_loss(logits, logits) + adversarial_loss(logits)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_feature_matching_weighs_every_layer_alike(uniform):
    generated, target = ([uniform(2, c, side, side) for c, side in ((3, 8), (5, 2))] for _ in "ab")
    layers = [np.abs(x.numpy() - y.numpy()).mean() for x, y in zip(generated, target, strict=True)]
    assert feature_matching(generated, target).item() == pytest.approx(np.mean(layers), rel=1e-5)
    assert feature_matching(target, target) == 0


@pytest.mark.parametrize(("alpha", "w"), [(0, 0), (0, 1), (0.85, 4)])
@pytest.mark.parametrize("case", ["noise", "equal", "black", "saturated"])
def test_gradients_are_finite(views, alpha, w, case):
    I_hat, I_b, M_b = views
    if case == "equal":
        I_hat = I_b.clone()
    elif case == "black":
        I_hat, I_b = torch.full_like(I_hat, -1), torch.full_like(I_b, -1)
    elif case == "saturated":
        I_hat, I_b = torch.ones_like(I_hat), I_b.sign()
    I_hat.requires_grad_()
    ImageLoss(alpha, w)(I_hat, I_b, M_b)["image"].backward()
    assert torch.isfinite(I_hat.grad).all()
    if case == "noise":
        assert I_hat.grad.abs().amax(1).gt(0).all()
