"""The wkv average for training: chunks of time as matrix products, no loop over tokens.

The decay of a channel is constant, so what a token adds to the two sums of the recurrence at a
later place depends on the distance alone. Within a chunk that is one triangular matrix a
channel; from chunk to chunk it is the same again with the decay of a whole chunk, so both levels
are one batched product each. Exact up to rounding, except that a key more than 60 below the
largest of its channel and window counts as 60 below. Beside a key that large its weight is under
1e-26 either way; where only such keys have come so far, they would count alike. Those of the
shipped model lie within 30 of each other (`tests/workloads/test_training_shipped.py`).

Channels come first and time last, which is how the products want it; the matrices before and
after can give and take that layout at no cost.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

CHUNK = 32
SMALLEST_EXPONENT = -60.0


def wkv_chunked(k: Tensor, v: Tensor, decay: Tensor, first: Tensor) -> Tensor:
    """The wkv average of keys and values (D, B, T) from the zero state, differentiable.

    Args:
        k: keys.
        v: values, like `k`.
        decay: what the exponent loses per token, negative, (D,).
        first: bonus of the present token, u, (D,).

    Returns:
        wkv (D, B, T), fp32 whatever the precision of `k` and `v`.
    """
    time = k.shape[-1]
    with torch.autocast(k.device.type, enabled=False):
        k, v, decay, first = k.float(), v.float(), decay.float(), first.float()
        # A common factor of numerator and denominator: it cancels, in the gradient too.
        top = k.detach().amax(-1, keepdim=True)
        e = torch.exp(torch.clamp(k - top, min=SMALLEST_EXPONENT))
        terms = pad(torch.stack((e * v, e), 1), (0, -time % CHUNK))
        # The filling of the last chunk goes before the division: it may hold 0 / 0.
        num, den = _sums(terms.view(*terms.shape[:-1], -1, CHUNK), decay, first)[..., :time].unbind(
            1
        )
        return num / den


def _sums(terms: Tensor, decay: Tensor, first: Tensor) -> Tensor:
    """Numerator and denominator (D, 2, B, T) of terms (D, 2, B, chunks, CHUNK)."""
    width, *rows, chunks, _ = terms.shape
    flat = terms.flatten(1, 3)
    since = torch.arange(CHUNK, device=decay.device)
    fade = torch.exp(decay[:, None] * since)
    # What a chunk adds up to at its end, and from that what its successors start with.
    ends = torch.bmm(flat, fade.flip(1)[:, :, None]).view(width, -1, chunks)
    starts = torch.bmm(ends, _decays(decay * CHUNK, chunks))
    within = _decays(decay, CHUNK) + torch.diag_embed(torch.exp(first)[:, None].expand_as(fade))
    sums = torch.baddbmm(starts.view(width, -1, 1) * fade[:, None], flat, within)
    return sums.view(width, *rows, -1)


def _decays(decay: Tensor, n: int) -> Tensor:
    """(D, n, n): how much of item i is left before item t, exp(decay (t - 1 - i)) for i < t."""
    place = torch.arange(n, device=decay.device)
    lag = place - 1 - place[:, None]
    return torch.exp(decay[:, None, None] * lag.clamp(min=0)) * (lag >= 0)
