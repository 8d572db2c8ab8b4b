"""What kind of work a count is for: synaptic, event handling, or one sort of dense work.

Dense work is done for every token whatever the sparsity, so its share bounds what sparsity can
gain. Which sort it is follows from the micro-kernel that runs, and for communication from what
the vector is for; no name of a model's layer is read.
"""

from __future__ import annotations

from typing import Final

from seneca_sim.program import HOST_STAGE, NO_ROUTE, Program

SYNAPTIC: Final = "synaptic"
EVENT_HANDLING: Final = "event handling"
LAYERNORM: Final = "layernorm"
TOKEN_SHIFT: Final = "token shift"
WKV: Final = "wkv"
ATTENTION: Final = "attention"
GATES: Final = "gates and residual"
MATRICES: Final = "dense matrices"
HEAD: Final = "head"
HOST: Final = "host and entry"
RELOADING: Final = "reloading"
OTHER: Final = "other dense"
LEAKAGE: Final = "leakage"

DENSE_KINDS: Final = (
    LAYERNORM, TOKEN_SHIFT, WKV, ATTENTION, GATES, MATRICES, HEAD, HOST, RELOADING, OTHER
)  # fmt: skip
KINDS: Final = (SYNAPTIC, EVENT_HANDLING, *DENSE_KINDS, LEAKAGE)

_OF_KERNEL: Final = {
    "ln_stats": LAYERNORM,
    "ln_combine": LAYERNORM,
    "ln_apply": LAYERNORM,
    "token_shift_mix": TOKEN_SHIFT,
    "token_shift_save": TOKEN_SHIFT,
    "wkv": WKV,
    "wkv_plain": WKV,
    **dict.fromkeys(
        (f"wkv7_{part}" for part in ("decay", "value", "key", "read", "write", "send")), WKV
    ),
    "attention_append": ATTENTION,
    "attention_start": ATTENTION,
    "attention_scores": ATTENTION,
    "attention_softmax": ATTENTION,
    "attention_mix": ATTENTION,
    "attention_send": ATTENTION,
    "relu_fire": GATES,
    "relu2_fire": GATES,
    "gate_residual": GATES,
    "residual_add": GATES,
}


def site_kinds(program: Program) -> tuple[str, ...]:
    """For every site, the kind of the work of sending and taking it."""
    kinds = [HOST if site.kind == "credit" else "" for site in program.sites]
    for route in program.routes:
        if route.window or route.stage == HOST_STAGE or route.acknowledges != NO_ROUTE:
            kinds[route.site] = HOST
    for index, consumer in enumerate(program.consumers):
        site = consumer.site
        if program.sites[site].kind == "events":
            kinds[site] = EVENT_HANDLING
        elif consumer.kernel:
            kinds[site] = weighted_kind(program, index)
        elif consumer.core == program.host:
            kinds[site] = HOST
        elif not kinds[site]:
            first = program.stages[program.stage_of[index]].steps[0]
            kinds[site] = _OF_KERNEL.get(first.kernel, OTHER)
    return tuple(kind or OTHER for kind in kinds)


def weighted_kind(program: Program, consumer: int) -> str:
    """Kind of applying weights: to events that may be skipped, or to a dense vector.

    The head is what the last layer does so.
    """
    site = program.sites[program.consumers[consumer].site]
    if site.kind == "events":
        return SYNAPTIC
    return HEAD if site.layer == program.stages[-1].layer else MATRICES


def sending_kind(program: Program, stage: int, of_site: tuple[str, ...]) -> str:
    """Kind of a stage's sending: that of what it sends; sparse vectors first, credits last."""
    sites = [program.routes[route].site for route in program.stages[stage].emits]
    kinds = [of_site[site] for site in sites if program.sites[site].kind != "credit"]
    if EVENT_HANDLING in kinds:
        return EVENT_HANDLING
    return kinds[0] if kinds else HOST


def kernel_kind(kernel: str, sending: str) -> str:
    """Kind of a stage's micro-kernel; one that only sends belongs to what it sends."""
    if kernel.startswith("send_"):
        return sending if sending != EVENT_HANDLING else OTHER
    return _OF_KERNEL.get(kernel, OTHER)
