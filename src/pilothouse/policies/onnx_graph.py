"""From a traced function to an ONNX graph, for the operations that feed-forward policies are made of.

The function is traced with a leading axis of unknown length ("batch"), so that the graph takes any number of rows. What
does not depend on the inputs is computed here and stored. An operation without a counterpart below (a loop, a sort, a
draw) is refused by name.

**Source:** the ONNX operator set 18, and what JAX documents of its primitives.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.errors import MissingExtraError, PolicyError
from pilothouse.policies.draws import CALLS

OPSET = 18
BATCH = "batch"
ONE = {"tanh": "Tanh", "exp": "Exp", "log": "Log", "neg": "Neg", "abs": "Abs", "sqrt": "Sqrt", "logistic": "Sigmoid",
       "sin": "Sin", "cos": "Cos", "tan": "Tan", "floor": "Floor", "ceil": "Ceil", "sign": "Sign", "erf": "Erf",
       "not": "Not", "sinh": "Sinh", "cosh": "Cosh", "atan": "Atan", "stop_gradient": "Identity", "copy": "Identity",
       "copy_p": "Identity", "reduce_precision": "Identity", "optimization_barrier": "Identity"}  # fmt: skip
TWO = {"add": "Add", "add_any": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "max": "Max", "min": "Min",
       "pow": "Pow", "eq": "Equal", "lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual",
       "and": "And", "or": "Or", "xor": "Xor"}  # fmt: skip
REDUCE = {"reduce_sum": "ReduceSum", "reduce_max": "ReduceMax", "reduce_min": "ReduceMin", "reduce_prod": "ReduceProd"}

FOLDED: dict[str, Callable[..., np.ndarray]] = {
    "add": lambda _, a, b: np.asarray(a + b),
    "sub": lambda _, a, b: np.asarray(a - b),
    "mul": lambda _, a, b: np.asarray(a * b),
    "lt": lambda _, a, b: np.asarray(a < b),
    "eq": lambda _, a, b: np.asarray(a == b),
    "select_n": lambda _, which, *cases: np.choose(which.astype(int), cases),
    "convert_element_type": lambda _, a: a,
    "reshape": lambda params, a: a.reshape(params["new_sizes"]),
    "squeeze": lambda params, a: a.squeeze(tuple(params["dimensions"])),
    "transpose": lambda params, a: a.transpose(params["permutation"]),
    "iota": lambda params: _iota(params["shape"], params["dimension"]),
    "broadcast_in_dim": lambda params, a: _placed(a, params["shape"], params["broadcast_dimensions"]),
}
"""What is computed here where nothing depends on the inputs; JAX would compile a program for each."""

Outputs = dict[str, Any]


def onnx_graph(function: Callable[..., Outputs], inputs: dict[str, jax.ShapeDtypeStruct], name: str) -> Any:
    """The ONNX model of `function(**inputs) -> {name: array}`, all with a leading axis of rows.

    `inputs` are the shapes and dtypes of one row. Raises `PolicyError` for an operation that ONNX has no counterpart of
    here, `MissingExtraError` without onnx.
    """
    try:
        import onnx
    except ModuleNotFoundError as missing:
        raise MissingExtraError("Exporting to ONNX", "onnx") from missing
    (rows,) = jax.export.symbolic_shape(BATCH)
    wide = {key: jax.ShapeDtypeStruct((rows, *one.shape), one.dtype) for key, one in inputs.items()}
    shapes: Outputs = {}

    def flat(given: dict[str, Any]) -> tuple[Any, ...]:
        found = function(**given)
        shapes.update(found)
        return tuple(found.values())

    closed = jax.jit(flat).trace(wide).jaxpr
    graph = _Graph(onnx)
    results = graph.run(closed.jaxpr, closed.consts, [graph.input(key, wide[key]) for key in sorted(wide)])
    outputs = []
    for key, var, result in zip(shapes, closed.jaxpr.outvars, results, strict=True):
        graph.nodes.append(onnx.helper.make_node("Identity", [graph.name_of(result, var.aval)], [key]))
        outputs.append(graph.described(key, var.aval))
    made = onnx.helper.make_graph(graph.nodes, name, graph.inputs, outputs, graph.stored)
    model = onnx.helper.make_model(
        made, producer_name="pilothouse", opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=9
    )
    onnx.checker.check_model(model)
    return model


class _Made(str):
    """The name of a value that the graph computes; anything else is a constant."""


class _Graph:
    def __init__(self, onnx: Any):
        self.onnx, self.nodes, self.inputs, self.stored = onnx, [], [], []
        self.count, self.rows = 0, ""

    def input(self, key: str, given: Any) -> _Made:
        self.inputs.append(self.described(key, given))
        if not self.rows:
            shape = self.node("Shape", [_Made(key)])
            self.rows = self.node("Slice", [shape, *(self.constant(np.array([n], np.int64)) for n in (0, 1))])
        return _Made(key)

    def described(self, key: str, given: Any) -> Any:
        shape = [int(n) if _known(n) else BATCH for n in given.shape]
        return self.onnx.helper.make_tensor_value_info(key, self.type_of(given.dtype), shape)

    def type_of(self, dtype: Any) -> int:
        return self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))

    def constant(self, value: Any) -> _Made:
        array, name = np.asarray(value), self.fresh("stored")
        self.stored.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
        return name

    def fresh(self, stem: str) -> _Made:
        self.count += 1
        return _Made(f"{stem}_{self.count}")

    def node(self, kind: str, inputs: Sequence[str], outputs: int = 1, **attributes: Any) -> Any:
        names = [self.fresh(kind.lower()) for _ in range(outputs)]
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def name_of(self, value: Any, aval: Any) -> _Made:
        return value if isinstance(value, _Made) else self.constant(np.asarray(value, aval.dtype))

    def shape(self, dims: Sequence[Any]) -> _Made:
        """A shape as a tensor; the unknown length is read from the input."""
        if all(_known(n) for n in dims):
            return self.constant(np.array([int(n) for n in dims], np.int64))
        parts = [self.constant(np.array([int(n)], np.int64)) if _known(n) else self.rows for n in dims]
        return self.node("Concat", parts, axis=0)

    def run(self, jaxpr: Any, consts: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
        """What the outputs of a jaxpr are: names, or constants."""
        known: dict[Any, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
        known.update(zip(jaxpr.invars, inputs, strict=True))

        def value(atom: Any) -> Any:
            return atom.val if hasattr(atom, "val") else known[atom]

        for equation in _needed(jaxpr):
            given = [value(atom) for atom in equation.invars]
            for var, found in zip(equation.outvars, self.equation(equation, given), strict=True):
                known[var] = found
        return [value(atom) for atom in jaxpr.outvars]

    def equation(self, equation: Any, given: list[Any]) -> list[Any]:
        kind, params = equation.primitive.name, equation.params
        still = not any(isinstance(value, _Made) for value in given)
        if still and all(_known(n) for var in equation.outvars for n in var.aval.shape):
            if kind in FOLDED:
                return [
                    FOLDED[kind](params, *(np.asarray(value) for value in given)).astype(equation.outvars[0].aval.dtype)
                ]
            found = equation.primitive.bind(*(jnp.asarray(value) for value in given), **params)
            return list(found) if equation.primitive.multiple_results else [found]
        if kind in CALLS:
            inner = params[CALLS[kind]]
            return self.run(inner.jaxpr, inner.consts, given) if hasattr(inner, "jaxpr") else self.run(inner, [], given)
        avals = [atom.aval for atom in equation.invars]
        names = [self.name_of(value, aval) for value, aval in zip(given, avals, strict=True)]
        out = equation.outvars[0].aval
        if kind == "split":
            return self._split(names, params)
        return [self.one(kind, names, given, avals, out, params)]

    def one(self, kind: str, names: list[Any], given: list[Any], avals: list[Any], out: Any, params: Any) -> Any:
        if kind in ONE:
            return self.node(ONE[kind], names[:1])
        if kind in TWO and not (kind in ("and", "or", "xor") and out.dtype != bool):
            return self.node(TWO[kind], names)
        if kind in REDUCE:
            axes = self.constant(np.array([int(a) for a in params["axes"]], np.int64))
            return self.node(REDUCE[kind], [names[0], axes], keepdims=0)
        handler = getattr(self, f"_{kind}", None)
        if handler is None:
            raise _refused(kind)
        return handler(names, given, avals, out, params)

    def cast(self, name: str, dtype: Any) -> Any:
        return self.node("Cast", [name], to=self.type_of(dtype))

    def reshaped(self, name: str, dims: Sequence[Any]) -> Any:
        """Reshape, the unknown length found by itself."""
        unknown = sum(not _known(n) for n in dims)
        if unknown > 1:
            raise _refused("reshape with two unknown lengths")
        return self.node(
            "Reshape", [name, self.constant(np.array([int(n) if _known(n) else -1 for n in dims], np.int64))]
        )

    def _ne(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        return self.node("Not", [self.node("Equal", names)])

    def _rsqrt(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        return self.node("Reciprocal", [self.node("Sqrt", names)])

    def _square(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        return self.node("Mul", [names[0], names[0]])

    def _log1p(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        return self.node("Log", [self.node("Add", [names[0], self.constant(np.ones((), out.dtype))])])

    def _expm1(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        # 2 sinh(x / 2) exp(x / 2) keeps the digits that exp(x) - 1 loses near 0.
        half = self.node("Mul", [names[0], self.constant(np.asarray(0.5, out.dtype))])
        product = self.node("Mul", [self.node("Sinh", [half]), self.node("Exp", [half])])
        return self.node("Mul", [product, self.constant(np.asarray(2.0, out.dtype))])

    def _erfc(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        return self.node("Sub", [self.constant(np.ones((), out.dtype)), self.node("Erf", names)])

    def _integer_pow(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        return self.node("Pow", [names[0], self.constant(np.asarray(params["y"], out.dtype))])

    def _rem(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        return self.node("Mod", names, fmod=1)

    def _is_finite(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        return self.node("Not", [self.node("Or", [self.node("IsInf", names), self.node("IsNaN", names)])])

    def _clamp(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        low, x, high = names
        return self.node("Max", [self.node("Min", [x, high]), low])

    def _select_n(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        which, *cases = names
        if avals[0].dtype == bool:
            return self.node("Where", [which, cases[1], cases[0]])
        chosen = cases[-1]
        for i, case in enumerate(cases[:-1]):
            chosen = self.node(
                "Where", [self.node("Equal", [which, self.constant(np.asarray(i, avals[0].dtype))]), case, chosen]
            )
        return chosen

    def _convert_element_type(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        return self.cast(names[0], out.dtype)

    def _reshape(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        return self.reshaped(names[0], out.shape)

    _squeeze = _expand_dims = _reshape

    def _transpose(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        return self.node("Transpose", names, perm=[int(a) for a in params["permutation"]])

    def _broadcast_in_dim(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        dims: list[Any] = [1] * len(out.shape)
        for axis, length in zip(params["broadcast_dimensions"], avals[0].shape, strict=True):
            dims[int(axis)] = length
        placed = self.reshaped(names[0], dims) if list(dims) != list(avals[0].shape) else names[0]
        same = all(str(a) == str(b) for a, b in zip(dims, out.shape, strict=True))
        return placed if same else self.node("Expand", [placed, self.shape(out.shape)])

    def _concatenate(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        return self.node("Concat", names, axis=int(params["dimension"]))

    def _stack(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        axis = int(params["axis"])
        wide = [self.node("Unsqueeze", [name, self.constant(np.array([axis], np.int64))]) for name in names]
        return self.node("Concat", wide, axis=axis)

    def _split(self, names: list[Any], params: Any) -> list[Any]:
        sizes = self.constant(np.array([int(n) for n in params["sizes"]], np.int64))
        found = self.node("Split", [names[0], sizes], outputs=len(params["sizes"]), axis=int(params["axis"]))
        return found if isinstance(found, list) else [found]

    def _slice(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        strides = params["strides"] or (1,) * len(out.shape)
        cuts = []
        for axis, (low, high, step) in enumerate(
            zip(params["start_indices"], params["limit_indices"], strides, strict=True)
        ):
            if not (low == 0 and step == 1 and str(high) == str(avals[0].shape[axis])):
                cuts.append((int(low), int(high), axis, int(step)))
        if not cuts:
            return names[0]
        return self.node(
            "Slice", [names[0], *(self.constant(np.array(part, np.int64)) for part in zip(*cuts, strict=True))]
        )

    def _dynamic_slice(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        if any(isinstance(start, _Made) for start in given[1:]):
            raise _refused("dynamic_slice")
        cuts = []
        for axis, (start, size) in enumerate(zip(given[1:], params["slice_sizes"], strict=True)):
            length = avals[0].shape[axis]
            if str(size) != str(length):
                low = min(max(int(start), 0), int(length) - int(size))
                cuts.append((low, low + int(size), axis, 1))
        if not cuts:
            return names[0]
        return self.node(
            "Slice", [names[0], *(self.constant(np.array(part, np.int64)) for part in zip(*cuts, strict=True))]
        )

    def _gather(self, names: list[Any], given: list[Any], avals: Any, out: Any, params: Any) -> Any:
        """Entries along one axis, at places that are known; the others whole."""
        numbers, sizes = params["dimension_numbers"], params["slice_sizes"]
        axes = [int(a) for a in numbers.start_index_map]
        whole = all(i in axes or str(n) == str(avals[0].shape[i]) for i, n in enumerate(sizes))
        simple = (
            len(axes) == 1
            and list(map(int, numbers.collapsed_slice_dims)) == axes
            and not numbers.operand_batching_dims
        )
        if isinstance(given[1], _Made) or not simple or not whole or len(avals[1].shape) > 2:
            raise _refused("gather")
        (axis,), length = axes, int(avals[0].shape[axes[0]])
        places = np.clip(np.asarray(given[1])[..., 0].astype(np.int64), 0, length - 1)
        taken = self.node("Gather", [names[0], self.constant(places)], axis=axis)
        if not places.ndim:
            return taken
        (at,) = [i for i in range(len(out.shape)) if i not in numbers.offset_dims]
        order = [i for i in range(len(out.shape)) if i != axis]
        order.insert(at, axis)
        return taken if at == axis else self.node("Transpose", [taken], perm=order)

    def _rev(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        axes = [int(a) for a in params["dimensions"]]
        parts = ([-1] * len(axes), [np.iinfo(np.int64).min] * len(axes), axes, [-1] * len(axes))
        return self.node("Slice", [names[0], *(self.constant(np.array(part, np.int64)) for part in parts)])

    def _pad(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        config = params["padding_config"]
        if any(inner or low < 0 or high < 0 for low, high, inner in config):
            raise _refused("pad between entries")
        pads = [int(low) for low, _, _ in config] + [int(high) for _, high, _ in config]
        return self.node("Pad", [names[0], self.constant(np.array(pads, np.int64)), names[1]])

    def _argmax(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any, kind: str = "ArgMax") -> Any:
        (axis,) = params["axes"]
        return self.cast(self.node(kind, [names[0]], axis=int(axis), keepdims=0), out.dtype)

    def _argmin(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        return self._argmax(names, given, avals, out, params, "ArgMin")

    def _reduce_and(
        self, names: list[Any], given: Any, avals: Any, out: Any, params: Any, kind: str = "ReduceMin"
    ) -> Any:
        axes = self.constant(np.array([int(a) for a in params["axes"]], np.int64))
        return self.cast(self.node(kind, [self.cast(names[0], np.int32), axes], keepdims=0), bool)

    def _reduce_or(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        return self._reduce_and(names, given, avals, out, params, "ReduceMax")

    def _cumsum(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        axis = self.constant(np.asarray(int(params["axis"]), np.int64))
        return self.node("CumSum", [names[0], axis], reverse=int(params["reverse"]))

    def _dot_general(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        """Any contraction, as ONNX's Einsum: batch axes first, then what is left of the one and of the other."""
        (left, right), (left_batch, right_batch) = params["dimension_numbers"]
        letters = iter("abcdefghijklmnopqrstuvwxyz")
        one, other = [""] * len(avals[0].shape), [""] * len(avals[1].shape)
        for a, b in (*zip(left_batch, right_batch, strict=True), *zip(left, right, strict=True)):
            one[int(a)] = other[int(b)] = next(letters)
        one, other = ([each or next(letters) for each in side] for side in (one, other))
        batch = [one[int(a)] for a in left_batch]
        rest = [c for i, c in enumerate(one) if i not in (*left, *left_batch)]
        rest += [c for i, c in enumerate(other) if i not in (*right, *right_batch)]
        return self.node("Einsum", names, equation=f"{''.join(one)},{''.join(other)}->{''.join(batch + rest)}")

    def _conv_general_dilated(self, names: list[Any], given: Any, avals: Any, out: Any, params: Any) -> Any:
        numbers = params["dimension_numbers"]
        if params["batch_group_count"] != 1 or any(n != 1 for n in params["lhs_dilation"]):
            raise _refused("conv_general_dilated with groups of the batch or holes in the input")
        picture = self.node("Transpose", [names[0]], perm=list(numbers.lhs_spec))
        kernel = self.node("Transpose", [names[1]], perm=list(numbers.rhs_spec))
        pads = [int(low) for low, _ in params["padding"]] + [int(high) for _, high in params["padding"]]
        found = self.node(
            "Conv", [picture, kernel], pads=pads, strides=list(params["window_strides"]),
            dilations=list(params["rhs_dilation"]), group=int(params["feature_group_count"]),
        )  # fmt: skip
        return self.node("Transpose", [found], perm=[int(a) for a in np.argsort(numbers.out_spec)])


def _iota(shape: Sequence[Any], dimension: Any) -> np.ndarray:
    line = np.arange(shape[dimension]).reshape([-1 if i == dimension else 1 for i in range(len(shape))])
    return np.broadcast_to(line, shape)


def _placed(array: np.ndarray, shape: Sequence[Any], dimensions: Sequence[Any]) -> np.ndarray:
    dims = [1] * len(shape)
    for axis, length in zip(dimensions, array.shape, strict=True):
        dims[int(axis)] = length
    return np.broadcast_to(array.reshape(dims), shape)


def _known(length: Any) -> bool:
    return isinstance(length, int | np.integer)


def _refused(kind: str) -> PolicyError:
    return PolicyError(
        f"The policy computes {kind!r}, which is not written as ONNX here. Export it with --to stablehlo or safetensors."
    )


def _needed(jaxpr: Any) -> list[Any]:
    """The equations that the outputs depend on, in order."""
    wanted = {var for var in jaxpr.outvars if not hasattr(var, "val")}
    kept = []
    for equation in reversed(jaxpr.eqns):
        if any(var in wanted for var in equation.outvars):
            kept.append(equation)
            wanted |= {var for var in equation.invars if not hasattr(var, "val")}
    return kept[::-1]
