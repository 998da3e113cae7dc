"""Executes the Python of docs/readers.md on results, and compares what it reads.

usage: check.py GUIDE FOLDER, where FOLDER/flat/FORMAT/result is a result in each
format, FOLDER/folders/FORMAT/result one with parts in folders, and FOLDER/expected.json holds their rows. Each block of the guide that
is marked "python FORMAT" leaves its rows in df. Blocks marked "spark" are passed
over where PySpark is not installed.
"""

import json
import os
import re
import struct
import sys


def float32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def records(df):
    """The rows of a table of any library, as dicts."""
    kind = type(df).__module__.split(".")[0]
    if kind == "pandas":
        return df.to_dict("records")
    if kind == "polars":
        return df.to_dicts()
    if kind == "pyarrow":
        return df.to_pylist()
    if kind in ("duckdb", "_duckdb"):
        return [dict(zip(df.columns, row)) for row in df.fetchall()]
    if kind == "pyspark":
        return [row.asDict(recursive=True) for row in df.collect()]
    raise TypeError(f"rows in a {type(df)}")


def missing(x):
    """Whether a library says that there is no number: None, NaN or its own NA."""
    return x is None or x != x or type(x).__name__ == "NAType"


def number(row, name, kind):
    """A number of a row; None if there is none, which a 0 must not stand for."""
    x = row[name]
    if missing(x):
        return None
    if isinstance(x, bool) or kind is float and isinstance(x, int) or not hasattr(x, "__float__"):
        raise TypeError(f"{name} of {row['path']!r} was read as {x!r}")
    return float32(x) if kind is float else kind(x)


def normal(row):
    topk = row["topk"]
    if isinstance(topk, str):
        topk = json.loads(topk)
    classes = [(int(c["class_id"]), c["label"], float32(c["score"])) for c in topk]
    texts = {name: row[name] for name in ("path", "path_base64", "status", "label", "label_2", "error")}
    for name, text in texts.items():
        if not isinstance(text, str):
            raise TypeError(f"{name} of {row['path']!r} was read as {text!r}")
    return texts | {"size": int(row["size"]), "class_id": number(row, "class_id", int), "topk": classes} | {
        name: number(row, name, float) for name in ("score", "score_2", "margin")}


def spark_session():
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        return None
    session = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def reads(what, result, code, spark, want):
    """Executes a block of code on a result, and reports whether it reads the rows."""
    if os.path.islink("result"):
        os.unlink("result")
    os.symlink(result, "result")
    try:
        names = {"spark": spark}
        exec(code, names)
        rows = sorted(map(normal, records(names["df"])), key=lambda r: (r["path"], r["path_base64"]))
    except Exception as e:  # whatever a library raises
        print(f"{what}: {type(e).__name__}: {e}")
        return False
    wrong = [(r, w) for r, w in zip(rows, want) if r != w]
    if len(rows) != len(want) or wrong:
        print(f"{what}: {len(rows)} rows of {len(want)}, {len(wrong)} differ, such as")
        for r, w in wrong[:3]:
            print(f"  read {r}\n  want {w}")
        return False
    print(f"{what}: {len(rows)} rows, equal")
    return True


def reads_vectors(what, result, code, want):
    """Executes a block of code on a result with vectors, and reports whether it reads them."""
    for name in ("result", "vectors.parquet"):
        if os.path.islink(name):
            os.unlink(name)
        os.symlink(os.path.join(result, name), name)
    try:
        names = {}
        exec(code, names)
        kind, rows = str(names["kind"]), [(p, None if v is None else [float32(x) for x in v]) for p, v in names["rows"]]
    except Exception as e:  # whatever a library raises
        print(f"{what}: {type(e).__name__}: {e}")
        return False
    if rows != [(p, v and [float32(x) for x in v]) for p, v in want["rows"]] or f"[{want['numbers']}" not in kind and f"({want['numbers']}" not in kind \
            and f", {want['numbers']}" not in kind:
        print(f"{what}: read {rows} as {kind}, want {want}")
        return False
    print(f"{what}: {len(rows)} vectors as {kind}, equal")
    return True


def main(guide, folder):
    with open(guide, encoding="utf-8") as f:
        text = f.read()
    with open(os.path.join(folder, "expected.json"), encoding="utf-8") as f:
        want = json.load(f)
    want = sorted(map(normal, want), key=lambda r: (r["path"], r["path_base64"]))
    # One folder for all, since Spark's stays the one that it was started in.
    os.makedirs(os.path.join(folder, "work"))
    os.chdir(os.path.join(folder, "work"))
    spark, bad, n = spark_session(), 0, 0
    heading = re.compile(r"^## ([^\n]*)$|^```python (\w+)( spark| merged| ok)?\n(.*?)^```$", re.M | re.S)
    library = ""
    for match in heading.finditer(text):
        if match[1]:
            library = match[1]
            continue
        form, code = match[2], match[4]
        if match[3] == " spark" and spark is None:
            print(f"{library}, {form}: passed over, PySpark is not installed")
            continue
        n += 1
        if form == "vectors":
            with open(os.path.join(folder, "vectors.json"), encoding="utf-8") as f:
                vectors = json.load(f)
            which = (match[3] or "").strip()
            if which:  # without failed images
                vectors["rows"] = [r for r in vectors["rows"] if r[1] is not None]
            bad += not reads_vectors(f"{library}, vectors {which}", os.path.join(folder, "vectors"), code, vectors)
            continue
        for layout in ("flat", "folders"):
            bad += not reads(f"{library}, {form}, {layout}", os.path.join(folder, layout, form, "result"), code, spark, want)
    # The package for Python merges, and reads each form into each kind of table.
    for library in ("pandas", "polars", "pyarrow"):
        code = f"import batchscore\ndf = batchscore.read('result', library='{library}')"
        for form in ("parquet", "csv", "jsonl"):
            for layout in ("flat", "folders"):
                bad += not reads(f"batchscore.read, {library}, {form}, {layout}", os.path.join(folder, layout, form, "result"), code, None, want)
    if n < 10:
        print(f"only {n} blocks of code were found in {guide}")
        bad += 1
    sys.exit(min(bad, 1))


main(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]))
