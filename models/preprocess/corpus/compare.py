#!/usr/bin/env python3
"""Compares how batchscore and Pillow decode every file of some folders.

    compare.py PROGRAM FOLDER...

PROGRAM is the Go program next to this file. It prints a line for each file that is not
equal, then the number of files of each class: equal; near, within the bounds of a lossy
format; known, where Pillow is wrong; DIFFERENT; only ours or only Pillow reads it;
both refuse. Then it says which share of the files that Pillow reads is equal, near or
known, and why we refuse the others. The exit status is 1 if a file is DIFFERENT, or
if that share is below SHARE. Pillow reads HEIF and JPEG XL by plugins.
"""
import collections
import multiprocessing
import os
import re
import struct
import subprocess
import sys
import warnings

import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401, which registers JPEG XL
from PIL import Image, ImageCms, ImageOps

warnings.simplefilter('ignore')
pillow_heif.register_heif_opener()

SHARE = 0.97  # of the files that Pillow reads
LONGEST = 16384  # side of a model's input

# Lossy formats: the largest difference and the mean, in steps of 255. Decoders of these
# standards may round differently, and more so where chroma is interpolated. The libjxl of a
# distribution is older than that of the plugin.
BOUNDS = {'LAB': (1, 0.1), 'JPEG': (3, 0.15), 'MPO': (3, 0.15), 'WEBP': (2, 0.05), 'HEIF': (4, 0.5), 'AVIF': (4, 0.5), 'JPEG2000': (2, 0.5),
          'JXL': (4, 0.5)}


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
    """Returns Pillow's format, kind and pixels in RGB of the file, or why it fails."""
    try:
        with Image.open(path) as im:
            kind = im.format
            mode = im.mode
            up = ImageOps.exif_transpose(im)
            if kind == 'TIFF' and (mode in ('LAB', 'I', 'F', 'L') or mode.startswith('I;16')):
                up, mode = samples_of_tiff(im.tag_v2, up, mode)
            elif mode.startswith('I;16') or mode == 'I' and kind in ('PNG', 'PPM'):
                # Pillow clips to 255; the upper byte is right.
                mode = 'grey of 16 bits'
                up = Image.fromarray((np.asarray(up).astype(np.uint32) >> 8).astype(np.uint8))
            elif mode == 'F' and kind == 'JXL':  # 1 is white, and black in Pillow
                up = Image.fromarray(np.clip(np.rint(np.asarray(up) * 255), 0, 255).astype(np.uint8))
            return kind, mode, up.convert('RGB'), ''
    except Exception as e:  # whatever Pillow raises is a failure
        return None, '', None, f'{type(e).__name__}: {e}'


def samples_of_tiff(tags, up, mode):
    """Returns a TIFF in RGB whose samples have more than 8 bits, a sign or a fraction, or are of
    CIELab, as package tiff states it, and what was done. Pillow clips numbers to 255, takes
    negative bytes for positive ones, and converts CIELab by a coarse table."""
    if mode == 'LAB':
        profiles = ImageCms.createProfile('LAB'), ImageCms.createProfile('sRGB')
        exact = ImageCms.buildTransform(*profiles, 'LAB', 'RGB', flags=ImageCms.Flags.NOOPTIMIZE)
        return ImageCms.applyTransform(up, exact), mode
    bits, kind = tags.get(258, (1,))[0], tags.get(339, (1,))[0]
    a = np.asarray(up)
    if mode == 'L':
        if kind != 2:
            return up, mode
        return Image.fromarray(np.maximum(a.view(np.int8), 0).astype(np.uint8)), 'signed bytes'
    if mode == 'F':
        a = np.nan_to_num(a, nan=0, posinf=255, neginf=0)
        a = np.floor(a.clip(0) * 255.0 + 0.5) if a.max() <= 1 else a.clip(0, 255)
        return Image.fromarray(a.astype(np.uint8)), 'real numbers'
    if mode.startswith('I;16'):
        a = (a.astype(np.uint32) >> (bits - 8)).astype(np.uint8)
        return Image.fromarray(255 - a if tags.get(262) == 0 else a), f'grey of {bits} bits'
    if kind == 1:
        a = a.view(np.uint32)
    a = np.maximum(a, 0).astype(np.int64)
    sign = kind == 2
    shift = 0 if a.max() < 256 else 8 - sign if a.max() < 1 << (16 - sign) else 24 - sign
    return Image.fromarray((a >> shift).clip(0, 255).astype(np.uint8)), 'whole numbers'


def tiff_of_deep_planes(kind, mode, path):
    """Reports whether a TIFF has separate planes of samples of 16 bits that are not compressed,
    which Pillow takes for bytes."""
    if kind != 'TIFF':
        return False
    with Image.open(path) as im:
        return im.tag_v2.get(284) == 2 and im.tag_v2.get(259, 1) == 1 and max(im.tag_v2.get(258, (1,))) > 8


def bmp_of_two_colours(kind, mode, path):
    """Reports whether Pillow reads a BMP as one of 1 or 8 bits a pixel though it has others:
    it does if the palette is black, black and white, or a ramp of grey."""
    with open(path, 'rb') as f:
        head = f.read(54)
    if kind != 'BMP' or mode not in ('1', 'L') or head[14] == 12:
        return False
    return struct.unpack('<H', head[28:30])[0] != (1 if mode == '1' else 8)


def psd_of_channels(kind, mode, path):
    """Reports whether Pillow takes the wrong bytes of a PSD: of one in run lengths that has more
    channels than its colours need it skips too few lengths, and it shows 1 bit inverted."""
    with open(path, 'rb') as f:
        head = f.read(26)
    return kind == 'PSD' and (mode == '1' or struct.unpack('>H', head[12:14])[0] > len(mode))


def xpm_of_other_digits(kind, mode, path):
    """Reports whether an XPM has colours of 1, 3 or 4 digits each, of which Pillow takes the last six
    as if they had 2."""
    with open(path, 'rb') as f:
        return kind == 'XPM' and re.search(rb'\bc\s+#(?:\w{3}|\w{9}|\w{12})\b', f.read()) is not None


# Kinds of pictures for which our pixels are right and Pillow's are wrong.
KNOWN = [bmp_of_two_colours, tiff_of_deep_planes, psd_of_channels, xpm_of_other_digits]


def classify(ours, path):
    kind, mode, want, why = reference(path)
    if want is None:
        status, reason, _ = ours.decode(path, 16, 16)
        verdict = {'ok': 'only ours', 'CRASH': 'CRASH'}.get(status, 'both refuse')
        return '?', verdict, status, reason, f'Pillow: {why}'
    if max(want.size) > LONGEST:  # both resize alike
        want = want.resize(tuple(min(side, LONGEST) for side in want.size), Image.BILINEAR)
    status, reason, got = ours.decode(path, want.width, want.height)
    if status == 'CRASH':
        return kind, 'CRASH', status, reason, mode
    if status != 'ok':
        return kind, 'only Pillow', status, reason, mode
    a, b = np.frombuffer(got, np.uint8), np.asarray(want).reshape(-1)
    if np.array_equal(a, b):
        return kind, 'equal', status, '', mode
    d = np.abs(a.astype(np.int16) - b)
    most, mean = int(d.max()), float(d.mean())
    bound = BOUNDS.get('LAB' if mode == 'LAB' else kind, (0, 0))
    verdict = 'near' if most <= bound[0] and mean <= bound[1] else 'DIFFERENT'
    if verdict == 'DIFFERENT' and any(known(kind, mode, path) for known in KNOWN):
        verdict = 'known'
    return kind, verdict, status, f'at most {most}, on average {mean:.3f}', mode


def start(program):
    global OURS
    OURS = Ours(program)


def one(path):
    return path, classify(OURS, path)


def files(folders):
    for folder in folders:
        for root, dirs, names in os.walk(folder):
            dirs[:] = sorted(d for d in dirs if not d.startswith('.'))
            for name in sorted(names):
                yield os.path.join(root, name)


def main():
    counts, reasons = collections.Counter(), collections.Counter()
    with multiprocessing.Pool(int(os.environ.get('JOBS') or os.cpu_count()), start, sys.argv[1:2]) as pool:
        for path, (kind, verdict, status, reason, mode) in pool.imap(one, files(sys.argv[2:]), 16):
            counts[kind, verdict] += 1
            if verdict == 'only Pillow':
                reasons[kind, status, re.sub(r'\d+', 'N', reason)] += 1
            if verdict != 'equal':
                print(f'{kind}\t{verdict}\t{status}\t{reason}\t{mode}\t{path}', flush=True)
    print('format   what they say  files')
    for (kind, verdict), n in sorted(counts.items()):
        print(f'{kind:8} {verdict:13} {n:6}')
    print('Pillow reads, and we do not:')
    for (kind, status, reason), n in sorted(reasons.items(), key=lambda r: (-r[1], r[0])):
        print(f'{n:6} {kind:8} {status}: {reason}')
    wrong = sum(n for (_, verdict), n in counts.items() if verdict == 'DIFFERENT')
    crashes = sum(n for (_, verdict), n in counts.items() if verdict == 'CRASH')
    read = sum(n for (kind, _), n in counts.items() if kind != '?')
    good = sum(n for (kind, verdict), n in counts.items() if kind != '?' and verdict in ('equal', 'near', 'known'))
    print(f'{sum(counts.values())} files, {wrong} ok with other pixels, {crashes} that ended the program')
    print(f'{good} of the {read} files that Pillow reads are ok with its pixels: {good / max(read, 1):.2%}')
    sys.exit(1 if wrong or crashes or good < SHARE * read else 0)


if __name__ == '__main__':
    main()
