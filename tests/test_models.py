"""The networks as black boxes, and their model files."""

import numpy as np
import pytest
import torch
import typed
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vdg import systems
from vdg.data.batches import Batch
from vdg.errors import InputError
from vdg.files import read_arrays, write_arrays
from vdg.systems.vdg import stage2
from vdg.systems.vdg.part_warp import part_warp
from vdg.systems.vdg.stage1 import Reconstruction, build_stage1

H, W = typed.SIZE
STAGE1 = typed.vdg()
SHARED, WARPED = typed.vdg(shared_encoders=True), typed.vdg(part_warp=True)
ADVERSARY = {"discriminator_width": 4, "discriminator_levels": 2}
STAGE2 = typed.vdg("stage2", ema_decay=0.9, **ADVERSARY)
both_encoders = pytest.mark.parametrize("shape", [STAGE1, SHARED], ids=["separate", "shared"])


def stage1(shape=STAGE1, seed=0):
    torch.manual_seed(seed)
    return build_stage1(shape)


def whole(shape=STAGE1, seed=0):
    return stage2.build_generator(stage1(shape, seed), STAGE2)


def shaken(network):
    """The same network with perturbed weights, because some layers are initialised to zero."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return network


def state(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def changed(before, network):
    return {k for k, v in network.state_dict().items() if not torch.equal(v, before[k])}


@pytest.fixture
def batch(uniform):
    M_b = torch.zeros(2, 1, H, W)
    M_b[:, :, 8:24, 4:12] = 1
    poses = (uniform(2, 18, 2, low=0, high=1) * torch.tensor([H, W]) for _ in "ab")
    return Batch(uniform(2, 3, H, W), next(poses), uniform(2, 3, H, W), next(poses), M_b)


def views(batch):
    return batch.I_a, batch.K_a, batch.K_b


@pytest.mark.parametrize("shape", [STAGE1, SHARED, WARPED], ids=["separate", "shared", "warp"])
@pytest.mark.parametrize("build", [stage1, whole])
def test_predictions_are_images(build, shape, batch):
    for network in (build(shape), shaken(build(shape))):
        image = network.eval()(*views(batch))
        assert image.shape == (2, 3, H, W)
        assert image.abs().max() <= 1
        assert image.isfinite().all()


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("levels", [1, 4, 5])
def test_a_size_that_fits_runs_and_another_is_refused(depth, levels, batch):
    """The check refuses settings that do not fit the size; settings that fit build and run."""
    first = typed.vdg(depth=depth)
    second = typed.vdg("stage2", depth=depth, discriminator_width=4, discriminator_levels=levels)
    if depth > 3 or levels > 4:
        with pytest.raises(InputError, match=r"(depth|discriminator_levels) = \d needs"):
            systems.check("vdg", first, second)
        return
    systems.check("vdg", first, second)
    image = typed.build(first, second)(*views(batch))
    assert image.shape == (2, 3, H, W)
    assert stage2.build_discriminator(second)(batch.I_a, batch.K_b, image)[0].numel()


def test_pictures_of_a_batch_do_not_mix(batch):
    network = shaken(whole()).eval()
    together = network(*views(batch))
    alone = torch.cat([network(*(v[i : i + 1] for v in views(batch))) for i in range(2)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_what_is_copied(uniform):
    I_b, I_a, warp = uniform(2, 3, 4, 4), uniform(2, 3, 4, 4), uniform(2, 4, 4, 4)
    none, whole_ = torch.zeros(2, 1, 4, 4), torch.ones(2, 1, 4, 4)
    warp[0, 3], warp[1] = 1, 0  # covers the first image alone
    assert torch.equal(stage2.copied(I_b, I_a, warp, none, none), I_b)
    torch.testing.assert_close(stage2.copied(I_b, I_a, warp, whole_, none)[1], I_a[1])
    assert torch.equal(stage2.copied(I_b, I_a, warp, none, whole_)[0], warp[0, :3])
    assert torch.equal(stage2.copied(I_b, I_a, warp, none, whole_)[1], I_b[1])
    warp[:, 3] = 0.5  # its edges cover in part, and are premultiplied
    torch.testing.assert_close(stage2.copied(I_b, I_a, warp, none, whole_), warp[:, :3] + I_b / 2)


def test_with_the_part_warp_the_target_view_shows_the_source(batch):
    """Before the bottleneck: what the source looks like reaches the target encoder through W."""
    network, seen = stage1(WARPED).eval(), []
    network.target_encoder.register_forward_hook(lambda _, inputs, __: seen.extend(inputs))
    network(*views(batch))
    assert torch.equal(seen[0][:, -4:], part_warp(*views(batch)))


def test_the_part_warp_is_left_out_of_some_training_pairs(batch):
    network, seen = stage1(WARPED), []
    network.target_encoder.register_forward_hook(lambda _, inputs, __: seen.extend(inputs))
    many = [view[:1].expand(200, *view.shape[1:]) for view in views(batch)]
    torch.manual_seed(0)
    with torch.no_grad():
        network(*many)
    W = part_warp(*many)[:1]
    empty = (seen[0][:, -4:] == 0).flatten(1).all(1)
    assert 5 < empty.sum() < 40  # of 200
    assert torch.equal(seen[0][~empty, -4:], W.expand(200 - empty.sum(), -1, -1, -1))


def test_the_part_warp_needs_encoders_of_their_own():
    with pytest.raises(InputError, match="shared_encoders = false"):
        systems.check("vdg", typed.vdg(shared_encoders=True, part_warp=True))


def test_with_the_part_warp_stage_2_starts_with_shares_of_what_it_copies(batch):
    network = typed.build(STAGE1, typed.vdg("stage2", part_warp=True)).eval()
    warp = part_warp(*views(batch))
    assert warp[:, 3].max() > 0.9
    of_source, of_warp = (torch.full((2, 1, H, W), share) for share in (0.1192, 0.5))
    expected = stage2.copied(network.stage1(*views(batch)), batch.I_a, warp, of_source, of_warp)
    torch.testing.assert_close(network(*views(batch)), expected, rtol=0, atol=1e-4)


def test_every_input_matters(batch):
    network = shaken(whole()).eval()
    image = network(*views(batch))
    for i in range(3):
        inputs = list(views(batch))
        inputs[i] = inputs[i].flip(1)  # channels, or joints
        assert not torch.allclose(network(*inputs), image)


@both_encoders
def test_encoders_never_see_each_others_view(shape, batch):
    network = shaken(stage1(shape))
    inputs = [value.clone().requires_grad_() for value in views(batch)]
    features = []
    for name in ("source_encoder", "target_encoder"):
        if hasattr(network, name):
            hook = lambda _, __, output: features.append(output)  # noqa: E731
            getattr(network, name).register_forward_hook(hook)
    network(*inputs)
    seen = []
    for output in features:
        total = sum(level.sum() for level in output)
        gradients = torch.autograd.grad(total, inputs, retain_graph=True, allow_unused=True)
        seen.append([g is not None and bool(g.any()) for g in gradients])
    assert seen == [[True, True, False], [False, False, True]]  # of I_a, K_a, K_b


def test_shared_encoders_are_smaller():
    separate, shared = (
        sum(parameter.numel() for parameter in stage1(shape).parameters())
        for shape in (STAGE1, SHARED)
    )
    assert shared < separate


def test_discriminator(batch):
    torch.manual_seed(0)
    D = stage2.build_discriminator(STAGE2).eval()  # or each call goes on normalising
    (logits,) = D(batch.I_a, batch.K_b, batch.I_b)
    assert logits.shape[:2] == (2, 1)
    assert logits.shape[2] > 1  # patches, not one judgement
    assert logits.isfinite().all()
    assert not torch.allclose(logits, D(batch.I_a, batch.K_b, batch.I_b.flip(-1))[0])
    assert not torch.allclose(logits, D(batch.I_a.flip(-1), batch.K_b, batch.I_b)[0])


def test_bfloat16_gives_float32_images_and_logits(batch):
    torch.manual_seed(0)
    D = stage2.build_discriminator(STAGE2)
    with torch.autocast("cpu", torch.bfloat16):
        image = whole()(*views(batch))
        (logits,) = D(batch.I_a, batch.K_b, image)
    assert image.dtype == logits.dtype == torch.float32


def test_reconstruction_learns_one_batch(batch):
    task = Reconstruction(stage1(), typed.vdg(learning_rate=0.01))
    losses = [task.update(batch)["l1"] for _ in range(30)]
    assert losses[-1] < 0.95 * losses[0]
    assert not losses[0].requires_grad


def refinement(discriminator_learning_rate=1e-3):
    torch.manual_seed(0)
    rate = {"discriminator_learning_rate": discriminator_learning_rate}
    return stage2.stage2_task(whole(), typed.vdg("stage2", ema_decay=0.9, **ADVERSARY, **rate))


def test_stage1_is_frozen_while_stage2_trains(batch):
    task = refinement()
    for module in task.modules.values():
        module.train()  # as the loop does
    generator, discriminator = state(task.generator), state(task.discriminator)
    for _ in range(3):
        losses = task.update(batch)
    frozen = {name for name in generator if name.startswith("stage1.")}
    assert frozen
    assert changed(generator, task.generator)
    assert not changed(generator, task.generator) & frozen
    assert changed(discriminator, task.discriminator)
    for parameter in task.generator.stage1.parameters():
        assert parameter.grad is None
        assert not parameter.requires_grad
    assert losses.keys() == {"discriminator", "adversarial", "mask_l1", "mask_ssim_loss", "image"}
    assert all(loss.isfinite() and not loss.requires_grad for loss in losses.values())


def test_the_moving_average_is_torchs(batch):
    """To the byte, also when it goes on from a checkpoint."""
    generator = whole().train()
    ours = stage2.MovingAverage(generator, 0.9)
    theirs = AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    for update in range(5):
        generator(*views(batch))  # moves the statistics of batch-norm
        shaken(generator)
        if update == 3:
            ours, stored = stage2.MovingAverage(whole(seed=1), 0.9), state(ours)
            ours.load_state_dict(stored)
        for average in (ours, theirs):
            average.update_parameters(generator)
        assert not changed(state(theirs), ours)


def test_colours_beyond_the_range_can_come_back(batch):
    generator = whole()
    with torch.no_grad():
        generator.stage2.head[-1].bias.fill_(3.0)  # every channel leaves the range
    assert generator.eval()(*views(batch)).max() == 1
    generator.train()(*views(batch)).mean().backward()
    assert generator.stage2.head[-1].bias.grad.abs().min() > 0


def test_the_generator_does_not_train_the_discriminator(batch):
    task = refinement(discriminator_learning_rate=0.0)
    before = state(task.discriminator)
    task.update(batch)
    # the estimate of its largest singular values goes on; its weights stay
    assert not [k for k in changed(before, task.discriminator) if not k.endswith(("_u", "_v"))]
    assert all(parameter.requires_grad for parameter in task.discriminator.parameters())


@both_encoders
@pytest.mark.parametrize("stage", [1, 2])
def test_round_trip(shape, stage, batch, tmp_path):
    network = shaken(stage1(shape) if stage == 1 else whole(shape)).eval()
    meta = typed.meta(shape, STAGE2 if stage == 2 else None) | {"run": {"seed": 0}}
    systems.save(tmp_path / "model.safetensors", network, meta)
    loaded, loaded_meta = systems.load(tmp_path / "model.safetensors")
    assert loaded_meta == meta
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert not changed(state(network), loaded)
    network = network.to(memory_format=torch.channels_last)  # sums in the order of the loaded one
    torch.testing.assert_close(loaded(*views(batch)), network(*views(batch)))


def test_same_seed_same_bytes(tmp_path, batch):
    for run, seed in (("a", 3), ("b", 3), ("c", 4)):
        task = Reconstruction(stage1(seed=seed), STAGE1)
        for _ in range(3):
            task.update(batch)
        systems.save(tmp_path / run, task.generator, typed.meta(STAGE1))
    a, b, c = ((tmp_path / run).read_bytes() for run in "abc")
    assert a == b
    assert a != c


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.safetensors"
    systems.save(path, stage1(), typed.meta(STAGE1))
    return path


def test_missing_and_truncated_file(saved):
    content = saved.read_bytes()
    for length in (0, 5, 100, len(content) // 2, len(content) - 1):
        saved.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"model.safetensors is damaged"):
            systems.load(saved)
    saved.unlink()
    with pytest.raises(InputError, match=r"model.safetensors is missing"):
        systems.load(saved)


@pytest.mark.parametrize(
    "other",
    [
        typed.meta(typed.vdg(width=8, max_width=16)),
        typed.meta(typed.vdg(depth=3)),
        typed.meta(SHARED),
        {"stage1": {"width": 4}},
        typed.meta(STAGE1, STAGE2),
    ],
)
def test_file_of_another_architecture(saved, other):
    arrays, meta = read_arrays(saved)
    write_arrays(saved, arrays, meta | other)
    with pytest.raises(InputError, match="does not hold a generator of this version") as caught:
        systems.load(saved)
    assert "\n" not in str(caught.value)


def test_file_that_holds_no_model(tmp_path):
    write_arrays(tmp_path / "a.safetensors", {"images": np.zeros(3)}, {"names": []})
    with pytest.raises(InputError, match="does not hold a generator of this version"):
        systems.load(tmp_path / "a.safetensors")


def test_file_of_an_unknown_system(saved):
    arrays, meta = read_arrays(saved)
    write_arrays(saved, arrays, meta | {"system": "nowhere"})
    with pytest.raises(InputError, match="nowhere"):
        systems.load(saved)
