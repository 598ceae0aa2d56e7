"""The scoreboard as files, read back by the standard library."""

import csv
import json

import numpy as np
import pytest

from explorer.revisit_files import write_revisits
from explorer.revisits import Revisit, Step
from mirage_engine import Camera, ConfigError, pinhole, pose

SIZE = (160, 256)
PLACE = Camera(pose([1, -0.5, 2], 30, -10), pinhole(SIZE, 77.0), SIZE)
PICTURE = np.zeros((80, 128, 3), np.uint8)
BLANK = Revisit(1, 12.25, 8.5, 3.5, 0.1, 4.0, PLACE, PICTURE, (0, 0))
ALIKE = Revisit(
    2, 40.0, 20.0, 9.0, 0.2, 1.0, PLACE, PICTURE, (0, 0), (7, 3), 30_000, 0.73, 31.5, 0.94
)
WAY = [Step(0.0, PLACE), Step(0.5, PLACE.moved(pose([1, -0.5, 2.1], 30)))]


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_json_and_tables_say_the_same(tmp_path):
    write_revisits(tmp_path / "r.json", [BLANK, ALIKE], WAY, {"seed": 7})
    content = json.loads((tmp_path / "r.json").read_text())
    assert (content["seed"], content["returns"], content["measured"]) == (7, 2, 1)
    assert (content["psnr_db"], content["ssim"]) == (31.5, 0.94)
    blank, alike = content["revisits"]
    assert blank["psnr_db"] is None and blank["now_segment"] is None
    assert (alike["x_m"], alike["y_m"], alike["z_m"]) == (1.0, -0.5, 2.0)
    assert (alike["yaw_deg"], alike["pitch_deg"]) == (30.0, -10.0)
    assert (alike["then_segment"], alike["now_segment"], alike["now_frame"]) == (0, 7, 3)
    assert (alike["t_s"], alike["seen_ago_s"], alike["walked_m"]) == (40.0, 20.0, 9.0)
    for name, rows in (("r.csv", content["revisits"]), ("r-path.csv", content["path"])):
        plain = [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows]
        assert table(tmp_path / name) == plain
    assert [row["z_m"] for row in content["path"]] == [2.0, 2.1]


def test_a_walk_without_returns_is_a_file_too(tmp_path):
    write_revisits(tmp_path / "r.json", [], WAY, {})
    assert json.loads((tmp_path / "r.json").read_text())["psnr_db"] is None
    assert table(tmp_path / "r.csv") == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ConfigError, match="out"):
        write_revisits(tmp_path / "out" / "r.json", [ALIKE], WAY, {})
