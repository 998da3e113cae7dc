"""Random weights and images that Go makes as well, for the scripts next to it.

The weights are those of "batchscore models build --weights random --seed 7", made anew from
the description in models/weights/random.go, and the images those of pattern in
models/networks/reference_test.go.
"""

import json
import math
import struct

import numpy as np
import torch

SEED = 7
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def uniform(name, count, mean, bound):
    """count numbers within mean ± bound: SplitMix64 started at the seed and the name."""
    start = 0xCBF29CE484222325  # FNV-1a
    for byte in name.encode():
        start = (start ^ byte) * 0x100000001B3 % 2**64
    start = np.uint64(start ^ SEED)
    z = start + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    u = (z >> np.uint64(40)).astype(np.float64) / 2**24
    return (mean + bound * (2 * u - 1)).astype(np.float32)


def fill(model, names=None):
    """Gives a model the random weights of its tensors' names, or of those names for them."""
    tensors = model.state_dict()
    for key, t in tensors.items():
        name = names[key] if names else key
        if not t.is_floating_point():
            continue  # a counter of batches
        if name.endswith(".weight") and t.dim() == 1:  # of a normalisation
            mean, bound = 1, 0.1
        elif name.endswith("layer_scale"):
            mean, bound = 0.3, 0.2
        elif name.endswith("running_var"):
            mean, bound = 1, 0.5
        elif name.endswith("weight"):
            mean, bound = 0, math.sqrt(6 / t[0].numel())
        else:
            mean, bound = 0, 0.1
        t.copy_(torch.from_numpy(uniform(name, t.numel(), mean, bound)).reshape(t.shape))
    return tensors


def pattern(k, size):
    """Image k, [size,size,3], of bytes."""
    y, x, c = np.meshgrid(np.arange(size), np.arange(size), np.arange(3), indexing="ij")
    s = k % 5
    return ((((x >> s) * (13 * (k + 1))) ^ ((y >> s) * (7 * (k + 3)))) + c * (40 + k)) & 255


def save(path, tensors):
    """Writes tensors in the safetensors format."""
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, t in tensors.items():
        size = t.numel() * t.element_size()
        header[name] = {
            "dtype": {torch.float32: "F32", torch.int64: "I64"}[t.dtype],
            "shape": list(t.shape),
            "data_offsets": [at, at + size],
        }
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for t in tensors.values():
            f.write(t.contiguous().numpy().tobytes())
