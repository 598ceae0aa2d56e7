"""Walk through a generated world: `python run_explorer.py --help` lists the flags."""

from explorer.cli import main

# The engine is a spawned process, which imports this file again: only the first one may start.
if __name__ == "__main__":
    raise SystemExit(main())
