"""Quantizing: every tensor told of, and nothing left behind when it cannot be."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.running import finish
from workers import gguf_file, quantize, random_model
from workers.errors import BadModelError, BadRequestError, EngineError
from workers.events import Log, Phase, Progress
from workers.quantize import Quantize
from workers.random_model import Shape
from workers.requests import from_json


def test_progress_goes_tensor_by_tensor_and_the_result_lists_them(
    model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "q4.gguf"
    events, result = finish(
        quantize.quantize(Quantize(model=str(model), type="Q4_K_M", out=str(out)))
    )
    written = gguf_file.read(out)
    n_tensors = len(written.tensors)
    progress = [event for event in events if isinstance(event, Progress)]
    assert progress == [
        Progress(number, n_tensors, "tensors") for number in range(1, n_tensors + 1)
    ]
    assert events[0] == Phase("Quantizing to Q4_K_M")
    assert any("quant size" in event.line for event in events if isinstance(event, Log))
    assert [(tensor.name, tensor.type, tensor.bytes) for tensor in result.tensors] == [
        (tensor.name, tensor.type, tensor.bytes) for tensor in written.tensors
    ]
    assert result.bytes == out.stat().st_size < result.source_bytes / 6
    assert {tensor.from_type for tensor in result.tensors} == {"F32"}
    assert result.fallbacks == 0


def test_a_shape_that_does_not_fit_falls_back_and_says_so(tmp_path: Path) -> None:
    source, out = tmp_path / "odd.gguf", tmp_path / "q4.gguf"
    random_model.write(source, Shape(n_layer=1, n_embd=192, n_head=6, n_ff=512), seed=1)
    _, result = finish(quantize.quantize(Quantize(model=str(source), type="Q4_K_M", out=str(out))))
    query = next(tensor for tensor in result.tensors if tensor.name == "blk.0.attn_q.weight")
    assert (query.type, query.instead_of) == ("Q5_0", "Q4_K")
    down = next(tensor for tensor in result.tensors if tensor.name == "blk.0.ffn_down.weight")
    assert down.instead_of == ""
    assert result.fallbacks == sum(bool(tensor.instead_of) for tensor in result.tensors) > 0


def test_a_type_that_wants_an_importance_matrix_is_refused(model: Path, tmp_path: Path) -> None:
    request = Quantize(model=str(model), type="IQ2_XS", out=str(tmp_path / "out.gguf"))
    with pytest.raises(EngineError, match=r"cannot make IQ2_XS .* an imatrix\.$"):
        finish(quantize.quantize(request))
    assert list(tmp_path.iterdir()) == []


def importance_of(model: Path) -> dict[str, Any]:
    """Made-up importances: every matrix has some columns that count far more than the others."""
    rng = np.random.default_rng(1)
    return {
        tensor.name: rng.lognormal(0, 2, tensor.shape[0])
        for tensor in gguf_file.read(model).tensors
        if len(tensor.shape) == 2
    }


def test_a_type_that_wants_an_importance_matrix_is_made_with_one(
    model: Path, tmp_path: Path
) -> None:
    request = Quantize(model=str(model), type="IQ2_XS", out=str(tmp_path / "out.gguf"))
    _, result = finish(quantize.quantize(request, importance_of(model)))
    query = next(tensor for tensor in result.tensors if tensor.name == "blk.0.attn_q.weight")
    assert query.type == "IQ2_XS"


def test_an_importance_matrix_changes_k_quants_and_not_q8_0(model: Path, tmp_path: Path) -> None:
    digests = {
        (file_type, weighed): finish(
            quantize.quantize(
                Quantize(model=str(model), type=file_type, out=str(tmp_path / "out.gguf")),
                importance_of(model) if weighed else None,
            )
        )[1].sha256
        for file_type in ("Q2_K", "Q8_0")
        for weighed in (False, True)
    }
    assert digests["Q8_0", True] == digests["Q8_0", False]
    assert digests["Q2_K", True] != digests["Q2_K", False]


@pytest.mark.parametrize("wrong", [np.array([1.0, np.nan]), np.array([-1.0]), np.ones((2, 2))])
def test_an_importance_that_cannot_be_is_refused(model: Path, tmp_path: Path, wrong: Any) -> None:
    request = Quantize(model=str(model), type="Q2_K", out=str(tmp_path / "out.gguf"))
    with pytest.raises(BadRequestError, match=r"The importance of output\.weight must be"):
        finish(quantize.quantize(request, {"output.weight": wrong}))


def test_an_importance_of_the_wrong_length_is_refused(model: Path, tmp_path: Path) -> None:
    request = Quantize(model=str(model), type="Q2_K", out=str(tmp_path / "out.gguf"))
    with pytest.raises(EngineError, match="cannot make Q2_K of this model"):
        finish(quantize.quantize(request, {"blk.0.attn_q.weight": np.ones(5)}))
    assert list(tmp_path.iterdir()) == []


def test_what_is_quantized_already_is_quantized_again_only_on_request(
    model: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "q8.gguf", tmp_path / "q4.gguf"
    finish(quantize.quantize(Quantize(model=str(model), type="Q8_0", out=str(first))))
    with pytest.raises(EngineError, match=r"requantizing from type q8_0 is disabled\.$"):
        finish(quantize.quantize(Quantize(model=str(first), type="Q4_0", out=str(second))))
    assert not second.exists()
    again = Quantize(model=str(first), type="Q4_0", out=str(second), allow_requantize=True)
    _, result = finish(quantize.quantize(again))
    assert result.bits_per_weight < 5.5


def test_a_cancelled_run_leaves_no_file(model: Path, tmp_path: Path) -> None:
    work = quantize.quantize(
        Quantize(model=str(model), type="Q6_K", out=str(tmp_path / "out.gguf"))
    )
    while not isinstance(next(work), Progress):
        pass
    work.close()
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_model_is_refused(tmp_path: Path, model: Path) -> None:
    damaged = tmp_path / "cut.gguf"
    damaged.write_bytes(model.read_bytes()[:50_000])
    request = Quantize(model=str(damaged), type="Q8_0", out=str(tmp_path / "out.gguf"))
    with pytest.raises(BadModelError, match="cut short"):
        finish(quantize.quantize(request))
    assert list(tmp_path.iterdir()) == [damaged]


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"type": "Q9_X"}, "no file type called Q9_X"),
        ({"threads": -1}, "threads must lie between 0"),
        ({"out": "/absent/folder/out.gguf"}, "The folder for out.gguf does not exist"),
        ({"out": "."}, "out must name a file"),
        ({"out": "model.gguf"}, "out must be another file than model"),
    ],
)
def test_a_request_that_cannot_be_is_refused(wrong: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadRequestError, match=complaint):
        from_json(Quantize, {"model": "model.gguf", "type": "Q8_0", "out": "out.gguf", **wrong})


def test_the_names_are_those_of_llama_quantize() -> None:
    assert {"Q4_K_M", "IQ4_XS", "F16", "TQ2_0", "MXFP4_MOE"} < set(quantize.FILE_TYPES)
    assert "GUESSED" not in quantize.FILE_TYPES
    quantize.check_file_type("q4_k")
