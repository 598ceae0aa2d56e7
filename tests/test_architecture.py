"""Who may import whom. The rules are the tables; the tests read the imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mirage_engine

ROOT = Path(__file__).parents[1]
FILES = [p for top in ("mirage_engine", "explorer") for p in sorted((ROOT / top).rglob("*.py"))]

# A module may import modules from rows above its own, and from its own package.
LAYERS = [
    {"camera", "files", "geometry", "config", "holes"},
    {"segment", "inspection", "seal"},
    {"parts", "checkpoints", "pretrained", "world_record"},
    {"presence"},
    {
        "memory",
        "codecs",
        "generator",
        "depth",
        "static_filter",
        "planner",
        "rooms",
        "tour",
    },
    {"world_file", "stages"},
    {"lookback"},
    {"conditioning"},
    {"inspector"},
    {"world"},
    {"loading"},
    {"training", "evaluation"},
]
LAYER = {name: row for row, names in enumerate(LAYERS) for name in names}
# (importer, imported) that the rows alone would not allow.
EXCEPTIONS = {("geometry", "camera")}

# Who may use which library. Anything else is free.
OWNERS = {
    "torch": ("mirage_engine/",),
    "explorer": ("explorer/",),
    "diffusers": ("mirage_engine/codecs/", "mirage_engine/generator/"),
    "peft": ("mirage_engine/generator/lora.py",),
    "pygame": ("explorer/window.py", "explorer/bindings.py", "explorer/render/"),
    "moderngl": ("explorer/window.py", "explorer/render/"),
    "imgui_bundle": ("explorer/window.py", "explorer/render/"),
    "OpenGL": ("explorer/window.py", "explorer/render/"),
    "tests": (),
    "pickle": (),
}
LENGTH = 350  # lines, the most that a file may have


def imports(path: Path) -> list[tuple[str, str]]:
    """(module, name) of every import, wherever it stands."""
    found: list[tuple[str, str]] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            found += [(node.module or "", alias.name) for alias in node.names]
    return found


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_libraries_stay_where_they_belong(path):
    here = shown(path)
    for module, _ in imports(path):
        owners = OWNERS.get(module.partition(".")[0])
        if owners is not None:
            assert here.startswith(owners or ("nowhere",)), f"{here} may not import {module}"


@pytest.mark.parametrize("path", [p for p in FILES if "explorer" in p.parts], ids=shown)
def test_the_explorer_takes_public_names_only(path):
    for module, name in imports(path):
        top, _, rest = module.partition(".")
        if top == "mirage_engine":
            assert not rest, f"{shown(path)}: import from mirage_engine itself, not {module}"
            assert not name or name in mirage_engine.__all__, f"{shown(path)}: {name} is private"


@pytest.mark.parametrize("path", [p for p in FILES if "mirage_engine" in p.parts], ids=shown)
def test_engine_modules_import_downwards(path):
    mine = shown(path).split("/")[1].removesuffix(".py")
    if mine == "__init__":
        return
    assert mine in LAYER, f"{shown(path)}: give {mine} a row in LAYERS"
    for module, name in imports(path):
        top, _, rest = module.partition(".")
        if top != "mirage_engine":
            continue
        theirs = rest.split(".")[0] if rest else name
        if theirs == mine or (mine, theirs) in EXCEPTIONS:
            continue
        assert theirs in LAYER, f"{shown(path)}: {module} {name} is not a module of the engine"
        assert LAYER[theirs] < LAYER[mine], f"{shown(path)}: {theirs} is not below {mine}"


@pytest.mark.parametrize("path", [ROOT / "run_explorer.py", *FILES], ids=shown)
def test_files_are_short(path):
    lines = path.read_text("utf-8").count("\n")
    assert lines <= (60 if path.name == "run_explorer.py" else LENGTH)


def test_public_names_exist():
    for name in mirage_engine.__all__:
        assert getattr(mirage_engine, name) is not None


def test_the_door_opens_without_torch_or_a_window():
    """A window must be able to show before the heavy libraries are loaded."""
    code = "import sys, explorer.cli; print(*{'torch', 'pygame', 'diffusers'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stdout.strip()) == (0, ""), run.stderr


def test_no_names_of_this_machine_in_what_ships():
    own = Path(__file__).name
    for path in [*ROOT.glob("*.*"), *FILES, *(ROOT / "configs").rglob("*.toml")]:
        if path.is_file() and path.suffix in (".py", ".md", ".toml") and path.name != own:
            text = path.read_text("utf-8")
            assert not any(word in text for word in ("/home/", "/Users/", "/tmp/")), shown(path)
