"""Picture and depth errors. PSNR and SSIM as everybody computes them (scikit-image)."""

from __future__ import annotations

from typing import cast

import numpy as np


def psnr_db(
    a: np.ndarray,  # uint8 [H, W, 3]
    b: np.ndarray,  # uint8 [H, W, 3]
    mask: np.ndarray | None = None,  # [H, W] bool, pixels that count
) -> float:
    """Peak signal-to-noise ratio in dB, at most 99 for equal pictures; NaN where nothing counts."""
    error = np.square(a.astype(np.float64) - b.astype(np.float64)).mean(-1)
    chosen = error if mask is None else error[mask]
    if chosen.size == 0:
        return float("nan")
    return float(min(99.0, 10 * np.log10(255.0**2 / max(chosen.mean(), 1e-9))))


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Structural similarity of two uint8 [H, W, 3] pictures, -1..1."""
    from skimage.metrics import structural_similarity  # takes a second, which a window has not

    value = structural_similarity(a, b, channel_axis=-1, data_range=255)
    return float(cast(float, value))


def depth_abs_rel(predicted_m: np.ndarray, true_m: np.ndarray) -> float:
    """Mean |predicted - true| / true where both are surfaces; NaN where there are none."""
    both = np.isfinite(predicted_m) & np.isfinite(true_m) & (predicted_m > 0) & (true_m > 0)
    if not both.any():
        return float("nan")
    return float((np.abs(predicted_m[both] - true_m[both]) / true_m[both]).mean())


def mean_or_none(values: list[float]) -> float | None:
    """Mean of the finite values; None where there are none, as JSON knows no NaN."""
    finite = [v for v in values if np.isfinite(v)]
    return round(float(np.mean(finite)), 4) if finite else None
