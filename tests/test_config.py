"""Validation of params.yaml, and the runs that a change of it affects."""

import copy
import functools
import re
from pathlib import Path

import pytest
import typed
import yaml

from vdg import code, config, resolve, systems
from vdg.errors import InputError
from vdg.settings import TrainingSettings
from vdg.systems.vdg.stage1 import build_stage1, stage1_task
from vdg.systems.vdg.stage2 import build_generator, stage2_task
from vdg.training.cost import noise

PARAMS = Path(__file__).parents[1] / "params.yaml"
STAGE1, STAGE2 = "network.vdg.stage1.synthetic", "network.vdg.stage2.synthetic"
SOURCE = "dataset.market1501.source"
MISSING = object()
LOSS = ("alpha", "mask_weight")


@pytest.fixture(scope="module")
def parsed():
    return yaml.safe_load(PARAMS.read_text())


@pytest.fixture(scope="module")
def hashes():
    """Of code that does not change between these tests."""
    return functools.cache(code.hashes)


@pytest.fixture(autouse=True)
def hashed_once(hashes, monkeypatch):
    monkeypatch.setattr(code, "hashes", hashes)


@pytest.fixture
def raw(parsed):
    """The repository's own file, with every data set, network and variant of ours switched on."""
    raw = copy.deepcopy(parsed)
    for key in [key for key, network in raw["network"].items() if network.get("kind")]:
        del raw["network"][key]  # compared systems have no settings on some data sets
        raw["variant"].pop(key, None)
    raw |= {"datasets": list(raw["dataset"]), "networks": list(raw["network"])}
    return raw | {"variants": list(raw["variant"])}


@pytest.fixture
def load(tmp_path, raw):
    """Load the file after changing one key to a value, or removing it."""

    def load(key=None, value=MISSING):
        changed = copy.deepcopy(raw)
        if key:
            *parents, last = key.split(".")
            section = functools.reduce(lambda section, part: section[part], parents, changed)
            section.pop(last, None)
            if value is not MISSING:
                section[last] = value
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump(changed, sort_keys=False))
        return config.load(path)

    return load


def message(call, *args):
    """The one-line message of an InputError."""
    with pytest.raises(InputError) as caught:
        call(*args)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_the_repository_file_is_valid():
    params = config.load(PARAMS)
    assert 0 <= params.alpha <= 1
    assert set(params.datasets) <= params.dataset.keys()


def test_everything_switched_on_is_valid(load, raw):
    assert load().variants == list(raw["variant"])


@pytest.mark.parametrize(
    ("key", "value", "shown", "allowed"),
    [
        ("alpha", 1.5, "1.5", "less than or equal to 1"),
        ("alpha", -0.1, "-0.1", "greater than or equal to 0"),
        ("alpha", float("nan"), "nan", "finite number"),
        ("alpha", float("inf"), "inf", "finite number"),
        ("alpha", "much", "'much'", "valid number"),
        ("alpha", True, "True", "valid number"),
        ("alpha", None, "None", "valid number"),
        ("alpha", [0.5], "[0.5]", "valid number"),
        ("alpha", "1..2e-4", "'1..2e-4'", "valid number"),
        (f"{STAGE1}.steps", 0, "0", "greater than or equal to 1"),
        (f"{STAGE1}.steps", 1.5, "1.5", "valid integer"),
        (f"{STAGE1}.steps", True, "True", "valid integer"),
        (f"{STAGE1}.steps", "100", "'100'", "valid integer"),
        (f"{STAGE1}.flip", 1, "1", "valid boolean"),
        (f"{STAGE1}.learning_rate", 0, "0", "greater than 0"),
        (f"{STAGE2}.lr_decay_fraction", 1.5, "1.5", "less than or equal to 1"),
        (f"{STAGE2}.lambda", -1, "-1", "greater than or equal to 0"),
        ("dataset.synthetic.evaluation.pairs", 9, "9", "greater than or equal to 10"),
        ("dataset.synthetic.evaluation.classifier", "vgg", "'vgg'", "'efficientnet-lite0'"),
        ("dataset.synthetic.poses.split", "random", "'random'", "'official' or 'hold-out'"),
        ("dataset.synthetic.source.views", 1, "1", "greater than or equal to 2"),
        (f"{SOURCE}.sha256", "abc", "'abc'", "[0-9a-f]{64}"),
        (f"{SOURCE}.sha256", "A" * 64, "'AAAA", "[0-9a-f]{64}"),
        (f"{SOURCE}.reader", "nowhere", "'nowhere'", "no such file in src/vdg/data/"),
        (
            "dataset.synthetic.source.reader",
            "syntetic",
            "'syntetic'",
            "allowed: deepfashion, folder, market1501",
        ),
        (
            "network.vdg.system",
            "nowhere",
            "'nowhere'",
            "no such file or folder in src/vdg/systems/",
        ),
        ("variant.full.mask_weight", -1, "-1", "greater than or equal to 0"),
        ("variant.full.alpha", 1.5, "1.5", "less than or equal to 1"),
        ("deterministic", "maybe", "'maybe'", "valid boolean"),
        (f"{STAGE2}.ema_decay", 1.0, "1.0", "less than or equal to 0.99"),
        (f"{STAGE1}.batch_size", 10**12, "1000000000000", "less than or equal to 65536"),
        (f"{STAGE1}.shared_encoders", 1, "1", "valid boolean"),
        ("threads", 0, "0", "greater than or equal to 1"),
        ("seeds", ["x" * 10**6], "'xxx", "valid integer"),
        ("device", "gpu", "'gpu'", "auto|cpu"),
        ("precision", "fp16", "'fp16'", "'fp32' or 'bf16'"),
        ("seeds", [], "[]", "at least 1"),
        ("datasets", [], "[]", "at least 1"),
        ("datasets", "synthetic", "'synthetic'", "valid list"),
        # names that are nowhere explained
        ("datasets", ["imagenet"], "['imagenet']", "allowed: synthetic, rendered"),
        ("networks", ["vgd"], "['vgd']", "allowed: vdg"),
        ("variants", ["full", "fuller"], "['full', 'fuller']", "unknown variant 'fuller'"),
        # names twice: one run would overwrite the other
        ("datasets", ["synthetic", "synthetic"], "['synthetic', 'synthetic']", "duplicate entry"),
        ("networks", ["vdg", "vdg"], "['vdg', 'vdg']", "duplicate entry"),
        ("variants", ["l1", "l1"], "['l1', 'l1']", "duplicate entry"),
        ("seeds", [3, 3], "[3, 3]", "duplicate entry"),
        ("processes", 3, "3", "must divide batch_size = 32 of network.vdg"),
        # names that would not do as a folder
        ("datasets", ["../x"], "'../x'", "a-z0-9"),
    ],
)
def test_bad_value(load, key, value, shown, allowed):
    text = message(load, key, value)
    assert text.startswith(f"params.yaml: {key}")
    assert f" = {shown}" in text
    assert allowed in text


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("alhpa", "did you mean alpha?"),
        (f"{STAGE1}.step", "did you mean steps?"),
        (f"{STAGE2}.lambada", "did you mean lambda?"),
        ("dataset.synthetic.source.veiws", "did you mean views?"),
        (f"{SOURCE}.annotations.tarin", "did you mean train?"),
        ("variant.full.weight", "did you mean mask_weight?"),
        ("network.vdg.zzz", "allowed: system, extends, kind, paper, about, stage1, stage2"),
    ],
)
def test_unknown_key(load, key, hint):
    assert message(load, key, 7) == f"params.yaml: {key} = 7: unknown key; {hint}"


@pytest.mark.parametrize("key", ["alpha", "dataset", f"{SOURCE}.archive", "variant.full.network"])
def test_missing_key(load, key):
    assert message(load, key) == f"params.yaml: {key} is missing"


def test_missing_setting_names_both_places(load):
    assert message(load, f"{STAGE1}.steps") == (
        "params.yaml: network.vdg.stage1.steps is missing: give it in network.vdg.stage1.synthetic,"
        " or in network.vdg.stage1.default for every data set"
    )


def test_a_setting_has_the_place_where_it_stands(load):
    for key in ("network.vdg.stage1.default.flip", "variant.full.flip"):
        assert message(load, key, 7).startswith(f"params.yaml: {key} = 7: ")


@pytest.mark.parametrize("base", ["vdg-shared", "nowhere"])
def test_a_network_extends_another(load, base):
    text = message(load, "network.vdg-shared.extends", base)
    assert text.startswith(f"params.yaml: network.vdg-shared.extends = '{base}': must be another")


def test_later_layers_take_the_place_of_earlier_ones(load, raw):
    raw["network"]["vdg-shared"]["stage2"] = {"default": {"width": 5}, "synthetic": {"depth": 1}}
    raw["variant"]["shared"]["lambda"] = 3
    params = load()
    settings, plain = params.stage2("shared", "synthetic"), params.stage2("full", "synthetic")
    given, other = settings.model_dump(), plain.model_dump()
    changed = {key for key in given if given[key] != other[key]}
    assert changed == {"width", "depth", "lambda"}
    assert (settings.width, settings.depth, settings.lambda_) == (5, 1, 3.0)
    assert params.stage1("vdg-shared", "synthetic").shared_encoders is True
    assert settings.size == (64, 32)


def test_renderer_draws_one_shape(load):
    text = message(load, "dataset.synthetic.width", 4096)
    assert text.startswith("params.yaml: dataset.synthetic")
    assert "twice as high as wide" in text


@pytest.mark.parametrize("name", ["stage1", "stage1-vdg", "real", "mean-image"])
def test_a_variant_has_no_name_of_another_row(load, name):
    section = {"network": "vdg", "about": "of ours"}
    text = message(load, f"variant.{name}", section)
    assert text.startswith(f"params.yaml: variant.{name}: the table has a row of that name")


def test_only_the_renderer_knows_silhouettes(load):
    text = message(load, "dataset.market1501.evaluation.pose", "silhouettes")
    assert "dataset.market1501" in text
    assert "only available with reader: synthetic" in text


def test_silhouettes_need_a_width_that_the_segmenter_can_halve(load):
    text = message(load, "dataset.synthetic.width", 20)
    assert "its segmenter needs a width that 8 divides, not 20" in text


@pytest.mark.parametrize("key", ["variant.full.paper", "network.vdg.paper"])
def test_a_published_row_that_the_paper_does_not_have(load, key):
    text = message(load, key, "VDG-full")
    assert text.startswith(f"params.yaml: {key} = 'VDG-full': not a row of the paper's table: PG²")


def test_validation_needs_identities(load):
    text = message(load, "dataset.deepfashion.evaluation.split", "validation")
    assert text.startswith("params.yaml: dataset.deepfashion: evaluation.split = 'validation'")


def test_variant_whose_network_is_not_trained(load):
    text = message(load, "networks", ["vdg", "vdg-shared"])
    assert text.startswith("params.yaml: variant.warp-both.network = 'vdg-warp'")
    assert "networks (['vdg', 'vdg-shared'])" in text


def test_key_given_twice(tmp_path):
    path = tmp_path / "params.yaml"
    text = PARAMS.read_text()
    path.write_text(text + "\nalpha: 0.5\n")
    assert "duplicate key 'alpha'" in message(config.load, path)
    path.write_text(re.sub(r"(    height: \d+\n)", r"\1\1", text, count=1))
    assert "duplicate key 'height'" in message(config.load, path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "holds no keys"),
        (b"# nothing but this\n", "holds no keys"),
        (b"- a list\n", "holds no keys"),
        (b"alpha: [0.5\n", "is not valid YAML"),
        (b"\talpha: 0.5\n", "is not valid YAML"),
        (b"alpha: *nowhere\n", "anchors and aliases are not supported"),
        (b"alpha: &a 0.5\nseeds: [*a]\n", "line 1: anchors and aliases are not supported"),
        (b"alpha: !!int abc\n", "'abc' is not a number"),
        (b"alpha: " + b"[" * 3000, "nested too deeply"),
        (b"alpha: !!python/object:os.system x\n", "is not valid YAML"),
        (b"alpha: !!timestamp 2020-99-99\n", "is not valid YAML"),
        (b"? [a, b]\n: c\n", "is not valid YAML"),
        pytest.param(
            b"about: caf\xe9\n",
            "UTF-8",
        ),
    ],
)
def test_file_that_is_no_mapping(tmp_path, content, reason):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    text = message(config.load, path)
    assert "params.yaml" in text
    assert reason in text


def test_no_file(tmp_path):
    assert "cannot read" in message(config.load, tmp_path / "params.yaml")


def test_seed_that_no_generator_takes(load):
    message(load, "seeds", [10**20])


@pytest.mark.parametrize(
    ("key", "value"), [(f"{SOURCE}.reader", "archive"), ("network.vdg.system", "blocks")]
)
def test_module_that_is_no_plugin(load, key, value):
    message(load, key, value)


@pytest.mark.parametrize(
    ("written", "read"),
    [("0100", 100), ("100", 100), ("+7", 7), ("1_0", None), ("1:30", None), ("0x10", None)],
)
def test_integers_are_those_that_dvc_reads(tmp_path, written, read):
    """YAML 1.2, not 1.1, in which 0100 is 64 and 1:30 is 90."""
    path = tmp_path / "params.yaml"
    path.write_text(re.sub(r"steps: 900", f"steps: {written}", PARAMS.read_text()))
    if read is None:
        assert "valid integer" in message(config.load, path)
    else:
        assert config.load(path).stage1("vdg", "synthetic").steps == read


@pytest.mark.parametrize(
    ("written", "read"), [("1", 1.0), ("5e-1", 0.5), (".5", 0.5), ("1.", 1.0), ("05e-1", 0.5)]
)
def test_numbers_as_people_write_them(tmp_path, written, read):
    path = tmp_path / "params.yaml"
    path.write_text(re.sub(r"^alpha: \S+", f"alpha: {written}", PARAMS.read_text(), flags=re.M))
    params = config.load(path)
    assert params.alpha == read
    assert isinstance(params.alpha, float)


def test_a_number_of_many_digits(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(re.sub(r"^alpha: \S+", "alpha: " + "9" * 400, PARAMS.read_text(), flags=re.M))
    text = message(config.load, path)
    assert text.startswith("params.yaml: alpha = ")
    assert len(text) < 300


def test_resolved_files_of_the_default(load):
    files = resolve.resolve(load("datasets", ["synthetic"]))
    losses = {
        name: [
            files[f"synthetic/stage2-{name}.json"]["settings"][k] for k in ("alpha", "mask_weight")
        ]
        for name in ("l1", "mask-l1", "full", "weighted")
    }
    assert losses == {"l1": [0, 0], "mask-l1": [0, 1], "full": [0.85, 1], "weighted": [0.85, 4]}
    assert files["synthetic/network-shared.json"]["network"] == "vdg-shared"
    assert all(name.startswith("synthetic/") for name in files if "/" in name)


@pytest.mark.parametrize("network", ["pg2", "def-gan", "def-gan-nn", "dpig", "patn", "patn-vgg"])
@pytest.mark.parametrize("dataset", ["synthetic", "rendered", "market1501-holdout"])
def test_compared_systems_have_settings(network, dataset):
    params = config.load(PARAMS)
    assert params.network[params.lineage(network)[0]].kind == "compared"
    assert params.stage1(network, dataset).steps > 0


@pytest.mark.parametrize(
    "network", ["pg2-published", "def-gan-published", "dpig-published", "patn-published"]
)
@pytest.mark.parametrize("dataset", ["market1501", "market1501-holdout", "deepfashion"])
def test_published_settings_build(network, dataset):
    params = config.load(PARAMS)
    stage2 = params.stage2(network, dataset) if params.refined(network) else None
    systems.check(params.system(network), params.stage1(network, dataset), stage2)


class Seen:
    """Settings that note which of them are read."""

    def __init__(self, settings):
        self.settings, self.used = settings, set()

    def __getattr__(self, name):
        self.used.add(name)
        return getattr(self.settings, name)


def test_the_settings_of_a_system_are_what_it_trains_with():
    """Every setting that VDG declares is used by it, or by the loop."""
    first, second = Seen(typed.vdg()), Seen(typed.vdg("stage2"))
    trained = stage1_task(build_stage1(first), first)
    trained.update(noise(2, typed.SIZE))
    refined = stage2_task(build_generator(trained.result, second), second)
    refined.update(noise(2, typed.SIZE))
    for seen in (first, second):
        common = TrainingSettings.model_fields.keys() - {"learning_rate", "size"}
        assert seen.used == type(seen.settings).model_fields.keys() - common


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        ({"alpha": 0, "mask_weight": 0}, "L1, no mask"),
        ({"mask_weight": 4}, "0.85 SSIM + 0.15 L1, mask (1 + 4 M_b)"),
        ({"mask_weight": 1, "lambda": 60}, "0.85 SSIM + 0.15 L1, mask (1 + M_b), lambda = 60"),
        ({"mask_weight": 1, "about": "as it likes"}, "as it likes"),
    ],
)
def test_a_variant_is_described_by_its_settings(load, variant, words):
    params = load("variant.full", {"network": "vdg"} | variant)
    assert about("full", params) == words


def test_a_variant_that_differs_between_data_sets_is_described_on_each(load):
    settings = yaml.safe_load(PARAMS.read_text())["network"]["vdg"]["stage2"]
    settings["market1501"]["alpha"] = 0.5
    words = about("full", load("network.vdg.stage2", settings))
    assert words == (
        "synthetic, rendered, market1501-holdout, deepfashion, deepfashion-176, deepfashion-512: "
        "0.85 SSIM + 0.15 L1, mask (1 + M_b); market1501: 0.5 SSIM + 0.5 L1, mask (1 + M_b)"
    )


def about(name, params):
    return next(row for row in resolve.rows(params) if row["name"] == name)["about"]


SWEPT = ("alpha-25", "alpha-50", "alpha-75", "alpha-100")  # with an alpha of their own
MASK_SSIM = ("full", "weighted", "warp", "warp-both", "warp-projected", "part-ssim", "shared")
MASK_SSIM += ("warp-both-long", "weight-0", "weight-2", "weight-8")
NETWORKS = ("vdg", "vdg-warp", "vdg-warp-long", "vdg-shared")
VARIANTS = ("l1", "mask-l1", *MASK_SSIM, *SWEPT)
DATASETS = (
    "synthetic",
    "rendered",
    "market1501",
    "market1501-holdout",
    "deepfashion",
    "deepfashion-176",
    "deepfashion-512",
)


def runs(*names, datasets=DATASETS):
    return {f"{dataset}/{name}.json" for dataset in datasets for name in names}


def stage1(*networks, **where):
    return runs(*(f"stage1-{name}" for name in networks or NETWORKS), **where)


def stage2(*variants, **where):
    return runs(*(f"stage2-{name}" for name in variants or VARIANTS), **where)


def evaluation(*names, **where):
    every = (*(f"stage1-{name}" for name in NETWORKS), *VARIANTS)
    return runs(*(f"evaluation-{name}" for name in names or every), **where)


def scoring(**where):
    return evaluation(**where) | runs("references", **where)


ONE = {"datasets": ["synthetic"]}
REPORT = {"report.json"}


@pytest.mark.parametrize(
    ("key", "value", "reached"),
    [
        ("alpha", 0.123, stage2(*MASK_SSIM) | REPORT),
        ("variant.weighted.mask_weight", 7.5, stage2("weighted")),
        ("variant.weight-2.mask_weight", 7.5, stage2("weight-2") | REPORT),
        ("variant.weighted.alpha", 0.123, stage2("weighted")),
        ("variant.full.about", "other words", REPORT),
        ("variant.full.network", "vdg-shared", runs("network-full")),
        ("network.vdg-shared.stage1", {"default": {}}, stage1("vdg-shared")),
        (f"{STAGE1}.steps", 77, stage1(**ONE)),
        (f"{STAGE1}.learning_rate", 0.123, stage1(**ONE)),
        ("network.vdg.stage1.default.lr_decay_fraction", 0.123, stage1()),
        (f"{STAGE2}.steps", 77, stage2(**ONE)),
        (f"{STAGE2}.lambda", 77, stage2(**ONE)),
        (f"{STAGE2}.discriminator_width", 77, stage2(**ONE)),
        ("dataset.synthetic.evaluation.pairs", 77, scoring(**ONE)),
        ("dataset.synthetic.evaluation.split", "validation", scoring(**ONE) | REPORT),
        ("dataset.synthetic.evaluation.fid_reference", "train", REPORT),
        ("dataset.synthetic.evaluation.pictures", True, evaluation(**ONE)),
        ("dataset.synthetic.poses.hold_out_identities", 77, runs("pose-heatmaps", **ONE)),
        ("dataset.synthetic.poses.validation_identities", 7, runs("pose-heatmaps", **ONE)),
        ("dataset.synthetic.poses.split", "hold-out", runs("pose-heatmaps", **ONE) | REPORT),
        ("dataset.synthetic.source.seed", 77, runs("download", **ONE)),
        (f"{SOURCE}.archive", "x.zip", runs("download", datasets=["market1501"])),
        (f"{SOURCE}.margin", 8, runs("download", datasets=["market1501"])),
        ("seeds", [0, 77], REPORT),
        ("precision", "bf16", stage1() | stage2()),
        ("threads", 3, stage1() | stage2() | scoring()),
        ("deterministic", False, stage1() | stage2() | scoring()),
        ("processes", 2, stage1() | stage2()),
        (f"{STAGE2}.ema_decay", 0.5, stage2(**ONE)),
        ("device", "cpu", stage1() | stage2() | scoring()),
    ],
)
def test_a_change_reaches_what_depends_on_it(load, raw, key, value, reached):
    raw |= {"device": "auto", "seeds": [0], "precision": "fp32"}
    before, after = resolve.resolve(load()), resolve.resolve(load(key, value))
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} == reached


@pytest.mark.parametrize(
    ("dataset", "part", "reached"),
    [
        ("market1501", "test", True),
        ("market1501-holdout", "train", True),
        ("market1501-holdout", "test", False),  # a part that a hold-out does not look at
    ],
)
def test_poses_depend_on_the_device_where_they_are_estimated(load, raw, dataset, part, reached):
    raw["dataset"][dataset]["source"]["annotations"][part] = None
    before, after = (resolve.resolve(load("device", device)) for device in ("cpu", "auto"))
    name = f"{dataset}/pose-heatmaps.json"
    assert (before[name] != after[name]) is reached


def test_poses_and_pck_depend_on_the_estimator(load, raw, monkeypatch):
    """Where key points are estimated, or judged by PCK; the report names the estimator."""
    raw["dataset"]["market1501"]["source"]["annotations"]["train"] = None
    for name, dataset in raw["dataset"].items():
        if name != "synthetic":
            dataset["evaluation"]["pose"] = "keypoints" if name == "deepfashion" else None
    found = []
    for name in ("MoveNet Thunder 01234567", "another"):
        monkeypatch.setattr(resolve.estimators, "name", lambda name=name: name)
        found.append(resolve.resolve(load()))
    changed = {name for name in found[0] if found[0][name] != found[1][name]}
    judged = {name for name in scoring() if name.startswith("deepfashion/")}
    assert changed == {"market1501/pose-heatmaps.json"} | judged | REPORT
    report = found[1]["report.json"]["datasets"]
    assert report["market1501"]["estimator"] == report["deepfashion"]["judge"] == "another"
    assert report["synthetic"]["estimator"] is report["synthetic"]["judge"] is None


FOLDER = {"height": 128, "width": 64, "source": {"reader": "folder", "archive": "raw/mine"}}
FOLDER |= {"like": "market1501-holdout", "evaluation": {"classifier": "efficientnet-lite0"}}


def test_a_folder_of_people_takes_five_lines(load, raw):
    """Networks have the settings of the data set that it is like; its own come last."""
    raw["dataset"]["mine"] = FOLDER
    raw["network"]["vdg"]["stage1"]["mine"] = {"steps": 7}
    params = load()
    found, like = (params.stage1("vdg", name) for name in ("mine", "market1501-holdout"))
    assert found == like.model_copy(update={"steps": 7})
    assert params.dataset["mine"].estimates
    assert params.dataset["mine"].source.test_fraction == 0.2


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("like", "nowhere", "like = 'nowhere': no such data set; allowed: synthetic, rendered"),
        ("source.test_fraction", 1.0, "less than 1"),
        ("source.test_fraction", 0, "greater than 0"),
        ("source.pairs", "a.csv", "unknown key; allowed: reader, archive, annotations"),
        ("poses", {"split": "hold-out"}, "source.test_fraction makes the test split"),
    ],
)
def test_a_folder_that_does_not_fit(load, raw, key, value, words):
    raw["dataset"]["mine"] = copy.deepcopy(FOLDER)
    assert words in message(load, f"dataset.mine.{key}", value)


@pytest.mark.parametrize("key", ["datasets", "networks", "variants"])
def test_listing_less_leaves_the_rest_alone(load, raw, key):
    if key == "networks":  # the others go with the variants that refine them
        raw["variants"] = [
            name
            for name in raw["variants"]
            if name not in ("shared", "warp-both", "warp-both-long", "warp-projected")
        ]
    before, after = resolve.resolve(load()), resolve.resolve(load(key, raw[key][:1]))
    assert after.keys() < before.keys()
    assert {name for name in after if before[name] != after[name]} == REPORT
