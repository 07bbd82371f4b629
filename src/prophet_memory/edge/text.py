"""Numbers as figures and tables print them."""

from __future__ import annotations

FORMAT_LABELS = {
    "fp32": "fp32", "bf16": "bf16", "fp16": "fp16", "fp8": "FP8", "fp8_blocks": "FP8 blocks", "int8": "INT8", "int4": "INT4",
    "mxfp4": "MXFP4",
}  # fmt: skip
EXPERT_LABELS = {f"{name}_experts": f"{label} experts" for name, label in FORMAT_LABELS.items() if name != "bf16"}
SIXTEEN_BITS_OR_MORE = {"bf16", "fp16", "fp32"}
PRECISION_LABELS = FORMAT_LABELS | EXPERT_LABELS | {"native": "published precision"}
NEXT_TO_A_HUNDRED = 0.999  # from here one decimal of a percentage would print 100.0


def bf16_is_hypothetical(published_precision: str) -> bool:
    """Whether a model is published in fewer than 16 bits, so that nobody runs it in bf16."""
    return published_precision not in SIXTEEN_BITS_OR_MORE


def marked_name(name: str, published_precision: str, precision: str) -> str:
    """A model's name, with a dagger where the figures beside it are bf16's and hypothetical."""
    return name + ("†" if precision == "bf16" and bf16_is_hypothetical(published_precision) else "")


def percent(fraction: float) -> str:
    """A fraction in percent: one decimal, two next to a hundred, and a plain zero only for exactly none."""
    if fraction == 0:
        return "0"
    return f"{100 * fraction:.{2 if fraction > NEXT_TO_A_HUNDRED else 1}f}"


def multiplied(ratio: float) -> str:
    """An extension: three digits and a multiplication sign."""
    return f"{significant(ratio)}×"


def significant(value: float) -> str:
    """Three digits, no more than two of them after the point."""
    decimals = next((d for d, limit in ((2, 9.995), (1, 99.95)) if abs(value) < limit), 0)
    return f"{value:.{decimals}f}"


def thousands(tokens: int) -> str:
    """A number of tokens in thousands or millions, three digits."""
    for unit, letter in ((10**6, "M"), (10**3, "k")):
        if tokens >= unit:
            return f"{significant(tokens / unit)}{letter}"
    return str(tokens)
