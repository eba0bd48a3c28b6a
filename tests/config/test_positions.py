"""The scanner of keys agrees with the reader, or is not believed."""

from __future__ import annotations

import string
import tomllib
from typing import Any

import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from jobkit.config.positions import Position, Scan, positions_of

SAMPLE = '''\
first = 1979-05-27 07:32:00Z   # a date with a blank

[ project . "name with.dot" ]
a.b . c = """
[not a header]
x = 1 \\"""
"""
d = \'\'\'it's "fine"\'\'\'
list = [ "a", # comment ]
  { x = 1, y.z = [1, 2] },
  [ 3,
    4.5e3 ], ]
[[jobs]]
n = 1
[[jobs]]
n = 2
[jobs.sub]
"esc\\u0061ped" = true
'''


def test_every_kind_of_key_is_found() -> None:
    """Headers, dotted and quoted keys, inline tables, lists over lines, arrays of tables."""
    data = tomllib.loads(SAMPLE)
    found = positions_of(SAMPLE, data)
    project = ("project", "name with.dot")
    assert found["first",] == Position(1, 1)
    assert found[project] == Position(3, 1)
    assert found[*project, "a", "b", "c"] == Position(4, 1)
    assert found[*project, "d"] == Position(8, 1)
    assert found[*project, "list", 0] == Position(9, 10)
    assert found[*project, "list", 1, "x"] == Position(10, 5)
    assert found[*project, "list", 1, "y", "z", 1] == Position(10, 22)
    assert found[*project, "list", 2, 1] == Position(12, 5)
    assert found["jobs", 0, "n"] == Position(14, 1)
    assert found["jobs", 1] == Position(15, 1)
    assert found["jobs", 1, "sub", "escaped"] == Position(18, 1)


def test_a_scanner_that_disagrees_is_not_believed() -> None:
    """If it found other keys than the reader did, no place is given at all."""
    assert positions_of("a = 1\nb = 2\n", {"a": 1}) == {}
    assert positions_of("a = 1\n", {"a": 1, "b": 2}) == {}
    assert positions_of("a = = 1\n", {"a": 1}) == {}


def test_a_text_without_end_is_scanned_in_one_pass() -> None:
    """A megabyte of quotes, brackets or dots takes no more time than a megabyte of anything else."""
    for text in ('x = """' + "a\\\\" * 300_000, "x = '''" + "''" * 300_000, '"' * 500_000, "a.b\n" * 200_000):
        assert not Scan(text).complete


NAMES = st.text(string.ascii_letters + "_-.é \"'\\", min_size=1, max_size=6)
SCALARS = (
    st.integers(-999, 999)
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20)
    | st.datetimes()
    | st.dates()
)
DOCUMENTS = st.dictionaries(
    NAMES,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
        max_leaves=12,
    ),
    max_size=5,
)


@given(DOCUMENTS, st.booleans())
def test_the_scanner_agrees_with_the_reader(document: dict[str, Any], multiline: bool) -> None:
    """For whatever a writer writes, each key is found on the line where it stands."""
    text = tomli_w.dumps(document, multiline_strings=multiline)
    data = tomllib.loads(text)
    found = positions_of(text, data)
    lines = text.split("\n")
    assert not data or found
    for path, place in found.items():
        rest = lines[place.line - 1][place.column - 1 :]
        assert rest
        if isinstance(path[-1], str):
            key = path[-1]
            assert rest.startswith("[") or key in rest or tomli_w.dumps({key: 0}).split(" = ")[0] in rest


@given(st.text(st.sampled_from("ab.=[]{}\"'#\n, \\1"), max_size=40))
def test_whatever_the_reader_accepts_the_scanner_places_or_leaves(text: str) -> None:
    """On random text it never raises anything, and never has places that the reader's keys have not."""
    scan = Scan(text)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert scan.complete
    assert positions_of(text, data).keys() == scan.positions.keys()
