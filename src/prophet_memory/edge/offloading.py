"""Published decode speeds in config/latency/offload.csv, checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prophet_memory.edge.configuration import (
    CONFIG,
    GPUS_FILE,
    MODELS_FOLDER,
    check_known,
    known_models,
    read_gpus,
    read_model,
)
from prophet_memory.edge.counting import number_of, rows_of
from prophet_memory.edge.messages import error, relative
from prophet_memory.formats import OF_CACHE, PRECISIONS
from prophet_memory.gguf import FILE_TYPES
from prophet_memory.grid import Model
from prophet_memory.offloading import OffloadRun, ResidentRun
from prophet_memory.parallelism import Parallelism
from prophet_memory.residency import POLICIES

LATENCY_FOLDER = CONFIG / "latency"
OFFLOAD_FILE, STEPS_FILE = LATENCY_FOLDER / "offload.csv", LATENCY_FOLDER / "decode_steps.csv"
SHARES = ("resident_fraction", "hit_rate")
RANGES = (("link_low_bytes_per_s", "link_high_bytes_per_s"), ("host_low_bytes_per_s", "host_high_bytes_per_s"))
NUMBERS = ("file_gib", *SHARES, "context_tokens", "batch_size", *RANGES[0], *RANGES[1], "tokens_per_s", "resident_tokens_per_s")
COLUMNS = ("id", "model", "gpu", "engine", "policy", "weights", *NUMBERS, "doubt", "source", "note")
GIB = 2**30
KERNELS, STEPS_SOURCE = "kernels", "github:ai-dynamo/aiconfigurator 0.12"
STEP_NUMBERS = ("tensor", "batch_size", "prompt_tokens", "output_tokens", "distinct_experts", "step_s")
STEP_COLUMNS = (
    "model", "gpu", "precision", "kv_format", "engine", "tensor", "batch_size", "prompt_tokens", "output_tokens",
    "distinct_experts", "kind", "step_s", "doubt",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Published:
    """A run, the range of bandwidths that its link or its host's memory can have, and what is doubtful of it."""

    run: OffloadRun
    bytes_per_s: tuple[float | None, float]  # the least that the source says, and the most
    doubt: str
    source: str


def timed_models() -> list[str]:
    """The models that the files in config/latency name. Raises ConfigurationError."""
    each = rows_of(OFFLOAD_FILE, COLUMNS), rows_of(STEPS_FILE, STEP_COLUMNS)
    return sorted({row["model"] for rows in each for _, row in rows})


def resident_runs(file: Path = STEPS_FILE, models: Path = MODELS_FOLDER, gpus: Path = GPUS_FILE) -> list[ResidentRun]:
    """Steps that were composed of measured kernels. Raises ConfigurationError for what is no number or not known."""
    known, found = read_gpus(gpus), []
    rows = [(line, row) for line, row in rows_of(file, STEP_COLUMNS) if row["kind"] == KERNELS]
    architectures = {name: read_model(models / f"{name}.yaml").architecture for name in {row["model"] for _, row in rows}}
    for line, row in rows:
        check_known([row["gpu"]], f"line {line}, gpu", known, f"the entries of {relative(GPUS_FILE)}", file)
        check_known([row["precision"]], f"line {line}, precision", PRECISIONS, "the precisions", file)
        check_known([row["kv_format"]], f"line {line}, kv_format", OF_CACHE, "the formats of a cache", file)
        numbers = {name: number_of(file, line, row, name) for name in STEP_NUMBERS}
        context = int(numbers["prompt_tokens"] + numbers["output_tokens"] / 2)  # the mean over the tokens that are made
        spread = Parallelism(tensor=int(numbers["tensor"]))
        name = f"{row['model']}, {spread.n_gpus} {row['gpu']}, batch {row['batch_size']}"
        model = Model(row["model"], architectures[row["model"]])
        found.append(ResidentRun(
            name, model, known[row["gpu"]], spread, row["precision"], row["kv_format"], context, int(numbers["batch_size"]),
            numbers["distinct_experts"], numbers["step_s"], STEPS_SOURCE, row["doubt"],
        ))  # fmt: skip
    return found


def published_runs(file: Path = OFFLOAD_FILE, models: Path = MODELS_FOLDER, gpus: Path = GPUS_FILE) -> list[Published]:
    """The runs of a file. Raises ConfigurationError for what is no number, no share or not known."""
    known, found = read_gpus(gpus), []
    architectures = {
        name: read_model(models / f"{name}.yaml").architecture for name in {row["model"] for _, row in rows_of(file, COLUMNS)}
    }
    for line, row in rows_of(file, COLUMNS):
        check_known([row["model"]], f"line {line}, model", known_models(), f"the files in {relative(MODELS_FOLDER)}", file)
        check_known([row["policy"]], f"line {line}, policy", POLICIES, "the policies", file)
        if row["gpu"]:
            check_known([row["gpu"]], f"line {line}, gpu", known, f"the entries of {relative(GPUS_FILE)}", file)
        numbers = {name: number_of(file, line, row, name) if row[name] else None for name in NUMBERS}
        for name in SHARES:
            if (value := numbers[name]) is not None and value > 1:
                raise error(file, f"line {line}, {name}", row[name], "a share from 0 to 1")
        if row["weights"] not in (*FILE_TYPES, *PRECISIONS) and numbers["file_gib"] is None:
            raise error(file, f"line {line}, weights", row["weights"], "a GGUF recipe, a precision, or any name beside file_gib")
        size = numbers["file_gib"]
        run = OffloadRun(
            row["id"], Model(row["model"], architectures[row["model"]]), known[row["gpu"]] if row["gpu"] else None, row["engine"],
            row["policy"], row["weights"], None if size is None else round(size * GIB), numbers["resident_fraction"],
            numbers["hit_rate"], int(numbers["context_tokens"] or 0), int(numbers["batch_size"] or 1), numbers[RANGES[0][1]],
            numbers[RANGES[1][1]], float(numbers["tokens_per_s"] or 0), numbers["resident_tokens_per_s"],
        )  # fmt: skip
        low, high = next(pair for pair in RANGES if numbers[pair[1]] is not None)
        found.append(Published(run, (numbers[low], float(numbers[high] or 0)), row["doubt"], row["source"]))
    return found
