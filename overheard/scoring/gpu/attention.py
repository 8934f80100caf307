"""Every token attends to the tokens of its own text: two kernels that compute the same."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

Attend: TypeAlias = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, int, int], Tensor]
"""Queries, keys, values (tokens, heads, width), bounds (texts + 1,) of queries and of keys, longest text of each."""


def choose(device: torch.device, dtype: torch.dtype) -> Attend:
    return packed if device.type == "cuda" and dtype.itemsize == 2 else padded


def packed(q: Tensor, k: Tensor, v: Tensor, q_bounds: Tensor, k_bounds: Tensor, q_max: int, k_max: int) -> Tensor:
    """FlashAttention over texts as they lie: nothing is padded, and nothing waits for the CPU. CUDA, 16 bits."""
    from torch.nn.attention.varlen import varlen_attn

    context = varlen_attn(q, k, v, q_bounds, k_bounds, q_max, k_max)
    assert isinstance(context, Tensor)  # noqa: S101 - not the pair that comes with `return_aux`
    return context


def padded(q: Tensor, k: Tensor, v: Tensor, q_bounds: Tensor, k_bounds: Tensor, q_max: int, k_max: int) -> Tensor:
    """The same anywhere, on a rectangle as long as the longest text."""
    asked, known = mask(q_bounds, q_max), mask(k_bounds, k_max)
    queries, keys, values = (unpack(t, where).transpose(1, 2) for t, where in ((q, asked), (k, known), (v, known)))
    context = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=known[:, None, None, :])
    return context.transpose(1, 2)[asked]


def mask(bounds: Tensor, longest: int) -> Tensor:
    """(texts, longest): where a rectangle of these texts has a token."""
    return torch.arange(longest, device=bounds.device) < bounds.diff()[:, None]


def unpack(tokens: Tensor, where: Tensor, filler: int = 0) -> Tensor:
    """(texts, longest, …): packed tokens as a rectangle."""
    rectangle = tokens.new_full((*where.shape, *tokens.shape[1:]), filler)
    rectangle[where] = tokens
    return rectangle
