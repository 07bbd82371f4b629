"""The start-up log of llama.cpp and its forks (ik_llama.cpp, ollama's runner), old names of functions and new ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from prophet_memory.gguf import ERAS
from prophet_memory.logs.reading import LogReading, every, first, gib, last, mib, whole

N = r"(\d+(?:\.\d+)?)"
META = re.compile(r"(?:llm_load_print_meta|print_info): (general\.name|file type|file size|model ftype|model size)\s+= (.*\S)")
SIZE = re.compile(rf"{N} (MiB|GiB) \({N} BPW\)")
OFFLOADED = re.compile(r"offloaded (\d+)/(\d+) layers to GPU")
BUFFER = re.compile(rf"(\w+):\s+(\S+)\s+(?:(model|KV|RS|compute|output)\s+)?buffer size\s*=\s*{N} MiB")
LOADERS = ("load_tensors", "llm_load_tensors")
OLD_CACHE = re.compile(rf"(?i:KV self size)\s*=\s*{N} Mi?B(?:, (?:K|c\^KV|K-only) \((\w+)\))?")  # MB of 2023 are MiB
CACHE = re.compile(
    rf"size =\s*{N} MiB \(\s*(\d+) cells,\s*(\d+) layers,\s*\d+(?:/(\d+))? seqs(?:\s+\d+ rs_seq)?\), ([KR]) \((\w+)\)"
)
CONTEXT = re.compile(
    r"(?:llama_context|llama_new_context_with_model|llama_init_from_model): (n_seq_max|n_ctx|n_ctx_seq|n_ubatch)\s+= (\d+)"
)
FLASH = re.compile(r"(?:flash_attn\s+=|Flash Attention was auto, set to) (\w+)")
FLASH_WORDS = {"0": False, "1": True, "disabled": False, "enabled": True}
OLD_USED = re.compile(rf"(?<!total )VRAM used: {N} Mi?B")  # until January 2024, when device buffers came
FORMATS = {"f16": "fp16", "f32": "fp32", "bf16": "bf16", "q8_0": "q8_0", "q4_0": "q4_0"}
IMPORTANCE = re.compile(r"quantize\.imatrix\.file\b")  # of a file's keys, as the loader prints them
FILE_TYPE = re.compile(r"^(\w+)(?: - (Small|Medium|Large))?")
HOST = ("CPU", "AMX", "BLAS")  # how the names of the host's buffers begin; pinned ones hold `Host`
MAPPED = re.compile(r"_Mapped$|^Metal$")  # on Apple's GPUs, which reach the host's memory
OVERLAP = 0.5  # of the host's buffer: where buffers sum up to so much more than the file, the GPU's holds it, too
EMBEDDINGS = 0.1  # of a file: more than that with the host is more than the embedding
# Names that llama_model_ftype_name gives to recipes otherwise; a file that is "guessed" or has "some" of another type has none.
NAMED = {"Q2_K - Medium": "Q2_K", "IQ3_S mix": "IQ3_M", "MXFP4 MoE": "MXFP4_MOE", "all F32": "F32"}
SIZES = {"Small": "_S", "Medium": "_M", "Large": "_L", None: ""}


def read_llama_cpp(lines: Sequence[str]) -> LogReading | None:
    """What the log says; None for another engine's."""
    meta = {found[1]: found[2] for found in every(META, lines)}
    buffers = every(BUFFER, lines)
    if not (meta or buffers or first(OLD_CACHE, lines) or first(CACHE, lines)):
        return None
    fork = "ik_llama.cpp" if any("c^KV" in line or "mla_attn" in line or "fused_moe" in line for line in lines) else "llama.cpp"
    settings: dict[str, Any] = {"tensor": 1, "sequences": 1}
    sizes = {found[1]: whole(found[2]) for found in every(CONTEXT, lines)}
    context = {key: size for key, size in sizes.items() if size is not None}
    measured = _measured(lines, buffers, meta)
    cache = [found for found in every(CACHE, lines) if found[5] == "K"]
    if cache:
        settings |= {
            "sequences": whole(cache[0][4] or "1"),  # streams, each with its own cells; before there were streams, one
            "context_tokens": whole(cache[0][2]),
            "kv": FORMATS.get(cache[0][6], cache[0][6]),
        }
    elif (old := last(OLD_CACHE, lines)) is not None:
        settings |= {"kv": FORMATS.get(old[2], old[2])} if old[2] else {}
        if "n_ctx" in context:
            settings["context_tokens"] = context["n_ctx"]
    if "n_ubatch" in context:
        settings["step_tokens"] = context["n_ubatch"]
    if flash := [FLASH_WORDS[found[1]] for found in every(FLASH, lines) if found[1] in FLASH_WORDS]:
        settings["flash_attention"] = flash[-1]
    notes = _file(meta, lines, settings)
    return LogReading(fork, meta.get("general.name"), settings, measured, tuple(notes))


def _recipe(printed: str) -> str | None:
    """The recipe by the name that a log prints."""
    found = FILE_TYPE.match(printed)
    if found is None or ", some" in printed:
        return None
    return next((recipe for name, recipe in NAMED.items() if printed.startswith(name)), found[1] + SIZES[found[2]])


def _is_host(buffer: re.Match[str]) -> bool:
    return buffer[2].startswith(HOST) or "Host" in buffer[2]


def _weight_buffers(lines: Sequence[str]) -> dict[str, re.Match[str]]:
    """Buffers of weights by their name; printed again: the last."""
    return {b[2]: b for b in every(BUFFER, lines) if b[1] in LOADERS and b[3] in (None, "model")}


def _file_mib(meta: dict[str, str]) -> float | None:
    size = SIZE.search(meta.get("file size") or meta.get("model size") or "")
    return None if size is None else float(size[1]) * (2**10 if size[2] == "GiB" else 1)


def _file(meta: dict[str, str], lines: Sequence[str], settings: dict[str, Any]) -> list[str]:
    """The recipe of the file, and how many layers stand on the GPU."""
    kind = _recipe((meta.get("file type") or meta.get("model ftype") or "").removeprefix("mostly "))
    if kind is None:
        return []
    file: dict[str, Any] = {"file_type": kind}
    settings["gguf"] = file
    if (offloaded := last(OFFLOADED, lines)) is not None:
        file["gpu_layers"] = whole(offloaded[1])
    notes = []
    if first(OLD_USED, lines) is not None:
        file["era"] = ERAS[0]  # no later file was there to load
        notes.append(f"the lines are those of 2023, so the recipe is taken to be that of {ERAS[0]}: --era names another")
    if first(IMPORTANCE, lines) is not None:
        file["has_importance"] = True
    buffers, size = list(_weight_buffers(lines).values()), _file_mib(meta)
    host = sum(float(b[4]) for b in buffers if _is_host(b))
    mapped = any(MAPPED.search(b[2]) for b in buffers if not _is_host(b))
    if mapped and size is None:
        file.pop("gpu_layers", None)
        return [*notes, "the GPU maps the file, and the log has no size of it that says whether the embedding is in its part"]
    if size is not None and mapped and host and sum(float(b[4]) for b in buffers) - size > OVERLAP * host:
        file["mapped"] = True
        return [*notes, "the GPU maps the whole file: its buffer and the host's share the embedding"]
    if size is not None and host > EMBEDDINGS * size:
        file.pop("gpu_layers", None)
        return [*notes, "weights of layers on the GPU stand with the host: which, the log does not say"]
    return notes


def _measured(lines: Sequence[str], buffers: list[re.Match[str]], meta: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    on_gpu = [b for b in buffers if not _is_host(b)]
    weights = [float(b[4]) for b in _weight_buffers(lines).values() if not _is_host(b)]
    if weights:
        found["weights"] = mib(sum(weights))
    elif (used := first(OLD_USED, lines)) is not None:
        found["weights"] = mib(used[1])
    compute = {b[2]: float(b[4]) for b in on_gpu if b[3] == "compute"}
    if compute:
        found["compute_buffer"] = mib(max(compute.values()))
    caches = every(CACHE, lines)
    full, state = [c for c in caches if c[5] == "K"], [c for c in caches if c[5] == "R"]
    if full:
        found["kv_cache"] = mib(full[0][1])
        if len(full) > 1:
            found["kv_cache_of_windows"] = mib(full[1][1])
    elif (old := last(OLD_CACHE, lines)) is not None:
        found["kv_cache"] = mib(old[1])
    if not float(found.get("kv_cache", "0").split()[0]) and (cells := [float(b[4]) for b in buffers if b[3] == "KV"]):
        found["kv_cache"] = mib(sum(cells))  # of a kind of cache that has no line of its own
    if state:
        found["recurrent_state"] = mib(state[0][1])
    size = SIZE.search(meta.get("file size") or meta.get("model size") or "")
    if size is not None:
        found["model_file"] = gib(size[1]) if size[2] == "GiB" else mib(size[1])
    return found
