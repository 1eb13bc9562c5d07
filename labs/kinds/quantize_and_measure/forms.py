"""What is asked before the run, and what is asked of its measurements."""

import itertools
from typing import Any

from django import forms

from labs.kinds.base import LabForm
from labs.kinds.fields import BytesField, NumberField, YesNoField
from labs.kinds.quantize_and_measure.words import NONE, scored_tokens


class Prediction(LabForm):
    """Three sizes, three losses, and for each pair whether perplexity tells it apart."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        byte_types, types = self.drawn["byte_types"], self.drawn["types"]
        for i, name in enumerate(byte_types):
            self.fields[f"bytes_{i}"] = BytesField(label=f"File size as {name}, in bytes")
        for i, name in enumerate(types):
            self.fields[f"kl_{i}"] = NumberField(label=f"Mean KL divergence of {name}, in nats")
        for i, (first, second) in enumerate(itertools.combinations(types, 2)):
            self.fields[f"apart_{i}"] = YesNoField(label=f"{first} and {second}")
        self.groups = (
            (
                "Bytes of the drawn shape",
                "The whole file, for the random model of the shape on this page.",
                tuple(f"bytes_{i}" for i in range(len(byte_types))),
            ),
            (
                "Loss of the teaching model",
                "Against the F32 original. The order counts, and each size within a factor of 3.",
                tuple(f"kl_{i}" for i in range(len(types))),
            ),
            (
                f"Can perplexity on {scored_tokens(self.parameters):,} tokens tell them apart?",
                "Yes, if ln(perplexity) differs by more than three paired standard errors.",
                tuple(f"apart_{i}" for i in range(len(types))),
            ),
        )


class Conclusion(LabForm):
    """What perplexity told apart, and which file to ship under a budget of loss."""

    notes = forms.CharField(
        label="What surprised you?",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Kept with the run, for you. It is not graded.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        types = self.drawn["types"]
        self.fields["ship"] = forms.ChoiceField(
            label=(
                "The smallest file whose mean KL divergence is at most "
                f"{self.drawn['budget']:.0e} nats is"
            ),
            choices=[*((name, name) for name in types), (NONE, "none of the three")],
            widget=forms.RadioSelect,
        )
        self.fields["told"] = forms.ChoiceField(
            label="Perplexity, on these tokens, told apart",
            choices=[("all", "all three pairs"), ("some", "some of the pairs"), (NONE, "no pair")],
            widget=forms.RadioSelect,
        )
        self.order_fields(["told", "ship", "notes"])
