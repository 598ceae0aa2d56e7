"""How a value is spread over the points of memory. Knows numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BINS = 48
TAIL = 0.5  # percent at either end that an automatic range leaves out


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts in bins that are equally wide to the eye, over the whole spread of a value."""

    counts: NDArray[np.int64]  # [BINS]
    limits: tuple[float, float]  # least and largest value
    span: tuple[float, float]  # without the tails: a good range for colours
    log: bool  # whether bins are equal ratios

    @property
    def middles(self) -> Floats:
        """[BINS] the values in the middle of the bins."""
        low, high = (_to_scale(np.array(v), self.log) for v in self.limits)
        at = low + (np.arange(BINS) + 0.5) * (high - low) / BINS
        return np.exp2(at) if self.log else at

    def shares(self, low: float, high: float) -> Floats:
        """[BINS] where the middles lie between two values: 0 at `low`, 1 at `high`."""
        first, last = (float(_to_scale(np.array(v), self.log)) for v in (low, high))
        return (_to_scale(self.middles, self.log) - first) / max(last - first, 1e-9)


def histogram(
    values: np.ndarray,  # [N]; those that are not finite are left out
    log: bool = False,  # for values above 0 that differ by ratios
) -> Histogram | None:
    """None where there is nothing to count."""
    finite = values[np.isfinite(values) & ((values > 0) | (not log))].astype(np.float64)
    if not len(finite):
        return None
    low, high = float(finite.min()), float(finite.max())
    high = high if high > low else low * 2 if log else low + 1.0
    scaled = _to_scale(finite, log)
    counts, _ = np.histogram(scaled, BINS, (float(scaled.min()), _end(high, log)))
    near, far = (float(v) for v in np.percentile(finite, [TAIL, 100 - TAIL]))
    return Histogram(counts, (low, high), (near, far) if far > near else (low, high), log)


def _end(value: float, log: bool) -> float:
    return float(_to_scale(np.array(value), log))


def _to_scale(values: np.ndarray, log: bool) -> Floats:
    return np.log2(values) if log else np.asarray(values, np.float64)
