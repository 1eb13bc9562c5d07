"""GGUF exploration: say what an unopened file holds, to the byte, then read it."""

import random
from typing import Any

from django import forms
from pydantic import Field

from labs.charts import Chart, axis, bars, named_axis
from labs.kinds import shapes
from labs.kinds.base import Grade, LabForm, LabKind, Parameters, Values, Work, register
from labs.kinds.fields import BytesField
from labs.kinds.grading import exact
from labs.kinds.shapes import Shapes
from workers import random_model
from workers.limits import Limits
from workers.random_model import Shape

SHAPES = Shapes(
    n_layer=(2, 3, 4, 6),
    n_embd=(256, 512),
    n_ff=(512, 768, 1024),
    n_head_kv=(1, 2, 4),
    n_vocab=(512, 1024),
)
TENSORS = ("attn_q", "attn_k", "ffn_gate", "ffn_up", "attn_norm")
SHOWN_TENSORS = 60


class ExplorationParameters(Parameters):
    """`types` is the pool of file types, one of which is drawn."""

    types: tuple[str, ...] = Field(min_length=1)


class Prediction(LabForm):
    """The header's count, one tensor's entry and bytes, and where the data begin."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name = self.drawn["tensor"]
        self.fields["n_tensors"] = forms.IntegerField(
            label="How many tensors does the header count?", min_value=0, max_value=1_000_000
        )
        self.fields["info"] = BytesField(label=f"Bytes of the tensor info of {name}")
        self.fields["data_offset"] = BytesField(label="The byte at which the tensor data begin")
        self.fields["tensor"] = BytesField(label=f"Bytes of the data of {name}")


@register
class GGUFExploration(LabKind):
    name = "gguf_exploration"
    title = "GGUF exploration"
    engine = "exhibit"
    lane = "quick"
    limits = Limits(seconds=60, memory_mib=1024)
    parameters = ExplorationParameters
    prediction_form = Prediction

    def draw(self, parameters: Values, rng: random.Random) -> dict[str, Any]:
        shape = SHAPES.draw(rng)
        seed = rng.getrandbits(31)
        head = random_model.head_when_quantized(Shape(**shape), seed=seed)
        layer = rng.randrange(shape["n_layer"])
        return {
            "shape": shape,
            "seed": seed,
            "type": rng.choice(parameters["types"]),
            "tensor": f"blk.{layer}.{rng.choice(TENSORS)}.weight",
            "metadata": head.metadata,
            "tensor_infos": head.tensor_infos,
        }

    def facts(self, parameters: Values, drawn: Values) -> list[tuple[str, str]]:
        return [
            *shapes.facts(drawn["shape"]),
            ("File type", drawn["type"]),
            ("Your tensor", drawn["tensor"]),
            ("Metadata", f"{drawn['metadata']:,} bytes"),
            ("All tensor infos", f"{drawn['tensor_infos']:,} bytes"),
            ("Alignment", "32"),
        ]

    def request(self, work: Work) -> dict[str, Any]:
        return {
            "shape": dict(work.drawn["shape"]),
            "seed": work.drawn["seed"],
            "type": work.drawn["type"],
            "out": "model.gguf",
        }

    def grade(self, work: Work, result: Values) -> Grade:
        said = work.prediction
        name = work.drawn["tensor"]
        tensor = next(entry for entry in result["tensors"] if entry["name"] == name)
        dimensions = len(tensor["shape"])
        before = result["data_offset"] - result["padding_bytes"]
        parts = (
            exact(
                "Tensors",
                said["n_tensors"],
                result["n_tensors"],
                comment="Nine a layer and three around them.",
            ),
            exact(
                f"Tensor info of {name}",
                said["info"],
                8 + len(name) + 4 + 8 * dimensions + 4 + 8,
                comment=(
                    f"8 + {len(name)} for the name, 4 + 8 x {dimensions} for the shape, "
                    "4 for the type, 8 for the offset."
                ),
            ),
            exact(
                "Start of the data",
                said["data_offset"],
                result["data_offset"],
                comment=f"{before:,} bytes before, and {result['padding_bytes']} of padding.",
            ),
            exact(
                f"Bytes of {name}",
                said["tensor"],
                tensor["bytes"],
                comment=f"{tensor['elements']:,} weights as {tensor['type']}.",
            ),
        )
        return Grade(parts, pass_mark=1.0)

    def charts(self, work: Work, result: Values) -> list[Chart]:
        return [_account(result), _types(result), _tensors(result), _metadata(result)]


def _account(result: Values) -> Chart:
    parts = [
        ("header", result["header_bytes"]),
        ("metadata", result["metadata_bytes"]),
        ("tensor infos", result["tensor_info_bytes"]),
        ("padding", result["padding_bytes"]),
        ("tensor data", result["padded_tensor_bytes"]),
    ]
    return Chart(
        key="account",
        title="Every byte of the file",
        caption=(
            f"{result['file_bytes']:,} bytes in the file, {result['expected_bytes']:,} accounted "
            "for. The scale is logarithmic."
        ),
        traces=[bars("Bytes", [name for name, _ in parts], [size or None for _, size in parts])],
        columns=["Part", "Bytes"],
        rows=[[name, f"{size:,}"] for name, size in parts],
        layout={"xaxis": named_axis("Part"), "yaxis": axis("Bytes", log=True)},
    )


def _types(result: Values) -> Chart:
    types = result["types"]
    return Chart(
        key="types",
        title="Bytes by tensor type",
        caption=f"{result['bits_per_weight']:.3f} bits per weight over all tensors.",
        traces=[
            bars("Bytes", [total["type"] for total in types], [total["bytes"] for total in types])
        ],
        columns=["Type", "Tensors", "Weights", "Bytes", "Bits per weight"],
        rows=[
            [
                total["type"],
                total["tensors"],
                f"{total['elements']:,}",
                f"{total['bytes']:,}",
                f"{8 * total['bytes'] / total['elements']:.4g}",
            ]
            for total in types
        ],
        layout={"xaxis": named_axis("Type"), "yaxis": axis("Bytes")},
    )


def _tensors(result: Values) -> Chart:
    tensors = result["tensors"][:SHOWN_TENSORS]
    return Chart(
        key="tensors",
        title="The tensors",
        caption="Shapes have the row length first. Offsets count from the start of the data.",
        traces=[],
        columns=["Tensor", "Shape", "Type", "Offset", "Bytes"],
        rows=[
            [
                tensor["name"],
                " x ".join(str(n) for n in tensor["shape"]),
                tensor["type"],
                f"{tensor['offset']:,}",
                f"{tensor['bytes']:,}",
            ]
            for tensor in tensors
        ],
    )


def _metadata(result: Values) -> Chart:
    return Chart(
        key="metadata",
        title="The metadata",
        caption="Of a list, the first elements.",
        traces=[],
        columns=["Key", "Type", "Value"],
        rows=[
            [entry["key"], entry["type"], _value(entry["value"], entry["count"])]
            for entry in result["metadata"]
        ],
    )


def _value(value: Any, count: int | None) -> str:
    if count is None:
        return str(value)
    first = ", ".join(repr(item) for item in value[:6])
    return f"{count:,} elements: {first}{', …' if count > 6 else ''}"
