"""SGLang's start-up log, read in the sources of 0.4.1 to 0.5.23 and in public logs; its GB are GiB."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from prophet_memory.formats import NATIVE
from prophet_memory.logs.reading import QUANTIZATIONS, LogReading, every, first, gib, whole

N = r"(-?\d+(?:\.\d+)?)"
ARGUMENTS = re.compile(r"server_args=(?:ServerArgs\(|\{)(.*)")
ARGUMENT = re.compile(
    r"(?:\b|')(model_path|quantization|kv_cache_dtype|tp_size|pp_size|mem_fraction_static|chunked_prefill_size)"
    r"'?(?:=|: )('[^']*'|[^,)}]+)"
)
WEIGHTS = re.compile(rf"Load weight end\..*?mem usage={N} GB")
AVAILABLE_BEFORE, AVAILABLE_AFTER = (
    re.compile(rf"Load weight begin\. avail mem={N} GB"),
    re.compile(rf"Load weight end\..*?avail mem={N} GB"),
)
WEIGHTS_DTYPE = re.compile(r"Load weight end\..*?\bdtype=torch\.(\w+)")
CACHE = re.compile(
    rf"KV Cache is allocated\.(?: dtype: ([\w.]+),)?(?: #tokens: (\d+),)? (?:K size: {N} GB, V size: {N} GB|KV size: {N} GB)"
)
LOADED = re.compile(rf"Load weight end\..*?avail mem={N} GB, mem usage={N} GB")
FRACTION = re.compile(r"0?\.\d{1,20}|1(?:\.0+)?")
CONTEXT = re.compile(r"\bcontext_len=(\d+)")
TOKENS = re.compile(r"\bmax_total_num_tokens=(\d+)")
STATE = re.compile(rf"Mamba Cache is allocated\..*?conv_state size: {N}GB, ssm_state size: {N}GB")
WEIGHTS_QUANTIZED = re.compile(r"Load weight end\..*?\bquant=(\w+)")
GRAPHS = re.compile(rf"Capture ((?:[\w ]+ )?)(?:cuda|CUDA) graph end\..*?mem usage={N} GB")
FORMATS = {
    "bfloat16": "bf16",
    "float16": "fp16",
    "fp8_e4m3": "fp8",
    "fp8_e5m2": "fp8",
    "float8_e4m3fn": "fp8",
    "float8_e5m2": "fp8",
}


def read_sglang(lines: Sequence[str]) -> LogReading | None:
    """What the log says; None for another engine's."""
    arguments = first(ARGUMENTS, lines)
    if not (arguments or first(CACHE, lines) or first(AVAILABLE_BEFORE, lines) or first(TOKENS, lines)):
        return None
    values = {key: value.strip("' ") for key, value in ARGUMENT.findall(arguments[1])} if arguments else {}
    cache, notes = every(CACHE, lines), list[str]()
    settings = _arguments(values) | _memory(lines) | _formats(lines, values, cache)
    notes += _notes(arguments[1]) if arguments else []
    quantization = values.get("quantization", "None")
    if quantization == "None" and (stored := first(WEIGHTS_QUANTIZED, lines)) is not None:
        quantization = stored[1]  # the checkpoint's own
    if arguments and quantization == "None":
        settings["weights"] = NATIVE  # as the model's own config has it
    elif quantization in QUANTIZATIONS:
        settings["weights"] = QUANTIZATIONS[quantization]
    elif arguments:
        notes.append(f"quantization {quantization}: name its format with --weights")
    if len(cache) > 1:
        notes.append("several caches: a draft model or layers with a window have their own")
    return LogReading("SGLang", values.get("model_path"), settings, _measured(lines, cache), tuple(notes))


def _notes(arguments: str) -> list[str]:
    """What the prediction does not know: other kinds of parallelism, and a draft model."""
    found = []
    if re.search(r"enable_dp_attention'?(?:=|: )True|ep_size'?(?:=|: )(?!1\b)\d", arguments):
        found.append("data-parallel attention or expert parallel: the prediction takes tensor parallelism alone")
    if re.search(r"speculative_algorithm'?(?:=|: )(?!None)", arguments):
        found.append("speculation: a draft model's weights and cache are not predicted")
    return found


def _arguments(values: Mapping[str, str]) -> dict[str, Any]:
    """Sizes and the usable share, as the server was started."""
    sizes = (("tp_size", "tensor"), ("pp_size", "pipeline"), ("chunked_prefill_size", "step_tokens"))
    found: dict[str, Any] = {name: size for key, name in sizes if (size := whole(values.get(key))) is not None}
    if FRACTION.fullmatch(share := values.get("mem_fraction_static", "")):
        found["usable_fraction"] = float(share)
    return found


def _formats(lines: Sequence[str], values: Mapping[str, str], cache: Sequence[re.Match[str]]) -> dict[str, Any]:
    """The format of the cache: as it is printed, or that of the weights."""
    if cache and cache[0][1]:
        dtype = cache[0][1].removeprefix("torch.")
    elif (named := values.get("kv_cache_dtype", "auto")) != "auto":
        dtype = named
    elif (stored := first(WEIGHTS_DTYPE, lines)) is not None:
        dtype = stored[1]
    else:
        return {}
    return {"kv": FORMATS.get(dtype, dtype)}


def _memory(lines: Sequence[str]) -> dict[str, Any]:
    """What was free before the load, on the fullest GPU, and the longest context."""
    found: dict[str, Any] = {}
    if before := [float(line[1]) for line in every(AVAILABLE_BEFORE, lines)]:
        found["free_memory"] = gib(min(before))
    elif loaded := [float(line[1]) + float(line[2]) for line in every(LOADED, lines)]:
        found["free_memory"] = gib(round(min(loaded), 2))
    if (context := first(CONTEXT, lines)) is not None and (size := whole(context[1])) is not None:
        found["max_context_tokens"] = size
    return found


def _measured(lines: Sequence[str], cache: list[re.Match[str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    if weights := every(WEIGHTS, lines):
        found["weights"] = gib(max(float(line[1]) for line in weights))
    elif (before := first(AVAILABLE_BEFORE, lines)) and (after := first(AVAILABLE_AFTER, lines)):
        found["weights"] = gib(round(float(before[1]) - float(after[1]), 2))
    if cache:
        parts = [float(part) for part in cache[0].groups()[2:] if part is not None]
        found["kv_cache"] = gib(round(sum(parts), 2))
    if cache and cache[0][2]:
        found["kv_tokens"] = f"{cache[0][2]} tokens"
    elif (tokens := first(TOKENS, lines)) is not None:
        found["kv_tokens"] = f"{tokens[1]} tokens"
    if (state := first(STATE, lines)) is not None:
        found["recurrent_state"] = gib(round(float(state[1]) + float(state[2]), 2))
    graphs = {line[1]: float(line[2]) for line in every(GRAPHS, lines)}  # decode and prefill each print a line, on every rank
    if graphs:
        found["cuda_graphs"] = gib(round(sum(graphs.values()), 2))
    return found
