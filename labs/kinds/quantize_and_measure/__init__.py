"""Quantize and measure: predict bytes, loss and what perplexity can tell, then run the ladder."""

from labs.kinds.quantize_and_measure import kind

__all__ = ["kind"]
