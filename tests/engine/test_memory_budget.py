"""Memory's limits: kept by every write, and what goes first is what a plain sort says."""

import numpy as np
import pytest
import torch

from mirage_engine.config import MemoryConfig
from mirage_engine.inspection import Edit
from mirage_engine.memory import LatentMemory
from tests.engine.memory_scenes import camera_at, everywhere, latents_like, room_depth

MIB = 2**20
SKY_M = 10.0  # a sky point is as coarse as a surface that far away
ROW_BYTES = 4 * 4 + 11 * 2 + 4 + 4 + 1 + 4 + 4 + 1 + 6 * 2  # a living point of 11 channels


def remember(memory, cameras, segment=0, roof=False):
    depth = torch.stack([room_depth(c, True, roof) for c in cameras])
    latents = latents_like(len(cameras), 11, segment)
    return memory.write(latents, depth, cameras, everywhere(depth), segment)


def walked(memory):
    """Several distances, some places seen more often, sky above; some points replaced."""
    walk = [(-2.0, 0), (-1.9, 3), (-1.9, 3), (0.0, 0), (1.0, 100), (1.2, 10), (1.2, 103)]
    for segment, (z, yaw_deg) in enumerate(walk):
        remember(memory, [camera_at((0, 0, z), yaw_deg, 15.0)], segment)
    return memory


def least_worth(cloud, locked=()):
    """Ids that may go, the first to go first."""
    metres = np.where(cloud["points_world"][:, 3] == 0, np.float32(SKY_M), np.float32(1))
    coarse = cloud["footprints_m"] * metres
    order = sorted(zip(cloud["seen"], -coarse, cloud["ids"], strict=True))
    return [i for _, _, i in order if i not in set(locked)]


def test_a_budget_forgets_in_the_order_of_its_policy():
    memory = walked(LatentMemory(11))
    cloud = memory.cloud()
    assert len(set(cloud["seen"])) > 2 and {0, 1} <= set(cloud["points_world"][:, 3])
    locked = np.array(least_worth(cloud)[10:40], np.int32)
    memory.edit(Edit("lock", locked), 1)
    order, living = least_worth(cloud, locked), len(cloud["ids"]) * ROW_BYTES
    assert memory.nbytes > living  # some are kept for undo
    # As much as all the living need: only what is kept for undo goes.
    assert memory.edit(Edit("budget", budget_mib=living / MIB), 2).size == 0
    assert memory.nbytes == living
    for number, forgotten in ((3, 100), (4, 700)):
        size = (living - (forgotten - 0.5) * ROW_BYTES) / MIB
        gone = memory.edit(Edit("budget", budget_mib=size), number)
        assert np.array_equal(memory.removed, gone)
        assert set(cloud["ids"]) - set(memory.cloud()["ids"]) == set(order[:forgotten])
        assert memory.nbytes <= size * MIB < memory.nbytes + ROW_BYTES


def test_points_kept_for_undo_go_oldest_first():
    memory = walked(LatentMemory(11))
    died = memory._replaced["died"].numpy()
    assert len(set(died)) > 1 and (np.diff(died) >= 0).all()
    keep, row = len(died) // 3, ROW_BYTES + 4
    size = len(memory) * ROW_BYTES + keep * row
    memory.edit(Edit("budget", budget_mib=size / MIB), 1)
    assert np.array_equal(memory._replaced["died"].numpy(), died[-keep:])
    assert len(memory.cloud()["ids"]) * ROW_BYTES + keep * row == memory.nbytes


def test_deleted_points_go_before_living_ones_and_do_not_come_back_then():
    memory = LatentMemory(11)
    remember(memory, [camera_at()])
    ids = memory.cloud()["ids"]
    memory.edit(Edit("delete", ids[:500]), 1)
    memory.edit(Edit("budget", budget_mib=(len(ids) - 500) * ROW_BYTES / MIB), 2)
    memory.revert(2)
    memory.revert(1)
    assert np.array_equal(memory.cloud()["ids"], ids[500:])


@pytest.mark.parametrize("mode", ["adaptive", "paper"])
def test_no_write_makes_memory_exceed_its_budget(mode):
    memory = LatentMemory(11, MemoryConfig(mode=mode, budget_mib=0.15))
    for segment in range(8):
        before = memory.cloud()["ids"]
        remember(memory, [camera_at((0, 0, 0.2 * segment), 45 * segment)], segment)
        assert 0 < memory.nbytes <= 0.15 * MIB
        assert np.array_equal(memory.removed, np.setdiff1d(before, memory.cloud()["ids"]))
    assert memory.nbytes > 0.14 * MIB


def test_only_a_memory_that_is_all_locked_exceeds_its_budget():
    memory = LatentMemory(11)
    remember(memory, [camera_at()])
    ids = memory.cloud()["ids"]
    memory.edit(Edit("lock", ids), 1)
    memory.edit(Edit("budget", budget_mib=0.01), 2)
    assert np.array_equal(memory.cloud()["ids"], ids)
    remember(memory, [camera_at(yaw_deg=180)], 1)
    assert np.array_equal(memory.cloud()["ids"], ids)


def test_the_number_of_points_is_limited_by_the_same_policy():
    free, limited = LatentMemory(11), LatentMemory(11, MemoryConfig(max_points=3000))
    for segment, camera in enumerate((camera_at(), camera_at(yaw_deg=180))):
        for memory in (free, limited):
            remember(memory, [camera], segment)
    cloud = free.cloud()
    gone = least_worth(cloud)[: len(free) - 3000]
    assert np.array_equal(limited.cloud()["ids"], np.setdiff1d(cloud["ids"], gone))


def test_undo_gives_the_former_budget_back_but_not_what_it_forgot():
    memory = walked(LatentMemory(11, MemoryConfig(budget_mib=5.0)))
    memory.edit(Edit("budget", budget_mib=0.1), 1)
    left = memory.cloud()["ids"]
    assert memory.edit(Edit("budget", budget_mib=0.1), 2).size == 0 and memory.edits == (1,)
    memory.revert(1)
    assert memory.budget_mib == 5.0
    assert np.array_equal(memory.cloud()["ids"], left)
