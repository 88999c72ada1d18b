from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from boinc_project.toml_lines import key_lines

TEXT = '''\
# [not] a = header
top = 1
"quoted.key" = 2
many = [  # a comment with ] in it
  "a = [", # still inside
  { b = 1 },
]
text = """
[inside]
key = 1
"""
literal = \'\'\'
[[no]]
\'\'\'   # behind

[one.two]   # a table
a.b.c = 1
[[list]]
x = 1
[list.sub]
y = 2
[[list]]
  x = 3
[[list.deep]]
z = 1
[[list.deep]]
z = 2
'''


def test_lines_of_every_kind_of_key() -> None:
    assert key_lines(TEXT) == {
        ("top",): 2,
        ("quoted.key",): 3,
        ("many",): 4,
        ("text",): 8,
        ("literal",): 12,
        ("one", "two"): 16,
        ("one", "two", "a"): 17,
        ("one", "two", "a", "b"): 17,
        ("one", "two", "a", "b", "c"): 17,
        ("list",): 18,
        ("list", 0): 18,
        ("list", 0, "x"): 19,
        ("list", 0, "sub"): 20,
        ("list", 0, "sub", "y"): 21,
        ("list", 1): 22,
        ("list", 1, "x"): 23,
        ("list", 1, "deep"): 24,
        ("list", 1, "deep", 0): 24,
        ("list", 1, "deep", 0, "z"): 25,
        ("list", 1, "deep", 1): 26,
        ("list", 1, "deep", 1, "z"): 27,
    }


VALUES = st.sampled_from(
    ["1", '"a # = ["', "'[x] = \"'", '"""two\nlines = ["""', "[\n1, # ]\n2]", "{ a = 1, b = '=' }"]
)


@given(st.lists(st.tuples(st.integers(0, 3), VALUES), max_size=12))
def test_every_key_is_found_where_it_was_written(items: list[tuple[int, str]]) -> None:
    text, expected = "", {}
    for number, (blank, value) in enumerate(items):
        text += "\n" * blank + ("# comment = [\n" if blank == 2 else "")
        expected[(f"k{number}",)] = text.count("\n") + 1
        text += f"k{number} = {value}\n"
    parsed: dict[str, Any] = tomllib.loads(text)
    assert len(parsed) == len(expected)
    assert key_lines(text) == expected


def test_windows_line_ends() -> None:
    assert key_lines("a = 1\r\n[t]\r\nb = 2\r\n") == {("a",): 1, ("t",): 2, ("t", "b"): 3}
