"""Start-up logs: lines as vLLM, SGLang and llama.cpp format them, several versions each, and lines that public threads quote."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY
from hypothesis import given
from hypothesis import strategies as st
from test_command_line import call, refused

from prophet_memory.cli.observe import ASSUMPTIONS
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.observing import comparison_rows, model_named, observation_of, read_observations
from prophet_memory.gguf import FILE_TYPES
from prophet_memory.logs import LogError, read_log
from prophet_memory.observations import COMPONENTS, UNANSWERED, Source, amount

# As the engines format their lines, with numbers of our own where they are not those of config/observations.
LOGS = {file.stem: file.read_bytes().decode() for file in sorted((Path(__file__).parent / "data" / "logs").glob("*.log"))}
QUOTED = yaml.safe_load((Path(__file__).parent / "data" / "logs" / "quoted.yaml").read_text(encoding="utf-8"))
V1, V1_OLD = LOGS["vllm-0.19"], LOGS["vllm-0.8"]


def read(name: str):
    return read_log(LOGS[name])


@pytest.mark.parametrize(
    ("name", "engine", "named", "measured"),
    [
        ("vllm-0.6", "vLLM 0.6.6", "mistralai/Mixtral-8x7B-v0.1",
         {"weights": "43.51 GiB", "non_torch": "1.1 GiB", "activation_peak": "0.6 GiB", "kv_cache": "26.07 GiB",
          "cuda_graphs": "0.85 GiB", "kv_blocks": "53391 blocks", "max_concurrency": "104.28 x", "kv_tokens": "854256 tokens"}),
        ("vllm-0.8", "vLLM 0.8.5", "/models/Qwen3-30B-A3B",
         {"weights": "14.2474 GiB", "kv_tokens": "198784 tokens", "max_concurrency": "24.27 x"}),
        ("vllm-0.19", "vLLM 0.19.0", "Qwen/Qwen3-30B-A3B",
         {"weights": "56.88 GiB", "activation_peak": "2.68 GiB", "non_torch": "0.27 GiB", "kv_cache": "15.41 GiB",
          "cuda_graphs_estimated": "1.24 GiB", "cuda_graphs": "1.41 GiB", "kv_tokens": "168288 tokens",
          "max_concurrency": "20.54 x", "beside_cache": "59.83 GiB"}),
        ("vllm-used", "vLLM", None,
         {"weights": "37.99 GiB", "activation_peak": "4.71 GiB", "non_torch": "1.84 GiB", "cuda_graphs": "0.77 GiB"}),
        ("vllm-0.10-tp4", "vLLM 0.10.1.1", "Qwen/Qwen3-235B-A22B-Instruct-2507-FP8",
         {"weights": "55.12 GiB", "activation_peak": "2.91 GiB", "non_torch": "2.05 GiB", "cuda_graphs": "1.53 GiB",
          "kv_cache": "13615046656 B", "kv_tokens": "283008 tokens", "max_concurrency": "8.64 x"}),
        ("vllm-0.19-pp4", "vLLM 0.19.0", "meta-llama/Llama-3.1-8B-Instruct",
         {"weights": "4.26 GiB", "activation_peak": "2.01 GiB", "non_torch": "0.07 GiB", "beside_cache": "6.34 GiB",
          "kv_cache": "68.89 GiB", "kv_tokens": "2257264 tokens", "max_concurrency": "275.54 x"}),
        ("sglang", "SGLang", "Qwen/Qwen3-30B-A3B",
         {"weights": "28.5 GiB", "kv_cache": "36.62 GiB", "kv_tokens": "800000 tokens", "cuda_graphs": "0.93 GiB"}),
        ("sglang-old", "SGLang", "deepseek-ai/DeepSeek-V2-Lite",
         {"weights": "29.3 GiB", "kv_cache": "28.97 GiB", "kv_tokens": "1000000 tokens"}),
        ("llama.cpp", "llama.cpp", "Qwen3 30B A3B",
         {"weights": "17524.43 MiB", "compute_buffer": "300.75 MiB", "kv_cache": "6144 MiB", "model_file": "17.28 GiB"}),
        ("llama.cpp-old", "llama.cpp", "mistralai_mixtral-8x7b-v0.1",
         {"weights": "32353.06 MiB", "kv_cache": "64 MiB", "model_file": "46.22 GiB"}),
        ("llama.cpp-2023", "llama.cpp", "mistralai_mixtral-8x7b-v0.1",
         {"weights": "25145.55 MiB", "kv_cache": "256 MiB", "model_file": "24.62 GiB"}),
        ("llama.cpp-metal", "llama.cpp", "Meta Llama 3.1 8B Instruct",
         {"weights": "8137.64 MiB", "compute_buffer": "258.5 MiB", "kv_cache": "512 MiB", "model_file": "7.95 GiB"}),
        ("ik_llama.cpp", "ik_llama.cpp", "DeepSeek R1",
         {"weights": "28581.04 MiB", "compute_buffer": "5088.02 MiB", "kv_cache": "10980 MiB", "model_file": "227.689 GiB"}),
    ],
)  # fmt: skip
def test_what_each_log_measures(name: str, engine: str, named: str | None, measured: dict[str, str]):
    found = read(name)
    assert (found.engine, found.named, dict(found.measured)) == (engine, named, measured)


@pytest.mark.parametrize("quote", QUOTED, ids=[quote["source"] for quote in QUOTED])
def test_lines_of_public_threads_are_read(quote: dict):
    found = read_log("\n".join(quote["lines"]))
    assert (found.engine, dict(found.measured)) == (quote["engine"], quote["measured"])


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("vllm-0.6", {"max_context_tokens": 8192,
                      "tensor": 2, "pipeline": 1, "gpu_memory": "79.2 GiB", "usable_fraction": 0.9, "kv": "fp8",
                      "weights": "bf16"}),
        ("vllm-0.8", {"max_context_tokens": 8192,
                      "tensor": 4, "pipeline": 1, "step_tokens": 2048, "kv": "fp16", "weights": "fp16"}),
        ("vllm-0.19", {"max_context_tokens": 8192,
                      "tensor": 1, "pipeline": 1, "usable_fraction": 0.95, "step_sequences": 1024, "step_tokens": 8192,
                       "gpu_memory": "79.19 GiB", "kv": "bf16", "weights": "bf16"}),
        ("vllm-used", {"gpu_memory": "79.2 GiB", "usable_fraction": 0.9}),
        ("sglang", {"tensor": 2, "pipeline": 1, "kv": "bf16", "weights": "native", "usable_fraction": 0.85, "step_tokens": 8192,
                    "free_memory": "78.1 GiB", "max_context_tokens": 40960}),
        ("sglang-old", {"tensor": 1, "weights": "fp8", "kv": "bf16", "free_memory": "78 GiB"}),
        ("llama.cpp", {"tensor": 1, "sequences": 2, "context_tokens": 32768, "kv": "fp16", "step_tokens": 512,
                       "flash_attention": True, "gguf": {"file_type": "Q4_K_M", "gpu_layers": 49}}),
        ("llama.cpp-2023", {"tensor": 1, "sequences": 1, "context_tokens": 2048, "kv": "fp16",
                            "gguf": {"file_type": "Q4_K_M", "gpu_layers": 33, "era": "2023-12"}}),
        ("llama.cpp-metal", {"tensor": 1, "sequences": 1, "context_tokens": 4096, "kv": "fp16", "step_tokens": 512,
                             "flash_attention": True, "gguf": {"file_type": "Q8_0", "gpu_layers": 33, "mapped": True}}),
        ("vllm-0.19-pp4", {"tensor": 1, "pipeline": 4, "usable_fraction": 0.95, "step_tokens": 8192, "step_sequences": 1024,
                           "max_context_tokens": 8192, "kv": "bf16", "weights": "bf16",
                           "stages": dict.fromkeys(["weights", "activation_peak", "non_torch", "beside_cache", "kv_cache"], 3)}),
        ("ik_llama.cpp", {"tensor": 1, "sequences": 1, "context_tokens": 163840, "kv": "fp16", "step_tokens": 1024,
                          "flash_attention": False, "gguf": {"file_type": "Q2_K"}}),
    ],
)  # fmt: skip
def test_what_each_log_says_of_settings(name: str, settings: dict):
    found = read(name)
    if name == "ik_llama.cpp":  # Q2_K has no size: its printed name has one all the same
        settings = settings | {"gguf": {"file_type": found.settings["gguf"]["file_type"]}}
    assert dict(found.settings) == settings


@given(st.sampled_from(sorted(LOGS)), st.randoms())
def test_the_order_of_workers_does_not_matter(name: str, random):
    lines = LOGS[name].splitlines()
    random.shuffle(lines)
    shuffled = read_log("\n".join(lines))
    assert shuffled.measured.keys() == read(name).measured.keys()
    assert shuffled.settings.keys() == read(name).settings.keys()


@given(st.sampled_from(sorted(LOGS)), st.integers(0, 3000), st.binary(max_size=40))
def test_a_cut_or_spoilt_log_is_read_or_refused(name: str, cut: int, noise: bytes):
    text = LOGS[name][:cut] + noise.decode("latin-1") + LOGS[name][cut + 20 :]
    try:
        found = read_log(text)
    except LogError as problem:
        assert problem.allowed
    else:
        assert all(amount(component, text) > 0 for component, text in found.measured.items())
        with suppress(ConfigurationError):  # a setting that no run can have
            own, _ = observation_of(found, source=Source("a/b", "1"), changes={}, file=Path("engine.log"))
            comparison_rows({"mine": own})


@pytest.mark.parametrize(
    ("printed", "recipe"),
    [
        ("Q2_K - Medium", "Q2_K"), ("Q2_K - Small", "Q2_K_S"), ("mostly Q4_K - Medium", "Q4_K_M"),
        ("IQ3_S mix - 3.66 bpw", "IQ3_M"),
        ("IQ3_S - 3.4375 bpw", "IQ3_S"), ("MXFP4 MoE", "MXFP4_MOE"), ("all F32", "F32"), ("Q8_0 (guessed)", "Q8_0"),
    ],
)  # fmt: skip
def test_recipes_have_the_names_that_llama_cpp_prints(printed: str, recipe: str):
    found = read_log(f"print_info: file type   = {printed}\nprint_info: file size   = 17.28 GiB (4.86 BPW)")
    assert found.settings["gguf"]["file_type"] == recipe
    assert recipe in FILE_TYPES
    assert (
        "gguf"
        not in read_log("print_info: file type   = Q4_1, some F16\nprint_info: file size   = 17.28 GiB (4.86 BPW)").settings
    )


@pytest.mark.parametrize(("seqs", "streams"), [("4/1", 1), ("2/2", 2), ("4", 1)])
def test_streams_have_cells_of_their_own(tmp_path: Path, seqs: str, streams: int):
    """A cache that is shared by all sequences has the cells once: n_seq_max/n_stream."""
    file = tmp_path / "engine.log"
    text = LOGS["llama.cpp"].replace("2/2 seqs", f"{seqs} seqs")
    assert (text == LOGS["llama.cpp"]) == (streams == 2)
    file.write_text(text.replace("6144.00 MiB", f"{3072 * streams}.00 MiB"), encoding="utf-8")
    found = json.loads(call("observe", "--log", file, "--json").stdout)
    (cache,) = [row for row in found["figures"] if row["component"] == "kv_cache"]
    assert (cache["measured"], cache["error_fraction"]) == (3072 * streams * 2**20, 0)


def test_the_line_of_late_2024_is_read():
    text = "INFO model_runner.py:1077] Loading model weights took 8.32 GB\nINFO worker.py:232] Memory profiling results: {}"
    for comma in ("", ","):
        keys = ("total_gpu_memory=44.35GiB", "initial_memory_usage=0.5GiB", "peak_torch_memory=9.52GiB",
                "memory_usage_post_profile=0.5Gib", "non_torch_memory=0.34GiB", "kv_cache_size=8.77GiB",
                "gpu_memory_utilization=0.42.")  # fmt: skip
        found = read_log(text.format(f"{comma} ".join(keys)))
        assert dict(found.measured) == {
            "weights": "8.32 GiB", "activation_peak": "1.2 GiB", "non_torch": "0.34 GiB", "kv_cache": "8.77 GiB",
        }  # fmt: skip
        assert dict(found.settings) == {"gpu_memory": "44.35 GiB", "usable_fraction": 0.42}


def test_what_the_log_states_needs_no_gpu(tmp_path: Path):
    found = json.loads(call("observe", "--log", log_in(tmp_path, "vllm-0.19"), "--json").stdout)
    errors = {row["component"]: row["error_fraction"] for row in found["figures"]}
    assert abs(errors["kv_tokens"]) < 0.005
    assert abs(errors["activation_peak"]) < 0.01


def test_plain_numbers_of_arguments_are_read_from_a_line_that_holds_objects():
    text = LOGS["vllm-0.19"].replace(
        "'max_num_seqs': 1024}", "'compilation_config': CompilationConfig(), 'max_num_seqs': 512, 'enable_expert_parallel': True}"
    )
    found = read_log(text)
    assert (found.settings["step_sequences"], found.settings["usable_fraction"]) == (512, 0.95)
    assert any("only numbers, True and False" in note for note in found.notes)
    assert any("expert parallel" in note for note in found.notes)


def test_lines_that_stand_alone_are_read():
    tokens = read_log("[TP0] max_total_num_tokens=463890, chunked_prefill_size=8192, context_len=40960")
    assert (tokens.engine, dict(tokens.measured)) == ("SGLang", {"kv_tokens": "463890 tokens"})
    cells = read_log("llama_kv_cache: CUDA0 KV buffer size = 182.75 MiB\nllama_kv_cache: CUDA1 KV buffer size = 17.25 MiB")
    assert (cells.engine, dict(cells.measured)) == ("llama.cpp", {"kv_cache": "200 MiB"})


def observed(tmp_path: Path, text: str, *words: str) -> dict:
    file = tmp_path / "engine.log"
    file.write_text(text, encoding="utf-8")
    return json.loads(call("observe", "--log", file, *words, "--json").stdout)


PP = LOGS["vllm-0.19-pp4"]


def test_a_stage_of_a_pipeline_is_held_against_itself(tmp_path: Path):
    found = observed(tmp_path, PP, "--gpu", "h100-80gb")
    assert found["off"] == []
    assert len(found["figures"]) == 7
    assert all(abs(row["error_fraction"]) < 0.001 for row in found["figures"])
    first = observed(tmp_path, PP.replace("Worker_PP3", "Worker_PP8"), "--gpu", "h100-80gb")  # no stage of four
    assert set(first["observation"].get("stages", {}).values()) <= {0}
    assert {row["component"]: row["measured"] for row in first["figures"]}["kv_cache"] == 69.8 * 2**30
    assert any("lines of workers that say no pipeline stage" in note for note in first["notes"])
    assert first["off"] == []


@pytest.mark.parametrize(
    ("tensor", "second", "first"),
    [
        (1, "(VllmWorker PP1 pid=7)", "(VllmWorker PP0 pid=6)"),
        (2, "(VllmWorker PP1_TP0 pid=7)", "(VllmWorker PP0_TP1 pid=6)"),
        (2, "(Worker_PP1_TP1_EP1 pid=7)", "(Worker_PP0_TP0_EP0 pid=6)"),
        (2, "(Worker_DP0_PP1_TP0 pid=7)", "(Worker_DP0_PP0_TP0 pid=6)"),
        (1, "(VllmWorker rank=1 pid=7)", "(VllmWorker rank=0 pid=6)"),
        (2, "(VllmWorker rank=3 pid=7)", "(VllmWorker rank=1 pid=6)"),
        (1, "(EngineCore_0 pid=5) (VllmWorker PP1 pid=7)", "INFO the driver:"),
    ],
)
def test_workers_say_their_stage(tensor: int, second: str, first: str):
    config = f"tensor_parallel_size={tensor}, pipeline_parallel_size=2, quantization=None, kv_cache_dtype=auto"
    found = read_log(
        f"Initializing a V1 LLM engine (v0.19.0) with config: model='x', {config}\n"
        f"{first} Model loading took 9.0 GiB\n{second} Model loading took 7.0 GiB\n{second} Available KV cache memory: 3.0 GiB"
    )
    assert dict(found.measured) == {"weights": "7 GiB", "kv_cache": "3 GiB"}
    assert found.settings["stages"] == {"weights": 1, "kv_cache": 1}


def test_workers_without_a_stage_are_left_out_of_a_pipeline():
    lines = "{} Model loading took 9.0 GiB\n{} Model loading took 7.0 GiB"
    config = "Initializing a V1 LLM engine (v0.19.0) with config: model='x', pipeline_parallel_size=2, quantization=None"
    found = read_log(f"{config}\n" + lines.format("INFO", "(RayWorkerWrapper pid=7, ip=10.0.0.2)"))
    assert (dict(found.measured), found.settings["stages"]) == ({"weights": "9 GiB"}, {"weights": 0})
    assert "lines of workers that say no pipeline stage were left out: 1" in found.notes
    named = read_log(lines.format("(Worker_PP0 pid=6)", "(Worker_PP2 pid=7)"))
    assert named.settings["pipeline"] == 3
    assert dict(read_log(lines.format("(Worker_TP0 pid=6)", "(Worker_TP1 pid=7)")).measured) == {"weights": "9 GiB"}


def test_the_smallest_cache_of_the_last_run_counts():
    tp4 = LOGS["vllm-0.10-tp4"]
    assert read_log(tp4).measured["kv_tokens"] == "283008 tokens"
    later = tp4.replace("283,", "183,").replace("13615046656 bytes", "8804000000 bytes")
    assert read_log(f"{later}\n{tp4}").measured["kv_tokens"] == "283008 tokens"  # not the smaller one of the run before
    assert read_log(f"{tp4}\n{later}").measured["kv_cache"] == "8804000000 B"
    begun = tp4.splitlines()[1]
    assert read_log(f"{tp4}\n{begun}").measured == read_log(tp4).measured  # a start that printed no more
    twice = f"{tp4}\n{begun}\nGPU KV cache size: 300,000 tokens"
    assert read_log(twice).measured["kv_tokens"] == "300000 tokens"
    side_by_side = twice.replace("data_parallel_size=1", "data_parallel_size=2")
    assert read_log(side_by_side).measured["kv_tokens"] == "283008 tokens"


def test_tokens_that_gpus_share_are_not_held_against_one(tmp_path: Path):
    lines = ["(Worker_TP0 pid=1) [gpu_worker.py:349] Available KV cache memory: 46.80 GiB", "GPU KV cache size: 715,072 tokens",
             "Multiplying the GPU KV cache size by the dcp_world_size 8.", "GPU KV cache size: 5,721,088 tokens"]  # fmt: skip
    found = observed(tmp_path, "\n".join(lines), "--model", "kimi-k2-thinking", "--tp", "8", "--kv", "bf16")
    rows = {row["component"]: row for row in found["figures"]}
    assert rows["kv_tokens"]["measured"] == 5721088
    assert rows["kv_bytes_per_token"]["reason"] == "decode context parallelism multiplies the printed tokens by 8"
    assert found["off"] == []
    alone = observed(tmp_path, "\n".join(lines[:2]), "--model", "kimi-k2-thinking", "--tp", "8", "--kv", "bf16")
    assert abs(next(row for row in alone["figures"] if row["component"] == "kv_bytes_per_token")["error_fraction"]) < 1e-4


def test_the_blocks_of_old_releases_are_tokens_by_the_printed_concurrency(tmp_path: Path):
    text = LOGS["vllm-0.6"].replace("kv_cache_dtype=fp8", "kv_cache_dtype=auto")
    rows = {row["component"]: row for row in observed(tmp_path, text)["figures"]}
    assert rows["kv_tokens"]["measured"] == 53391 * 16
    assert rows["kv_bytes_per_token"]["error_fraction"] == pytest.approx(2 * 32 * 4 * 128 * 2 / (26.07 * 2**30 / 854256) - 1)
    assert "kv_tokens" not in read_log(text.replace("104.28x", "109.28x")).measured  # 16.8 tokens are no block
    assert "kv_tokens" not in read_log(text.replace("Maximum concurrency", "Most")).measured


def test_what_a_share_is_not_said_of_is_a_note(tmp_path: Path):
    said = "the log does not say which share of the memory is used"
    without = V1.replace(", 'gpu_memory_utilization': 0.95", "")
    assert any(said in note for note in observed(tmp_path, without)["notes"])
    assert not any(said in note for note in observed(tmp_path, V1)["notes"])


DEFAULTS = {"era": "2024-04", "has_importance": False, "latent": "split", "separate_experts": False, "mapped": False}
OLD_FILE = LOGS["llama.cpp-2023"]
# The same file, loaded by a program of later.
OLD_FILE_LATER = (
    OLD_FILE.replace("llm_load_tensors: VRAM used: 25145.55 MiB", "load_tensors: CUDA0 model buffer size = 25145.55 MiB")
    .replace("llm_load_print_meta: model ftype      = mostly", "print_info: file type   =")
    .replace("llm_load_print_meta: model size", "print_info: file size")
)


@pytest.mark.parametrize("text", [OLD_FILE, OLD_FILE_LATER], ids=["by its lines", "by its size"])
def test_a_file_is_of_the_recipe_of_its_time(tmp_path: Path, text: str):
    found = observed(tmp_path, text)
    assert found["off"] == []
    assert found["observation"]["gguf"]["era"] == "2023-12"
    assert any("2023-12" in note for note in found["notes"])
    assert {row["component"] for row in found["figures"] if abs(row["error_fraction"]) < 3e-4} == {
        "weights",
        "kv_cache",
        "model_file",
    }
    later = observed(tmp_path, text, "--era", "2024-04")
    assert len(later["off"]) == 2
    assert any("no recipe of the name Q4_K_M makes a file of the printed size" in note for note in later["notes"])


@pytest.mark.parametrize(
    ("kind", "size", "name", "variant"),
    [
        ("Q4_K - Medium", "376.650 GiB (4.82 BPW)", "DeepSeek V3 0324", {"latent": "joint"}),
        ("Q2_K - Medium", "227.689 GiB (2.91 BPW)", "DeepSeek R1", {"latent": "both"}),
        ("Q4_K - Medium", "17.28 GiB (4.86 BPW)", "Qwen3 30B A3B", {}),
        ("Q4_K - Medium", "357.623 GiB (4.578 BPW)", "DeepSeek V3 0324", {}),  # no recipe's
    ],
)
def test_what_a_recipes_name_does_not_say_is_taken_from_the_printed_size(
    tmp_path: Path, kind: str, size: str, name: str, variant: dict
):
    lines = [f"print_info: file type   = {kind}", f"print_info: file size   = {size}", f"print_info: general.name = {name}"]
    found = observed(tmp_path, "\n".join(lines))
    recipe = "Q4_K_M" if kind.startswith("Q4") else "Q2_K"
    assert found["observation"]["gguf"] == {
        "file_type": recipe,
        **variant,
        **{k: v for k, v in DEFAULTS.items() if k not in variant},
    }
    assert bool(found["off"]) == size.startswith("357")


def test_a_model_that_no_recipe_holds_is_said_to_be_one(tmp_path: Path):
    (row,) = observed(tmp_path, "\n".join(OLD_FILE_LATER.splitlines()[:3]), "--model", "switch-base-8")["figures"]
    assert row["predicted"] is None
    assert row["reason"]


def test_an_importance_matrix_is_known_by_the_loaders_key():
    text = "llama_model_loader: - kv  33: quantize.imatrix.file str = /x.dat\n" + LOGS["llama.cpp"]
    assert read_log(text).settings["gguf"]["has_importance"] is True
    assert "has_importance" not in read("llama.cpp").settings["gguf"]


def test_what_apples_gpus_map_holds_the_embedding_where_buffers_overlap(tmp_path: Path):
    metal = LOGS["llama.cpp-metal"]
    found = observed(tmp_path, metal)
    assert found["off"] == []
    assert abs(found["figures"][0]["error_fraction"]) < 1e-6
    # A file whose first tensor is the embedding: the two buffers are the file.
    apart = observed(tmp_path, metal.replace("8137.64", f"{8137.64 - 532.31:.2f}"))
    assert apart["observation"]["gguf"]["mapped"] is False
    assert abs(apart["figures"][0]["error_fraction"]) < 1e-6
    half = observed(tmp_path, metal.replace("33/33", "20/33"))["figures"][0]
    assert (half["predicted"], half["reason"][:33]) == (None, "the GPU maps a part of the file: ")
    unsized = read_log(metal.replace("file size", "file was"))
    assert "gpu_layers" not in unsized.settings["gguf"]
    assert "mapped" not in read("llama.cpp").settings["gguf"]


def test_the_cache_of_a_program_of_2023_is_read():
    lines = "llm_load_tensors: VRAM used: 3891.24 MB\nllama_new_context_with_model: kv self size  =  256.00 MB"
    found = read_log(lines)
    assert dict(found.measured) == {"weights": "3891.24 MiB", "kv_cache": "256 MiB"}
    assert "kv" not in found.settings  # the line says no format
    whole = "total VRAM used: 32511.60 MiB (model: 32353.06 MiB, context: 158.54 MiB)"  # more than the weights
    assert "weights" not in read_log(f"{whole}\n{lines.splitlines()[1]}").measured


@given(st.text(max_size=300))
def test_other_text_is_refused(text: str):
    with pytest.raises(LogError, match=r"the start-up log of vLLM, SGLang or llama\.cpp"):
        read_log(text)


@pytest.mark.parametrize(
    ("named", "model"),
    [
        ("Qwen/Qwen3-30B-A3B-Instruct-2507", "qwen3-30b-a3b"), ("deepseek-ai/DeepSeek-V2-Lite-Chat", "deepseek-v2-lite"),
        ("/models/Meta-Llama-3.1-8B-Instruct/", "llama-3.1-8b"), ("DeepSeek V3 0324", "deepseek-v3"), ("Qwen/Qwen3-8B", None),
        ("mistralai_mixtral-8x7b-v0.1", "mixtral-8x7b"), ("gpt-oss-120b", "gpt-oss-120b"), ("xphi-40", None),
        ("microsoft/Phi-4-mini-instruct", None), ("deepseek-ai/DeepSeek-V3.1", None),
        ("Qwen3-30B-A3B-UD-Q4_K_XL.gguf", "qwen3-30b-a3b"),
    ],
)  # fmt: skip
def test_models_are_found_in_what_engines_call_them(named: str, model: str | None):
    assert model_named(named) == model


def log_in(folder: Path, name: str) -> Path:
    file = folder / "engine.log"
    file.write_text(LOGS[name], encoding="utf-8")
    return file


def test_a_log_is_compared_component_by_component(tmp_path: Path):
    found = json.loads(call("observe", "--log", log_in(tmp_path, "vllm-0.19"), "--gpu", "h100-80gb", "--json").stdout)
    errors = {row["component"]: row["error_fraction"] for row in found["figures"]}
    assert abs(errors["weights"]) < 0.001
    assert abs(errors["kv_tokens"]) < 0.005
    assert abs(errors["activation_peak"]) < 0.01
    assert abs(errors["max_concurrency"]) < 0.005
    assert abs(errors["beside_cache"]) < 0.001
    assert found["off"] == []
    assert found["observation"]["profile"] == "vllm-0.19"


def test_what_is_off_is_said(tmp_path: Path):
    file = tmp_path / "engine.log"
    file.write_text(LOGS["vllm-0.19"].replace("took 56.88 GiB", "took 30.00 GiB").replace("168,288", "84,000"), encoding="utf-8")
    text = call("observe", "--log", file, "--gpu", "h100-80gb").stdout
    assert re.search(r"off: weights, 47\.\d% less than predicted: their format or layout", text)
    assert re.search(r"off: KV bytes a token, 100\.\d% more than predicted: the format of the cache", text)


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("hello\n", (), r'--log: .*engine.log: "hello"; allowed: the start-up log of vLLM, SGLang or llama.cpp'),
        (V1_OLD.splitlines()[0], (), r'--log: .*"vLLM 0.8.5"; allowed: the whole start-up log'),
        ("", (), r"--log: .*allowed: the start-up log"),
        (V1, ("--model", "qwen"), r'--model: "qwen"; allowed: dbrx'),
        (V1, ("--engine", "vllm-9"), r"--engine: .*vllm-9.*allowed: the entries: ideal"),
        (V1, ("--weights", "int9"), r'--weights: "int9"; allowed: '),
        (V1, ("--gpu", "h100"), r'gpu: "h100"; allowed: '),
        (V1, ("--name", "a b"), r'--name: "a b"; allowed: lower-case'),
        (V1, ("--era", "2023-12"), r'--era: "2023-12"; allowed: a log that prints the file type'),
        (LOGS["llama.cpp"], ("--era", "2023"), r'--era: "2023"; allowed: 2023-12, 2024-02, 2024-04'),
        (LOGS["llama.cpp"], ("--era", "2023-12", "--gguf", "x.gguf"), r'--era: "2023-12"; allowed: none beside --gguf'),
    ],
)
def test_wrong_input_gets_one_line(tmp_path: Path, text: str, words: tuple[str, ...], line: str):
    file = tmp_path / "engine.log"
    file.write_text(text, encoding="utf-8")
    assert re.search(line, refused("observe", "--log", file, *words))


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("tensor_parallel_size=1", "tensor_parallel_size=0", r"engine.log: tensor: 0; allowed"),
        ("'gpu_memory_utilization': 0.95", "'gpu_memory_utilization': 'most'", r"engine.log: usable_fraction: "),
        ("'gpu_memory_utilization': 0.95", "'gpu_memory_utilization': 9.5", r"engine.log: usable_fraction: 9.5; allowed"),
    ],
)
def test_a_setting_that_no_run_can_have_gets_one_line(tmp_path: Path, old: str, new: str, line: str):
    file = tmp_path / "engine.log"
    assert old in LOGS["vllm-0.19"]
    spoilt = LOGS["vllm-0.19"].replace(old, new)
    file.write_text("\n".join(text for text in spoilt.splitlines() if "Desired" not in text), encoding="utf-8")
    assert re.search(line, refused("observe", "--log", file))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("vllm-0.19", "tensor_parallel_size=1", "tensor_parallel_size=abc"),
        ("vllm-0.19", "data_parallel_size=1", "data_parallel_size=two"),
        ("vllm-0.19", "max_num_batched_tokens to 8192", f"max_num_batched_tokens to {'9' * 5000}"),
        ("vllm-0.19", "size: 168,288 tokens", "size: , tokens"),
        ("vllm-0.19", "size: 168,288 tokens", f"size: {'9' * 500} tokens"),
        ("vllm-0.19", "non-default args: {", "non-default args: {{"),
        ("vllm-0.19", "dtype=torch.bfloat16", "dtype=torch.float128"),
        ("vllm-0.6", "53391", "9" * 5000),
        ("sglang", "#tokens: 800000", f"#tokens: {'9' * 400}"),
        ("sglang", "tp_size=2", "tp_size=-1"),
    ],
)
def test_a_spoilt_setting_is_as_one_that_is_not_there(tmp_path: Path, name: str, old: str, new: str):
    assert old in LOGS[name]
    file = tmp_path / "engine.log"
    file.write_text(LOGS[name].replace(old, new), encoding="utf-8")
    found = json.loads(call("observe", "--log", file, "--gpu", "h100-80gb", "--json").stdout)
    assert all(0 < row["measured"] < 1e15 for row in found["figures"])


def test_what_was_not_compared_is_said(tmp_path: Path):
    file = tmp_path / "engine.log"
    file.write_text(LOGS["vllm-0.19"].replace("Qwen3-30B-A3B", "Other-7B"), encoding="utf-8")
    text = call("observe", "--log", file)
    assert "nothing was compared: the reasons above say what is missing" in text.stdout
    assert "not one of the catalogue's by its name: --model names one" in text.stderr
    fp7 = LOGS["vllm-0.19"].replace("kv_cache_dtype=auto", "kv_cache_dtype=fp7")
    assert fp7 != LOGS["vllm-0.19"]
    file.write_text(fp7, encoding="utf-8")
    assert "format fp7 of the cache: not known here, --kv names one" in call("observe", "--log", file).stderr


def test_a_missing_log_gets_one_line(tmp_path: Path):
    assert "No such file" in refused("observe", "--log", tmp_path / "none.log")


def test_an_added_run_is_an_observation_with_its_source(tmp_path: Path):
    mine = tmp_path / "config"
    shutil.copytree(REPOSITORY / "config", mine)
    file = log_in(tmp_path, "vllm-0.19")
    words = ("--catalogue", mine, "observe", "--log", file, "--gpu", "h100-80gb", "--add")
    assert call(*words, "--repository", "me/mine", "--thread", "issue #1").returncode == 0
    (run, entry), *_ = yaml.safe_load((mine / "observations/own.yaml").read_text(encoding="utf-8")).items()
    assert entry["source"] == {"repository": "me/mine", "thread": "issue #1"}
    assert (run, entry["measured"]["kv_tokens"]) == ("qwen3-30b-a3b-vllm-0.19.0", "168288 tokens")
    read_observations([mine / "observations/own.yaml"])
    compared = json.loads(call("--catalogue", mine, "observations", "compare", "--run", run, "--json").stdout)
    assert {row["component"] for row in compared} >= {"weights", "kv_tokens", "kv_bytes_per_token"}
    before = (mine / "observations/own.yaml").read_bytes()
    assert f'--name: "{run}"; allowed: a name that no run' in refused(*words)
    assert (mine / "observations/own.yaml").read_bytes() == before
    assert call(*words, "--name", "second").returncode == 0
    assert list(yaml.safe_load((mine / "observations/own.yaml").read_text(encoding="utf-8"))) == [run, "second"]
    assert "secret" not in (mine / "observations/own.yaml").read_text(encoding="utf-8")


def test_secrets_of_arguments_are_not_kept(tmp_path: Path):
    shown = call("observe", "--log", log_in(tmp_path, "sglang"), "--json").stdout
    assert "secret" not in shown


@pytest.mark.parametrize(
    ("model", "form"),
    [
        ("RedHatAI/Qwen3-30B-A3B-FP8-dynamic", "fp8"),
        ("RedHatAI/Qwen3-30B-A3B-NVFP4", "nvfp4"),
        ("RedHatAI/Qwen3-30B-A3B-quantized.w4a16", "int4"),
        ("RedHatAI/Qwen3-30B-A3B-quantized.w8a8", "int8"),
        ("someone/Qwen3-30B-A3B-small", None),
    ],
)
def test_compressed_tensors_tell_their_format_by_the_models_name(model: str, form: str | None):
    found = read_log(V1.replace("Qwen/Qwen3-30B-A3B", model).replace("quantization=None", "quantization=compressed-tensors"))
    assert found.settings.get("weights") == form
    assert any("--weights names" in note or "with --weights" in note for note in found.notes)


def test_a_log_of_sglang_is_predicted_from_what_was_free_before_the_load(tmp_path: Path):
    quote = next(quote for quote in QUOTED if "llms-in-clouds" in quote["source"])
    arguments = "server_args=ServerArgs(model_path='Qwen/QwQ-32B', kv_cache_dtype='auto', quantization=None,"
    file = tmp_path / "sglang.log"
    file.write_text("\n".join([f"{arguments} mem_fraction_static=0.85, chunked_prefill_size=2048, tp_size=4)", *quote["lines"]]))
    found = json.loads(call("observe", "--log", file, "--weights", "bf16", "--json").stdout)
    assert found["observation"]["profile"] == "sglang"
    predicted = {row["component"]: row["error_fraction"] for row in found["figures"]}
    assert abs(predicted["weights"]) < 0.02
    assert abs(predicted["kv_tokens"]) < 0.06
    assert predicted["kv_bytes_per_token"] == pytest.approx(0, abs=0.004)  # K and V are printed to 0.01 GB


def test_every_figure_that_is_predicted_has_an_assumption():
    predicted = {component for component in COMPONENTS if component not in UNANSWERED}
    assert predicted == set(ASSUMPTIONS)


def sglang_log(tmp_path: Path, *, old: str = "", new: str = "", more: str = "") -> dict:
    file = tmp_path / "sglang.log"
    file.write_text(LOGS["sglang"].replace(old, new) + more)
    return json.loads(call("observe", "--log", file, "--gpu", "h100-80gb", "--json").stdout)


def test_what_sglang_was_started_with_is_taken(tmp_path: Path):
    long = sglang_log(tmp_path, old="mem_fraction_static=0.85", new="mem_fraction_static=0.7861250000000001")
    assert long["observation"]["usable_fraction"] == 0.7861250000000001
    cache = read_log(LOGS["sglang-old"].replace("quantization='fp8'", "kv_cache_dtype='fp8_e4m3'"))
    assert cache.settings["kv"] == "fp8"
    stored = read_log(LOGS["sglang"].replace("type=Qwen3MoeForCausalLM,", "type=Qwen3MoeForCausalLM, quant=fp8,"))
    assert stored.settings["weights"] == "fp8"
    for words in ("enable_dp_attention=True", "ep_size=8", "speculative_algorithm='EAGLE'"):
        assert any("predict" in note for note in read_log(LOGS["sglang"].replace("api_key=", f"{words}, api_key=")).notes)
    assert not read_log(LOGS["sglang"].replace("api_key=", "ep_size=1, speculative_algorithm=None, api_key=")).notes


def test_each_kind_of_graph_of_sglang_counts_once():
    lines = (
        "Capture target prefill CUDA graph end. elapsed=3.1 s, mem usage=0.80 GB, avail mem=9.2 GB.",
        "[TP0] Capture target decode CUDA graph end. bs=[1, 2], elapsed=3.1 s, mem usage=1.25 GB, avail mem=8.0 GB.",
        "[TP1] Capture target decode CUDA graph end. bs=[1, 2], elapsed=3.1 s, mem usage=1.25 GB, avail mem=8.0 GB.",
    )
    text = LOGS["sglang-old"] + "\n".join(lines)
    assert read_log(text).measured["cuda_graphs"] == "2.05 GiB"


def test_a_prediction_that_leaves_nothing_is_no_figure(tmp_path: Path):
    file = tmp_path / "vllm.log"
    file.write_text(V1)
    done = call("observe", "--log", file, "--model", "mixtral-8x7b", "--gpu", "h100-80gb")
    assert "inf" not in done.stdout
    assert done.stdout.count("by the prediction nothing is left") >= 2
    assert (
        "SGLang 0.5 measures no activations" in call("observe", "--log", file, "--gpu", "h100-80gb", "--engine", "sglang").stdout
    )
