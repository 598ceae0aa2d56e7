"""Every mistake a user can make at the door: one clear line, exit code 2, nothing half-written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explorer.cli import Options, has_display, main, parse

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def no_display(monkeypatch, tmp_path):
    """No mistake may get as far as a window; files are named from an empty folder."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def refused(capsys, *argv: object) -> str:
    """Runs the command line, which must refuse with one line; returns it."""
    before = sorted(Path.cwd().rglob("*"))
    code = main([str(word) for word in argv])
    said = capsys.readouterr()
    assert code == 2
    assert said.out == ""
    assert said.err.endswith("\n") and said.err.count("\n") == 1, said.err
    assert "Traceback" not in said.err
    assert sorted(Path.cwd().rglob("*")) == before, "something was left behind"
    return said.err


def picture(path: Path, width: int, height: int) -> Path:
    values = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(values).save(path)
    return path


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--config", "pokcet"], ["no preset named 'pokcet'", "pocket"]),
        (["--config", "missing.toml"], ["missing.toml", "no such file"]),
        (["--tour", "there-and-bakc"], ["no tour named 'there-and-bakc'", "there-and-back"]),
        (["--tour", "missing.toml"], ["missing.toml", "no such file"]),
        (["--path", "missing.txt"], ["missing.txt"]),
        (["--image", "missing.png"], ["--image missing.png", "no such file"]),
        (["--load", "missing.mirage"], ["--load missing.mirage", "no such file"]),
        (["--scene", "-1"], ["--scene", "whole number", "-1"]),
        (["--scene", "two"], ["--scene", "whole number", "two"]),
        (["--seed", "1.5"], ["--seed", "whole number", "1.5"]),
        (["--prompt", " "], ["--prompt", "empty"]),
        (["--memory", "lots"], ["--memory", "lots", "latent"]),
        (["--size", "960"], ["--size", "960x600"]),
        (["--size", "0x600"], ["--size", "0x600"]),
        (["--device", "gpu"], ["--device", "gpu", "cuda"]),
        (["--record", "walk.avi"], ["--record walk.avi", ".mp4"]),
        (["--headless", "--cameras", "walk.csv"], ["walk.csv", "w2c.txt", "transforms.json"]),
        (["--cameras", "walk.txt"], ["--cameras walk.txt", "--headless"]),
        (["--compare", "latent,none"], ["--compare", "--headless"]),
        (["--headless", "--compare", "latent"], ["--compare", "two or more", "'latent'"]),
        (["--headless", "--compare", "none,none"], ["--compare", "two or more", "none,none"]),
        (["--headless", "--compare", "latent,lots"], ["--compare", "copy", "latent,lots"]),
        (["--headless", "--compare", "latent,"], ["--compare", "two or more", "'latent,'"]),
        (
            ["--headless", "--compare", "latent,none", "--memory", "copy"],
            ["--memory", "--compare"],
        ),
        (["--headless", "--compare", "latent,none", "--load", "w"], ["--load", "--compare"]),
        (["--headless", "--compare", "latent,none", "--record", "a.mp4"], ["--record", "--out"]),
        (["--fov", "60"], ["--fov", "--image"]),
        (["--scene", "1", "--fit", "crop"], ["--fit", "--image"]),
        (["--image", "a.png", "--fov", "wide"], ["--fov", "5 to 160", "wide"]),
        (["--image", "a.png", "--fov", "180"], ["--fov", "5 to 160", "180"]),
        (["--image", "a.png", "--fit", "stretch"], ["--fit", "stretch", "letterbox"]),
        (["--scene", "1", "--image", "a.png"], ["--image", "not allowed with", "--scene"]),
        (["--tour", "square", "--path", "a.txt"], ["--tour", "--path"]),
        (["--load", "w.mirage", "--memory", "none"], ["--memory", "--load"]),
        (["--scnee", "1"], ["--scnee", "--help"]),
        (["photo.png"], ["photo.png", "--help"]),
    ],
    ids=lambda value: " ".join(value) if value[0].startswith("--") else "",
)
def test_a_wrong_flag_is_named_with_what_would_do(capsys, argv, words):
    line = refused(capsys, *argv)
    for word in words:
        assert word in line


def test_a_text_file_is_no_picture(capsys):
    Path("notes.png").write_text("not a picture")
    assert "not a picture" in refused(capsys, "--image", "notes.png")


def test_a_damaged_picture_is_refused(capsys):
    whole = picture(Path("whole.jpg"), 640, 400).read_bytes()
    Path("half.jpg").write_bytes(whole[: len(whole) // 2])
    assert "half.jpg" in refused(capsys, "--image", "half.jpg")


def test_a_tiny_picture_is_refused_with_its_size(capsys):
    assert "31x200" in refused(capsys, "--image", picture(Path("tiny.png"), 31, 200))


@pytest.mark.parametrize("size", [(11_000, 10_000), (20_000, 20_000)], ids=["110 MP", "400 MP"])
def test_a_huge_picture_is_refused_before_it_is_decoded(capsys, size):
    Image.new("1", size).save("huge.png")
    assert "megapixels" in refused(capsys, "--image", "huge.png")


def test_a_folder_is_no_picture(capsys, tmp_path):
    assert "--image" in refused(capsys, "--image", tmp_path)


def test_an_unknown_key_in_a_preset_is_named_with_its_neighbour(capsys):
    Path("mine.toml").write_text('name = "mine"\n[memory]\nmax_pionts = 5\n')
    line = refused(capsys, "--config", "mine.toml")
    assert "max_pionts" in line and "max_points" in line and "mine.toml" in line


def test_a_preset_that_is_not_toml_is_refused(capsys):
    Path("mine.toml").write_text("name = \n")
    assert "not valid TOML" in refused(capsys, "--config", "mine.toml")


@pytest.mark.parametrize("value", ["'4'", "4.5", "true"])
def test_a_mistyped_value_in_a_preset_is_shown(capsys, value):
    Path("mine.toml").write_text(f'name = "mine"\n[generator]\nsteps = {value}\n')
    assert "steps must be int" in refused(capsys, "--config", "mine.toml")


@pytest.mark.parametrize("value", ["-1.0", "inf", "nan"])
def test_a_memory_budget_that_is_no_size_is_refused(capsys, value):
    Path("mine.toml").write_text(f'name = "mine"\n[memory]\nbudget_mib = {value}\n')
    line = refused(capsys, "--config", "mine.toml")
    assert "mine.toml: memory: budget_mib must be" in line


def test_an_unknown_step_in_a_tour_is_named(capsys):
    Path("mine.toml").write_text("steps = [{ forwards = 2.0 }]\n")
    line = refused(capsys, "--tour", "mine.toml")
    assert "forwards" in line and "'forward'" in line


def test_an_unknown_key_in_a_tour_is_named(capsys):
    Path("mine.toml").write_text("spacing = 1\nsteps = [{ forward = 2.0 }]\n")
    assert "'spacing'" in refused(capsys, "--tour", "mine.toml")


@pytest.mark.parametrize("columns", [1, 3, 11, 13, 20])
def test_a_camera_file_with_a_wrong_number_of_columns_names_the_line(capsys, columns):
    Path("walk.txt").write_text(f"{' '.join(['1'] * columns)}\n" * 3)
    line = refused(capsys, "--path", "walk.txt")
    assert "walk.txt" in line and "column" in line


@pytest.mark.parametrize("flag", ["--out", "--record", "--log", "--cameras"])
def test_a_place_that_cannot_be_written_is_refused_before_any_work(capsys, flag):
    Path("file").write_text("in the way")
    suffix = {"--out": "", "--cameras": ".json"}.get(flag, ".mp4")
    name = f"file/below{suffix}"
    line = refused(capsys, "--headless", flag, name)
    assert flag in line and "cannot be written" in line


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write it")
def test_a_read_only_folder_is_refused(capsys):
    Path("locked").mkdir(mode=0o555)
    assert "cannot be written" in refused(capsys, "--headless", "--out", "locked/deep/er")


def test_a_broken_world_file_is_refused(capsys):
    Path("broken.mirage").write_bytes(b"PK\x03\x04 and then nothing of use")
    line = refused(capsys, "--headless", "--load", "broken.mirage")
    assert "broken.mirage" in line


def test_cuda_on_a_machine_without_it_is_refused(capsys):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    assert "cuda" in refused(capsys, "--headless", "--device", "cuda")


def test_text_on_a_preset_that_takes_none_is_refused(capsys):
    line = refused(capsys, "--headless", "--prompt", "a quiet courtyard")
    assert "pocket" in line or "prompt" in line


@pytest.mark.parametrize("preset", ["wan22-5b", "wan22-5b-fast", "wan22-5b-24gb"])
def test_a_large_preset_without_its_weights_is_refused_with_all_that_is_missing(capsys, preset):
    line = refused(capsys, "--headless", "--config", preset)
    for words in (f"'{preset}'", "wan22-5b/vace.safetensors", "Depth-Anything-V2", "docs/wan.md"):
        assert words in line


def test_the_real_program_ends_with_one_line_and_code_2(tmp_path):
    run = subprocess.run(
        [sys.executable, ROOT / "run_explorer.py", "--config", "nothing"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.count("\n") == 1 and "nothing" in run.stderr


@pytest.mark.parametrize("flag", ["--help", "--version", "--list"])
def test_asking_for_information_works_from_anywhere(capsys, flag):
    with pytest.raises(SystemExit) as end:
        main([flag])
    said = capsys.readouterr()
    assert end.value.code == 0 and said.err == ""
    wanted = {"--help": "--scene", "--version": "Mirage Explorer", "--list": "there-and-back"}
    assert wanted[flag] in said.out


def test_without_a_start_a_bundled_scene_opens():
    assert parse([]).scene is not None
    assert parse(["--scene", "0"]).scene == 0
    assert parse(["--image", "a.png"]).scene is None
    assert parse([]).config == Options().config == "pocket"


def test_a_field_of_view_becomes_the_lens_of_the_world():
    """A picture 400 px wide, of which a lens of 256x160 shows 320."""
    picture(Path("a.png"), 400, 200)
    lens = parse(["--image", "a.png", "--fov", "90"]).preset().lens
    assert np.tan(np.radians(lens.hfov_deg / 2)) == pytest.approx(0.8)
    lens = parse(["--image", "a.png", "--fov", "90", "--fit", "letterbox"]).preset().lens
    assert lens.hfov_deg == pytest.approx(90)


def test_memory_flag_goes_over_the_preset():
    assert parse(["--memory", "none"]).preset().memory.kind == "none"
    assert parse([]).preset().memory.kind == "latent"


@pytest.mark.parametrize(
    ("environment", "platform", "display"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ""}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "darwin", True),
        ({}, "win32", True),
    ],
)
def test_where_there_is_a_display(environment, platform, display):
    assert has_display(environment, platform) is display
