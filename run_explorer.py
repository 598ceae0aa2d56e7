"""Walk through a generated world: `python run_explorer.py --help` lists the flags."""

import sys

try:
    from explorer.cli import main
except ModuleNotFoundError as error:  # started with another Python than that of `make setup`
    if (error.name or "").startswith(("explorer", "mirage_engine")):
        raise
    sys.exit(f"{error.name} is missing: type `make setup`, then .venv/bin/python run_explorer.py")

# The engine is a spawned process, which imports this file again: only the first one may start.
if __name__ == "__main__":
    raise SystemExit(main())
