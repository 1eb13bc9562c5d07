"""What goes wrong ends in one sentence that says what it was and whose fault."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import gguf
import pytest
from django.test import Client

from labs import broker
from labs.models import Fault, Lab, Run, State
from people.models import User
from tests.labs.conftest import start
from tests.labs.test_life_of_a_run import wait_for
from tests.stack import Worker, wait_until
from workers import random_model
from workers.random_model import Shape

ENDS = (State.FAILED, State.TIMED_OUT, State.CANCELLED, State.SUCCEEDED)


def ended(lab: Lab, student: User) -> Run:
    run = start(lab, student)
    broker.hand_over(run.lane)
    return wait_for(run, *ENDS, seconds=60)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "small.gguf"
    random_model.write(path, Shape(n_layer=1), seed=1)
    return path


def test_files_that_are_no_models_end_as_the_requests_fault(
    worker: Worker, bare: Callable[..., Lab], small: Path, tmp_path: Path, ada: User
) -> None:
    whole = small.read_bytes()
    damaged = bytearray(whole)
    for place in random.Random(1).sample(range(24, 2000), 40):
        damaged[place] ^= 0xFF
    files = {
        "no-gguf": b"%PDF-1.7 this is something else",
        "empty": b"",
        "cut-in-the-head": whole[:1000],
        "cut-in-the-data": whole[: len(whole) // 2],
        "damaged": bytes(damaged),
    }
    lab = bare("bare-generate", prompt="a", model="")
    for name, content in files.items():
        path = tmp_path / f"{name}.gguf"
        path.write_bytes(content)
        lab.parameters = {"request": {"prompt": "a", "model": str(path)}}
        lab.save()
        run = ended(lab, ada)
        assert (run.state, run.fault) == (State.FAILED, Fault.REQUEST), name
        assert run.message.endswith("."), name
        assert len(run.message) < 400, name


def test_weights_that_are_no_numbers_are_told_as_damage(
    worker: Worker, bare: Callable[..., Lab], small: Path, tmp_path: Path, ada: User
) -> None:
    path = tmp_path / "nan.gguf"
    content = bytearray(small.read_bytes())
    tensor = next(t for t in gguf.GGUFReader(small).tensors if t.name == "output_norm.weight")
    content[tensor.data_offset : tensor.data_offset + 4] = b"\0\0\xc0\x7f"
    path.write_bytes(content)
    run = ended(bare("bare-generate", model=str(path), prompt="a"), ada)
    assert (run.state, run.fault) == (State.FAILED, Fault.REQUEST)
    assert "damaged" in run.message


def test_a_missing_file_is_said_to_be_missing(
    worker: Worker, bare: Callable[..., Lab], tmp_path: Path, ada: User
) -> None:
    run = ended(bare("bare-inspect", model=str(tmp_path / "gone.gguf")), ada)
    assert (run.state, run.fault) == (State.FAILED, Fault.REQUEST)
    assert "gone.gguf" in run.message


def test_a_parameter_out_of_range_is_named(
    worker: Worker, bare: Callable[..., Lab], small: Path, ada: User
) -> None:
    run = ended(bare("bare-generate", model=str(small), prompt="a", temperature=-1.0), ada)
    assert (run.state, run.fault) == (State.FAILED, Fault.REQUEST)
    assert run.message == "temperature must lie between 0.0 and 100.0, not -1.0."


def test_a_type_the_model_cannot_take_is_refused_with_llama_cpps_reason(
    worker: Worker, bare: Callable[..., Lab], small: Path, ada: User
) -> None:
    run = ended(bare("bare-quantize", model=str(small), type="IQ2_XS", out="out.gguf"), ada)
    assert (run.state, run.fault) == (State.FAILED, Fault.REQUEST)
    assert "requires an imatrix" in run.message


def test_what_the_engine_said_can_be_read_after_a_failure(
    worker: Worker, bare: Callable[..., Lab], ada: User, client: Client
) -> None:
    run = ended(bare("hasty", steps=100, seconds=1.0), ada)
    wait_until(run.artifacts.exists, "the events are kept")
    client.force_login(ada)
    assert f"/runs/{run.pk}/files/events.jsonl" in client.get(f"/runs/{run.pk}/").text
    kept = client.get(f"/runs/{run.pk}/files/events.jsonl").getvalue()
    assert json.loads(kept.splitlines()[0]) == {"type": "phase", "name": "Sleeping"}


def test_a_model_too_big_for_the_memory_limit_names_the_limit(
    worker: Worker, bare: Callable[..., Lab], big_model: Path, ada: User
) -> None:
    run = ended(bare("cramped", model=str(big_model), prompt="a"), ada)
    assert (run.state, run.fault) == (State.FAILED, Fault.REQUEST)
    assert "32 MiB" in run.message


def test_a_run_out_of_time_names_its_limit(
    worker: Worker, bare: Callable[..., Lab], ada: User
) -> None:
    run = ended(bare("hasty", steps=100, seconds=1.0), ada)
    assert run.state == State.TIMED_OUT
    assert run.message == "It ran into its time limit of 0.5 s."


def test_after_all_of_this_the_worker_still_works(
    worker: Worker, bare: Callable[..., Lab], small: Path, ada: User
) -> None:
    run = ended(bare("bare-inspect", model=str(small)), ada)
    assert run.state == State.SUCCEEDED
    reader = gguf.GGUFReader(small)
    assert run.result is not None
    assert run.result["n_tensors"] == len(reader.tensors)
    assert run.result["data_offset"] == reader.data_offset
