"""The figure `head-shapes`: the shapes on the way through one block's attention."""

from dataclasses import dataclass

from workers.forward import Model

LAYER = 0
LAYERS = ("attn_q", "attn_k", "attn_v", "attn_output")


@dataclass(frozen=True)
class Weight:
    """A weight matrix as the file has it: `inputs` is the length of a row."""

    name: str
    inputs: int
    outputs: int


@dataclass(frozen=True)
class HeadShapes:
    """The model's numbers that decide every shape, and the four matrices of one block."""

    model: str
    n_embd: int
    n_head: int
    n_head_kv: int
    head_dim: int
    n_ctx: int
    weights: dict[str, Weight]


def compute(model: Model) -> HeadShapes:
    """Shapes only: no tensor is read."""
    weights = {}
    for layer in LAYERS:
        name = f"blk.{LAYER}.{layer}.weight"
        outputs, inputs = model.tensors[name].shape
        weights[layer] = Weight(name, inputs, outputs)
    return HeadShapes(
        model=model.path.name,
        n_embd=model.n_embd,
        n_head=model.n_head,
        n_head_kv=model.n_head_kv,
        head_dim=model.head_dim,
        n_ctx=model.n_ctx,
        weights=weights,
    )
