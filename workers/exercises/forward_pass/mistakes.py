"""What a forward pass gives with one thing wrong in it, and what to say about that.

The wrong passes are made from the right one: some of its steps replaced, other numbers taken for
the model's, or its halves put together in another way. They are computed only when an answer is
wrong and wants explaining.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from workers import forward
from workers.exercises.base import Array
from workers.exercises.oracle import Steps, block_with
from workers.forward import Model

RIGHT = Steps()
BARE = Steps(rms_norm=lambda x, *_: x)
# The hidden state that enters, (n, d), the layer and the model, to the hidden state that leaves.
BlockFunction = Callable[[Array, int, Model], Array]


def right_block(x: Array, layer: int, model: Model) -> Array:
    """The block as it should be."""
    return block_with(x, layer, RIGHT, of=model)


def right_logits(x: Array, model: Model) -> Array:
    """The logits, (n, n_vocab), of what leaves the last block."""
    normed = forward.rms_norm(x, model.tensors["output_norm.weight"], model.epsilon)
    return np.asarray(normed @ model.tensors["output.weight"].T)


@dataclass(frozen=True)
class Mistake:
    """A pass with one thing wrong: in its blocks, behind them, or in the model's numbers."""

    hint: str
    block: BlockFunction = right_block
    logits: Callable[[Array, Model], Array] = right_logits
    model: Callable[[Model], Model] = lambda model: model

    def of_block(self, x: Array, layer: int, model: Model) -> Array:
        """What the mistake makes of one block."""
        return self.block(x, layer, self.model(model))

    def of_logits(self, tokens: list[int], model: Model) -> Array:
        """What the mistake makes of the logits."""
        taken = self.model(model)
        x: Array = taken.tensors["token_embd.weight"][tokens]  # (n, d)
        for layer in range(taken.n_layer):
            x = self.block(x, layer, taken)
        return self.logits(x, taken)


@dataclass(frozen=True)
class Wrong(Mapping[str, Array]):
    """The wrong answers by their hints, as `close_to` takes them, each computed when it is read."""

    answers: Mapping[str, Callable[[], Array]]

    def __getitem__(self, hint: str) -> Array:
        with np.errstate(over="ignore"):  # without a norm, numbers grow
            return self.answers[hint]()

    def __iter__(self) -> Iterator[str]:
        return iter(self.answers)

    def __len__(self) -> int:
        return len(self.answers)


def wrong_blocks(x: Array, layer: int, model: Model) -> Wrong:
    """The mistakes that show in one block."""

    def answer(mistake: Mistake) -> Callable[[], Array]:
        return lambda: mistake.of_block(x, layer, model)

    another = "You read block 0's tensors. The number in their names is the argument layer."
    return Wrong(
        {mistake.hint: answer(mistake) for mistake in MISTAKES}
        | {another: lambda: right_block(x, 0, model)}
    )


def wrong_logits(tokens: list[int], model: Model) -> Wrong:
    """The mistakes that show in the logits."""

    def answer(mistake: Mistake) -> Callable[[], Array]:
        return lambda: mistake.of_logits(tokens, model)

    return Wrong({mistake.hint: answer(mistake) for mistake in MISTAKES})


def with_epsilon(epsilon: float) -> Callable[[Model], Model]:
    """A model whose norms have another epsilon."""
    return lambda model: replace(model, epsilon=epsilon)


def with_base(base: float) -> Callable[[Model], Model]:
    """A model whose RoPE has another base."""
    return lambda model: replace(model, rope_base=base)


def rotating(rotate: Callable[[Array, Model], Array]) -> BlockFunction:
    """Blocks that rotate queries and keys, (heads, n, head_dim), in another way."""
    return lambda x, layer, model: block_with(
        x, layer, Steps(rotate=lambda heads, _: rotate(heads, model)), of=model
    )


def rotated(heads: Array, model: Model) -> Array:
    """RoPE as it should be, at positions 0, 1, 2 …"""
    return forward.rotate(heads, np.arange(heads.shape[1]), forward.frequencies(model))


def rotated_as_neox(heads: Array, model: Model) -> Array:
    """RoPE of the pairs i and i + head_dim / 2: those brought side by side, turned, and back."""
    pairs = np.arange(heads.shape[-1]).reshape(2, -1).T.ravel()  # 0, half, 1, half + 1, …
    turned = np.empty_like(heads)
    turned[..., pairs] = rotated(heads[..., pairs], model)
    return turned


def attending(
    *,
    causal: bool = True,
    scale: Callable[[Model], float] = lambda model: model.head_dim**-0.5,
    spread: Callable[[Array, int], Array] = lambda kv, share: np.repeat(kv, share, axis=0),
    value: Callable[[Array, Model], Array] = lambda v, _: v,
    cut: Callable[[Array], Array] = lambda heads: heads,
    join: Callable[[Array], Array] = lambda heads: heads,
) -> BlockFunction:
    """Blocks whose attention has another mask, scale, map from head to head, or other values.

    `cut` is applied to heads as they are cut, `join` to those about to be put side by side.
    """

    def block(x: Array, layer: int, model: Model) -> Array:
        def attend(q: Array, k: Array, v: Array) -> Array:
            share = len(q) // len(k)
            keys, values = spread(k, share), spread(value(cut(v), model), share)  # (h, n, head_dim)
            by = np.float32(scale(model))
            scores = q @ keys.transpose(0, 2, 1) * by  # (h, n, n)
            if causal:
                future = np.triu(np.ones(scores.shape[1:], dtype=bool), k=1)
                scores = np.where(future, np.float32(-np.inf), scores)
            return join(np.asarray(forward.softmax(scores) @ values))

        def rotate(heads: Array, _: Array) -> Array:
            return rotated(cut(heads), model)

        return block_with(x, layer, Steps(rotate=rotate, attend=attend), of=model)

    return block


def cut_straight(heads: Array) -> Array:
    """Heads, (heads, n, head_dim), as a reshape of (n, heads * head_dim) alone would cut them."""
    return heads.transpose(1, 0, 2).reshape(heads.shape)


def joined_straight(heads: Array) -> Array:
    """Heads which, put side by side, are what a reshape to (n, heads * head_dim) alone makes."""
    h, n, head_dim = heads.shape
    return heads.reshape(n, h, head_dim).transpose(1, 0, 2)


def untransposed(name: str) -> Callable[[Model], Model]:
    """A model with a square matrix of each block turned over."""

    def turned(model: Model) -> Model:
        names = [f"blk.{layer}.{name}.weight" for layer in range(model.n_layer)]
        matrices = {one: model.tensors[one].T for one in names}
        return replace(model, tensors={**model.tensors, **matrices})

    return turned


def gate_and_up_swapped(x: Array, layer: int, model: Model) -> Array:
    """The activation on the other one of the two projections."""

    def feed_forward(x: Array, gate: Array, up: Array, down: Array) -> Array:
        return np.asarray(((x @ gate.T) * forward.silu(x @ up.T)) @ down.T)

    return block_with(x, layer, Steps(feed_forward=feed_forward), of=model)


def nothing(x: Array, *_: Array) -> Array:
    """A step that adds nothing."""
    return np.zeros_like(x)


def attention_of(x: Array, layer: int, model: Model, steps: Steps = RIGHT) -> Array:
    """What attention adds to x, (n, d)."""
    alone = replace(steps, feed_forward=nothing)
    return block_with(x, layer, alone, of=model) - x


def network_of(x: Array, layer: int, model: Model, steps: Steps = RIGHT) -> Array:
    """What the feed-forward network adds to x, (n, d)."""
    alone = replace(steps, attend=nothing)
    return block_with(x, layer, alone, of=model) - x


def normed_behind(x: Array, layer: int, model: Model) -> Array:
    """Post-norm: the sum is normalised, as in 2017, instead of what enters each half."""

    def norm(x: Array, name: str) -> Array:
        return forward.rms_norm(x, model.tensors[f"blk.{layer}.{name}.weight"], model.epsilon)

    x = norm(x + attention_of(x, layer, model, BARE), "attn_norm")
    return norm(x + network_of(x, layer, model, BARE), "ffn_norm")


def without_first_norm(x: Array, layer: int, model: Model) -> Array:
    """Attention reads x as it is."""
    x = x + attention_of(x, layer, model, BARE)
    return x + network_of(x, layer, model)


def without_second_norm(x: Array, layer: int, model: Model) -> Array:
    """The feed-forward network reads the sum as it is."""
    x = x + attention_of(x, layer, model)
    return x + network_of(x, layer, model, BARE)


def side_by_side(x: Array, layer: int, model: Model) -> Array:
    """Both halves read the same x, as in GPT-J."""
    return x + attention_of(x, layer, model) + network_of(x, layer, model)


def without_first_residual(x: Array, layer: int, model: Model) -> Array:
    """What attention adds takes the place of x."""
    x = attention_of(x, layer, model)
    return x + network_of(x, layer, model)


def without_second_residual(x: Array, layer: int, model: Model) -> Array:
    """What the feed-forward network adds takes the place of the sum."""
    return network_of(x + attention_of(x, layer, model), layer, model)


def without_output_norm(x: Array, model: Model) -> Array:
    """The logits of the hidden state as it leaves the last block."""
    return np.asarray(x @ model.tensors["output.weight"].T)


def from_embeddings(x: Array, model: Model) -> Array:
    """The logits by the input embeddings, as in models that have one matrix for both."""
    normed = forward.rms_norm(x, model.tensors["output_norm.weight"], model.epsilon)
    return np.asarray(normed @ model.tensors["token_embd.weight"].T)


_EPS = 'Your eps looks fixed, at {} or near it. It is a number of the model: meta["eps"].'
_CUT = (
    "Your reshape straight to (heads, n, head_dim) mixes the tokens. Reshape to "
    "(n, heads, head_dim), where a head stays in its token's row, and transpose."
)
_JOINED = (
    "Your reshape straight from (heads, n, head_dim) mixes the tokens. Transpose to "
    "(n, heads, head_dim), and then put the heads of a token side by side."
)
_TURNED = "{} is not transposed. It is (outputs, inputs), and square, so that nothing complains."
_BASE = 'Your RoPE base looks fixed at {}. It is a number of the model: meta["rope_base"].'

MISTAKES = (
    Mistake(_EPS.format("1e-6"), model=with_epsilon(1e-6)),
    Mistake(_EPS.format("1e-5"), model=with_epsilon(1e-5)),
    Mistake("There is no eps in your norms: it is added under the root.", model=with_epsilon(0.0)),
    Mistake(_BASE.format("10000"), model=with_base(10_000.0)),
    Mistake(_BASE.format("500000"), model=with_base(500_000.0)),
    Mistake(
        "You rotate the pairs i and i + head_dim / 2. For a llama model in GGUF the pairs are "
        'neighbours, 2i and 2i + 1: layout "norm".',
        block=rotating(rotated_as_neox),
    ),
    Mistake("Queries and keys are not rotated.", block=rotating(lambda heads, _: heads)),
    Mistake(
        "You rotate the values too. Positions belong into scores: queries and keys alone.",
        block=attending(value=rotated),
    ),
    Mistake(
        "The causal mask is missing: a token may see itself and those before it.",
        block=attending(causal=False),
    ),
    Mistake(
        "Query head i reads key/value head i % h_kv in your code. Neighbouring query heads share "
        "one.",
        block=attending(spread=lambda kv, share: np.tile(kv, (share, 1, 1))),
    ),
    Mistake(_CUT, block=attending(cut=cut_straight)),
    Mistake(_JOINED, block=attending(join=joined_straight)),
    Mistake(
        f"{_CUT} The way back is the opposite one, and yours mixes them again.",
        block=attending(cut=cut_straight, join=joined_straight),
    ),
    Mistake(_TURNED.format("attn_q"), model=untransposed("attn_q")),
    Mistake(_TURNED.format("attn_output"), model=untransposed("attn_output")),
    Mistake(
        "The scores are not divided by the root of head_dim.",
        block=attending(scale=lambda _: 1.0),
    ),
    Mistake(
        "You divide the scores by the root of n_embd. It is the width of one head that counts.",
        block=attending(scale=lambda model: model.n_embd**-0.5),
    ),
    Mistake(
        "SiLU belongs on the gate projection; yours is on the other one.",
        block=gate_and_up_swapped,
    ),
    Mistake(
        "You normalise the sums, as the Transformer of 2017 did. A llama block normalises what "
        "enters each half and leaves the residual stream alone.",
        block=normed_behind,
    ),
    Mistake("The norm before attention, attn_norm, is missing.", block=without_first_norm),
    Mistake(
        "The norm before the feed-forward network, ffn_norm, is missing.",
        block=without_second_norm,
    ),
    Mistake(
        "Your feed-forward network reads the x that entered the block. It reads the one to which "
        "attention has been added.",
        block=side_by_side,
    ),
    Mistake(
        "The first residual is missing: attention is added to x, it does not replace it.",
        block=without_first_residual,
    ),
    Mistake(
        "The second residual is missing: what the feed-forward network gives is added.",
        block=without_second_residual,
    ),
    Mistake(
        "The last norm is missing: output_norm stands between the last block and the logits.",
        logits=without_output_norm,
    ),
    Mistake(
        "Your logits come from token_embd. This model has a matrix of its own for them, "
        "output.weight.",
        logits=from_embeddings,
    ),
    Mistake(
        'You run four blocks whatever the model has. It has meta["n_layer"] of them.',
        model=lambda model: replace(model, n_layer=min(4, model.n_layer)),
    ),
)
