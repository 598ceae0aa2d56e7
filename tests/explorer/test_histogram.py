"""How values are spread."""

import numpy as np
import pytest

from explorer.histogram import BINS, histogram


def test_every_finite_value_is_counted_once():
    values = np.random.default_rng(0).normal(3.0, 1.0, 5000)
    found = histogram(np.concatenate([values, [np.inf, np.nan, -np.inf]]))
    assert found is not None and found.counts.sum() == 5000
    assert found.limits == (values.min(), values.max())


def test_the_span_leaves_the_tails_out():
    values = np.concatenate([np.linspace(0, 1, 1000), [500.0]])
    found = histogram(values)
    assert found is not None and found.span[1] < 1.1 and found.limits[1] == 500.0


def test_ratios_are_counted_in_equal_steps():
    found = histogram(np.exp2(np.linspace(-6, 6, BINS * 10)), log=True)
    assert found is not None
    assert np.ptp(found.counts) <= 1
    assert found.middles[1] / found.middles[0] == pytest.approx(
        found.middles[-1] / found.middles[-2]
    )
    shares = found.shares(2.0**-6, 2.0**6)
    assert shares == pytest.approx((np.arange(BINS) + 0.5) / BINS)


def test_equal_values_and_none_at_all():
    found = histogram(np.full(7, 2.0))
    assert found is not None and found.counts[0] == 7 and found.limits == (2.0, 3.0)
    assert histogram(np.array([np.inf])) is None and histogram(np.array([0.0]), log=True) is None
