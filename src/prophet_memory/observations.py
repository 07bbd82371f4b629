"""Measurements of engines that others published, and what the memory model says of the same quantity (docs/engines.md).

An observation is one run with every setting that its source states. A quantity is predicted where the stated settings determine
it; where they do not, or where the model has no answer, a reason stands instead of a number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Annotated, Any

from annotated_types import Len

from prophet_memory.architecture import Architecture
from prophet_memory.engine import Engine, EngineError, Reserve, StepSize
from prophet_memory.errors import ModelError
from prophet_memory.fields import Count, Described, Fraction, OneOf, Size, Slug, Text
from prophet_memory.gguf import ERAS, FILE_TYPES, Era, FileSizes, LatentForm, file_sizes, recipe_sizes, tensor_list, types_of
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Model
from prophet_memory.kv_cache import bytes_per_sequence
from prophet_memory.memory import Assumptions, activation_moments, cache_blocks, growth_of, held_weight_bytes
from prophet_memory.parallelism import Parallelism, known_layout
from prophet_memory.peaks import Setting, Step
from prophet_memory.planning import plan
from prophet_memory.precision import Precision, precision
from prophet_memory.residency import BASELINE
from prophet_memory.stages import pipeline_stages
from prophet_memory.tensors import multiple_of

UNITS = {"B": 1, "MiB": 2**20, "GiB": 2**30, "GB": 10**9, "tokens": 1, "blocks": 1, "x": 1}
VALUE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?) (\S+)")
WHOLE = ("tokens", "blocks")
COMPONENTS = (
    "weights", "kv_bytes_per_token", "kv_tokens", "kv_cache", "kv_cache_of_windows", "activation_peak", "non_torch",
    "cuda_graphs", "cuda_graphs_estimated", "recurrent_state", "compute_buffer", "max_concurrency", "kv_blocks",
    "model_file", "beside_cache", "total",
)  # fmt: skip
COUNTED_IN = {"kv_tokens": "tokens", "kv_blocks": "blocks", "max_concurrency": "x"}  # all others are bytes
NAMES = {
    "gguf": "a file of a published recipe (observe --gguf reads a header)",
    "kv": "the format of the cache",
    "flash_attention": "whether attention keeps scores",
    "gpu": "a GPU of the catalogue (observe --gpu names it)",
    "max_context_tokens": "the longest context",
    "model": "a model of the catalogue",
    "tensor": "how many GPUs share a layer",
    "weights": "the format of the weights",
}
NO_PROFILE = "none"  # of an engine or version that no profile describes
BESIDE = ("weights", "activation_peak", "non_torch")  # what stands beside the cache
# What follows of other figures of a run where it is not printed: bytes over tokens of the cache, and the sum of BESIDE.
DERIVED = ("kv_bytes_per_token", "beside_cache")
GRAPHS = {"cuda_graphs": "actual_bytes", "cuda_graphs_estimated": "estimated_bytes"}
STATE_FORMAT = "bf16"


def amount(component: str, text: str) -> float:
    """A measured value in bytes, tokens or blocks, from the value and its unit: `56.88 GiB`.

    Raises:
        ModelError: for text that is no number above zero with a unit of the component.
    """
    found, own = VALUE.fullmatch(text), COUNTED_IN.get(component)
    units = [own] if own else [unit for unit in UNITS if unit not in COUNTED_IN.values()]
    if found is None or found[2] not in units or not float(found[1]) or (found[2] in WHOLE and "." in found[1]):
        key = f"measured.{component}" if component in COMPONENTS else component
        number = "a whole number" if own in WHOLE else "a number"
        raise ModelError(key, text, f"{number} above zero and a unit: {', '.join(units)}")
    return float(found[1]) * UNITS[found[2]]


@dataclass(frozen=True, slots=True)
class Source(Described):
    """Where a measurement was published."""

    repository: Text
    thread: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufFile(Described):
    """The file that a run of the llama.cpp family loads: the recipe that made it, or what its header says."""

    file_type: Annotated[str, OneOf(FILE_TYPES)] | None = None
    header: FileSizes | None = None
    era: Annotated[Era, OneOf(ERAS)] = ERAS[-1]
    has_importance: bool = False
    tied: bool | None = None  # where the file differs from the model
    latent: Annotated[LatentForm, OneOf(("split", "joint", "both"))] = "split"
    separate_experts: bool = False
    gpu_layers: Count | None = None  # on the GPU, the output counted as one; None where experts stand apart or nobody says
    mapped: bool = False  # the GPU maps the file from its first tensor to its last, the embedding among them

    def __post_init__(self) -> None:
        if (self.file_type is None) == (self.header is None):
            raise ModelError("gguf.file_type", self.file_type, "a recipe, or the sizes of a header instead")


def recipe_file_sizes(architecture: Architecture, file: GgufFile) -> FileSizes:
    """Bytes of a recipe's file by where they stand.

    Raises:
        ModelError: for a model that the recipe's file cannot hold, and a file without a recipe.
    """
    tensors = tensor_list(architecture, tied=file.tied, latent=file.latent, separate_experts=file.separate_experts)
    chosen = types_of(tensors, str(file.file_type), era=file.era, has_importance=file.has_importance)
    return file_sizes(recipe_sizes(tensors, chosen))


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation(Described):
    """A run as its source states it; None where it does not state a setting."""

    source: Source
    named: Text  # the model, as the source names it
    engine: Text  # the same of the engine, with its version where it is stated
    profile: Slug | None = None  # of config/engines.yaml
    model: Slug | None = None  # of config/models
    gpu: Slug | None = None  # of config/gpus.yaml
    gpus: Text | None = None  # as the source names them
    gpu_memory: Text | None = None  # as the engine prints it
    free_memory: Text | None = None  # before the weights are loaded, as the engine prints it
    tensor: Size | None = None
    pipeline: Size = 1
    quantization: Text | None = None  # as the source names it
    weights: Text | None = None  # a precision
    gguf: GgufFile | None = None
    kv: Text | None = None  # a format
    usable_fraction: Fraction | None = None
    step_tokens: Size | None = None
    step_sequences: Size | None = None
    sequences: Size | None = None  # that share the cache, where the engine's cache is for a number of them
    context_tokens: Size | None = None  # of each
    max_context_tokens: Size | None = None  # that the engine was told to take
    flash_attention: bool | None = None
    measured: Annotated[dict[Annotated[str, OneOf(COMPONENTS)], Text], Len(1)]
    stages: dict[Annotated[str, OneOf(COMPONENTS)], int] = field(default_factory=dict)  # the pipeline stage of a figure
    # Why a figure differs, where it is known: it is then not in the errors.
    reasons: dict[Annotated[str, OneOf(COMPONENTS)], Text] = field(default_factory=dict)
    # What there is to say of a figure that differs for no known cause: it stays in the errors, marked.
    unexplained: dict[Annotated[str, OneOf(COMPONENTS)], Text] = field(default_factory=dict)
    note: Text | None = None

    def __post_init__(self) -> None:
        printed = {key: getattr(self, key) for key in ("gpu_memory", "free_memory")}
        for key, text in (*self.measured.items(), *printed.items()):
            if text is not None:
                amount(key, text)
        if self.weights is not None:
            try:
                precision(self.weights)
            except ModelError as problem:
                raise ModelError("weights", self.weights, problem.allowed) from None
        self._check_said()
        for component, stage in self.stages.items():
            if not 0 <= stage < self.pipeline:
                raise ModelError(f"stages.{component}", stage, f"0 to {self.pipeline - 1}, the stages of the pipeline")

    def _check_said(self) -> None:
        """Raise a ModelError for what is said of a figure that the run has not, and for two verdicts on one."""
        for said in ("stages", "reasons", "unexplained"):
            for component, value in getattr(self, said).items():
                if component not in {*self.measured, *DERIVED}:
                    raise ModelError(f"{said}.{component}", value, "none: the run has no such figure")
        for component in self.unexplained:
            if component in self.reasons:
                raise ModelError(f"unexplained.{component}", self.unexplained[component], "none beside a reason")


@dataclass(frozen=True, slots=True)
class Comparison:
    """A measured figure beside the predicted one, in bytes, tokens or blocks.

    `reason`: why there is no prediction, or the known cause of a difference. `unexplained`: what there is to say of a difference
    without one. `in_sample`: what the profile was fitted to is this run's own figure and no other's.
    """

    run: str
    component: str
    measured: float
    predicted: float | None
    reason: str | None
    predicted_left_out: float | None = None  # with the run left out of what the profile was fitted to
    unexplained: str | None = None
    in_sample: bool = False

    @property
    def error(self) -> float | None:
        """Predicted over measured, less one."""
        return None if self.predicted is None else self.predicted / self.measured - 1


class NotStatedError(ModelError):
    """Why there is no prediction, in words that stand alone: mostly a setting that the source does not state."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What observations refer to by name."""

    models: Mapping[str, Architecture]
    engines: Mapping[str, Engine]
    gpus: Mapping[str, Gpu]


@dataclass(frozen=True, slots=True)
class _Run:
    """A run with what it refers to; each method is one component. Raises NotStatedError, EngineError or ModelError."""

    own: Observation
    catalogue: Catalogue

    def stated(self, key: str) -> Any:  # noqa: ANN401 - a setting
        value = getattr(self.own, key)
        if value is None:
            raise NotStatedError(key, None, f"the source does not state {NAMES.get(key, key.replace('_', ' '))}")
        return value

    @property
    def engine(self) -> Engine:
        if self.own.profile is None:
            return Engine(name=NO_PROFILE)
        found = self.catalogue.engines[self.own.profile]
        steps = tuple(
            StepSize(self.own.step_tokens or size.tokens, self.own.step_sequences or size.sequences, size.memory_bytes, size.but)
            for size in found.steps
        )
        if self.own.step_tokens and self.steps_are_stated:
            steps = (StepSize(self.own.step_tokens, self.own.step_sequences),)
        # What was free before the load had everything beside torch taken off.
        reserves = (Reserve(0),) if found.fraction_of_free and self.own.free_memory else found.reserves
        fraction = self.own.usable_fraction or found.usable_fraction
        return replace(found, steps=steps, usable_fraction=fraction, reserves=reserves)

    @property
    def assumptions(self) -> Assumptions:
        return Assumptions(self.engine, encoder_source_tokens=0, kv_format=self.stated("kv"), state_format=STATE_FORMAT)

    @property
    def layout(self) -> Parallelism:
        tensor, architecture = self.stated("tensor"), self.catalogue.models[self.stated("model")]
        return known_layout(architecture, tensor * self.own.pipeline, Parallelism(tensor=tensor, pipeline=self.own.pipeline))

    @property
    def gpu(self) -> Gpu:
        key = "free_memory" if self.engine.fraction_of_free and self.own.free_memory else "gpu_memory"
        printed = getattr(self.own, key)
        memory_bytes = None if printed is None else int(amount(key, printed))
        if self.own.gpu is None and memory_bytes and self.steps_are_stated:
            return Gpu("as printed", memory_bytes)  # the name would only tell the step
        own = self.catalogue.gpus[self.stated("gpu")]
        return own if memory_bytes is None else replace(own, memory_bytes=memory_bytes)

    @property
    def steps_are_stated(self) -> bool:
        """Whether the largest step follows from the source, whatever the GPU; a profile may leave its sequences open."""
        profile = self.catalogue.engines[self.own.profile] if self.own.profile else None
        open_ended = profile is not None and profile.steps and all(size.sequences is None for size in profile.steps)
        return bool(self.own.step_tokens and (self.own.step_sequences or open_ended))

    def model(self, component: str) -> Model:
        """The model, or the pipeline stage that a figure is of."""
        name = self.stated("model")
        stages = pipeline_stages(self.catalogue.models[name], self.own.pipeline)
        return Model(name, stages[self.own.stages.get(component, 0)])

    def weights(self, of: str = "weights") -> float:
        """Those of the stage that a figure is of."""
        if (file := self.own.gguf) is not None:
            return self._on_gpu(file)
        model = self.model(of)
        return held_weight_bytes(model.architecture, self.stored(model.architecture), self.layout, self.engine)

    def _on_gpu(self, file: GgufFile) -> float:
        sizes = self._file
        if file.gpu_layers is None:
            raise NotStatedError("gpu_layers", None, "the source does not state which tensors stand on the GPU")
        if not file.mapped:
            return sizes.on_gpu(file.gpu_layers)
        if file.gpu_layers <= len(sizes.layer_bytes):
            raise NotStatedError("mapped", None, "the GPU maps a part of the file: which, depends on the order of its tensors")
        return sizes.total_bytes

    def stored(self, architecture: Architecture) -> Precision:
        """How the run's weights are stored."""
        return precision(self.stated("weights"), architecture.published_precision)

    def model_file(self) -> float:
        return self._file.total_bytes

    @property
    def _file(self) -> FileSizes:
        file: Any = self.stated("gguf")
        if file.header is not None:
            sizes: FileSizes = file.header
            return sizes
        return recipe_file_sizes(self.catalogue.models[self.stated("model")], file)

    def kv_bytes_per_token(self) -> float:
        """Over all stages: what their caches were seen to hold is one stage's, and tokens are the same in each."""
        model, blocks = self.model("kv_cache"), None
        paged = self.engine.cache
        if paged is not None and self.engine.steps and not paged.unread:
            blocks = cache_blocks(model, self.layout, self.assumptions, self.gpu)
        if blocks is not None:
            return blocks.block_bytes * max(blocks.groups, 1) / blocks.block_tokens
        growth = growth_of(model, self.layout, self.assumptions)
        if growth.windows or growth.constant_bytes:
            raise NotStatedError(
                "kv_bytes_per_token", None, "windows or states share the memory, so bytes over tokens say no rate"
            )
        return growth.bytes_per_token

    def kv_cache(self) -> float:
        """The size for a context that is asked for, the layers with a window aside; or what is left."""
        if self.own.context_tokens is not None and self.own.sequences is not None:
            growth = replace(growth_of(self.model("kv_cache"), self.layout, self.assumptions), windows=(), constant_bytes=0)
            return int(bytes_per_sequence(growth, self.own.context_tokens)) * self.own.sequences
        return self._fitting(self._row("kv_cache")["free_for_kv_bytes"])

    def kv_cache_of_windows(self) -> float:
        """Cells for the window and a step beside it, in whole blocks."""
        growth = growth_of(self.model("kv_cache"), self.layout, self.assumptions)
        context, step, cache = self.stated("context_tokens"), self.stated("step_tokens"), self.engine.part("cache")
        most = multiple_of(context, cache.block_tokens)
        held = sum(min(most, cache.window_cells(window, step)) * rate for window, rate in growth.windows)
        return float(held * self.stated("sequences"))

    def kv_tokens(self) -> float:
        row = self._row("kv_tokens", decisive=True)
        return self._fitting(row["kv_capacity_tokens"])

    def _fitting(self, value: int | None) -> float:
        """What is left for the cache; by a prediction that leaves nothing, the run could not have started."""
        if value is None or value <= 0:
            raise NotStatedError("kv_cache", value, "by the prediction nothing is left: the settings or the model are others")
        return float(value)

    def activation_peak(self, of: str = "activation_peak") -> float:
        model = self.model(of)
        moments = activation_moments(model, self.stored(model.architecture), self.layout, self.assumptions, self.gpu, 1)
        if not moments[0].total_bytes:
            raise NotStatedError("activation_peak", None, f"{self.engine.label} measures no activations")
        return float(moments[0].total_bytes)

    def compute_buffer(self) -> float:
        """Of a graph that runs on one GPU; the step's sequences share the context."""
        architecture = self.model("compute_buffer").architecture
        context = self.stated("context_tokens") * self.stated("sequences")
        setting = Setting(self.layout, context_tokens=context, flash_attention=self.stated("flash_attention"))
        peak, tokens = self.engine.part("activation"), self.stated("step_tokens")
        if unread := peak.unread(architecture, setting):
            raise NotStatedError("compute_buffer", None, f"no source says what the graph holds for {', '.join(unread)}")
        return float(peak.peak_bytes(architecture, Step(tokens, tokens), setting))

    def non_torch(self) -> float:
        return float(self.engine.reserve(self.layout).bytes)

    def beside_cache(self) -> float:
        of = "beside_cache" if "beside_cache" in self.own.measured else "weights"  # its parts are of one stage
        return self.weights(of) + self.activation_peak(of) + self.non_torch()

    def max_concurrency(self) -> float:
        """Requests of the longest context, where a token takes the same at each place."""
        self.kv_bytes_per_token()
        return self.kv_tokens() / float(self.stated("max_context_tokens"))

    def _row(self, component: str, *, decisive: bool = False) -> dict[str, Any]:
        stage = None if decisive else self.own.stages.get(component, 0)
        whole = Model(self.stated("model"), self.catalogue.models[self.stated("model")])
        found = plan(
            whole, self.gpu, self.assumptions, batch_size=1, n_gpus=self.layout.n_gpus, layout=self.layout,
            precision=self.stated("weights"), policy=BASELINE, stage=stage,
        )  # fmt: skip
        return found.row


UNANSWERED = dict.fromkeys(GRAPHS, "no model of CUDA graphs: they depend on the kernels that are captured") | {
    "total": "no model of what else stands on the GPU",
    "kv_blocks": "not predicted by itself: kv_tokens over the tokens of a block",
    "recurrent_state": "no model of how many states an engine allocates",
}


def measured_amounts(own: Observation) -> dict[str, float]:
    """What a run measured, in bytes, tokens or blocks, and what follows of it where one stage printed all of its parts."""
    found = {component: amount(component, text) for component, text in own.measured.items()}
    if {"kv_cache", "kv_tokens"} <= found.keys() and own.pipeline == 1:
        found["kv_bytes_per_token"] = found["kv_cache"] / found["kv_tokens"]
    if found.keys() >= {*BESIDE} and len({own.stages.get(part, 0) for part in BESIDE}) == 1:
        found.setdefault("beside_cache", sum(found[part] for part in BESIDE))
    return {component: found[component] for component in COMPONENTS if component in found}


def predicted(own: Observation, component: str, catalogue: Catalogue) -> tuple[float | None, str | None]:
    """What the memory model says of a figure, or why it says nothing."""
    answer: Callable[[], float] | None = getattr(_Run(own, catalogue), component, None)
    if answer is None:
        return None, UNANSWERED[component] + _seen(own, component, catalogue)
    try:
        return answer(), own.reasons.get(component)
    except ModelError as problem:
        return None, own.reasons.get(component) or _why(own, problem)


def _seen(own: Observation, component: str, catalogue: Catalogue) -> str:
    """What CUDA graphs of other runs took, where the profile says it."""
    graphs = catalogue.engines[own.profile].graphs if own.profile else None
    if graphs is None or component not in GRAPHS:
        return ""
    least, most = (size / UNITS["GiB"] for size in getattr(graphs, GRAPHS[component]))
    return f"; runs of the profile had {least:.2f} to {most:.2f} GiB"


def _why(own: Observation, problem: ModelError) -> str:
    """Why there is no prediction, in words that stand alone."""
    if own.profile is None and (isinstance(problem, EngineError) or problem.key == "gpu"):
        return "no profile describes the engine"
    if isinstance(problem, NotStatedError):
        return problem.allowed
    if isinstance(problem, EngineError) and problem.value is None:
        return f"the profile {own.profile} has no {problem.key}"
    if isinstance(problem, EngineError) and problem.key == "reserves":
        return f"what stands beside torch was not measured in this layout: {problem.value}"
    return str(problem)


# What rests on values that were fitted to observations.
FITTED = ("non_torch", "kv_tokens", "kv_cache", "beside_cache", "max_concurrency")


def compared(observations: Mapping[str, Observation], catalogue: Catalogue) -> Iterator[Comparison]:
    """Every measured figure beside the predicted one, in the order of runs and components."""
    for run, own in observations.items():
        others = _others(run, observations)
        without = _without(own, others, catalogue) if others else None
        for component, measured in measured_amounts(own).items():
            value, reason = predicted(own, component, catalogue)
            fitted, left_out = value is not None and component in FITTED, None
            if without is not None and fitted:
                left_out, _ = predicted(own, component, without)
            in_sample = fitted and others == []
            yield Comparison(run, component, measured, value, reason, left_out, own.unexplained.get(component), in_sample)


def _others(run: str, observations: Mapping[str, Observation]) -> list[float] | None:
    """Memory beside torch in the other runs of the profile and layout, in bytes; None for a run that was fitted to nothing."""
    own = observations[run]
    if own.profile is None or own.tensor is None or "non_torch" not in own.measured:
        return None
    return [
        amount("non_torch", one.measured["non_torch"])
        for name, one in observations.items()
        if name != run and (one.profile, one.tensor, one.pipeline > 1) == (own.profile, own.tensor, own.pipeline > 1)
        if "non_torch" in one.measured
    ]


def _without(own: Observation, others: Sequence[float], catalogue: Catalogue) -> Catalogue:
    """The catalogue with the reserve of the run's layout taken from the other runs alone."""
    profile = str(own.profile)
    engine = replace(catalogue.engines[profile], reserves=(Reserve(int(median(others))),))
    return replace(catalogue, engines=dict(catalogue.engines) | {profile: engine})


def error_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Errors by engine profile and component, from rows of observations.csv: how many figures, the median and the worst of them.

    A figure whose difference has a known cause counts by itself, so that what is known to be left out hides no other error. One
    without stays in: `unexplained` says how many of the compared it is.
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["profile"] or NO_PROFILE, row["component"]), []).append(row)
    order = sorted(groups, key=lambda key: (key[0] == NO_PROFILE, key[0], COMPONENTS.index(key[1])))
    return [_errors(profile, component, groups[profile, component]) for profile, component in order]


def _errors(profile: str, component: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    known = [row for row in rows if row["error_fraction"] is not None]
    plain = [row for row in known if not row["reason"]]
    worst = max(plain, key=lambda row: abs(row["error_fraction"]), default=None)
    left_out = [row["error_fraction_left_out"] for row in plain if row["error_fraction_left_out"] is not None]
    return {
        "profile": profile, "component": component, "figures": len(rows), "compared": len(plain),
        "unexplained": sum(row["unexplained"] is not None for row in plain),
        "in_sample": sum(bool(row["in_sample"]) for row in plain),
        "explained": len(known) - len(plain), "not_predicted": len(rows) - len(known),
        "median_error_fraction": median(abs(row["error_fraction"]) for row in plain) if plain else None,
        "highest_error_fraction": max((row["error_fraction"] for row in plain), default=None),
        "lowest_error_fraction": min((row["error_fraction"] for row in plain), default=None),
        "worst_error_fraction_left_out": max(left_out, key=abs, default=None),
        "worst_difference": None if worst is None else worst["difference"], "worst_run": None if worst is None else worst["run"],
    }  # fmt: skip
