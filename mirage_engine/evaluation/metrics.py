"""Picture and depth errors. PSNR and SSIM as everybody computes them (scikit-image)."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

WINDOW_PX = 7  # of structural similarity, the usual size


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


def ssim(
    a: np.ndarray,  # uint8 [H, W, 3]
    b: np.ndarray,  # uint8 [H, W, 3]
    mask: np.ndarray | None = None,  # [H, W] bool, pixels that count
) -> float:
    """Structural similarity of two pictures, -1..1: the mean over all windows that lie inside.

    With a mask, only windows that hold nothing else count; NaN where there are none.
    """
    from skimage.metrics import structural_similarity  # takes a second, which a window has not

    found = structural_similarity(
        a, b, channel_axis=-1, data_range=255, win_size=WINDOW_PX, full=True
    )
    _, values = cast(tuple[float, np.ndarray], found)
    inside = np.ones(a.shape[:2], bool) if mask is None else mask
    whole = sliding_window_view(inside, (WINDOW_PX, WINDOW_PX)).all((-1, -2))
    margin = slice(WINDOW_PX // 2, -(WINDOW_PX // 2))
    chosen = values[margin, margin][whole]
    return float(chosen.mean(dtype=np.float64)) if chosen.size else float("nan")


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
