"""GGUF: sizes that llama.cpp and its forks printed of published files, and what holds for every recipe."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from conftest import MODELS
from hypothesis import given
from hypothesis import strategies as st

from prophet_memory.errors import ModelError
from prophet_memory.formats import LLAMA_CPP_CACHE
from prophet_memory.gguf import FILE_TYPES, TYPES, Tensor, file_bytes, gpu_bytes, tensor_list, types_of
from prophet_memory.mixers import Attention, LatentAttention
from prophet_memory.parameters import count_parameters

GIB, MIB = 2**30, 2**20
with (Path(__file__).parent / "data" / "gguf_sizes.csv").open(encoding="utf-8") as stream:
    PRINTED = list(csv.DictReader(stream))
NAMED = sorted(
    name
    for name, model in MODELS.items()
    if model.encoder is None and all(isinstance(g.mixer, Attention | LatentAttention) for g in model.decoder.layers)
)
recipes = st.sampled_from(sorted(FILE_TYPES))


def listed(row: dict[str, str]):
    tied = None if not row["tied"] else row["tied"] == "true"
    separate = row["separate_experts"] == "true"
    return tensor_list(MODELS[row["model"]], tied=tied, latent=row["latent"], separate_experts=separate)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "row", PRINTED, ids=[f"{row['model']}-{row['file_type']}-{row['era']}-{row['latent']}" for row in PRINTED]
)
def test_sizes_of_published_files(row: dict[str, str]):
    tensors = listed(row)
    computed = file_bytes(tensors, types_of(tensors, row["file_type"], era=row["era"])) / GIB  # type: ignore[arg-type]
    places = len(row["printed"].partition(".")[2])
    assert computed == pytest.approx(float(row["printed"]), abs=1.01 * 10**-places)


def test_a_file_to_the_byte():
    # allenai/OLMoE-1B-7B-0924-Instruct in Q4_K_M, as listed by its publisher
    tensors = tensor_list(MODELS["olmoe-1b-7b"])
    assert file_bytes(tensors, types_of(tensors, "Q4_K_M")) == 4_211_730_432


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
    chosen = types_of(tensors, file_type, era=era)  # type: ignore[arg-type]
    assert gpu_bytes(tensors, chosen, layers) / MIB == pytest.approx(mib, abs=0.01)
    (embedding,) = (tensor for tensor in tensors.tensors if tensor.name == "token_embd.weight")
    assert gpu_bytes(tensors, chosen) == file_bytes(tensors, chosen) - embedding.bytes_as(chosen[embedding.name])
    sizes = [gpu_bytes(tensors, chosen, count) for count in range(tensors.layers + 3)]
    assert sizes[0] == 0
    assert sizes == sorted(sizes)


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
    assert 0 < file_bytes(tensors, chosen) <= 4 * sum(tensor.values for tensor in tensors.tensors)


@given(st.sampled_from(["Q2_K", "Q3_K_S", "Q4_K_S", "Q5_K_S", "Q6_K", "Q8_0"]), st.sampled_from(NAMED))
def test_more_bits_make_larger_files(file_type: str, name: str):
    order = ["Q2_K", "Q3_K_S", "Q4_K_S", "Q5_K_S", "Q6_K", "Q8_0", "BF16"]
    tensors = tensor_list(MODELS[name])
    if any(tensor.shape[0] % 256 for tensor in tensors.tensors if len(tensor.shape) > 1):
        return  # other types stand in, the same for several recipes
    next_one = order[order.index(file_type) + 1]
    assert file_bytes(tensors, types_of(tensors, file_type)) <= file_bytes(tensors, types_of(tensors, next_one))


@pytest.mark.parametrize("name", ["q8_0", "q4_0"])
def test_a_cache_takes_what_a_tensor_takes(name: str):
    assert LLAMA_CPP_CACHE[name].vector_bytes(128) == TYPES[name.upper()].tensor_bytes(128, 1)


def test_what_has_no_recipe_or_no_names_gets_one_line():
    with pytest.raises(ModelError, match="file_type: 'UD-Q4_K_XL'; allowed: a recipe that is published: "):
        types_of(tensor_list(MODELS["phi-4"]), "UD-Q4_K_XL")
    with pytest.raises(ModelError, match="gguf: 'mamba'"):
        tensor_list(MODELS["jamba-1.5-large"])
    with pytest.raises(ModelError, match="gguf: 'encoder'"):
        tensor_list(MODELS["switch-base-8"])
    with pytest.raises(ModelError, match="columns: 100; allowed: a multiple of 256"):
        Tensor("a", (100, 2)).bytes_as("Q4_K")
