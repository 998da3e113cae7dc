"""Writes vectors and what scikit-learn and NumPy say of them, for judge_test.go.

    pip install scikit-learn==1.9.1 numpy==2.4.6
    python3 reference.py            # writes vectors.npy, half.npy and reference.json next to itself
    python3 reference.py --check    # computes the figures of the kept vectors again, and compares them
"""

import json
import pathlib
import sys

import numpy as np
from sklearn.metrics.pairwise import cosine_distances, cosine_similarity

ROWS, DIMENSIONS, LABELS, SIMILAR = 240, 24, 4, 0.95

random = np.random.default_rng(7)
label = random.integers(0, LABELS, ROWS)
middle = random.normal(size=(LABELS, DIMENSIONS))
vectors = middle[label] + 0.7 * random.normal(size=(ROWS, DIMENSIONS))
for copy in range(30):  # near duplicates, some of them in chains
    a, b = random.integers(0, ROWS, 2)
    vectors[b] = vectors[a] * random.uniform(0.2, 5) + 0.1 * random.normal(size=DIMENSIONS)
vectors[17] = 0  # has no direction
vectors[40, 3] = np.nan
vectors[41, 5] = np.inf

folder, check = pathlib.Path(__file__).parent, sys.argv[1:] == ["--check"]
expected = {"similar": SIMILAR, "labels": [f"label {n}" for n in label]}
for name, kind in {"vectors": "float32", "half": "float16"}.items():
    if not check:
        np.save(folder / f"{name}.npy", vectors.astype(kind))
    kept = np.load(folder / f"{name}.npy").astype("float64")
    rows = [r for r in range(ROWS) if np.isfinite(kept[r]).all() and kept[r].any()]
    similarity = cosine_similarity(kept[rows])
    pairs = [(rows[i], rows[k], similarity[i, k]) for i in range(len(rows)) for k in range(i + 1, len(rows)) if similarity[i, k] >= SIMILAR]
    pairs.sort(key=lambda p: (-p[2], p[0], p[1]))
    distances = []
    for n in range(LABELS):
        own = [r for r in rows if label[r] == n]
        unit = kept[own] / np.linalg.norm(kept[own], axis=1, keepdims=True)
        apart = cosine_distances(kept[own], unit.mean(axis=0, keepdims=True))[:, 0]
        distances += zip(own, apart.tolist())
    distances.sort(key=lambda d: (-d[1], d[0]))
    expected[name] = {"images": len(rows), "pairs": pairs, "outliers": distances}

if not check:
    (folder / "reference.json").write_text(json.dumps(expected) + "\n")
    sys.exit()
reference = json.loads((folder / "reference.json").read_text())
for name in "vectors", "half":
    for kind in "pairs", "outliers":
        now, then = np.array(expected[name][kind]), np.array(reference[name][kind])
        if now.shape != then.shape or np.abs(now - then).max() > 1e-9:
            sys.exit(f"{name}: the kept {kind} are not those of scikit-learn")
print("the kept near duplicates and outliers are those of scikit-learn")
