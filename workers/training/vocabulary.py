"""The vocabulary: byte fallback, single characters, and pieces learned by pair merging.

llama.cpp's "llama" tokenizer merges the neighbouring pair whose union has the best score, as long
as that union is in the vocabulary. With score = -rank of the merge that is byte-pair encoding.
Pieces never cross a space, a digit or a mark, so numbers are spelled digit by digit.

add_space_prefix is off: a text's first word has no invisible space before it, just as the first
word of every line has none, and a text is exactly the sum of its pieces.

Sources: Sennrich et al. 2016 (byte-pair encoding); llama.cpp src/llama-vocab.cpp (the merging).
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import gguf
from gguf.constants import TokenType

from workers.training.text import ASSISTANT, END, MARKERS, USER

SPACE = "\u2581"  # how the vocabulary writes a space
UNK, BOS, EOS = 0, 1, 2
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message.role not in ['user', 'assistant'] %}"
    "{{ raise_exception('This model knows the roles user and assistant.') }}{% endif %}"
    "<{{ message.role }}>{{ message.content }}<end>\n"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)
CHUNK = re.compile(rf"{SPACE}?[A-Za-z']+|{SPACE}|[^A-Za-z' {SPACE}]")


@dataclass(frozen=True)
class Vocabulary:
    """Pieces by token id, with the score and type that GGUF stores for each."""

    pieces: tuple[str, ...]
    scores: tuple[float, ...]
    types: tuple[TokenType, ...]

    def describe(self, writer: gguf.GGUFWriter) -> None:
        """Write the vocabulary's metadata."""
        writer.add_tokenizer_model("llama")
        writer.add_token_list(list(self.pieces))
        writer.add_token_scores(list(self.scores))
        writer.add_token_types(list(self.types))
        writer.add_unk_token_id(UNK)
        writer.add_bos_token_id(BOS)
        writer.add_eos_token_id(EOS)
        writer.add_eot_token_id(EOS)
        writer.add_add_bos_token(True)
        writer.add_add_eos_token(False)
        writer.add_add_space_prefix(False)
        writer.add_chat_template(CHAT_TEMPLATE)


def learn(texts: Iterable[str], *, size: int) -> Vocabulary:
    """The vocabulary of `size` pieces that pair merging finds in `texts`."""
    counts = Counter(
        chunk
        for text in texts
        for chunk in CHUNK.findall(MARKERS.sub("", text).replace(" ", SPACE))
        if chunk != "\n"
    )
    characters = sorted({character for chunk in counts for character in chunk})
    control = [
        ("<unk>", TokenType.UNKNOWN),
        ("<s>", TokenType.CONTROL),
        # User-defined pieces are found in any text, so the shipped files hold them as they are.
        (END, TokenType.USER_DEFINED),
        (USER, TokenType.USER_DEFINED),
        (ASSISTANT, TokenType.USER_DEFINED),
    ]
    octets = [(f"<0x{octet:02X}>", TokenType.BYTE) for octet in range(256)]
    n_merges = size - len(control) - len(octets) - len(characters)
    merged = merges(counts, n_merges)
    # A single character needs no merge; it scores below every merged piece.
    normal = [(piece, TokenType.NORMAL) for piece in (*merged, *characters)]
    pieces, types = zip(*control, *octets, *normal, strict=True)
    return Vocabulary(
        pieces=pieces,
        scores=(0.0,) * (len(control) + len(octets))
        + tuple(-float(rank) for rank in range(len(normal))),
        types=types,
    )


def merges(counts: Counter[str], n_merges: int) -> list[str]:
    """The `n_merges` pieces that merging the most frequent pair again and again makes, in order."""
    spelled = {chunk: tuple(chunk) for chunk in counts}
    learned: list[str] = []
    while len(learned) < n_merges:
        pairs: Counter[tuple[str, str]] = Counter()
        for chunk, parts in spelled.items():
            for pair in pairwise(parts):
                pairs[pair] += counts[chunk]
        # Ties go to the pair that sorts first, so that the result is always the same.
        left, right = min(pairs, key=lambda pair: (-pairs[pair], pair))
        if left + right not in learned:
            learned.append(left + right)
        spelled = {chunk: join(parts, left, right) for chunk, parts in spelled.items()}
    return learned


def join(parts: tuple[str, ...], left: str, right: str) -> tuple[str, ...]:
    """`parts` with every neighbouring `left`, `right` made one."""
    if left not in parts:
        return parts
    joined: list[str] = []
    for part in parts:
        if joined and part == right and joined[-1] == left:
            joined[-1] = left + right
        else:
            joined.append(part)
    return tuple(joined)
