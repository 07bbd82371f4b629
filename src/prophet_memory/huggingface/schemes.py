"""How each method of quantisation stores the modules of a checkpoint: one function a `quant_method`, under `@states`.

A function reads a statement and says of each module in which format it is, None for one that is left at 16 bit. What a list of
names means differs between methods and is read as the method's own tools read it; the source stands beside each way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cached_property
from typing import NamedTuple

from prophet_memory.errors import ArchitectureError
from prophet_memory.formats import WEIGHT_FORMATS
from prophet_memory.huggingface.modules import Module, choices
from prophet_memory.huggingface.values import Values
from prophet_memory.tensors import COMPONENTS

FP8_BLOCK = [128, 128]
BLOCK_IN_WORDS = "x".join(map(str, FP8_BLOCK))  # as the validator of compressed-tensors takes it
EXPERT_DTYPE = "expert_dtype"  # beside quant_method fp8, in the statement or in the config
EXPERTS_ALGO = "moe_quant_algo"  # beside quant_method fp8, in the statement: of experts that ModelOpt converted
MIXED = "MIXED_PRECISION"  # quant_algo of what has a format for each module
NVFP4_GROUP, MX_GROUP = 16, 32
GROUPS, INTEGER_BITS, INT4_BITS = (32, 64, 128), (4, 8), 4
MODELOPT = {  # quant_algo
    "FP8": "fp8", "FP8_PER_CHANNEL_PER_TOKEN": "fp8_channel", "FP8_PB_WO": "fp8_blocks", "NVFP4": "nvfp4",
    "W4A16_NVFP4": "nvfp4", "MXFP8": "mxfp8",
}  # fmt: skip
PACKED = (
    "pack-quantized", "int-quantized", "float-quantized", "naive-quantized", "nvfp4-pack-quantized", "mxfp4-pack-quantized",
    "mxfp8-quantized", "mixed-precision",
)  # fmt: skip
FLOATS = {  # bits, strategy, and what it counts in
    (8, "tensor", "None"): "fp8", (8, "channel", "None"): "fp8_channel", (8, "block", str(FP8_BLOCK)): "fp8_blocks",
    (8, "group", str(MX_GROUP)): "mxfp8", (4, "tensor_group", str(NVFP4_GROUP)): "nvfp4",
    (4, "group", str(NVFP4_GROUP)): "nvfp4", (4, "group", str(MX_GROUP)): "mxfp4",
}  # fmt: skip
CLASSES = ("Linear", "Embedding", "Conv1d", "Conv2d", "Conv3d")  # of modules, as targets of compressed-tensors
TABLES = ("router", "embedding", "lm_head")  # that most methods never store in their format
NEVER_FP8 = (*TABLES, "attention.compressor")  # of DeepSeek-V4 (transformers, `_keep_in_fp32_modules` of modeling_deepseek_v4.py)
UNDERSTOOD = (
    f"float of 8 bits by tensor, channel or block of {FP8_BLOCK[0]} x {FP8_BLOCK[1]}, float of 4 or 8 bits in the groups of"
    f" NVFP4, MXFP4 and MXFP8, int of 4 or 8 bits by channel or in groups of {', '.join(map(str, GROUPS))}"
)


class Chosen(NamedTuple):
    """The format of a module, and what in the statement says so."""

    format: str | None
    key: str
    entry: object


Rule = Callable[[Module], Chosen]
Scheme = Callable[[Values, list[Module]], Rule]
Matches = Callable[[str], bool]
SCHEMES: dict[str, Scheme] = {}


def states(*methods: str) -> Callable[[Scheme], Scheme]:
    """Register a function as the reader of some methods (`quant_method`)."""

    def register(scheme: Scheme) -> Scheme:
        SCHEMES.update(dict.fromkeys(methods, scheme))
        return scheme

    return register


# --- lists of names

WILD = re.compile(r"[*?\[]")
MOST_SHOWN = 100  # letters of an entry, in an error
LAYER = re.compile(r"\b(?:layers|blocks?)\.(\d+)\.")
PROJECTION = re.compile(r"[\w.]*\blayers\.(\d+)\.[\w.]*(_proj|_proj_\w+|\bw[123])")
# Other parts of a checkpoint: towers, next-token layers, norms, tables, routers, and the weights of an indexer's heads.
UNCOUNTED = re.compile(
    r"visual|vision|audio|image|patch|projector|resampler|tower|timestamp|sound|perception|sam_model|qwen2_model|\bvit\b"
    r"|mtp|nextn|eh_proj|conv1d|embed|head|router"
    r"|(?<!norm_attn_)norm(?!_attn_norm)|gate\b|\bindexers_proj\b|\bweights_proj\b"
)
BLOCKS: dict[str, re.Pattern[str]] = {  # words that stand for a component; the first is meant
    "shared_expert": re.compile(r"shared?_(expert|mlp)"), "routed_expert": re.compile(r"expert|moe"),
    "recurrent": re.compile(r"linear_attn|mamba|mixer"), "attention": re.compile(r"attn|[aA]ttention"),
    "dense_feed_forward": re.compile(r"mlp|feed_forward|ffn"),
}  # fmt: skip


def as_transformers(entry: str) -> Matches:
    """A regular expression from the start to the end of a module's name, or the end of one (`should_convert_module`)."""
    whole = re.compile(rf"(?:{entry})(?:(?<=\.)|(?=\.|$))")
    return lambda name: whole.match(name) is not None or name.endswith(entry)


def as_compressed_tensors(entry: str) -> Matches:
    """A regular expression from the start behind `re:`, else a whole name (`match_name`)."""
    if entry.startswith("re:"):
        start = re.compile(entry.removeprefix("re:"))
        return lambda name: start.match(name) is not None
    return lambda name: name == entry


def as_modelopt(entry: str) -> Matches:
    """A wildcard, or the name of a module or of what contains it (vLLM 0.19, `is_layer_excluded`)."""
    return lambda name: fnmatchcase(name, entry) or f".{entry}." in f".{name}."


def as_autoawq(entry: str) -> Matches:
    """A part of the name (AutoAWQ, `exclude_layers_to_not_quantize`)."""
    return lambda name: entry in name


def as_in_block(entry: str) -> Matches:
    """The end of the name, behind that of the layer."""
    return lambda name: name.endswith(f".{entry}")


def as_gptqmodel(entry: str) -> Matches:
    """A regular expression from the start of the name, behind `+:` or `-:` (GPTQModel's `dynamic`)."""
    start = re.compile(entry.removeprefix("+:").removeprefix("-:"))
    return lambda name: start.match(name) is not None


class ModuleIndex:
    """The modules by their names, for lists of thousands: whole ones, and all steps of a name that follow each other."""

    def __init__(self, modules: Iterable[Module]) -> None:
        self._modules = list(modules)
        self._whole: dict[str, list[Module]] = {}
        self._steps: dict[str, list[Module]] = {}

    def matching(self, entry: str, how: Callable[[str], Matches]) -> list[Module]:
        """The modules of which an entry means a name; found without a look at each where the entry is no pattern."""
        if how is as_compressed_tensors and not entry.startswith("re:"):
            return self._by_name().get(entry, [])
        if how is as_modelopt and not WILD.search(entry):
            return self._by_steps().get(entry, [])
        matches = how(entry)
        return [module for module in self._modules if any(map(matches, module.names))]

    def _by_name(self) -> dict[str, list[Module]]:
        if not self._whole:
            for module in self._modules:
                for name in module.names:
                    self._whole.setdefault(name, []).append(module)
        return self._whole

    def names_container(self, entry: str) -> bool:
        """Whether an entry of compressed-tensors names what contains a module."""
        if entry.startswith("re:"):
            return any(map(as_compressed_tensors(entry), self._containers))
        return entry in self._containers

    @cached_property
    def _containers(self) -> frozenset[str]:
        names = {name for module in self._modules for name in module.names}
        return frozenset(name[: step.start()] for name in names for step in re.finditer(r"\.", name))

    def _by_steps(self) -> dict[str, list[Module]]:
        if not self._steps:
            for module in self._modules:
                split = [name.split(".") for name in module.names]
                within = {".".join(own[i:j]) for own in split for i in range(len(own)) for j in range(i + 1, len(own) + 1)}
                for name in within:
                    self._steps.setdefault(name, []).append(module)
        return self._steps


def matched(key: str, entries: Iterable[str], how: Callable[[str], Matches], modules: list[Module]) -> dict[str, list[Module]]:
    """The modules that each entry names.

    Raises:
        ArchitectureError: for an entry that is no pattern, and as `check_counted`.
    """
    found: dict[str, list[Module]] = {}
    index = ModuleIndex(modules)
    for entry in entries:
        try:
            found[entry] = index.matching(entry, how)
        except (re.error, RecursionError, OverflowError):
            raise ArchitectureError(key, entry[:MOST_SHOWN], "names or regular expressions") from None
    nothing = [entry for entry, own in found.items() if not own]
    if how is as_compressed_tensors:  # an entry that names a container means nothing in it (`match_named_modules`)
        nothing = [entry for entry in nothing if not index.names_container(entry)]
    check_counted(key, nothing, modules, {module for own in found.values() for module in own})
    return found


def named(key: str, entries: Iterable[str], how: Callable[[str], Matches], modules: list[Module]) -> dict[Module, str]:
    """The modules that some entries name, with the first entry that does; raises as `matched`."""
    found: dict[Module, str] = {}
    for entry, own in matched(key, entries, how, modules).items():
        for module in own:
            found.setdefault(module, entry)
    return found


def check_counted(key: str, entries: Iterable[str], modules: list[Module], found: Iterable[Module]) -> None:
    """Hold entries that mean no module against the layers that are counted.

    Raises:
        ArchitectureError: for one that names a projection of such a layer, or a component of which the list means nothing at all
            (`found`), because what it is about would be counted wrongly.
    """
    own = [module for module in modules if not module.predicts_further]
    layers = layers_of(modules)
    missed = {module.component for module in own} - {module.component for module in found if not module.predicts_further}
    for entry in entries:
        about = told_of(entry, layers)
        if about & missed or (about and PROJECTION.fullmatch(entry)):
            raise ArchitectureError(key, entry, "modules that the model is counted with")


def layers_of(modules: list[Module]) -> set[int]:
    """The numbers of the model's own layers."""
    return {int(number) for module in modules if not module.predicts_further for number in LAYER.findall(module.names[0])}


def told_of(entry: str, layers: set[int]) -> set[str | None]:
    """The components whose words an entry has, None for words of none; nothing for other parts and layers of a checkpoint."""
    about: set[str | None] = set()
    for choice in choices(entry):
        plain = choice.replace("\\", "")
        in_layers = {int(number) for number in LAYER.findall(f"{plain}.")}
        if not UNCOUNTED.search(plain) and (not in_layers or in_layers & layers):
            about.add(next((component for component, words in BLOCKS.items() if words.search(plain)), None))
    return about


def listed(values: Values, keys: Iterable[str], how: Callable[[str], Matches], modules: list[Module]) -> dict[Module, Chosen]:
    """The modules that lists under some keys leave at 16 bit.

    Raises:
        ArchitectureError: for what is no list of names, and as `named`.
    """
    found: dict[Module, Chosen] = {}
    for key in keys:
        entries = values.raw(key)
        if entries is not None and not (isinstance(entries, list) and all(isinstance(entry, str) for entry in entries)):
            raise values.error(key, "a list of names")
        path = values.path(key)
        own = named(path, entries or [], how, modules)
        found |= {module: Chosen(None, path, entry) for module, entry in own.items()}
    return found


def all_but(left_out: Mapping[Module, Chosen], chosen: Chosen, never: Container[str] = TABLES) -> Rule:
    """One format for all modules but those that are left out, and components and parts that the method never stores in it."""
    plain = chosen._replace(format=None)
    return lambda module: left_out.get(module) or (plain if module.component in never or module.key in never else chosen)


# --- methods


@states("mxfp4")
def mxfp4(values: Values, modules: list[Module]) -> Rule:
    """gpt-oss: the routed experts alone (transformers, `replace_with_mxfp4_linear`)."""
    left_out = listed(values, ["modules_to_not_convert"], as_transformers, modules)
    chosen = Chosen("mxfp4", values.path("quant_method"), "mxfp4")
    return all_but(left_out, chosen, never=set(COMPONENTS) - {"routed_expert"})


@states("fp8")
def fp8(values: Values, modules: list[Module]) -> Rule:
    """FP8 with a scale for each tensor, or for each block as in DeepSeek-V3."""
    block = values.raw("weight_block_size")
    if block not in (None, FP8_BLOCK):
        raise values.error("weight_block_size", f"null, for one scale a tensor, or {FP8_BLOCK}")
    if values.raw("quant_algo") not in (None, MIXED if values.raw(EXPERTS_ALGO) is not None else None):
        raise values.error("quant_algo", f"left out beside quant_method fp8, or {MIXED} where {EXPERTS_ALGO} is stated, too")
    left_out = listed(values, ["modules_to_not_convert", "ignored_layers"], as_transformers, modules)
    rule = all_but(left_out, Chosen("fp8_blocks" if block else "fp8", values.path("weight_block_size"), block), NEVER_FP8)
    if values.raw(EXPERTS_ALGO) is not None:
        own = _of_converted_experts(values, modules)
        return lambda module: own.get(module) or rule(module)
    experts = _of_packed_experts(values)
    if experts is None:
        return rule
    return lambda module: left_out.get(module, experts) if module.component == "routed_expert" else rule(module)


def _of_converted_experts(values: Values, modules: list[Module]) -> dict[Module, Chosen]:
    """The routed experts that ModelOpt converted in an FP8 checkpoint, whose other modules it left as they were.

    NVIDIA's DeepSeek-V4 in NVFP4 is stored so (SGLang, pull request 25820; vllm-project/recipes, pull request 541). Its `ignore`
    says what ModelOpt did not touch, and is not read: that stays FP8.

    Raises:
        ArchitectureError: for an algorithm that is not known, and for a list of other modules or with other algorithms.
    """
    chosen, key = _of_modelopt(values, key=EXPERTS_ALGO), "quantized_layers"
    _of_packed_experts(values)  # refuses what it does not know
    experts = {module: chosen for module in modules if module.component == "routed_expert"}
    if not experts:
        raise values.error(EXPERTS_ALGO, "left out for a model without routed experts")
    if values.raw(key) is None:
        return experts
    listed_so = {module: own.format for module, own in _of_listings(values, modules).items()}
    if not listed_so or any(module not in experts or own != chosen.format for module, own in listed_so.items()):
        raise values.error(key, f"routed experts alone, in the format of {EXPERTS_ALGO}")
    return dict.fromkeys(listed_so, chosen)


def _of_packed_experts(values: Values) -> Chosen | None:
    """The format of routed experts that are packed to 4 bits beside FP8 (DeepSeek-V4; transformers, `finegrained_fp8.py`).

    Raises:
        ArchitectureError: for a type of experts that is not known, and for scales that are no powers of two.
    """
    named_so = values.raw(EXPERT_DTYPE)
    if named_so in (None, "fp8"):
        return None
    if named_so != "fp4":
        raise values.error(EXPERT_DTYPE, "fp8 or fp4")
    if values.raw("scale_fmt") != "ue8m0":
        raise values.error("scale_fmt", f"ue8m0 beside {EXPERT_DTYPE} fp4")
    return Chosen("mxfp4", values.path(EXPERT_DTYPE), named_so)


@states("fbgemm_fp8")
def fbgemm_fp8(values: Values, modules: list[Module]) -> Rule:
    """FP8 with a scale for each output channel (Llama 4 Maverick)."""
    left_out = listed(values, ["modules_to_not_convert"], as_transformers, modules)
    return all_but(left_out, Chosen("fp8_channel", values.path("quant_method"), "fbgemm_fp8"))


@states("awq", "awq_marlin")
def awq(values: Values, modules: list[Module]) -> Rule:
    """AWQ: groups with zero points, which the files hold without `zero_point` too (AutoAWQ, `WQLinear_GEMM`)."""
    left_out = listed(values, ["modules_to_not_convert"], as_autoawq, modules)
    key = first_of(values, "bits", "w_bit")
    if values.raw(key) != INT4_BITS:
        raise values.error(key, f"{INT4_BITS}")
    stored = integers(values, INT4_BITS, first_of(values, "group_size", "q_group_size"), zero_points=True)
    return all_but(left_out, Chosen(stored, values.path(key), INT4_BITS))


@states("gptq", "gptq_marlin")
def gptq(values: Values, modules: list[Module]) -> Rule:
    """GPTQ: groups with zero points, which the files hold with `sym` too, and GPTQModel's exceptions (`dynamic`).

    The int32 that says the group of each input is in every file; engines keep it where `desc_act` is set (vLLM, `gptq_marlin`).
    """
    chosen = _of_gptq(values, values)
    head = values.raw("lm_head")
    if head not in (None, False, True):
        raise values.error("lm_head", "true or false")
    if values.raw("checkpoint_format") not in (None, "gptq", "gptq_v2"):
        raise values.error("checkpoint_format", "gptq or gptq_v2")
    never = TABLES[:-1] if head else TABLES
    rules = values.nested("dynamic", {})
    modules = [module for module in modules if module.component not in never]
    own = _outside_of_blocks(values, modules)
    for entry in values.optional_mapping("dynamic") or {}:
        other = chosen._replace(format=None) if entry.startswith("-:") else _of_gptq(values, rules.nested(entry, {}))
        for module in named(values.path("dynamic"), [entry], as_gptqmodel, modules):
            own.setdefault(module, Chosen(other.format, values.path("dynamic"), entry))
    return all_but(own, chosen, never)


def _outside_of_blocks(values: Values, modules: list[Module]) -> dict[Module, Chosen]:
    """What a list of the modules to quantise in each layer leaves at 16 bit (optimum, `modules_in_block_to_quantize`).

    Raises:
        ArchitectureError: for what is no list of names or of such lists, and as `matched`.
    """
    key = "modules_in_block_to_quantize"
    lists = values.raw(key)
    if lists is None:
        return {}
    entries = [entry for own in lists for entry in (own if isinstance(own, list) else [own])] if isinstance(lists, list) else []
    if not entries or not all(isinstance(entry, str) for entry in entries):
        raise values.error(key, "lists of names")
    found, layers = matched(values.path(key), entries, as_in_block, modules), layers_of(modules)
    for entry in (entry for entry, own in found.items() if not own and told_of(entry, layers)):
        raise ArchitectureError(values.path(key), entry, "modules that the model is counted with")
    inside = {module for own in found.values() for module in own}
    left_out = [module for module in modules if module not in inside and module.layer is not None]
    return {module: Chosen(None, values.path(key), entries[0]) for module in left_out}


def _of_gptq(values: Values, within: Values) -> Chosen:
    """The format of a statement, with what an exception has for itself."""
    bits, group, order = (within if within.raw(key) is not None else values for key in ("bits", "group_size", "desc_act"))
    if bits.raw("bits") not in INTEGER_BITS:
        raise bits.error("bits", " or ".join(map(str, INTEGER_BITS)))
    ordered = order.raw("desc_act") is not None and order.flag("desc_act")
    stored = integers(group, bits.raw("bits"), "group_size", zero_points=True, ordered=ordered)
    return Chosen(stored, bits.path("bits"), bits.raw("bits"))


@states("modelopt", "modelopt_fp4", "modelopt_mixed")
def modelopt(values: Values, modules: list[Module]) -> Rule:
    """NVIDIA ModelOpt: one algorithm for all modules but those that are excluded, or one for each module that is listed."""
    left_out = listed(values, ["exclude_modules", "ignore"], as_modelopt, modules)
    if values.raw(EXPERTS_ALGO) is not None:
        raise values.error(EXPERTS_ALGO, "left out or null")
    if str(values.raw("quant_algo")).upper() != MIXED:
        return all_but(left_out, _of_modelopt(values, MIXED), never=TABLES[:-1])
    own = _of_listings(values, modules)
    return all_but(own | left_out, Chosen(None, values.path("quant_algo"), values.raw("quant_algo")), never=())


def _of_listings(values: Values, modules: list[Module]) -> dict[Module, Chosen]:
    """The modules that a mixed list names, each as the narrowest entry says that names it or what contains it.

    Raises:
        ArchitectureError: for what is no such list, an algorithm that is not known, and as `check_counted`.
    """
    key = "quantized_layers"
    layers, own = values.nested(key, {}), dict[Module, Chosen]()
    listings = values.optional_mapping(key)
    if not listings:
        raise values.error(key, "a mapping from modules to their quant_algo")
    formats = {entry: _of_modelopt(layers.nested(entry, {}))._replace(entry=entry) for entry in listings}
    for module in modules:
        entry = next((name for name in containing(module) if name in formats), None)
        if entry is not None:
            own[module] = formats[entry]
    used = {chosen.entry for chosen in own.values()}
    check_counted(values.path(key), [entry for entry in formats if entry not in used], modules, own)
    return own


def containing(module: Module) -> Iterator[str]:
    """A module's names and those of what contains it, the narrowest first."""
    steps = [name.split(".") for name in module.names]
    for end in range(max(map(len, steps)), 0, -1):
        yield from (".".join(own[:end]) for own in steps if len(own) >= end)


def _of_modelopt(values: Values, *others: str, key: str = "quant_algo") -> Chosen:
    """The format of an algorithm; `others` are allowed where it stands, too, for the message."""
    named_so = values.raw(key)
    stored = MODELOPT.get(str(named_so).upper())
    if stored is None:
        raise values.error(key, ", ".join([*MODELOPT, *others]))
    if stored == "nvfp4" and values.raw("group_size") not in (None, NVFP4_GROUP):
        raise values.error("group_size", f"{NVFP4_GROUP}")
    return Chosen(stored, values.path(key), named_so)


@states("compressed-tensors", "compressed_tensors")
def compressed_tensors(values: Values, modules: list[Module]) -> Rule:
    """compressed-tensors: groups of targets, by name or by class, each with a scheme for its weights."""
    packed = values.raw("format")
    if packed not in (None, *PACKED):
        raise values.error("format", ", ".join(PACKED))
    sparse = values.optional_mapping("sparsity_config") or {}
    if sparse.get("format") not in (None, "dense"):
        raise values.error("sparsity_config", "none, or the format dense")
    left_out = listed(values, ["ignore"], as_compressed_tensors, modules)
    by_target, meant = dict[str, Chosen](), dict[str, list[Module]]()
    groups = values.nested("config_groups", {})
    for name in values.optional_mapping("config_groups") or {}:
        chosen, own = _of_group(groups.nested(name, {}), modules)
        by_target |= {target: chosen._replace(entry=target) for target in own}  # the last group of a target has it
        meant |= own
    if not by_target:
        raise values.error("config_groups", "groups with targets and the scheme of their weights, as compressed-tensors has them")
    by_name = dict[Module, Chosen]()
    for target in sorted(meant, key=lambda target: ("re:" in target, target)):  # names before patterns (`match_targets`)
        for module in meant[target]:
            by_name.setdefault(module, by_target[target])
    nothing = Chosen(None, values.path("config_groups"), [*by_target])

    def rule(module: Module) -> Chosen:
        kind = {"embedding": "Embedding", "router": "Router"}.get(module.component, "Linear")  # a router is meant by name alone
        return left_out.get(module) or by_name.get(module) or by_target.get(kind, nothing)

    return rule


def _of_group(group: Values, modules: list[Module]) -> tuple[Chosen, dict[str, list[Module]]]:
    """The format that a group of targets has for weights, and the modules that each target names.

    Raises:
        ArchitectureError: for a format that is not known, for what are no targets, and where none is about what is counted.
    """
    targets = group.raw("targets")
    if not isinstance(targets, list) or not targets or not all(isinstance(target, str) for target in targets):
        raise group.error("targets", "a list of names and classes")
    if group.raw("format") not in (None, *PACKED):
        raise group.error("format", ", ".join(PACKED))
    chosen, own = _of_weights(group), matched(group.path("targets"), targets, as_compressed_tensors, modules)
    layers, counted = layers_of(modules), {module.component for module in modules} | {None}
    understood = any(named_so or target in CLASSES or not told_of(target, layers) & counted for target, named_so in own.items())
    if chosen.format is not None and not understood:
        raise group.error("targets", f"{', '.join(CLASSES)}, or modules that the model is counted with")
    return chosen, own


def _of_weights(group: Values) -> Chosen:
    """The format that a group of targets has for weights.

    Raises:
        ArchitectureError: for one that is not known.
    """
    if group.optional_mapping("weights") is None:
        return Chosen(None, group.path("weights"), None)
    weights = group.nested("weights", {})
    size, kind, bits = weights.raw("group_size"), weights.raw("type") or "int", weights.raw("num_bits")
    strategy = weights.raw("strategy") or ("tensor" if size is None else "group")
    if not isinstance(bits, int) or not isinstance(strategy, str):
        stored = None
    elif kind == "float":
        sides = weights.raw("block_structure")
        told = {"block": FP8_BLOCK if sides == BLOCK_IN_WORDS else sides, "group": size, "tensor_group": size}.get(strategy)
        stored = FLOATS.get((bits, strategy, str(told)))
    elif strategy == "group" and bits in INTEGER_BITS:
        symmetric = weights.raw("symmetric") is None or weights.flag("symmetric")
        order = weights.raw("actorder")
        if order not in (None, False, True, "group", "dynamic", "weight", "static"):
            raise weights.error("actorder", "null, group or weight")
        ordered = order in (True, "group", "dynamic")
        stored = integers(weights, bits, "group_size", zero_points=not symmetric, ordered=ordered)
    else:
        alike = kind == "int" and strategy == "channel" and weights.raw("symmetric") in (None, True)
        stored = {4: "int4_channel", 8: "int8"}.get(bits) if alike else None
    if stored is None:
        told_by = ("type", "num_bits", "strategy", "group_size", "block_structure", "symmetric")
        shown = {key: weights.raw(key) for key in told_by if weights.raw(key) is not None}
        raise ArchitectureError(group.path("weights"), shown, UNDERSTOOD)
    return Chosen(stored, group.path("targets"), group.raw("targets"))


def first_of(values: Values, *keys: str) -> str:
    """The key that a statement has, of several for the same.

    Raises:
        ArchitectureError: where it has several that disagree.
    """
    told = [key for key in keys if values.raw(key) is not None] or [keys[0]]
    for key in told[1:]:
        if values.raw(key) != values.raw(told[0]):
            raise values.error(key, f"{values.raw(told[0])!r}, as {told[0]} has it")
    return told[0]


def integers(values: Values, bits: int, group_key: str, *, zero_points: bool, ordered: bool = False) -> str:
    """The name of the format of integers in groups whose size stands under a key; -1 stands for the whole channel.

    Raises:
        ArchitectureError: for a size that has no format.
    """
    group = values.raw(group_key)
    name = f"int{bits}_g{group}" + ("_zp" if zero_points else "") + ("_order" if ordered else "")
    name = name.replace("int4_g128_zp", "int4")  # the older name of the same
    if group not in GROUPS or isinstance(group, bool) or name not in WEIGHT_FORMATS:
        raise values.error(group_key, ", ".join(map(str, GROUPS)))
    return name
