"""Asks a filter once per segment, and remembers the answer for when the segment is shown again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

import numpy as np
import torch
from torch import Tensor

from mirage_engine.parts import Decoded, Sight, StaticFilter

KEPT = 32  # segments; a bit per pixel, 3.6 MB for 32 frames of 704x1280


class Once:
    """Frames are known again by their bytes, cameras by their poses."""

    def __init__(self, ask: StaticFilter) -> None:
        self.ask = ask
        self._answers: OrderedDict[bytes, np.ndarray] = OrderedDict()

    def __call__(self, decoded: Decoded, depth_m: Tensor, sight: Sight) -> Tensor:
        mark = _fingerprint(decoded, sight)
        # With memory at hand it is a new segment, about which memory may know more than before.
        if sight.memory is None and mark in self._answers:
            self._answers.move_to_end(mark)
            bits = np.unpackbits(self._answers[mark], count=depth_m.numel())
            return torch.from_numpy(bits.astype(bool)).reshape(depth_m.shape)
        keep = self.ask(decoded, depth_m, sight).cpu()
        self._answers[mark] = np.packbits(keep.numpy())
        while len(self._answers) > KEPT:
            self._answers.popitem(last=False)
        return keep


def _fingerprint(decoded: Decoded, sight: Sight) -> bytes:
    digest = hashlib.blake2b(decoded.frames.tobytes(), digest_size=16)
    for camera in sight.cameras:
        digest.update(camera.c2w.tobytes())
    return digest.digest()
