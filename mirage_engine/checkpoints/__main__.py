"""`python -m mirage_engine.checkpoints --check FILES...`: will these weights work together?

Reads headers alone. Exit code 0: yes. 2: no, with one line that says why.
"""

from __future__ import annotations

import argparse
import sys

from mirage_engine.checkpoints.check import report
from mirage_engine.config import ConfigError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m mirage_engine.checkpoints")
    parser.add_argument(
        "--check",
        nargs="+",
        required=True,
        metavar="FILE",
        help="safetensors files, diffusers folders or models in the hub's cache, in any order: "
        "one backbone, at most one side branch, any LoRAs",
    )
    try:
        for line in report(parser.parse_args(arguments).check):
            print(line)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
