"""The published key-point and pair files."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vdg.errors import InputError
from vdg.keypoints.annotations import check_names, read_keypoints, read_pairs, write_keypoints

HEADER = "name:keypoints_y:keypoints_x"
ONES = json.dumps([1] * 18)


def listed(value, at=3):
    values = ["1"] * 18
    values[at] = value
    return "[" + ", ".join(values) + "]"


def write(path, *lines):
    path.write_text("".join(line + "\n" for line in lines))
    return path


def test_keypoints_are_rows_then_columns(tmp_path):
    y, x = [5, -1, *range(16)], [7, -1, *range(16, 32)]
    path = write(tmp_path / "a.csv", HEADER, f"b.jpg: {y}: {x}", f"a.jpg: {ONES}: {ONES}")
    keypoints = read_keypoints(path)
    assert list(keypoints) == ["b.jpg", "a.jpg"]
    assert keypoints["b.jpg"].dtype == np.int16
    assert keypoints["b.jpg"].tolist() == [list(pair) for pair in zip(y, x, strict=True)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "expected name:"),
        ("a.jpg", "expected name:"),
        (f"a.jpg: {ONES}", "expected name:"),
        (f": {ONES}: {ONES}", "expected name:"),
        (f"a.jpg: {ONES}: {ONES}: {ONES}", "keypoints_x: expected a list"),
        (f"a.jpg: {[1] * 17}: {ONES}", "keypoints_y: expected 18 integers, found 17"),
        (f"a.jpg: {ONES}: {[1] * 19}", "keypoints_x: expected 18 integers, found 19"),
        (f"a.jpg: {ONES}: [1, 2", "keypoints_x: expected a list of 18 integers, found"),
        (f"a.jpg: {ONES}: 3", "keypoints_x: expected a list"),
        (f"a.jpg: {ONES}: {'[' * 20_000}", "keypoints_x: expected a list"),
        (f"a.jpg: {listed('9' * 400)}: {ONES}", "expected pixels .* found 9{60}$"),
        (f"a.jpg: {listed('NaN')}: {ONES}", "keypoints_y: expected pixels .* found NaN"),
        (f"a.jpg: {listed('null')}: {ONES}", "found null"),
        (f"a.jpg: {listed('true')}: {ONES}", "found true"),
        (f"a.jpg: {listed('1.5')}: {ONES}", "found 1.5"),
        (f"a.jpg: {listed('-2')}: {ONES}", "found -2"),
        (f"a.jpg: {listed('40000')}: {ONES}", "found 40000"),
        (f"a.jpg: {listed('-1')}: {ONES}", "joint 3 is y -1, x 1"),
        (f"0.jpg: {ONES}: {ONES}", "0.jpg is on line 2 already"),
    ],
)
def test_bad_row(tmp_path, line, message):
    path = write(tmp_path / "a.csv", HEADER, f"0.jpg: {ONES}: {ONES}", line)
    with pytest.raises(InputError, match=f"a.csv, line 3.*{message}"):
        read_keypoints(path)


@pytest.mark.parametrize("read", [read_keypoints, read_pairs])
def test_bad_file(tmp_path, read):
    path = tmp_path / "a.csv"
    header = HEADER if read is read_keypoints else "from,to"
    with pytest.raises(InputError, match=r"cannot read .*a.csv"):
        read(path)
    for text in ("", "name,y,x\n"):
        path.write_text(text)
        with pytest.raises(InputError, match=rf"a.csv, line 1: expected the header {header}"):
            read(path)
    path.write_text(header + "\n")
    with pytest.raises(InputError, match=r"a.csv holds the header alone"):
        read(path)
    path.write_bytes(header.encode() + b"\n\xff\n")
    with pytest.raises(InputError, match=r"a.csv, line 2: not UTF-8"):
        read(path)


def test_windows_line_ends(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"from,to\r\na.jpg,b.jpg\r\n")
    assert read_pairs(tmp_path / "a.csv") == [("a.jpg", "b.jpg")]


def test_a_byte_order_mark(tmp_path):
    """As spreadsheets save UTF-8."""
    path = tmp_path / "a.csv"
    path.write_text("from,to\na.jpg,b.jpg\n", encoding="utf-8-sig")
    assert read_pairs(path) == [("a.jpg", "b.jpg")]
    path.write_text(f"{HEADER}\na.jpg: {ONES}: {ONES}\n", encoding="utf-8-sig")
    assert list(read_keypoints(path)) == ["a.jpg"]


joints = arrays(np.int16, st.tuples(st.integers(1, 3), st.just(18), st.just(2)))


@given(keypoints=joints)
def test_round_trip(tmp_path_factory, keypoints):
    keypoints[(keypoints < 0).any(axis=2) | (keypoints == 0).all(axis=2)] = -1
    path = tmp_path_factory.mktemp("round") / "a.csv"
    names = [f"{i}.jpg" for i in range(len(keypoints))]
    write_keypoints(path, names, keypoints)
    found = read_keypoints(path)
    assert list(found) == names
    np.testing.assert_array_equal(list(found.values()), keypoints)


def test_keypoints_without_a_name(tmp_path):
    with pytest.raises(ValueError, match="argument 2 is longer"):
        write_keypoints(tmp_path / "a.csv", ["a.jpg"], np.zeros((2, 18, 2), int))


@pytest.mark.parametrize("part", ["train", "test"])
def test_published_file(market, tmp_path, part):
    path = market / f"market-annotation-{part}.csv"
    keypoints = read_keypoints(path)
    assert len(keypoints) == {"train": 12_936, "test": 19_732}[part]
    write_keypoints(tmp_path / "a.csv", keypoints, keypoints.values())
    assert (tmp_path / "a.csv").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.jpg", "expected from,to"),
        ("a.jpg,b.jpg,c.jpg", "expected from,to"),
        ("a.jpg,", "expected from,to"),
        ("", "expected from,to"),
        ("a.jpg,a.jpg", "a.jpg is paired with itself"),
    ],
)
def test_bad_pair(tmp_path, line, message):
    path = write(tmp_path / "a.csv", "from,to", "a.jpg,b.jpg", line)
    with pytest.raises(InputError, match=f"a.csv, line 3: {message}"):
        read_pairs(path)


def test_published_pairs(market):
    pairs = read_pairs(market / "market-pairs-test.csv")
    assert len(pairs) == 12_000
    assert pairs[0] == ("0228_c6s3_006817_02.jpg", "0228_c6s1_052601_01.jpg")
    keypoints = read_keypoints(market / "market-annotation-test.csv")
    check_names([name for pair in pairs for name in pair], keypoints, "pairs")


def test_check_names():
    check_names(["a", "b"], {"a", "b", "c"}, "pairs.csv")
    with pytest.raises(InputError, match=r"^pairs.csv: 4 names without an image: d, e, f, \.\.\.$"):
        check_names(["a", "d", "e", "d", "f", "g"], {"a"}, "pairs.csv")
    with pytest.raises(InputError, match=r"1 names without an image: d$"):
        check_names(["d"], {"a"}, "pairs.csv")
