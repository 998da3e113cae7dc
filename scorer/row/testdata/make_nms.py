"""Writes nms.json.gz: boxes, scores and classes, and which of them OpenCV's NMSBoxesBatched keeps.

Run with opencv-python and numpy. The numbers are those that YOLOv8 would give, [4+C,M].
"""
import gzip, json
import cv2
import numpy as np

rng = np.random.default_rng(19)
cases = []
for classes, boxes, threshold, overlap, most in [(1, 40, 0.25, 0.45, 300), (3, 400, 0.25, 0.45, 300), (4, 400, 0.1, 0.7, 30), (2, 300, 0.5, 0.2, 300)]:
    centre = rng.uniform(0, 320, (8, 2))[rng.integers(0, 8, boxes)] + rng.normal(0, 12, (boxes, 2))
    sides = rng.uniform(20, 120, (boxes, 2))
    scores = rng.uniform(0, 1, (boxes, classes)) ** 2
    raw = np.concatenate([centre, sides, scores], 1).astype(np.float32)
    best = raw[:, 4:].max(1)
    which = raw[:, 4:].argmax(1)
    xywh = np.concatenate([raw[:, :2] - raw[:, 2:4] / 2, raw[:, 2:4]], 1)
    keep = {}
    for agnostic in (False, True):
        ids = np.zeros_like(which) if agnostic else which
        kept = cv2.dnn.NMSBoxesBatched(xywh.tolist(), best.tolist(), ids.tolist(), threshold, overlap)
        kept = sorted((int(i) for i in kept), key=lambda i: -best[i])[:most]
        keep["agnostic" if agnostic else "by class"] = kept
    cases.append({"classes": classes, "threshold": threshold, "overlap": overlap, "most": most,
                  "numbers": [float(f"{v:.9g}") for v in raw.T.ravel()], "keep": keep})
with gzip.GzipFile("nms.json.gz", "wb", mtime=0) as f:
    f.write(json.dumps(cases).encode())
