"""`python -m tests.benchmarks [NAME...]`: runs bench_*.py, prints a table, then one line of JSON.

A benchmark is a module with `run() -> dict`, whose values are numbers, short texts or further
dicts of them, and whose keys carry the unit (`read_ms`, `frames_per_second`). One that cannot run
here says so in the table and turns the exit code to 1, and the others go on.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
OUT = ROOT / "out" / "bench.json"


def main(names: list[str]) -> int:
    """Returns the exit code: 1 when a benchmark failed, 2 for an unknown name."""
    known = sorted(p.stem.removeprefix("bench_") for p in Path(__file__).parent.glob("bench_*.py"))
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.stderr.write(f"no benchmark named '{unknown[0]}'; known: {', '.join(known)}\n")
        return 2
    results: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name in names or known:
        sys.stderr.write(f"{name} ...\n")
        started_s = time.perf_counter()
        try:
            module = importlib.import_module(f"tests.benchmarks.bench_{name}")
            results[name] = module.run()
        except Exception as error:
            traceback.print_exc()
            errors[name] = f"{type(error).__name__}: {error}".splitlines()[0]
        sys.stderr.write(f"{name} took {time.perf_counter() - started_s:.1f} s\n")
    print(table(results, errors))
    record = {"commit": commit(), "device": device(), "results": results, "errors": errors}
    OUT.parent.mkdir(exist_ok=True)
    part = OUT.with_suffix(".part")
    part.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    part.replace(OUT)
    print(json.dumps(record))
    return 1 if errors else 0


def table(results: dict[str, Any], errors: dict[str, str]) -> str:
    """One line per figure, in columns."""
    rows = [
        (f"{name}.{key}", shown(value)) for name, r in results.items() for key, value in flat(r)
    ]
    rows += [(name, f"FAILED: {line}") for name, line in errors.items()]
    width = max((len(key) for key, _ in rows), default=0)
    return "\n".join(f"{key:<{width}}  {value:>14}" for key, value in rows)


def flat(values: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Nested dicts as dotted keys."""
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, dict):
            found += flat(value, f"{before}{key}.")
        else:
            found.append((f"{before}{key}", value))
    return found


def shown(value: Any) -> str:
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1e4 else str(value)


def commit() -> str:
    """The commit, marked with + when files differ from it."""
    run = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return run.stdout.strip() or "unknown"


def device() -> dict[str, Any]:
    """What it ran on, in words and numbers."""
    import torch

    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "cuda": cuda,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": platform.system(),
    }


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
