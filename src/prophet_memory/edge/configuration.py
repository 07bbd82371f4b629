"""The catalogue: config's models, GPUs, engines and the cluster, checked and as objects."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union

from annotated_types import Len

from prophet_memory.architecture import Architecture, Dimensions, FeedForward, Layer, Stack
from prophet_memory.edge.messages import described_by, error, hint
from prophet_memory.edge.places import config_folder
from prophet_memory.edge.remembered import read
from prophet_memory.engine import Engine, EngineEntry, EngineError
from prophet_memory.errors import ArchitectureError, ModelError
from prophet_memory.fields import MAX_LAYERS, ByKind, Count, Described, Layers, Parameters, Pattern, Slug, Text
from prophet_memory.gpu import Gpu, GpuEntry
from prophet_memory.mixers import MIXERS, Attention, Mixer
from prophet_memory.precision import check_groups

CONFIG = config_folder()
GPUS_FILE = CONFIG / "gpus.yaml"
ENGINES_FILE = CONFIG / "engines.yaml"
CLUSTER_FILE = CONFIG / "cluster.yaml"
MODELS_FOLDER = CONFIG / "models"

Block = TypeVar("Block")
BlockName = Annotated[str, Pattern("^[a-z][a-z0-9_]*$")]
AnyFeedForward = Annotated[FeedForward, ByKind()]
if TYPE_CHECKING:
    AnyMixer = Mixer
else:  # every kind that there is
    AnyMixer = Annotated[Union[MIXERS], ByKind()]  # noqa: UP007 - a union of what is found


@dataclass(frozen=True, slots=True)
class LayerEntry(Described):
    """So many layers that pair a mixer with a feed-forward block, by their names.

    Layers of another `format_group` may be stored otherwise, as the published precision says.
    """

    count: Layers
    mixer: Text
    feed_forward: Text
    format_group: Count = 0


@dataclass(frozen=True, slots=True)
class StackEntry(Described):
    """A stack; `cross_attention` names the mixer of every layer's attention to the encoder.

    `pattern` is the order of the kinds of layers, by places in `layers` from 0, over and over; without it one after another.
    """

    layers: Annotated[tuple[LayerEntry, ...], Len(1)]
    cross_attention: Text | None = None
    relative_attention_buckets: Count = 0
    pattern: Annotated[tuple[Count, ...], Len(0, MAX_LAYERS)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry(Dimensions):
    """A catalogue file, config/models/<slug>.yaml."""

    name: Text  # as figures and tables print it
    family: Text
    also_called: tuple[Text, ...] = ()  # releases of the same architecture, as engines name them
    hf_id: Text | None = None  # repository on the Hugging Face hub
    sources: Annotated[tuple[Text, ...], Len(1)]  # where the values were read
    notes: Annotated[tuple[Text, ...], Len(1)] | None = None
    leaves_out: Text | None = None  # a part of the released model that is not counted
    other_params: Parameters | None = None  # of that part
    mixers: Annotated[dict[BlockName, AnyMixer], Len(1)]  # by names that the layers use
    feed_forwards: Annotated[dict[BlockName, AnyFeedForward], Len(1)]  # the same; at most one of kind moe
    encoder: StackEntry | None = None
    decoder: StackEntry

    @property
    def architecture(self) -> Architecture:
        """The model that the entry describes.

        Raises:
            ArchitectureError: for values that contradict each other, with the dotted key.
        """
        sides = {side: entry for side in ("encoder", "decoder") if (entry := getattr(self, side)) is not None}
        stacks: dict[str, Any] = {side: self._stack(side, entry) for side, entry in sides.items()}
        layers = [layer for entry in sides.values() for layer in entry.layers]
        crossing = {entry.cross_attention for entry in sides.values()}
        self._check_used("mixers", self.mixers, crossing | {layer.mixer for layer in layers})
        self._check_used("feed_forwards", self.feed_forwards, {layer.feed_forward for layer in layers})
        own = {field.name: getattr(self, field.name) for field in fields(Dimensions)}
        described = Architecture(**own, **stacks)
        try:
            check_groups(self.published_precision, described)
        except ModelError as problem:
            raise ArchitectureError("published_precision", problem.value, problem.allowed) from None
        return described

    @staticmethod
    def _check_used(section: str, blocks: Iterable[str], used: set[str | None]) -> None:
        for name in blocks:
            if name not in used:
                raise ArchitectureError(f"{section}.{name}", name, "a block that some layer uses")

    def _stack(self, side: str, entry: StackEntry) -> Stack:
        def named(where: str, name: str, known: Mapping[str, Block]) -> Block:
            if name not in known:
                raise ArchitectureError(f"{side}.{where}", name, ", ".join(known))
            return known[name]

        layers = tuple(
            Layer(
                layer.count,
                named(f"layers[{i}].mixer", layer.mixer, self.mixers),
                named(f"layers[{i}].feed_forward", layer.feed_forward, self.feed_forwards),
                layer.format_group,
            )
            for i, layer in enumerate(entry.layers)
        )
        cross = None if entry.cross_attention is None else named("cross_attention", entry.cross_attention, self.mixers)
        if cross is not None and not isinstance(cross, Attention):
            raise ArchitectureError(f"{side}.cross_attention", entry.cross_attention, "a mixer of kind attention")
        return Stack(layers, cross, entry.relative_attention_buckets, entry.pattern)


@dataclass(frozen=True, slots=True)
class Cluster(Described):
    """config/cluster.yaml: where jobs run on a cluster, null where its own defaults decide."""

    slurm_partition: Annotated[str, Pattern("^[A-Za-z0-9._,-]+$")] | None  # or several with commas between
    slurm_account: Annotated[str, Pattern("^[A-Za-z0-9._,-]+$")] | None  # that the time is booked on
    slurm_extra: Annotated[str, Pattern("^--[A-Za-z0-9 =,:._-]+$")] | None  # more words for sbatch


def known_models() -> list[str]:
    """The names of the catalogue."""
    return sorted(path.stem for path in MODELS_FOLDER.glob("*.yaml"))


def read_models(folder: Path = MODELS_FOLDER) -> dict[str, ModelEntry]:
    """The catalogue: models by slug, sorted."""
    return {file.stem: read_model(file) for file in sorted(folder.glob("*.yaml"), key=lambda file: file.stem)}


def with_experts(models: Mapping[str, ModelEntry]) -> list[str]:
    """The models that have routed experts, which sweeps compare; dense ones are for single plans and observations."""
    return [slug for slug, entry in models.items() if not entry.architecture.is_dense]


def read_model(file: Path) -> ModelEntry:
    """A catalogue entry that describes a model.

    Raises:
        ConfigurationError: for a file that describes none.
    """
    entry = read(ModelEntry, file)
    with described_by(file):
        entry.architecture  # noqa: B018 - what is wrong with it shows when it is built
    return entry


GpuEntries = Annotated[dict[Slug, GpuEntry], Len(1)]
EngineEntries = Annotated[dict[Slug, EngineEntry], Len(1)]


def read_gpus(file: Path = GPUS_FILE) -> dict[str, Gpu]:
    """The GPUs by slug."""
    return {name: entry.gpu(name) for name, entry in read(GpuEntries, file).items()}


def read_engine_entries(file: Path = ENGINES_FILE) -> dict[str, EngineEntry]:
    """The entries of config/engines.yaml by slug, with their sources."""
    return read(EngineEntries, file)


def read_engines(file: Path = ENGINES_FILE) -> dict[str, Engine]:
    """The engines by slug."""
    return {name: entry.engine(name) for name, entry in read_engine_entries(file).items()}


@contextmanager
def said_of_profile(name: str, file: Path = ENGINES_FILE) -> Iterator[None]:
    """What a profile does not say is said of its entry.

    Raises:
        ConfigurationError: one line.
    """
    try:
        yield
    except EngineError as problem:
        raise error(file, f"{name}.{problem.key}", problem.value, problem.allowed) from None


@contextmanager
def leaving_out(model: str) -> Iterator[None]:
    """A model on which a profile is silent has no rows; standard error says why."""
    try:
        yield
    except EngineError as problem:
        sys.stderr.write(f"{model}: left out; allowed: {problem.allowed}\n")


def read_cluster(file: Path = CLUSTER_FILE) -> dict[str, str]:
    """What config/cluster.yaml decides, by key."""
    return {key: word for key, word in asdict(read(Cluster, file)).items() if word is not None}


def check_known(values: Iterable[object], key: str, known: Iterable[object], what: str, file: Path) -> None:
    """Raise a ConfigurationError unless every value is known; `what` says which there are."""
    names = [str(name) for name in known]
    for value in values:
        if str(value) not in names:
            raise error(file, key, value, f"{what}: {', '.join(names)}{hint(str(value), names)}")
