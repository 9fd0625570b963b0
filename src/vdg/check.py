"""What of params.yaml shows only when networks are built and files are looked for."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from vdg import estimators, systems
from vdg.config import Params
from vdg.errors import InputError


def networks(params: Params) -> None:
    """Build every listed network without allocating memory, to check that its settings fit."""
    for dataset in params.datasets:
        for name in params.networks:
            _network(params, dataset, f"network.{name}", name)
        for name in params.variants:
            network, stage2 = params.variant[name].network, params.stage2(name, dataset)
            _network(params, dataset, f"variant.{name}", network, stage2)


def _network(params: Params, dataset: str, key: str, network: str, stage2=None) -> None:
    try:
        with ShapesOnly():
            systems.check(params.system(network), params.stage1(network, dataset), stage2)
    except InputError as error:
        raise InputError(f"params.yaml: {key} on {dataset}: {error}") from None


class ShapesOnly(torch.overrides.TorchFunctionMode):
    """Networks of which only the shapes are wanted: weights are neither drawn nor normalised.

    On the device "meta" that would compute nothing, but import torch's compiler, which takes as
    long as the rest of this stage.
    """

    AS_IT_IS = (Tensor.normal_, Tensor.uniform_, normalize)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if getattr(function, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"]
        if function in self.AS_IT_IS:
            return args[0]
        if function is Tensor.div and getattr(args[1], "shape", ()) == ():
            return args[0]
        if function in (torch.mv, torch.vdot):  # the power iteration of a spectral norm
            return args[0][..., 0]
        return function(*args, **kwargs)


def estimator(params: Params) -> None:
    """Raise InputError where an estimator is needed and none is installed: now, not in hours."""
    for name in params.datasets:
        dataset, key = params.dataset[name], f"params.yaml: dataset.{name}"
        try:
            if dataset.needs_estimator:
                estimators.require_one()
        except InputError as error:
            if dataset.estimates:
                raise InputError(f"{key}.source.annotations names no file: {error}") from None
            raise InputError(
                f"{key}.evaluation.pose = keypoints: {error}, or set it to null, which leaves PCK "
                "out"
            ) from None
