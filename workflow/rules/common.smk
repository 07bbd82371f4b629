# Config, checked before anything runs, and the names that the rules share.
import json
import os
import platform
import re
import shlex
import sys
from pathlib import Path

# This checkout's library, from whichever checkout the environment was installed, and this very Python: so a rule's
# command is the same in every checkout, in every environment and on every node.
SOURCE = os.path.join(workflow.basedir, "src")
sys.path.insert(0, SOURCE)
os.environ.update(
    PYTHONPATH=SOURCE,
    PATH=f"{os.path.dirname(sys.executable)}:{os.getenv('PATH', os.defpath)}",
)

from prophet_paper.checksums import age_foreign
from prophet_memory.edge.command import run
from prophet_memory.edge.files import RECEIPTS, RECEIPTS_VARIABLE, check_writable
from prophet_paper.imports import imported_files
from prophet_memory.edge.configuration import (
    read_cluster,
    read_gpus,
    read_models,
    with_experts,
)
from prophet_memory.edge.documents import read_yaml
from prophet_memory.edge.observing import read_observations
from prophet_memory.edge.offloading import timed_models
from prophet_memory.edge.traces import REMOTE, known_traces
from prophet_memory.edge.settings import (
    SETTINGS_FILE,
    check_settings,
    read_design_space,
)

# Jobs leave the SHA-256 of what they write here, beside Snakemake's own records. With a bucket for storage a job may run where
# this folder is not, so no receipts are kept.
SHARED = workflow.storage_settings.default_storage_provider is None
if SHARED:
    os.environ.update({RECEIPTS_VARIABLE: os.path.abspath(RECEIPTS)})
CHECKED = RECEIPTS if SHARED else ""

# A job is one core's work; a thread pool in each only costs start-up time.
for library in ("OPENBLAS", "OMP", "POLARS"):
    os.environ.setdefault(
        f"{library}_{'MAX' if library == 'POLARS' else 'NUM'}_THREADS", "1"
    )

# numpy's AVX-512 code rounds logarithms in its own way, by which a pixel of a figure can change: no job uses it.
if platform.machine() in {"x86_64", "AMD64"}:
    os.environ.setdefault("NPY_DISABLE_CPU_FEATURES", "X86_V4 AVX512_ICL AVX512_SPR")

settings = run(lambda: read_yaml(SETTINGS_FILE))
MODEL_NAMES = run(lambda: with_experts(read_models()))
ASKED = run(lambda: check_settings(settings, MODEL_NAMES, read_gpus()))


configfile: "config/config.yaml"


if config != settings:  # something was overridden on the command line
    ASKED = run(lambda: check_settings(config, MODEL_NAMES, read_gpus()))

SWEEP, ASSUMPTIONS, PAPER = config["sweep"], config["assumptions"], config["paper"]
REFERENCE, SUMMARY = PAPER["reference"], PAPER["summary"]

# What sbatch is told beside each rule's own needs; other executors leave it alone.
PLACE = run(read_cluster)

RESULTS = "evaluation/memory_results/prophet_kv_extension"
PROFILE_RESULTS = "evaluation/memory_results/engine_profile"
ROUTING = "evaluation/memory_results/routing"
SENSITIVITY = "evaluation/memory_results/sensitivity"
ALTERNATIVES = "evaluation/memory_results/alternatives"
WORKLOADS = "evaluation/memory_results/workloads"
FIGURES = "evaluation/figures/prophet_kv_extension"
TABLES = "paper_tables"
DATA = f"{RESULTS}/prophet_kv_extension_data.parquet"
DATA_FOR_PEOPLE = f"{RESULTS}/prophet_kv_extension_data.csv"  # not committed
CATALOGUE = f"{RESULTS}/model_catalogue.csv"
GPU_CATALOGUE = f"{RESULTS}/gpu_catalogue.csv"
LAWS = f"{RESULTS}/law_catalogue.csv"
POLICIES = f"{RESULTS}/policy_catalogue.csv"
ENGINES = f"{RESULTS}/engine_catalogue.csv"
CONCURRENCY = f"{RESULTS}/concurrency.parquet"

run(
    lambda: check_writable(
        map(
            Path,
            (
                RESULTS,
                PROFILE_RESULTS,
                ROUTING,
                SENSITIVITY,
                ALTERNATIVES,
                WORKLOADS,
                FIGURES,
                TABLES,
                "evaluation/reports",
            ),
        )
    )
)

ENVIRONMENT = "requirements.lock"
OBSERVATION_NAMES = sorted(glob_wildcards("config/observations/{name}.yaml").name)
OBSERVATIONS = run(read_observations)
OBSERVED_MODELS = sorted({own.model for own in OBSERVATIONS.values() if own.model})
# Measured routing, by model; config/routing has other tables in a folder of their own.
COUNTED = sorted(glob_wildcards("config/routing/{name,[^/]+}.csv").name)
COUNTS = expand("config/routing/{model}.csv", model=COUNTED)
TOKENS = sorted(glob_wildcards("config/routing/measured/{name}_distinct.csv").name)
VARIATIONS = sorted(glob_wildcards("config/routing/variation/{name}.csv").name)
# Models of which others measured the time of a step.
TIMED_MODELS = run(timed_models)
MODEL_FILES = expand("config/models/{model}.yaml", model=SWEEP["models"])
# Traces of requests, and the policies that serve them.
SERVED = config["workloads"]["served"]
TRACES = run(lambda: known_traces(SERVED["traces"], SETTINGS_FILE))
SERVING = [policy.name for policy in ASKED.workloads.served.policies]


def trace_files(names):
    """The files in which traces stand; what stands elsewhere is told by its checksum."""
    return [
        f"config/{TRACES[name].file}"
        for name in names
        if not TRACES[name].file.startswith(REMOTE)
    ]


def library(script):
    """The files of the library and the edge that a script imports: a change of one reruns what depends on it."""
    return imported_files(Path("scripts", f"{script}.py"), Path("src"))


PROGRAM = ("script", "library", "environment")
RUN = "python3 {input.script} {params.command_line} --output {output} 2> {log}"


def program(script):
    """What each job reads beside its data: the script, the files of ours that the script imports, and the pinned environment."""
    return dict(
        zip(
            PROGRAM, (f"scripts/{script}.py", library(script), ENVIRONMENT), strict=True
        )
    )


def options(**own):
    """Params: what is given here, and the script's command line from it and from the rule's other named inputs.

    Inputs that the script finds by itself are called `beside`; an empty value is left out. A value is a param of its own
    because Snakemake does not look for changes in what is computed from inputs.
    """

    def command_line(wildcards, input):
        named = {n: v for n, v in input.items() if n not in (*PROGRAM, "beside")}
        named |= {n: v(wildcards) if callable(v) else v for n, v in own.items()}
        words = []
        for name, value in named.items():
            values = [value] if isinstance(value, (str, int, float)) else value
            values = [] if value is True else values  # a flag
            if value != "":
                words += [f"--{name.replace('_', '-')}", *map(str, values)]
        return shlex.join(words)

    return own | {"command_line": command_line}


def reported(file, category):
    """An output that stands in Snakemake's report: captioned by the text of its name, labelled by what its name says."""
    name = Path(file).stem
    number, words = re.fullmatch(r"(?:figure|table)?(\d*)_?(.+)", name).groups()
    labels = {"number": number} if number else {}
    labels |= {"shows": words.replace("_", " "), "format": Path(file).suffix[1:]}
    return report(
        file, caption=f"../report/{name}.rst", category=category, labels=labels
    )


def figure(name, folder):
    """The two files of a figure; the PNG stands in Snakemake's report as well."""
    return [f"{folder}/{name}.pdf", reported(f"{folder}/{name}.png", "Figures")]


def compact_json(section):
    """A config section as one command-line word, the same bytes whatever the order of its keys."""
    return json.dumps(section, sort_keys=True, separators=(",", ":"))


def memory(mebibytes):
    """The memory that a job asks of a cluster, in MiB: more at each further attempt."""
    return lambda wildcards, attempt: attempt * mebibytes
