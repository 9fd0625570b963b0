"""Each loss against an independent reference."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import multivariate_normal
from skimage.metrics import structural_similarity

from vdg.systems.vdg.losses import (
    ImageLoss,
    mask_l1,
    mask_ssim_loss,
    part_ssim_loss,
    part_weights,
    weighted_ssim,
)
from vdg.training.losses import adversarial_loss, discriminator_loss, l1

WEIGHTS = [0.5, 1.0, 4.0]
EDGES = ((0, 0), (0, 0), (5, 5), (5, 5))


@pytest.fixture
def joints():
    """K_b of three people, 24 x 16: complete, without the left arm, without any joint."""
    random = np.random.default_rng(0)
    joints = torch.as_tensor(random.integers(0, (24, 16), (3, 18, 2))).float()
    joints[1, 6] = joints[2] = -1
    return joints


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
    assert mask_ssim_loss(*views, w).item() == pytest.approx(reference_ssim(*views, w), abs=1e-5)


def test_data_range_is_2_by_default(views):
    assert mask_ssim_loss(*views).item() == pytest.approx(reference_ssim(*views, 1.0), abs=1e-5)


def test_equal_images_cost_nothing(views):
    _, I_b, M_b = views
    assert l1(I_b, I_b) == 0
    assert mask_l1(I_b, I_b, M_b) == 0
    assert mask_ssim_loss(I_b, I_b, M_b).item() == pytest.approx(0, abs=1e-6)


def test_every_pixel_matters_to_the_masked_ssim(views):
    I_hat, I_b, M_b = views
    I_hat.requires_grad_()
    mask_ssim_loss(I_hat, I_b, M_b).backward()
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


def test_without_mask_weight_the_masked_l1_is_l1(views, joints):
    terms = ImageLoss(0, 0)(*views, joints)
    assert terms.keys() == {"mask_l1", "image"}
    assert terms["image"] == terms["mask_l1"] == l1(views[0], views[1])


@pytest.mark.parametrize("w", WEIGHTS)
def test_image_loss_of_mask_l1(views, joints, w):
    terms = ImageLoss(0, w)(*views, joints)
    assert terms.keys() == {"mask_l1", "image"}
    assert terms["image"].item() == pytest.approx(reference_l1(*views, w), rel=1e-5)


@pytest.mark.parametrize("w", WEIGHTS)
@pytest.mark.parametrize("alpha", [0, 0.5, 0.85, 1])
def test_image_loss_of_both_terms(views, joints, alpha, w):
    terms = ImageLoss(alpha, w)(*views, joints)
    L_1, L_SSIM = reference_l1(*views, w), reference_ssim(*views, w)
    expected = alpha * L_SSIM + (1 - alpha) * L_1
    assert terms["image"].item() == pytest.approx(expected, abs=2e-5)
    assert terms["mask_l1"].item() == pytest.approx(L_1, rel=1e-5)
    if alpha:
        assert terms["mask_ssim_loss"].item() == pytest.approx(L_SSIM, abs=1e-5)


def reference_part_weights(joints, height, width):
    """Of one person: a Gaussian of each part by scipy, in (y, x), scaled to a peak of 1."""
    parts = [(0, 1), (2, 3), (3, 4), (5, 6), (6, 7), (8, 9), (9, 10), (11, 12), (12, 13)]
    ends = [joints[list(part)] for part in parts]
    ends.append(np.stack([joints[[2, 5]].mean(0), joints[[8, 11]].mean(0)]))
    needed = [*parts, (2, 5, 8, 11)]
    grid = np.stack(np.mgrid[:height, :width], -1)
    scale, maps = height / 128, np.zeros((10, height, width))
    for i, (a, b) in enumerate(ends):
        if (joints[list(needed[i])] < 0).any():
            continue
        length = np.linalg.norm(b - a)
        d = (b - a) / length
        axes = np.stack([d, [-d[1], d[0]]], 1)
        variances = [max(5 * scale**2, length**2 / 1.2), ((13 if i == 9 else 9) * scale) ** 2]
        normal = multivariate_normal((a + b) / 2, axes @ np.diag(variances) @ axes.T)
        maps[i] = normal.pdf(grid) / normal.pdf((a + b) / 2)
    return maps


def test_part_weights_are_gaussians_along_the_limbs(joints):
    found = part_weights(joints, 24, 16).numpy()
    for person, weights in zip(joints.numpy().astype(float), found, strict=True):
        np.testing.assert_allclose(weights, reference_part_weights(person, 24, 16), atol=1e-5)
    assert not found[1, [3, 4]].any()  # the parts of the missing elbow
    assert found[1, 2].any()
    assert not found[2].any()


@pytest.mark.parametrize("window", ["uniform", "gaussian"])
def test_weighted_ssim_is_scikit_images_on_a_crop(uniform, window):
    """Weights that are SSIM's own window, on a crop of its size, give the SSIM of that crop."""
    x, y = uniform(1, 3, 24, 16, low=0), uniform(1, 3, 24, 16, low=0)
    size, settings = 7, {"win_size": 7}
    taps = np.ones(7)
    if window == "gaussian":
        size, settings = 11, {"gaussian_weights": True, "sigma": 1.5}
        taps = np.exp(-(np.arange(-5, 6) ** 2) / 2 / 1.5**2)
    weights = torch.zeros(1, 2, 24, 16)
    places = [(3, 2), (12, 4)]
    for i, (top, left) in enumerate(places):
        weights[0, i, top : top + size, left : left + size] = torch.as_tensor(np.outer(taps, taps))
    settings |= {"use_sample_covariance": False, "data_range": 1, "channel_axis": 0}
    expected = [
        structural_similarity(
            *(v[0, :, top : top + size, left : left + size].numpy().astype(float) for v in (x, y)),
            **settings,
        )
        for top, left in places
    ]
    np.testing.assert_allclose(weighted_ssim(x, y, weights)[0], expected, atol=1e-5)


def test_part_ssim_by_numpy_and_scikit_image(views, joints):
    I_hat, I_b, _ = views
    scores, beside = [], []
    for person, *pair in zip(joints.numpy().astype(float), I_hat, I_b, strict=True):
        x, y = ((image.numpy().astype(float) + 1) / 2 for image in pair)
        maps = reference_part_weights(person, 24, 16)
        for weights in maps:
            for a, b in zip(x, y, strict=True):
                if not weights.any():
                    scores.append(1)
                    continue
                (xx, xy), (_, yy) = np.cov(a.ravel(), b.ravel(), ddof=0, aweights=weights.ravel())
                m, n = (np.average(c, weights=weights) for c in (a, b))
                C1, C2 = 1e-4, 9e-4
                scores.append(
                    (2 * m * n + C1) * (2 * xy + C2) / (m * m + n * n + C1) / (xx + yy + C2)
                )
        x, y = (image * (1 - maps.max(0)) for image in (x, y))
        window = {"gaussian_weights": True, "sigma": 0.8, "use_sample_covariance": False}
        beside.append(structural_similarity(x, y, channel_axis=0, data_range=1, **window))
    expected = 1 - (np.mean(scores) + np.mean(beside)) / 2
    assert part_ssim_loss(I_hat, I_b, joints).item() == pytest.approx(expected, abs=1e-5)


def test_part_ssim_of_equal_images_is_nothing(views, joints):
    assert part_ssim_loss(views[1], views[1], joints).item() == pytest.approx(0, abs=1e-6)


def test_gradient_of_part_ssim(uniform, joints):
    I_hat, I_b = uniform(2, 3, 24, 16).double(), uniform(2, 3, 24, 16).double()
    I_hat.requires_grad_()
    loss = part_ssim_loss(I_hat, I_b, joints[:2])
    loss.backward()
    assert I_hat.grad.ne(0).all()
    direction = uniform(*I_hat.shape).double()
    with torch.no_grad():
        ahead, behind = (
            part_ssim_loss(I_hat + h * direction, I_b, joints[:2]) for h in (1e-4, -1e-4)
        )
    numeric = (ahead - behind) / 2e-4
    torch.testing.assert_close((I_hat.grad * direction).sum(), numeric, rtol=1e-4, atol=0)


def test_missing_parts_have_no_gradient(views, joints):
    I_hat, I_b, _ = views
    I_hat.requires_grad_()
    weights = part_weights(joints, 24, 16)
    weighted_ssim(I_hat, I_b, weights)[2].sum().backward()
    assert not I_hat.grad.any()


def test_the_similarity_is_chosen(views, joints):
    I_hat, I_b, M_b = views
    terms = ImageLoss(0.85, 1, "part-ssim")(*views, joints)
    expected = 0.85 * part_ssim_loss(I_hat, I_b, joints) + 0.15 * mask_l1(I_hat, I_b, M_b)
    assert terms["image"].item() == pytest.approx(expected.item())
    assert terms.keys() == {"mask_l1", "part_ssim_loss", "image"}


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


@pytest.mark.parametrize(
    "loss", [ImageLoss(0, 0), ImageLoss(0, 1), ImageLoss(0.85, 4), ImageLoss(0.85, 1, "part-ssim")]
)
@pytest.mark.parametrize("case", ["noise", "equal", "black", "saturated"])
def test_gradients_are_finite(views, joints, loss, case):
    I_hat, I_b, M_b = views
    if case == "equal":
        I_hat = I_b.clone()
    elif case == "black":
        I_hat, I_b = torch.full_like(I_hat, -1), torch.full_like(I_b, -1)
    elif case == "saturated":
        I_hat, I_b = torch.ones_like(I_hat), I_b.sign()
    I_hat.requires_grad_()
    loss(I_hat, I_b, M_b, joints)["image"].backward()
    assert torch.isfinite(I_hat.grad).all()
    if case == "noise":
        assert I_hat.grad.abs().amax(1).gt(0).all()
