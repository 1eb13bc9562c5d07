"""R14, a ggml graph: the student describes it, and the installed ggml is asked about it.

Strides, products, the order of nodes and the results of graphs are all ggml's own, by way of
workers/ggml_graph.py.
"""

from pathlib import Path
from typing import Any

import numpy as np

from workers import forward, ggml_graph
from workers.exercises import oracle
from workers.exercises.base import Answer, Array, Example, Exercise, Failure, Student, failure
from workers.exercises.ggml_graph.starter import BLOCKS
from workers.exercises.showing import describe, show, shown_call
from workers.ggml_graph import GraphError, Node
from workers.sandbox import Fault, Reply

exercise = Exercise(
    key="exercise-ggml-graph",
    folder=Path(__file__).parent,
    examples=(
        Example("nb", ("F16", [4096, 32, 1, 1]), [2, 8192, 262144, 262144]),
        Example("mul_mat_ne", ([2, 4, 1, 1], [2, 3, 1, 1]), [4, 3, 1, 1]),
        # The product of ggml's examples/simple.
        Example(
            "mul_mat",
            (
                np.array([[2.0, 8.0], [5.0, 1.0], [4.0, 2.0], [8.0, 6.0]]),
                np.array([[10.0, 5.0], [9.0, 9.0], [5.0, 4.0]]),
            ),
            np.array(
                [[60.0, 55.0, 50.0, 110.0], [90.0, 54.0, 54.0, 126.0], [42.0, 29.0, 28.0, 64.0]]
            ),
        ),
        Example(
            "execution_order",
            (
                [
                    ("out", "silu", ["half"]),
                    ("unused", "add", ["x", "half"]),
                    ("half", "scale", ["x", 0.5]),
                ],
                "out",
            ),
            ["half", "out"],
        ),
    ),
)

# ggml works in float32; over 512 terms that is off by about 1e-6 of the largest value, and what
# the checks call mistakes by more than 1e-2 of it.
PRECISION = 2e-5


def _called(student: Student, function: str, *arguments: Any) -> Answer:
    """The answer to arguments that ggml takes, named with them: they are short enough to read."""
    shown = shown_call(function, arguments)
    try:
        answer = student.call(function, *arguments)
    except Failure as found:
        if isinstance(found.__cause__, Fault) and found.__cause__.kind == "ValueError":
            found.message = f"{shown} is possible in ggml. {found.message}"
            found.hint = (
                "Put these numbers into your conditions by hand: which one refuses them, and why?"
            )
        raise
    return Answer(shown, answer.reply)


@exercise.check(
    "Strides as ggml sets them",
    points=2,
    hint=(
        "nb[0] is the bytes of one block, nb[1] those of a row in whole blocks, and each further "
        "stride is the one before times the dimension it steps over."
    ),
)
def strides(student: Student, rng: np.random.Generator) -> None:
    for type_name in [str(name) for name in rng.permutation(list(BLOCKS))[:4]] + ["Q4_0"]:
        block, size = BLOCKS[type_name]
        ne = [int(rng.integers(2, 9)) * 256, *(int(n) for n in rng.permutation(range(2, 9))[:3])]
        right = ggml_graph.strides(type_name, ne)
        elementwise = [size, size * ne[0], size * ne[0] * ne[1], size * ne[0] * ne[1] * ne[2]]
        start = [size * ne[0] // block, right[2], right[3], right[3] * ne[3]]
        _called(student, "nb", type_name, ne).equals(
            right,
            mistakes={
                "You count a block for every weight. A row has ne[0] divided by the weights of a "
                "block.": elementwise,
                "Your first stride is already that of a row. nb[0] is the step from one block to "
                "the next.": start,
                "The order is ggml's: nb[0] belongs to the fastest dimension and is the smallest, "
                "where NumPy puts it last.": right[::-1],
            },
        )


@exercise.check(
    "The shape of a product",
    points=1,
    hint="Every row of A meets every row of B, and the rows of A count fastest in the result.",
)
def product_shape(student: Student, rng: np.random.Generator) -> None:
    for _ in range(3):
        k, m, n, share = (int(value) for value in rng.permutation(range(2, 40))[:4])
        a = [k, m, int(rng.integers(2, 5)), int(rng.integers(1, 3))]
        b = [k, n, a[2] * share, a[3] * 3]
        _called(student, "mul_mat_ne", a, b).equals(
            [m, n, b[2], b[3]],
            mistakes={
                "The two are exchanged: ne[0] of the result counts the rows of A.": [
                    n,
                    m,
                    b[2],
                    b[3],
                ],
                "A is what is repeated, so the result has as many batches as B.": [
                    m,
                    n,
                    a[2],
                    a[3],
                ],
                "That is the rule for NumPy's `@`. ggml contracts ne[0] with ne[0].": [
                    k,
                    n,
                    b[2],
                    b[3],
                ],
            },
        )


@exercise.check(
    "What ggml refuses",
    points=1,
    hint="Compare before you compute, and raise ValueError. In ggml these are assertions.",
)
def refused(student: Student, rng: np.random.Generator) -> None:
    k, m, n, g = (int(value) for value in rng.permutation(range(3, 20))[:4])
    cases: list[tuple[str, list[Any], str]] = [
        ("mul_mat_ne", [[k, m, 1, 1], [k + 1, n, 1, 1]], "ne[0] of the two operands differ"),
        ("mul_mat_ne", [[k, m, 1, 1], [m, k, 1, 1]], "ne[0] of the two operands differ"),
        (
            "mul_mat_ne",
            [[k, m, 2 * g, 1], [k, n, g, 1]],
            "A has more batches than B; only A is repeated, never B",
        ),
        (
            "mul_mat_ne",
            [[k, m, 1, g], [k, n, 1, 2 * g + 1]],
            "ne[3] of B is no multiple of ne[3] of A",
        ),
        ("nb", ["Q8_0", [32 * g + 16, m, 1, 1]], "ne[0] is not a whole number of blocks"),
        ("nb", ["Q4_K", [256 * g + 32, m, 1, 1]], "ne[0] is not a whole number of blocks"),
    ]
    for function, arguments, reason in cases:
        _refuses(student, function, arguments, reason)


def _refuses(student: Student, function: str, arguments: list[Any], reason: str) -> None:
    try:
        answer = student.attempt(function, *arguments)
    except Fault as fault:
        if fault.kind != "ValueError":
            raise failure(fault, function) from fault
    else:
        answer.fail(
            f"{shown_call(function, tuple(arguments))} should raise ValueError: {reason}.",
            expected="ValueError",
            got=show(answer.value),
        )


@exercise.check(
    "Products as ggml computes them",
    points=2,
    hint="Rows of B meet rows of A: the result is B times the transpose of A.",
)
def products(student: Student, rng: np.random.Generator) -> None:
    m = oracle.model()
    layer = int(rng.integers(m.n_layer))
    rows = np.sort(rng.permutation(m.n_ff)[:96])
    weight = np.array(m.tensors[f"blk.{layer}.ffn_up.weight"][rows])  # (96, d)
    x = m.tensors["token_embd.weight"][oracle.draw_tokens(rng, 7)]  # (7, d)
    exact = _product(weight, x)
    student.call("mul_mat", weight, x).close_to(exact, atol=PRECISION * float(np.abs(exact).max()))
    g, share = int(rng.integers(2, 4)), int(rng.integers(2, 4))
    a = rng.standard_normal((g, 5, 24)).astype(np.float32)
    b = rng.standard_normal((g * share, 4, 24)).astype(np.float32)
    exact = _product(a, b)
    student.call("mul_mat", a, b).close_to(
        exact,
        atol=PRECISION * float(np.abs(exact).max()),
        along="batch",
        mistakes={
            "You deal A's batches out in turn, 0 1 0 1. Neighbours share in ggml: 0 0 1 1.": (
                b @ np.tile(a, (share, 1, 1)).transpose(0, 2, 1)
            )
        },
    )


def _product(a: Array, b: Array) -> Array:
    return ggml_graph.compute([Node("c", "mul_mat", ("a", "b"))], {"a": a, "b": b})


@exercise.check(
    "Only what the result needs, in order",
    points=2,
    hint=(
        "Start at the result and go back to what it reads; a node may stand in the list as soon "
        "as all that it reads stands there."
    ),
)
def collected(student: Student, rng: np.random.Generator) -> None:
    nodes, wanted = _draw_graph(rng)
    inputs = {name: np.ones((2, 3), np.float32) for name in ("x", "w")}
    needed = ggml_graph.order(nodes, inputs, wanted)
    shuffled = [
        (nodes[i].name, nodes[i].op, list(nodes[i].operands)) for i in rng.permutation(len(nodes))
    ]
    answer = student.call("execution_order", shuffled, wanted)
    names = answer.value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        answer.fail(
            f"execution_order returned {describe(names)}, not a list of names.",
            expected="a list of str",
            got=show(names),
        )
    _judge_order(answer, list(names), nodes, needed)


def _judge_order(answer: Answer, names: list[str], nodes: list[Node], needed: list[str]) -> None:
    """Any order in which everything comes after what it reads is right; ggml's is one."""
    message, hint = _fault_of_order(names, {node.name: node.sources for node in nodes}, needed)
    if message:
        answer.fail(
            message,
            expected=f"for example ggml's: {', '.join(needed)}",
            got=", ".join(names),
            hint=hint,
        )


def _fault_of_order(
    names: list[str], sources: dict[str, tuple[str, ...]], needed: list[str]
) -> tuple[str, str]:
    """What is wrong first, and a hint to it; empty where nothing is."""
    for place, name in enumerate(names):
        before = names[:place]
        if name not in sources:
            return (
                f"{name} is in the list, and no node has that name.",
                "Inputs have their data already; only nodes are computed.",
            )
        if name not in needed:
            return (
                f"{name} is in the list, but the result does not need it.",
                "Describing a node computes nothing: what no result reads is never run.",
            )
        if name in before:
            return (
                f"{name} is in the list twice.",
                "A result that two nodes read is computed once. Remember what you have seen.",
            )
        for source in sources[name]:
            if source in sources and source not in before:
                return f"{name} comes before {source}, which it reads.", ""
    missing = [name for name in needed if name not in names]
    return (f"{missing[0]} is missing, and the result needs it." if missing else ""), ""


def _draw_graph(rng: np.random.Generator) -> tuple[list[Node], str]:
    """Some twenty nodes on inputs of one shape; the result leaves some of them out.

    The spine is a chain in which every node reads the one before directly and by way of another,
    as a residual does, so a walk that forgets where it has been takes each turn again.
    """
    labels = [f"t{number}" for number in rng.permutation(40)]
    nodes, spine = [], ["x"]
    for _ in range(int(rng.integers(5, 8))):
        side, join = labels.pop(), labels.pop()
        nodes.append(Node(side, "silu", (spine[-1],)))
        nodes.append(Node(join, str(rng.choice(["add", "mul"])), (side, spine[-1])))
        spine.append(join)
    for _ in range(4):  # built and never needed, though they read what is
        place = int(rng.integers(1, len(spine)))
        nodes.append(Node(labels.pop(), "add", (spine[place], nodes[-1].name)))
    out = labels.pop()
    nodes.append(Node(out, "scale", (spine[-2], 0.5)))  # the last turn of the chain is not needed
    result = Node(labels.pop(), "mul", ("w", out))
    return [*nodes, result], result.name


@exercise.check(
    "A feed-forward network",
    points=2,
    hint="Work on paper first: one line for each operation, and the ne of its result beside it.",
)
def feed_forward(student: Student, rng: np.random.Generator) -> None:
    d, n_ff, n = (int(value) for value in rng.permutation([24, 32, 40, 48, 56])[:3])
    eps = float(rng.choice([1e-2, 3e-2]))  # large, so that a fixed one shows
    x, norm = _normal(rng, n, d), (1 + _normal(rng, d) / 4).astype(np.float32)
    gate, up, down = _normal(rng, n_ff, d), _normal(rng, n_ff, d), _normal(rng, d, n_ff)
    inputs: dict[str, Any] = {"x": x / 4, "norm": norm, "gate": gate, "up": up, "down": down}
    exact = _ffn(inputs, eps)
    swapped = _ffn({**inputs, "gate": up, "up": gate}, eps)
    answer = student.call("build_ffn", eps)
    _judge_graph(
        answer,
        inputs,
        exact,
        mistakes={
            "SiLU is on the wrong branch: it acts on what gate gives, not on what up gives.": (
                swapped
            ),
            "The residual is missing: x is added at the end.": exact - inputs["x"],
            "The gain is missing: multiply the normed x by norm.": _ffn(
                {**inputs, "norm": np.ones_like(norm)}, eps
            ),
            "Your eps is fixed. Take the one from the arguments.": _ffn(inputs, 1e-5),
            "The residual carries the normed x. It is x itself that goes around.": (
                exact - inputs["x"] + forward.rms_norm(inputs["x"], norm, eps)
            ),
        },
    )


def _normal(rng: np.random.Generator, *shape: int) -> Array:
    """Standard normal float32, divided by the root of its last dimension where it is a matrix."""
    wide = len(shape) > 1
    drawn = rng.standard_normal(shape) / np.sqrt(shape[-1] if wide else 1)
    return np.asarray(drawn, dtype=np.float32)


def _ffn(inputs: dict[str, Any], eps: float) -> Array:
    """x + down(silu(gate(y)) * up(y)) with y = RMSNorm(x): GLU Variants, equation 5, in float64."""
    x, norm, gate, up, down = (
        inputs[name].astype(np.float64) for name in ("x", "norm", "gate", "up", "down")
    )
    y = x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps) * norm
    gated = y @ gate.T
    return np.asarray(x + (gated / (1 + np.exp(-gated)) * (y @ up.T)) @ down.T)


@exercise.check(
    "Attention",
    points=2,
    hint=(
        "Two products: k with q gives the scores, and the second has to sum over keys, so in both "
        "of its operands the keys must lie along ne[0]."
    ),
)
def attention(student: Student, rng: np.random.Generator) -> None:
    head_dim, n = int(rng.choice([8, 16, 32])), int(rng.integers(5, 8))
    h_kv, share = 2, int(rng.integers(2, 4))
    inputs = {
        "q": 2 * rng.standard_normal((h_kv * share, n, head_dim)).astype(np.float32),
        "k": rng.standard_normal((h_kv, n, head_dim)).astype(np.float32),
        "v": rng.standard_normal((h_kv, n, head_dim)).astype(np.float32),
        "mask": _mask(n),
    }
    scale = 1 / np.sqrt(head_dim)
    answer = student.call("build_attention", head_dim)
    _judge_graph(
        answer,
        inputs,
        _attention(inputs, scale),
        along="head",
        mistakes={
            "The scores are not scaled: divide them by the root of head_dim.": _attention(
                inputs, 1.0
            ),
            "You scale by 1 / head_dim. It is the root.": _attention(inputs, 1 / head_dim),
            "Nothing is masked: add mask to the scaled scores, before soft_max.": _attention(
                {**inputs, "mask": np.zeros((n, n), np.float32)}, scale
            ),
        },
    )


def _mask(n: int) -> Array:
    """0 where a query may look, minus infinity at the keys after it."""
    return np.where(np.triu(np.ones((n, n), dtype=bool), k=1), -np.inf, 0).astype(np.float32)


def _attention(inputs: dict[str, Any], scale: float) -> Array:
    """Softmax of the scaled and masked scores, times the values, in float64; (h, n, head_dim)."""
    q, k, v = (inputs[name].astype(np.float64) for name in ("q", "k", "v"))
    share = len(q) // len(k)
    keys, values = np.repeat(k, share, axis=0), np.repeat(v, share, axis=0)
    weights = np.exp(q @ keys.transpose(0, 2, 1) * scale + inputs["mask"])
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True) @ values)


@exercise.check(
    "Inside the model",
    points=1,
    hint="If both graphs pass above: do they take eps and head_dim from the arguments?",
)
def whole(student: Student, rng: np.random.Generator) -> None:
    """ggml computes the student's two graphs in every block of the teaching model."""
    m, tokens = oracle.model(), oracle.draw_tokens(rng)
    ffn, attend = student.call("build_ffn", m.epsilon), student.call("build_attention", m.head_dim)
    frequency, positions = forward.frequencies(m), np.arange(len(tokens))
    mask = _mask(len(tokens))
    x: Any = m.tensors["token_embd.weight"][tokens]  # (n, d)
    for layer in range(m.n_layer):
        weight = {
            name: m.tensors[f"blk.{layer}.{name}.weight"]
            for name in ("attn_norm", "attn_q", "attn_k", "attn_v", "attn_output")
        }
        normed = forward.rms_norm(x, weight["attn_norm"], m.epsilon)  # (n, d)
        q = forward.in_heads(normed @ weight["attn_q"].T, m.n_head)  # (h, n, head_dim)
        k = forward.in_heads(normed @ weight["attn_k"].T, m.n_head_kv)  # (h_kv, n, head_dim)
        turned = {
            "q": forward.rotate(q, positions, frequency),
            "k": forward.rotate(k, positions, frequency),
            "v": forward.in_heads(normed @ weight["attn_v"].T, m.n_head_kv),
            "mask": mask,
        }
        mixed = _computed(attend, turned).array(q.shape)
        x = x + mixed.transpose(1, 0, 2).reshape(x.shape) @ weight["attn_output"].T
        ffn_inputs = {
            name: m.tensors[f"blk.{layer}.ffn_{name}.weight"]
            for name in ("norm", "gate", "up", "down")
        }
        x = _computed(ffn, {"x": x, **ffn_inputs}).array(x.shape)
    normed = forward.rms_norm(x, m.tensors["output_norm.weight"], m.epsilon)
    oracle.judge_logits(normed @ m.tensors["output.weight"].T, oracle.logits(tokens))


def _computed(answer: Answer, inputs: dict[str, Any]) -> Answer:
    """What ggml makes of the graph that a student's function returned, to be judged like it."""
    try:
        result = ggml_graph.compute(ggml_graph.read(answer.value), inputs)
    except GraphError as error:
        raise Failure(f"{answer.function}: {error}", line=answer.reply.line) from error
    return Answer(f"{answer.function}'s graph", Reply(result, answer.reply.line))


def _judge_graph(
    answer: Answer,
    inputs: dict[str, Any],
    exact: Array,
    *,
    mistakes: dict[str, Any],
    along: str = "token",
) -> None:
    """Let ggml compute the described graph, and hold the result against the exact one."""
    _computed(answer, inputs).close_to(
        exact, atol=PRECISION * float(np.abs(exact).max()), mistakes=mistakes, along=along
    )
