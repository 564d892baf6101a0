"""Types of cells that are text in the file: what is missing, what is a number, and columns that are numbers but for a few cells.

A column of numbers with one ``NA`` in it would otherwise be a column of labels: every number a category of its own. That is
never guessed. The cells that are no numbers are named, with the key of the configuration that says what they mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from raikit.data.cells import LONGEST_SHOWN, shown
from raikit.data.plain_cells import plainly_typed
from raikit.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

# What people and programs write where a value is missing, in small letters.
MISSING_SPELLINGS = (
    "na", "n/a", "n.a.", "#n/a", "<na>", "nan", "null", "none", "nil", "nd", "-", "--", "---", ".", "..", "?", "??", "*",
    "missing", "unknown", "not available", "not reported", "#null!", "#value!", "#div/0!", "(null)", "\\n",
)  # fmt: skip
NEVER_A_CLASS = frozenset(MISSING_SPELLINGS[:7]) | {"null", "?", "??", "-", "--", "---", "#null!", "(null)", "\\n"}
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(?i:nan|inf|infinity)$"
_COMMA = r"^[+-]?\d*,\d+([eE][+-]?\d+)?$"
_THOUSANDS = r"^[+-]?\d{1,3}(\.\d{3})+(,\d+)?$"
_GROUPED = (  # 1,234.5 or 1 234,5
    r"^[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?$|"
    "^[+-]?[1-9]\\d{0,2}([ '\u2019\u00a0\u202f]\\d{3})+([.,]\\d+)?$"
)
_UNIT = r"^[$€£¥]\s?[+-]?\d[\d.,]*$|^[+-]?\d[\d.,]*\s?[%$€£¥]$|^'[+-]?\d[\d.,]*'?$"
_DIGITS = r"^[+-]?\d[\d.,]*\s?"
_WORD = r"^\pL[\pL _-]*$"
_CODE = r"^[+-]?(0[\dxX]|\d{19,}$)"  # leading zeros, hexadecimal, or more digits than an integer can hold
_VALUE = r"^\s*([+-]?(\d|\.\d)|[$€£¥]|true|false)"  # how numbers, true and false begin
_FIRST, _FEW = 10_000, 1_000  # cells that are looked at first, and different ones among them that are few
_MOSTLY = 0.9  # a column with at least this share of numbers is one of numbers, if it has more different numbers than groups
_GROUPS = 20
_TOKENS = 3  # that a message shows


@dataclass(frozen=True)
class CellFormat:
    """How the cells of a text table are written.

    Parameters
    ----------
    missing : tuple of str
        Cells that mean a missing value, beside empty ones.
    decimal : {".", ","}
    text : frozenset of str
        Columns that stay text, whatever they hold.
    mixed : frozenset of str
        Columns that may hold numbers beside other text, because their cells are only told apart: ids, clusters.
    labels : frozenset of str
        Columns whose cells name groups, clusters or cases. They stay text if different cells are one number, such as 5.1 and 5.10.
    """

    missing: tuple[str, ...] = ()
    decimal: Literal[".", ","] = "."
    text: frozenset[str] = frozenset()
    mixed: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()


class MixedColumn(DataError):
    """A column of numbers, or of true and false, but for a few cells.

    Parameters
    ----------
    column : str
    kind : str
        What the others are: ``numbers``, ``true and false``.
    tokens : mapping of str to int
        The different cells that are something else, the most frequent first, and how many there are of each.
    cells : int
        Cells in the column.
    meaning : {"missing", "decimal", "thousands", "unit", "header", ""}
        What they seem to be: usual spellings of a missing value, numbers with a decimal comma, with marks between thousands or
        with a unit, the header once more.
    file : str
        Name of the file, for the message.
    counted : bool
        Whether the numbers of cells are known: where a file is only counted, each different cell was seen once.
    """

    def __init__(
        self, column: str, kind: str, tokens: Mapping[str, int], cells: int, meaning: str, file: str = "",
        *, counted: bool = True,
    ) -> None:  # fmt: skip
        self.column, self.kind, self.tokens, self.cells, self.meaning = column, kind, dict(tokens), cells, meaning
        super().__init__(self._sentence(file, counted))

    def in_file(self, name: str, *, counted: bool = True) -> MixedColumn:
        """Return the same error with the name of the file."""
        return MixedColumn(self.column, self.kind, self.tokens, self.cells, self.meaning, name, counted=counted)

    def resolve(self, written: CellFormat) -> CellFormat:
        """Return the format under which the column can be read: what the cells seem to be, or else text."""
        if self.meaning == "missing":
            return replace(written, missing=(*written.missing, *self.tokens))
        if self.meaning == "decimal" and written.decimal == ".":
            return replace(written, decimal=",")
        return replace(written, text=written.text | {self.column})

    def _sentence(self, file: str, counted: bool) -> str:
        shares = [f"{shown(token)} ({count:,})" if counted else shown(token) for token, count in self.tokens.items()]
        listed = ", ".join(shares[:_TOKENS]) + (f" and {len(shares) - _TOKENS:,} more" if len(shares) > _TOKENS else "")
        some = f"{sum(self.tokens.values()):,} of {self.cells:,} cells" if counted else "some cells"
        return (f"{file}{': ' if file else ''}column {self.column!r} holds {self.kind}, but {some} hold something else: {listed}; "
                f"{self._advice()}; to keep the column as text, set data.as_text: [{_in_yaml(self.column)}].")

    def _advice(self) -> str:
        short = [token for token in self.tokens if len(token) <= LONGEST_SHOWN]  # a long text is no mark for a missing value
        tokens = ", ".join(_in_yaml(token) for token in short[:_TOKENS])
        if self.meaning == "missing" and tokens:
            return f"if they mean missing, set data.missing: [{tokens}]"
        if self.meaning == "decimal":
            return 'if the comma is the decimal mark, set data.decimal: ","'
        if self.meaning == "thousands":
            return 'write numbers without marks between thousands, or set data.decimal: "," if the comma is the decimal mark'
        if self.meaning == "unit":
            return "write plain numbers, without a unit or quotation marks"
        if self.meaning == "header":
            return "remove the row that repeats the header"
        return "correct them" + (f", or list under data.missing what means missing (data.missing: [{tokens}])" if tokens else "")


def is_text(kind: pa.DataType) -> bool:
    """Return whether a type of Arrow is text, also where it is stored as codes."""
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def read_missing(column: pa.ChunkedArray, missing: Sequence[str]) -> pa.ChunkedArray:
    """Return text with null for cells that are blank or mean a missing value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    stripped = pc.utf8_trim_whitespace(column)
    absent = pc.is_in(stripped, pa.array(["", *(token.strip() for token in missing)]))
    if not pc.any(absent).as_py():
        return column
    return pc.if_else(absent, pa.scalar(None, column.type), column)


def type_by_value(
    column: pa.ChunkedArray, name: str, written: CellFormat, read: Callable[..., pa.ChunkedArray]
) -> pa.ChunkedArray:
    """Return what `read` makes of text, by looking at each different cell once where there are few of them.

    Parameters
    ----------
    column : ChunkedArray of string, or of codes that stand for text
    name : str
    written : CellFormat
    read : callable
        `infer_type` or `check_text`.

    Raises
    ------
    MixedColumn
        As `read` does, with the numbers of cells.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    coded = pa.types.is_dictionary(column.type)
    if not coded and (read is infer_type or not written.missing):
        plain = _plain(column, name, written)
        if plain is not None:
            return plain if read is infer_type else column
    if not len(column) or (not coded and pc.count_distinct(column.slice(0, _FIRST)).as_py() > _FEW):
        return read(column.cast(pa.string()), name, written)
    codes = (column if coded else column.dictionary_encode()).unify_dictionaries().combine_chunks()
    values = pa.chunked_array([codes.dictionary.cast(pa.string())])
    try:
        typed = read(values, name, written)
    except MixedColumn:
        return read(column.cast(pa.string()), name, written)
    text = is_text(typed.type)
    if text and _any(pc.match_substring_regex(values, _VALUE, ignore_case=True)):
        # Whether that is a column of numbers with a few other cells depends on how many cells there are of each.
        return read(column.cast(pa.string()), name, written)
    if text and not typed.null_count and not coded:
        return column.cast(pa.string())
    return pa.chunked_array([typed.combine_chunks().take(codes.indices)])


def without_sentinels(column: pa.ChunkedArray, missing: Sequence[str]) -> pa.ChunkedArray:
    """Return numbers with null for those that mean a missing value, such as -999."""
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = [float(token) for token in missing if re.fullmatch(r"[+-]?\d+(\.\d+)?", token.strip())]
    if not numbers or not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return column
    absent = pc.is_in(pc.cast(column, pa.float64(), safe=False), pa.array(numbers))
    return pc.if_else(absent, pa.scalar(None, column.type), column)


def infer_type(column: pa.ChunkedArray, name: str, written: CellFormat) -> pa.ChunkedArray:
    """Convert text to booleans, integers or floats where every cell is one and the conversion loses nothing.

    Parameters
    ----------
    column : ChunkedArray of string
    name : str
    written : CellFormat

    Raises
    ------
    MixedColumn
        If the cells are numbers (or true and false) but for a few that mean something else.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if (plain := _plain(column, name, written)) is not None:
        return plain
    column = read_missing(column, written.missing)
    if name in written.text or column.null_count == len(column):
        return column
    cells = pc.utf8_trim_whitespace(column)
    truth = pc.is_in(pc.utf8_lower(cells), pa.array(["true", "false"]))
    if _all(pc.or_(truth, pc.is_null(cells))):
        return pc.equal(pc.utf8_lower(cells), "true")
    if written.decimal == ",":
        cells = _with_decimal_points(cells)
    begins = pc.match_substring_regex(cells, r"^[+-]?(\d|\.\d)|^[$€£¥']")
    if not (pc.any(begins).as_py() or pc.any(truth).as_py()) or pc.any(pc.match_substring_regex(cells, _CODE)).as_py():
        return column
    for kind in (pa.int64(), pa.float64()):
        try:
            numbers = pc.cast(cells, kind)
        except pa.ArrowInvalid:
            continue
        return column if _merges(cells, numbers, name, written) else without_sentinels(numbers, written.missing)
    if name not in written.mixed:
        numbers = pc.match_substring_regex(cells, _NUMBER)
        _refuse_exceptions(cells, numbers, name, "numbers")
        _refuse_exceptions(cells, truth, name, "true and false")
    return column


def _plain(column: pa.ChunkedArray, name: str, written: CellFormat) -> pa.ChunkedArray | None:
    """Return what `infer_type` does, without a look at all of every cell; None if that is needed."""
    import pyarrow as pa

    if name in written.text:
        return None
    if written.missing:
        column = read_missing(column, written.missing)
    plain = plainly_typed(column)
    if plain is None or (written.decimal == "," and pa.types.is_floating(plain.type)):
        return None
    if not is_text(plain.type) and _merges(column, plain, name, written):
        return None
    return without_sentinels(plain, written.missing)


def _merges(cells: pa.ChunkedArray, numbers: pa.ChunkedArray, name: str, written: CellFormat) -> bool:
    """Return whether different names are one number, such as codes 5.1 and 5.10, or 1e999 and 9e999, which are both infinite.

    Too many numbers for groups are quantities, unless they name clusters or cases.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if name not in written.labels or (name not in written.mixed and _has_many(numbers)):
        return False
    if pa.types.is_integer(numbers.type):  # leading zeros are codes already
        signed = pc.or_(pc.starts_with(cells, "+"), pc.equal(cells, "-0"))
        if not _any(signed):
            return False
    else:
        present = pc.invert(pc.is_nan(numbers))
        cells, numbers = cells.filter(present), numbers.filter(present)
    return bool(pc.count_distinct(cells).as_py() > pc.count_distinct(numbers).as_py())


def check_text(column: pa.ChunkedArray, name: str, written: CellFormat) -> pa.ChunkedArray:
    """Return text of a file that has types, with null for blank cells, as in CSV.

    Where other cells mean missing too, a column gets the type of those that do not.

    Raises
    ------
    MixedColumn
        As `infer_type`.
    """
    if name in written.text or name in written.mixed:
        return read_missing(column, written.missing)
    filled, known = read_missing(column, ()), read_missing(column, written.missing)
    typed = infer_type(known, name, written)
    return typed if known.null_count > filled.null_count else filled


def _with_decimal_points(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Rewrite numbers with a decimal comma; a point between groups of three digits is dropped, any other stays."""
    import pyarrow.compute as pc

    grouped = pc.match_substring_regex(cells, _THOUSANDS)
    cells = pc.if_else(grouped, pc.replace_substring(cells, ".", ""), cells)
    return pc.if_else(pc.match_substring_regex(cells, _COMMA), pc.replace_substring(cells, ",", "."), cells)


def _refuse_exceptions(cells: pa.ChunkedArray, regular: pa.ChunkedArray, name: str, kind: str) -> None:
    """Raise if the cells are of one kind but for a few."""
    import pyarrow as pa
    import pyarrow.compute as pc

    usual = pc.or_(regular, pc.is_in(pc.utf8_lower(cells), pa.array(MISSING_SPELLINGS)))
    meaning = "missing" if _any(regular) and _all(usual) else ""
    if _any(regular) and _any(pc.equal(cells, name.strip())):
        meaning = "header"
    elif kind == "numbers" and not meaning:
        meaning = _way_of_writing(cells, usual)
    flagged = kind == "numbers" and not meaning and _are_flags_and_words(cells, regular)
    if not (meaning or flagged or _is_mostly(cells, regular)):
        return
    others = pc.value_counts(cells.filter(pc.invert(regular)).combine_chunks()).to_pylist()
    tokens = {item["values"]: item["counts"] for item in sorted(others, key=lambda item: -item["counts"]) if item["values"]}
    raise MixedColumn(name, kind, tokens, len(cells), meaning)


def _way_of_writing(cells: pa.ChunkedArray, usual: pa.ChunkedArray) -> str:
    """Return in what way all cells that are not plain numbers are numbers: ``thousands``, ``decimal``, ``unit``; or nothing."""
    import pyarrow.compute as pc

    def all_match(pattern: str) -> bool:
        return _all(pc.or_(usual, pc.match_substring_regex(cells, pattern)))

    if all_match(_GROUPED):
        return "thousands"
    if all_match(f"{_COMMA}|{_THOUSANDS}"):
        return "decimal"
    return "unit" if _has_many(cells) and (all_match(_UNIT) or _have_one_unit(cells)) else ""


def _have_one_unit(cells: pa.ChunkedArray) -> bool:
    """Whether all cells are numbers with the same word after them, such as ``12 kg``."""
    import pyarrow.compute as pc

    units = pc.replace_substring_regex(cells, _DIGITS, "")
    same = pc.count_distinct(units).as_py() == 1 and _all(pc.match_substring_regex(units, _WORD))
    return same and _all(pc.match_substring_regex(cells, _DIGITS))


def _are_flags_and_words(cells: pa.ChunkedArray, regular: pa.ChunkedArray) -> bool:
    """Whether cells are 0 and 1 but for words: a flag, and not a code that has letters too."""
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = pc.unique(pc.cast(cells.filter(regular), pa.float64())).to_pylist()
    return sorted(numbers) == [0, 1] and _all(pc.or_(regular, pc.match_substring_regex(cells, _WORD)))


def _all(flags: pa.ChunkedArray) -> bool:
    import pyarrow.compute as pc

    return bool(pc.all(flags).as_py())


def _any(flags: pa.ChunkedArray) -> bool:
    import pyarrow.compute as pc

    return bool(pc.any(flags).as_py())


def _has_many(cells: pa.ChunkedArray) -> bool:
    """Whether there are more different values than groups."""
    import pyarrow.compute as pc

    return bool(pc.count_distinct(cells).as_py() > _GROUPS)


def _is_mostly(cells: pa.ChunkedArray, regular: pa.ChunkedArray) -> bool:
    """Whether nearly all cells are regular, with too many different values for groups."""
    import pyarrow.compute as pc

    present = len(cells) - cells.null_count
    return pc.sum(regular).as_py() >= _MOSTLY * present and _has_many(cells.filter(regular))


def _in_yaml(token: str) -> str:
    """Write a token as an item of a YAML list."""
    plain = re.fullmatch(r"[A-Za-z_][\w ]*", token) and token.lower() not in ("null", "true", "false", "no", "yes", "on", "off")
    return token if plain else '"' + token.replace("\\", "\\\\").replace('"', '\\"') + '"'
