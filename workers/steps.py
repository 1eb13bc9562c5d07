"""Work, which yields events and returns its result: done to the end, or several as one."""

from collections.abc import Generator
from typing import TypeVar

from workers.events import Event, Log, Phase, Point, Progress

Result = TypeVar("Result")


def finish(work: Generator[Event, None, Result]) -> Result:
    """Do it to the end, past its events; its result."""
    try:
        while True:
            next(work)
    except StopIteration as end:
        result: Result = end.value
        return result


class Steps:
    """Counts the steps done of the whole, and shows of the parts what matters: points and log."""

    def __init__(self, total: int) -> None:
        self.done = 0
        self.total = total

    def run(
        self, name: str, work: Generator[Event, None, Result]
    ) -> Generator[Event, None, Result]:
        """Do one step, shown as one phase."""
        yield Phase(name)
        yield Progress(self.done, self.total, "steps")
        try:
            while True:
                event = next(work)
                if isinstance(event, Point | Log):
                    yield event
        except StopIteration as end:
            self.done += 1
            result: Result = end.value
            return result
        finally:
            work.close()
