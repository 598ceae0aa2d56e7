"""Files of others: every name, prefix and layout that their programs write, and what is refused."""

from __future__ import annotations

import json

import pytest
import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from safetensors.torch import load_file, save_file

from mirage_engine.checkpoints import assemble, from_ours, load_state, open_checkpoint
from mirage_engine.checkpoints.names import DIALECTS, INSIDE, LISTS, OUTSIDE, bare, to_ours
from mirage_engine.checkpoints.network import branch_of, shapes_of
from mirage_engine.config import ConfigError
from mirage_engine.generator.transformer import MirageTransformer3DModel
from mirage_engine.generator.weights import (
    arguments,
    load_transformer,
    save_official,
    save_transformer,
)
from tests.engine.tiny_wan import HEADS, official_wan, tiny_wan, write


def same(network: MirageTransformer3DModel, other: MirageTransformer3DModel) -> bool:
    mine, theirs = network.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(v, theirs[k]) for k, v in mine.items())


def official_files(network: MirageTransformer3DModel, folder) -> tuple[str, str]:
    """(backbone, side branch) as the official programs write them."""
    save_official(network, folder / "dit.safetensors", folder / "vace.safetensors")
    (folder / "config.json").write_text(json.dumps({"num_heads": HEADS}))
    return str(folder / "dit.safetensors"), str(folder / "vace.safetensors")


@pytest.fixture
def network() -> MirageTransformer3DModel:
    torch.manual_seed(1)
    made = tiny_wan().requires_grad_(False)
    for parameter in made.parameters():  # none may be zero, or a mix-up would not show
        torch.nn.init.normal_(parameter)
    return made


@pytest.mark.parametrize(
    "sizes",
    [
        {"num_attention_heads": 3, "attention_head_dim": 32, "num_layers": 4, "ffn_dim": 192},
        {},  # Wan2.2-TI2V-5B
        {"memory_layers": ()},
        {"patch_size": (1, 4, 4), "in_channels": 11, "out_channels": 12, "num_layers": 6},
    ],
    ids=["tiny", "5B", "backbone", "pocket"],
)
def test_the_expected_shapes_are_those_of_the_real_network(sizes):
    with torch.device("meta"):
        network = MirageTransformer3DModel(**sizes)
    real = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert shapes_of(arguments(network)) == real


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_name_survives_the_way_there_and_back(network, dialect):
    theirs = {from_ours(key, dialect): key for key in network.state_dict()}
    assert len(theirs) == len(network.state_dict())
    assert all(to_ours(name) == key for name, key in theirs.items())


@pytest.mark.parametrize("table", [LISTS, INSIDE, OUTSIDE], ids=["lists", "inside", "outside"])
def test_no_two_places_share_a_name(table):
    for column in zip(*table, strict=True):
        assert len(set(column)) == len(column)


def test_diffusers_names_are_those_of_diffusers(network):
    with torch.device("meta"):
        real = WanTransformer3DModel(num_layers=4).state_dict().keys()
    mine = {from_ours(k, "diffusers") for k in network.state_dict() if not k.startswith("memory_")}
    assert mine == real


@pytest.mark.golden
def test_official_files_come_back_bit_for_bit(golden, tmp_path):
    backbone, branch = official_files(official_wan(golden), tmp_path)
    for made, original in ((backbone, "tiny_dit"), (branch, "tiny_vace")):
        mine, theirs = load_file(made), load_file(golden / f"{original}.safetensors")
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[key], value) for key, value in theirs.items())


def test_ours_to_official_to_ours_is_the_identity(network, tmp_path):
    assert same(load_transformer(*official_files(network, tmp_path)), network)


@pytest.mark.parametrize(
    "before", ["module.", "model.", "pipe.vace.", "vace.", "module.model.vace."]
)
def test_a_side_branch_is_read_under_every_prefix_of_its_trainers(network, tmp_path, before):
    backbone, branch = official_files(network, tmp_path)
    renamed = {before + key: value for key, value in load_file(branch).items()}
    assert same(load_transformer(backbone, write(renamed, tmp_path / "b.safetensors")), network)


@pytest.mark.parametrize("before", ["state_dict.", "generator.vace.", "vace."])
def test_nested_dictionaries_flattened_into_safetensors_are_read(network, tmp_path, before):
    backbone, branch = official_files(network, tmp_path)
    renamed = {before + key: value for key, value in load_file(branch).items()}
    assert same(load_transformer(backbone, write(renamed, tmp_path / "b.safetensors")), network)


def test_places_are_not_mistaken_for_prefixes(network):
    for key in network.state_dict():
        for dialect in DIALECTS:
            assert bare(from_ours(key, dialect)) == from_ours(key, dialect)


def plain(network: MirageTransformer3DModel) -> WanTransformer3DModel:
    """diffusers' own class with the backbone's weights."""
    known = {k: v for k, v in arguments(network).items() if "memory" not in k and "repair" not in k}
    made = WanTransformer3DModel(**known)
    state = {k: v for k, v in network.state_dict().items() if not k.startswith("memory_")}
    made.load_state_dict(state)
    return made


def test_a_diffusers_folder_in_shards_is_read_with_its_config(network, tmp_path):
    plain(network).save_pretrained(tmp_path / "hub" / "transformer", max_shard_size="1MB")
    assert len(list((tmp_path / "hub" / "transformer").glob("*.safetensors"))) > 1
    _, branch = official_files(network, tmp_path)
    assert same(load_transformer(str(tmp_path / "hub"), branch), network)
    assert same(load_transformer(str(tmp_path / "hub" / "transformer"), branch), network)


def test_a_missing_shard_is_named(network, tmp_path):
    plain(network).save_pretrained(tmp_path, max_shard_size="1MB")
    lost = sorted(tmp_path.glob("*.safetensors"))[1]
    lost.unlink()
    with pytest.raises(ConfigError, match=lost.name):
        load_transformer(str(tmp_path))


def test_a_model_in_the_hub_s_cache_is_found_by_name(network, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    model = tmp_path / "models--someone--wan"
    plain(network).save_pretrained(model / "snapshots" / "abc" / "transformer")
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("abc")
    _, branch = official_files(network, tmp_path)
    assert same(load_transformer("someone/wan", branch), network)


def test_a_model_that_is_not_in_the_cache_is_not_fetched_but_explained(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match=r"hf download Wan-AI/Wan2\.2-TI2V-5B-Diffusers"):
        load_transformer("Wan-AI/Wan2.2-TI2V-5B-Diffusers")


@torch.no_grad()
def test_without_a_side_branch_it_is_the_plain_backbone(network, tmp_path):
    backbone, _ = official_files(network, tmp_path)
    alone = load_transformer(backbone)
    assert not alone.memory_blocks
    latents, text = torch.randn(1, 48, 2, 4, 4), torch.randn(1, 3, 64)
    times, memory = torch.tensor([0.0, 500.0]), torch.randn(1, 96, 2, 4, 4)
    assert torch.equal(alone(latents, times, text, memory), network(latents, times, text))


@pytest.mark.parametrize(("blocks", "hints"), [(15, range(0, 30, 2)), (8, range(0, 30, 4))])
def test_hints_of_the_paper_s_branch_and_of_spatia_s(blocks, hints):
    shapes = {f"memory_blocks.{i}.scale_shift_table": (1, 6, 8) for i in range(blocks)}
    shapes["memory_patch_embedding.weight"] = (8, 96, 1, 2, 2)
    assert branch_of(shapes, 30, "branch")["memory_layers"] == tuple(hints)


def test_an_eight_block_branch_reaches_a_backbone_of_thirty(tmp_path):
    torch.manual_seed(0)
    sizes = {"num_attention_heads": 3, "attention_head_dim": 4, "ffn_dim": 8, "num_layers": 30}
    made = tiny_wan(**sizes, memory_layers=tuple(range(0, 30, 4)))
    read = load_transformer(*official_files(made, tmp_path))
    assert read.hint_layers == {0: 0, 4: 1, 8: 2, 12: 3, 16: 4, 20: 5, 24: 6, 28: 7}
    assert same(read, made)


def lose(state: dict, key: str) -> None:
    del state[key]


def add(state: dict, key: str) -> None:
    state[key] = torch.zeros(1)


def misshape(state: dict, key: str) -> None:
    state[key] = state[key][..., 1:]


@pytest.mark.parametrize("part", [0, 1], ids=["backbone", "branch"])
@pytest.mark.parametrize(
    ("harm", "key", "said"),
    [
        (lose, "blocks.1.self_attn.k.bias", r"blocks\.1\.attn1\.to_k\.bias missing"),
        (add, "blocks.1.self_attn.z.bias", r"blocks\.1\.self_attn\.z\.bias"),
        (misshape, "blocks.1.ffn.2.weight", r"blocks\.1\.ffn\.2\.weight has shape \(96, 191\)"),
    ],
)
def test_a_tensor_that_is_missing_surplus_or_misshapen_is_named(
    network, tmp_path, part, harm, key, said
):
    files = official_files(network, tmp_path)
    state = load_file(files[part])
    harm(state, ("vace_" if part else "") + key)
    write(state, tmp_path / files[part])
    with pytest.raises(ConfigError, match=said):
        load_transformer(*files)


def test_a_branch_of_another_size_is_refused(network, tmp_path):
    backbone, _ = official_files(network, tmp_path)
    (tmp_path / "other").mkdir()
    other = tiny_wan(num_attention_heads=2)
    _, branch = official_files(other, tmp_path / "other")
    with pytest.raises(ConfigError, match=r"vace_\w+.* has shape"):
        load_transformer(backbone, branch)


@pytest.mark.parametrize("name", ["branch.pt", "branch.pth", "model.bin", "step.ckpt"])
def test_pickles_are_not_opened(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x04cos\nsystem\n")
    with pytest.raises(ConfigError, match=r"convert it once .*save_file"):
        open_checkpoint(tmp_path / name)


@pytest.mark.parametrize("kept", [4, 100, -1])
def test_a_cut_file_is_refused_from_its_header(network, tmp_path, kept):
    backbone, _ = official_files(network, tmp_path)
    whole = (tmp_path / "dit.safetensors").read_bytes()
    (tmp_path / "dit.safetensors").write_bytes(whole[:kept])
    with pytest.raises(ConfigError, match="not a readable safetensors file"):
        open_checkpoint(backbone)


def test_heads_that_shapes_cannot_tell_are_asked_for(network, tmp_path):
    backbone, _ = official_files(network, tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"config\.json"):
        load_transformer(backbone)


def test_our_own_file_tells_preset_step_and_fingerprints(network, tmp_path):
    path = tmp_path / "mine.safetensors"
    save_transformer(network, path, "wan22-5b", 1200)
    state, header = load_state(path)
    assert (header["preset"], header["step"]) == ("wan22-5b", 1200)
    assert header["hashes"].keys() == state.keys()
    assert same(load_transformer(str(path)), network)


def test_a_flipped_byte_in_our_own_file_is_noticed_and_the_tensor_named(network, tmp_path):
    path = tmp_path / "mine.safetensors"
    save_transformer(network, path)
    state, header = load_state(path)
    key = "memory_blocks.1.proj_out.weight"
    state[key][5, 7] += 1e-3
    save_file(state, path, metadata={"mirage": json.dumps(header)})
    with pytest.raises(ConfigError, match=rf"{key} is damaged"):
        load_transformer(str(path))


@pytest.mark.parametrize(
    "harm", [{"num_layers": None}, {"colour": "red"}, {"memory_layers": [3, 1]}, {"ffn_dim": "x"}]
)
def test_a_damaged_header_of_our_own_is_refused_in_one_line(network, tmp_path, harm):
    path = tmp_path / "mine.safetensors"
    save_transformer(network, path)
    state, header = load_state(path)
    save_file(state, path, metadata={"mirage": json.dumps({"network": header["network"] | harm})})
    with pytest.raises(ConfigError, match=r"mine\.safetensors") as caught:
        load_transformer(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_come_in_the_wanted_precision_and_tables_in_full(network, tmp_path, dtype):
    read = load_transformer(*official_files(network, tmp_path), dtype=dtype)
    assert read.blocks[0].ffn.net[2].weight.dtype == dtype
    assert torch.equal(
        read.blocks[0].ffn.net[2].weight, network.blocks[0].ffn.net[2].weight.to(dtype)
    )
    assert read.blocks[0].scale_shift_table.dtype == torch.float32
    assert read.rope.freqs_cos.dtype == torch.float32


def test_order_and_parts_of_the_sources_do_not_matter(network, tmp_path):
    backbone, branch = official_files(network, tmp_path)
    state = load_file(backbone)
    half = sorted(state)[: len(state) // 2]
    parts = [
        write(
            {k: v for k, v in state.items() if (k in half) is first},
            tmp_path / f"{first}.safetensors",
        )
        for first in (True, False)
    ]
    sources = [open_checkpoint(source) for source in (branch, *parts)]
    whole = assemble([open_checkpoint(source) for source in (backbone, branch)])
    assert assemble(sources).network == whole.network
    with pytest.raises(ConfigError, match="is also in"):
        assemble([*sources, open_checkpoint(backbone)])
