#!/usr/bin/python3
"""Writes tiff.zip in this folder: TIFFs of every layout, and the pixels that Pillow finds.

Needs Pillow and numpy. Made with Pillow 13.0.0, libtiff 4.7.2:

    python3 make_tiff.py

cases.json in the archive lists each file with its size and either the pixels
that it must have (NAME.rgb) or the status it must get and the tag that the
reason must name. Files in found/ are of other programs. They are copied from the
old archive when it is made again.
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
rng = np.random.default_rng(35)
W, H = 21, 13
BYTE, ASCII, SHORT, LONG, SBYTE, SSHORT, SLONG, LONG8 = 1, 2, 3, 4, 6, 8, 9, 16
CODES = {BYTE: 'B', ASCII: 'B', SHORT: 'H', LONG: 'L', SBYTE: 'b', SSHORT: 'h', SLONG: 'l', LONG8: 'Q'}
RAW, LZW, DEFLATE, PACKBITS = 1, 5, 8, 32773
files, cases = {}, []


def lzw(data, old=False):
    """TIFF's LZW; old has the lowest bit first and longer codes one code later."""
    out, acc, have = bytearray(), 0, 0
    width, table, early = 9, {}, 0 if old else 1

    def put(code):
        nonlocal acc, have
        if old:
            acc |= code << have
            have += width
            while have >= 8:
                out.append(acc & 255)
                acc >>= 8
                have -= 8
            return
        acc = acc << width | code
        have += width
        while have >= 8:
            out.append(acc >> (have - 8) & 255)
            have -= 8
        acc &= (1 << have) - 1
    put(256)
    s, n = b'', 258
    for c in data:
        t = s + bytes([c])
        if len(t) == 1 or t in table:
            s = t
            continue
        put(table[s] if len(s) > 1 else s[0])
        table[t] = n
        n += 1
        if n + early > 1 << width:
            width += 1
        if n == 4094:
            put(256)
            width, table, n = 9, {}, 258
        s = bytes([c])
    if s:
        put(table[s] if len(s) > 1 else s[0])
        n += 1
        if n + early > 1 << width and width < 12:
            width += 1
    put(257)
    if have:
        out.append(acc & 255 if old else acc << (8 - have) & 255)
    return bytes(out)


def packbits(data):
    out, i = bytearray(), 0
    while i < len(data):
        n = 1
        while n < 128 and i + n < len(data) and data[i + n] == data[i]:
            n += 1
        if n > 2:
            out += bytes([257 - n, data[i]])
        else:
            n = min(128, len(data) - i)
            for k in range(1, n - 2):
                if data[i + k] == data[i + k + 1] == data[i + k + 2]:
                    n = k
                    break
            out += bytes([n - 1]) + data[i:i + n]
        i += n
    return bytes(out)


def reverse(data):
    return bytes(int(f'{b:08b}'[::-1], 2) for b in data)


PACK = {RAW: bytes, LZW: lzw, 'old': lambda b: lzw(b, True), DEFLATE: lambda b: zlib.compress(b, 6), PACKBITS: packbits}


def container(order, tags, blocks, offsets, counts, keys=None, sizes=None):
    """A file with its blocks first. tags: number -> (type, values)."""
    e = '<' if order == 'II' else '>'
    data, where = b'', []
    for b in blocks:
        where.append(8 + len(data))
        data += b + b'\0' * (len(b) & 1)
    tags = dict(tags)
    tags[offsets] = (LONG, where)
    if sizes is None:
        sizes = [len(b) for b in blocks]
    if sizes:
        tags[counts] = (LONG, sizes)
    keys = keys or sorted(tags)
    at = 8 + len(data) + 2 + 12 * len(keys) + 4
    entries = extra = b''
    for k in keys:
        kind, values = tags[k]
        raw = struct.pack(e + CODES[kind] * len(values), *values)
        value = raw.ljust(4, b'\0')
        if len(raw) > 4:
            value = struct.pack(e + 'L', at + len(extra))
            extra += raw + b'\0' * (len(raw) & 1)
        entries += struct.pack(e + 'HHL', k, kind, len(values)) + value
    return ((b'II*\0' if order == 'II' else b'MM\0*') + struct.pack(e + 'L', 8 + len(data)) + data +
            struct.pack(e + 'H', len(keys)) + entries + b'\0\0\0\0' + extra)


def packed(row, bits, order):
    if bits == 16:
        return row.astype('<u2' if order == 'II' else '>u2').tobytes()
    per = 8 // bits
    row = np.concatenate([row, np.zeros(-len(row) % per, row.dtype)])
    out = np.zeros(len(row) // per, np.uint8)
    for i in range(per):
        out |= (row[i::per] << (8 - bits * (i + 1))).astype(np.uint8)
    return out.tobytes()


def picture(samples, bits, w=W, h=H):
    y, x = np.mgrid[0:h, 0:w]
    top = (1 << bits) - 1
    return np.stack([(x * (7 + 6 * i) + y * (5 + i)) * (top // 255 or 1) + rng.integers(0, top // 8 + 2, (h, w))
                     for i in range(samples)], -1) & top


def tiff(photo=2, samples=3, bits=8, extra=None, pack=RAW, order='II', planar=1, tile=None, rows=5, predictor=1, fill=1,
         more=None, drop=(), keys=None, sizes=None, once=False, img=None):
    img = picture(samples, bits) if img is None else img
    h, w = img.shape[:2]
    blocks = []
    for p in [img[:, :, i:i + 1] for i in range(samples)] if planar == 2 else [img]:
        if tile:
            grid = [(y, x, *tile) for y in range(0, h, tile[1]) for x in range(0, w, tile[0])]
        else:
            grid = [(y, 0, w, min(rows, h - y)) for y in range(0, h, rows)]
        for y, x, bw, bh in grid:
            b = np.zeros((bh, bw, p.shape[2]), np.int64)
            part = p[y:y + bh, x:x + bw]
            b[:part.shape[0], :part.shape[1]] = part
            if predictor == 2:
                b[:, 1:] -= b[:, :-1].copy()
                b &= (1 << bits) - 1
            raw = PACK[pack](b''.join(packed(r.reshape(-1), bits, order) for r in b))
            blocks.append(reverse(raw) if fill == 2 else raw)
    tags = {256: (LONG, [w]), 257: (LONG, [h]), 258: (SHORT, [bits] * (1 if once else samples)),
            259: (SHORT, [LZW if pack == 'old' else pack]), 262: (SHORT, [photo]), 277: (SHORT, [samples])}
    for tag, value, usual in (284, planar, 1), (266, fill, 1), (317, predictor, 1):
        if value != usual:
            tags[tag] = (SHORT, [value])
    if extra is not None:
        tags[338] = (SHORT, list(extra))
    if photo == 3:
        tags[320] = (SHORT, [int(v) for v in rng.integers(0, 65536, 3 << bits)])
    if tile:
        tags[322], tags[323] = (LONG, [tile[0]]), (LONG, [tile[1]])
    else:
        tags[278] = (LONG, [rows])
    tags.update(more or {})
    for t in drop:
        tags.pop(t, None)
    return container(order, tags, blocks, *((324, 325) if tile else (273, 279)), keys, sizes)


def pillow(data):
    im = Image.open(io.BytesIO(data))
    im.load()
    im = ImageOps.exif_transpose(im)
    if im.mode.startswith('I;16'):
        # Pillow clips grey of 16 bits to 255 when it converts it; the upper byte is right.
        im = Image.fromarray((np.asarray(im).astype(np.uint16) >> 8).astype(np.uint8))
    if im.mode == 'La':
        im = im.convert('LA')
    return im.convert('RGB')


def shown(name, data):
    """The file has Pillow's pixels."""
    rgb = pillow(data)
    files[name + '.tif'], files[name + '.rgb'] = data, rgb.tobytes()
    cases.append(dict(name=name, width=rgb.width, height=rgb.height))


def refused(name, data, tag, status='unsupported'):
    files[name + '.tif'] = data
    cases.append(dict(name=name, status=status, tag=tag))


# Every layout of samples that is read, in every compression.
LAYOUTS = dict(
    white1=(0, 1, 1, None), white2=(0, 1, 2, None), white4=(0, 1, 4, None), white8=(0, 1, 8, None),
    black1=(1, 1, 1, None), black2=(1, 1, 2, None), black4=(1, 1, 4, None), black8=(1, 1, 8, None), black16=(1, 1, 16, None),
    greyX=(1, 2, 8, (0,)), greya=(1, 2, 8, (1,)), greyA=(1, 2, 8, (2,)),
    palette1=(3, 1, 1, None), palette2=(3, 1, 2, None), palette4=(3, 1, 4, None), palette8=(3, 1, 8, None),
    paletteX=(3, 2, 8, (0,)), paletteA=(3, 2, 8, (2,)),
    rgb=(2, 3, 8, None), rgb16=(2, 3, 16, None), rgbNone=(2, 4, 8, None), rgb16None=(2, 4, 16, None),
    rgbX=(2, 4, 8, (0,)), rgba=(2, 4, 8, (1,)), rgbA=(2, 4, 8, (2,)), rgbCorel=(2, 4, 8, (999,)),
    rgbXX=(2, 5, 8, (0, 0)), rgbaX=(2, 5, 8, (1, 0)), rgbAX=(2, 5, 8, (2, 0)), rgbXXX=(2, 6, 8, (0, 0, 0)),
    rgb16X=(2, 4, 16, (0,)), rgb16a=(2, 4, 16, (1,)), rgb16A=(2, 4, 16, (2,)))
NAMES = {RAW: 'raw', LZW: 'lzw', 'old': 'oldlzw', DEFLATE: 'deflate', PACKBITS: 'packbits'}
for name, (photo, samples, bits, extra) in LAYOUTS.items():
    more = dict(photo=photo, samples=samples, bits=bits, extra=extra)
    for i, (pack, word) in enumerate(NAMES.items()):
        order, tile = ('II', 'MM')[i % 2], ((16, 16), None)[i // 2 % 2]
        shown(f'{name}-{word}', tiff(pack=pack, order=order, tile=tile, **more))
    for order in 'II', 'MM':
        if bits >= 8:
            shown(f'{name}-predictor-{order}', tiff(pack=LZW, order=order, predictor=2, **more))
    if bits >= 8 and samples > 1 and name not in ('greya', 'rgbNone', 'rgb16None', 'rgbaX', 'rgbAX'):
        for tile in None, (32, 48):
            shown(f'{name}-planes-{"tile" if tile else "strip"}', tiff(pack=DEFLATE, planar=2, tile=tile, **more))
        shown(f'{name}-planes-predictor', tiff(pack=LZW, planar=2, predictor=2, order='MM', **more))
    if bits >= 8 and samples > 1:
        shown(f'{name}-bits-once', tiff(once=True, **more))
    if samples == 1 and bits <= 8 or name == 'rgb':
        for pack in (RAW, LZW, DEFLATE, PACKBITS):
            if pack != RAW or name not in ('white8', 'palette1', 'palette2', 'palette4'):
                shown(f'{name}-{NAMES[pack]}-fill2', tiff(pack=pack, fill=2, tile=(16, 16) if pack == RAW else None, **more))
for tile in None, (16, 16), (256, 256), (2048, 16):
    shown(f'rgb-planes-raw-{tile and tile[0]}', tiff(planar=2, tile=tile, pack=RAW if not tile or tile[0] < 100 else DEFLATE))
shown('rgbA-planes-raw', tiff(planar=2, samples=4, extra=(2,)))

# Premultiplied colours, including some that are more than their alpha.
noise = rng.integers(0, 256, (16, 16, 4))
noise16 = rng.integers(0, 65536, (16, 16, 4))
shown('premultiplied', tiff(samples=4, extra=(1,), img=noise))
shown('premultiplied-grey', tiff(photo=1, samples=2, extra=(1,), img=noise[:, :, :2]))
shown('premultiplied-planes', tiff(samples=4, extra=(1,), pack=LZW, planar=2, img=noise))
for order in 'II', 'MM':
    shown(f'premultiplied-16-{order}', tiff(samples=4, bits=16, extra=(1,), order=order, img=noise16))

# Directories of other shapes.
for pack in RAW, LZW:
    n = NAMES[pack]
    shown(f'unsorted-{n}', tiff(pack=pack, keys=[277, 256, 257, 262, 258, 259, 278, 279, 273]))
    shown(f'no-counts-{n}', tiff(pack=pack, rows=H, sizes=[]))
    shown(f'zero-count-{n}', tiff(pack=pack, rows=H, sizes=[0]))
    shown(f'large-counts-{n}', tiff(pack=pack, rows=5, sizes=[400, 400, 250] if pack == RAW else None))
    shown(f'no-rows-per-strip-{n}', tiff(pack=pack, rows=H, drop=(278,)))
    shown(f'huge-rows-per-strip-{n}', tiff(pack=pack, rows=H, more={278: (LONG, [0xffffffff])}))
    shown(f'width-short-{n}', tiff(pack=pack, more={256: (SHORT, [W]), 257: (SHORT, [H])}))
    shown(f'width-signed-{n}', tiff(pack=pack, more={256: (SLONG, [W]), 257: (SSHORT, [H])}))
    shown(f'width-long8-{n}', tiff(pack=pack, more={256: (LONG8, [W]), 257: (LONG8, [H])}))
    shown(f'compression-thrice-{n}', tiff(pack=pack, more={259: (SHORT, [pack] * 3)}))
    shown(f'bits-too-many-{n}', tiff(pack=pack, more={258: (SHORT, [8] * 5)}))
    shown(f'orientation-{n}', tiff(pack=pack, more={274: (SHORT, [6])}))
    shown(f'bilevel-no-bits-{n}', tiff(photo=1, samples=1, bits=1, pack=pack, drop=(258, 277)))
    shown(f'no-photometric-{n}', tiff(photo=0, samples=1, pack=pack, drop=(262,)))
    for tag, name, value in ((262, 'PhotometricInterpretation', (SHORT, [5])), (262, 'PhotometricInterpretation', (SHORT, [32803])),
                             (339, 'SampleFormat', (SHORT, [2, 2, 2])), (339, 'SampleFormat', (SHORT, [3, 3, 3])),
                             (258, 'BitsPerSample', (SHORT, [8, 8, 4])), (258, 'BitsPerSample', (SHORT, [12, 12, 12])),
                             (258, 'BitsPerSample', (SHORT, [8, 8])), (284, 'PlanarConfiguration', (SHORT, [3])),
                             (266, 'FillOrder', (SHORT, [3])), (338, 'ExtraSamples', (SHORT, [0])),
                             (277, 'PhotometricInterpretation', (SHORT, [1])), (277, 'BitsPerSample', (SHORT, [4])),
                             (256, 'ImageWidth', (BYTE, [W])), (32997, 'ImageDepth', (LONG, [2]))):
        refused(f'refused-{tag}-{"-".join(map(str, value[1]))}-{n}', tiff(pack=pack, more={tag: value}), name)
shown('predictor-raw', tiff(more={317: (SHORT, [2])}))
shown('predictor-packbits', tiff(pack=PACKBITS, more={317: (SHORT, [2])}))
refused('predictor-3', tiff(pack=LZW, more={317: (SHORT, [3])}), 'Predictor')
refused('predictor-4bit', tiff(photo=1, samples=1, bits=4, pack=LZW, more={317: (SHORT, [2])}), 'Predictor')
for c in 2, 6, 7, 32771, 34925, 50000, 50001, 60000:
    refused(f'compression-{c}', tiff(more={259: (SHORT, [c])}, photo=1, samples=1, bits=1), 'Compression')
refused('extra-unknown', tiff(samples=4, extra=(5,)), 'ExtraSamples')
refused('samples-9', tiff(samples=9, extra=(0,) * 6), 'ExtraSamples')
refused('five-no-extra', tiff(samples=5), 'ExtraSamples')
refused('planes-no-extra', tiff(samples=4, planar=2, pack=LZW), 'PlanarConfiguration')
refused('planes-raw-16', tiff(bits=16, planar=2), 'PlanarConfiguration')
refused('planes-raw-white', tiff(photo=0, samples=1, more={284: (SHORT, [2])}), 'PlanarConfiguration')
refused('white-16', tiff(photo=0, samples=1, bits=16), 'PhotometricInterpretation')
refused('fill2-rgba', tiff(samples=4, extra=(2,), fill=2), 'FillOrder')
refused('colour-map-short', tiff(photo=3, samples=1, more={320: (SHORT, [1] * 300)}), 'ColorMap')
refused('colour-map-none', tiff(photo=3, samples=1, drop=(320,)), 'ColorMap')
refused('more-offsets', tiff(rows=5, more={278: (LONG, [100])}), 'StripOffsets')
refused('no-offsets', tiff(tile=(16, 16), keys=[256, 257, 258, 259, 262, 277, 322, 323]), 'TileOffsets', 'corrupt')
refused('count-beyond', tiff(rows=H, sizes=[0xffffffff]), 'block 0', 'corrupt')
refused('lzw-short', tiff(pack=LZW, rows=H, img=picture(3, 8), more={257: (LONG, [H + 3]), 278: (LONG, [H + 3])}), 'block 0', 'corrupt')

# CCITT, as libtiff writes it.
for kind in 'shapes', 'noise', 'white', 'black', 'long':
    w, h = (2700, 4) if kind == 'long' else (37, 11)
    y, x = np.mgrid[0:h, 0:w]
    a = {'shapes': (x // 5 + y // 3) % 3 == 0, 'noise': rng.integers(0, 2, (h, w)) == 1, 'white': x >= 0, 'black': x < 0,
         'long': (x > 2600) | (x // (40 + 200 * y) % 2 == 0)}[kind]
    im = Image.fromarray(a)
    for group, options in ('group3', (0, 1, 4, 5)), ('group4', (0,)):
        for photo in 0, 1:
            for fill in 1, 2:
                for t4 in options:
                    b = io.BytesIO()
                    im.save(b, 'TIFF', compression=group, tiffinfo={262: photo, 266: fill, 278: 5, **({292: t4} if t4 else {})})
                    shown(f'{group}-{kind}-{photo}-{fill}-{t4}', b.getvalue())
b = io.BytesIO()
pages = [Image.fromarray(picture(3, 8).astype(np.uint8)) for _ in range(2)]
pages[0].save(b, 'TIFF', save_all=True, append_images=pages[1:])
shown('pages', b.getvalue())

# Files of other programs. With arguments they are taken from those folders.
OTHERS_REFUSED = {'bigtiff': 'BigTIFF', 'cmyk': 'PhotometricInterpretation', 'float32': 'SampleFormat'}
found = {}
for folder in sys.argv[1:]:
    for f in sorted(os.listdir(folder)):
        if f.endswith('.tif'):
            found['found/' + f[:-4]] = open(os.path.join(folder, f), 'rb').read()
if not found and os.path.exists('tiff.zip'):
    with zipfile.ZipFile('tiff.zip') as z:
        found = {n[:-4]: z.read(n) for n in z.namelist() if n.startswith('found/') and n.endswith('.tif')}
for name, data in sorted(found.items()):
    tag = OTHERS_REFUSED.get(name[6:])
    if tag:
        refused(name, data, tag)
    else:
        shown(name, data)

with zipfile.ZipFile('tiff.zip', 'w', zipfile.ZIP_DEFLATED, compresslevel=9) as z:
    for name, data in [*files.items(), ('cases.json', json.dumps(cases, indent=0).encode())]:
        z.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED, 9)
print(len(cases), 'cases', os.path.getsize('tiff.zip'), 'bytes')
