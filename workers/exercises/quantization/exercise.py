"""R13, quantization: absmax and zero point as in Dettmers et al. 2022, blocks as in ggml-quants.c.

llama.cpp's own functions say which bytes a matrix has in Q8_0, Q4_0 and Q4_K, and gguf-py what they
stand for.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from workers.exercises import oracle
from workers.exercises.base import Answer, Array, Example, Exercise, Failure, Mistakes, Student
from workers.figures.row_quantization import dequantized, quantized
from workers.ggml import BY_NAME

exercise = Exercise(
    key="exercise-quantization",
    folder=Path(__file__).parent,
    examples=(
        Example(
            "absmax_int8",
            (np.array([1.0, -2.0, 0.1, 2.54]),),
            (np.array([50, -100, 5, 127], dtype=np.int8), 0.02),
        ),
        Example(
            "zero_point_uint8",
            (np.array([-1.0, 0.0, 0.5, 4.1]),),
            (np.array([0, 50, 75, 255], dtype=np.uint8), 0.02, 50),
        ),
        # The scales are 1 and 0.1.
        Example(
            "blockwise",
            (np.array([[7.0, -3.2, 0.4, 1.6, 0.7, -0.32, 0.04, 0.16]]), 4, 4),
            np.array([[7.0, -3.0, 0.0, 2.0, 0.7, -0.3, 0.0, 0.2]]),
        ),
    ),
)

BLOCK = 32
Rounding = Callable[[Array], Array]
DIVIDED = (
    "You divide by d. llama.cpp multiplies by 1 / d, itself rounded to float32; close to a half "
    "that can give another code."
)
WIDE = "You compute in float64. llama.cpp rounds every step to float32, and so must you here."
WIDE_AND_DIVIDED = (
    "You divide by d, in float64. llama.cpp multiplies by 1 / d and rounds every step to float32."
)
HALF_SCALE = (
    "You quantize with the scale after it has become float16. The codes come from the float32 "
    "scale; float16 is for storing it."
)

SIXTEEN = "The opposite of the extreme would get the code 16. Four bits end at 15."
NARROW = "You multiply in float16, which has eleven bits: widen the scale to float32 first."


def half_away(x: Array) -> Array:
    """C's roundf: the nearest integer, halves away from zero."""
    whole = np.trunc(x)
    return np.asarray(whole + np.trunc(2 * (x - whole)))


def half_up(x: Array) -> Array:
    """The nearest integer, halves upwards."""
    return np.asarray(np.floor(x + x.dtype.type(0.5)))


def half_added(x: Array) -> Array:
    """The half added to the magnitude, then cut off: not the nearest integer just below 0.5."""
    return np.asarray(np.sign(x) * np.floor(np.abs(x) + x.dtype.type(0.5)))


def scaled(blocks: Array, d: Array, *, divide: bool) -> Array:
    """Every block in units of its scale d, (n, 1); zeros where that is 0."""
    inverse = np.divide(1, d, out=np.zeros_like(d), where=d != 0)
    if not divide:
        return np.asarray(blocks * inverse)
    return np.divide(blocks, d, out=np.zeros_like(blocks), where=d != 0)


def with_scale(d: Array, codes: Array) -> Array:
    """Blocks as bytes: the scale in float16, then the codes' bytes."""
    return np.concatenate([d.astype("<f2").view(np.uint8), codes.view(np.uint8)], axis=1)


def q8_0(
    x: Array,
    *,
    rounding: Rounding = half_away,
    divide: bool = False,
    dtype: type[np.floating] = np.float32,
    half_scale: bool = False,
) -> Array:
    """Q8_0 bytes, (n, 34), with one thing done differently from llama.cpp."""
    blocks = x.reshape(-1, BLOCK).astype(dtype)
    d = np.abs(blocks).max(axis=1, keepdims=True) / dtype(127)
    used = d.astype(np.float16).astype(dtype) if half_scale else d
    codes = rounding(scaled(blocks, used, divide=divide)).clip(-128, 127)
    return with_scale(d, codes.astype(np.int8))


def first_extreme(blocks: Array) -> Array:
    """The value of largest magnitude of each block, with its sign; of several the first."""
    return np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1)[:, None], axis=1)


def q4_0(
    x: Array,
    *,
    step: Callable[[Array], Array] = lambda blocks: first_extreme(blocks) / blocks.dtype.type(-8),
    rounding: Rounding | None = None,
    divide: bool = False,
    dtype: type[np.floating] = np.float32,
    half_scale: bool = False,
    most: int = 15,
    pack: Callable[[Array], Array] = lambda codes: codes[:, :16] | codes[:, 16:] << 4,
) -> Array:
    """Q4_0 bytes, (n, 18), with one thing done differently from llama.cpp."""
    blocks = x.reshape(-1, BLOCK).astype(dtype)
    d = step(blocks)
    used = d.astype(np.float16).astype(dtype) if half_scale else d
    inner = scaled(blocks, used, divide=divide)
    shifted = np.trunc(inner + dtype(8.5)) if rounding is None else rounding(inner) + 8
    codes = shifted.clip(0, most).astype(np.uint8)
    return with_scale(d, pack(codes))


def exact(x: Array, name: str) -> Array:
    """llama.cpp's own bytes of a matrix, a row for each block."""
    return quantized(x, name).reshape(-1, BY_NAME[name].block_bytes)


def steady(x: Array, name: str, quantize: Callable[..., Array]) -> Array:
    """The rows in which no code hangs on the last bit of a float32.

    There a division for a multiplication, or float64, makes no difference: how closely the order
    of operations is kept is a question of its own.
    """
    right = exact(x, name)
    same = np.ones(len(x), dtype=bool)
    for divide in (False, True):
        for dtype in (np.float32, np.float64):
            alike = (quantize(x, divide=divide, dtype=dtype) == right).all(axis=1)
            same &= alike.reshape(len(x), -1).all(axis=1)
    return x[same]


def draw_weights(rng: np.random.Generator, rows: int) -> Array:
    """Rows of one matrix of the teaching model, float32 (rows, columns)."""
    matrices = [w for w in oracle.model().tensors.values() if w.ndim == 2]
    matrix = matrices[int(rng.integers(len(matrices)))]
    return np.array(matrix[np.sort(rng.choice(len(matrix), rows, replace=False))])


def draw_matrix(rng: np.random.Generator, name: str, quantize: Callable[..., Array]) -> Array:
    """Six real rows, and two random ones as wide, of very different size: float32."""
    weights = draw_weights(rng, 6)
    size = 10.0 ** rng.uniform(-2, 2, (2, 1))
    noise = rng.standard_normal((2, weights.shape[1])) * size
    return steady(np.concatenate([weights, noise.astype(np.float32)]), name, quantize)


def judge_codes(answer: Answer, dtype: type[np.generic], expected: Array, hints: Mistakes) -> None:
    """Hold integers, codes or bytes, against those expected; the dtype counts."""
    got = answer.array(expected.shape)
    if got.dtype != dtype:
        answer.fail(
            f"{answer.function} is {got.dtype}, and {np.dtype(dtype)} is asked for.",
            expected=str(np.dtype(dtype)),
            got=str(got.dtype),
            hint="Convert at the end, with .astype or, where only the reading changes, .view.",
        )
    along = "block" if expected.ndim > 1 else "value"
    answer.close_to(expected.astype(dtype), mistakes=hints, along=along)


def judge_bytes(answer: Answer, expected: Array, hints: Mistakes) -> None:
    """Hold blocks, (n, bytes), against llama.cpp's."""
    judge_codes(answer, np.uint8, expected, hints)


def largest(x: Array) -> float:
    """The largest magnitude in x."""
    return float(np.abs(x).max())


@exercise.check(
    "One scale for all",
    points=2,
    hint="Divide by the scale, round, convert: in this order, with the formulas of the text.",
)
def one_scale(student: Student, rng: np.random.Generator) -> None:
    x = rng.standard_normal(int(rng.integers(20, 50))) * 10.0 ** rng.uniform(-2, 2)
    x[int(rng.integers(len(x)))] = -1.2 * largest(x)
    step = largest(x) / 127
    codes, scale = student.call("absmax_int8", x).items(2)
    scale.close_to(
        step,
        rtol=1e-12,
        mistakes={
            "The largest magnitude becomes 127: 128 has no place in an int8.": largest(x) / 128,
            "You take the largest value. The largest magnitude may belong to a negative one.": (
                x.max() / 127
            ),
            "That is the factor to multiply by. The scale is what a code is multiplied with to "
            "get the number back.": 1 / step,
        },
    )
    cut = "You cut the fraction off. Round to the nearest integer before you convert."
    judge_codes(codes, np.int8, np.round(x / step), {cut: np.trunc(x / step)})

    # Skewed, as what a SiLU returns.
    x = np.exp(rng.standard_normal(int(rng.integers(20, 50)))) - rng.uniform(0.3, 0.6)
    step = (x.max() - x.min()) / 255
    place = round(-x.min() / step)
    codes, scale, zero = student.call("zero_point_uint8", x).items(3)
    levels = "Between 256 codes there are 255 steps."
    scale.close_to(step, rtol=1e-12, mistakes={levels: step * 255 / 256})
    zero.equals(
        place,
        mistakes={
            "The zero point is the code of 0, and the smallest value has the code 0: its sign is "
            "turned round.": -place,
            "Round the zero point, as the codes are rounded.": int(-x.min() / step),
        },
    )
    right = np.clip(np.round(x / step) + place, 0, 255)
    judge_codes(
        codes,
        np.uint8,
        right,
        {
            "You shift by the minimum and then round. Round x / scale and the zero point each for "
            "itself: then 0 has a code of its own.": np.round((x - x.min()) / step),
            cut: np.clip(np.trunc(x / step) + place, 0, 255),
        },
    )


@exercise.check(
    "Half a step at most",
    points=2,
    hint=(
        "A value comes back within half a scale, and 0 as exactly 0. Try values of one sign, "
        "values that reach equally far to both sides, and zeros only."
    ),
)
def half_a_step(student: Student, rng: np.random.Generator) -> None:
    """A law of both: nothing is compared but what comes back."""
    reach = float(rng.uniform(0.5, 20))
    one_sided = rng.uniform(0.4, 1.0, 40) * reach
    both = np.concatenate([[reach, -reach, 0.0], rng.uniform(-reach, reach, 30)])
    for name, x in (
        ("values of both signs", rng.standard_normal((4, 9)) * reach),
        ("positive values", one_sided),
        ("negative values", -one_sided),
        ("values from -a to a", rng.permutation(both)),
        ("tiny values", rng.permutation(both) * 1e-30),
        ("the same value everywhere", np.full(7, -reach)),
        ("zeros only", np.zeros((2, 5))),
    ):
        answer = student.call("absmax_int8", x)
        codes, scale = answer.items(2)
        _hold_to_law(codes, scale, x, largest(x) / 127, 0, name)
        _refuse_casts(answer, name)
        answer = student.call("zero_point_uint8", x)
        codes, scale, zero = answer.items(3)
        span = max(float(x.max()), 0.0) - min(float(x.min()), 0.0)
        _hold_to_law(codes, scale, x, span / 255, int(zero.array(())), name)
        _refuse_casts(answer, name)


def _refuse_casts(answer: Answer, name: str) -> None:
    """Raise Failure where NaN became an integer: on this machine it may be the right one."""
    for line, said in answer.reply.warnings:
        if "cast" in said:
            raise Failure(
                f"For {name}, line {line} makes an integer of NaN: {said}.",
                hint="Which one it becomes is up to the machine. Keep 0 / 0 from happening.",
                line=line,
            )


def _hold_to_law(codes: Answer, scale: Answer, x: Array, step: float, zero: int, name: str) -> None:
    """Raise Failure unless scale * (codes - zero) is x to half a step, and 0 exactly where x is."""
    scale.close_to(
        step,
        rtol=1e-12,
        mistakes={
            "0 belongs to the range, also where all values lie on one side of it.": (
                (x.max() - x.min()) / 255
            )
        },
    )
    got = codes.array(x.shape)
    back = step * (got.astype(np.float64) - zero)
    # Half a step, and what rounding in float64 may add.
    off = np.abs(back - x) - step * (0.5 + 1e-9)
    if (off > 0).any():
        place = np.unravel_index(np.argmax(off), x.shape)
        wrapped = abs(back[place] - x[place]) > 100 * step
        codes.fail(
            f"For {name}, {x[place]:.6g} comes back as {back[place]:.6g}: more than half a step "
            f"of {step:.6g} away.",
            expected=f"within {step / 2:.6g}",
            got=f"{abs(back[place] - x[place]):.6g}",
            hint=(
                "A code beyond the ends of its dtype comes in again at the other end. Cut the "
                "codes to the range before you convert."
            )
            if wrapped
            else "",
        )
    if (got[x == 0] != zero).any():
        codes.fail(
            f"For {name}, 0 does not come back as 0.",
            expected=f"the code {zero}",
            got=f"the code {got[x == 0][0]}",
        )


@exercise.check(
    "A scale for each block",
    points=1,
    hint=(
        "Reshape to (-1, block), so that a block is a row, take the largest magnitude with "
        "keepdims=True, and shape the result back. Where a scale is 0, do not divide."
    ),
)
def blocks_of_any_size(student: Student, rng: np.random.Generator) -> None:
    for bits in rng.permutation([3, 4, 6, 8]).tolist():
        block = int(rng.choice([16, 32, 64]))
        # float32 weights may lie exactly halfway between two codes; these do not.
        weights = draw_weights(rng, 3).astype(np.float64)
        x = weights * (1 + 1e-6 * rng.standard_normal(weights.shape))
        x[1, block : 2 * block] = 0.0
        x[2, int(rng.integers(x.shape[1]))] *= 30
        levels = 2 ** (bits - 1) - 1
        columns = x.shape[1]
        across = x.T.reshape(-1, block) if columns % block == 0 else x
        student.call("blockwise", x, bits, block).close_to(
            round_trip(x, levels, block),
            atol=1e-12 * largest(x),
            mistakes={
                "That is one scale for the whole matrix.": round_trip(x, levels, x.size),
                "That is one scale for each row. A row has several blocks.": round_trip(
                    x, levels, columns
                ),
                "Your blocks run down the columns. Neighbours in a row share a scale.": round_trip(
                    across, levels, block
                )
                .reshape(x.T.shape)
                .T,
                "With b bits the codes reach from -(2**(b - 1) - 1) to 2**(b - 1) - 1: one bit is "
                "for the sign.": round_trip(x, 2**bits - 1, block),
                "The largest code is 2**(bits - 1) - 1: one less, so that both signs have as "
                "many.": round_trip(x, levels + 1, block),
            },
        )


def round_trip(x: Array, levels: int, block: int) -> Array:
    """Absmax with `levels` codes on each side of zero and back, a scale for each block."""
    blocks = x.reshape(-1, block)
    d = np.abs(blocks).max(axis=1, keepdims=True) / levels
    return np.asarray(np.round(scaled(blocks, d, divide=True)) * d).reshape(x.shape)


@exercise.check(
    "Q8_0, byte for byte",
    points=2,
    hint="The scale's two bytes come first, then 32 codes. Print one block of yours and look.",
)
def to_q8_0(student: Student, rng: np.random.Generator) -> None:
    x = draw_matrix(rng, "Q8_0", q8_0)
    right = exact(x, "Q8_0")
    judge_bytes(
        student.call("quantize_q8_0", x),
        right,
        {
            HALF_SCALE: q8_0(x, half_scale=True),
            "You cut the fraction off. Round to the nearest integer.": q8_0(x, rounding=np.trunc),
            "The scale comes before the codes.": np.roll(right, -2, axis=1),
            "The two bytes of a scale are little-endian: the low one comes first.": np.concatenate(
                [right[:, 1::-1], right[:, 2:]], axis=1
            ),
            "Codes are signed: convert to int8, then look at the same bytes as uint8.": (
                np.concatenate([right[:, :2], right[:, 2:] ^ 128], axis=1)
            ),
        },
    )


def pairs(codes: Array) -> Array:
    """Neighbours in one byte."""
    return np.asarray(codes[:, 0::2] | codes[:, 1::2] << 4)


def high_first(codes: Array) -> Array:
    """The first sixteen codes in the high halves."""
    return np.asarray(codes[:, :16] << 4 | codes[:, 16:])


@exercise.check(
    "Q4_0, byte for byte",
    points=2,
    hint="d is the extreme with its sign, divided by -8: so the extreme itself gets the code 0.",
)
def to_q4_0(student: Student, rng: np.random.Generator) -> None:
    x = draw_matrix(rng, "Q4_0", q4_0)
    judge_bytes(
        student.call("quantize_q4_0", x),
        exact(x, "Q4_0"),
        {
            "Byte j holds codes j and j + 16. You pack neighbours.": q4_0(x, pack=pairs),
            "The low half of a byte holds the earlier code, j, the high half j + 16.": q4_0(
                x, pack=high_first
            ),
            "You lose the sign of the extreme. It decides that of d.": q4_0(
                x, step=lambda b: np.abs(b).max(axis=1, keepdims=True) / np.float32(-8)
            ),
            "d is the extreme divided by -8, not by 8: the minus lets it land on the code 0.": q4_0(
                x, step=lambda b: first_extreme(b) / np.float32(8)
            ),
            "You divide the largest magnitude by 8. Take the extreme with its sign, by -8.": q4_0(
                x, step=lambda b: np.abs(b).max(axis=1, keepdims=True) / np.float32(8)
            ),
            "That is absmax with seven steps on each side. Q4_0 uses all sixteen codes: divide "
            "the extreme by -8.": q4_0(
                x, step=lambda b: np.abs(b).max(axis=1, keepdims=True) / np.float32(7)
            ),
            "8 alone makes the codes positive; the half more makes cutting off a rounding.": q4_0(
                x, rounding=np.floor
            ),
            HALF_SCALE: q4_0(x, half_scale=True),
            SIXTEEN: q4_0(x, most=16),
        },
    )


@exercise.check(
    "Ties, zeros and the last bit",
    points=1,
    hint=(
        "Follow the order of operations to the letter, in float32: the scale, its inverse, the "
        "product, the rounding. A block of zeros has no inverse; its codes are those of 0."
    ),
)
def corners(student: Student, rng: np.random.Generator) -> None:
    """What a random matrix shows too seldom to rely on."""
    x = rng.standard_normal((6, BLOCK)).astype(np.float32)
    x[rng.permutation(6)[:3]] = 0.0
    x = steady(steady(x, "Q4_0", q4_0), "Q8_0", q8_0)
    judge_bytes(student.call("quantize_q8_0", x), exact(x, "Q8_0"), {})
    plus = exact(x, "Q4_0")
    plus[(x == 0).all(axis=1), 1] = 0
    judge_bytes(
        student.call("quantize_q4_0", x),
        exact(x, "Q4_0"),
        {
            "0 / -8 is -0.0, and its sign is a bit of the float16: let the division make it.": plus,
            SIXTEEN: q4_0(x, most=16),
        },
    )

    x = draw_ties(rng, 127)
    judge_bytes(
        student.call("quantize_q8_0", x),
        exact(x, "Q8_0"),
        {
            "np.round takes a half to the even neighbour: 2.5 becomes 2. C's roundf goes away from "
            "zero, to 3.": q8_0(x, rounding=np.round),
            "Adding a half and rounding down takes -2.5 to -2. C's roundf goes away from zero, to "
            "-3.": q8_0(x, rounding=half_up),
            "In float32 0.49999997 + 0.5 is 1. Cut the fraction off first, then look whether it "
            "was a half.": q8_0(x, rounding=half_added),
        },
    )
    x = draw_ties(rng, 8)
    judge_bytes(
        student.call("quantize_q4_0", x),
        exact(x, "Q4_0"),
        {
            "Halves go upwards here: add 8.5 and cut the fraction off.": q4_0(x, rounding=np.round),
            "Halves go upwards here, not away from zero: add 8.5 and cut the fraction off.": q4_0(
                x, rounding=half_away
            ),
            SIXTEEN: q4_0(x, most=16),
            "Where the extreme occurs with both signs, the first one counts.": q4_0(
                x, step=lambda b: first_extreme(b[:, ::-1]) / np.float32(-8)
            ),
        },
    )

    for name, quantize in (("Q8_0", q8_0), ("Q4_0", q4_0)):
        x = draw_close_calls(rng, 127 if name == "Q8_0" else 8)
        judge_bytes(
            student.call(f"quantize_{name.lower()}", x),
            exact(x, name),
            {
                DIVIDED: quantize(x, divide=True),
                WIDE: quantize(x, dtype=np.float64),
                WIDE_AND_DIVIDED: quantize(x, dtype=np.float64, divide=True),
            },
        )


def draw_ties(rng: np.random.Generator, extreme: int) -> Array:
    """Blocks whose scale is a power of two and whose values lie halfway between codes: float32.

    In the first block they lie the last bit of a float32 below a half. Every other block has the
    extreme twice, with both signs.
    """
    values = rng.integers(1 - extreme, extreme, (8, BLOCK)) + 0.5
    values = np.where(np.abs(values) < extreme, values, 0.5)
    values[0] = np.nextafter(np.float32(0.5), np.float32(0)) * rng.choice([-1, 1], BLOCK)
    for number, row in enumerate(values):
        first, second = rng.choice(BLOCK, 2, replace=False)
        row[first] = extreme * rng.choice([-1, 1])
        if number % 2:
            row[second] = -row[first]
    return (values * 2.0 ** rng.integers(-6, 3, (8, 1))).astype(np.float32)


def draw_close_calls(rng: np.random.Generator, extreme: int) -> Array:
    """Blocks whose values lie a last bit of float32 beside the middle of two codes: float32."""
    size = (extreme * rng.uniform(0.01, 1.0, (16, 1))).astype(np.float32)
    half = rng.integers(1 - extreme, extreme - 1, (16, BLOCK)) + 0.5
    x = (half * size.astype(np.float64) / extreme).astype(np.float32)
    beside: Array = np.nextafter(x, rng.choice([-1, 1], x.shape).astype(np.float32) * np.inf)
    beside[:, 0] = size[:, 0] * rng.choice([-1, 1], len(size))
    return beside


@exercise.check(
    "Back to numbers",
    points=1,
    hint="Read the first two bytes as one float16, the others as codes, and multiply.",
)
def back(student: Student, rng: np.random.Generator) -> None:
    blocks = np.concatenate([exact(draw_weights(rng, 2), "Q8_0"), draw_blocks(rng, "Q8_0")])
    d, codes = float16(blocks, 0), blocks[:, 2:].view(np.int8)
    # A product of two numbers, each exact in float32: it is rounded once, by 6e-8 at most.
    student.call("dequantize_q8_0", blocks).close_to(
        dequantized(blocks, "Q8_0"),
        rtol=1e-6,
        along="block",
        mistakes={
            "Codes are signed: look at the bytes as int8 before you multiply.": d * blocks[:, 2:],
            NARROW: in_float16(d, codes),
        },
    )

    blocks = np.concatenate([exact(draw_weights(rng, 2), "Q4_0"), draw_blocks(rng, "Q4_0")])
    d, low, high = float16(blocks, 0), blocks[:, 2:] & 15, blocks[:, 2:] >> 4
    codes = np.concatenate([low, high], axis=1).astype(np.float32)
    student.call("dequantize_q4_0", blocks).close_to(
        dequantized(blocks, "Q4_0"),
        rtol=1e-6,
        along="block",
        mistakes={
            "The codes 0 … 15 stand for -8 … 7: subtract 8.": d * codes,
            "Byte j holds codes j and j + 16. You take them for neighbours.": d
            * (np.stack([low, high], axis=2).reshape(codes.shape).astype(np.float32) - 8),
            "The low half of a byte holds the earlier code, j, the high half j + 16.": d
            * (np.concatenate([high, low], axis=1).astype(np.float32) - 8),
            "Codes that are still uint8 cannot become negative: widen them before you subtract "
            "8.": d * (codes.astype(np.uint8) - np.uint8(8)),
            NARROW: in_float16(d, codes - 8),
        },
    )


def in_float16(d: Array, codes: Array) -> Array:
    """The product as float16 has it."""
    return np.asarray(d.astype(np.float16) * codes.astype(np.float16))


def float16(blocks: Array, at: int) -> Array:
    """The float16 at byte `at` of every block, as float32: (n, 1)."""
    return np.asarray(np.ascontiguousarray(blocks[:, at : at + 2]).view("<f2").astype(np.float32))


def draw_blocks(rng: np.random.Generator, name: str) -> Array:
    """Eight blocks of random bytes with scales of either sign that are numbers."""
    blocks = rng.integers(0, 256, (8, BY_NAME[name].block_bytes), dtype=np.uint8)
    count = 2 if name == "Q4_K" else 1
    d = rng.uniform(0.01, 1.0, (8, count)) * rng.choice([-1, 1], (8, count))
    blocks[:, : 2 * count] = d.astype("<f2").view(np.uint8)
    return blocks


@exercise.check(
    "Q4_K",
    points=2,
    hint=(
        "Work group by group: which 32 bytes hold it, in which halves, and which of the eight "
        "scales and minima belong to it?"
    ),
)
def from_q4_k(student: Student, rng: np.random.Generator) -> None:
    for blocks in (exact(draw_weights(rng, 3), "Q4_K"), draw_blocks(rng, "Q4_K")):
        right = dequantized(blocks, "Q4_K")
        # gguf-py tells the two halves of the formula apart: codes of 0 leave the minimum alone.
        offset = dequantized(with_codes(blocks, 0x00), "Q4_K")  # -dmin * minimum
        step = dequantized(with_codes(blocks, 0x11), "Q4_K") - offset  # d * scale
        low, high = blocks[:, 16:] & 15, blocks[:, 16:] >> 4
        halves = np.concatenate([low, high], axis=1)
        neighbours = np.stack([low, high], axis=2).reshape(halves.shape)
        student.call("dequantize_q4_k", blocks).close_to(
            right,
            atol=1e-6 * largest(right),  # a difference of float32 products, each good to 6e-8
            along="block",
            mistakes={
                "The minimum is subtracted. You add it.": right - 2 * offset,
                "The minimum is missing: subtract dmin times the group's.": right - offset,
                "All low halves first and then all high ones is not the order: each 32 bytes hold "
                "two groups, the first in the low halves.": step * halves + offset,
                "The two codes of a byte are no neighbours: they lie 32 apart, in two groups.": (
                    step * neighbours + offset
                ),
                "d comes first and dmin second. They have changed places.": dequantized(
                    np.concatenate([blocks[:, 2:4], blocks[:, 0:2], blocks[:, 4:]], axis=1), "Q4_K"
                ),
                "The low halves of 32 bytes are the first of their two groups.": dequantized(
                    with_codes(blocks, high | low << 4), "Q4_K"
                ),
            },
        )


def with_codes(blocks: Array, codes: Array | int) -> Array:
    """Q4_K blocks with other bytes of codes."""
    changed = blocks.copy()
    changed[:, 16:] = codes
    return changed
