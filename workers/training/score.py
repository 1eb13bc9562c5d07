# mypy: disable-error-code="import-not-found, misc, no-any-return, untyped-decorator"
"""The trainer's own loss on a text, in exactly the chunks that llama-perplexity scores."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from workers.training.network import Llama
from workers.training.vocabulary import BOS


@torch.no_grad()
def losses(model: Llama, tokens: NDArray[np.uint16], *, n_ctx: int) -> NDArray[np.float32]:
    """Nats for every token of every whole chunk but its first: (chunks, n_ctx - 1), in float32.

    The text begins with BOS, chunk i is tokens i * n_ctx to (i + 1) * n_ctx of it, and BOS
    replaces the first token of each.
    """
    stream = np.concatenate([[BOS], tokens]).astype(np.int64)
    chunks = stream[: len(stream) // n_ctx * n_ctx].reshape(-1, n_ctx).copy()
    chunks[:, 0] = BOS
    found = []
    for chunk in torch.from_numpy(chunks).split(1):
        logits = model(chunk)  # (1, n_ctx, V)
        found.append(functional.cross_entropy(logits[0, :-1], chunk[0, 1:], reduction="none"))
    return torch.stack(found).numpy()


def score(model: Llama, tokens: NDArray[np.uint16], *, n_ctx: int) -> dict[str, Any]:
    """Mean loss above half the context, which is what llama-perplexity scores, and below it.

    llama-perplexity predicts the tokens at positions n_ctx / 2 + 1 to n_ctx - 1 of each chunk.
    """
    nats = losses(model, tokens, n_ctx=n_ctx)
    below, above = nats[:, : n_ctx // 2], nats[:, n_ctx // 2 :]
    return {
        "n_ctx": n_ctx,
        "chunks": len(nats),
        "tokens": above.size,
        "above_half": float(above.mean()),
        "below_half": float(below.mean()),
    }
