"""The kind `exhibit`: a quantized model that nobody has opened before, made and inspected."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

from workers import inspection, quantize, random_model
from workers.errors import BadRequestError
from workers.events import Event, Phase
from workers.inspection import Inspect, Inspection
from workers.quantize import Quantize
from workers.random_model import Shape
from workers.requests import from_json


@dataclass(frozen=True, kw_only=True)
class MakeExhibit:
    """Make a random model of this shape and seed, quantize it to `type`, write it to `out`."""

    shape: Shape
    seed: int
    type: str
    out: str

    def __post_init__(self) -> None:
        if isinstance(self.shape, Mapping):  # a request from JSON
            object.__setattr__(self, "shape", from_json(Shape, dict(self.shape)))
        quantize.check_file_type(self.type)
        if not 0 <= self.seed < 2**32:
            raise BadRequestError(f"seed must lie between 0 and 4294967295, not {self.seed}.")


def exhibit(request: MakeExhibit) -> Generator[Event, None, Inspection]:
    """Make the file, which stays at `out`, and account for all its bytes."""
    source = Path(request.out).with_suffix(".f32.gguf")
    yield Phase("Making a model of this shape")
    random_model.write(source, request.shape, seed=request.seed)
    try:
        yield from quantize.quantize(
            Quantize(model=str(source), type=request.type, out=request.out)
        )
    finally:
        source.unlink()
    return (yield from inspection.inspect(Inspect(model=request.out)))
