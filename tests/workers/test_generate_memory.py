"""Too little memory is told as that, whether llama.cpp reports it or gives up."""

from pathlib import Path

import pytest

from workers.child import Ending, started
from workers.limits import Limits
from workers.llama_log import LlamaLog


@pytest.mark.parametrize("n_ctx", [200_000, 1_000_000])
def test_a_context_beyond_the_memory_limit_is_told_as_such(
    model: Path, tmp_path: Path, n_ctx: int
) -> None:
    request = {"model": str(model), "prompt": "The fox", "n_ctx": n_ctx, "threads": 1}
    limits = Limits(seconds=60, memory_mib=160)
    with started("generate", request, limits, tmp_path) as child:
        while not isinstance(said := child.read(timeout=60), Ending):
            assert said is not None
    assert said.reason == "out_of_memory"


def test_a_failed_assertion_names_its_cause_on_the_last_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = LlamaLog()
    log.last_words(b"/some/where/vendor/llama.cpp/ggml.c:12: GGML_ASSERT(x) failed")
    log.callback(4, b"ggml_aligned_malloc: insufficient memory (attempted ", None)
    log.callback(5, b"to allocate 19 MB)\n", None)
    log.last_words(b"/some/where/vendor/llama.cpp/ggml.c:12: GGML_ASSERT(y) failed")
    assert capsys.readouterr().err.splitlines() == [
        "llama.cpp gave up: ggml.c:12: GGML_ASSERT(x) failed",
        "ggml_aligned_malloc: insufficient memory (attempted to allocate 19 MB)",
        "llama.cpp failed to allocate memory: ggml.c:12: GGML_ASSERT(y) failed",
    ]
