"""The evaluation of reference rows and of a model, from packed data to scores."""

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_fid.fid_score import calculate_frechet_distance

from vdg import evaluate, systems
from vdg.data import synthetic
from vdg.data.download import fetch
from vdg.data.images import ImageSet
from vdg.data.preparation import build
from vdg.files import read_json
from vdg.metrics import classifiers

SIZE = {"height": 32, "width": 16}
CONFIG = {
    **{"split": "test", "pairs": 10, "classifier": "efficientnet-lite0", "pose": None},
    **{"lpips": False, "crop_width": None, "device": "cpu", "threads": 1},
    **{"precision": "fp32", "deterministic": True},
}
FID, TRAIN_FID = "fid_efficientnet_lite0", "train_fid_efficientnet_lite0"


def make(folder, **poses):
    source = {"reader": "synthetic", "train_identities": 4, "test_identities": 1, "views": 4}
    fetch(synthetic, SIZE | {"source": source | {"seed": 0}}, folder / "download")
    settings = {"split": "official", "hold_out_identities": 1, "validation_identities": 1} | poses
    for name, split in build(folder / "download", **settings, device="cpu").items():
        split.save(folder / "poses" / f"{name}.safetensors")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make(tmp_path_factory.mktemp("evaluated") / "data")


@pytest.fixture(scope="module")
def references(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("references")
    evaluate.references(CONFIG, data, folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    stage1 = {"width": 4, "depth": 2, "max_width": 8, "shared_encoders": False, "size": [32, 16]}
    network = systems.find("vdg").build_stage1(stage1)
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    systems.save(path, network, {"system": "vdg", "stage1": stage1, "stage2": None})
    return path


def features(images):
    classifier = classifiers.load("efficientnet-lite0")
    return classifier(torch.as_tensor(images).permute(0, 3, 1, 2))[0].double().numpy()


def moments(images):
    x = features(images)
    return x.mean(0), np.cov(x, rowvar=False)


@pytest.mark.filterwarnings("ignore")
def test_fid_to_the_training_images_is_pytorch_fids(data, references):
    train = ImageSet.load(data / "download" / "train.safetensors").images
    assert len(train) == 16  # the validation identity too
    scores = {n: read_json(references / f"{n}.json")["metrics"] for n in ("real", "mean-image")}
    test = ImageSet.load(data / "download" / "test.safetensors")
    table = pd.read_csv(references / "real.csv")
    targets = test.images[[test.names.index(name) for name in table["to"]]]
    expected = calculate_frechet_distance(*moments(targets), *moments(train))
    assert scores["real"][TRAIN_FID] == pytest.approx(expected, rel=1e-3)
    assert scores["real"][FID] == pytest.approx(0, abs=1e-6)
    _, covariance = moments(train)  # which equal images do not have at all
    assert scores["mean-image"][TRAIN_FID] >= np.trace(covariance) * 0.999


def test_a_models_row_is_scored_against_the_same_references(data, references, model, tmp_path):
    evaluate.evaluate(CONFIG, data, model, references, tmp_path)
    metrics = read_json(tmp_path / "scores.json")["metrics"]
    real = read_json(references / "real.json")["metrics"]
    assert metrics.keys() == real.keys()
    assert metrics[FID] > 0 < metrics[TRAIN_FID] != metrics[FID]
    assert 0 < metrics["psnr"] < real["psnr"]


def test_evaluated_identities_of_a_hold_out_are_not_among_the_training_images(tmp_path):
    data = make(tmp_path / "data", split="hold-out")
    train, test = evaluate.load_pairs(data, ["train", "test"], "cpu")
    assert train.images.data_ptr() == test.images.data_ptr()
    kept = evaluate._not_evaluated(train, test)
    identities = {i for i, keep in zip(train.identities, kept, strict=True) if keep}
    evaluated = {test.identities[i] for i in test.pairs.unique().tolist()}
    assert len(evaluated) == 1
    assert identities == set(train.identities) - evaluated
