"""The engine beside llama.cpp's own tools.

What the tools said about the shipped model is recorded in workers/native.json and compared in every
run. Quantized bytes come from plain C that is compiled without -march=native, so they are the same
on every x86-64 machine; where another architecture fuses multiplications, only sizes are compared.
Perplexity does depend on the processor's dot products: to 4 digits on the machine of the record,
to 1 in 200 elsewhere. Timings need the tools themselves.
"""

import json
import platform
from pathlib import Path
from typing import Any

import pytest

from tests.workers.running import finish
from workers import catalogue, native, parity, perplexity, quantize, random_model
from workers.errors import EngineError
from workers.fingerprint import fingerprint
from workers.perplexity import MeasurePerplexity
from workers.quantize import FILE_TYPES, Quantize


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(native.RECORDED.read_text())
    return found


@pytest.fixture
def tools() -> None:
    try:
        native.tool("llama-bench")
    except native.NativeToolsMissingError as error:
        pytest.skip(str(error))


def test_the_record_is_about_the_shipped_model(recorded: dict[str, Any]) -> None:
    assert recorded["model_sha256"] == native.sha256(Path(catalogue.main_model().path))
    assert recorded["text_sha256"] == native.sha256(Path(catalogue.texts().heldout))
    assert recorded["llama_cpp"] == fingerprint()["llama_cpp"]
    assert recorded["llama_cpp_python"] == fingerprint()["llama_cpp_python"]
    assert set(recorded["files"]) == set(FILE_TYPES)


@pytest.mark.parametrize("file_type", FILE_TYPES)
def test_quantized_bytes_are_those_of_llama_quantize(
    recorded: dict[str, Any], tmp_path: Path, file_type: str
) -> None:
    model, out = catalogue.main_model().path, tmp_path / "out.gguf"
    work = quantize.quantize(Quantize(model=model, type=file_type, out=str(out), threads=1))
    expected = recorded["files"][file_type]
    if expected is None:  # llama-quantize refused as well
        with pytest.raises(EngineError, match="cannot make"):
            finish(work)
        return
    _, made = finish(work)
    assert made.bytes == expected["bytes"]
    if platform.machine() == recorded["architecture"]:
        assert made.sha256 == expected["sha256"]


@pytest.mark.parametrize("file_type", ["F32", "Q4_K_M"])
def test_perplexity_is_that_of_llama_perplexity(
    recorded: dict[str, Any], tmp_path: Path, file_type: str
) -> None:
    model = catalogue.main_model().path
    if file_type != "F32":
        out = tmp_path / "out.gguf"
        finish(quantize.quantize(Quantize(model=model, type=file_type, out=str(out))))
        model = str(out)
    request = MeasurePerplexity(
        model=model,
        text=catalogue.texts().heldout,
        n_ctx=recorded["n_ctx"],
        chunks=recorded["chunks"],
        threads=1,
    )
    _, ours = finish(perplexity.perplexity(request))
    theirs = recorded["perplexities"][file_type]
    if fingerprint()["key"] == recorded["fingerprint"]:
        assert four_digits(ours.perplexity) == four_digits(theirs["perplexity"])
        assert ours.stderr == pytest.approx(theirs["stderr"], rel=1e-3)
    else:
        assert ours.perplexity == pytest.approx(theirs["perplexity"], rel=0.005)


def four_digits(number: float) -> str:
    return f"{number:.4g}"


@pytest.mark.usefixtures("tools")
def test_perplexity_takes_no_longer_than_llama_perplexity() -> None:
    found = parity.perplexity_parity(
        Path(catalogue.main_model().path), Path(catalogue.texts().heldout)
    )
    assert four_digits(found.perplexity) == four_digits(found.native_perplexity)
    assert found.ratio <= 1.15


@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize("part", [{"n_prompt": 128}, {"n_gen": 32}])
def test_bench_measures_what_llama_bench_measures(tmp_path: Path, part: dict[str, int]) -> None:
    model = tmp_path / "random.gguf"
    random_model.write(model, parity.SHAPE, seed=1)
    assert parity.SHAPE.parameters >= 50_000_000
    found = parity.bench_parity(model, **part)
    assert len(found.ours) == 7
    assert 0.95 <= found.ratio <= 1.05
