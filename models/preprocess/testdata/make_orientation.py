#!/usr/bin/python3
"""Writes orientation.zip in this folder: pictures with every kind of orientation, and how
Pillow's exif_transpose turns them.

Needs Pillow and numpy. Made with Pillow 13.0.0:

    python3 make_orientation.py

cases.json in the archive has the orientation of each file, 1 to 8, and the size
of its stored pixels. Files in found/ are copied from the old archive when it is made
again.
"""
import io
import json
import os
import struct
import sys
import warnings
import zipfile
import zlib

import numpy as np
from PIL import Image, ImageOps

os.chdir(os.path.dirname(os.path.abspath(__file__)))
warnings.simplefilter('ignore')
BYTE, ASCII, SHORT, LONG, RATIONAL, SRATIONAL = 1, 2, 3, 4, 5, 10
CODES = {1: 'B', 2: 'B', 3: 'H', 4: 'L', 5: 'L', 6: 'b', 7: 'B', 8: 'h', 9: 'l', 10: 'l', 11: 'f', 12: 'd', 13: 'L', 16: 'Q',
         17: 'q', 18: 'Q', 129: 'B'}
TAG = 274
W, H = 12, 8
y, x = np.mgrid[0:H, 0:W]
picture = Image.fromarray(np.stack([x * 20, y * 30, (x + 2 * y) * 8 % 256], -1).astype(np.uint8))
files, cases = {}, {}


def encoded(kind, **options):
    b = io.BytesIO()
    picture.save(b, kind, **options)
    return b.getvalue()


JPEG = encoded('JPEG', quality=90, subsampling=0, optimize=True)
PNG, WEBP = encoded('PNG'), encoded('WEBP', lossless=True)


def add(name, data):
    """Pillow's orientation of the file, unless Pillow fails."""
    try:
        im = Image.open(io.BytesIO(data))
        plain = Image.open(io.BytesIO(data)).convert('RGB') if im.format != 'TIFF' else picture
        im.load()
        turned = np.asarray(ImageOps.exif_transpose(im).convert('RGB'))
    except Exception:
        return
    for o in 1, 6, 8, 3, 2, 4, 5, 7:
        method = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(o)
        upright = plain if method is None else plain.transpose(method)
        if np.array_equal(np.asarray(upright), turned):
            files[name], cases[name] = data, (o, *plain.size)
            return
    sys.exit(f'{name} is turned in no known way')


def exif(order, entries, head=None, at=8, n=None, raw=()):
    """A TIFF structure of entries (tag, type, values) and raw (tag, type, count, value)."""
    e = '<' if order == 'II' else '>'
    total = len(entries) + len(raw)
    out = blob = b''
    for tag, kind, values in entries:
        v = struct.pack(e + CODES[kind] * len(values), *values)
        if len(v) > 4:
            blob, v = blob + v, struct.pack(e + 'L', at + 2 + 12 * total + 4 + len(blob))
        out += struct.pack(e + 'HHL', tag, kind, len(values) // (2 if kind in (RATIONAL, SRATIONAL) else 1)) + v.ljust(4, b'\0')
    for r in raw:
        out += struct.pack(e + 'HHLL', *r)
    head = head or (b'II*\0' if order == 'II' else b'MM\0*')
    return head + struct.pack(e + 'L', at) + bytes(at - 8) + struct.pack(e + 'H', total if n is None else n) + out + bytes(4) + blob


def segment(marker, body):
    return bytes([0xff, marker]) + struct.pack('>H', len(body) + 2) + body


def jpeg(*segments):
    n = 4 + struct.unpack('>H', JPEG[4:6])[0]
    return JPEG[:n] + b''.join(segments) + JPEG[n:]


def app1(body):
    return segment(0xe1, b'Exif\0\0' + body)


def chunk(kind, body):
    return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))


def png(before=b'', after=b''):
    end = PNG.rindex(b'IEND') - 4
    return PNG[:33] + before + PNG[33:end] + after + PNG[end:]


def webp(flags, chunks, header=True, before=b''):
    vp8x = riff(b'VP8X', bytes([flags, 0, 0, 0, W - 1, 0, 0, H - 1, 0, 0])) if header else b''
    body = b'WEBP' + vp8x + before + WEBP[12:] + chunks
    return b'RIFF' + struct.pack('<I', len(body)) + body


def riff(kind, body):
    return kind + struct.pack('<I', len(body)) + body + b'\0' * (len(body) & 1)


def profile(body, head='\nexif\n%8d\n'):
    h = body.hex()
    return (head % len(body) + '\n'.join(h[i:i + 72] for i in range(0, len(h), 72)) + '\n').encode()


XMP = b'http://ns.adobe.com/xap/1.0/\0'
KEY = b'XML:com.adobe.xmp'
attribute = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'

blocks = {}
for order in 'II', 'MM':
    for kind in CODES:
        pair = kind in (RATIONAL, SRATIONAL)
        for v in range(10) if kind in (SHORT, LONG) else (6, 8, 9):
            blocks[f'type{kind}-{v}-{order}'] = exif(order, [(TAG, kind, [v, 1] if pair else [48 + v, 0] if kind == ASCII else [v])])
        for n in 2, 5:
            blocks[f'type{kind}-count{n}-{order}'] = exif(order, [(TAG, kind, [6, 1] + [3, 1] * (n - 1) if pair else [6] + [3] * (n - 1))])
    for name, kind, values in (('quotient', RATIONAL, [12, 2]), ('fraction', RATIONAL, [13, 2]), ('infinite', RATIONAL, [6, 0]),
                               ('nothing', RATIONAL, [0, 0]), ('large', RATIONAL, [3221225472, 1073741824]),
                               ('larger', RATIONAL, [4294967292, 715827882]), ('minus', SRATIONAL, [-6, -1]),
                               ('minus2', SRATIONAL, [-6, 1]), ('half', 11, [6.5]), ('nan', 11, [float('nan')]),
                               ('negative', 9, [-3]), ('upper', LONG, [65542])):
        blocks[f'{name}-{order}'] = exif(order, [(TAG, kind, values)])
    six = (TAG, SHORT, [6])
    blocks.update({f'{k}-{order}': v for k, v in dict(
        none=exif(order, [(271, SHORT, [7])]), twice=exif(order, [six, (TAG, SHORT, [3])]),
        unknown_then=exif(order, [], raw=[(TAG, 99, 1, 6), (TAG, LONG, 1, 6)]),
        empty_then=exif(order, [], raw=[(TAG, LONG, 0, 6), (TAG, LONG, 1, 6)]),
        before_cut=exif(order, [six], raw=[(271, ASCII, 100, 50000)]),
        after_cut=exif(order, [], raw=[(271, ASCII, 10, 50000), (TAG, LONG, 1, 6)]),
        after_huge=exif(order, [], raw=[(271, ASCII, 100000, 20), (TAG, LONG, 1, 6)]),
        overlap=exif(order, [], raw=[(271, ASCII, 30, 8), (272, ASCII, 30, 8), (TAG, LONG, 1, 6)]),
        too_many=exif(order, [six], n=50), too_few=exif(order, [(256, SHORT, [1]), six], n=1),
        unsorted=exif(order, [(305, ASCII, [65] * 20), six]), later=exif(order, [six], at=20),
        swapped=exif(order, [six], head=b'II\0*' if order == 'II' else b'MM*\0'),
        number43=exif(order, [six], head=b'II+\0' if order == 'II' else b'MM\0+'),
        no_header=exif(order, [six], head=order.encode() + b'\0\0')).items()})
six, three, without = exif('II', [(TAG, SHORT, [6])]), exif('II', [(TAG, SHORT, [3])]), exif('II', [(271, SHORT, [7])])
blocks.update({f'header{n}': b'Exif\0\0' * n + six for n in (1, 2, 3)}, empty=b'', short=b'II*', junk=b'this is no EXIF')
for name, b in blocks.items():
    add(f'{name}.jpg', jpeg(app1(b)))
    add(f'{name}.png', png(chunk(b'eXIf', b)))
    add(f'{name}-profile.png', png(after=chunk(b'zTXt', b'Raw profile type exif\0\0' + zlib.compress(profile(b)))))
    add(f'{name}.webp', webp(8, riff(b'EXIF', b)))
    if name.endswith('II') and not name.startswith('type') or '-' not in name:
        add(f'{name}-xmp.jpg', jpeg(app1(b), segment(0xe1, XMP + attribute)))
        add(f'{name}-xmp.png', png(chunk(b'eXIf', b) + chunk(b'iTXt', KEY + bytes(5) + attribute)))
        add(f'{name}-xmp.webp', webp(12, riff(b'EXIF', b) + riff(b'XMP ', attribute)))

texts = dict(attribute=attribute, element=b'<x><tiff:Orientation>6</tiff:Orientation></x>', single=b"<x tiff:Orientation='6'/>",
             two=b'<a tiff:Orientation="3"/><tiff:Orientation>6</tiff:Orientation>', zero=b'tiff:Orientation="0"',
             nine=b'tiff:Orientation="9" tiff:Orientation="6"', space=b'tiff:Orientation ="6" tiff:Orientation="8"',
             digits=b'tiff:Orientation="62"', lower=b'tiff:orientation="6"', other=b'foo:Orientation="6"',
             utf16='tiff:Orientation="6"'.encode('utf-16le'), word=b'tiff:Orientation="x" tiff:Orientation="3"',
             invalid=b'\xff\xfe tiff:Orientation="6"', cut=b'tiff:Orientation="', nothing=b'<x/>', empty=b'')
eight, threes = b'tiff:Orientation="8"', chunk(b'tEXt', KEY + b'\0tiff:Orientation="3"')
for name, b in texts.items():
    itxt = chunk(b'iTXt', KEY + bytes(5) + b)
    add(f'xmp-{name}.jpg', jpeg(segment(0xe1, XMP + b)))
    add(f'xmp-{name}-then.jpg', jpeg(segment(0xe1, XMP + b), segment(0xe1, XMP + eight)))
    add(f'xmp-then-{name}.jpg', jpeg(segment(0xe1, XMP + eight), segment(0xe1, XMP + b)))
    add(f'xmp-{name}.webp', webp(4, riff(b'XMP ', b)))
    add(f'xmp-{name}-itxt.png', png(itxt))
    add(f'xmp-{name}-after.png', png(after=itxt))
    add(f'xmp-{name}-packed.png', png(chunk(b'iTXt', KEY + b'\0\1\0\0\0' + zlib.compress(b))))
    add(f'xmp-{name}-text.png', png(chunk(b'tEXt', KEY + b'\0' + b)))
    add(f'xmp-{name}-ztxt.png', png(chunk(b'zTXt', KEY + b'\0\0' + zlib.compress(b))))
    add(f'xmp-{name}-then.png', png(itxt + threes))
    add(f'xmp-then-{name}.png', png(threes + itxt))

add('jpeg-two.jpg', jpeg(app1(six), app1(three)))
add('jpeg-first-without.jpg', jpeg(app1(without), app1(three)))
long = exif('II', [], raw=[(271, ASCII, 40, 38), (TAG, LONG, 1, 6)]) + b'a' * 40
for cut in 10, 20, 30, 45:
    add(f'jpeg-split-{cut}.jpg', jpeg(app1(long[:cut]), segment(0xe1, XMP + eight), app1(long[cut:])))
add('jpeg-no-header.jpg', jpeg(segment(0xe1, b'Exif' + six)))
add('jpeg-other-header.jpg', jpeg(segment(0xe1, b'Exif\0\xff' + six)))
add('jpeg-app2.jpg', jpeg(segment(0xe2, b'Exif\0\0' + six)))
add('jpeg-extended-xmp.jpg', jpeg(segment(0xe1, b'http://ns.adobe.com/xmp/extension/\0' + attribute)))
add('jpeg-late.jpg', JPEG.replace(b'\xff\xda', app1(six) + b'\xff\xda', 1))
add('jpeg-tail.jpg', JPEG[:-2] + app1(six) + JPEG[-2:])
add('png-two.png', png(chunk(b'eXIf', six), chunk(b'eXIf', three)))
add('png-text-exif.png', png(chunk(b'tEXt', b'exif\0' + six)))
RAW = b'Raw profile type exif\0'
for name, before in dict(
        both=chunk(b'tEXt', RAW + profile(six)) + chunk(b'eXIf', three), text=chunk(b'tEXt', RAW + profile(six)),
        itxt=chunk(b'iTXt', RAW + bytes(4) + profile(six)), header=chunk(b'tEXt', RAW + profile(b'Exif\0\0' + six)),
        app1=chunk(b'tEXt', b'Raw profile type APP1\0' + profile(b'Exif\0\0' + six, '\ngeneric profile\n%8d\n')),
        short=chunk(b'tEXt', RAW + b'\nexif') + threes, damaged=chunk(b'zTXt', RAW + b'\0abcdef') + threes,
        spaces=chunk(b'tEXt', RAW + b'\nexif\n  9\n' + six.hex(' ').encode()), upper=chunk(b'tEXt', RAW + profile(six).upper()),
        xmp=chunk(b'tEXt', RAW + profile(without)) + threes).items():
    add(f'profile-{name}.png', png(before))
b = io.BytesIO()
picture.save(b, 'PNG', save_all=True, append_images=[picture.rotate(180)])
apng = b.getvalue()
for name, at in ('first', 33), ('frame', apng.rindex(b'fcTL') - 4), ('end', apng.rindex(b'IEND') - 4):
    add(f'apng-{name}.png', apng[:at] + chunk(b'eXIf', six) + apng[at:])
add('webp-no-flag.webp', webp(0, riff(b'EXIF', six)))
add('webp-plain.webp', webp(0, riff(b'EXIF', six), header=False))
add('webp-two.webp', webp(8, riff(b'EXIF', six) + riff(b'EXIF', three)))
add('webp-before.webp', webp(8, b'', before=riff(b'EXIF', six)))
add('webp-xmp-no-flag.webp', webp(8, riff(b'XMP ', attribute)))
add('webp-empty.webp', webp(12, riff(b'EXIF', b'') + riff(b'EXIF', six) + riff(b'XMP ', attribute)))


def tiff(order, entries):
    """An uncompressed TIFF of the picture with more entries, which come first."""
    e = '<' if order == 'II' else '>'
    px = picture.tobytes()
    more = [(256, LONG, [W]), (257, LONG, [H]), (258, SHORT, [8] * 3), (259, SHORT, [1]), (262, SHORT, [2]), (273, LONG, [8]),
            (277, SHORT, [3]), (278, LONG, [H]), (279, LONG, [len(px)])]
    d = exif(order, entries + more, at=8 + len(px))
    return d[:8] + px + d[8 + len(px):]


for order in 'II', 'MM':
    for kind in CODES:
        for v in 1, 6, 9:
            values = [v, 1] if kind in (RATIONAL, SRATIONAL) else [v]
            add(f'type{kind}-{v}-{order}.tif', tiff(order, [(TAG, kind, values)]))
    add(f'count2-{order}.tif', tiff(order, [(TAG, SHORT, [6, 3])]))
    for name, v in ('3', [3]), ('9', [9]):
        add(f'both-{name}-{order}.tif', tiff(order, [(TAG, SHORT, v), (700, BYTE, list(attribute))]))
    for kind in BYTE, 7:
        for name, b in texts.items():
            if b:
                add(f'xmp-{name}-{kind}-{order}.tif', tiff(order, [(700, kind, list(b))]))

# Files of other programs. With arguments they are taken from those folders.
found = {}
for folder in sys.argv[1:]:
    for f in sorted(os.listdir(folder)):
        found['found/' + f] = open(os.path.join(folder, f), 'rb').read()
if not found and os.path.exists('orientation.zip'):
    with zipfile.ZipFile('orientation.zip') as z:
        found = {n: z.read(n) for n in z.namelist() if n.startswith('found/')}
for name, data in sorted(found.items()):
    im = Image.open(io.BytesIO(data))
    picture = Image.open(io.BytesIO(data)).convert('RGB')
    if im.format == 'TIFF':
        picture = picture.transpose(2)  # exif_transpose has turned it by 6
    add(name, data)

with zipfile.ZipFile('orientation.zip', 'w', zipfile.ZIP_DEFLATED, compresslevel=9) as z:
    for name, data in [*files.items(), ('cases.json', json.dumps(cases, indent=0).encode())]:
        z.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED, 9)
print(len(cases), 'cases', os.path.getsize('orientation.zip'), 'bytes')
