"""Exact parameter counts, component by component (DESIGN "Parameters").

All counts are Python integers of parameters, multi-token-prediction layers and buffers left out, as the reference
implementation instantiates them (`transformers` on the meta device; tests/test_reference.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from prophet_memory.architecture import (
    Architecture,
    Attention,
    Dense,
    GatedDeltaNet,
    LatentAttention,
    LightningAttention,
    Mamba,
    Mixer,
    MoE,
    Stack,
)


@dataclass(frozen=True, slots=True)
class ParameterCounts:
    """Parameters of a model by component. `attention` holds every attention mixer with its biases and inner norms."""

    routed_expert: int
    shared_expert: int
    router: int
    attention: int
    recurrent: int  # Mamba and gated DeltaNet mixers
    dense_feed_forward: int  # dense layers and parallel dense branches
    norm: int
    embedding: int
    lm_head: int
    expert_weight: int  # one routed expert of one layer: its matrices...
    expert_bias: int  # ...and its biases
    top_k_expert: int  # the routed experts that one token passes, all layers

    @property
    def per_expert(self) -> int:
        """One routed expert of one layer."""
        return self.expert_weight + self.expert_bias

    @property
    def non_expert(self) -> int:
        """Everything that is not a routed expert."""
        return (
            self.shared_expert
            + self.router
            + self.attention
            + self.recurrent
            + self.dense_feed_forward
            + self.norm
            + self.embedding
            + self.lm_head
        )

    @property
    def active_per_token(self) -> int:
        """What one token passes: everything but the routed experts it is not sent to; both embeddings included."""
        return self.non_expert + self.top_k_expert

    @property
    def total(self) -> int:
        """The whole model."""
        return self.routed_expert + self.non_expert


def attention_parameters(mixer: Attention, hidden_size: int) -> int:
    """Query, key, value and output projections, their biases, the norms of queries and keys, and sinks."""
    query_size, kv_size = mixer.query_heads * mixer.head_dim, mixer.kv_heads * mixer.head_dim
    query_outputs = query_size * (2 if mixer.output_gate else 1)
    count = hidden_size * (query_outputs + 2 * kv_size) + query_size * hidden_size
    if mixer.qkv_bias:
        count += query_outputs + 2 * kv_size
    if mixer.output_bias:
        count += hidden_size
    if mixer.sinks:
        count += mixer.query_heads
    norms = {"none": 0, "head": 2 * mixer.head_dim, "full": query_size + kv_size}
    return count + norms[mixer.qk_norm]


def latent_attention_parameters(mixer: LatentAttention, hidden_size: int) -> int:
    """MLA: low-rank query (or a full one), the joint key-value latent with its norm, and the projections up from it."""
    qk_head_dim = mixer.qk_nope_head_dim + mixer.qk_rope_head_dim
    if mixer.q_lora_rank is None:
        query = hidden_size * mixer.query_heads * qk_head_dim
    else:
        query = hidden_size * mixer.q_lora_rank + mixer.q_lora_rank + mixer.q_lora_rank * mixer.query_heads * qk_head_dim
    latent = hidden_size * (mixer.kv_lora_rank + mixer.qk_rope_head_dim) + mixer.kv_lora_rank
    up = mixer.kv_lora_rank * mixer.query_heads * (mixer.qk_nope_head_dim + mixer.v_head_dim)
    bias = (mixer.q_lora_rank or 0) + mixer.kv_lora_rank + mixer.qk_rope_head_dim + hidden_size if mixer.bias else 0
    return query + latent + up + mixer.query_heads * mixer.v_head_dim * hidden_size + bias


def mamba_parameters(mixer: Mamba, hidden_size: int) -> int:
    """Mamba-1: in, convolution, x, dt and out projections, A, D and Jamba's inner norms."""
    inner, state, rank = mixer.inner_size, mixer.state_size, mixer.dt_rank
    count = hidden_size * 2 * inner + inner * mixer.conv_kernel + inner * (rank + 2 * state)
    count += rank * inner + inner + inner * state + inner + inner * hidden_size
    if mixer.conv_bias:
        count += inner
    if mixer.proj_bias:
        count += 2 * inner + hidden_size
    if mixer.inner_norms:
        count += rank + 2 * state
    return count


def gated_deltanet_parameters(mixer: GatedDeltaNet, hidden_size: int) -> int:
    """Gated DeltaNet: query-key-value-gate and beta-alpha projections, convolution, dt bias, A, norm, output."""
    projections = hidden_size * (mixer.conv_size + mixer.value_size) + hidden_size * 2 * mixer.value_heads
    inner = mixer.conv_size * mixer.conv_kernel + 2 * mixer.value_heads + mixer.value_head_dim
    return projections + inner + mixer.value_size * hidden_size


def lightning_attention_parameters(mixer: LightningAttention, hidden_size: int) -> int:
    """Lightning attention: queries, keys and values at once, output gate, output, and a norm over all heads."""
    size = mixer.heads * mixer.head_dim
    return 5 * hidden_size * size + size


def mixer_parameters(mixer: Mixer, hidden_size: int) -> int:
    """Parameters of one mixer, whatever its kind."""
    match mixer:
        case Attention():
            return attention_parameters(mixer, hidden_size)
        case LatentAttention():
            return latent_attention_parameters(mixer, hidden_size)
        case Mamba():
            return mamba_parameters(mixer, hidden_size)
        case GatedDeltaNet():
            return gated_deltanet_parameters(mixer, hidden_size)
        case LightningAttention():
            return lightning_attention_parameters(mixer, hidden_size)


def feed_forward_weights(intermediate_size: int, hidden_size: int, *, gated: bool) -> int:
    """Matrices of a feed-forward block: up and down, and the gate where there is one."""
    return (3 if gated else 2) * hidden_size * intermediate_size


def feed_forward_output_channels(intermediate_size: int, hidden_size: int, *, gated: bool) -> int:
    """Output channels of those matrices: as many biases, and as many per-channel scales."""
    return (2 if gated else 1) * intermediate_size + hidden_size


def dense_parameters(block: Dense, hidden_size: int) -> int:
    """Parameters of a dense feed-forward block."""
    count = feed_forward_weights(block.intermediate_size, hidden_size, gated=block.gated)
    if block.bias:
        count += feed_forward_output_channels(block.intermediate_size, hidden_size, gated=block.gated)
    return count


def router_parameters(moe: MoE, hidden_size: int) -> int:
    """The router's linear map of one layer."""
    return moe.routed_experts * (hidden_size + (1 if moe.router_bias else 0))


def shared_expert_parameters(moe: MoE, hidden_size: int) -> int:
    """All shared experts of one layer with their gate."""
    block = feed_forward_weights(moe.shared_intermediate_size, hidden_size, gated=moe.gated)
    if moe.shared_bias:
        block += feed_forward_output_channels(moe.shared_intermediate_size, hidden_size, gated=moe.gated)
    return block + (hidden_size if moe.shared_gate else 0)


def norm_parameters(architecture: Architecture) -> int:
    """The norms around sublayers and the final one of each stack: weights, and biases with `norm_bias`."""
    norms = 0
    for stack in architecture.stacks:
        for layer in stack.layers:
            sublayers = 2 + (stack.cross_attention is not None)
            if isinstance(layer.feed_forward, MoE) and layer.feed_forward.parallel_dense_intermediate_size:
                sublayers += 1
            norms += layer.count * sublayers * architecture.norms_per_sublayer
        norms += 1
    return norms * architecture.hidden_size * (2 if architecture.norm_bias else 1)


def count_parameters(architecture: Architecture) -> ParameterCounts:
    """Count every parameter of a model."""
    hidden, moe, moe_layers = architecture.hidden_size, architecture.moe, architecture.moe_layer_count
    expert_weight = feed_forward_weights(moe.expert_intermediate_size, hidden, gated=moe.gated)
    expert_channels = feed_forward_output_channels(moe.expert_intermediate_size, hidden, gated=moe.gated)
    attention = recurrent = dense = 0
    for stack in architecture.stacks:
        for layer in stack.layers:
            mixer = layer.count * mixer_parameters(layer.mixer, hidden)
            if isinstance(layer.mixer, Attention | LatentAttention):
                attention += mixer
            else:
                recurrent += mixer
            if isinstance(layer.feed_forward, Dense):
                dense += layer.count * dense_parameters(layer.feed_forward, hidden)
        attention += _stack_attention_parameters(stack, hidden)
    dense += moe_layers * feed_forward_weights(moe.parallel_dense_intermediate_size, hidden, gated=moe.gated)
    per_expert = expert_weight + (expert_channels if moe.expert_bias else 0)
    embedding = architecture.vocabulary_size * hidden
    return ParameterCounts(
        routed_expert=moe_layers * moe.routed_experts * per_expert,
        shared_expert=moe_layers * shared_expert_parameters(moe, hidden),
        router=moe_layers * router_parameters(moe, hidden),
        attention=attention,
        recurrent=recurrent,
        dense_feed_forward=dense,
        norm=norm_parameters(architecture),
        embedding=embedding,
        lm_head=(0 if architecture.tied_embeddings else embedding)
        + (architecture.vocabulary_size if architecture.lm_head_bias else 0),
        expert_weight=expert_weight,
        expert_bias=per_expert - expert_weight,
        top_k_expert=moe_layers * moe.top_k * per_expert,
    )


def _stack_attention_parameters(stack: Stack, hidden_size: int) -> int:
    """What a stack holds beside its layers' mixers: cross-attention, and one relative position bias."""
    count = 0
    if stack.cross_attention is not None:
        count += stack.layer_count * attention_parameters(stack.cross_attention, hidden_size)
    if stack.relative_attention_buckets:
        heads = next(layer.mixer.query_heads for layer in stack.layers if isinstance(layer.mixer, Attention))
        count += stack.relative_attention_buckets * heads
    return count
