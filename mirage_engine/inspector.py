"""Answers an inspector's questions about a world: what memory holds, and what it tells of a view.

Reads only. Turns tensors into the records of `inspection`.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from mirage_engine.camera import Camera
from mirage_engine.conditioning import Conditioning
from mirage_engine.holes import fill_holes
from mirage_engine.inspection import PointDetails, Points, ViewRead, XRay, sources
from mirage_engine.parts import Codec, Memory


def points(memory: Memory, codec: Codec) -> Points:
    """All that memory holds, but for the features."""
    cloud = memory.cloud()
    colors = codec.colors(torch.from_numpy(cloud.pop("latents")))
    del cloud["frame"]
    return Points(colors=colors, **cloud)


def details(memory: Memory, since_id: int) -> PointDetails:
    """The counts and flags of all points, and the features of those above `since_id`."""
    cloud = memory.cloud()
    new = cloud["ids"] > since_id
    return PointDetails(
        ids=cloud["ids"],
        seen=cloud["seen"],
        flags=cloud["flags"],
        new_ids=cloud["ids"][new],
        latents=cloud["latents"][new].astype("f2"),
        frame=cloud["frame"][new],
    )


def look(memory: Memory, camera: Camera, grid: tuple[int, int]) -> ViewRead:
    """What memory answers for one view."""
    view = memory.read([camera], grid)
    return ViewRead(
        camera,
        mask=view.mask[0].cpu().numpy(),
        depth_m=view.depth_m[0].cpu().numpy(),
        scale=view.scale[0].cpu().numpy(),
        point_ids=memory.origins(view.source)[0, 0].cpu().numpy(),
    )


def xray(given: Conditioning, codec: Codec, residual: float | None) -> XRay:
    """The conditioning as an inspector sees it; `residual` None stands for a coming segment."""
    view = given.view
    ids, born, frame = given.origins.cpu().numpy()
    source_frames, source_shares = sources(born[1:], frame[1:])
    filled = fill_holes(view.latents, view.mask)
    references = [(k.segment, k.frame) for k in given.references]
    return XRay(
        segment=given.segment,
        coming=residual is None,
        cameras=tuple(given.cameras),
        latents=view.latents.half().cpu().numpy(),
        mask=view.mask.cpu().numpy(),
        depth_m=view.depth_m.cpu().numpy(),
        point_ids=ids,
        # Decoded alone, each latent frame but the first gives several pictures.
        decoded=codec.decode(filled).frames[:: codec.spec.temporal_stride],
        first=(given.first.segment, given.first.frame),
        source_frames=source_frames,
        source_shares=source_shares,
        references=np.array(references, np.int32).reshape(-1, 2),
        reference_shares=given.worth,
        residual=math.nan if residual is None else residual,
        gone_first=given.gone.cpu().numpy(),
    )
