"""What a CPU computes, a GPU computes, too. These tests need one."""

import os
import signal

import numpy as np
import pytest
import torch
import yaml
from conftest import ROOT
from test_evaluate import make
from torch import nn

from bench.training import noise, tasks
from vdg import config, resolve, train
from vdg.data.synthetic.render import render
from vdg.errors import StoppedError
from vdg.estimators import movenet_weights
from vdg.evaluation import rows as evaluate
from vdg.files import read_json
from vdg.inference.transfer import PHOTOGRAPHS, PoseTransfer
from vdg.metrics import classifiers
from vdg.runtime import set_up
from vdg.settings import EvaluationConfig, RunConfig
from vdg.systems.vdg.part_warp import part_warp

DEVICE = "cuda"
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
NETWORKS = ["vdg", "vdg-warp", "vdg-shared", "pg2", "def-gan", "def-gan-nn", "dpig", "patn"]
VARIANTS = ["l1", "full", "weighted", "part-ssim", "warp", "warp-both", "warp-projected", "pg2"]
SIZE = {"height": 32, "width": 16}
STOPPED_AT = 7  # a step


@pytest.fixture(autouse=True)
def _mode():
    """Restore the modes that trainings set."""
    benchmark = torch.backends.cudnn.benchmark
    yield
    torch.set_deterministic_debug_mode("default")
    torch.backends.cudnn.benchmark = benchmark


def first_steps(network, variant, device, precision="fp32"):
    """Losses of three steps of the default's training on noise, without dropout."""
    set_up(0)
    params = config.load(ROOT / "params.yaml")
    names = [[name] if name else [] for name in (network, variant)]
    ((_, task),) = tasks(params, "synthetic", *names)
    for module in task.modules.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0  # drawn by the device's own generator
    task.modules.train().to(device, memory_format=torch.channels_last)
    data = noise(64, 32, torch.device(device))
    batch, rows = data.batch(data.pairs[: task.settings.batch_size]), []
    for _ in range(3):
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
            rows.append(task.update(batch))
    return [{name: loss.item() for name, loss in row.items()} for row in rows]


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 0.01), ("bf16", 0.05)])
@pytest.mark.parametrize(
    ("network", "variant"), [(n, None) for n in NETWORKS] + [(None, v) for v in VARIANTS]
)
def test_the_first_losses(network, variant, precision, tolerance):
    found = first_steps(network, variant, DEVICE, precision)
    for row, expected in zip(found, first_steps(network, variant, "cpu"), strict=True):
        assert row == pytest.approx(expected, rel=tolerance, abs=tolerance / 2)


@pytest.fixture(scope="module")
def configs(tmp_path_factory):
    """The configurations of small trainings and their scoring, by name: of a device."""
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())
    settings |= {"threads": 1, "datasets": ["synthetic"], "variants": ["full", "warp"]}
    settings["dataset"]["synthetic"] |= SIZE
    settings["dataset"]["synthetic"]["evaluation"]["pairs"] = 10
    small = {"width": 4, "max_width": 8, "depth": 2, "steps": 20, "batch_size": 4}
    for stage in ("stage1", "stage2"):
        settings["network"]["vdg"][stage]["synthetic"] |= small
    file = tmp_path_factory.mktemp("configs") / "params.yaml"

    def of(device, precision="fp32"):
        file.write_text(yaml.safe_dump(settings | {"device": device, "precision": precision}))
        return resolve.resolve(config.load(file))

    return of


@pytest.fixture
def work(configs, drawn_data, tmp_path, monkeypatch, any_code):
    """Train stage I, then variants, on the GPU; `stopped` and resumed on the way."""

    def run(name, precision, stopped):
        found, folder = configs(DEVICE, precision), tmp_path / name
        monkeypatch.setenv("DVC_ROOT", str(folder))
        made = {}
        for stage in ("stage1-vdg", "stage2-full", "stage2-warp"):
            coarse = None if stage == "stage1-vdg" else folder / "stage1-vdg" / "model.safetensors"
            losses = folder / f"{stage}.csv"
            run_config = RunConfig.model_validate(found[f"synthetic/{stage}.json"])
            job = train.Run(run_config, drawn_data, 0, folder / stage, losses, coarse)
            start = train.train_stage2 if coarse else train.train_stage1
            if stopped:
                with monkeypatch.context() as patch:
                    patch.setattr(train, "batches", signalling(train.batches))
                    with pytest.raises(StoppedError):
                        start(job)
            start(job)
            made[stage] = (folder / stage / "model.safetensors").read_bytes(), losses.read_bytes()
        return made

    return run


def signalling(batches):
    """`batches`, with a SIGTERM to this process in the middle."""

    def make(*arguments):
        batch_at = batches(*arguments)

        def batch(step):
            if step == STOPPED_AT:
                os.kill(os.getpid(), signal.SIGTERM)
            return batch_at(step)

        return batch

    return make


@pytest.mark.filterwarnings("ignore:.*deterministic")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_equal_seeds_give_equal_bytes_also_when_stopped(work, precision):
    assert work("whole", precision, False) == work("stopped", precision, True)


def test_scores(configs, work, tmp_path):
    data = make(tmp_path / "data")
    work("model", "fp32", False)
    model, scores = tmp_path / "model" / "stage2-warp" / "model.safetensors", {}
    for device in ("cpu", DEVICE):
        found, folder = configs(device), tmp_path / device
        (folder / "references").mkdir(parents=True)
        (folder / "warp").mkdir()
        own = folder / "references"
        scoring = EvaluationConfig.model_validate(found["synthetic/references.json"])
        evaluate.references(scoring, data, own)
        scoring = EvaluationConfig.model_validate(found["synthetic/evaluation-warp.json"])
        evaluate.evaluate(scoring, data, model, own, folder / "warp")
        files = "references/copy-source.json", "references/mean-image.json", "warp/scores.json"
        scores[device] = [read_json(folder / file)["metrics"] for file in files]
    for found, expected in zip(scores[DEVICE], scores["cpu"], strict=True):
        assert found == pytest.approx(expected, rel=0.01, abs=0.03)


@pytest.fixture(scope="module")
def people():
    """Two views of eight rendered people: uint8 (8, 128, 64, 3), key points (8, 18, 2), twice."""
    views = [[render(i, view, 128, 0) for i in range(8)] for view in (0, 3)]
    return [
        (np.stack([p.image for p in view]), np.stack([p.keypoints for p in view])) for view in views
    ]


def test_part_warp(people):
    (images, K_a), (_, K_b) = people
    I_a = torch.as_tensor(images).permute(0, 3, 1, 2) / 127.5 - 1
    inputs = I_a, torch.as_tensor(K_a), torch.as_tensor(K_b)
    expected, found = part_warp(*inputs), part_warp(*(x.to(DEVICE) for x in inputs)).cpu()
    assert (found - expected).abs().mean() < 1e-5


def test_the_shipped_model(people):
    (images, K_a), (_, K_b) = people
    expected, found = (
        PoseTransfer.load(PHOTOGRAPHS, device)(images, K_a, K_b).astype(int)
        for device in ("cpu", DEVICE)
    )
    difference = np.abs(found - expected)
    assert difference.mean() < 0.05
    assert difference.max() <= 3


def test_efficientnet(people):
    images = torch.as_tensor(people[0][0]).permute(0, 3, 1, 2)
    expected = classifiers.load("efficientnet-lite0")(images)
    found = classifiers.load("efficientnet-lite0", DEVICE)(images.to(DEVICE))
    for x, y in zip(found, expected, strict=True):
        torch.testing.assert_close(x.cpu(), y, rtol=0.01, atol=0.01)


@pytest.mark.skipif(
    not movenet_weights.weights_file().is_file(), reason="needs MoveNet's weights: make estimator"
)
def test_movenet(people):
    frames = torch.zeros(8, 3, 256, 256)
    frames[:, :, 64:192, 96:160] = torch.as_tensor(people[0][0]).permute(0, 3, 1, 2)
    with torch.inference_mode():
        expected, found = (
            movenet_weights.load(device)(frames.to(device)).cpu() for device in ("cpu", DEVICE)
        )
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-3)
