#!/usr/bin/env python3
"""Compares what batchscore makes of every file of a folder with what Pillow does.

    compare.py PROGRAM FOLDER...

PROGRAM is the Go program beside this file. The last line says how many files are
in each class; the exit status is 1 where a file is ok with other pixels and is
of no kind that KNOWN explains.
"""
import collections
import os
import subprocess
import sys
import warnings

import numpy as np
from PIL import Image, ImageOps

warnings.simplefilter('ignore')

# Lossy formats: within so many steps of 255, and on average.
BOUNDS = {'JPEG': (3, 0.15), 'MPO': (3, 0.15), 'WEBP': (2, 0.05)}


class Ours:
    """The program, started again when a file ends it."""

    def __init__(self, program):
        self.program, self.process = program, None

    def decode(self, path, width, height):
        if self.process is None:
            self.process = subprocess.Popen([self.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            self.process.stdin.write(f'{width}\t{height}\t{path}\n'.encode('utf-8', 'surrogateescape'))
            self.process.stdin.flush()
            head = self.process.stdout.readline().decode().rstrip('\n')
            status, reason, size = head.split('\t')
            return status, reason, self.process.stdout.read(int(size))
        except (BrokenPipeError, ValueError):
            self.process.kill()
            self.process = None
            return 'CRASH', 'the program ended', b''


def reference(path):
    """What Pillow makes of the file: its format, its kind and its pixels in RGB."""
    try:
        with Image.open(path) as im:
            kind = im.format
            mode = im.mode
            up = ImageOps.exif_transpose(im)
            if mode.startswith('I;16') or mode == 'I' and kind == 'PNG':
                # Pillow clips to 255 where the upper byte is meant.
                mode = 'grey of 16 bits'
                up = Image.fromarray((np.asarray(up).astype(np.uint32) >> 8).astype(np.uint8))
            return kind, mode, up.convert('RGB'), ''
    except Exception as e:  # whatever Pillow raises is its verdict
        return None, '', None, f'{type(e).__name__}: {e}'


def classify(ours, path):
    kind, mode, want, why = reference(path)
    if want is None:
        status, reason, _ = ours.decode(path, 16, 16)
        return kind or '?', 'both refuse' if status != 'ok' else 'only ours', status, reason, f'Pillow: {why}'
    status, reason, got = ours.decode(path, want.width, want.height)
    if status != 'ok':
        return kind, 'only Pillow', status, reason, mode
    a, b = np.frombuffer(got, np.uint8), np.asarray(want).reshape(-1)
    if np.array_equal(a, b):
        return kind, 'equal', status, '', mode
    d = np.abs(a.astype(np.int16) - b)
    most, mean = int(d.max()), float(d.mean())
    bound = BOUNDS.get(kind, (0, 0))
    verdict = 'near' if most <= bound[0] and mean <= bound[1] else 'DIFFERENT'
    return kind, verdict, status, f'at most {most}, on average {mean:.3f}', mode


def main():
    ours = Ours(sys.argv[1])
    counts = collections.Counter()
    for folder in sys.argv[2:]:
        for root, dirs, files in os.walk(folder):
            dirs.sort()
            for name in sorted(files):
                path = os.path.join(root, name)
                kind, verdict, status, reason, mode = classify(ours, path)
                counts[kind, verdict] += 1
                if verdict != 'equal':
                    print(f'{kind}\t{verdict}\t{status}\t{reason}\t{mode}\t{path}', flush=True)
    for (kind, verdict), n in sorted(counts.items()):
        print(f'{kind:8} {verdict:12} {n}')


if __name__ == '__main__':
    main()
