"""Points for predictions: the rules that several kinds of labs share. All are pure."""

import math

from labs.kinds.base import Part


def exact(question: str, predicted: float | str, measured: float | str, *, comment: str) -> Part:
    """One point for the very value; `comment` explains the measured one."""
    right = predicted == measured
    return Part(question, shown(predicted), shown(measured), float(right), 1.0, comment)


def within(
    question: str,
    predicted: float,
    measured: float,
    *,
    full: float,
    half: float,
    unit: str = "",
    points: float = 1.0,
) -> Part:
    """All points within the relative error `full`, half of them within `half`."""
    error = abs(predicted - measured) / abs(measured) if measured else math.inf
    share = 1.0 if error <= full else 0.5 if error <= half else 0.0
    comment = "Exact." if error == 0 else f"{_off(error, predicted, measured)}."
    return Part(
        question, shown(predicted, unit), shown(measured, unit), share * points, points, comment
    )


def _off(error: float, predicted: float, measured: float) -> str:
    """A relative error in words: "0.42 % off", "54 % off", "12 times too much"."""
    if error > 1:
        return f"{times(predicted / measured)} times too much" if measured else "not near"
    return f"{100 * error:.0f} % off" if error >= 0.1 else f"{100 * error:.2g} % off"


def times(factor: float) -> str:
    """A factor with as many digits as it is worth: 3.4, 12, 7,400."""
    return f"{factor:.1f}" if factor < 10 else f"{factor:,.0f}"


def within_factor(
    question: str, predicted: float, measured: float, *, factor: float, points: float = 1.0
) -> Part:
    """All points when neither is more than `factor` times the other."""
    if predicted <= 0 or measured <= 0:
        return Part(question, f"{predicted:.1e}", f"{measured:.1e}", 0.0, points, "Not positive.")
    off = max(predicted / measured, measured / predicted)
    near = off <= factor
    comment = f"Within a factor of {factor:g}." if near else f"Off by a factor of {times(off)}."
    return Part(
        question,
        f"{predicted:.1e}",
        f"{measured:.1e}",
        points if near else 0.0,
        points,
        comment,
    )


def yes_or_no(
    question: str, predicted: bool, measured: bool, *, comment: str, points: float = 1.0
) -> Part:
    words = {True: "yes", False: "no"}
    right = predicted is measured
    return Part(
        question, words[predicted], words[measured], points if right else 0.0, points, comment
    )


def shown(value: float | str, unit: str = "") -> str:
    """A value as a page shows it: whole numbers with separators, others with four digits."""
    if isinstance(value, str):
        return value
    number = f"{round(value):,}" if value == round(value) else f"{value:.4g}"
    return f"{number} {unit}".rstrip()
