"""What the tests share: the checkout, the catalogue, and a copy of the project that has been built once."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from prophet_memory.architecture import Architecture
from prophet_memory.edge.configuration import read_engines, read_models
from prophet_memory.edge.results import assumptions_of
from prophet_memory.edge.settings import read_settings
from prophet_memory.formats import FORMATS
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Grid, Model
from prophet_memory.kv_cache import CacheFormats
from prophet_memory.memory import Assumptions
from prophet_memory.parallelism import ALONE, Parallelism
from prophet_memory.peaks import LargestPhase, Setting, Step
from prophet_memory.residency import residency_policies
from prophet_memory.routing import routing_laws

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = Path("evaluation/memory_results/prophet_kv_extension")
MODELS = {slug: entry.architecture for slug, entry in read_models().items()}
IN_PAPER = {slug: MODELS[slug] for slug in read_settings().sweep.models}
GENERATED = ("evaluation/", "paper_tables/", "README.md", "docs/ARTIFACT.md")
EXPLORER = "evaluation/reports/explorer.html"
# Committed, but made by targets of their own.
APART = ("evaluation/figures/design_space/", "evaluation/memory_results/design_space/", "evaluation/benchmarks/")

ASSUMED: Assumptions = assumptions_of(read_settings().assumptions, read_engines())

settings.register_profile("prophet", deadline=None, derandomize=True)  # no clocks, the same examples on every run
settings.load_profile("prophet")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the command line keeps is no matter of the user's who runs the tests."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


def grid_of(models: dict[str, Architecture], memory_bytes: dict[str, int], **axes: Any) -> Grid:
    """A grid from plain values: GPUs by their memory, laws and policies as config names them."""
    plain = {"batch_sizes": [1, 8], "routings": ["power_law", "uniform"], "policies": ["all_resident", "prophet"]} | axes
    plain["routings"], plain["policies"] = routing_laws(plain["routings"]), residency_policies(plain["policies"])
    gpus = [Gpu(name, size) for name, size in memory_bytes.items()]
    return Grid([Model(*item) for item in models.items()], gpus=gpus, **plain)


def cache(kv: str, state: str | None = None, conv: str | None = None) -> CacheFormats:
    """Formats of a cache by name; the state's and the convolution's follow the KV's."""
    return CacheFormats(FORMATS[kv], FORMATS[state or kv], FORMATS[conv or kv])


def activation_bytes(
    architecture: Architecture, *, batch_sizes: Any, max_step_tokens: int, value_bytes: int, layout: Parallelism = ALONE
) -> Any:
    """The peak of the profile `ideal`, each sequence with a row of logits."""
    sequences = layout.sequences(batch_sizes)
    step = Step(np.maximum(max_step_tokens, sequences), sequences)
    return LargestPhase(value_bytes=value_bytes).peak_bytes(architecture, step, Setting(layout))


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in a folder with this environment's Python."""
    command = [sys.executable, "-m", "snakemake", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def profile_program(profile: str) -> Path:
    """Snakemake in a profile's environment, or a reason to skip."""
    found = REPOSITORY / f".venv-{profile}" / "bin" / "snakemake"
    if not found.exists():
        pytest.skip(f"no .venv-{profile}; make .venv-{profile}/prophet-environment PROFILE={profile}")
    return found


def finish(head: subprocess.Popen[str], seconds: float = 300) -> str:
    """What a head that was started in a session of its own said; killed where it hangs."""
    try:
        return head.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        os.killpg(head.pid, signal.SIGKILL)
        raise AssertionError(f"hangs: {head.communicate()[0]}") from None


def known_files() -> list[str]:
    """The files of the project: those that git tracks or would track, or those that an unpacked archive lists."""
    content = REPOSITORY / "ARTIFACT_SHA256SUMS"
    if content.is_file():
        names = [line.partition("  ")[2] for line in content.read_text(encoding="utf-8").splitlines()]
    else:
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.split("\0")
    return [name for name in names if name and (REPOSITORY / name).is_file()]


def copy_project(folder: Path, *, with_results: bool = False) -> Path:
    """A clean checkout; without results unless asked for, but for the page whose code serves where npm does not answer."""
    for name in known_files():
        if with_results or name == EXPLORER or not name.startswith(GENERATED):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, target)
    return folder


def committed() -> list[str]:
    """The outputs of `make paper` that git tracks."""
    return [name for name in known_files() if name.startswith(GENERATED) and not name.startswith(APART)]


def generated(folder: Path) -> dict[str, bytes]:
    """The bytes of every such output that stands in a folder."""
    return {name: (folder / name).read_bytes() for name in committed() if (folder / name).exists()}


SMALL = """
sweep:
  models: [{models}]
  gpus: [h100-80gb]
  n_gpus: [1, 2]
  batch_sizes: [1, 8]
  routings: [uniform]
  precisions: [bf16]
  policies: [prophet, all_resident]
  provisions: [p99, mean]
concurrency: {{context_tokens: [2048]}}
latency:
  context_tokens: 1024
  memory_efficiency: 0.8
  flops_efficiency: 0.8
  host_memory: pinned
  pageable_bytes_per_s: 12900000000
  copy_start_s: 0.0000048
  exchange_start_s: 0.000006
  machine_gpus: 8
  host_memory_bytes_per_s: 460800000000
  host_flops_per_s: 14745600000000
  fixed_costs: false
  layer_s: 0.000017
  offload_layer_s: 0.00028
alternatives:
  gpus: [h100-80gb]
  n_gpus: [1]
  batch_sizes: [1, 8]
  routings: [uniform]
  precisions: [bf16, int8]
  policies: [all_resident, prophet, on_demand_offload, cpu_compute]
  provisions: [p99]
  step_target_s: 0.05
  recalls: [0.0, 1.0]
  bearable_factor: 1.2
  cases: [{{model: qwen1.5-moe-a2.7b, gpu: h100-80gb, n_gpus: 1}}]
workloads:
  seed: 1
  constant: {{step_s: [0.03], prompt_tokens_per_s: 8000, replicas: [64], kept_step_s: 0.03, kept_replicas: [64]}}
  served:
    traces: [azure-2023-code]
    cases: [{{model: qwen1.5-moe-a2.7b, gpu: h100-80gb, n_gpus: 1}}]
    policies: [all_resident, prophet]
    precisions: [bf16]
    routing: uniform
    provision: p99
    design_batch: 8
    replicas: [16]
    requests: 200
    ttft_s: 2.0
    tpot_s: [0.05]
    in_time_fraction: 0.9
    least_replicas: 0.0625
    most_replicas: 64
  decision:
    models: [qwen1.5-moe-a2.7b]
    gpus: [h100-80gb]
    n_gpus: [1]
    policies: [all_resident, prophet]
    fewer_bits: [int8]
    context_tokens: [2048]
    output_tokens: 211
    requests_per_s: [1, 10]
    tpot_s: [0.05, 0.5]
    depth: 2
sensitivity:
  cases: [{{model: qwen1.5-moe-a2.7b, gpu: h100-80gb, batch_size: 8}}]
  base_samples: 8
  seed: 1
  exponent: [0.9, 1.0]
  zipf_s: [0.0, 0.5]
  activation_factor: [0.5, 2.0]
  predictor_bytes: [0, 1000]
  usable_fraction: [0.9, 1.0]
  engines: [ideal, vllm-0.19]
  kv_formats: [bf16, fp8]
  context_tokens: [1024, 2048]
paper:
  reference: {{gpu: h100-80gb, batch_size: 8, precision: bf16, routing: uniform, policy: prophet, provision: p99}}
  breakdown_models: [mixtral-8x7b, qwen1.5-moe-a2.7b]
  summary: {{models: [qwen1.5-moe-a2.7b], batch_sizes: [8]}}
  multi_gpu: {{gpus: [h100-80gb]}}
  profile: vllm-0.19
  headline_context_tokens: 2048
  provisioned_batch_sizes: [8]
  prefill_chunk_tokens: [512]
  expert_count_groups: [16]
"""


def small_project(folder: Path, models: Sequence[str] = ("qwen1.5-moe-a2.7b", "mixtral-8x7b")) -> Path:
    """A checkout whose config is a few models on one GPU under one law; those two are always among them."""
    copy_project(folder)
    config = folder / "config/config.yaml"
    assumptions = re.search(r"^assumptions:\n(?:(?:  .*)?\n)+", config.read_text(encoding="utf-8"), re.MULTILINE)
    assert assumptions
    config.write_text(assumptions[0] + SMALL.format(models=", ".join(models)), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(params=sorted(MODELS))
def model(request: pytest.FixtureRequest) -> str:
    """Each slug of the catalogue."""
    return request.param


@pytest.fixture
def architecture(model: str) -> Architecture:
    return MODELS[model]


@pytest.fixture(scope="session")
def assumptions() -> Assumptions:
    """Those of config/config.yaml."""
    return ASSUMED


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean checkout in which everything has been regenerated from nothing."""
    folder = copy_project(tmp_path_factory.mktemp("built"))
    done = snakemake(folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A clean checkout without results, to be broken."""
    return copy_project(tmp_path)
