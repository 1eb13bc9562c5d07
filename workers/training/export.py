"""GGUF files: the vocabulary alone, and a whole F32 model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import llama_cpp
import numpy as np
from numpy.typing import NDArray

from workers.training.vocabulary import Vocabulary

# Our names of a layer's parts -> llama.cpp's.
PARTS = {
    "attn.q": "attn_q",
    "attn.k": "attn_k",
    "attn.v": "attn_v",
    "attn.output": "attn_output",
} | {f"ffn.{part}": f"ffn_{part}" for part in ("gate", "up", "down")}


def tensor_name(name: str) -> str:
    """llama.cpp's name for a weight of ours: "blk.0.attn.q.weight" -> "blk.0.attn_q.weight"."""
    for ours, theirs in PARTS.items():
        name = name.replace(ours, theirs)
    return name


def write_vocabulary(path: Path, vocabulary: Vocabulary) -> None:
    """A GGUF file with a vocabulary and no tensors, enough to tokenise with."""
    writer = gguf.GGUFWriter(path, "llama")
    vocabulary.describe(writer)
    finish(writer)


def write_model(
    path: Path,
    *,
    name: str,
    shape: Any,
    vocabulary: Vocabulary,
    weights: Mapping[str, NDArray[np.float32]],
) -> None:
    """The model as F32 GGUF. `shape` is a network.Shape, `weights` its arrays by our names."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(name)
    writer.add_description("A teaching model of the Inference Campus, trained on made-up text.")
    writer.add_license("MIT")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(shape.n_vocab)
    writer.add_context_length(shape.n_ctx)
    writer.add_embedding_length(shape.n_embd)
    writer.add_block_count(shape.n_layer)
    writer.add_feed_forward_length(shape.n_ff)
    writer.add_head_count(shape.n_head)
    writer.add_head_count_kv(shape.n_head_kv)
    writer.add_layer_norm_rms_eps(shape.rms_eps)
    writer.add_rope_dimension_count(shape.head_size)
    writer.add_rope_freq_base(shape.rope_base)
    vocabulary.describe(writer)
    for ours, array in weights.items():
        writer.add_tensor(tensor_name(ours), np.ascontiguousarray(array, dtype=np.float32))
    finish(writer)


def finish(writer: gguf.GGUFWriter) -> None:
    """Write everything the writer was told to its file."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class Tokenizer:
    """llama.cpp's own tokenizer for a GGUF file."""

    def __init__(self, path: Path) -> None:
        self.llama = llama_cpp.Llama(str(path), vocab_only=True, verbose=False)

    def tokens(self, text: str) -> NDArray[np.uint16]:
        """The token ids of `text`, without BOS: (n_tokens,)."""
        ids = self.llama.tokenize(text.encode(), add_bos=False, special=False)
        return np.array(ids, dtype=np.uint16)
