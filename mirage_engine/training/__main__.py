"""`python -m mirage_engine.training RECIPE.toml [--minutes M]`: runs one stage of a recipe."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

# Before torch is imported: threads that wait awake stall one another on a machine in use.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from mirage_engine.config import ConfigError, load_config, read_toml
from mirage_engine.training.codec import train_codec
from mirage_engine.training.generator import train_generator
from mirage_engine.training.settings import CodecRecipe, GeneratorRecipe


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m mirage_engine.training")
    parser.add_argument("recipe", help="configs/train_pocket_codec.toml or ..._generator.toml")
    parser.add_argument("--minutes", type=float, help="instead of the recipe's own")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        stage = read_toml(Path(args.recipe)).get("stage")
        if stage == "codec":
            codec = load_config(args.recipe, CodecRecipe)
            train_codec(codec, codec.minutes if args.minutes is None else args.minutes)
        elif stage == "generator":
            recipe = load_config(args.recipe, GeneratorRecipe)
            train_generator(recipe, recipe.minutes if args.minutes is None else args.minutes)
        else:
            raise ConfigError(f"{args.recipe}: stage must be 'codec' or 'generator', got {stage!r}")
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
