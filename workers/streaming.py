"""Tokens to text that can be shown as it comes: whole characters only, and no stop text."""

import codecs
from collections.abc import Iterator
from dataclasses import replace

from workers.events import Token


class TextStream:
    """Gives tokens their text and holds back those that may turn out to begin a stop text.

    The texts of all tokens given out, joined, are the text that was generated.
    """

    def __init__(self, stop: tuple[str, ...]) -> None:
        self.stop = stop
        self.stopped = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held: list[Token] = []

    def add(self, token: Token, piece: bytes) -> Iterator[Token]:
        """Take a token and its bytes; gives out the tokens that are certain now."""
        self._held.append(replace(token, text=self._decoder.decode(piece)))
        text = "".join(held.text for held in self._held)
        found = [position for stop in self.stop if (position := text.find(stop)) >= 0]
        if found:
            self.stopped = True
            self._cut(min(found))
            yield from self._give()
        elif not self._may_begin_stop(text) and not self._decoder.getstate()[0]:
            yield from self._give()

    def close(self) -> Iterator[Token]:
        """The end: gives out what was held back. A broken character shows as "�"."""
        rest = self._decoder.decode(b"", final=True)
        if self._held:
            self._held[-1] = replace(self._held[-1], text=self._held[-1].text + rest)
        yield from self._give()

    def _give(self) -> Iterator[Token]:
        held, self._held = self._held, []
        yield from held

    def _cut(self, length: int) -> None:
        """Keep `length` characters of the text held, the earliest."""
        for index, token in enumerate(self._held):
            self._held[index] = replace(token, text=token.text[:length])
            length -= len(self._held[index].text)

    def _may_begin_stop(self, text: str) -> bool:
        return any(
            text.endswith(stop[:length]) for stop in self.stop for length in range(1, len(stop))
        )
