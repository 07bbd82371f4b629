"""GGUF: sizes that llama.cpp and its forks printed of published files, and what holds for every recipe."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
from conftest import MODELS, REPOSITORY
from hypothesis import given
from hypothesis import strategies as st
from test_command_line import call, refused

from prophet_memory.architecture import Stack
from prophet_memory.edge.gguf_header import read_header
from prophet_memory.errors import ModelError
from prophet_memory.formats import LLAMA_CPP_CACHE
from prophet_memory.gguf import FILE_TYPES, TYPES, FileSizes, Tensor, TensorList, file_sizes, recipe_sizes, tensor_list, types_of
from prophet_memory.mixers import Attention, LatentAttention
from prophet_memory.parameters import count_parameters

GIB, MIB = 2**30, 2**20
with (Path(__file__).parent / "data" / "gguf_sizes.csv").open(encoding="utf-8") as stream:
    PRINTED = list(csv.DictReader(stream))
# Models with parts whose tensors' names are not known: what is asked for, and no more.
UNNAMED = {"deepseek-v3.2": "chosen_tokens", "glm-5": "chosen_tokens", "gemma-4-26b-a4b": "router_scales"}
NAMED = sorted(
    name
    for name, model in MODELS.items()
    if model.encoder is None
    and all(isinstance(g.mixer, Attention | LatentAttention) for g in model.decoder.layers)
    and name not in UNNAMED
)
recipes = st.sampled_from(sorted(FILE_TYPES))


def sizes(tensors: TensorList, file_type: str, **other) -> FileSizes:
    return file_sizes(recipe_sizes(tensors, types_of(tensors, file_type, **other)))


def listed(row: dict[str, str]):
    tied = None if not row["tied"] else row["tied"] == "true"
    separate = row["separate_experts"] == "true"
    return tensor_list(MODELS[row["model"]], tied=tied, latent=row["latent"], separate_experts=separate)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "row", PRINTED, ids=[f"{row['model']}-{row['file_type']}-{row['era']}-{row['latent']}" for row in PRINTED]
)
def test_sizes_of_published_files(row: dict[str, str]):
    tensors = listed(row)
    computed = sizes(tensors, row["file_type"], era=row["era"]).total_bytes / GIB
    places = len(row["printed"].partition(".")[2])
    assert computed == pytest.approx(float(row["printed"]), abs=1.01 * 10**-places)


def test_a_file_to_the_byte():
    # allenai/OLMoE-1B-7B-0924-Instruct in Q4_K_M, as listed by its publisher
    tensors = tensor_list(MODELS["olmoe-1b-7b"])
    assert sizes(tensors, "Q4_K_M").total_bytes == 4_211_730_432


@pytest.mark.parametrize(
    ("model", "file_type", "era", "separate", "layers", "mib"),
    [
        ("mixtral-8x7b", "Q4_K_M", "2023-12", True, 33, 25145.55),  # abetlen/llama-cpp-python#1014
        ("mixtral-8x7b", "Q8_0", "2023-12", True, 22, 32353.06),  # ggml-org/llama.cpp#4381
        ("qwen3-30b-a3b", "Q4_K_M", "2024-04", False, 30, 10750.86),  # ggml-org/llama.cpp#13729
    ],
)
def test_what_stands_on_the_gpu(model: str, file_type: str, era: str, separate: bool, layers: int, mib: float):
    tensors = tensor_list(MODELS[model], separate_experts=separate)
    own = sizes(tensors, file_type, era=era)
    assert own.on_gpu(layers) / MIB == pytest.approx(mib, abs=0.01)
    assert own.on_gpu() == own.total_bytes - own.embedding_bytes
    held = [own.on_gpu(count) for count in range(tensors.layers + 3)]
    assert held[0] == 0
    assert held == sorted(held)


def test_a_tied_embedding_is_loaded_a_second_time():
    own = sizes(tensor_list(MODELS["gemma-2-9b"]), "Q8_0")
    assert own.output_bytes == 0
    assert own.on_gpu() == own.total_bytes


@pytest.mark.parametrize("name", NAMED)
def test_a_file_holds_every_parameter(name: str):
    model = MODELS[name]
    tensors = tensor_list(model, latent="joint")
    norms = sum(t.values for t in tensors.tensors if "norm" in t.name)
    own = sum(t.values for t in tensors.tensors)
    other = count_parameters(model).total - own
    # Biases of norms and of MLA's projections are the only ones without a name here.
    assert other == 0 or (model.norm_bias and abs(other) <= norms)


@given(st.sampled_from(NAMED), recipes, st.sampled_from(["2023-12", "2024-02", "2024-04"]), st.booleans())
def test_every_recipe_fits_every_model(name: str, file_type: str, era: str, importance: bool):
    tensors = tensor_list(MODELS[name])
    chosen = types_of(tensors, file_type, era=era, has_importance=importance)  # type: ignore[arg-type]
    assert set(chosen) == {tensor.name for tensor in tensors.tensors}
    assert all(TYPES[chosen[tensor.name]].divides(tensor.shape[0]) for tensor in tensors.tensors)
    assert all(chosen[t.name] in {"F32", "F16"} for t in tensors.tensors if len(t.shape) == 1)
    assert 0 < sum(recipe_sizes(tensors, chosen).values()) <= 4 * sum(tensor.values for tensor in tensors.tensors)


@given(st.sampled_from(["Q2_K", "Q3_K_S", "Q4_K_S", "Q5_K_S", "Q6_K", "Q8_0"]), st.sampled_from(NAMED))
def test_more_bits_make_larger_files(file_type: str, name: str):
    order = ["Q2_K", "Q3_K_S", "Q4_K_S", "Q5_K_S", "Q6_K", "Q8_0", "BF16"]
    tensors = tensor_list(MODELS[name])
    if any(tensor.shape[0] % 256 for tensor in tensors.tensors if len(tensor.shape) > 1):
        return  # other types stand in, the same for several recipes
    next_one = order[order.index(file_type) + 1]
    assert sizes(tensors, file_type).total_bytes <= sizes(tensors, next_one).total_bytes


@pytest.mark.parametrize("name", ["q8_0", "q4_0"])
def test_a_cache_takes_what_a_tensor_takes(name: str):
    assert LLAMA_CPP_CACHE[name].vector_bytes(128) == TYPES[name.upper()].tensor_bytes(128, 1)


def test_what_has_no_recipe_or_no_names_gets_one_line():
    with pytest.raises(ModelError, match='file_type: "UD-Q4_K_XL"; allowed: a recipe that is published: '):
        types_of(tensor_list(MODELS["phi-4"]), "UD-Q4_K_XL")
    with pytest.raises(ModelError, match='gguf: "mamba"'):
        tensor_list(MODELS["jamba-1.5-large"])
    for name, part in UNNAMED.items():
        with pytest.raises(ModelError, match=f'gguf: "{part}"'):
            tensor_list(MODELS[name])
    with pytest.raises(ModelError, match='gguf: "encoder"'):
        tensor_list(MODELS["switch-base-8"])
    gated = replace(MODELS["mixtral-8x7b"].decoder.layers[0], mixer=Attention(32, 8, 128, head_gate=True))
    with pytest.raises(ModelError, match='gguf: "head_gate"'):
        tensor_list(replace(MODELS["mixtral-8x7b"], decoder=Stack((gated,))))
    with pytest.raises(ModelError, match="columns: 100; allowed: a multiple of 256"):
        Tensor("a", (100, 2)).bytes_as("Q4_K")


def write_file(path: Path, model: str, file_type: str, *, parts: int = 1) -> int:
    """A file of a model with no weights in it, as sparse as a disk allows; returns the bytes of its tensors."""
    tensors = tensor_list(MODELS[model])
    chosen = types_of(tensors, file_type)
    for part in range(parts):
        name = path if parts == 1 else path.with_name(f"{path.stem}-{part + 1:05d}-of-{parts:05d}.gguf")
        writer = gguf.GGUFWriter(name, "llama")
        for tensor in tensors.tensors[part::parts]:
            kind = gguf.GGMLQuantizationType[chosen[tensor.name]]
            block, size = gguf.GGML_QUANT_SIZES[kind]
            sides = [*reversed(tensor.shape[1:]), tensor.shape[0] // block * size]
            plain = block == 1
            shape = list(reversed(tensor.shape)) if plain else sides
            dtype = np.float32 if kind.name == "F32" else np.float16 if kind.name == "F16" else np.uint8
            writer.add_tensor_info(tensor.name, shape, np.dtype(dtype), tensor.bytes_as(chosen[tensor.name]), kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        writer.close()
        with name.open("ab") as stream:  # where the weights would be, a hole
            total = sum(-(-t.bytes_as(chosen[t.name]) // 32) * 32 for t in tensors.tensors[part::parts])
            stream.truncate(stream.tell() + 64 + total)
    return sum(recipe_sizes(tensors, chosen).values())


@pytest.mark.parametrize("parts", [1, 3])
def test_a_header_says_what_each_tensor_takes(tmp_path: Path, parts: int):
    total = write_file(tmp_path / "olmoe.gguf", "olmoe-1b-7b", "Q4_K_M", parts=parts)
    file = tmp_path / ("olmoe.gguf" if parts == 1 else "olmoe-00002-of-00003.gguf")
    assert sum(tensor.size_bytes for tensor in read_header(file)) == total
    found = json.loads(
        call("plan", "--model", "olmoe-1b-7b", "--gpu", "rtx-4090", "--gguf", file, "--policy", "all_resident", "--json").stdout
    )
    tensors = tensor_list(MODELS["olmoe-1b-7b"])
    assert found["non_expert_bytes"] + found["resident_expert_bytes"] == sizes(tensors, "Q4_K_M").on_gpu()
    assert found["precision"] == file.name
    saved = json.loads(
        call("plan", "--model", "olmoe-1b-7b", "--gpu", "rtx-4090", "--gguf", file, "--batch", "1", "--json").stdout
    )
    assert saved["resident_expert_bytes"] == pytest.approx(found["resident_expert_bytes"] * 8 / 64, rel=1e-6)


@pytest.mark.parametrize(("name", "gpu"), [("qwen3-30b-a3b", "h100-80gb"), ("phi-4", "rtx-4090"), ("gemma-2-9b", "rtx-4090")])
def test_a_plan_takes_a_recipe_by_its_name(name: str, gpu: str):
    words = ("plan", "--model", name, "--gpu", gpu, "--policy", "all_resident", "--weights")
    tensors = tensor_list(MODELS[name])
    found = json.loads(call(*words, "Q4_K_M", "--json").stdout)
    assert found["precision"] == "Q4_K_M"
    assert found["non_expert_bytes"] + found["resident_expert_bytes"] == sizes(tensors, "Q4_K_M").on_gpu()
    assert '--experts: "int4"; allowed: none beside the recipe Q4_K_M' in refused(*words, "Q4_K_M", "--experts", "int4")
    assert '--weights: "Q4"; allowed: ' in refused(*words, "Q4")


def test_a_log_takes_a_header_in_place_of_a_recipe(tmp_path: Path):
    file, catalogue = tmp_path / "olmoe.gguf", tmp_path / "own"
    total = write_file(file, "olmoe-1b-7b", "Q5_K_M")
    own = sizes(tensor_list(MODELS["olmoe-1b-7b"]), "Q5_K_M")
    log = tmp_path / "llama.log"
    log.write_text(
        "print_info: file type   = Q4_K - Medium\n"  # a mix by hand prints a recipe's name
        f"print_info: file size   = {total / GIB:.2f} GiB (5.80 BPW)\n"
        "print_info: general.name     = OLMoE 1B 7B\nload_tensors: offloaded 10/17 layers to GPU\n"
        f"load_tensors:        CUDA0 model buffer size = {own.on_gpu(10) / MIB:.2f} MiB\n"
    )
    words = ("observe", "--log", log, "--model", "olmoe-1b-7b", "--json")
    shutil.copytree(REPOSITORY / "config", catalogue)
    call("--catalogue", catalogue, *words, "--gguf", file, "--add", "--name", "mine")
    for found in (
        json.loads(call(*words, "--gguf", file).stdout)["figures"],
        json.loads(call("--catalogue", catalogue, "observations", "compare", "--run", "mine", "--json").stdout),
    ):
        errors = {row["component"]: row["error_fraction"] for row in found}
        assert errors == {"weights": pytest.approx(0, abs=1e-4), "model_file": pytest.approx(0, abs=2e-3)}
    by_name = {row["component"]: row["error_fraction"] for row in json.loads(call(*words).stdout)["figures"]}
    assert by_name["weights"] < -0.1
    assert "--gguf: " in refused("observe", "--log", log, "--model", "phi-4", "--gguf", file)


def test_a_file_that_is_not_read_gets_one_line(tmp_path: Path):
    file = tmp_path / "olmoe.gguf"
    write_file(file, "olmoe-1b-7b", "Q8_0")
    words = ("plan", "--gpu", "h100-80gb", "--gguf", file, "--model")
    assert re.search(
        r"--gguf: .*olmoe.gguf: 6,9\d\d,\d{3},\d{3} parameters; allowed: a file of the model, which has", refused(*words, "phi-4")
    )
    assert "--weights: beside --gguf" in refused(*words, "olmoe-1b-7b", "--weights", "fp8")
    assert "--n-gpus: 2; allowed: 1, which holds the whole" in refused(*words, "olmoe-1b-7b", "--n-gpus", "2")
    assert "No such file" in refused("plan", "--gpu", "h100-80gb", "--model", "phi-4", "--gguf", tmp_path / "none.gguf")
    file.write_bytes(b"GGUF" + bytes(100))
    assert "allowed: a whole GGUF file" in refused(*words, "olmoe-1b-7b")
    file.write_bytes(b"no file of this kind, but long enough to hold a header")
    assert "allowed: a whole GGUF file" in refused(*words, "olmoe-1b-7b")


def test_sizes_of_types_are_those_of_the_package():
    theirs = {kind.name: sizes for kind, sizes in gguf.GGML_QUANT_SIZES.items()}
    known = {name: (one.block_values, one.block_bytes) for name, one in TYPES.items() if name in theirs}
    assert known == {name: theirs[name] for name in known}
    assert len(known) > 25
