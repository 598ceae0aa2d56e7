"""A training run that stops and goes on, what it ships, and its command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import default_collate

from mirage_engine.checkpoints import load_state
from mirage_engine.codecs.pocket import PocketCodec, load_codec
from mirage_engine.config import (
    CONFIG_DIR,
    ConfigError,
    load_config,
    read_toml,
)
from mirage_engine.generator.weights import load_transformer
from mirage_engine.rooms import Scene
from mirage_engine.training import __main__ as command
from mirage_engine.training.codec import codec_loss, train_codec
from mirage_engine.training.generator import Trainer
from mirage_engine.training.samples import SampleStream
from mirage_engine.training.settings import CodecRecipe, GeneratorRecipe
from mirage_engine.training.validation import Validation
from tests.engine.tiny_engine import camera_at, linear_codec
from tests.engine.tiny_training import CLIPS, FRAMES, LENS

ROOT = Path(__file__).parents[2]
RECIPES = sorted(CONFIG_DIR.glob("train_*.toml"))


def batches(recipe: GeneratorRecipe, count: int) -> list[dict[str, torch.Tensor]]:
    stream = iter(SampleStream(recipe, linear_codec(), 0))
    return [default_collate([next(stream) for _ in range(recipe.batch)]) for _ in range(count)]


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(recipe):
    data = batches(recipe, 4)
    torch.manual_seed(0)
    whole = Trainer(recipe)
    first = [
        whole.step(batch, 1e-3, torch.Generator().manual_seed(i))
        for i, batch in enumerate(data[:2])
    ]
    whole.spent_s = 12.5
    whole.save()
    torch.manual_seed(99)  # another network, before it is resumed
    resumed = Trainer(recipe)
    resumed.resume()
    assert (resumed.steps, resumed.samples, resumed.spent_s) == (2, 4, 12.5)
    for i, batch in enumerate(data[2:]):
        losses = [t.step(batch, 1e-3, torch.Generator().manual_seed(i)) for t in (whole, resumed)]
        assert losses[0] == losses[1]
    assert all(np.isfinite(first))
    for key, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[key]), key
        assert torch.equal(whole.average[key], resumed.average[key]), key


def test_steps_on_one_batch_learn_it(recipe):
    trainer, batch = Trainer(recipe), batches(recipe, 1)[0]
    losses = [trainer.step(batch, 3e-3, torch.Generator().manual_seed(0)) for _ in range(15)]
    assert losses[-1] < 0.9 * losses[0]


def test_validation_draws_a_sheet_writes_a_line_and_ships_the_best(recipe):
    trainer = Trainer(recipe)
    trainer.save()
    validation = Validation(recipe, trainer.codec, trainer.device)
    scores = trainer.validate(validation)
    assert trainer.validate(validation) == scores
    # Before training the network is its read-out.
    assert scores["seen"] == pytest.approx(scores["copy_seen"], abs=0.05)
    assert scores["seen"] > scores["unseen"]
    sheet = Image.open(Path(recipe.run) / "validation.png")
    assert sheet.width % (3 * LENS.width) == 0 and sheet.height % LENS.height == 0
    lines = (Path(recipe.run) / "log.ndjson").read_text().splitlines()
    assert [json.loads(line)["loss"] for line in lines] == [scores["loss"]] * 2
    shipped = load_transformer(recipe.output)
    for key, value in trainer.average.items():
        assert torch.equal(shipped.state_dict()[key], value.half().float()), key


def test_worse_weights_are_not_shipped(recipe):
    trainer = Trainer(recipe)
    trainer.save()
    validation = Validation(recipe, trainer.codec, trainer.device)
    trainer.validate(validation)
    before = Path(recipe.output).read_bytes()
    trainer.average["proj_out.bias"] += 3.0
    trainer.validate(validation)
    assert Path(recipe.output).read_bytes() == before


def test_a_run_from_shipped_weights_must_beat_them(recipe, tmp_path):
    first = Trainer(recipe)
    first.average["proj_out.bias"] += 0.01
    validation = Validation(recipe, first.codec, first.device)
    first.samples = 40
    scores = first.validate(validation)
    again = replace(recipe, start_from=recipe.output, run=str(tmp_path / "again"))
    torch.manual_seed(99)
    second = Trainer(again)
    second.resume()
    second.measure(validation)
    assert (second.samples, second.steps) == (40, 0)
    assert second.best == pytest.approx(scores["loss"], rel=1e-3)  # shipped in half precision
    shipped = load_state(Path(recipe.output))[0]
    for key, value in second.network.state_dict().items():
        assert torch.equal(value, shipped[key].float()), key


def test_a_run_without_clips_says_how_to_make_them(recipe, tmp_path):
    bare = replace(recipe, clips=replace(CLIPS, folder=str(tmp_path / "none")))
    with pytest.raises(ConfigError, match=r"none: holds no validation clips; render"):
        Validation(bare, linear_codec(), torch.device("cpu"))


def test_a_codec_is_fitted_and_can_be_loaded(tmp_path):
    output = str(tmp_path / "codec.safetensors")
    train_codec(CodecRecipe("codec", output=output, rooms=6, structures=2, lens=LENS), 0.0)
    codec = load_codec(output)
    gram = codec.picture_basis @ codec.picture_basis.T
    assert torch.allclose(gram, torch.eye(len(gram)), atol=1e-5)
    assert (codec.latent_std > 0).all()


def test_the_decoder_learns_from_pictures_depth_and_trust():
    view = Scene(7).render([camera_at(size=(48, 64))])
    codec = load_codec_copy()
    latents = codec.encode(view.frames, view.depth_m)
    codec_loss(codec, latents, view.frames, view.depth_m, 0.0).backward()
    assert codec.refine.head.weight.grad.flatten(1).abs().sum(1).count_nonzero() == 80


def load_codec_copy():
    codec = PocketCodec()
    codec.load_state_dict(linear_codec().state_dict())
    return codec


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_recipes_are_read_strictly(path):
    kind = {"codec": CodecRecipe, "generator": GeneratorRecipe}[read_toml(path)["stage"]]
    made = load_config(path, kind)
    assert made.lens == load_config("pocket").lens, "what is trained is what is shown"
    assert made.output.startswith("mirage_engine/")


def run_command(monkeypatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["training", *map(str, words)])
    return command.main()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('stage = "both"\n', "stage must be 'codec' or 'generator', got 'both'"),
        ("lr = 1.0\n", "stage must be"),
        ('stage = "codec"\nlearning = 1.0\n', "unknown key 'learning'"),
        ('stage = "generator"\nbatch = "many"\n', "batch must be int"),
        ("stage = \n", "not valid TOML"),
        (None, "no such file"),
    ],
)
def test_a_wrong_recipe_is_refused_in_one_line(monkeypatch, capsys, tmp_path, text, words):
    path = tmp_path / "recipe.toml"
    if text is not None:
        path.write_text(text)
    assert run_command(monkeypatch, path) == 2
    line = capsys.readouterr().err
    assert words in line and "recipe.toml" in line and line.count("\n") == 1


def test_the_real_command_ends_with_one_line_and_code_2(tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "mirage_engine.training", tmp_path / "nonsense.toml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.count("\n") == 1 and "nonsense.toml" in run.stderr


@pytest.fixture
def own_signals():
    """Training listens to signals; the tests want theirs back."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_the_command_trains_a_generator_and_goes_on_from_its_folder(
    monkeypatch, tmp_path, recipe, own_signals
):
    path = tmp_path / "recipe.toml"
    path.write_text(
        f"""stage = "generator"
codec = "{recipe.codec}"
output = "{recipe.output}"
run = "{recipe.run}"
device = "cpu"
frames = {FRAMES}
batch = 2
workers = 0
lens = {{ width = {LENS.width}, height = {LENS.height} }}
network = {{ dim = 32, heads = 2, layers = 2, ffn = 32, repair = 8 }}
clips = {{ folder = "{recipe.clips.folder}", frames = 12 }}
"""
    )
    for steps in (1, 2):
        assert run_command(monkeypatch, path, "--minutes", 0) == 0
        assert load_state(Path(recipe.run) / "optimizer.safetensors")[1]["steps"] == steps
    assert load_transformer(recipe.output).config["num_layers"] == 2
