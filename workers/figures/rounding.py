"""Arrays as lists of numbers with no more digits than a picture shows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def rounded(values: NDArray[np.floating[Any]], digits: int) -> Any:
    """Nested lists in the shape of the array; never a minus before a zero."""
    # float64 first: a float32 of 0.1 would be written with sixteen digits.
    return (np.round(values.astype(np.float64), digits) + 0.0).tolist()
