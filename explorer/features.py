"""Latent features as colours: their three principal components, and which features are alike.

A basis is fitted once and stays, so that a colour means the same thing until somebody asks for a
new one. Knows nothing of points, memory or drawing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.memory_table import Rows

Floats = NDArray[np.float32]

MOST_ROWS = 50_000  # that a basis is fitted on: more would not move it
RANGE_PERCENT = (2.0, 98.0)  # of each component; a few odd features must not grey all others
GREY = 128
BLOCK = 16_384  # rows looked at together: small enough for the cache


@dataclass(frozen=True, eq=False)
class FeatureBasis:
    """What makes colours of features."""

    mean: Floats  # [C]
    axes: Floats  # [C, 3] unit columns, the strongest first; zero where features have fewer
    low: Floats  # [3] component that becomes 0
    high: Floats  # [3] component that becomes 255

    def rgb(
        self,
        latents: np.ndarray,  # [..., C]
    ) -> NDArray[np.uint8]:  # [..., 3]
        """The first component as red, then green and blue; grey where a feature is unknown."""
        known = np.isfinite(latents).all(-1, keepdims=True)
        components = (np.where(known, latents, self.mean) - self.mean) @ self.axes
        flat = self.high - self.low < 1e-6
        span = np.where(flat, 1.0, self.high - self.low)
        shares = np.where(flat, 0.5, (components - self.low) / span)
        levels = np.round(np.clip(shares, 0.0, 1.0) * 255)
        return np.where(known, levels, GREY).astype(np.uint8)


def fit_basis(
    latents: np.ndarray,  # [N, C]; rows with NaN are unknown
    seed: int = 0,
) -> FeatureBasis:
    """The basis of these features. The same features give the same basis, signs included."""
    known = np.flatnonzero(np.isfinite(latents).all(1))
    if len(known) > MOST_ROWS:
        known = np.random.default_rng(seed).choice(known, MOST_ROWS, replace=False)
    sample = np.asarray(latents[known], np.float64)
    channels = latents.shape[1]
    axes = np.zeros((channels, 3))
    if not len(sample):
        nothing = np.zeros(3, np.float32)
        return FeatureBasis(
            np.zeros(channels, np.float32), axes.astype(np.float32), nothing, nothing
        )
    mean = sample.mean(0)
    centred = sample - mean
    values, vectors = np.linalg.eigh(centred.T @ centred)
    strongest = np.argsort(values)[::-1][:3]
    strongest = strongest[values[strongest] > 1e-9 * max(values.max(), 1e-9)]
    found = vectors[:, strongest]
    # An eigenvector's sign is chance: its largest entry is made positive.
    largest = np.take_along_axis(found, np.abs(found).argmax(0)[None], 0)
    axes[:, : len(strongest)] = found * np.sign(largest)
    low, high = np.percentile(centred @ axes, RANGE_PERCENT, axis=0)
    return FeatureBasis(*(part.astype(np.float32) for part in (mean, axes, low, high)))


def nearest_features(
    latents: np.ndarray,  # [N, C]; rows with NaN are unknown
    row: int,
    count: int = 8,
    alive: np.ndarray | None = None,  # [N] bool, rows that may be named
) -> Rows:  # [<= count], the most alike first
    """The rows whose features are most like that of `row`, itself left out."""
    wanted = np.asarray(latents[row], np.float32)
    if not np.isfinite(wanted).all():
        return np.zeros(0, np.int64)
    apart = np.empty(len(latents), np.float32)
    for first in range(0, len(latents), BLOCK):
        difference = np.asarray(latents[first : first + BLOCK], np.float32) - wanted
        apart[first : first + BLOCK] = np.einsum("nc,nc->n", difference, difference)
    apart[row] = np.inf
    apart[np.isnan(apart)] = np.inf
    if alive is not None:
        apart[~alive] = np.inf
    nearest = np.arange(len(apart))
    if count < len(apart):
        nearest = np.argpartition(apart, count)[:count]
    nearest = nearest[np.isfinite(apart[nearest])]
    return nearest[np.lexsort((nearest, apart[nearest]))]
