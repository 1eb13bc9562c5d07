"""Numbers that forms, grade and charts all name."""

from labs.kinds.base import Values

NONE = "none"


def scored_tokens(parameters: Values) -> int:
    """llama-perplexity scores the second half of each chunk, all but its first token."""
    return int(parameters["chunks"] * (parameters["n_ctx"] // 2 - 1))


def in_errors(difference: Values) -> str:
    """A paired difference in units of its larger standard error."""
    error = max(difference["stderr"], difference["stderr_by_chunk"])
    return f"{abs(difference['mean']) / error:.1f} standard errors" if error else "nothing"
