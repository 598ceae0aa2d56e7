"""The numbers behind the colours, and the colour maps."""

from __future__ import annotations

import math

import matplotlib
import numpy as np
import pytest

from explorer.memory_table import MemoryTable
from explorer.render.colormaps import COLORMAPS, colormap_rgb
from explorer.render.look import (
    BIRTH,
    DEPTH,
    FOOTPRINT,
    MODE_FACTS,
    MODES,
    SEEN,
    Look,
    mode_values,
)
from tests.gl import analytic
from tests.gl.tables import add


@pytest.mark.parametrize("name", COLORMAPS)
def test_colour_maps_are_those_of_matplotlib(name):
    theirs = matplotlib.colormaps[name]
    theirs = theirs(np.round(np.linspace(0, theirs.N - 1, 256)).astype(int))[:, :3]
    assert np.abs(colormap_rgb(name) / 255 - theirs).max() <= 0.5 / 255 + 1e-6


def test_every_mode_with_values_has_a_map_a_unit_and_a_range():
    for facts in MODE_FACTS:
        assert bool(facts.colormap) == bool(facts.unit)
        assert not facts.colormap or facts.colormap in COLORMAPS
        assert facts.high > facts.low
        assert facts.low > 0 or not facts.log
    assert len(MODES) == 6


def test_values_are_what_the_points_say():
    table, walker = MemoryTable(), analytic.camera(x=1, y=-0.5, z=2, yaw_deg=70, pitch_deg=20)
    add(table, [3, 1, -2, 1], footprint=0.2, born=4, seen=7)
    add(table, [0.6, 0, 0.8, 0], footprint=0.03, born=5, seen=9)
    assert mode_values(table, BIRTH, walker).tolist() == [4, 5]
    assert mode_values(table, SEEN, walker).tolist() == [7, 9]
    far = math.dist((3, 1, -2), (1, -0.5, 2))
    assert mode_values(table, DEPTH, walker).tolist() == [pytest.approx(far), math.inf]
    assert mode_values(table, DEPTH, walker, height=True).tolist() == [-1, math.inf]
    assert mode_values(table, FOOTPRINT, walker).tolist() == [pytest.approx(0.2), math.inf]


def test_a_look_takes_the_range_of_its_mode_until_it_has_one():
    assert Look(BIRTH).range(newest=12) == (0, 12)
    assert Look(BIRTH, low=3, high=5).range(newest=12) == (3, 5)
    assert Look(DEPTH).range(0) != Look(DEPTH, height=True).range(0)
