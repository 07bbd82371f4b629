"""What the tests share: the checkout, the catalogue, and a copy of the project that has been built once."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import settings
from snakemake.utils import update_config

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
# One output of each kind, of a dozen jobs; where a test is about how jobs are run and not about what they write.
SHOWN = (
    str(RESULTS / "prophet_kv_extension_data.parquet"),
    str(RESULTS / "kv_extension_at_reference.csv"),
    "paper_tables/table_kv_extension.tex",
    "evaluation/figures/prophet_kv_extension/figure1_detailed_memory_breakdown.pdf",
    "evaluation/memory_results/workloads/trace_batches.csv",
)

ASSUMED: Assumptions = assumptions_of(read_settings().assumptions, read_engines())

WHOLE_RUNS = {"built", "small_built"}  # fixtures in which the workflow has run from nothing


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What asks for a whole run is no part of `make test`."""
    for item in items:
        if WHOLE_RUNS & set(getattr(item, "fixturenames", ())):
            item.add_marker("workflow")


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


SMALL = ".test/config/config.yaml"


def small_project(folder: Path, models: Sequence[str] = ()) -> Path:
    """A checkout whose config is the small one: its models, or others of which two are the same, on one GPU under one law."""
    copy_project(folder)
    config = folder / "config/config.yaml"
    settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    update_config(settings, yaml.safe_load((folder / SMALL).read_text(encoding="utf-8")))
    settings["sweep"]["models"] = list(models) or settings["sweep"]["models"]
    config.write_text(yaml.safe_dump(settings, sort_keys=False, default_flow_style=None, width=10_000), encoding="utf-8")
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


def filled_once(factory: pytest.TempPathFactory, name: str, fill: Callable[[Path], None]) -> Path:
    """A folder that the first of the test processes to ask for it fills, for all of them: to be read or copied, not changed."""
    own = factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder, complete = shared / name, shared / f"{name}.complete"
    with (shared / f"{name}.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a process that failed
            fill(folder)
            complete.touch()
    return folder


@pytest.fixture(scope="session")
def small_built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project in which everything has been made, once for all tests: to be read or copied, not changed."""

    def build(folder: Path) -> None:
        done = snakemake(small_project(folder))
        assert done.returncode == 0, done.stderr

    return filled_once(tmp_path_factory, "small_built", build)


@pytest.fixture
def own(small_built: Path, tmp_path: Path) -> Path:
    """A copy of the small project to edit and to break, with the times of its files."""
    return Path(shutil.copytree(small_built, tmp_path / "own", symlinks=True))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A clean checkout without results, to be broken."""
    return copy_project(tmp_path)
