"""`python -m mirage_engine.evaluation`: tours over test scenes and memories, as a table."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

# Before torch is imported: threads that wait awake stall one another on a machine in use.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import numpy as np
from PIL import Image
from tqdm import tqdm

from mirage_engine.config import ConfigError, load_config
from mirage_engine.evaluation.compare import Row, compare, strip, table
from mirage_engine.files import replacing
from mirage_engine.segment import Segment

FIRST_TEST_SCENE = 950_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m mirage_engine.evaluation")
    parser.add_argument("--config", default="pocket", help="preset or FILE.toml")
    parser.add_argument("--tours", default="there-and-back", help="names, with commas")
    parser.add_argument("--memories", default="latent,copy,none", help="kinds, with commas")
    parser.add_argument("--scenes", type=int, default=10, help="how many test scenes")
    parser.add_argument("--first", type=int, default=FIRST_TEST_SCENE, help="the first of them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, help="also write every walk here")
    parser.add_argument(
        "--sheet", type=Path, help="also write a PNG: each scene of the first tour and memory"
    )
    args = parser.parse_args()
    strips: list[np.ndarray] = []
    tours, memories = args.tours.split(","), args.memories.split(",")
    try:
        preset = load_config(args.config)
        unknown = set(memories) - {"latent", "copy", "none"}
        if unknown:
            raise ConfigError(f"--memories: no such memory: {', '.join(sorted(unknown))}")
        scenes = range(args.first, args.first + args.scenes)
        with tqdm(total=len(tours) * len(memories) * args.scenes, unit="walk") as bar:

            def tell(row: Row, segments: list[Segment]) -> None:
                if (row.tour, row.memory) == (tours[0], memories[0]):
                    strips.append(strip(segments))
                bar.update()

            rows = compare(preset, tours, memories, scenes, args.seed, args.device, tell)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table(rows))
    if args.json is not None:
        with replacing(args.json) as part:
            part.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    if args.sheet is not None:
        with replacing(args.sheet) as part:
            Image.fromarray(np.concatenate(strips)).save(part, "PNG")
    return 0


if __name__ == "__main__":
    sys.exit(main())
