"""Writes tiles.json: random boxes of tiles, and which of them SAHI keeps.

    python3 tiles.py > tiles.json

With sahi 0.12.8 (MIT). The boxes are [left, top, right, bottom, score, class].
"""
import json

import numpy as np
from sahi.postprocess.combine import batched_nms, nms

random, cases = np.random.default_rng(7), []
for n, classes in ((1, 1), (40, 1), (60, 3), (120, 5)):
    at, size = random.uniform(0, 300, (n, 2)), random.uniform(10, 120, (n, 2))
    boxes = np.column_stack([at, at + size, random.permutation(n) / n * 0.7 + 0.3, random.integers(0, classes, n)]).astype(np.float32)
    cases.append({"boxes": boxes.round(4).tolist(), "keep": sorted(map(int, batched_nms(boxes, "IOS", 0.5))), "agnostic": sorted(map(int, nms(boxes, "IOS", 0.5)))})
print(json.dumps(cases))
