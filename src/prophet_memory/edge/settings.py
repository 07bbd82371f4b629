"""What is swept and shown: config/config.yaml and config/design_space.yaml, checked against what there is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import product
from math import prod
from pathlib import Path
from typing import Annotated, TypeVar

from annotated_types import Ge, Gt, Le, Len

from prophet_memory.design_space import Family
from prophet_memory.edge.configuration import (
    CONFIG,
    ENGINES_FILE,
    GPUS_FILE,
    MODELS_FOLDER,
    check_known,
    read_engines,
    read_gpus,
    read_models,
    with_experts,
)
from prophet_memory.edge.messages import error, hint, relative
from prophet_memory.edge.remembered import read
from prophet_memory.errors import ModelError
from prophet_memory.fields import (
    Context,
    Count,
    Described,
    EachOnce,
    Fraction,
    OneOf,
    Parsed,
    PlainSize,
    PositiveBytes,
    Several,
    Size,
    Slug,
)
from prophet_memory.formats import CACHE_FORMATS, DEFAULT_FORMAT, PRECISIONS
from prophet_memory.inclusion import MOST_SKEW
from prophet_memory.provision import MEAN, PROVISIONS, Provision
from prophet_memory.residency import BASELINE, ResidencyPolicy, residency_policy
from prophet_memory.routing import LAWS, RoutingLaw, routing_law
from prophet_memory.steps import FIXED, HOST_MEMORY, Timing

SETTINGS_FILE = CONFIG / "config.yaml"
DESIGN_SPACE_FILE = CONFIG / "design_space.yaml"

Specification = str | dict[str, dict[str, float]]  # a kind, or one with parameters
Law = Annotated[RoutingLaw, Parsed(routing_law, Specification)]
Policy = Annotated[ResidencyPolicy, Parsed(residency_policy, Specification)]
BatchSize = Annotated[int, Ge(1), Le(2**20)]
CacheFormat = Annotated[str, OneOf(CACHE_FORMATS)]
Replicas = Annotated[int, Ge(1), Le(100_000)]
Seconds = Annotated[float, Gt(0), Le(10_000)]
Item = TypeVar("Item")
FromTo = Annotated[tuple[Item, ...], Len(2, 2)]
LEAST = {
    "exponent": 0.0,
    "zipf_s": 0.0,
    "activation_factor": 0.0,
    "predictor_bytes": 0,
    "usable_fraction": 0.01,
    "context_tokens": 1,
}
MOST = {
    "exponent": 2.0, "zipf_s": MOST_SKEW, "activation_factor": 100.0, "predictor_bytes": 10**12, "usable_fraction": 1.0,
    "context_tokens": 10**9,
}  # fmt: skip
RANGES = tuple(LEAST)
TIMED = tuple(field.name for field in fields(Timing))
SWEPT_MODELS = f"the files in {relative(MODELS_FOLDER)} with routed experts"
POINT_PRECISIONS = ("bf16", "int8_experts")


@dataclass(frozen=True, slots=True, kw_only=True)
class AxesSettings(Described):
    """The grid of one model: every combination of these lists is one row of the results."""

    gpus: Several[Slug]  # entries of config/gpus.yaml
    n_gpus: Several[Annotated[int, Ge(1), Le(4096)]]  # that serve the model together
    batch_sizes: Several[BatchSize]
    routings: Several[Law]
    precisions: Several[Annotated[str, OneOf(PRECISIONS)]]  # of the weights
    policies: Several[Policy]
    provisions: Several[Annotated[str, OneOf(PROVISIONS)]]  # what resident pools are sized for


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSettings(AxesSettings):
    """The grid of the paper."""

    models: Several[Slug]  # files of config/models without .yaml


@dataclass(frozen=True, slots=True)
class AssumptionSettings(Described):
    """What the memory model takes as given."""

    engine: Slug  # an entry of config/engines.yaml
    encoder_source_tokens: Count
    kv_format: CacheFormat
    state_format: CacheFormat
    tokens_per_sequence: Annotated[int, Ge(1), Le(2**20)]  # of a step
    layer_correlation: Annotated[float, Ge(0), Le(1)]  # of distinct experts, between two layers


@dataclass(frozen=True, slots=True)
class Reference(Described):
    """The point that figures and tables show where they show one."""

    gpu: Slug
    batch_size: BatchSize
    precision: Slug
    routing: Slug
    policy: Slug
    provision: Slug


@dataclass(frozen=True, slots=True)
class SummarySettings(Described):
    """What the summary table shows."""

    models: Several[Slug]
    batch_sizes: Several[BatchSize]


@dataclass(frozen=True, slots=True)
class MultiGpuSettings(Described):
    """What the figure of several GPUs shows."""

    gpus: Several[Slug]


@dataclass(frozen=True, slots=True)
class PaperSettings(Described):
    """Which of the swept points figures and tables show."""

    reference: Reference
    profile: Slug  # an entry of config/engines.yaml that was held against measurements
    breakdown_models: Several[Slug]
    summary: SummarySettings
    multi_gpu: MultiGpuSettings
    headline_context_tokens: Context  # of the sequences that a table counts
    provisioned_batch_sizes: Several[BatchSize]
    prefill_chunk_tokens: Several[PlainSize]
    expert_count_groups: Several[Annotated[int, Ge(1)]]  # upper ends


@dataclass(frozen=True, slots=True)
class ConcurrencySettings(Described):
    """The contexts for which the most sequences at once are sought; those beyond a model's own maximum are left out."""

    context_tokens: Several[Context]


@dataclass(frozen=True, slots=True)
class LatencySettings(Described):
    """What times of steps are computed with; seconds, bytes and operations a second, and shares of peaks."""

    context_tokens: Context
    memory_efficiency: Fraction
    flops_efficiency: Fraction
    host_memory: Annotated[str, OneOf(HOST_MEMORY)]
    pageable_bytes_per_s: PositiveBytes
    copy_start_s: Annotated[float, Ge(0), Le(1)]
    exchange_start_s: Annotated[float, Ge(0), Le(1)]
    host_memory_bytes_per_s: PositiveBytes
    host_flops_per_s: Annotated[int, Ge(1), Le(10**18)]
    fixed_costs: bool
    layer_s: Annotated[float, Ge(0), Le(1)]
    offload_layer_s: Annotated[float, Ge(0), Le(1)]
    machine_gpus: Annotated[int, Ge(1), Le(1024)]

    def timing(self, *, fixed_costs: bool | None = None) -> Timing:
        """As the library takes it, with or without fixed costs; default: as config says."""
        values = {name: getattr(self, name) for name in TIMED}
        taken = self.fixed_costs if fixed_costs is None else fixed_costs
        return Timing(**values | ({} if taken else dict.fromkeys(FIXED, 0.0)))


@dataclass(frozen=True, slots=True)
class AlternativesCase(Described):
    """A model on some GPUs that figures and tables of the alternatives show."""

    model: Slug
    gpu: Slug
    n_gpus: Annotated[int, Ge(1), Le(4096)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlternativesSettings(AxesSettings):
    """The grid of policies at equal memory, for every model of the sweep."""

    step_target_s: Annotated[float, Gt(0), Le(1000)]  # of a token, for the largest batch within it
    recalls: Several[Annotated[float, Ge(0), Le(1)]]  # of predictors
    bearable_factor: Annotated[float, Gt(1), Le(1000)]  # of the resident step
    cases: Several[AlternativesCase]


@dataclass(frozen=True, slots=True)
class ConstantSteps(Described):
    """Replicas whose steps take as long whatever their batch: what loads and traces say by themselves."""

    step_s: Several[Seconds]
    prompt_tokens_per_s: Annotated[int, Ge(1), Le(10**9)]
    replicas: Several[Replicas]
    kept_step_s: Seconds  # of which every batch size is kept
    kept_replicas: Several[Replicas]


@dataclass(frozen=True, slots=True)
class ServedSettings(Described):
    """Replicas of models under policies that serve traces; pools are sized for a design batch."""

    traces: Several[Slug]
    cases: Several[AlternativesCase]
    policies: Several[Policy]
    precisions: Several[Annotated[str, OneOf(PRECISIONS)]]
    routing: Law
    provision: Annotated[str, OneOf(PROVISIONS)]
    design_batch: BatchSize
    replicas: Several[Replicas]
    requests: Annotated[int, Ge(1), Le(10**9)]  # served at least, by as many of the replicas as get them
    ttft_s: Seconds
    tpot_s: Several[Seconds]  # each a target of its own
    in_time_fraction: Fraction  # of the requests
    least_replicas: Fraction  # that are tried: a half is one replica whose requests come twice as fast
    most_replicas: Replicas


@dataclass(frozen=True, slots=True)
class DecisionSettings(Described):
    """What `recommend` is asked: every combination, with the weights as published and with fewer bits as well."""

    models: Several[Slug]
    gpus: Several[Slug]
    n_gpus: Several[Annotated[int, Ge(1), Le(4096)]]  # of a replica
    policies: Several[Policy]
    fewer_bits: Several[Annotated[str, OneOf(PRECISIONS)]]
    context_tokens: Several[Context]
    output_tokens: Annotated[int, Ge(1), Le(10**9)]
    requests_per_s: Several[Annotated[float, Gt(0), Le(10**9)]]
    tpot_s: Several[Seconds]
    depth: Annotated[int, Ge(1), Le(10)]  # of the tree


@dataclass(frozen=True, slots=True)
class WorkloadSettings(Described):
    """The study of workloads: batches as distributions."""

    seed: Count
    constant: ConstantSteps
    served: ServedSettings
    decision: DecisionSettings


@dataclass(frozen=True, slots=True)
class SensitivityCase(Described):
    """A model on one GPU, at the precision and the provision of the paper's reference."""

    model: Slug
    gpu: Slug
    batch_size: BatchSize


@dataclass(frozen=True, slots=True)
class SensitivitySettings(Described):
    """What varies around the assumptions, each from and to: by itself (at both ends), and all together (Sobol' indices)."""

    cases: Several[SensitivityCase]
    base_samples: Annotated[int, OneOf([2**power for power in range(3, 15)])]  # of a Sobol' sequence
    seed: Count
    exponent: FromTo[float]  # of the power law
    zipf_s: FromTo[float]  # of Zipf's law; 0 is uniform
    activation_factor: FromTo[float]
    predictor_bytes: FromTo[int]
    usable_fraction: FromTo[float]
    engines: Annotated[tuple[Slug, ...], Len(2, 2), EachOnce()]
    kv_formats: Annotated[tuple[CacheFormat, ...], Len(2, 2), EachOnce()]
    context_tokens: FromTo[int]

    def __post_init__(self) -> None:
        for name in RANGES:
            first, last = getattr(self, name)
            if not LEAST[name] <= first < last <= MOST[name]:
                allowed = f"two numbers from {LEAST[name]:g} to {MOST[name]:g}, the smaller first"
                raise ModelError(f"sensitivity.{name}", [first, last], allowed)


@dataclass(frozen=True, slots=True)
class Settings(Described):
    """config/config.yaml: what to compute and what the paper shows of it."""

    sweep: SweepSettings
    concurrency: ConcurrencySettings
    assumptions: AssumptionSettings
    latency: LatencySettings
    alternatives: AlternativesSettings
    workloads: WorkloadSettings
    sensitivity: SensitivitySettings
    paper: PaperSettings

    @property
    def reference_law(self) -> RoutingLaw:
        """The swept law of the paper's reference point."""
        return next(law for law in self.sweep.routings if law.name == self.paper.reference.routing)

    @property
    def reference_provision(self) -> Provision:
        """What the pools of the paper's reference point are sized for."""
        return PROVISIONS[self.paper.reference.provision]

    @property
    def reference_policy(self) -> ResidencyPolicy:
        """The swept policy of the paper's reference point."""
        return next(policy for policy in self.sweep.policies if policy.name == self.paper.reference.policy)


@dataclass(frozen=True, slots=True)
class DesignSettings(Described):
    """config/design_space.yaml: what the design space is made of."""

    shards: PlainSize  # jobs into which the sweep is scattered
    chunk_rows: Size  # that a job holds in memory at once
    figure_precision: Annotated[str, OneOf(POINT_PRECISIONS)]
    load_steps: Annotated[int, Ge(1), Le(1000)]  # of the share of the GPU's memory between 0 and 1
    family: Family
    models: Annotated[tuple[Slug, ...], EachOnce()]  # may be none
    gpus: Several[Slug]
    batch_sizes: Several[Annotated[int, Ge(1), Le(2**16 - 1)]]
    routings: Several[Law]
    policy: Policy  # compared with all experts resident
    precisions: Several[Annotated[str, OneOf(POINT_PRECISIONS)]]
    context_tokens: Several[Annotated[int, Ge(1), Le(10**9)]]

    @property
    def model_count(self) -> int:
        """Models of the catalogue, then those of the family."""
        return len(self.models) + self.family.count

    @property
    def rows_per_model(self) -> int:
        """Points of one model."""
        axes = (self.gpus, self.batch_sizes, self.routings, self.precisions, self.context_tokens)
        return prod(map(len, axes))

    def members_of_shard(self, shard: int) -> range:
        """Numbers of the models in a shard: consecutive, and as many in each, give or take one."""
        return range(shard * self.model_count // self.shards, (shard + 1) * self.model_count // self.shards)

    @property
    def rows_of_shards(self) -> list[int]:
        """Points of each shard."""
        return [len(self.members_of_shard(shard)) * self.rows_per_model for shard in range(self.shards)]


def read_settings(file: Path = SETTINGS_FILE) -> Settings:
    """config/config.yaml, checked against the catalogue."""
    return _swept(read_settings_alone(file), with_experts(read_models()), read_gpus(), file)


def read_settings_alone(file: Path = SETTINGS_FILE) -> Settings:
    """config/config.yaml, checked without models and GPUs: for who needs its assumptions, whatever it sweeps."""
    return _consistent(read(Settings, file), file)


def _consistent(settings: Settings, file: Path) -> Settings:
    engine, sweep, reference = settings.assumptions.engine, settings.sweep, settings.paper.reference
    check_known([engine], "assumptions.engine", read_engines(), f"the entries of {relative(ENGINES_FILE)}", file)
    laws, policies = [law.name for law in sweep.routings], [policy.name for policy in sweep.policies]
    check_known([settings.paper.profile], "paper.profile", read_engines(), f"the entries of {relative(ENGINES_FILE)}", file)
    check_known([reference.routing], "paper.reference.routing", laws, "the values of sweep.routings", file)
    check_known([reference.policy], "paper.reference.policy", policies, "the values of sweep.policies", file)
    check_known([reference.provision], "paper.reference.provision", sweep.provisions, "the values of sweep.provisions", file)
    return settings


def check_settings(document: object, models: Iterable[str], gpus: Iterable[str], file: Path = SETTINGS_FILE) -> Settings:
    """Settings from plain values: each by itself, then that every model and GPU exists and the paper's points are swept."""
    from prophet_memory.edge.documents import checked  # noqa: PLC0415 - what checks takes time to import

    return _swept(_consistent(checked(Settings, document, file), file), models, gpus, file)


def _swept(settings: Settings, models: Iterable[str], gpus: Iterable[str], file: Path) -> Settings:
    """The settings, once every model and GPU exists and the paper's points are swept."""
    sweep, paper, reference = settings.sweep, settings.paper, settings.paper.reference
    check_known(sweep.models, "sweep.models", models, SWEPT_MODELS, file)
    check_known(sweep.gpus, "sweep.gpus", gpus, f"the entries of {relative(GPUS_FILE)}", file)
    policies = [policy.name for policy in sweep.policies]
    swept: dict[str, tuple[Iterable[object], str, Iterable[object]]] = {
        "reference.gpu": ([reference.gpu], "gpus", sweep.gpus),
        "reference.batch_size": ([reference.batch_size], "batch_sizes", sweep.batch_sizes),
        "reference.precision": ([reference.precision], "precisions", sweep.precisions),
        "breakdown_models": (paper.breakdown_models, "models", sweep.models),
        "summary.models": (paper.summary.models, "models", sweep.models),
        "summary.batch_sizes": (paper.summary.batch_sizes, "batch_sizes", sweep.batch_sizes),
        "provisioned_batch_sizes": (paper.provisioned_batch_sizes, "batch_sizes", sweep.batch_sizes),
        "multi_gpu.gpus": (paper.multi_gpu.gpus, "gpus", sweep.gpus),
    }
    contexts = settings.concurrency.context_tokens
    allowed = "the values of concurrency.context_tokens"
    check_known([paper.headline_context_tokens], "paper.headline_context_tokens", contexts, allowed, file)
    cases = settings.sensitivity.cases
    check_known([case.model for case in cases], "sensitivity.cases", sweep.models, "the values of sweep.models", file)
    check_known([case.gpu for case in cases], "sensitivity.cases", sweep.gpus, "the values of sweep.gpus", file)
    _alternatives(settings, gpus, file)
    _workloads(settings, models, gpus, file)
    known = f"the entries of {relative(ENGINES_FILE)}"
    check_known(settings.sensitivity.engines, "sensitivity.engines", read_engines(), known, file)
    for key, (values, axis, names) in swept.items():
        check_known(values, f"paper.{key}", names, f"the values of sweep.{axis}", file)
    if BASELINE.name not in policies:
        raise error(file, "sweep.policies", policies, f"a list with {BASELINE.name}, which the others are compared with")
    if reference.policy == BASELINE.name:
        raise error(file, "paper.reference.policy", BASELINE.name, "a policy that is compared with it")
    if MEAN.name not in sweep.provisions:
        raise error(file, "sweep.provisions", sweep.provisions, f"a list with {MEAN.name}, which claims are judged by")
    if 1 not in sweep.n_gpus:
        raise error(file, "sweep.n_gpus", sweep.n_gpus, "a list with 1, which figures and tables of a single GPU show")
    return settings


def _alternatives(settings: Settings, gpus: Iterable[str], file: Path) -> None:
    """Raise a ConfigurationError unless the grid of the alternatives holds its cases."""
    study = settings.alternatives
    check_known(study.gpus, "alternatives.gpus", gpus, f"the entries of {relative(GPUS_FILE)}", file)
    cases = study.cases
    check_known([case.model for case in cases], "alternatives.cases", settings.sweep.models, "the values of sweep.models", file)
    check_known([case.gpu for case in cases], "alternatives.cases", study.gpus, "the values of alternatives.gpus", file)
    if wrong := [case.n_gpus for case in cases if case.n_gpus not in study.n_gpus]:
        raise error(file, "alternatives.cases", wrong[0], f"numbers of GPUs in alternatives.n_gpus: {study.n_gpus}")
    if wrong := [batch for batch in (1, settings.paper.reference.batch_size) if batch not in study.batch_sizes]:
        raise error(file, "alternatives.batch_sizes", study.batch_sizes, f"a list with {wrong[0]}")
    if BASELINE not in study.policies or DEFAULT_FORMAT not in study.precisions:
        raise error(file, "alternatives.policies", [policy.name for policy in study.policies],
                    f"a list with {BASELINE.name}, and {DEFAULT_FORMAT} among the precisions")  # fmt: skip
    if settings.paper.reference.provision not in study.provisions:
        raise error(file, "alternatives.provisions", study.provisions, f"a list with {settings.paper.reference.provision}")


def _workloads(settings: Settings, models: Iterable[str], gpus: Iterable[str], file: Path) -> None:
    """Raise a ConfigurationError unless models and GPUs of the study of workloads exist."""
    study, known = settings.workloads, f"the entries of {relative(GPUS_FILE)}"
    check_known([case.model for case in study.served.cases], "workloads.served.cases", models, SWEPT_MODELS, file)
    check_known([case.gpu for case in study.served.cases], "workloads.served.cases", gpus, known, file)
    check_known(study.decision.models, "workloads.decision.models", models, SWEPT_MODELS, file)
    check_known(study.decision.gpus, "workloads.decision.gpus", gpus, known, file)
    for name in ("step_s", "replicas"):
        kept, of = getattr(study.constant, f"kept_{name}"), getattr(study.constant, name)
        if missing := [one for one in (kept if isinstance(kept, tuple | list) else [kept]) if one not in of]:
            raise error(file, f"workloads.constant.kept_{name}", missing[0], f"values of workloads.constant.{name}: {list(of)}")
    if BASELINE not in study.served.policies:
        names = [policy.name for policy in study.served.policies]
        raise error(file, "workloads.served.policies", names, f"a list with {BASELINE.name}")


def read_design_space(models: Iterable[str], gpus: Iterable[str], file: Path = DESIGN_SPACE_FILE) -> DesignSettings:
    """config/design_space.yaml, checked against the models and GPUs that there are."""
    design = read(DesignSettings, file)
    check_known(design.models, "models", models, SWEPT_MODELS, file)
    check_known(design.gpus, "gpus", gpus, f"the entries of {relative(GPUS_FILE)}", file)
    if design.policy == BASELINE:
        raise error(file, "policy", design.policy.name, "a policy that is compared with all experts resident")
    check_known([design.figure_precision], "figure_precision", design.precisions, "the values of precisions", file)
    family = design.family
    for hidden, heads in product(family.hidden_size, family.kv_heads):
        if hidden % family.head_dim or hidden // family.head_dim % heads:
            allowed = f"divisors of every hidden_size over head_dim, such as {hidden} / {family.head_dim}"
            raise error(file, "family.kv_heads", heads, allowed)
    if min(family.top_k) >= max(family.experts):
        raise error(file, "family.top_k", family.top_k, "at least one below the largest number of experts")
    return design


def check_law_name(name: str, key: str, file: Path) -> None:
    """Raise a ConfigurationError unless a name begins with the kind of a law: `power_law`, or `power_law_0.9`."""
    if not any(re.fullmatch(rf"{kind}(_[a-z_]*-?[0-9][0-9.e+-]*)*", name) for kind in LAWS):
        raise error(file, key, name, f"{', '.join(sorted(LAWS))}, with _ and a parameter behind it{hint(name, LAWS)}")
