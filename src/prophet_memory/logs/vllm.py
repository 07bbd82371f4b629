"""vLLM's start-up log: V0 from 0.5 on and V1, read in the sources of 0.6.3, 0.8.5, 0.11.0 and 0.19.0 and in public logs.

Workers of a pipeline hold different layers, so what they print of themselves is kept apart by stage. What the engine prints is of
all of them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any

from prophet_memory.logs.reading import QUANTIZATIONS, LogReading, every, first, gib, last, whole

N = r"(-?\d+(?:\.\d+)?)"
ENGINE = re.compile(r"Initializing an? (?:V[01] )?LLM engine \(v([^)]+)\) with config: model='([^']+)'")
BANNER_VERSION, BANNER_MODEL = re.compile(r"█.*\bversion (\d\S*)"), re.compile(r"█.*\bmodel +(\S+/\S+)")
KEY = re.compile(
    r"(?:^|[ ,])(dtype|tensor_parallel_size|pipeline_parallel_size|data_parallel_size|quantization|kv_cache_dtype)=([^,)\s]+)"
)
GIVEN = re.compile(r"non-default args: (\{.*\})")
TOKENS = re.compile(r"max_num_batched_tokens(?:=| to )(\d+)")
SEQUENCES = re.compile(r"(?:Defaulting max_num_seqs to |max_num_seqs=)(\d+)")
WEIGHTS = re.compile(rf"(?:Loading model weights|Model loading) took {N} (?:GB|GiB)")
CACHE = re.compile(rf"Available KV cache memory: {N} GiB")
CACHE_TOKENS = re.compile(r"GPU KV cache size: (\d[\d,]*) tokens")
CONCURRENCY = re.compile(rf"Maximum concurrency for (?P<context>\d[\d,]*) tokens per request: {N}x")
BESIDE = re.compile(rf"Total non KV cache memory: {N}GiB")
BLOCKS = re.compile(r"# (?:GPU|CUDA|cuda) blocks: (\d+)")
GRAPHS = re.compile(rf"Graph capturing finished in \d+ secs, took {N} GiB")
GRAPHS_ESTIMATED = re.compile(rf"Estimated CUDA graph memory: {N} GiB")
OLD_TOTAL = re.compile(rf"total_gpu_memory \({N}GiB\) x gpu_memory_utilization \({N}\)")
OLD_SPLIT = re.compile(
    rf"model weights take {N}GiB; non_torch_memory takes {N}GiB; PyTorch activation peak memory takes {N}GiB;"
    rf" the rest of the memory reserved for KV Cache is {N}GiB"
)
PAIRS = re.compile(
    rf"total_gpu_memory={N}GiB.*?peak_torch_memory={N}GiB.*?non_torch_memory={N}GiB.*?kv_cache_size={N}GiB"
    rf".*?gpu_memory_utilization={N}"
)
PROFILED = re.compile(rf"torch peak memory increase: {N}GiB; non-torch forward increase memory: {N}GiB; weights memory: {N}GiB")
ON_DEVICE = re.compile(rf"Free memory on device(?: \S+)? \({N}/{N} GiB\) on startup")
DESIRED = re.compile(rf"Desired GPU memory utilization is \({N}, {N} GiB\)")
USED = re.compile(
    rf"Actual usage is {N} GiB for weight, {N} GiB for peak activation, {N} GiB for non-torch memory,"
    rf" and {N} GiB for CUDAGraph memory"
)
CONSUMED = re.compile(  # since mid-2026
    rf"Actual usage is {N} GiB for consumed memory \(weights \+ non-torch\), {N} GiB for peak activation,"
    rf" and {N} GiB for CUDAGraph memory"
)
IN_USE_BYTES = re.compile(r"Current kv cache memory in use is (\d{1,15}) bytes")  # 0.10.2
IN_USE = re.compile(rf"Current kv cache memory in use is {N} GiB")
GRAPH_POOL = re.compile(rf"CUDA graph pool memory: {N} GiB \(actual\), {N} GiB \(estimated\)")
MULTIPLIED = re.compile(r"Multiplying the GPU KV cache size by the \w*cp_world_size (\d+)")
TOTAL = re.compile(rf"total_memory={N}GiB")
# Lines of a worker: (Worker_PP1_TP0 pid=7), (VllmWorker PP1_TP0 pid=7), (VllmWorker rank=2 pid=7), (RayWorkerWrapper pid=7).
WORKER = re.compile(r"\((\w*Worker\w*(?: [\w=]+)?) (?:pid|ip)=")
STAGE, RANK = re.compile(r"(?<![A-Z])PP(\d{1,4})(?!\d)"), re.compile(r"rank=(\d{1,4})(?!\d)")
SHORT_FORMS = {
    "auto": None,
    "bfloat16": "bf16",
    "float16": "fp16",
    "float32": "fp32",
    "half": "fp16",
    "fp8_e4m3": "fp8",
    "fp8_e5m2": "fp8",
}
GIVEN_KEYS = {
    "gpu_memory_utilization": "usable_fraction", "max_num_batched_tokens": "step_tokens", "max_num_seqs": "step_sequences",
    "tensor_parallel_size": "tensor", "pipeline_parallel_size": "pipeline",
}  # fmt: skip


DATA_PARALLEL = re.compile(r"data_parallel_size=(\d{1,6})\b")
COMPRESSED_TENSORS = "compressed-tensors"
LONGEST_NUMBER = 12  # of an argument, in characters
MOST_BLOCK_TOKENS, BLOCK_ROUNDING = 1024, 0.01


def read_vllm(lines: Sequence[str]) -> LogReading | None:
    """What the log says; None for another engine's."""
    engine, banner = last(ENGINE, lines), first(BANNER_VERSION, lines)
    known = [WEIGHTS, CACHE_TOKENS, CACHE, OLD_SPLIT, PAIRS, BLOCKS, USED, CONSUMED, PROFILED]
    if not (engine or banner or any(first(pattern, lines) for pattern in known)):
        return None
    version = engine[1] if engine else banner[1] if banner else ""
    model = engine or first(BANNER_MODEL, lines)
    named = None if model is None else model[model.re.groups]
    settings, notes = _settings(lines, engine)
    measured, stages = _measured(lines, settings, notes)
    if stages:
        settings["stages"] = stages
    if reasons := _multiplied(lines, measured, notes):
        settings["reasons"] = reasons
    return LogReading(f"vLLM {version}".strip(), named, settings, measured, tuple(notes))


def _multiplied(lines: Sequence[str], measured: Mapping[str, str], notes: list[str]) -> dict[str, str]:
    """Why tokens are more than a GPU's: GPUs that share a sequence's tokens print them together."""
    line = last(MULTIPLIED, lines)
    if line is None or "kv_tokens" not in measured:
        return {}
    said = f"decode context parallelism multiplies the printed tokens by {line[1]}"
    notes.append(said)
    return {"kv_tokens": said} | ({"kv_bytes_per_token": said} if "kv_cache" in measured else {})


def _settings(lines: Sequence[str], engine: re.Match[str] | None) -> tuple[dict[str, Any], list[str]]:
    notes: list[str] = []
    values, given = dict(KEY.findall(engine.string)) if engine else {}, _given(lines, notes)
    parallel = (("tensor_parallel_size", "tensor"), ("pipeline_parallel_size", "pipeline"))
    sizes = {name: whole(values.get(key)) for key, name in parallel}
    found: dict[str, Any] = {name: size for name, size in sizes.items() if size is not None}
    found |= {name: given[key] for key, name in GIVEN_KEYS.items() if key in given}
    for name, pattern in (("step_tokens", TOKENS), ("step_sequences", SEQUENCES)):
        if name not in found and (line := first(pattern, lines)) and (size := whole(line[1])) is not None:
            found[name] = size
    if (line := last(CONCURRENCY, lines)) is not None and (size := whole(line["context"].replace(",", ""))) is not None:
        found["max_context_tokens"] = size
    found |= _memory(lines)
    if values:
        found |= _formats(values, engine[2] if engine else "", notes)
    if (whole(values.get("data_parallel_size")) or 1) > 1 or given.get("enable_expert_parallel"):
        notes.append("data or expert parallel: the prediction takes tensor parallelism alone")
    return found, notes


def _memory(lines: Sequence[str]) -> dict[str, Any]:
    """The GPU's memory and the share of it, as each release prints them."""
    found: dict[str, Any] = {}
    if (old := first(OLD_TOTAL, lines)) is not None:
        found |= {"gpu_memory": gib(old[1]), "usable_fraction": float(old[2])}
    if (pairs := first(PAIRS, lines)) is not None:
        found |= {"gpu_memory": gib(pairs[1]), "usable_fraction": float(pairs[5])}
    if (total := first(TOTAL, lines)) is not None:
        found["gpu_memory"] = gib(total[1])
    if (device := last(ON_DEVICE, lines)) is not None:
        found["gpu_memory"] = gib(device[2])
        if (desired := DESIRED.search(device.string)) is not None:
            found["usable_fraction"] = float(desired[1])
    return found


def _given(lines: Sequence[str], notes: list[str]) -> dict[str, Any]:
    """The arguments that are not the defaults, as the log prints them."""
    line = first(GIVEN, lines)
    try:
        return dict(ast.literal_eval(line[1])) if line else {}
    except (ValueError, SyntaxError, TypeError):
        plain = re.findall(r"'(\w+)': (\d+(?:\.\d+)?|True|False)(?=[,}])", line[1]) if line else []
        notes.append("of the line of non-default args only numbers, True and False are read")
        return {key: ast.literal_eval(number) for key, number in plain if len(number) <= LONGEST_NUMBER}


# How RedHatAI and others end the names of models that are stored as compressed tensors, and the format of the weights.
COMPRESSED = ((r"nvfp4", "nvfp4"), (r"fp8", "fp8"), (r"w4a16|int4|awq|gptq", "int4"), (r"w8a8|w8a16|int8", "int8"))


def _compressed(named: str, notes: list[str]) -> dict[str, Any]:
    """The format that a model's name tells where the engine prints none."""
    for words, form in COMPRESSED:
        if re.search(rf"(?:^|[^a-z0-9])(?:{words})(?:[^a-z0-9]|$)", named.lower()):
            notes.append(f"the format of the weights is taken for {form} by the model's name: --weights names another")
            return {"weights": form}
    notes.append(f"quantization {COMPRESSED_TENSORS}: name its format with --weights")
    return {}


def _formats(values: dict[str, str], named: str, notes: list[str]) -> dict[str, Any]:
    dtype = values.get("dtype", "").removeprefix("torch.")
    stored = SHORT_FORMS.get(dtype, dtype) or "bf16"
    cache = values.get("kv_cache_dtype", "auto")
    found: dict[str, Any] = {"kv": SHORT_FORMS.get(cache, cache) or stored}
    quantization = values.get("quantization", "None")
    if quantization == "None":
        found["weights"] = stored
    elif quantization in QUANTIZATIONS:
        found["weights"] = QUANTIZATIONS[quantization]
    elif quantization == COMPRESSED_TENSORS:
        found |= _compressed(named, notes)
    else:
        notes.append(f"quantization {quantization}: name its format with --weights")
    return found


# Lines that print several components, in the order of their numbers; a later line replaces an earlier one's.
SPLITS = (
    (OLD_SPLIT, ("weights", "non_torch", "activation_peak", "kv_cache")),
    (PROFILED, ("activation_peak", "non_torch")),
    (GRAPH_POOL, ("cuda_graphs", "cuda_graphs_estimated")),
    (USED, ("weights", "activation_peak", "non_torch", "cuda_graphs")),
)
OF_THE_ENGINE = ("kv_tokens", "kv_blocks", "max_concurrency")  # of all stages together


def _pairs(lines: Sequence[str], weights: str | None) -> dict[str, str]:
    """The line of late 2024; its peak of torch holds the weights."""
    pairs = last(PAIRS, lines)
    if pairs is None:
        return {}
    peak = {} if weights is None else {"activation_peak": gib(round(float(pairs[2]) - float(weights.split()[0]), 2))}
    return peak | {"non_torch": gib(pairs[3]), "kv_cache": gib(pairs[4])}


def _measured(lines: Sequence[str], settings: dict[str, Any], notes: list[str]) -> tuple[dict[str, str], dict[str, int]]:
    """The figures, and the pipeline stage that printed each where there are several."""
    found = _figures(lines) | _figures(_last_run(lines))  # what a run did not print, the one before it may have
    if blocks := _tokens_of_blocks(lines, found):
        found["kv_tokens"], said = blocks
        notes.append(said)
    stages = _by_stage(lines, settings, notes)
    if stages is None:
        return found, {}
    kept = {component: found[component] for component in OF_THE_ENGINE if component in found}
    # The stage with the most figures, of several the one that leaves the smallest cache: it decides. Others fill what it lacks.
    fullest = sorted(stages, key=lambda stage: (-len(stages[stage]), _cache_gib(stages[stage]), -stage))
    places: dict[str, int] = {}
    for stage in fullest:
        for component, figure in stages[stage].items():
            if component not in kept:
                kept[component], places[component] = figure, stage
    return kept, places


def _cache_gib(figures: Mapping[str, str]) -> float:
    number, unit = figures.get("kv_cache", "inf GiB").split()
    return float(number) / (2**30 if unit == "B" else 1)


def _by_stage(lines: Sequence[str], settings: dict[str, Any], notes: list[str]) -> dict[int, dict[str, str]] | None:
    """Figures by pipeline stage; None where there is one stage. A line of no worker is the first's, in which the driver runs."""
    tensor, stages = settings.get("tensor") or 1, settings.get("pipeline") or 1
    labels = [(_stage(line, tensor), line) for line in lines]
    if stages == 1 and (named := [int(place[1]) for line in lines if (place := _place(line)) is not None]):
        stages = settings["pipeline"] = max(*named, 1) + 1
        notes.append(f"{stages} pipeline stages by the names of the workers")
    if stages == 1:
        return None
    groups: dict[int, list[str]] = {stage: [] for stage in range(stages)}
    unknown = 0
    for stage, line in labels:
        if stage is not None and stage in groups:
            groups[stage].append(line)
        else:
            unknown += bool(_figures([line]))
    if unknown:
        notes.append(f"lines of workers that say no pipeline stage were left out: {unknown}")
    figures = {stage: _figures(own) | _figures(_last_run(own)) for stage, own in groups.items()}
    return {stage: {key: one for key, one in own.items() if key not in OF_THE_ENGINE} for stage, own in figures.items()}


def _place(line: str) -> re.Match[str] | None:
    """The stage in a worker's name."""
    worker = WORKER.search(line)
    return None if worker is None else STAGE.search(worker[1])


def _stage(line: str, tensor: int) -> int | None:
    """The pipeline stage of a line; None for a worker whose name says none."""
    worker = WORKER.search(line)
    if worker is None:
        return 0
    if (stage := STAGE.search(worker[1])) is not None:
        return int(stage[1])
    rank = RANK.search(worker[1])
    return None if rank is None else int(rank[1]) // tensor


def _last_run(lines: Sequence[str]) -> Sequence[str]:
    """The lines from the last start of the engine on; engines of data parallel start side by side."""
    starts = [place for place, line in enumerate(lines) if ENGINE.search(line)]
    parallel = any(int(found[1]) > 1 for place in starts if (found := DATA_PARALLEL.search(lines[place])))
    return lines[starts[-1] :] if len(starts) > 1 and not parallel else lines


def _tokens_of_blocks(lines: Sequence[str], found: Mapping[str, str]) -> tuple[str, str] | None:
    """Tokens of V0's cache, which prints its blocks: the printed concurrency says how many tokens a block has."""
    context = last(CONCURRENCY, lines)
    if context is None or "kv_tokens" in found or not {"kv_blocks", "max_concurrency"} <= found.keys():
        return None
    blocks, requests = (float(found[key].split()[0]) for key in ("kv_blocks", "max_concurrency"))
    each = requests * float(context["context"].replace(",", "")) / max(blocks, 1)
    if not 1 <= round(each) <= MOST_BLOCK_TOKENS or abs(each / round(each) - 1) > BLOCK_ROUNDING:
        return None
    tokens = round(each)
    return f"{tokens * blocks:.0f} tokens", f"tokens are the blocks times {tokens}, which the printed concurrency says of a block"


def _figures(lines: Sequence[str]) -> dict[str, str]:
    """What lines of one start say; workers that share layers may differ, and the fullest decides."""
    found: dict[str, str] = {}
    if weights := every(WEIGHTS, lines):
        found["weights"] = gib(max(float(line[1]) for line in weights))
    for pattern, components in SPLITS:
        if (split := last(pattern, lines)) is not None:
            found |= {component: gib(number) for component, number in zip(components, split.groups(), strict=False)}
    if (consumed := last(CONSUMED, lines)) is not None:
        beside = round(float(consumed[1]) + float(consumed[2]), 2)
        found |= {"activation_peak": gib(consumed[2]), "beside_cache": gib(beside), "cuda_graphs": gib(consumed[3])}
    found |= _pairs(lines, found.get("weights")) | _caches(lines)
    for component, pattern in (("cuda_graphs_estimated", GRAPHS_ESTIMATED), ("cuda_graphs", GRAPHS), ("beside_cache", BESIDE)):
        if (line := last(pattern, lines)) is not None:
            found[component] = gib(line[1])
    return found


def _caches(lines: Sequence[str]) -> dict[str, str]:
    """The cache: each worker prints its own, and the smallest holds for all."""
    found: dict[str, str] = {}
    if cache := every(CACHE, lines):
        found["kv_cache"] = gib(min(float(line[1]) for line in cache))
    if exact := every(IN_USE_BYTES, lines):
        found["kv_cache"] = f"{min(int(line[1]) for line in exact)} B"
    elif "kv_cache" not in found and (used := every(IN_USE, lines)):
        found["kv_cache"] = gib(min(float(line[1]) for line in used))
    multiplied = [place for place, line in enumerate(lines) if MULTIPLIED.search(line)]
    behind = lines[multiplied[0] :] if multiplied else lines  # lines before it are of a run without
    for component, pattern, unit in (
        ("kv_tokens", CACHE_TOKENS, "tokens"),
        ("kv_blocks", BLOCKS, "blocks"),
        ("max_concurrency", CONCURRENCY, "x"),
    ):
        if printed := every(pattern, behind) or every(pattern, lines):
            numbers = [line[line.re.groups].replace(",", "") for line in printed]
            found[component] = f"{min(numbers, key=lambda number: float(number or 0))} {unit}"
    return found
