"""What the peers share: files, pixels, the clock, and what they print.

A peer scores every image of a folder with a model on so many cores. It loads
the model and starts its workers first, scores one batch to be warm, and then
takes the time from the first file read to the last row written. It prints one
line of JSON.
"""
import argparse
import json
import os
import resource
import sys
import time

import numpy as np
from PIL import Image

SIDE = 299


def arguments(*forms):
    """The command line; forms are the ways in which a peer can work."""
    p = argparse.ArgumentParser()
    p.add_argument("--model", required=True)
    p.add_argument("--images", required=True)
    p.add_argument("--rows", required=True, help="file for the rows")
    p.add_argument("--cores", type=int, required=True)
    p.add_argument("--batch", type=int, required=True)
    p.add_argument("--form", choices=forms, default=forms[0])
    p.add_argument("--draft", action="store_true", help="let Pillow decode JPEG at a smaller scale")
    return p.parse_args()


def files(folder):
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]


def pixels(path, draft):
    """One image, [SIDE, SIDE, 3] in bytes."""
    with Image.open(path) as image:
        if draft:
            image.draft("RGB", (SIDE, SIDE))
        return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def tensor(images):
    """Images as the model takes them: [N, 3, SIDE, SIDE], from 0 to 1."""
    batch = np.stack(images).transpose(0, 3, 1, 2)
    return np.multiply(batch, np.float32(1 / 255), dtype=np.float32, order="C")


def rows(paths, scores):
    best = scores.argmax(axis=1)
    return [f"{os.path.basename(p)}\t{c}\t{s[c]:.6f}\n" for p, c, s in zip(paths, best, scores)]


def batches(paths, size):
    return [paths[i : i + size] for i in range(0, len(paths), size)]


def pin(core):
    """Keeps the calling thread to one of this process's cores."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[core % len(cores)]})


def session(model, threads):
    import onnxruntime

    o = onnxruntime.SessionOptions()
    o.intra_op_num_threads = threads
    o.inter_op_num_threads = 1
    s = onnxruntime.InferenceSession(model, o, providers=["CPUExecutionProvider"])
    name = s.get_inputs()[0].name
    return lambda batch: s.run(None, {name: batch})[0]


def processor_seconds():
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


def report(images, seconds, cpu_seconds):
    json.dump({"images": images, "seconds": seconds, "cpu_seconds": cpu_seconds}, sys.stdout)
    print(flush=True)


class Clock:
    """Times a block, and prints what came of it."""

    def __init__(self, images):
        self.images = images
        self.workers_cpu = 0.0  # of processes besides this one; None where unknown

    def __enter__(self):
        self.cpu, self.start = processor_seconds(), time.perf_counter()
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            return
        seconds = time.perf_counter() - self.start
        cpu = None if self.workers_cpu is None else self.workers_cpu + processor_seconds() - self.cpu
        report(self.images, seconds, cpu)
