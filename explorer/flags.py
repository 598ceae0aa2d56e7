"""The values that flags take: text of a command line in, checked values out.

Each raises argparse.ArgumentTypeError, whose words follow the name of the flag.
"""

from __future__ import annotations

import argparse
import re

from explorer import pictures

MEMORIES = ("latent", "rgb", "none", "copy")
MIN_WINDOW, MAX_WINDOW = 160, 16_384  # px


def text(value: str) -> str:
    if not value.strip():
        raise argparse.ArgumentTypeError("is empty; describe a place")
    return value


def count(value: str) -> int:
    if not re.fullmatch(r"\d{1,18}", value):
        raise argparse.ArgumentTypeError(f"must be a whole number from 0, got '{value}'")
    return int(value)


def memories(value: str) -> tuple[str, ...]:
    kinds = tuple(value.split(","))
    if len(set(kinds)) < max(2, len(kinds)) or not set(kinds) <= set(MEMORIES):
        raise argparse.ArgumentTypeError(
            f"must be two or more of {', '.join(MEMORIES)}, as latent,none; got '{value}'"
        )
    return kinds


def degrees(value: str) -> float:
    lowest, highest = pictures.FOV_DEG
    try:
        degrees = float(value)
    except ValueError:
        degrees = 0.0
    if not lowest <= degrees <= highest:
        raise argparse.ArgumentTypeError(
            f"must be {lowest:.0f} to {highest:.0f} degrees, got '{value}'"
        )
    return degrees


def size(value: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", value)
    width, height = map(int, found.groups()) if found else (0, 0)
    if not (MIN_WINDOW <= width <= MAX_WINDOW and MIN_WINDOW <= height <= MAX_WINDOW):
        raise argparse.ArgumentTypeError(
            f"must be WIDTHxHEIGHT, {MIN_WINDOW} to {MAX_WINDOW} each, as 960x600; got '{value}'"
        )
    return width, height


def device(value: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,2})?", value):
        raise argparse.ArgumentTypeError(f"must be auto, cpu, cuda or cuda:N, got '{value}'")
    return value
