"""The law of layers: later wins key by key, tables merge, the rest is replaced, and nobody is forgotten."""

from __future__ import annotations

from functools import reduce
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jobkit.config.layers import NOTHING, Setting, always, layer, merged, overlay
from jobkit.origin import Origin

# Few keys, so that layers often speak of the same; tables may be empty, and meet values.
KEYS = st.sampled_from(["a", "b", "c"])
VALUES = st.integers(0, 9) | st.lists(st.integers(0, 9), max_size=2)
TABLES = st.dictionaries(
    KEYS,
    st.recursive(VALUES, lambda inner: st.dictionaries(KEYS, inner, max_size=3), max_leaves=6),
    max_size=3,
)
LAYERS = st.lists(TABLES, min_size=1, max_size=5)


def trees(tables: list[dict[str, Any]]) -> list[Setting]:
    return [layer("", table, always(Origin(f"layer {number}"))) for number, table in enumerate(tables)]


def laid_over(lower: Any, upper: Any) -> Any:
    """The law, written down once more on plain values."""
    if isinstance(lower, dict) and isinstance(upper, dict):
        common = {key: laid_over(lower[key], value) for key, value in upper.items() if key in lower}
        return {**lower, **upper, **common}
    return upper


@given(LAYERS)
def test_later_layers_win_key_by_key(tables: list[dict[str, Any]]) -> None:
    """Tables merge, everything else is replaced."""
    assert merged(trees(tables)).value == reduce(laid_over, tables)


@given(LAYERS)
def test_provenance_points_to_the_layer_that_spoke_last(tables: list[dict[str, Any]]) -> None:
    """The origin of every value is the last layer that says anything at its path or above it."""
    for path, leaf in merged(trees(tables)).leaves():
        if not path:
            continue
        speaks = [number for number, table in enumerate(tables) if at(table, path) is not None]
        assert leaf.origin.layer == f"layer {speaks[-1]}"
        assert leaf.value == at(tables[speaks[-1]], path)


@given(LAYERS)
def test_the_stack_names_every_layer_that_spoke(tables: list[dict[str, Any]]) -> None:
    """For a top-level key: all layers that have it, lowest first, each with what it said."""
    whole = merged(trees(tables))
    for key, setting in (whole.parts or {}).items():
        said = [(f"layer {number}", table[key]) for number, table in enumerate(tables) if key in table]
        assert [(item.origin.layer, item.value) for item in setting.stack] == said


@given(TABLES, TABLES, TABLES)
def test_laying_over_is_associative(
    first: dict[str, Any], second: dict[str, Any], third: dict[str, Any]
) -> None:
    """Neighbouring layers may be merged first: same values, same origins, same stacks."""
    a, b, c = trees([first, second, third])
    assert overlay(overlay(a, b), c) == overlay(a, overlay(b, c))


@given(TABLES)
def test_nothing_changes_nothing(table: dict[str, Any]) -> None:
    """An empty layer, below or above, leaves every value as it is."""
    (tree,) = trees([table])
    assert overlay(NOTHING, tree).value == table
    assert overlay(tree, layer("", {}, always(Origin("empty")))).value == table


def at(table: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if not isinstance(table, dict) or key not in table:
            return None
        table = table[key]
    return table
