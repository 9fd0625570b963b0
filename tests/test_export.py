"""The exported pretrained model."""

import numpy as np
import pytest

from vdg.commands.export import halved
from vdg.files import read_arrays
from vdg.inference.transfer import SHIPPED


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.float32([0.1, -3]), np.float16),
        (np.float32([0.1, -65504]), np.float16),
        (np.float32([0.1, 172193.44]), np.float32),  # would be infinite
        (np.int64([7]), np.int64),
    ],
)
def test_precision_is_halved_where_the_range_allows(values, dtype):
    packed = halved(values)
    assert packed.dtype == dtype
    np.testing.assert_allclose(packed, values, rtol=1e-3)


@pytest.mark.parametrize("model", SHIPPED.values(), ids=SHIPPED)
def test_every_weight_that_ships_is_finite(model):
    arrays, meta = read_arrays(model)
    assert meta["stage2"]
    for name, values in arrays.items():
        assert np.isfinite(values).all(), name
    assert model.stat().st_size <= 10e6
