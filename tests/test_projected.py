"""The discriminator on frozen features."""

import pytest
import torch
import typed

from vdg.metrics import classifiers
from vdg.systems.vdg import stage2
from vdg.systems.vdg.projected import MIXED, TAPS, ProjectedDiscriminator
from vdg.training.cost import noise

SIZE = (64, 32)


def settings(feature_weight):
    own = {"width": 16, "size": SIZE, "feature_weight": feature_weight}
    return typed.vdg("stage2", **own)


@pytest.fixture(scope="module")
def discriminator():
    torch.manual_seed(0)
    return ProjectedDiscriminator(16)


def task(feature_weight):
    chosen = settings(feature_weight)
    generator = typed.build(typed.vdg(size=SIZE), chosen)
    return stage2.stage2_task(generator, chosen)


def test_features_are_those_of_the_classifier(discriminator):
    images = torch.randint(0, 256, (2, 3, 128, 128), dtype=torch.uint8)
    classifier = classifiers.load("efficientnet-lite0")
    seen = {}
    for index in TAPS:
        classifier.network._blocks[index].register_forward_hook(
            lambda _, __, output, index=index: seen.update({index: output})
        )
    classifier(images)  # at 128 x 128 it does not resize them
    found = discriminator.features(images / 127.5 - 1)
    for x, (index, channels) in zip(found, TAPS.items(), strict=True):
        assert x.shape[1] == channels
        torch.testing.assert_close(x, seen[index], rtol=1e-3, atol=1e-3)


def test_levels_and_logits_have_their_shapes(discriminator):
    images = torch.rand(2, 3, 128, 64)
    shapes = [tuple(x.shape[1:]) for x in discriminator.mixed(images)]
    sizes = [(32, 16), (16, 8), (8, 4), (4, 2)]
    assert shapes == [(c, *size) for c, size in zip(MIXED, sizes, strict=True)]
    assert [tuple(x.shape[1:]) for x in discriminator(images)] == [(1, 8, 4)] * 3 + [(1, 4, 2)]


def test_every_level_sees_the_coarser_ones(discriminator):
    images = torch.rand(1, 3, 64, 64)
    levels = discriminator.features(images)
    whole = discriminator.mixed(images)[0]
    levels[-1] = levels[-1] + 1
    discriminator.features = lambda _: levels
    try:
        assert not torch.equal(discriminator.mixed(images)[0], whole)
    finally:
        del discriminator.features


def test_an_image_beyond_its_range_has_a_gradient(discriminator):
    images = torch.full((1, 3, 64, 64), 1.5, requires_grad=True)
    sum(x.mean() for x in discriminator(images)).backward()
    assert images.grad.abs().amax(1).gt(0).all()


def test_only_its_heads_train():
    trained = task(0.25)
    D = trained.modules["discriminator"].projected
    before = {key: value.clone() for key, value in D.state_dict().items()}
    trained.modules.train()
    for _ in range(2):
        trained.update(noise(4, SIZE))
    changed = {key.split(".")[0] for key, x in D.state_dict().items() if (x != before[key]).any()}
    assert changed == {"heads"}
    assert all(p.requires_grad for p in D.heads.parameters())


def test_its_weight_is_that_of_the_mean_over_its_levels():
    D = task(0.25).modules["discriminator"]
    assert D.weights[0] == 1
    assert sum(D.weights[1:]) == pytest.approx(0.25)
    batch = noise(2, SIZE)
    assert len(D(batch.I_a, batch.K_b, batch.I_b)) == len(D.weights) == 5


def test_without_it_there_are_only_patches():
    D = task(0.0).modules["discriminator"]
    assert D.projected is None
    assert D.weights == [1.0]


def test_settings_are_checked_without_building_its_weights():
    with torch.device("meta"):
        D = stage2.build_discriminator(settings(0.25))
    assert all(p.is_meta for p in D.projected.heads.parameters())
