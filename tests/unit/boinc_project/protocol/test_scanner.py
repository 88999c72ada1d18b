from __future__ import annotations

import pytest

from boinc_project.errors import MalformedRequest
from boinc_project.protocol import scanner


def test_elements_of_one_level_only() -> None:
    text = "<a><b>1</b></a>\n <c/> x <d>2</d>"
    assert list(scanner.elements(text)) == [("a", "<b>1</b>"), ("c", "1"), ("d", "2")]


def test_attributes_are_passed_over() -> None:
    assert list(scanner.elements('<venue name="home">x</venue>')) == [("venue", "x")]


def test_an_unescaped_text_stays_in_its_element() -> None:
    assert list(scanner.elements("<domain_name>a<b & c</domain_name><n>1</n>")) == [
        ("domain_name", "a<b & c"),
        ("n", "1"),
    ]


def test_the_first_of_equal_names_wins() -> None:
    assert scanner.first_elements("<hostid>1</hostid><hostid>2</hostid>") == {"hostid": "1"}


def test_an_unclosed_element_is_named() -> None:
    with pytest.raises(MalformedRequest, match="<hostid> is not closed"):
        list(scanner.elements("<hostid>1"))


def test_free_texts_cannot_pose_as_elements() -> None:
    text = "<r><stderr_out><![CDATA[</stderr_out><hostid>9</hostid>]]>\n</stderr_out></r>"
    rest, texts = scanner.cut_out(text, frozenset({"stderr_out"}))
    assert "hostid" not in rest
    raw = scanner.first_elements(scanner.first_elements(rest)["r"])["stderr_out"]
    assert scanner.taken(raw, texts) == "<![CDATA[</stderr_out><hostid>9</hostid>]]>\n"


def test_a_free_text_without_cdata_end_ends_at_its_tag() -> None:
    text = "<t><![CDATA[a</t><b>1</b><t>c</t>"
    rest, texts = scanner.cut_out(text, frozenset({"t"}))
    assert texts == ["<![CDATA[a", "c"]
    assert scanner.first_elements(rest)["b"] == "1"


@pytest.mark.parametrize("raw", ["1", "\x000", "\x007", ""])
def test_a_forged_mark_takes_nothing(raw: str) -> None:
    # Kills: trusting any number inside an element that was not cut out as an index.
    rest, texts = scanner.cut_out(f"<t >{raw}</t><t>secret</t>", frozenset({"t"}))
    forged = next(inner for _, inner in scanner.elements(rest))
    assert scanner.taken(forged, texts) == ""


def test_an_unclosed_free_text_is_named() -> None:
    with pytest.raises(MalformedRequest, match="<stderr_out> is not closed"):
        scanner.cut_out("<stderr_out>abc", frozenset({"stderr_out"}))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("a &lt;b&gt; &amp;amp; &quot;c&quot; &apos;", 'a <b> &amp; "c" \''),
        ("caf&#195;&#169;", "café"),
        ("caf\xc3\xa9", "café"),
        ("\xff", "�"),
        ("&#300; &unknown; &#x41;", "&#300; &unknown; &#x41;"),
    ],
)
def test_unescape(raw: str, text: str) -> None:
    assert scanner.unescape(raw) == text


def test_plain_is_one_storable_line() -> None:
    assert scanner.plain(" a\x00b\n&#7;c ", limit=4) == "ab c"


@pytest.mark.parametrize("raw", ["", "1.0", "0x10", "1_0", "٣", "1e3", "9" * 19, "--1"])
def test_integers_are_strict(raw: str) -> None:
    with pytest.raises(MalformedRequest, match="<n> must be a whole number"):
        scanner.integer(raw, "n")


@pytest.mark.parametrize("raw", ["", "nan", "inf", "1e999", "-nan", "1_0", "0x1p3", "1" * 401])
def test_decimals_are_finite(raw: str) -> None:
    with pytest.raises(MalformedRequest, match="<f> must be a finite number"):
        scanner.decimal(raw, "f")
    assert scanner.decimal_or(raw, 2.5) == 2.5


@pytest.mark.parametrize(("raw", "value"), [("1", True), ("0", False), ("", False), (None, False)])
def test_flags(raw: str | None, value: bool) -> None:
    assert scanner.flag(raw) is value


@pytest.mark.parametrize(
    "text",
    [
        "<a>" * 300_000,
        "<" * 1_000_000,
        "<a " * 300_000,
        "<![CDATA[</t>" * 5,
        "<t><![CDATA[</t>" * 60_000,
        "&lt" * 300_000,
    ],
    ids=["unclosed", "brackets", "attributes", "sections", "unended sections", "entities"],
)
def test_hostile_texts_take_linear_time(text: str) -> None:
    # A quadratic scan of a megabyte would run into the test's time limit.
    try:
        rest, _ = scanner.cut_out(text, frozenset({"t"}))
        list(scanner.elements(rest))
    except MalformedRequest:
        pass
    scanner.unescape(text)
