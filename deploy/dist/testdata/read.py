"""Check batchscore.read without a library for tables: rows, types, and what errors say."""

import os
import sys

import batchscore
from batchscore import _read

folder = sys.argv[1]

CSV = (
    "path,path_base64,size,status,label,class_id,score,label_2,score_2,margin,topk,error\n"
    '"a,\r\n""b"".jpg",,12,ok,0123,7,0.5,NA,0.25,0.25,"[{""class_id"":7,""label"":""0123"",""score"":0.5}]",\n'
    "b.jpg,,0,empty,,,,,,,[],no bytes\n"
)
JSONL = (
    '{"path":"a,\\r\\n\\"b\\".jpg","path_base64":"","size":12,"status":"ok","label":"0123","class_id":7,"score":0.5,"label_2":"NA",'
    '"score_2":0.25,"margin":0.25,"topk":[{"class_id":7,"label":"0123","score":0.5}],"error":""}\n'
    '{"path":"b.jpg","path_base64":"","size":0,"status":"empty","label":"","class_id":null,"score":null,"label_2":"",'
    '"score_2":null,"margin":null,"topk":[],"error":"no bytes"}\n'
)


def write(name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write(text)
    return path


def says(kind, text, call):
    try:
        call()
    except kind as error:
        assert text in str(error), error
    else:
        raise AssertionError(f"no {kind.__name__}: {text}")


columns, rows = _read._csv(write("rows.csv", CSV))
assert (columns, rows) == _read._jsonl(write("rows.jsonl", JSONL)), rows
assert rows[0]["label"] == "0123" and rows[0]["class_id"] == 7 and rows[0]["path"] == 'a,\r\n"b".jpg', rows
assert rows[1]["score"] is None and rows[1]["label"] == "" and rows[1]["topk"] == [], rows

HEADER, FIRST, SECOND = CSV[: CSV.index("\n") + 1], CSV[CSV.index("\n") + 1 : CSV.index("b.jpg")], CSV[CSV.index("b.jpg") :]
for what, text in {
    "row 2: unexpected end of data": HEADER + FIRST + 'b,,1,ok,"unterm\n',
    "its last line does not end": CSV[:-3],
    "row 2: it has 13 cells and not 12": HEADER + FIRST + SECOND[:-1] + ",more\n",
    "row 1: it has 5 cells and not 12": HEADER + "b,,1,ok,x\n",
    "row 1: it has 0 cells and not 12": HEADER + "\n" + FIRST,
    "row 2: invalid literal": HEADER + FIRST + SECOND.replace(",0,", ",none,"),
    "columns of a result: ['\\ufeffpath'": "\ufeff" + CSV,
    "columns of a result: ['path', 'path_base64', 'size', 'status', 'label', 'label',": CSV.replace("label,class_id", "label,label", 1),
    "columns of a result: ['b.jpg'": SECOND,
    "columns of a result: []": "",
}.items():
    says(ValueError, what, lambda: _read._csv(write("bad.csv", text)))
ONE, TWO = JSONL.splitlines(keepends=True)
for what, text in {
    "row 2: it and row 1 do not both have 'label', 'other'": ONE + TWO.replace('"label"', '"other"'),
    "row 2: it and row 1 do not both have 'more'": ONE + TWO.replace('"error"', '"more":1,"error"'),
    "row 1: it has no size": ONE.replace('"size"', '"bytes"'),
    "row 2: Unterminated string": ONE + TWO[:-5],
    "row 2: it is not the whole line": ONE + TWO[:-1],
    "row 2: it is not the whole": ONE + "[]\n",
}.items():
    says(ValueError, what, lambda: _read._jsonl(write("bad.jsonl", text)))
older = ONE.replace('"path_base64":"",', "") + TWO.replace('"path_base64":""', '"path_base64":"Yg=="')
columns, rows = _read._jsonl(write("older.jsonl", older))
assert "path_base64" in columns and [row["path_base64"] for row in rows] == ["", "Yg=="], rows

says(ImportError, "batchscore.read needs pandas, polars or pyarrow: pip install 'batchscore[pandas]'", lambda: batchscore.read(folder))
says(ImportError, "pip install 'batchscore[polars]'", lambda: batchscore.read(folder, library="polars"))
says(ValueError, "want one of pandas, polars, pyarrow", lambda: batchscore.read(folder, library="dask"))

# A library that is there in name only: what fails before it is used.
_read._installed = lambda name: name != "pyarrow"
says(FileNotFoundError, "none.csv does not exist", lambda: batchscore.read(os.path.join(folder, "none.csv")))
says(ValueError, "ends neither in .parquet, .jsonl nor .csv", lambda: batchscore.read(write("rows.txt", "")))
says(ImportError, "with pyarrow only", lambda: batchscore.read(write("rows.parquet", "")))
os.environ["PATH"] = folder
says(FileNotFoundError, "nor on PATH", lambda: batchscore.read(folder))
program = write("batchscore", "#!/bin/sh\necho 'error: the output is not complete' >&2\nexit 10\n")
os.chmod(program, 0o755)
says(RuntimeError, "ended with exit code 10: error: the output is not complete", lambda: batchscore.read(folder))

# A folder that looks like a flag, and a path of bytes.
os.chdir(folder)
os.mkdir("-x")
write("batchscore", '#!/bin/sh\necho "$1 $2 $4 $5" >&2\nexit 10\n')
for place in ("-x", b"-x"):
    says(RuntimeError, "merge -o -- -x", lambda: batchscore.read(place))
