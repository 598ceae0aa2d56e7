"""What every test gets: fixed seeds, loud numerics, one torch thread, and the golden folder."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]

# Before torch is first imported, here and in every process that a test starts.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")


@pytest.fixture(autouse=True)
def same_seeds_and_loud_numerics() -> Iterator[None]:
    """A stray NaN is an error, rounding to zero is not; one thread, so that cores do not matter."""
    import torch

    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - for libraries that use the global state
    torch.manual_seed(0)
    torch.set_num_threads(1)
    with np.errstate(divide="raise", over="raise", invalid="raise", under="ignore"):
        yield


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of golden data, named by MIRAGE_GOLDEN or beside the repository."""
    folder = Path(os.environ.get("MIRAGE_GOLDEN", ROOT.parent / "shared" / "golden"))
    if not folder.is_dir():
        pytest.skip(f"no golden data at {folder}; set MIRAGE_GOLDEN")
    return folder
