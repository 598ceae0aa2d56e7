"""Paper mode against data made with the official code, wherever that data is decided.

The official code unprojects at whole numbers and rounds; half a latent cell added to the
principal point brings it to our convention.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from mirage_engine.camera import Camera
from mirage_engine.config import MemoryConfig
from mirage_engine.geometry import project, voxel_keys
from mirage_engine.memory import LatentMemory

ROOT = Path(__file__).parents[2]
GOLDEN = Path(os.environ.get("MIRAGE_GOLDEN", ROOT / "../shared/golden"))

pytestmark = [
    pytest.mark.golden,
    pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"no golden data in {GOLDEN}"),
]

GEOMETRIES = ["geom_small", "geom_small_mask_holes", "geom_oddscale", "geom_big_mask"]


def ours(c2w, intrinsics, size, cells) -> Camera:
    """Their camera in our convention; `size` is the grid of `intrinsics`, `cells` the latent's."""
    rotation, _, right = np.linalg.svd(c2w[:3, :3].astype(np.float64))
    pose = c2w.astype(np.float64)
    pose[:3, :3] = rotation @ right
    shifted = intrinsics.astype(np.float64)
    shifted[0, 2] += size[1] / cells[1] / 2
    shifted[1, 2] += size[0] / cells[0] / 2
    return Camera(pose, shifted, size)


def write(memory, latent, depth, intrinsics, c2w, mask, segment):
    latent, depth = torch.from_numpy(latent).float(), torch.from_numpy(depth)
    camera = ours(c2w, intrinsics, tuple(depth.shape), tuple(latent.shape[1:]))
    return memory.write(latent[None], depth[None], [camera], ~torch.from_numpy(mask)[None], segment)


def targets(data, cells):
    return [
        ours(c2w, k, cells, cells)
        for c2w, k in zip(data["target_cam2world"], data["target_intrinsics"], strict=True)
    ]


def check_reads(memory, data, valid):
    """`valid`: which of their points are usable; their row numbers skip none."""
    cells = data["warped_mask"].shape[1:]
    view = memory.read(targets(data, cells), cells)
    decided = data["decided"]
    assert decided.mean() > 0.5
    assert np.array_equal(view.mask.numpy()[decided], data["warped_mask"][decided])
    latents = view.latents.movedim(1, -1).numpy()[decided]
    wanted = np.moveaxis(data["warped_latent"], 1, -1)[decided].astype(np.float32)
    assert np.array_equal(latents, wanted)
    hit = decided & data["warped_mask"]
    our_row = np.cumsum(valid) - 1
    same = view.source.numpy()[hit] == our_row[data["winner"][hit]]
    # Two points at one place with one feature may stand for each other.
    assert same.mean() > 0.99


@pytest.mark.parametrize("name", GEOMETRIES)
def test_a_first_frame_is_lifted_and_read_as_the_official_code_does(name):
    data = np.load(GOLDEN / f"{name}.npz")
    mask = data["mask"] if "mask" in data else np.zeros(data["depth"].shape, bool)
    memory = LatentMemory(48, MemoryConfig(mode="paper"))
    write(
        memory, data["latent"][:, 0], data["depth"], data["intrinsics"], data["cam2world"], mask, 0
    )
    valid = data["valid_mask"]
    assert len(memory) == valid.sum()
    cloud = memory.cloud()
    wanted = data["points_world"][valid]
    assert np.allclose(cloud["points_world"][:, :3], wanted, rtol=2e-5, atol=1e-4)
    features = data["latent"][:, 0].reshape(48, -1).T[valid]
    assert np.array_equal(cloud["latents"], features.astype(np.float32))
    check_reads(memory, data, valid)


@pytest.fixture(scope="module")
def updated():
    data = np.load(GOLDEN / "update.npz")
    memory = LatentMemory(48, MemoryConfig(mode="paper"))
    nothing = np.zeros(data["init_depth"].shape, bool)
    write(
        memory,
        data["init_latent"][:, 0],
        data["init_depth"],
        data["init_intrinsics"],
        data["init_cam2world"],
        nothing,
        0,
    )
    names = ("depths", "intrinsics", "cam2worlds", "masks")
    for i, (depth, k, c2w, mask) in enumerate(zip(*(data[n] for n in names), strict=True)):
        write(memory, data["latents"][i], depth, k, c2w, mask, i + 1)
    return data, memory


def test_later_frames_are_appended_as_the_official_code_does(updated):
    data, memory = updated
    valid, cloud = data["valid_mask"], memory.cloud()
    assert len(memory) == valid.sum()
    wanted = data["points_world"][valid]
    assert np.allclose(cloud["points_world"][:, :3], wanted, rtol=2e-5, atol=1e-4)
    assert np.array_equal(cloud["latents"], data["features"][valid].astype(np.float32))
    check_reads(memory, data, valid)


def test_frustum_sets_and_their_voxel_overlap_agree_with_the_official_code(updated):
    data, memory = updated
    points = torch.from_numpy(memory.cloud()["points_world"])
    cells = data["warped_mask"].shape[1:]
    seen = []
    for i, (c2w, k) in enumerate(
        zip(data["target_cam2world"], data["target_intrinsics"], strict=True)
    ):
        # Their frustum test has no rounding, so nothing is shifted here.
        camera = Camera(ours(c2w, k, cells, cells).c2w, k, cells)
        matrix = torch.from_numpy(camera.intrinsics @ camera.w2c[:3]).float()[None]
        hits = project(points, matrix, cells)
        assert abs(len(hits.point) - data["n_visible"][i]) <= 3
        seen.append(set(voxel_keys(points[hits.point], 0.1).tolist()))
    overlap = [[len(a & b) / max(len(a | b), 1) for b in seen] for a in seen]
    assert np.allclose(overlap, data["iou_voxel_0p1"], atol=0.01)


def test_intrinsics_are_scaled_as_in_the_official_code():
    for case in json.loads((GOLDEN / "plans.json").read_text("utf-8"))["scale_intrinsics"]:
        source, target = tuple(case["source_hw"]), tuple(case["target_hw"])
        resized = Camera(np.eye(4), np.array(case["K"]), source).resized(target)
        assert np.allclose(resized.intrinsics, case["out"], atol=1e-4)
