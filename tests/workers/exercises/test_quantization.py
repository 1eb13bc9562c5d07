"""The quantization exercise: right, wrong in the ways that people are wrong, and cheating."""

import gguf
import numpy as np
import pytest

from tests.workers.exercises.grading import check, edited, failed, graded
from workers.exercises import EXERCISES, oracle
from workers.exercises.grading import AGAIN, EXAMPLES, LOADS
from workers.exercises.quantization import solution, starter
from workers.exercises.quantization.exercise import draw_close_calls, draw_ties, exact

KEY = "exercise-quantization"

# One number after the other, with struct for the bytes.
WITH_LOOPS = """
import math
import struct

import numpy as np

F = np.float32

def absmax_int8(x):
    scale = max(abs(v) for v in x.ravel().tolist()) / 127
    codes = [0 if scale == 0 else int(math.floor(v / scale + 0.5)) for v in x.ravel().tolist()]
    return np.array(codes, dtype=np.int8).reshape(x.shape), scale

def zero_point_uint8(x):
    values = x.ravel().tolist()
    low, high = min(values + [0.0]), max(values + [0.0])
    if low == high:
        return np.zeros_like(x, dtype=np.uint8), 0.0, 0
    scale = (high - low) / 255
    zero = int(math.floor(-low / scale + 0.5))
    codes = [min(max(int(math.floor(v / scale + 0.5)) + zero, 0), 255) for v in values]
    return np.array(codes, dtype=np.uint8).reshape(x.shape), scale, zero

def blockwise(x, bits, block):
    out = np.zeros_like(x)
    levels = 2 ** (bits - 1) - 1
    for row in range(x.shape[0]):
        for at in range(0, x.shape[1], block):
            piece = x[row, at:at + block]
            scale = abs(piece).max() / levels
            if scale > 0:
                out[row, at:at + block] = np.rint(piece / scale) * scale
    return out

def quantize_q8_0(x):
    rows = []
    for block in x.reshape(-1, 32):
        d = F(np.max(np.abs(block)) / F(127))
        r = F(1) / d if d else F(0)
        codes = []
        for v in block:
            y = v * r
            codes.append(int(math.copysign(math.floor(abs(float(y)) + 0.5), y)))
        rows.append(list(struct.pack("<e32b", d, *codes)))
    return np.array(rows, dtype=np.uint8)

def dequantize_q8_0(blocks):
    out = np.empty((len(blocks), 32), dtype=np.float64)
    for n, block in enumerate(blocks):
        d, *codes = struct.unpack("<e32b", block.tobytes())
        out[n] = [d * q for q in codes]
    return out

def quantize_q4_0(x):
    rows = []
    for block in x.reshape(-1, 32):
        m = F(0)
        for v in block:
            if abs(v) > abs(m):
                m = v
        d = m / F(-8)
        r = F(1) / d if d else F(0)
        codes = [min(15, int(v * r + F(8.5))) for v in block]
        packed = [codes[j] + 16 * codes[j + 16] for j in range(16)]
        rows.append(list(struct.pack("<e16B", d, *packed)))
    return np.array(rows, dtype=np.uint8)

def dequantize_q4_0(blocks):
    out = np.empty((len(blocks), 32), dtype=np.float32)
    for n, block in enumerate(blocks):
        d, *packed = struct.unpack("<e16B", block.tobytes())
        for j, byte in enumerate(packed):
            out[n, j], out[n, j + 16] = d * (byte % 16 - 8), d * (byte // 16 - 8)
    return out

def dequantize_q4_k(blocks):
    out = np.empty((len(blocks), 256), dtype=np.float32)
    for n, block in enumerate(blocks):
        d, dmin, *rest = struct.unpack("<ee140B", block.tobytes())
        packed, codes = rest[:12], rest[12:]
        for g in range(8):
            if g < 4:
                scale, minimum = packed[g] & 63, packed[g + 4] & 63
            else:
                scale = packed[g + 4] & 15 | packed[g - 4] >> 6 << 4
                minimum = packed[g + 4] >> 4 | packed[g] >> 6 << 4
            for k in range(32):
                byte = codes[32 * (g // 2) + k]
                q = byte >> 4 if g % 2 else byte & 15
                out[n, 32 * g + k] = d * scale * q - dmin * minimum
    return out
"""


@pytest.mark.parametrize("seed", range(5))
def test_loops_pass(seed: int) -> None:
    assert failed(graded(KEY, WITH_LOOPS, seed=seed)) == []


def test_the_helper_that_is_given_is_that_of_the_solution() -> None:
    packed = np.random.default_rng(3).integers(0, 256, (50, 12), dtype=np.uint8)

    for given, used in zip(
        starter._scales_and_minima(packed), solution._scales_and_minima(packed), strict=True
    ):
        np.testing.assert_array_equal(given, used)


@pytest.mark.parametrize(("name", "extreme"), [("Q8_0", 127), ("Q4_0", 8)])
def test_gguf_py_writes_the_bytes_that_llama_cpp_writes(name: str, extreme: int) -> None:
    rng = np.random.default_rng(11)
    for _ in range(20):
        for x in (draw_ties(rng, extreme), draw_close_calls(rng, extreme)):
            by_python = gguf.quants.quantize(x, gguf.GGMLQuantizationType[name])

            np.testing.assert_array_equal(by_python, exact(x, name))


def test_the_ratio_of_signal_to_noise_falls_with_the_bits() -> None:
    x = oracle.model().tensors["blk.3.ffn_down.weight"].astype(np.float64)

    def decibels(bits: int) -> float:
        noise = solution.blockwise(x, bits, 32) - x
        return float(10 * np.log10((x**2).sum() / (noise**2).sum()))

    # What the reading's table says of this matrix.
    assert [round(decibels(bits), 1) for bits in (8, 6, 4)] == [44.6, 32.3, 19.4]


@pytest.mark.parametrize(
    ("old", "new", "name", "hint"),
    [
        (
            "float(np.abs(x).max()) / 127",
            "float(x.max()) / 127",
            "One scale for all",
            "negative one",
        ),
        (
            "np.round(x / scale).astype(np.int8)",
            "(x / scale).astype(np.int8)",
            "One scale for all",
            "cut the fraction off",
        ),
        (
            "np.round(x / scale) + zero,",
            "np.round((x - low) / scale),",
            "One scale for all",
            "has a code of its own",
        ),
        ("(high - low) / 255", "(high - low) / 256", "One scale for all", "255 steps"),
        (
            "min(float(x.min()), 0.0), max(float(x.max()), 0.0)",
            "float(x.min()), float(x.max())",
            "Half a step at most",
            "0 belongs to the range",
        ),
        (
            "np.clip(np.round(x / scale) + zero, 0, 255)",
            "np.round(x / scale) + zero",
            "Half a step at most",
            "at the other end",
        ),
        (
            "np.abs(blocks).max(axis=1, keepdims=True) / (2",
            "np.abs(blocks).max() / (2",
            "A scale for each block",
            "whole matrix",
        ),
        ("(2 ** (bits - 1) - 1)", "(2 ** (bits - 1))", "A scale for each block", "one less"),
        ("(2 ** (bits - 1) - 1)", "(2 ** bits - 1)", "A scale for each block", "one bit is"),
        (
            "np.round(blocks * _inverse(scale))",
            "np.round(blocks / scale)",
            "A scale for each block",
            "",
        ),
        (
            "[_bytes(d), codes.view(np.uint8)]",
            "[codes.view(np.uint8), _bytes(d)]",
            "Q8_0, byte for byte",
            "The scale comes before",
        ),
        (
            "blocks * _inverse(d)).astype(np.int8)",
            "blocks / d.astype(np.float16).astype(np.float32)).astype(np.int8)",
            "Q8_0, byte for byte",
            "after it has become float16",
        ),
        (
            "codes[:, :16] | codes[:, 16:] << 4",
            "codes[:, 0::2] | codes[:, 1::2] << 4",
            "Q4_0, byte for byte",
            "You pack neighbours",
        ),
        (
            "codes[:, :16] | codes[:, 16:] << 4",
            "codes[:, :16] << 4 | codes[:, 16:]",
            "Q4_0, byte for byte",
            "holds the earlier code",
        ),
        (
            "extreme / np.float32(-8)",
            "extreme / np.float32(8)",
            "Q4_0, byte for byte",
            "lets it land",
        ),
        (
            "extreme / np.float32(-8)",
            "np.abs(extreme) / np.float32(8)",
            "Q4_0, byte for byte",
            "largest magnitude by 8",
        ),
        (
            "extreme / np.float32(-8)",
            "np.abs(extreme) / np.float32(7)",
            "Q4_0, byte for byte",
            "seven steps",
        ),
        ("np.float32(8.5)", "np.float32(8)", "Q4_0, byte for byte", "cutting off a rounding"),
        (
            "_round_half_away(blocks * _inverse(d))",
            "np.round(blocks * _inverse(d))",
            "Ties, zeros and the last bit",
            "even neighbour",
        ),
        (
            "_round_half_away(blocks * _inverse(d))",
            "(lambda y: np.sign(y) * np.floor(np.abs(y) + np.float32(0.5)))(blocks * _inverse(d))",
            "Ties, zeros and the last bit",
            "In float32 0.49999997 + 0.5 is 1",
        ),
        (
            "    if scale == 0:\n        return np.zeros(x.shape, dtype=np.int8), 0.0\n",
            "",
            "Half a step at most",
            "up to the machine",
        ),
        (
            "_round_half_away(blocks * _inverse(d))",
            "_round_half_away(np.divide(blocks, d, out=np.zeros_like(blocks), where=d != 0))",
            "Ties, zeros and the last bit",
            "You divide by d",
        ),
        (
            "blocks = x.reshape(-1, BLOCK)  # (n, 32)\n    d = np.abs(blocks)",
            "blocks = x.reshape(-1, BLOCK).astype(np.float64)\n    d = np.abs(blocks)",
            "Ties, zeros and the last bit",
            "You compute in float64",
        ),
        (
            "(blocks * _inverse(d) + np.float32(8.5))",
            "(np.round(blocks * _inverse(d)) + 8)",
            "Ties, zeros and the last bit",
            "Halves go upwards",
        ),
        ("np.minimum(shifted, 15)", "shifted", "Ties, zeros and the last bit", "Four bits"),
        (
            "d = extreme / np.float32(-8)",
            "d = np.abs(extreme / np.float32(-8)) * -np.sign(extreme) + np.float32(0)",
            "Ties, zeros and the last bit",
            "-0.0",
        ),
        (
            "np.abs(blocks).argmax(axis=1)",
            "31 - np.abs(blocks[:, ::-1]).argmax(axis=1)",
            "Ties, zeros and the last bit",
            "the first one counts",
        ),
        ("blocks[:, 2:].view(np.int8)", "blocks[:, 2:]", "Back to numbers", "Codes are signed"),
        (
            "_float16(blocks[:, 0:2]) * blocks[:, 2:].view(np.int8)",
            "_float16(blocks[:, 0:2]).astype(np.float16) * blocks[:, 2:].view(np.int8)",
            "Back to numbers",
            "eleven bits",
        ),
        ("(codes.astype(np.float32) - 8)", "codes", "Back to numbers", "subtract 8"),
        (
            "(codes.astype(np.float32) - 8)",
            "(codes - np.uint8(8))",
            "Back to numbers",
            "cannot become negative",
        ),
        (
            "np.concatenate([packed & 15, packed >> 4], axis=1)",
            "np.stack([packed & 15, packed >> 4], axis=2).reshape(-1, 32)",
            "Back to numbers",
            "for neighbours",
        ),
        ("step * codes - lowest", "step * codes + lowest", "Q4_K", "You add it"),
        ("step * codes - lowest", "step * codes", "Q4_K", "The minimum is missing"),
        (
            "np.stack([packed & 15, packed >> 4], axis=2)",
            "np.concatenate([packed & 15, packed >> 4], axis=1)",
            "Q4_K",
            "All low halves first",
        ),
        (
            "np.stack([packed & 15, packed >> 4], axis=2)",
            "np.stack([packed & 15, packed >> 4], axis=3)",
            "Q4_K",
            "32 apart",
        ),
        ("d, dmin = _float16", "dmin, d = _float16", "Q4_K", "changed places"),
    ],
)
def test_a_mistake_fails_at_its_check_with_its_hint(
    old: str, new: str, name: str, hint: str
) -> None:
    verdict = graded(KEY, edited(KEY, old, new))

    assert not verdict.passed
    assert name in failed(verdict)
    assert hint in check(verdict, name).hint


def test_knowing_the_examples_by_heart_earns_the_examples_alone() -> None:
    known = "\n".join(
        f"def {function}(*arguments):\n    return {value}"
        for function, value in (
            ("absmax_int8", "np.array([50, -100, 5, 127], dtype=np.int8), 0.02"),
            ("zero_point_uint8", "np.array([0, 50, 75, 255], dtype=np.uint8), 0.02, 50"),
            ("blockwise", "np.array([[7.0, -3.0, 0.0, 2.0, 0.7, -0.3, 0.0, 0.2]])"),
            *((name, "None") for name in list(EXERCISES[KEY].functions)[3:]),
        )
    )
    verdict = graded(KEY, f"import numpy as np\n{known}\n")

    assert verdict.points == 2
    passed = [result.name for result in verdict.checks if result.passed]
    assert passed == [LOADS, EXAMPLES, AGAIN]


def test_gguf_py_is_not_there_to_do_the_work() -> None:
    verdict = graded(KEY, f"import gguf\n{EXERCISES[KEY].solution}")

    assert verdict.points == 0
    assert "No module named 'gguf'" in verdict.checks[0].message
