"""The figure `kv-heads`: which query heads share which key and value heads, in whose cache."""

from dataclasses import dataclass

from workers.forward import Model
from workers.ggml import BY_NAME

CACHE_TYPES = ("F32", "F16", "Q8_0", "Q4_0")
CONTEXT_STEP = 256  # llama.cpp rounds the context up to a multiple of it


@dataclass(frozen=True)
class Shape:
    """What decides a cache: layers, heads and their width; `n_ctx` is the context of training."""

    name: str
    source: str
    n_layer: int
    n_head: int
    n_head_kv: int
    head_dim: int
    n_ctx: int


@dataclass(frozen=True)
class CacheType:
    """A type of the cache: `block` numbers take `block_bytes` bytes."""

    name: str
    block: int
    block_bytes: int


@dataclass(frozen=True)
class KvHeads:
    """The campus's own model first, then models as their authors published them."""

    model: str
    shapes: tuple[Shape, ...]
    types: tuple[CacheType, ...]
    context_step: int


PUBLISHED = (
    Shape("LLaMA 2 7B", "published shape, arXiv 2307.09288", 32, 32, 32, 128, 4096),
    Shape("LLaMA 2 70B", "published shape, arXiv 2307.09288", 80, 64, 8, 128, 4096),
    Shape("Llama 3 8B", "published shape, arXiv 2407.21783", 32, 32, 8, 128, 8192),
)


def compute(model: Model) -> KvHeads:
    """Shapes only: the bytes are counted in the browser."""
    own = Shape(
        name="The campus's model",
        source=f"read from {model.path.name}",
        n_layer=model.n_layer,
        n_head=model.n_head,
        n_head_kv=model.n_head_kv,
        head_dim=model.head_dim,
        n_ctx=model.n_ctx,
    )
    types = (BY_NAME[name] for name in CACHE_TYPES)
    return KvHeads(
        model=model.path.name,
        shapes=(own, *PUBLISHED),
        types=tuple(CacheType(kind.name, kind.block, kind.block_bytes) for kind in types),
        context_step=CONTEXT_STEP,
    )
