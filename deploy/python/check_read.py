"""Read one result in each form, into each kind of table, and compare.

    python check_read.py RESULT LIBRARY...
"""

import os
import subprocess
import sys
import tempfile

import batchscore


def values(table, library):
    """Return the rows as plain Python."""
    if library == "pandas":
        import pandas

        rows = table.astype(object).to_dict("records")
        for row in rows:
            for name, value in row.items():
                if name != "topk" and pandas.isna(value):
                    row[name] = None
    elif library == "polars":
        rows = table.to_dicts()
    else:
        rows = table.to_pylist()
    for row in rows:
        row["topk"] = [dict(c) for c in row["topk"]]
    return rows


def rounded(rows):
    """Return the rows with numbers as 32-bit floats, as Parquet has them."""
    import struct

    def single(x):
        return struct.unpack("f", struct.pack("f", x))[0] if isinstance(x, float) else x

    return [
        {k: [{a: single(b) for a, b in c.items()} for c in v] if k == "topk" else single(v) for k, v in row.items()} for row in rows
    ]


def refuses_a_part(folder):
    """Check that one part of a result that keeps rows in earlier ones is refused."""
    os.makedirs(os.path.join(folder, "_batchscore"))
    with open(os.path.join(folder, "_batchscore", "job.json"), "w") as record:
        record.write('{"after": {"sources": [{}]}}')
    part = os.path.join(folder, "part-00000.jsonl")
    open(part, "w").close()
    try:
        batchscore.read(part)
    except ValueError as error:
        assert folder in str(error), error
    else:
        raise AssertionError("a part was read")


def main():
    result, libraries = sys.argv[1], sys.argv[2:]
    want, types = None, {}
    with tempfile.TemporaryDirectory() as folder:
        refuses_a_part(os.path.join(folder, "increment"))
        places = [result]
        for ending in ("jsonl", "csv", "parquet"):
            places.append(os.path.join(folder, "rows." + ending))
            subprocess.run([batchscore.program(), "merge", result, "-o", places[-1]], check=True, stdout=subprocess.DEVNULL)
        for library in libraries:
            for place in places:
                try:
                    table = batchscore.read(place, library=library)
                except ImportError as error:  # pandas reads Parquet with pyarrow
                    assert "pyarrow" in str(error) and place.endswith(".parquet"), error
                    continue
                have = rounded(values(table, library))
                want = want or have
                assert have == want, (library, place, have[:2], want[:2])
                if library != "pyarrow":  # of which Parquet also says what is never null
                    of = dict(table.dtypes if library == "pandas" else table.schema)
                    assert of == types.setdefault(library, of), (library, place, of, types)
                if library == "pandas":
                    assert str(table["class_id"].dtype) == "Int32", table.dtypes
                    assert str(table["score"].dtype) == "float32", table.dtypes
    failed = [row for row in want if row["status"] != "ok"]
    assert all(row["score"] is None and row["label"] == "" for row in failed), failed
    assert any(row["score"] is not None for row in want)
    for bad, kind in ((os.path.join(result, "none"), FileNotFoundError), (os.path.dirname(os.path.abspath(result)), RuntimeError), (__file__, ValueError)):
        try:
            batchscore.read(bad)
        except kind as error:
            print(f"{kind.__name__}: {error}")
        else:
            raise AssertionError(bad)
    print(f"{len(want)} rows, {len(failed)} of them failed, are the same from {len(places)} forms in {', '.join(libraries)}")


main()
