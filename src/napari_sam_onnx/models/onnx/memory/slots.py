"""Change a graph whose memory has one length: slots may be empty, and twice as many.

Such a graph attends to seven planes and sixteen pointers, and cannot be told that there are fewer.
Attention is a softmax, so what does not exist is left out exactly by a large negative number that
is added before it. More than seven planes are attended to by a second set of slots: what makes keys
and values of the memory is there twice, and the two are put one behind the other.

What depends on the memory alone (keys and values) is told from what depends on the plane too
(queries, weights) by following the graph; no name in it is relied on. A graph whose memory goes
another way than through such an attention is refused.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

EMPTY = "memory_is_empty"
"""The input that is added: one number for each row of the memory, 0 or `NOTHING`."""

NOTHING = -30000.0  # within half precision; its exponential is 0 beside any logit that occurs
SECOND = "second_"
"""What the names of the second set's inputs begin with."""

_OPSET = 15  # the first that has CastLike
_PASSING = ("Mul", "Div", "Cast", "Identity", "Dropout")


class NoAttentionError(ValueError):
    """The memory goes another way through the graph than this module knows."""


def open_slots(
    model: Any, memory: Sequence[str], plane: Collection[str], length: int, sets: int
) -> bytes:
    """Let slots of a memory be empty.

    Parameters
    ----------
    model : onnx.ModelProto
        Is changed.
    memory : sequence of str
        Inputs that hold the memory, (length, 1, c) each.
    plane : collection of str
        Inputs that hold the plane.
    length : int
    sets : int
        1, or 2: twice as many slots, in inputs whose names begin with `SECOND`.

    Returns
    -------
    bytes
        Takes `EMPTY`, (sets · length,) float32, too.

    Raises
    ------
    NoAttentionError
        If the graph attends to its memory in no way that is known.
    """
    from onnx import TensorProto, helper

    graph = model.graph
    opset = max((e.version for e in model.opset_import if e.domain in ("", "ai.onnx")), default=0)
    if opset < _OPSET:
        raise NoAttentionError(f"its opset is {opset}, not {_OPSET} or later")
    known = _follow(graph.node, memory)
    also = _follow(graph.node, plane)
    alone = [node for node in graph.node if known.issuperset(node.output) and _apart(node, also)]
    made = {name for node in alone for name in node.output} | set(memory)
    meetings, softmaxes = _find_attention(graph, made)
    after: dict[str, list[Any]] = defaultdict(list)  # by a node's first output
    before: dict[str, list[Any]] = defaultdict(list)
    if sets == 2:
        for node in alone:
            after[_key(node)].append(_copy(node, made))
        for number, (node, is_key) in enumerate(meetings):
            both = f"{node.input[1]}__both_{number}"
            before[_key(node)].append(
                helper.make_node(
                    "Concat",
                    [node.input[1], f"{SECOND}{node.input[1]}"],
                    [both],
                    axis=-1 if is_key else -2,
                )
            )
            node.input[1] = both
        for value in [value for value in graph.input if value.name in memory]:
            graph.input.add().CopyFrom(value)
            graph.input[-1].name = SECOND + value.name
    graph.input.append(helper.make_tensor_value_info(EMPTY, TensorProto.FLOAT, [sets * length]))
    for number, node in enumerate(softmaxes):
        names = [f"{EMPTY}__{part}_{number}" for part in ("like", "added")]
        before[_key(node)] += [
            helper.make_node("CastLike", [EMPTY, node.input[0]], [names[0]]),
            helper.make_node("Add", [node.input[0], names[0]], [names[1]]),
        ]
        node.input[0] = names[1]
    nodes = []
    for node in graph.node:
        nodes += [*before[_key(node)], node, *after[_key(node)]]
    kept = [_clone(node) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)
    del graph.value_info[:]  # sides along the memory are others now
    return bytes(model.SerializeToString())


def _follow(nodes: Sequence[Any], names: Collection[str]) -> set[str]:
    """Find all tensors whose values depend on some; shapes do not count."""
    reached = set(names)
    for node in nodes:
        if node.op_type not in ("Shape", "Size") and reached.intersection(node.input):
            reached.update(node.output)
    return reached


def _apart(node: Any, reached: set[str]) -> bool:
    return reached.isdisjoint(node.input)


def _find_attention(graph: Any, made: set[str]) -> tuple[list[tuple[Any, bool]], list[Any]]:
    """Find where keys and values meet the plane, and the softmax between the two.

    Returns
    -------
    meetings : list of (node, bool)
        Products, and whether it is with the keys.
    softmaxes : list of nodes
    """
    if made.intersection(value.name for value in graph.output):
        raise NoAttentionError("an output is made of the memory alone")
    takers: dict[str, list[Any]] = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            takers[name].append(node)
    meetings = [
        node
        for node in graph.node
        if made.intersection(node.input) and not made.issuperset(node.output)
    ]
    keys: list[Any] = []
    softmaxes: list[Any] = []
    weighing: set[str] = set()
    for node in meetings:
        if node.op_type != "MatMul" or node.input[1] not in made or node.input[0] in made:
            raise NoAttentionError(f"the memory goes into {node.op_type} beside the plane")
        if _key(node) in weighing:
            continue
        softmax = _pass(node, takers, "Softmax")
        axis = next((part.i for part in softmax.attribute if part.name == "axis"), -1)
        product = _pass(softmax, takers, "MatMul")
        if axis != -1 or product.input[1] not in made:
            raise NoAttentionError("what follows the keys is no attention")
        keys.append(node)
        softmaxes.append(softmax)
        weighing.add(_key(product))
    if not keys or len(weighing) != len(keys) or len(meetings) != 2 * len(keys):
        raise NoAttentionError("keys and values do not come in pairs")
    return [(node, _key(node) not in weighing) for node in meetings], softmaxes


def _pass(node: Any, takers: dict[str, list[Any]], wanted: str) -> Any:
    """Go on to the next node of a kind, past what changes no row."""
    for following in _walk(node, takers):
        if following.op_type == wanted:
            return following
        if following.op_type not in _PASSING:
            break
    raise NoAttentionError(f"no {wanted} follows {node.op_type}")


def _walk(node: Any, takers: dict[str, list[Any]]) -> Iterator[Any]:
    """Follow the first output of a node as long as one node alone takes it."""
    while True:
        following = takers[node.output[0]]
        if len(following) != 1:
            return
        node = following[0]
        yield node


def _key(node: Any) -> str:
    return str(node.output[0])


def _copy(node: Any, made: set[str]) -> Any:
    """Copy a node for the second set."""
    twin = _clone(node)
    if twin.name:
        twin.name = SECOND + twin.name
    twin.input[:] = [SECOND + name if name in made else name for name in node.input]
    twin.output[:] = [SECOND + name for name in node.output]
    return twin


def _clone(node: Any) -> Any:
    from onnx import NodeProto

    twin = NodeProto()
    twin.CopyFrom(node)
    return twin
