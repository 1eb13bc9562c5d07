"""Cancelling: from the click to child gone and row final in under two seconds, for every kind."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from labs import broker, runs, stream
from labs.models import Lab, State
from people.models import User
from tests.labs.conftest import start
from tests.labs.test_life_of_a_run import wait_for, wait_for_child
from tests.stack import Worker, wait_until

REQUESTS: dict[str, dict[str, Any]] = {
    "quantize": {"type": "IQ3_S", "out": "out.gguf", "threads": 1},
    "perplexity": {"n_ctx": 512, "threads": 1},
    "bench": {"n_prompt": 512, "n_gen": 512, "repetitions": 100, "threads": 1},
    "generate": {"prompt": "a", "n_predict": 5000, "n_ctx": 8192, "threads": 1},
    "ladder": {
        "shape": {"n_layer": 16, "n_embd": 512, "n_ff": 2048},
        "byte_types": ["Q2_K", "Q3_K_M", "Q4_K_M"],
        "types": ["Q2_K", "Q3_K_M", "Q4_K_M"],
        "scratch": ".",
        "threads": 1,
    },
    "exhibit": {
        "shape": {"n_layer": 16, "n_embd": 512, "n_ff": 2048},
        "seed": 1,
        "type": "IQ3_S",
        "out": "out.gguf",
    },
}


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("The quick brown fox jumps over the lazy dog. " * 4000)
    return path


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_busy_kind_is_cancelled(
    worker: Worker,
    bare: Callable[..., Lab],
    big_model: Path,
    text: Path,
    kind: str,
    ada: User,
    client: Client,
) -> None:
    request = dict(REQUESTS[kind])
    if kind != "exhibit":
        request["model"] = str(big_model)
    if kind in ("perplexity", "ladder"):
        request["text"] = str(text)
    run = start(bare(f"bare-{kind}", **request), ada)
    broker.hand_over(run.lane)
    child = wait_for_child(run)
    events = stream.name(run.pk, run.attempt)
    wait_until(lambda: bool(stream.so_far(events)[0]), "the kind has begun")

    client.force_login(ada)
    clicked = time.monotonic()
    client.post(f"/runs/{run.pk}/cancel/")
    wait_for(run, State.CANCELLED)
    wait_until(lambda: not os.path.exists(f"/proc/{child}"), "the child is gone")
    assert time.monotonic() - clicked < 2


def test_an_inspection_that_waits_for_its_file_is_cancelled(
    worker: Worker, bare: Callable[..., Lab], tmp_path: Path, ada: User
) -> None:
    # The one kind that is never busy for long is held up by a file that nobody writes.
    slow = tmp_path / "slow.gguf"
    os.mkfifo(slow)
    run = start(bare("bare-inspect", model=str(slow)), ada)
    broker.hand_over(run.lane)
    child = wait_for_child(run)
    clicked = time.monotonic()
    runs.cancel(run, at=timezone.now())
    wait_for(run, State.CANCELLED)
    wait_until(lambda: not os.path.exists(f"/proc/{child}"), "the child is gone")
    assert time.monotonic() - clicked < 2


def test_a_queued_run_is_cancelled_at_once(nap: Lab, ada: User, client: Client) -> None:
    run = start(nap, ada)
    client.force_login(ada)
    client.post(f"/runs/{run.pk}/cancel/")
    run.refresh_from_db()
    assert run.state == State.CANCELLED
    assert runs.claim(run.pk, worker="late", at=timezone.now()) is None


def test_cancelling_twice_and_late_changes_nothing(nap: Lab, ada: User) -> None:
    run = start(nap, ada)
    runs.cancel(run, at=timezone.now())
    run.refresh_from_db()
    finished = run.finished_at
    runs.cancel(run, at=timezone.now())
    run.refresh_from_db()
    assert run.finished_at == finished
