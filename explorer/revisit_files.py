"""The scoreboard of returns and the way walked, as files: JSON with everything, and two tables.

    NAME.json  NAME.csv  NAME-path.csv

What was not measured is null, or an empty cell. Knows nothing of how returns are found.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from explorer.recorder import replacing
from explorer.revisits import Revisit, Step
from mirage_engine import Camera, yaw_pitch_deg

AXES = "metres; x right, y down, z ahead of the start; yaw turns right, pitch looks up"

Row = dict[str, Any]


def write_revisits(
    path: str | Path,  # of the JSON file; the tables go beside it
    revisits: Sequence[Revisit],
    steps: Sequence[Step],
    facts: Mapping[str, object],  # of the world
) -> None:
    """Raises ConfigError: the files cannot be written there."""
    path = Path(path)
    rows, way = [revisit_row(r) for r in revisits], [_step_row(s) for s in steps]
    measured = [r for r in revisits if r.measured]
    content = {
        **facts,
        "axes": AXES,
        "returns": len(revisits),
        "measured": len(measured),
        "psnr_db": _mean([r.psnr_db for r in measured]),
        "ssim": _mean([r.ssim for r in measured]),
        "revisits": rows,
        "path": way,
    }
    _write_table(path.with_suffix(".csv"), rows)
    _write_table(path.with_name(f"{path.stem}-path.csv"), way)
    with replacing(path) as part:
        part.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf-8")


def revisit_row(revisit: Revisit) -> Row:
    """One line of the scoreboard."""
    now = revisit.now or (None, None)
    return {
        "number": revisit.number,
        "t_s": round(revisit.at_s, 3),
        "seen_ago_s": round(revisit.ago_s, 3),
        "walked_m": round(revisit.walked_m, 3),
        **_pose_row(revisit.place),
        "off_m": round(revisit.metres, 4),
        "off_deg": round(revisit.degrees, 3),
        "then_segment": revisit.then[0],
        "then_frame": revisit.then[1],
        "now_segment": now[0],
        "now_frame": now[1],
        "pixels": revisit.pixels,
        "share": round(revisit.share, 4),
        "psnr_db": _figure(revisit.psnr_db),
        "ssim": _figure(revisit.ssim),
    }


def _step_row(step: Step) -> Row:
    return {"t_s": round(step.at_s, 3), **_pose_row(step.camera)}


def _pose_row(camera: Camera) -> Row:
    x, y, z = (round(float(v), 4) for v in camera.position)
    yaw_deg, pitch_deg = (round(v, 3) for v in yaw_pitch_deg(camera))
    return {"x_m": x, "y_m": y, "z_m": z, "yaw_deg": yaw_deg, "pitch_deg": pitch_deg}


def _write_table(path: Path, rows: Sequence[Row]) -> None:
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def _mean(values: Sequence[float]) -> float | None:
    return _figure(float(np.mean(values))) if values else None


def _figure(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
