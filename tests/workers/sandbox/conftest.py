import pytest

from workers import sandbox


@pytest.fixture(scope="session", autouse=True)
def _sandbox() -> None:
    """Without a sandbox nothing here means anything: that fails, it is never skipped."""
    assert sandbox.why_missing() is None, sandbox.why_missing()
