"""Reading a result into a table."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from typing import Any

from ._program import program

LIBRARIES = ("pandas", "polars", "pyarrow")

# The columns of rows, with their types. Those of other tasks are numbers or texts as JSON
# has them.
TEXTS = ("path", "path_base64", "status", "label", "label_2", "error")
INTEGERS = {"size": 64, "class_id": 32}
FLOATS = ("score", "score_2", "margin")


def read(result: str | bytes | os.PathLike[str] | os.PathLike[bytes], *, library: str | None = None) -> Any:
    """Return the rows of a result, in the order of its images.

    result is the folder of a run, or its place in object storage such as
    ``az://ACCOUNT/CONTAINER/PREFIX``, in any format; or a file that ``batchscore merge`` has
    written. A run that is not complete is an error.

    library is the kind of table: "pandas" (a DataFrame), "polars" (a DataFrame) or "pyarrow"
    (a Table). By default it is the first of them that is installed. An image that failed has
    no numbers: they are missing, and texts never are.
    """
    library = _chosen(library)
    place = os.fsdecode(result)
    if "://" not in place and not os.path.isdir(place):
        if not os.path.exists(place):
            raise FileNotFoundError(f"{place} does not exist")
        _whole(place)
        return _file(place, library)
    with tempfile.TemporaryDirectory(prefix="batchscore-") as folder:
        # Parquet carries its types. pandas reads it with pyarrow only.
        parquet = library != "pandas" or _installed("pyarrow")
        merged = os.path.join(folder, "rows.parquet" if parquet else "rows.jsonl")
        done = subprocess.run(
            [program(), "merge", "-o", merged, "--", place], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
        )
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            raise RuntimeError(f"batchscore merge {place} ended with exit code {done.returncode}: {said}")
        return _file(merged, library)


def _whole(place: str) -> None:
    """Raise ValueError for a part of a result that keeps other rows in earlier results."""
    folder = os.path.dirname(os.path.abspath(place))
    if not os.path.basename(place).startswith("part-"):
        return
    if os.path.basename(folder).startswith("part-"):
        folder = os.path.dirname(folder)
    try:
        with open(os.path.join(folder, "_batchscore", "job.json"), encoding="utf-8") as record:
            after = json.load(record).get("after") or {}
    except (OSError, ValueError, AttributeError):
        return
    if isinstance(after, dict) and after.get("sources"):
        raise ValueError(f"{place} has only some rows of its result, which keeps others in earlier results: read {folder} instead")


def _installed(name: str) -> bool:
    return name in sys.modules or importlib.util.find_spec(name) is not None


def _chosen(library: str | None) -> str:
    if library is None:
        for name in LIBRARIES:
            if _installed(name):
                return name
        raise ImportError("batchscore.read needs pandas, polars or pyarrow: pip install 'batchscore[pandas]'")
    if library not in LIBRARIES:
        raise ValueError(f"library={library!r}: want one of {', '.join(LIBRARIES)}")
    if not _installed(library):
        raise ImportError(f"{library} is not installed: pip install 'batchscore[{library}]'")
    return library


def _file(path: str, library: str) -> Any:
    ending = os.path.splitext(path)[1]
    if ending == ".parquet":
        return _parquet(path, library)
    if ending == ".jsonl":
        return _table(*_jsonl(path), library)
    if ending == ".csv":
        return _table(*_csv(path), library)
    raise ValueError(f"{path} ends neither in .parquet, .jsonl nor .csv")


def _parquet(path: str, library: str) -> Any:
    if library == "polars":
        import polars

        return polars.read_parquet(path)
    if not _installed("pyarrow"):
        raise ImportError(f"pandas reads {path} with pyarrow only: pip install pyarrow")
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path)
    if library == "pyarrow":
        return table
    return _arrow_to_pandas(table)


def _arrow_to_pandas(table: Any) -> Any:
    import pandas
    import pyarrow

    # Whole numbers stay whole where some are missing.
    return table.to_pandas(types_mapper={pyarrow.int32(): pandas.Int32Dtype()}.get)


def _jsonl(path: str) -> tuple[list[str], list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    keys: set[str] = set()
    with open(path, encoding="utf-8", newline="\n") as lines:
        for line in lines:
            number = len(rows) + 1
            try:
                row = json.loads(line)
            except ValueError as error:
                raise _bad(path, number, str(error)) from error
            if not isinstance(row, dict) or not line.endswith("\n"):
                raise _bad(path, number, "it is not the whole line of a row")
            if not rows:
                keys = row.keys() | {"path_base64"}
                missing = REQUIRED - keys
                if missing:
                    raise _bad(path, number, f"it has no {', '.join(sorted(missing))}")
            # An older form leaves out what is empty.
            other = keys ^ (row.keys() | {"path_base64"})
            if other:
                raise _bad(path, number, f"it and row 1 do not both have {', '.join(map(repr, sorted(other)))}")
            rows.append(row)
    if any("path_base64" in row for row in rows):
        for row in rows:
            row.setdefault("path_base64", "")
    columns = list(rows[0]) if rows else []
    return columns, rows


def _csv(path: str) -> tuple[list[str], list[dict[str, Any]]]:
    csv.field_size_limit(1 << 30)
    with open(path, "rb") as end:
        if end.seek(0, os.SEEK_END) > 0:
            end.seek(-1, os.SEEK_END)
            if end.read() != b"\n":
                raise ValueError(f"{path} is not whole: its last line does not end. {AGAIN}")
    rows = []
    with open(path, encoding="utf-8", newline="") as lines:
        reader = csv.reader(lines, strict=True)
        columns: list[str] = []
        try:
            columns = next(reader, [])
            if columns[:4] != ["path", "path_base64", "size", "status"] or columns[-1] != "error" or len(set(columns)) < len(columns):
                raise ValueError(f"{path} does not have the columns of a result: {columns!r:.500}. {AGAIN}")
            for cells in reader:
                if len(cells) != len(columns):
                    raise _bad(path, len(rows) + 1, f"it has {len(cells)} cells and not {len(columns)}")
                try:
                    rows.append({name: _value(name, text) for name, text in zip(columns, cells)})
                except ValueError as error:
                    raise _bad(path, len(rows) + 1, str(error)) from error
        except csv.Error as error:
            raise _bad(path, len(rows) + 1, str(error)) from error
    return columns, rows


# What every row has, and what to do about a file that is not as batchscore wrote it.
REQUIRED = {"path", "size", "status", "error"}
AGAIN = "Write the file again with batchscore merge"


def _bad(path: str, number: int, what: str) -> ValueError:
    return ValueError(f"{path}: row {number}: {what}. {AGAIN}")


def _value(name: str, text: str) -> Any:
    if name in INTEGERS:
        return int(text) if text else None
    if name in FLOATS:
        return float(text) if text else None
    if name == "topk":
        return json.loads(text) if text else []
    return text


def _table(columns: list[str], rows: list[dict[str, Any]], library: str) -> Any:
    values = {name: [row.get(name) for row in rows] for name in columns}
    if library == "polars":
        return _polars(values)
    if library == "pyarrow":
        return _pyarrow(values)
    # With pyarrow the types are those of a table from Parquet.
    return _arrow_to_pandas(_pyarrow(values)) if _installed("pyarrow") else _pandas(values)


def _pandas(values: dict[str, list[Any]]) -> Any:
    import pandas

    types = dict.fromkeys(TEXTS, "object") | dict.fromkeys(FLOATS, "float32") | {"size": "int64", "class_id": "Int32", "topk": "object"}
    return pandas.DataFrame({name: pandas.Series(column, dtype=types.get(name)) for name, column in values.items()})


def _polars(values: dict[str, list[Any]]) -> Any:
    import polars

    types: dict[str, Any] = dict.fromkeys(TEXTS, polars.String) | dict.fromkeys(FLOATS, polars.Float32)
    types |= {"size": polars.Int64, "class_id": polars.Int32}
    types["topk"] = polars.List(polars.Struct({"class_id": polars.Int32, "label": polars.String, "score": polars.Float32}))
    return polars.DataFrame([polars.Series(name, column, dtype=types.get(name)) for name, column in values.items()])


def _pyarrow(values: dict[str, list[Any]]) -> Any:
    import pyarrow

    types: dict[str, Any] = dict.fromkeys(TEXTS, pyarrow.string()) | dict.fromkeys(FLOATS, pyarrow.float32())
    types |= {"size": pyarrow.int64(), "class_id": pyarrow.int32()}
    types["topk"] = pyarrow.list_(pyarrow.struct([("class_id", pyarrow.int32()), ("label", pyarrow.string()), ("score", pyarrow.float32())]))
    return pyarrow.table({name: pyarrow.array(column, type=types.get(name)) for name, column in values.items()})
