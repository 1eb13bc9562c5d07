"""RMSNorm: bring every row of x to a root mean square of 1, then scale each feature."""

import numpy as np


def rms_norm(x: np.ndarray, weight: np.ndarray, eps: float) -> np.ndarray:
    """Normalise x, (n, d) or (d,), over its last axis and multiply by weight, (d,).

    The result has the shape and the dtype of x; whatever x is, the mean is taken in float32 at
    least.
    """
    # The square of 300 is beyond float16, whose largest number is 65504.
    wide = x.astype(np.promote_types(x.dtype, np.float32))
    mean_square = np.mean(wide**2, axis=-1, keepdims=True)  # (n, 1)
    normed = wide / np.sqrt(mean_square + eps) * weight
    return normed.astype(x.dtype)
