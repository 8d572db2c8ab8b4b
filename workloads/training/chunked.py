"""The wkv average for training: chunks of time as matrix products, no loop over tokens.

The decay of a channel is constant, so what a token adds to the two sums of the recurrence at a
later place depends on the distance alone. Within a chunk that is one triangular matrix a
channel; from chunk to chunk it is the same again with the decay of a whole chunk, so both levels
are one batched product each. Exact up to rounding, except that a key more than 60 below the
largest key of its channel counts as 60 below: its weight is then under 1e-26 either way.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

CHUNK = 32
SMALLEST_EXPONENT = -60.0


def wkv_chunked(k: Tensor, v: Tensor, decay: Tensor, first: Tensor) -> Tensor:
    """The wkv average of keys and values (B, T, D) from the zero state, differentiable.

    Args:
        k: keys.
        v: values, like `k`.
        decay: what the exponent loses per token, negative, (D,).
        first: bonus of the present token, u, (D,).

    Returns:
        wkv (B, T, D), fp32 whatever the precision of `k` and `v`.
    """
    with torch.autocast(k.device.type, enabled=False):
        k, v, decay, first = k.float(), v.float(), decay.float(), first.float()
        # A common factor of numerator and denominator: it cancels, in the gradient too.
        top = k.detach().amax(1, keepdim=True)
        e = torch.exp(torch.clamp(k - top, min=SMALLEST_EXPONENT))
        terms = _channels_first(torch.stack((e * v, e)))
        sums = _sums_before(terms, decay) + torch.exp(first)[:, None, None, None] * terms
        # The filling of the last chunk goes before the division: it may hold 0 / 0.
        num, den = _tokens_first(sums)[:, :, : k.shape[1]]
        return num / den


def _channels_first(x: Tensor) -> Tensor:
    """(2, B, T, D) to (D, CHUNK, 2 B, n): n chunks, the last one filled up with zeros."""
    two, batch, time, width = x.shape
    x = pad(x, (0, 0, 0, -time % CHUNK)).view(two * batch, -1, CHUNK, width)
    return x.permute(3, 2, 0, 1).contiguous()


def _tokens_first(x: Tensor) -> Tensor:
    """Back from (D, CHUNK, 2 B, n) to (2, B, T, D), the filling included."""
    width, _, rows, _ = x.shape
    return x.permute(2, 3, 1, 0).reshape(2, rows // 2, -1, width)


def _sums_before(terms: Tensor, decay: Tensor) -> Tensor:
    """What the sums of the recurrence are before each token, shaped as `terms`."""
    width, _, rows, chunks = terms.shape
    within = torch.bmm(_decays(decay, CHUNK), terms.view(width, CHUNK, -1))
    within = within.view(width, CHUNK + 1, rows, chunks)
    # The last row is what a whole chunk adds up to; the sums at the start of a chunk are made
    # of those of the chunks before it.
    starts = torch.bmm(within[:, -1], _decays(decay * CHUNK, chunks)[:, :chunks].mT)
    since = torch.arange(CHUNK, device=decay.device)
    fade = torch.exp(decay[:, None] * since)
    return within[:, :-1] + fade[:, :, None, None] * starts[:, None]


def _decays(decay: Tensor, n: int) -> Tensor:
    """(D, n + 1, n): how much of item i is left before item t, exp(decay (t - 1 - i)), i < t."""
    t = torch.arange(n + 1, device=decay.device)[:, None]
    lag = t - 1 - torch.arange(n, device=decay.device)
    return torch.exp(decay[:, None, None] * lag.clamp(min=0)) * (lag >= 0)
