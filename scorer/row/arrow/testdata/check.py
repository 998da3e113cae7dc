"""Reads schema.txt with PyArrow: python check.py. Each line is the schema of some columns."""

import base64
import os

import pyarrow as pa

element = lambda kind: pa.field("element", kind, nullable=False)
columns = [
    pa.field("path", pa.string(), nullable=False),
    pa.field("size", pa.int64(), nullable=False),
    pa.field("class_id", pa.int32()),
    pa.field("near", pa.bool_(), nullable=False),
    pa.field("vector", pa.list_(element(pa.float32()), 1280)),
    pa.field("small", pa.list_(element(pa.int8()), 3)),
    pa.field("topk", pa.list_(element(pa.struct([pa.field("label", pa.string(), nullable=False), pa.field("score", pa.float32(), nullable=False)]))), nullable=False),
]
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "schema.txt"), encoding="ascii") as f:
    lines = f.read().split("\n")
assert len(lines) == 3, len(lines)
for line, want in zip(lines, [columns, [], columns[4:5]]):
    got = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(line)))
    assert got.equals(pa.schema(want), check_metadata=True), (got, want)
print(f"PyArrow {pa.__version__} reads {len(lines)} schemas")
