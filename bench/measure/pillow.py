"""Decodes the pictures that come on standard input as Pillow does, for measure.Pillow.

A picture comes as its number of bytes and the width and height to resize it to, four bytes each, and its
bytes. The answer is the processor time that it took in nanoseconds, eight bytes, or -1 and a text of a line.
"""
import io
import struct
import sys
import time
import warnings

import PIL
from PIL import Image

warnings.simplefilter('ignore')
found = []
try:
    import pillow_heif
    pillow_heif.register_heif_opener()
    found.append('pillow-heif ' + pillow_heif.__version__)
except ImportError:
    pass
try:
    import pillow_jxl
    found.append('pillow-jxl-plugin ' + getattr(pillow_jxl, '__version__', '?'))
except ImportError:
    pass
source, answers = sys.stdin.buffer, sys.stdout.buffer
answers.write((', '.join(['Pillow ' + PIL.__version__] + found) + '\n').encode())
answers.flush()
while head := source.read(12):
    size, width, height = struct.unpack('<3I', head)
    body = source.read(size)
    start = time.process_time_ns()
    try:
        Image.open(io.BytesIO(body)).convert('RGB').resize((width, height), Image.BILINEAR).tobytes()
        answers.write(struct.pack('<q', time.process_time_ns() - start))
    except Exception as e:  # whatever Pillow raises
        answers.write(struct.pack('<q', -1) + f'{type(e).__name__}: {e}'.replace('\n', ' ').encode() + b'\n')
    answers.flush()
