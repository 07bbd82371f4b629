"""What an answer costs: the questions of a terminal as whole processes, and the bisection against counting up one by one.

Seconds are of one run on one machine; of a process the ratio to `import numpy` travels, of the search the ratio of the two.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from measure import best_s, parser, report, timed

from prophet_memory.concurrency import ORDER, Concurrency
from prophet_memory.edge.configuration import MODELS_FOLDER, read_engines, read_gpus, read_model
from prophet_memory.edge.results import assumptions_of
from prophet_memory.edge.settings import read_settings
from prophet_memory.grid import Grid, Model
from prophet_memory.memory import Assumptions
from prophet_memory.sweeps import DOES_NOT_FIT, sweep

PYTHON = (sys.executable, "-c")
COMMAND = (*PYTHON, "from prophet_memory.cli import main; main()")
QUESTIONS = {
    "import numpy": (*PYTHON, "import numpy"),
    "plan": (*COMMAND, "plan", "--model", "qwen3-30b-a3b", "--gpu", "a100-80gb"),
    "plan --context": (*COMMAND, "plan", "--model", "qwen3-30b-a3b", "--gpu", "a100-80gb", "--context", "8192"),
    "fit, on one of 23 GPUs": (*COMMAND, "fit", "--model", "qwen3-30b-a3b", "--context", "8192"),
    "fit, in every layout of up to 8": (*COMMAND, "fit", "--model", "deepseek-v3", "--context", "32768", "--concurrency", "200"),
}
SEARCHED, CONTEXTS = "qwen3-30b-a3b", (256, 2048, 32768)


def asked_s(words: tuple[str, ...], repeat: int) -> float:
    """Median seconds of a process that answers."""
    as_users_have_it = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    run = partial(subprocess.run, words, check=True, env=as_users_have_it, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run()  # compiles, and fills the file cache and what the command line keeps
    return statistics.median(timed(run) for _ in range(repeat))


def searches(assumptions: Assumptions) -> dict[str, Callable[[], object]]:
    """The most sequences of one model on every GPU, by bisection and by asking for each number of sequences."""
    settings = read_settings()
    model = Model(SEARCHED, read_model(MODELS_FOLDER / f"{SEARCHED}.yaml").architecture)
    axes: dict[str, Any] = {
        "gpus": list(read_gpus().values()), "routings": [settings.reference_law], "policies": [settings.reference_policy],
        "context_tokens": CONTEXTS,
    }  # fmt: skip
    by_halves = Grid([model], batch_sizes=[1], order=ORDER, **axes)
    most = int(Concurrency(by_halves, assumptions).concurrency.max())
    one_by_one = Grid([model], batch_sizes=range(1, most + 2), order=("gpu", "context_tokens", "batch_size"), **axes)

    def counted() -> object:
        return (sweep(one_by_one, assumptions).fit_verdict != DOES_NOT_FIT).sum(axis=-1)

    def halved() -> object:
        return np.array(Concurrency(by_halves, assumptions).concurrency)

    if not np.array_equal(np.ravel(np.asarray(halved())), np.ravel(np.asarray(counted()))):
        raise AssertionError("bisection and counting disagree")
    return {"concurrency by bisection": halved, "concurrency one by one": counted}


def main() -> None:
    """Measure, print, write."""
    arguments = parser(__doc__, "answers.csv")
    arguments.add_argument("--repeat", type=int, default=15, help="processes of which the median counts")
    args = arguments.parse_args()
    seconds = {question: asked_s(words, args.repeat) for question, words in QUESTIONS.items()}
    base = seconds["import numpy"]
    rows: list[dict[str, Any]] = [{"question": name, "seconds": took, "ratio": took / base} for name, took in seconds.items()]
    found = {
        name: best_s(run, args.repeat)
        for name, run in searches(assumptions_of(read_settings().assumptions, read_engines())).items()
    }
    base = found["concurrency by bisection"]
    rows += [{"question": name, "seconds": took, "ratio": took / base} for name, took in found.items()]
    report(rows, args.output)


if __name__ == "__main__":
    main()
