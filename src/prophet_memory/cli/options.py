"""What the commands take: values that are checked with one line in the project's form, and GPUs by name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click

from prophet_memory.architecture import Architecture
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.configuration import read_engines, read_gpus
from prophet_memory.edge.counting import ROUTING_FOLDER, caches_of, checked_counts, counted_models, counts_of, read_counts
from prophet_memory.edge.messages import error, hint
from prophet_memory.edge.model_files import OpenedModel
from prophet_memory.edge.results import assumptions_of
from prophet_memory.edge.settings import AssumptionSettings, LatencySettings, Settings
from prophet_memory.engine import Engine
from prophet_memory.errors import ModelError
from prophet_memory.formats import CACHE_FORMATS, FORMATS, NATIVE, WEIGHT_FORMATS, NamedFormats, name_of, parsed
from prophet_memory.gguf import FILE_TYPES
from prophet_memory.gpu import Gpu
from prophet_memory.grid import Model
from prophet_memory.memory import Assumptions, stored_as
from prophet_memory.named import Named, ParameterError
from prophet_memory.parallelism import Parallelism, ParallelismError, parallelism, with_context
from prophet_memory.placement import CutBlocksError
from prophet_memory.precision import FileWeights, Stored, check_groups
from prophet_memory.provision import PROVISIONS
from prophet_memory.residency import BASELINE, POLICIES, ResidencyPolicy, residency_policy
from prophet_memory.routing import LAWS, RoutingLaw, routing_law
from prophet_memory.stages import pipeline_stages
from prophet_memory.steps import HOST_MEMORY, Timing

Command = Callable[..., Any]
CUSTOM, LEAST_CUSTOM, MOST_CUSTOM = "custom", 0.5, 100_000  # each of its numbers
CUSTOM_FORMS = "custom:GiB[:GB/s[:TFLOP/s:GB/s of the host link]]"
CUSTOM_NUMBER = r"(\d{1,6}(?:\.\d{1,6})?)"
CUSTOM_NUMBERS = re.compile(f"custom:{CUSTOM_NUMBER}(?::{CUSTOM_NUMBER}(?::{CUSTOM_NUMBER}:{CUSTOM_NUMBER})?)?", re.ASCII)
HOST_NUMBERS = re.compile(f"{CUSTOM_NUMBER}(?::{CUSTOM_NUMBER})?", re.ASCII)
LEAST_HOST = 0.001
QUANTITY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?(\S{1,8})", re.ASCII)
TOKENS = re.compile(r"(\d{1,12})([kK]?)", re.ASCII)
KILO, MOST_TOKENS = 1024, 2**40
GIGA, TERA = 10**9, 10**12
OF_ENGINE = {field.name for field in fields(Engine)}
OF_STEP = {"max_step_tokens": "tokens", "max_step_sequences": "sequences"}


class Among(click.ParamType[str]):
    """One of some words."""

    name = "name"

    def __init__(self, words: Iterable[str]) -> None:
        self.words = tuple(words)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word, or one line."""
        if value not in self.words:
            self.fail(f"{json.dumps(value)}; allowed: {', '.join(self.words)}{hint(str(value), self.words)}", param, ctx)
        return str(value)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """For --help: the words where they are few."""
        del param, ctx
        return f"[{'|'.join(self.words)}]"


class PrecisionName(click.ParamType[str]):
    """A precision of weights in the grammar of `formats`, or one of some further words."""

    name = "precision"

    def __init__(self, *words: str) -> None:
        self.words = words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Its plainest name, or one line."""
        if value in self.words:
            return str(value)
        try:
            return name_of(parsed(str(value)))
        except ModelError as problem:
            further = "".join(f", {word}" for word in self.words if word != NATIVE)
            known = (*FORMATS, *self.words)
            self.fail(f"{json.dumps(value)}; allowed: {problem.allowed}{further}{hint(str(value), known)}", param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """For --help."""
        del param, ctx
        return f"[{'|'.join([*FORMATS, NATIVE])}|int4/fp8|...]"


def plain(text: str) -> int | float | str:
    """A word as a number where it is one."""
    for number in (int, float):
        with suppress(ValueError):
            return number(text)
    return text


class NamedObject(click.ParamType[Named]):
    """A law or a policy: its kind, or with parameters as in `power_law:exponent=0.9`."""

    name = "name"

    def __init__(self, parse: Callable[[object], Named], kinds: Iterable[str], example: str) -> None:
        self.parse, self.kinds, self.example = parse, tuple(kinds), example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Named:
        """The object, or one line."""
        if isinstance(value, Named):
            return value
        kind, *words = str(value).split(":")
        given: dict[str, int | float | str] = {}
        for name, sign, text in (word.partition("=") for word in words):
            if not sign or name in given:
                self.fail(f"{json.dumps(value)}; allowed: parameters as in {self.example}, each once", param, ctx)
            if "," in text:
                self.fail(f"{json.dumps(value)}; allowed: a colon before each parameter, as in {self.example}", param, ctx)
            given[name] = plain(text)
        try:
            return self.parse({kind: given} if words else kind)
        except ParameterError as problem:
            near = "" if problem.key else hint(str(problem.value), self.kinds)
            key = f"{problem.key}: " if problem.key else ""
            self.fail(f"{key}{json.dumps(problem.value)}; allowed: {problem.allowed.removeprefix('one of ')}{near}", param, ctx)

    def all(self) -> list[Named]:
        """Each kind with its own parameters, those aside that have none of their own or need what was measured of a model."""
        found = []
        for kind in self.kinds:
            with suppress(ParameterError):
                found.append(self.parse(kind))
        return [one for one in found if not (isinstance(one, RoutingLaw) and one.needs_counts)]

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """For --help: the kinds."""
        del param, ctx
        return f"[{'|'.join(self.kinds)}]"


class Host(click.ParamType[tuple[int, int | None]]):
    """A host by the GB/s of its memory and, where they are given, its TFLOP/s."""

    name = "host"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int | None]:
        """Bytes and operations a second, or one line."""
        numbers = HOST_NUMBERS.fullmatch(str(value))
        given = [float(number) for number in numbers.groups() if number] if numbers else []
        if not given or not all(LEAST_HOST <= number <= MOST_CUSTOM for number in given):
            limits = f"with numbers from {LEAST_HOST} to {MOST_CUSTOM:,}, such as 89.6:1.2"
            self.fail(f"{json.dumps(value)}; allowed: GB/s[:TFLOP/s] {limits}", param, ctx)
        return int(GIGA * given[0]), int(TERA * given[1]) if len(given) > 1 else None

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """For --help."""
        del param, ctx
        return "GB/s[:TFLOP/s]"


class Number(click.ParamType[int | float]):
    """An integer of at least `least`, at most `most`; or a fraction above zero."""

    name = "number"

    def __init__(self, least: int = 1, most: int = 2**40, *, fraction: bool = False) -> None:
        self.least, self.most, self.fraction = least, most, fraction

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | float:
        """The number, or one line."""
        try:
            number = float(value) if self.fraction else int(value)
        except ValueError:
            number = None
        allowed = "a number above 0 and at most 1" if self.fraction else f"an integer from {self.least} to {self.most}"
        if number is None or not (0 < number <= 1 if self.fraction else self.least <= number <= self.most):
            self.fail(f"{json.dumps(value)}; allowed: {allowed}", param, ctx)
        return number


class Quantity(click.ParamType[float]):
    """A number with one of some units, as in 50ms."""

    name = "quantity"

    def __init__(self, units: Mapping[str, float], example: str, most: float) -> None:
        self.units, self.example, self.most = units, example, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """In the unit whose factor is 1, or one line."""
        if isinstance(value, float):
            return value
        found = QUANTITY.fullmatch(str(value))
        number = float(found[1]) * self.units[found[2]] if found and found[2] in self.units else 0.0
        if not 0 < number <= self.most:
            units = " or ".join(self.units)
            allowed = f"a number above 0 with {units}, such as {self.example}"
            self.fail(f"{json.dumps(value)}; allowed: {allowed}", param, ctx)
        return number

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """For --help."""
        del param, ctx
        return self.example


class Tokens(click.ParamType[int]):
    """A number of tokens, which may have a k for 1,024 behind it."""

    name = "tokens"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number, or one line."""
        found = TOKENS.fullmatch(str(value))
        number = int(found[1]) * (KILO if found[2] else 1) if found else 0
        if not 0 < number <= MOST_TOKENS:
            self.fail(f"{json.dumps(value)}; allowed: a whole number above 0, or one with k for {KILO:,}, such as 8k", param, ctx)
        return number


class Several(click.ParamType[list[Any]]):
    """A list with commas, each of another type; `all` for every known word."""

    name = "list"

    def __init__(self, one: click.ParamType[Any]) -> None:
        self.one = one

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[Any]:
        """The values in order, each once."""
        if isinstance(value, list):
            return value
        words = [word.strip() for word in str(value).split(",")]
        if "" in words:
            self.fail(f"{json.dumps(value)}; allowed: words with commas between them, none of them empty", param, ctx)
        if words == ["all"] and isinstance(self.one, Among):
            return list(self.one.words)
        if words == ["all"] and isinstance(self.one, NamedObject):
            return self.one.all()
        return list(dict.fromkeys(self.one.convert(word, param, ctx) for word in words))


class EngineName(click.ParamType[str]):
    """A profile of config/engines.yaml."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name, or one line."""
        return Among(read_engines()).convert(value, param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """For --help: those that there are."""
        return Among(read_engines()).get_metavar(param, ctx)


BATCH = Number(1, 2**20)
RATE = Quantity({"/s": 1.0, "/min": 1 / 60, "/h": 1 / 3600}, "2/s", 1e9)
DURATION = Quantity({"ms": 1e-3, "s": 1.0}, "50ms", 1e6)
GPUS = Number(1, 4096)
PRECISION_OR_FILE = PrecisionName(NATIVE, *FILE_TYPES)
EXPERT_FORMATS = Among(WEIGHT_FORMATS)
CACHE = Among(CACHE_FORMATS)
ROUTING = NamedObject(routing_law, sorted(LAWS), "power_law:exponent=0.9")
POLICY = NamedObject(residency_policy, sorted(POLICIES), "prophet:recall=0.9:wasted=0.2")
PARAMETERS = ", ".join(f"{kind}:{field.name}={field.default}" for kind, law in sorted(LAWS.items()) for field in fields(law))
LAW_HELP = f"law of the distinct experts, its parameters by default {PARAMETERS}; default: the paper's"
POLICY_HELP = (
    "which experts stay in GPU memory, with a parameter as in prophet:overhead_bytes=0; default: the paper's, but all_resident"
    " for dense models and for engines that keep all experts"
)
PROVISION = click.option(
    "--provision", type=Among(PROVISIONS), callback=lambda _context, _option, name: PROVISIONS.get(name),
    help="what resident pools are sized for: the mean of distinct experts, or what a step exceeds rarely; default: the paper's",
)  # fmt: skip
STEP_TOKENS = click.option(
    "--tokens-per-sequence",
    type=Number(1, 2**20),
    help="that a step takes of each sequence: more than one where drafts are verified; default: config's",
)
COUNTS = click.option(
    "--counts", type=click.Path(path_type=Path), help="measured routing for --routing frequency (docs/routing.md)"
)
HOST_MEMORY_OPTION = click.option(
    "--host-memory", type=Among(HOST_MEMORY), help="whether copies to the GPU come from pinned memory; default: config's"
)
HOST_OPTION = click.option(
    "--host", type=Host(), help="the machine's memory bandwidth and arithmetic, for experts that it computes; default: config's"
)
FIXED_COSTS = click.option(
    "--fixed-costs/--no-fixed-costs",
    "fixed_costs",
    default=None,
    help="what engines pay for each layer beside bytes; default: config's",
)
ENGINE = click.option("--engine", type=EngineName(), help="profile of config/engines.yaml; default: config's")
as_json = click.option("--json", "as_json", is_flag=True, help="print JSON for programs")


MTP = click.option("--mtp", is_flag=True, help="count the layers that predict further tokens (multi-token prediction), too")


def precision_name(weights: str, experts: str | None) -> str:
    """The name by which the sweep knows the formats of the weights."""
    if experts is None or experts == weights:
        return weights
    if weights not in WEIGHT_FORMATS:
        raise ConfigurationError(f"--experts: {json.dumps(experts)}; allowed: none beside --weights {weights}")
    return name_of(NamedFormats(experts, weights, {}))


def changed_assumptions(
    settings: AssumptionSettings, engine: str | None, changes: Mapping[str, Any]
) -> tuple[Assumptions, Engine]:
    """Config's assumptions with what the options change, be it the engine's or not; and the engine as config has it."""
    taken = assumptions_of(replace(settings, engine=engine or settings.engine), read_engines())
    given = {key: value for key, value in changes.items() if value is not None}
    of_engine = {key: value for key, value in given.items() if key in OF_ENGINE}
    if "state_format" in given and taken.engine.state is not None:  # what is asked for comes before the model's own
        of_engine["state"] = replace(taken.engine.state, follows_model=False)
    step = {key: given[option] for option, key in OF_STEP.items() if option in given}
    if step:
        of_engine["steps"] = tuple(replace(size, **step) for size in taken.engine.steps)
    others = {key: value for key, value in given.items() if key not in {*of_engine, *OF_STEP}}
    return replace(taken, engine=replace(taken.engine, **of_engine), **others), taken.engine


def model_with_counts(
    opened: OpenedModel, laws: Iterable[RoutingLaw], counts: Path | None = None, option: str = "--routing"
) -> Model:
    """A model, with what was measured of its routing where a law needs it: a file of an option, or the catalogue's."""
    architecture = opened.architecture
    if architecture.is_dense or not any(law.needs_counts for law in laws):
        if counts is not None:
            raise ConfigurationError(f"--counts: {counts}; allowed: beside --routing frequency")
        return Model(opened.slug, architecture)
    found = counts_of(opened.slug) if counts is None else read_counts(counts)
    file = counts or ROUTING_FOLDER / f"{opened.slug}.csv"
    if found is None:
        allowed = f"for {', '.join(counted_models())}, whose routing was measured, and not for {opened.slug}"
        own = ", or beside --counts FILE" if option == "--routing" else "; plan and fit take --counts FILE"
        raise ConfigurationError(f'{option}: "frequency"; allowed: {allowed}{own}')
    try:
        found.inclusion(architecture.moe)
    except ModelError as problem:
        raise error(file, problem.key, problem.value, problem.allowed) from None
    caches = caches_of(opened.slug) if counts is None else None
    return Model(opened.slug, architecture, checked_counts(file, found, architecture.moe_layer_count), caches)


def kept(policy: ResidencyPolicy | None, architecture: Architecture, engine: Engine, settings: Settings) -> ResidencyPolicy:
    """The policy of an option; by default the paper's, or the baseline for dense models and engines that know no other."""
    keeps_all = architecture.is_dense or engine.keeps_all_experts
    return policy or (BASELINE if keeps_all else settings.reference_policy)


def _custom_gpu(name: str, key: str) -> Gpu:
    """A GPU by its memory in GiB and, where they are given, its bandwidth, its peak arithmetic and its host link."""
    numbers = CUSTOM_NUMBERS.fullmatch(name)
    values = [float(number) for number in numbers.groups() if number] if numbers else []
    if not values or not all(LEAST_CUSTOM <= value <= MOST_CUSTOM for value in values):
        limits = f"with numbers from {LEAST_CUSTOM} to {MOST_CUSTOM:,}, such as {CUSTOM}:48:960:155:25"
        raise ConfigurationError(f"{key}: {json.dumps(name)}; allowed: {CUSTOM_FORMS} {limits}")
    hbm, peak, link = (int(unit * value) for unit, value in zip((GIGA, TERA, GIGA), (*values[1:], 0, 0, 0), strict=False))
    return Gpu(
        name,
        int(values[0] * 2**30),
        hbm_bandwidth_bytes_per_s=hbm or None,
        compute_peak_flops_per_s=peak or None,
        host_link_effective_bandwidth_bytes_per_s=link or None,
    )


def open_gpus(names: Sequence[str], key: str = "--gpus") -> list[Gpu]:
    """The GPUs of a list, each once: all of the catalogue, or named ones, custom ones among them."""
    return list(read_gpus().values()) if names == ["all"] else [open_gpu(name, key) for name in names]


def open_gpu(name: str, key: str = "--gpu") -> Gpu:
    """A GPU by its name in the catalogue, or one that is not catalogued, by its numbers."""
    if name.partition(":")[0] == CUSTOM:
        return _custom_gpu(name, key)
    gpus = read_gpus()
    slug = name.lower().replace(" ", "-")  # as tables print it
    if slug in gpus:
        return gpus[slug]
    if name not in gpus:
        raise ConfigurationError(f"{key}: {json.dumps(name)}; allowed: {', '.join(gpus)}, {CUSTOM_FORMS}{hint(name, gpus)}")
    return gpus[name]


def layout_error(problem: ParallelismError, how: str = "") -> ConfigurationError:
    """A layout that there cannot be, by the option that asks for it."""
    return ConfigurationError(f"--{problem.key.replace('_', '-')}: {problem.value}{how}; allowed: {problem.allowed}")


def default_layout_error(problem: CutBlocksError, name: str) -> ConfigurationError:
    """A precision that the default layout of a model cuts, for commands that have no options of a layout."""
    return ConfigurationError(
        f"--precisions: cut inside a block; allowed for {name}: formats whose blocks its default layout leaves whole, or other"
        f" --n-gpus ({problem.said})"
    )


def shared_tokens(asked: int | None, assumptions: Assumptions) -> int | None:
    """How many GPUs shall share the tokens of a cache; 1 where the engine cannot, None where nothing is asked.

    Raises:
        ConfigurationError: where it is asked for and the profile does not have it.
    """
    engine, form = assumptions.engine, assumptions.kv_format
    if form in engine.shares_tokens_in:
        return asked
    if asked not in (None, 1):
        formats = ", ".join(engine.shares_tokens_in)
        why = f"or --kv {formats}" if formats else f"for no source says how {engine.name} shares the tokens of a cache"
        raise ConfigurationError(f"--dcp: {asked}; allowed: 1 with a cache in {form}, {why}")
    return 1


def spread_over(
    architecture: Architecture,
    assumptions: Assumptions,
    n_gpus: int,
    tp: int | None = None,
    ep: int | None = None,
    pp: int | None = None,
    dcp: int | None = None,
    *,
    precisions: Iterable[str | FileWeights] = (),
) -> Parallelism:
    """A layout; raises ConfigurationError, naming the option, for one that model, engine or precision cannot have."""
    shared = shared_tokens(dcp, assumptions)
    try:
        found = parallelism(architecture, n_gpus, tp, ep, pipeline=pp, cut_experts=assumptions.engine.cuts_experts)
        pipeline_stages(architecture, found.pipeline)  # refuses more of them than there are layers
        for name in precisions:
            assumptions.engine.check_blocks(architecture, stored_weights(name, architecture), found)
        return with_context(architecture, found, shared or 1)
    except ParallelismError as problem:
        given = {"tp": tp, "ep": ep, "pp": pp}
        by_default = problem.key in given and given[problem.key] is None
        raise layout_error(problem, " by default" if by_default else "") from None


def stored_weights(name: str | FileWeights, architecture: Architecture) -> Stored:
    """How weights are stored; raises ConfigurationError, naming the option, for what the model's layers do not have."""
    try:
        if isinstance(name, str):
            check_groups(name, architecture)
        return stored_as(name, architecture)
    except ModelError as problem:
        raise ConfigurationError(f"--weights: {json.dumps(problem.value)}; allowed: {problem.allowed}") from None


def changed_timing(
    settings: LatencySettings, host_memory: str | None, host: tuple[int, int | None] | None, fixed_costs: bool | None
) -> Timing:
    """Config's timing with what the options change."""
    memory, peak = host or (settings.host_memory_bytes_per_s, None)
    changed = replace(settings, host_memory=host_memory or settings.host_memory, host_memory_bytes_per_s=memory)
    return replace(changed, host_flops_per_s=peak or settings.host_flops_per_s).timing(fixed_costs=fixed_costs)


def asked_timing(
    settings: LatencySettings, host_memory: str | None, host: tuple[int, int | None] | None, fixed_costs: bool | None,
    *, asked: bool,
) -> Timing | None:  # fmt: skip
    """The same for --latency; None without it. Raises ConfigurationError for an option that would then be ignored."""
    if asked:
        return changed_timing(settings, host_memory, host, fixed_costs)
    given = {"--host-memory": host_memory, "--host": host, "--fixed-costs": fixed_costs}
    for option, value in given.items():
        if value is not None:
            raise ConfigurationError(f"{option}: alone; allowed: beside --latency")
    return None


def checked_context(context: int | None, architecture: Architecture, name: str = "the model") -> int | None:
    """A context that the model takes, or a ConfigurationError."""
    limit = architecture.max_context_tokens
    if context and limit and context > limit:
        raise ConfigurationError(f"--context: {context}; allowed: at most {limit}, {name}'s own maximum")
    return context
