"""PATN: its layers as published, its pool of earlier images, and one-step training."""

import math
from collections import Counter
from types import SimpleNamespace

import compared
import pytest
import torch
import typed
from torch import nn
from torch.nn.functional import interpolate
from torch.utils.flop_counter import FlopCounterMode

from vdg import systems
from vdg.blocks import mirror_edges
from vdg.errors import InputError
from vdg.systems import patn
from vdg.systems.patn import Pool


def settings(**changes):
    return compared.settings(patn, **({"size": [128, 64]} | changes))


@pytest.fixture
def batch(uniform):
    """Make a batch of poses at random, in colours without detail: batch(B, H, W)."""

    def make(B=2, H=32, W=16):
        I_a, I_b = (interpolate(uniform(B, 3, 4, 2), (H, W), mode="bicubic") for _ in "ab")
        place = torch.tensor([H, W])
        K_a, K_b = ((uniform(B, 18, 2, low=0) * place).floor() for _ in "ab")
        K_b[:, 4] = -1
        return SimpleNamespace(I_a=I_a, K_a=K_a, I_b=I_b, K_b=K_b, M_b=None)

    return make


def task(**changes):
    return compared.make_task(patn, **({"learning_rate": 1e-3} | changes))


def given(batch):
    return batch.I_a, batch.K_a, batch.K_b


# Layers


def size_of(network):
    return sum(parameter.numel() for parameter in network.parameters())


def gmac(call):
    with FlopCounterMode(display=False) as count:
        call()
    return count.get_total_flops() / 2e9


@pytest.mark.parametrize(
    ("size", "norm", "parameters", "cost"),
    [
        ([128, 64], "batch", (41_365_763, 3_977_408, 3_930_368), (22.52, 2.653, 2.268)),
        ([256, 176], "instance", (41_358_019, None, None), (123.9, 14.6, 12.5)),
        ([256, 256], "instance", (41_358_019, None, None), (180.2, None, None)),
    ],
)
def test_published_size_and_cost(size, norm, parameters, cost):
    with torch.device("meta"):
        chosen = settings(size=size, norm=norm)
        G = patn.build_stage1(chosen)
        D = patn.stage1_task(G, chosen).modules
        I_a, K = torch.empty(1, 3, *size), torch.empty(1, 18, 2)
        networks = (G, D["shape"], D["appearance"])
        calls = zip(networks, ((I_a, K, K), (I_a, K), (I_a, I_a)), strict=True)
        costs = [gmac(lambda call=call: call[0](*call[1])) for call in calls]
    for network, expected in zip(networks, parameters, strict=True):
        assert expected in (None, size_of(network))
    for found, expected in zip(costs, cost, strict=True):
        assert expected is None or found == pytest.approx(expected, rel=0.01)


def test_micro_form_has_fewer_blocks():
    with torch.device("meta"):
        nine, three = (patn.build_stage1(settings(width=8, blocks=n)) for n in (9, 3))
    assert (len(nine.blocks), len(three.blocks)) == (9, 3)
    assert size_of(three) < size_of(nine) / 2


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("size", [[32, 16], [64, 32], [64, 44]])
def test_images_and_logits(size, norm, batch):
    trained, drawn = task(size=size, norm=norm), batch(2, *size)
    image = trained.generator(*given(drawn))
    assert image.shape == (2, 3, *size)
    assert image.abs().max() <= 1
    conditions = {"appearance": drawn.I_a, "shape": drawn.K_b}
    for name, condition in conditions.items():
        logits = trained.modules[name](image, condition)
        assert logits.shape == (2, 4 * 4, size[0] // 4, size[1] // 4)
        assert logits.min() < 0 < logits.max()  # no sigmoid yet


@pytest.mark.parametrize("size", [[30, 16], [32, 18], [4, 4]])
def test_sizes_that_do_not_fit(size):
    with pytest.raises(InputError, match=f"{size[0]} x {size[1]} pixels.*multiples of 4"):
        patn.build_stage1(settings(size=size))


@pytest.mark.parametrize("margin", [1, 3])
def test_reflection_is_that_of_torch(margin, uniform):
    x, expected = uniform(2, 3, 6, 5), nn.ReflectionPad2d(margin)
    assert torch.equal(patn.ReflectionPad(margin)(x), expected(x))
    assert torch.equal(mirror_edges(x, margin), expected(x))  # what CUDA gets


def test_a_block_changes_the_image_where_the_poses_say_so(uniform):
    block = patn.AttentionBlock(patn.Layers("batch"), 4, 8).eval()
    image, pose = uniform(1, 4, 6, 5), uniform(1, 8, 6, 5)
    last = block.pose[-1]  # the convolution before the sigmoid
    for weight, change in ((-1e4, 0.0), (1e4, 1.0)):
        nn.init.constant_(last.weight, weight)
        block.pose[-2].register_forward_pre_hook(lambda _, inputs: torch.ones_like(inputs[0]))
        moved, both = block(image, pose)
        torch.testing.assert_close(moved, image + change * block.image(image))
        torch.testing.assert_close(both[:, 4:], moved)
        assert (both[:, :4].sign() == math.copysign(1, weight)).all()


def test_discriminators_add_residuals_to_the_stem(batch):
    D, drawn = task().modules["appearance"].eval(), batch()
    for residual in D.residuals:
        nn.init.zeros_(residual[-1].weight)
    stem = D.stem(torch.cat([drawn.I_b, drawn.I_a], 1))
    torch.testing.assert_close(D(drawn.I_b, drawn.I_a), stem)


def test_dropout():
    rates = [x.p for x in task(blocks=3).modules.modules() if isinstance(x, nn.Dropout)]
    assert rates == [0.5] * (2 * 3 + 2 * 3)  # both streams of each block, and both discriminators


def test_dropout_keeps_the_mean_and_does_nothing_in_use():
    dropout, x = patn.Dropout(0.25), torch.ones(200, 200)
    dropped = dropout(x)
    assert torch.equal(dropped.unique(), torch.tensor([0, 1 / 0.75]))
    assert dropped.mean().item() == pytest.approx(1, abs=0.02)
    assert torch.equal(dropout.eval()(x), x)


def test_initialisation():
    trained = task(width=16, size=[32, 16])
    weight = trained.generator.blocks[1].pose[1].weight.detach()
    assert weight.std() == pytest.approx(0.02, rel=0.05)
    norms = [layer for layer in trained.generator.modules() if isinstance(layer, nn.BatchNorm2d)]
    gain = torch.cat([norm.weight.detach() for norm in norms])
    assert gain.mean() == pytest.approx(1, abs=0.005)
    assert gain.std() == pytest.approx(0.02, rel=0.1)
    # the discriminators keep PyTorch's: uniform up to 1 / sqrt(fan-in)
    first = trained.modules["appearance"].stem[1].weight.detach()
    assert first.abs().max() == pytest.approx(1 / math.sqrt(6 * 49), rel=0.01)


@pytest.mark.parametrize(("size", "sigma"), [([64, 32], 3), ([128, 64], 6), ([256, 128], 6)])
def test_heat_maps_do_not_grow_beyond_6_pixels(size, sigma):
    trained = task(width=1, size=size)
    K_a, K_b = torch.full((1, 18, 2), -1.0), torch.full((1, 18, 2), -1.0)
    K_a[0, 5] = K_b[0, 7] = torch.tensor([20.0, 10])
    networks = (trained.generator.pose, trained.modules["shape"].stem)
    seen = []
    for network in networks:
        network.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0][0]))
    image = torch.zeros(1, 3, *size)
    trained.generator.eval()(image, K_a, K_b)
    trained.modules["shape"].eval()(image, K_b)
    for maps in (seen[0][5], seen[0][18 + 7], seen[1][3 + 7]):
        assert maps[20, 10] == 1
        assert maps[20, 10 + sigma] == pytest.approx(math.exp(-0.5))
    assert [int(maps.flatten(1).any(1).sum()) for maps in seen] == [2, 1]


def test_images_of_a_batch_do_not_mix_in_evaluation(batch):
    network = task().generator
    drawn = batch(3)
    network(*given(drawn))
    network.eval()
    together = network(*given(drawn))
    alone = torch.cat([network(*(x[i : i + 1] for x in given(drawn))) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(network.train()(*given(drawn)), together)


def test_a_model_file_is_enough_to_build_it_again(batch, tmp_path):
    chosen = settings(width=2, size=[64, 32])
    torch.manual_seed(0)
    network = patn.build_stage1(chosen).eval()
    systems.save(tmp_path / "model.safetensors", network, typed.meta(chosen, system="patn"))
    loaded, _ = systems.load(tmp_path / "model.safetensors")
    inputs = given(batch(1, 64, 32))
    torch.testing.assert_close(loaded(*inputs), network(*inputs))


# The pool


def numbered(start, count):
    """Images and conditions whose values encode their index."""
    number = torch.arange(start, start + count).float()
    return number[:, None, None, None].expand(-1, 3, 2, 2), number[:, None, None].expand(-1, 18, 2)


def numbers(images):
    return images.flatten(1)[:, 0].int().tolist()


def test_a_pool_that_is_not_full_returns_what_it_gets():
    pool = Pool(6, (3, 2, 2), (18, 2))
    for start, count in ((0, 4), (4, 2)):
        image, condition = pool.exchange(*numbered(start, count))
        assert numbers(image) == numbers(condition) == list(range(start, start + count))
    assert numbers(pool.images) == [0, 1, 2, 3, 4, 5]
    assert int(pool.count) == 6


def test_a_full_pool_exchanges_half_of_the_images_and_loses_none():
    torch.manual_seed(0)
    pool = Pool(10, (3, 2, 2), (18, 2))
    out = []
    for step in range(200):
        image, condition = pool.exchange(*numbered(4 * step, 4))
        assert numbers(image) == numbers(condition)
        out += numbers(image)
    assert numbers(pool.images) == numbers(pool.conditions)
    # the first ten come out twice, as what they are and from the pool
    twice = {number: 2 if number < 10 else 1 for number in range(800)}
    assert Counter(out + numbers(pool.images)) == twice
    late = sum(n != i for i, n in enumerate(out)) / len(out)
    assert late == pytest.approx(0.5, abs=0.06)


def test_a_pool_is_of_images_that_lead_no_gradient_anywhere(batch):
    trained, drawn = task(pool=3), batch(2)
    for _ in range(3):
        trained.update(drawn)
    pool = trained.modules["shape_pool"]
    assert int(pool.count) == 3
    assert not pool.images.requires_grad
    assert {tuple(K.flatten().tolist()) for K in pool.conditions} <= {
        tuple(K.flatten().tolist()) for K in drawn.K_b
    }


def test_earlier_images_are_judged_with_their_own_conditions(batch):
    trained, known, judged = task(pool=2), {}, []

    def name(image):
        return tuple(image.detach().flatten()[:5].tolist())

    def note(_, inputs, images):
        known.update({name(image): K_b for image, K_b in zip(images, inputs[2], strict=True)})

    trained.generator.register_forward_hook(note)
    trained.modules["shape"].register_forward_pre_hook(lambda _, given: judged.append(given))
    for _ in range(6):
        trained.update(batch(2))
    late = 0
    # in each step the generator's images for its own update, real ones, and those of the pool
    for (new, _), (images, conditions) in zip(judged[::3], judged[2::3], strict=True):
        late += sum(name(image) not in map(name, new) for image in images)
        for image, condition in zip(images, conditions, strict=True):
            assert torch.equal(condition, known[name(image)])
    assert late > 0


def test_no_pool(batch):
    trained, drawn = task(pool=0), batch(2)
    image, condition = trained.modules["appearance_pool"].exchange(drawn.I_b, drawn.I_a)
    assert torch.equal(image, drawn.I_b)
    assert torch.equal(condition, drawn.I_a)
    trained.update(drawn)


# Training


@pytest.mark.parametrize(
    ("change", "fall"),
    [
        ({}, 0.8),
        # instance norm takes the mean colour away, which is all that these images are
        ({"norm": "instance", "adversary": "least-squares", "pool": 0}, 0.97),
    ],
    ids=["Market-1501", "DeepFashion"],
)
def test_twenty_steps_on_one_batch(change, fall, batch):
    trained, drawn = task(**change), batch(4)
    losses = [trained.update(drawn) for _ in range(20)]
    assert losses[-1]["l1"] < fall * losses[0]["l1"]
    assert set(losses[0]) == {"l1", "adversarial", "appearance", "shape"}
    assert not any(value.requires_grad for value in losses[0].values())
    assert all(value.isfinite() for loss in losses for value in loss.values())


@pytest.mark.parametrize(
    ("adversary", "generator", "discriminator"),
    [("cross-entropy", math.log(2), 5 * math.log(2)), ("least-squares", 1, 5 * (1 + 0) / 2)],
)
def test_losses_of_discriminators_that_say_0(adversary, generator, discriminator, batch):
    trained = task(adversary=adversary)
    for D in (trained.appearance, trained.shape):
        bias = next(D.parameters())  # so that there is a gradient, of 0
        D.forward = lambda image, _, bias=bias: 0 * (image + bias.sum())
    losses = trained.update(batch())
    assert losses["adversarial"] == pytest.approx(generator)
    assert losses["appearance"] == losses["shape"] == pytest.approx(discriminator)


@pytest.mark.parametrize("real", [True, False])
def test_adversarial_losses_are_those_of_torch(real, uniform):
    logits = uniform(2, 8, 4, 3, low=-3, high=3)
    target = torch.full_like(logits, float(real))
    entropy = nn.BCELoss()(logits.sigmoid(), target)
    torch.testing.assert_close(patn.cross_entropy(logits, real), entropy)
    torch.testing.assert_close(patn.least_squares(logits, real), nn.MSELoss()(logits, target))


def test_discriminators_learn_real_from_generated(batch):
    trained, drawn = task(pool=0), batch(4)
    losses = [trained.update(drawn) for _ in range(30)]
    with torch.no_grad():
        I_hat = trained.generator(*given(drawn))
    for name, condition in (("appearance", drawn.I_a), ("shape", drawn.K_b)):
        assert losses[-1][name] < 0.8 * losses[0][name]
        real, fake = (trained.modules[name](x, condition) for x in (drawn.I_b, I_hat))
        assert real.mean() > fake.mean()


def test_perceptual_term(batch):
    trained, drawn = task(features="efficientnet-lite0", perceptual_weight=5.5), batch(4)
    losses = [trained.update(drawn) for _ in range(20)]
    assert losses[-1]["perceptual"] < losses[0]["perceptual"]


def test_bfloat16_gives_float32_images_and_logits(batch):
    trained, drawn = task(), batch()
    with torch.autocast("cpu", torch.bfloat16):
        losses = trained.update(drawn)
        image = trained.generator(*given(drawn))
        logits = trained.modules["shape"](image, drawn.K_b)
    assert all(value.isfinite() for value in losses.values())
    assert image.dtype == logits.dtype == torch.float32
