"""Show what reading a table costs raikit beside the bare reader: Arrow for an audit, DuckDB for `assess` of a file.

    OMP_WAIT_POLICY=passive OMP_NUM_THREADS=2 python benchmarks/read_tables.py [--rows 10000000]

A table of target, decision and three groups is written as CSV and Parquet. In one process, the same columns are read

* by `raikit.data.tables.read_table`, as an audit of up to ten million rows reads them, and by Arrow and by DuckDB into pandas;
* by `raikit.data.distinct.count_rows`, as an audit of more decisions counts them, and by DuckDB's own reader, which counts the
  same combinations;
* by `raikit_fairness`, as `assess` counts a file, and by the same query of DuckDB.

Each is run `--times` times in turn, and the least of each is shown: other processes only add to it. The ratios are of elapsed time
and of processor time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from assess_file import write

_COLUMNS = ["target", "prediction", "sex", "race", "age"]


def bare_arrow(path: Path) -> Any:
    """Read the columns with Arrow into pandas, with Arrow's own types."""
    import pyarrow.parquet as pq
    from pyarrow import csv

    if path.suffix == ".parquet":
        return pq.read_table(path, columns=_COLUMNS).to_pandas()
    return csv.read_csv(path, convert_options=csv.ConvertOptions(include_columns=_COLUMNS)).to_pandas()


def bare_duckdb(path: Path) -> Any:
    """Count the combinations of the columns with DuckDB's own reader, on two threads as raikit does."""
    import duckdb

    with duckdb.connect(config={"threads": "2"}) as connection:
        names = ", ".join(_COLUMNS)
        rows = f"read_parquet('{path}')" if path.suffix == ".parquet" else f"read_csv('{path}')"
        return connection.sql(f"SELECT {names}, count(*) FROM {rows} GROUP BY ALL ORDER BY ALL").df()


def bare_duckdb_rows(path: Path) -> Any:
    """Read the columns with DuckDB into pandas."""
    import duckdb

    with duckdb.connect(config={"threads": "2"}) as connection:
        rows = f"read_parquet('{path}')" if path.suffix == ".parquet" else f"read_csv('{path}')"
        return connection.sql(f"SELECT {', '.join(_COLUMNS)} FROM {rows}").df()


def read_whole(path: Path) -> Any:
    """Read the columns as an audit does."""
    from raikit.data.tables import read_table

    return read_table(path, _COLUMNS)


def count_distinct(path: Path) -> Any:
    """Count the different rows as an audit of a larger table does."""
    from raikit.data.distinct import count_rows
    from raikit.data.scan import TableScan

    return count_rows(TableScan(path, _COLUMNS))


def count_for_assess(path: Path) -> Any:
    """Count the cells as `assess` does, with their types and labels."""
    from raikit_fairness.estimates.file_source import FileColumns, source_from_file
    from raikit_fairness.estimates.sources import GroupingColumns

    columns = FileColumns("target", "prediction", None, None, 0.5)
    return source_from_file(path, columns, GroupingColumns(["sex", "race", "age"], [], [], 1, 500), None)


_PAIRS: dict[str, tuple[Callable[[Path], Any], Callable[[Path], Any]]] = {
    "read (Arrow)": (read_whole, bare_arrow),
    "read (DuckDB)": (read_whole, bare_duckdb_rows),
    "count (audit of more)": (count_distinct, bare_duckdb),
    "count (assess)": (count_for_assess, bare_duckdb),
}


def least(functions: tuple[Callable[[Path], Any], ...], path: Path, times: int) -> list[tuple[float, float]]:
    """Return the least elapsed and processor time of each function, run in turn."""
    found: list[list[tuple[float, float]]] = [[] for _ in functions]
    for _ in range(times):
        for function, costs in zip(functions, found, strict=True):
            start, core = time.perf_counter(), time.process_time()
            function(path)
            costs.append((time.perf_counter() - start, time.process_time() - core))
    return [(min(elapsed for elapsed, _ in costs), min(core for _, core in costs)) for costs in found]


def main() -> None:
    """Write both files, and print the ratios."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        coded, parquet = Path(folder) / "coded.parquet", Path(folder) / "cases.parquet"
        write(coded, options.rows)
        # As plain text, so that no reader makes categories of the groups.
        schema = pa.schema([(field.name, getattr(field.type, "value_type", field.type)) for field in pq.read_schema(coded)])
        with csv.CSVWriter(parquet.with_suffix(".csv"), schema) as text, pq.ParquetWriter(parquet, schema) as plain:
            for batch in pq.ParquetFile(coded).iter_batches(1 << 20):
                table = pa.Table.from_batches([batch]).cast(schema)
                text.write_table(table)
                plain.write_table(table)
        for path in (parquet, parquet.with_suffix(".csv")):
            print(f"{path.suffix[1:]}, {options.rows:,} rows, {path.stat().st_size / 2**20:,.0f} MB")
            for name, pair in _PAIRS.items():
                (own, own_core), (bare, bare_core) = least(pair, path, options.times)
                print(f"  {name:<22} {own:6.2f} s, bare {bare:6.2f} s: {own / bare:4.2f} times; "
                      f"processor {own_core:6.2f} s, bare {bare_core:6.2f} s: {own_core / bare_core:4.2f} times")


if __name__ == "__main__":
    main()
