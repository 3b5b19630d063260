"""Writes Tests/TensorsTests/Fixtures/numpy.json: what NumPy makes of random indices, assignments, reductions and broadcasts.

    python3 scripts/reference/tensor_fixtures.py > Tests/TensorsTests/Fixtures/numpy.json

Tensors are arange(n) in the index cases, so that every element says where it came from. An index that NumPy refuses is kept,
with null for the result. Needs NumPy only; the seed makes the output the same every time.
"""
import json
import random
import sys

import numpy as np

dice = random.Random(20)


def some_shape(lowest_rank=1, highest_rank=4):
    return [dice.choice([1, 2, 3, 4, 5]) for _ in range(dice.randint(lowest_rank, highest_rank))]


def some_bound(extent):
    return dice.choice([None, None, dice.randint(-extent - 2, extent + 2)])


def some_index(shape):
    """A list of parts as the tests read them, and the tuple that NumPy takes."""
    parts, index, axis = [], [], 0
    wide = dice.choice([[2], [3], [2, 1], [1]])
    may_skip = dice.random() < 0.4
    while axis < len(shape) and dice.random() < 0.85:
        extent, kind = shape[axis], dice.random()
        if may_skip and kind < 0.15:
            parts.append(["ellipsis"])
            index.append(Ellipsis)
            may_skip = False
            axis += dice.randint(0, len(shape) - axis)
            continue
        if kind < 0.25:
            parts.append(["new"])
            index.append(None)
            continue
        if kind < 0.45:
            at = dice.randint(-extent, extent - 1) if dice.random() < 0.97 else extent
            parts.append(["at", at])
            index.append(at)
        elif kind < 0.75:
            bounds = [some_bound(extent), some_bound(extent), dice.choice([None, 1, 2, -1, -2, 3])]
            parts.append(["slice"] + bounds)
            index.append(slice(*bounds))
        elif kind < 0.93:
            own = dice.choice([wide, [1], [wide[-1]]])
            values = np.array([dice.randint(-extent, extent - 1) for _ in range(int(np.prod(own)))]).reshape(own)
            parts.append(["indices", own, values.ravel().tolist()])
            index.append(values)
        else:
            covered = shape[axis:axis + dice.randint(1, 2)]
            mask = np.array([dice.random() < 0.5 for _ in range(int(np.prod(covered)))]).reshape(covered)
            parts.append(["mask", covered, mask.ravel().tolist()])
            index.append(mask)
            axis += len(covered) - 1
        axis += 1
    return parts, tuple(index)


def index_case():
    shape = some_shape()
    parts, index = some_index(shape)
    base = np.arange(int(np.prod(shape))).reshape(shape)
    case = {"shape": shape, "index": parts, "got": None}
    try:
        got = base[index]
    except IndexError:
        return case
    got = np.asarray(got)
    case["got"] = {"shape": list(got.shape), "values": got.ravel().tolist()}
    value_shape = list(got.shape)
    for axis in range(len(value_shape)):
        if dice.random() < 0.3:
            value_shape[axis] = 1
    value_shape = value_shape[dice.randint(0, len(value_shape)):]
    value = -1 - np.arange(int(np.prod(value_shape))).reshape(value_shape)
    changed = base.copy()
    changed[index] = value
    case["value_shape"] = value_shape
    case["changed"] = changed.ravel().tolist()
    return case


def reduction_case(name):
    shape = some_shape()
    values = np.array([dice.randint(-300, 300) / 100 for _ in range(int(np.prod(shape)))]).reshape(shape)
    if dice.random() < 0.15:
        values.flat[dice.randrange(values.size)] = np.nan
    single = name in ("argmax", "cumsum", "sort", "argsort")
    if single:
        axis = dice.choice(list(range(-len(shape), len(shape))))
        axis = None if name in ("argmax", "cumsum") and dice.random() < 0.3 else axis
        axes = None if axis is None else [axis]
    else:
        axes = dice.choice([None, sorted(dice.sample(range(len(shape)), dice.randint(1, len(shape))))])
        axis = None if axes is None else tuple(axes)
    keep = dice.random() < 0.5 and name not in ("cumsum", "sort", "argsort")
    ddof = dice.choice([0, 1]) if name in ("var", "std") else 0
    more = {"keepdims": keep} if name not in ("cumsum", "sort", "argsort") else {}
    if name in ("var", "std"):
        more["ddof"] = ddof
    if name in ("sort", "argsort"):
        more["kind"] = "stable"
    with np.errstate(all="ignore"):
        result = np.asarray(getattr(np, name)(values, axis=axis, **more))
    return {
        "name": name, "shape": shape, "values": plain(values), "axes": axes, "keepdims": keep, "ddof": ddof,
        "got": {"shape": list(result.shape), "values": plain(result)},
    }


def plain(array):
    """Numbers rounded to what fp32 can tell apart; null for NaN, strings for infinities."""
    out = []
    for number in np.asarray(array, dtype=float).ravel().tolist():
        out.append(None if number != number else "inf" if number == np.inf else "-inf" if number == -np.inf else float(f"{number:.9g}"))
    return out


def broadcast_case():
    left, right = some_shape(0, 4), some_shape(0, 4)
    if dice.random() < 0.7:
        right = [dice.choice([1, extent]) for extent in left][dice.randint(0, len(left)):]
    try:
        shape = list(np.broadcast_shapes(tuple(left), tuple(right)))
    except ValueError:
        shape = None
    a, b = np.arange(int(np.prod(left))).reshape(left), 7 * np.arange(int(np.prod(right))).reshape(right)
    return {"left": left, "right": right, "shape": shape, "values": None if shape is None else (a - b).ravel().tolist()}


reductions = ["sum", "mean", "var", "std", "max", "min", "argmax", "cumsum", "sort", "argsort"]
json.dump(
    {
        "index": [index_case() for _ in range(160)],
        "reduction": [reduction_case(name) for name in reductions for _ in range(7)],
        "broadcast": [broadcast_case() for _ in range(40)],
    }, sys.stdout, separators=(",", ":"))
sys.stdout.write("\n")
