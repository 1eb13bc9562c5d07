"""The code ladder: exercises that a student writes in NumPy, one folder each.

    <name>/exercise.py   the examples and the checks
    <name>/starter.py    what the student begins with
    <name>/solution.py   a model solution, complete in itself

An exercise's prose is a file of the course. To add one, write the three files, list it here, and
write its prose; `tests/workers/exercises` shows how its checks are tested.
"""

from workers.exercises.attention.exercise import exercise as attention
from workers.exercises.awq.exercise import exercise as awq
from workers.exercises.base import Exercise
from workers.exercises.build_flags.exercise import exercise as build_flags
from workers.exercises.flash_attention.exercise import exercise as flash_attention
from workers.exercises.forward_pass.exercise import exercise as forward_pass
from workers.exercises.ggml_graph.exercise import exercise as ggml_graph
from workers.exercises.gguf_parser.exercise import exercise as gguf_parser
from workers.exercises.gptq.exercise import exercise as gptq
from workers.exercises.gqa.exercise import exercise as gqa
from workers.exercises.int8_decomposition.exercise import exercise as int8_decomposition
from workers.exercises.measure.exercise import exercise as measure
from workers.exercises.quantization.exercise import exercise as quantization
from workers.exercises.rms_norm.exercise import exercise as rms_norm
from workers.exercises.rope.exercise import exercise as rope
from workers.exercises.shapes.exercise import exercise as shapes
from workers.exercises.swiglu.exercise import exercise as swiglu

EXERCISES: dict[str, Exercise] = {
    exercise.key: exercise
    for exercise in (
        attention,
        awq,
        build_flags,
        flash_attention,
        forward_pass,
        ggml_graph,
        gguf_parser,
        gptq,
        gqa,
        int8_decomposition,
        measure,
        quantization,
        rms_norm,
        rope,
        shapes,
        swiglu,
    )
}
