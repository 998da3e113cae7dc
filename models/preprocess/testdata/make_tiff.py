#!/usr/bin/python3
"""Writes tiff.zip and tiff-kinds.zip in this folder: TIFFs of every layout, and the pixels that
Pillow finds. The second has samples, colours and compressions beyond those of most files.

Needs Pillow, numpy, tifffile and zstandard. Made with Pillow 13.0.0, libtiff 4.7.2:

    python3 make_tiff.py

cases.json in an archive lists each file with its size and either the pixels
that it must have (NAME.rgb), within "most" steps, or the status it must get and the tag that the
reason must name. Files in found/ are of other programs. They are copied from the
old archive when it is made again.
"""
import io
import json
import lzma as xz
import os
import random
import struct
import sys
import warnings
import zipfile
import zlib

import numpy as np
import tifffile
from PIL import Image, ImageCms, ImageOps

os.chdir(os.path.dirname(os.path.abspath(__file__)))
warnings.simplefilter('ignore')
rng = np.random.default_rng(35)
W, H = 21, 13
BYTE, ASCII, SHORT, LONG, RATIONAL, SBYTE, UNDEFINED, SSHORT, SLONG, LONG8 = 1, 2, 3, 4, 5, 6, 7, 8, 9, 16
CODES = {BYTE: 'B', ASCII: 'B', SHORT: 'H', LONG: 'L', RATIONAL: 'L', SBYTE: 'b', UNDEFINED: 'B', SSHORT: 'h', SLONG: 'l', LONG8: 'Q'}
RAW, LZW, DEFLATE, PACKBITS, LZMA, ZSTD = 1, 5, 8, 32773, 34925, 50000
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
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


def xz_delta(data):
    """LZMA as libtiff writes it."""
    return xz.compress(data, xz.FORMAT_XZ, xz.CHECK_CRC32, filters=[dict(id=xz.FILTER_DELTA, dist=1), dict(id=xz.FILTER_LZMA2, preset=6)])


def zstd(data):
    import zstandard
    return zstandard.ZstdCompressor(9).compress(data)


PACK = {RAW: bytes, LZW: lzw, 'old': lambda b: lzw(b, True), DEFLATE: lambda b: zlib.compress(b, 6), PACKBITS: packbits,
        LZMA: xz_delta, ZSTD: zstd}


def container(order, tags, blocks, offsets, counts, keys=None, sizes=None, big=False):
    """A file with its blocks first. tags: number -> (type, values)."""
    e = '<' if order == 'II' else '>'
    if big:
        return big_container(e, tags, blocks, offsets, counts, sizes)
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


def big_container(e, tags, blocks, offsets, counts, sizes):
    """container, for BigTIFF."""
    data, where = b'', []
    for b in blocks:
        where.append(16 + len(data))
        data += b + b'\0' * (-len(b) % 8)
    tags = dict(tags)
    tags[offsets], tags[counts] = (LONG8, where), (LONG8, sizes or [len(b) for b in blocks])
    at = 16 + len(data) + 8 + 20 * len(tags) + 8
    entries = extra = b''
    for k in sorted(tags):
        kind, values = tags[k]
        raw = struct.pack(e + CODES[kind] * len(values), *values)
        value = raw.ljust(8, b'\0')
        if len(raw) > 8:
            value = struct.pack(e + 'Q', at + len(extra))
            extra += raw + b'\0' * (-len(raw) % 8)
        entries += struct.pack(e + 'HHQ', k, kind, len(values)) + value
    return ((b'II+\0' if e == '<' else b'MM\0+') + struct.pack(e + 'HHQ', 8, 0, 16 + len(data)) + data +
            struct.pack(e + 'Q', len(tags)) + entries + b'\0' * 8 + extra)


def packed(row, bits, order):
    e = '<' if order == 'II' else '>'
    if row.dtype.kind == 'f':
        return row.astype(f'{e}f{bits // 8}').tobytes()
    if bits in (16, 32, 64):
        return (row & ((1 << bits) - 1) if bits < 64 else row).astype(f'{e}u{bits // 8}').tobytes()
    if bits == 24:
        b = row.astype('<u4').tobytes()
        return b''.join(b[i:i + 3] if order == 'II' else b[i:i + 3][::-1] for i in range(0, len(b), 4))
    if 8 % bits:
        text = ''.join(f'{int(v):0{bits}b}' for v in row)
        text += '0' * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, 'big')
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
         more=None, drop=(), keys=None, sizes=None, once=False, img=None, kind=UNSIGNED, big=False, sub=None):
    img = picture(samples, bits) if img is None else img
    h, w = img.shape[:2]
    blocks = []
    for p in [img[:, :, i:i + 1] for i in range(samples)] if planar == 2 else [img]:
        if tile:
            grid = [(y, x, *tile) for y in range(0, h, tile[1]) for x in range(0, w, tile[0])]
        else:
            grid = [(y, 0, w, min(rows, h - y)) for y in range(0, h, rows)]
        for y, x, bw, bh in grid:
            b = np.zeros((bh, bw, p.shape[2]), p.dtype)
            part = p[y:y + bh, x:x + bw]
            b[:part.shape[0], :part.shape[1]] = part
            if predictor == 2:
                b[:, 1:] -= b[:, :-1].copy()
                b = b & ((1 << bits) - 1) if bits < 64 else b
            if sub:
                raw = PACK[pack](shared(b, *sub))
            elif predictor == 3:
                raw = PACK[pack](b''.join(float_differences(r, bits) for r in b))
            else:
                raw = PACK[pack](b''.join(packed(r.reshape(-1), bits, order) for r in b))
            blocks.append(reverse(raw) if fill == 2 else raw)
    tags = {256: (LONG, [w]), 257: (LONG, [h]), 258: (SHORT, [bits] * (1 if once else samples)),
            259: (SHORT, [LZW if pack == 'old' else pack]), 262: (SHORT, [photo]), 277: (SHORT, [samples])}
    for tag, value, usual in (284, planar, 1), (266, fill, 1), (317, predictor, 1), (339, kind, 1):
        if value != usual:
            tags[tag] = (SHORT, [value])
    if photo == 6:
        tags[530] = (SHORT, list(sub or (1, 1)))
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
    return container(order, tags, blocks, *((324, 325) if tile else (273, 279)), keys, sizes, big)


def shared(b, x, y):
    """The bytes of YCbCr of which x by y pixels share the chroma, that of the first."""
    out = bytearray()
    for top in range(0, b.shape[0], y):
        for left in range(0, b.shape[1], x):
            for v in range(y):
                for u in range(x):
                    out.append(int(b[min(top + v, b.shape[0] - 1), min(left + u, b.shape[1] - 1), 0]))
            out += bytes(int(c) for c in b[top, left, 1:3])
    return bytes(out)


def float_differences(row, bits):
    """A row with predictor 3: planes of bytes, the highest first, and their differences."""
    n = row.shape[1]
    planes = np.frombuffer(row.astype(f'>f{bits // 8}').tobytes(), np.uint8).reshape(-1, bits // 8).T.reshape(-1).copy()
    planes[n:] -= planes[:-n].copy()
    return planes.tobytes()


def pillow(data):
    im = Image.open(io.BytesIO(data))
    im.load()
    im = ImageOps.exif_transpose(im)
    if im.mode.startswith('I;16'):
        # Pillow clips grey of 16 bits to 255 when it converts it; the upper byte is right.
        im = Image.fromarray((np.asarray(im).astype(np.uint16) >> 8).astype(np.uint8))
    if im.mode == 'La':
        im = im.convert('LA')
    if im.mode == 'LAB':
        # By default, Little CMS converts by a table of 33 levels, which is coarse.
        exact = ImageCms.buildTransform(ImageCms.createProfile('LAB'), ImageCms.createProfile('sRGB'), 'LAB', 'RGB',
                                        flags=ImageCms.Flags.NOOPTIMIZE)
        return ImageCms.applyTransform(im, exact)
    return im.convert('RGB')


def shown(name, data, most=0):
    """The file has Pillow's pixels."""
    rgb = pillow(data)
    files[name + '.tif'], files[name + '.rgb'] = data, rgb.tobytes()
    cases.append(dict(name=name, width=rgb.width, height=rgb.height, **({'most': most} if most else {})))


def expect(name, data, rgb):
    """The file, which Pillow refuses or clips, has these pixels: grey or colours of 8 bits."""
    if rgb.shape[2] < 3:
        rgb = rgb[:, :, :1].repeat(3, 2)
    rgb = rgb[:, :, :3].astype(np.uint8)
    files[name + '.tif'], files[name + '.rgb'] = data, rgb.tobytes()
    cases.append(dict(name=name, width=rgb.shape[1], height=rgb.shape[0]))


def levels(a, kind=UNSIGNED, bits=0):
    """The pixels that the package's comment promises for samples."""
    if kind == UNSIGNED and bits <= 16:
        return a * 255 // ((1 << bits) - 1) if bits < 8 else a >> (bits - 8)
    a = np.where(np.isnan(a), 0, a)
    most = a.max()
    if kind == FLOAT:
        return np.floor(np.clip(a, 0, 1) * 255 + 0.5) if most <= 1 else np.clip(a, 0, 255)
    sign = kind == SIGNED
    a = np.maximum(a, 0)
    depth = next(d for d in (8, 16, 32, 64) if most < 1 << (d - (sign and d > 8)))
    return np.minimum(a >> (min(depth, bits if bits == 24 else 64) - 8 - (sign and depth > 8)), 255)


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
                             (339, 'SampleFormat', (SHORT, [3, 3, 3])), (339, 'SampleFormat', (SHORT, [1, 2, 1])),
                             (258, 'BitsPerSample', (SHORT, [8, 8, 4])), (258, 'BitsPerSample', (SHORT, [17, 17, 17])),
                             (258, 'BitsPerSample', (SHORT, [8, 8])), (284, 'PlanarConfiguration', (SHORT, [3])),
                             (266, 'FillOrder', (SHORT, [3])), (338, 'ExtraSamples', (SHORT, [0])),
                             (277, 'PhotometricInterpretation', (SHORT, [1])), (277, 'BitsPerSample', (SHORT, [4])),
                             (256, 'ImageWidth', (BYTE, [W])), (32997, 'ImageDepth', (LONG, [2]))):
        refused(f'refused-{tag}-{"-".join(map(str, value[1]))}-{n}', tiff(pack=pack, more={tag: value}), name)
shown('predictor-raw', tiff(more={317: (SHORT, [2])}))
shown('predictor-packbits', tiff(pack=PACKBITS, more={317: (SHORT, [2])}))
refused('predictor-3', tiff(pack=LZW, more={317: (SHORT, [3])}), 'Predictor')
refused('predictor-4bit', tiff(photo=1, samples=1, bits=4, pack=LZW, more={317: (SHORT, [2])}), 'Predictor')
for c in 9, 32766, 32809, 34676, 34712, 34887, 60000:
    refused(f'compression-{c}', tiff(more={259: (SHORT, [c])}, photo=1, samples=1, bits=1), 'Compression')
for c in 6, 7:
    refused(f'compression-{c}', tiff(more={259: (SHORT, [c])}, photo=3, samples=1, bits=8), 'Compression')
many = picture(9, 8)
expect('extra-unknown', tiff(samples=4, extra=(5,), img=many[:, :, :4]), many)
expect('samples-9', tiff(samples=9, extra=(0,) * 6, img=many), many)
expect('five-no-extra', tiff(samples=5, img=many[:, :, :5]), many)
expect('grey-five', tiff(photo=1, samples=5, extra=(0,) * 4, img=many[:, :, :5]), many[:, :, :1])
expect('planes-no-extra', tiff(samples=4, planar=2, pack=LZW, img=many[:, :, :4]), many)
expect('fill2-rgba', tiff(samples=4, extra=(2,), fill=2, img=many[:, :, :4]), many)
deep = picture(3, 16)
expect('planes-raw-16', tiff(bits=16, planar=2, img=deep), levels(deep, bits=16))
expect('planes-raw-white', tiff(photo=0, samples=1, more={284: (SHORT, [2])}, img=many[:, :, :1]), 255 - many[:, :, :1])
expect('white-16', tiff(photo=0, samples=1, bits=16, img=deep[:, :, :1]), 255 - levels(deep[:, :, :1], bits=16))
shown('fill2-16', tiff(photo=1, samples=1, bits=16, fill=2))

# Samples of every number of bits, in planes and not.
for bits in (2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16):
    for samples in (1, 3) if bits in (2, 4, 5, 10, 12) else (1,):
        a = picture(samples, bits)
        for i, (pack, planar) in enumerate(((RAW, 1), (DEFLATE, 2))):
            data = tiff(photo=1 if samples == 1 else 2, samples=samples, bits=bits, pack=pack, planar=planar, order=('II', 'MM')[i], img=a,
                        tile=(16, 16) if i else None)
            expect(f'bits-{bits}-{samples}-{i}', data, levels(a, bits=bits))
for kind, bits, tops in ((UNSIGNED, 24, (200, 60000, 1 << 23)), (UNSIGNED, 32, (200, 60000, 1 << 31)), (UNSIGNED, 64, (1 << 40,)),
                         (SIGNED, 8, (127,)), (SIGNED, 16, (200, 30000)), (SIGNED, 32, (255, 256, 1 << 30)), (SIGNED, 64, (300,)),
                         (FLOAT, 16, (1, 240)), (FLOAT, 32, (0.5, 1, 200, 1e9)), (FLOAT, 64, (1, 1.5))):
    for top in tops:
        for samples in (1, 3) if bits == 32 else (1,):
            a = rng.integers(-30 if kind != UNSIGNED else 0, 100, (9, 11, samples)) / 100 * top
            a[3, 4] = top
            if kind != FLOAT:
                a = np.floor(a).astype(np.int64)
            else:
                a = a.astype(f'f{bits // 8}')
                a[5, 6], a[6, 7], a[7, 8] = np.nan, -np.inf, 0
            for i, (pack, predictor, order) in enumerate(((RAW, 1, 'II'), (LZW, 2, 'MM'), (DEFLATE, 3, 'II'), (ZSTD, 3, 'MM'))):
                if predictor == 3 and kind != FLOAT or predictor == 2 and (bits == 24 or kind == FLOAT):
                    continue
                data = tiff(photo=1 if samples == 1 else 2, samples=samples, bits=bits, kind=kind, pack=pack, predictor=predictor,
                            order=order, img=a, tile=(16, 16) if predictor == 3 else None)
                expect(f'number-{kind}-{bits}-{top}-{samples}-{i}', data, levels(a.astype(float) if kind == FLOAT else a, kind, bits))
shown('signed-16', tiff(photo=1, samples=1, bits=16, kind=SIGNED, img=np.arange(W * H).reshape(H, W, 1) % 300 - 50))
shown('float-32', tiff(photo=1, samples=1, bits=32, kind=FLOAT, img=rng.uniform(-50, 300, (H, W, 1)).astype('f4')))
shown('unsigned-32', tiff(photo=1, samples=1, bits=32, img=picture(1, 8)))
shown('signed-32', tiff(photo=1, samples=1, bits=32, kind=SIGNED, img=picture(1, 8) - 40))

# Colours that are not red, green and blue.
for order in 'II', 'MM':
    for bits, extra in (8, ()), (8, (0,)), (8, (0, 0)), (16, ()):
        for pack in (RAW, LZW) if order == 'II' else (DEFLATE,):
            shown(f'cmyk-{bits}-{len(extra)}-{pack}-{order}', tiff(photo=5, samples=4 + len(extra), bits=bits, extra=extra or None, pack=pack,
                                                                   order=order))
    shown(f'cmyk-planes-{order}', tiff(photo=5, samples=4, planar=2, pack=LZW, order=order))
for name, more in (('plain', {}), ('video', {532: (RATIONAL, [16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1])}),
                   ('bt709', {529: (RATIONAL, [2126, 10000, 7152, 10000, 722, 10000])})):
    for x, y in ((1, 1), (2, 2), (2, 1), (1, 2), (4, 4), (4, 2), (4, 1)) if name == 'plain' else ((1, 1), (2, 2)):
        for tile in (None, (16, 16)) if name == 'plain' else (None,):
            rows = 4 if (x, y) != (1, 1) else 5
            shown(f'ycbcr-{name}-{x}{y}-{tile and 1}', tiff(photo=6, pack=LZW, sub=(x, y) if (x, y) != (1, 1) else None, rows=rows, tile=tile, more=more))
shown('ycbcr-planes', tiff(photo=6, pack=LZW, planar=2))
expect('ycbcr-grey', tiff(photo=6, samples=1, pack=LZW, img=many[:, :, :1]), many[:, :, :1])
for pack in RAW, LZW:
    shown(f'lab-{pack}', tiff(photo=8, pack=pack), 1)
    shown(f'lab-noise-{pack}', tiff(photo=8, pack=pack, img=noise[:, :, :3]), 1)

# Further compressions, and BigTIFF.
for i, (name, (photo, samples, bits, extra)) in enumerate(LAYOUTS.items()):
    for pack in (LZMA, ZSTD)[i % 2:][:1]:
        shown(f'{name}-{pack}', tiff(photo=photo, samples=samples, bits=bits, extra=extra, pack=pack, predictor=2 if bits >= 8 else 1))
for order in 'II', 'MM':
    for pack in RAW, LZW:
        data = tiff(pack=pack, order=order, big=True, img=many[:, :, :3], rows=H, more={274: (SHORT, [6])})
        expect(f'big-{order}-{pack}', data, np.rot90(many[:, :, :3], -1))
    expect(f'big-tiles-{order}', tiff(order=order, big=True, tile=(16, 16), img=many[:, :, :3]), many)
large = rng.integers(0, 4, (60, 50, 3)) * 60
large[20:30] = rng.integers(0, 256, (10, 50, 3))
y, x = np.mgrid[0:400, 0:300]
wide = np.stack([(x // 3 + y // 5 + c + (y > 350) * (x % 9)) % 7 * 30 for c in range(3)], -1)
for pack in LZMA, ZSTD:
    shown(f'large-{pack}', tiff(pack=pack, rows=400, img=large))
    shown(f'wide-{pack}', tiff(pack=pack, rows=400, img=wide))
    refused(f'cut-{pack}', tiff(pack=pack, rows=H, sizes=[30]), 'block 0', 'corrupt')
PACK['xz'] = lambda b: xz.compress(b, xz.FORMAT_XZ, xz.CHECK_CRC32, filters=[dict(id=xz.FILTER_DELTA, dist=3), dict(id=xz.FILTER_LZMA2, preset=6)])
shown('xz-delta', tiff(pack='xz', rows=400, img=large, more={259: (SHORT, [LZMA])}))
for name, more in (('store', dict(preset=0)), ('lc', dict(lc=0, lp=2, pb=0)), ('small', dict(dict_size=4096))):
    PACK['xz'] = lambda b: xz.compress(b, xz.FORMAT_XZ, xz.CHECK_CRC64 if name == 'lc' else xz.CHECK_NONE, filters=[dict(id=xz.FILTER_LZMA2, **more)])
    for kind, img in ('large', large), ('wide', wide):
        shown(f'xz-{name}-{kind}', tiff(pack='xz', rows=400, img=img, more={259: (SHORT, [LZMA])}))
for name, picture_of in ('jpeg', 'RGB'), ('jpeg-grey', 'L'), ('jpeg-cmyk', 'CMYK'):
    im = Image.fromarray(large.astype(np.uint8)).resize((45, 37)).convert(picture_of)
    for quality in 60, 95:
        b = io.BytesIO()
        im.save(b, 'TIFF', compression='jpeg', quality=quality)
        shown(f'{name}-{quality}', b.getvalue(), 3)
def jpeg_of(img, mode, **more):
    b = io.BytesIO()
    Image.fromarray(img.astype(np.uint8)).convert(mode).save(b, 'JPEG', **more)
    return b.getvalue()


def segments(file, kinds):
    """The segments of a JPEG of these markers."""
    out, at = [], 2
    while True:
        n = 2 + file[at + 2] * 256 + file[at + 3]
        if file[at + 1] in kinds:
            out.append(file[at:at + n])
        if file[at + 1] == 0xda:
            return out, file[at + n:]
        at += n


# JPEG in tiles and strips, with and without shared tables, and in planes.
soft = np.stack([np.add.outer(np.arange(48) * 3, np.arange(64) * 2), np.add.outer(np.arange(48), np.arange(64) * 3), np.full((48, 64), 90)], -1) % 256
for name, photo, mode, sub in (('ycbcr-420', 6, 'RGB', 2), ('ycbcr-444', 6, 'RGB', 0), ('grey', 1, 'L', 0), ('white', 0, 'L', 0), ('cmyk', 5, 'CMYK', 0)):
    for tables in False, True:
        for tiles in False, True:
            blocks = [jpeg_of(soft[y:y + 16, x:x + 32], mode, quality=80, subsampling=sub) if tiles else
                      jpeg_of(soft[y:y + 16], mode, quality=80, subsampling=sub)
                      for y in range(0, 48, 16) for x in (range(0, 64, 32) if tiles else (0,))]
            samples = dict(L=1, RGB=3, CMYK=4)[mode]
            tags = {256: (LONG, [64 - 5 * tiles]), 257: (LONG, [48 - 3 * tiles]), 258: (SHORT, [8] * samples), 259: (SHORT, [7]), 262: (SHORT, [photo]),
                    277: (SHORT, [samples])}
            if photo == 6:
                tags[530] = (SHORT, [2, 2] if sub else [1, 1])
            if tables:
                shared_tables, _ = segments(blocks[0], (0xdb, 0xc4))
                tags[347] = (UNDEFINED, list(b'\xff\xd8' + b''.join(shared_tables) + b'\xff\xd9'))
                blocks = [b'\xff\xd8' + b''.join(segments(b, (0xc0, 0xda))[0]) + segments(b, ())[1] for b in blocks]
            if tiles:
                tags[322], tags[323] = (LONG, [32]), (LONG, [16])
            else:
                tags[278] = (LONG, [16])
            shown(f'jpeg-{name}-{tables:d}{tiles:d}', container('MM' if tables else 'II', tags, blocks, *((324, 325) if tiles else (273, 279))), 3)
small = [jpeg_of(soft[:, :, c], 'L', quality=90) for c in range(3)]
shown('jpeg-planes', container('II', {256: (LONG, [64]), 257: (LONG, [48]), 258: (SHORT, [8] * 3), 259: (SHORT, [7]), 262: (SHORT, [2]), 277: (SHORT, [3]),
                                      278: (LONG, [48]), 284: (SHORT, [2])}, small, 273, 279), 3)
# The old kind of JPEG: the tables in tags, a JPEG that a tag names, or a file in the strip.
for sub in 0, 1, 2:
    whole = jpeg_of(soft, 'RGB', quality=85, subsampling=sub)
    head, rest = segments(whole, (0xdb, 0xc4))
    tags = {256: (LONG, [64]), 257: (LONG, [48]), 258: (SHORT, [8] * 3), 259: (SHORT, [6]), 262: (SHORT, [6]), 277: (SHORT, [3]), 278: (LONG, [48]),
            512: (SHORT, [1]), 530: (SHORT, [(1, 1), (2, 1), (2, 2)][sub])}
    shown(f'oldjpeg-file-{sub}', container('II', {**tags, 513: (LONG, [8]), 514: (LONG, [len(whole)])}, [whole], 273, 279), 3)
    tables = {}
    for s in head:
        body = s[4:]
        while body:
            n = 65 if s[1] == 0xdb else 17 + sum(body[1:17])
            tables[s[1], body[0]] = body[1:n]
            body = body[n:]
    at, where, extra = 8 + len(rest) + (len(rest) & 1), {}, b''
    for k, v in tables.items():
        where[k] = at + len(extra)
        extra += v + b'\0' * (len(v) & 1)
    tags.update({519: (LONG, [where[0xdb, i] for i in (0, 1, 1)]), 520: (LONG, [where[0xc4, i] for i in (0, 1, 1)]),
                 521: (LONG, [where[0xc4, 16 + i] for i in (0, 1, 1)])})
    # container writes both blocks; the tags name the first.
    both = container('II', {**tags, 999: (LONG, [0])}, [rest, extra], 273, 279)
    for tag, first, size in (273, 8, 4), (279, len(rest), 4):
        entry = struct.pack('<HHL', tag, LONG, 2)
        i = both.index(entry)
        both = both[:i] + struct.pack('<HHLL', tag, LONG, 1, first) + both[i + 12:]
    shown(f'oldjpeg-tables-{sub}', both, 3)


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
for photo in 0, 1:
    for fill in 1, 2:
        y, x = np.mgrid[0:11, 0:37]
        b = io.BytesIO()
        Image.fromarray((x // 5 + y // 3) % 3 == 0).save(b, 'TIFF', compression='tiff_ccitt', tiffinfo={262: photo, 266: fill, 278: 5})
        shown(f'rle-{photo}-{fill}', b.getvalue())
# Damaged CCITT data, of which libtiff makes white. Where it takes what is left of earlier rows, or of its memory, the
# picture is corrupt.
change = random.Random(35)
for n in range(24):
    w, h = change.choice([(37, 11), (64, 30), (200, 20)])
    y, x = np.mgrid[0:h, 0:w]
    a = (x // change.randint(2, 9) + y // change.randint(1, 4)) % change.randint(2, 4) == 0
    group = ('group3', 'group4', 'tiff_ccitt')[n % 3]
    b = io.BytesIO()
    Image.fromarray(a).save(b, 'TIFF', compression=group, tiffinfo={278: h})
    tags = Image.open(b).tag_v2
    data = bytearray(b.getvalue())
    for _ in range(2):
        data[tags[273][0] + change.randrange(tags[279][0] // 2)] ^= 1 << change.randrange(8)
    name = f'damaged-{group}-{n}'
    if n in (3, 6, 9, 15):  # a mark is lost, and a row with it: libtiff repeats the first one
        refused(name, bytes(data), 'the data end', 'corrupt')
    elif n in (7, 13):
        refused(name, bytes(data), 'the row above', 'corrupt')
    else:
        try:
            shown(name, bytes(data))
        except OSError:
            pass
b = io.BytesIO()
pages = [Image.fromarray(picture(3, 8).astype(np.uint8)) for _ in range(2)]
pages[0].save(b, 'TIFF', save_all=True, append_images=pages[1:])
shown('pages', b.getvalue())

# Files of other programs. With arguments they are taken from those folders.
found = {}
for folder in sys.argv[1:]:
    for f in sorted(os.listdir(folder)):
        if f.endswith('.tif'):
            found['found/' + f[:-4]] = open(os.path.join(folder, f), 'rb').read()
if not found and os.path.exists('tiff.zip'):
    with zipfile.ZipFile('tiff.zip') as z:
        found = {n[:-4]: z.read(n) for n in z.namelist() if n.startswith('found/') and n.endswith('.tif')}
for name, data in sorted(found.items()):
    shown(name, data)

KINDS = ('bits-', 'oldjpeg', 'damaged', 'rle', 'number-', 'signed-', 'float-', 'unsigned-', 'cmyk', 'ycbcr', 'lab', 'big-', 'large', 'wide', 'xz-', 'jpeg', 'cut-')
for archive, kinds in ('tiff.zip', False), ('tiff-kinds.zip', True):
    of = [c for c in cases if (c['name'].startswith(KINDS) or c['name'].endswith((f'-{LZMA}', f'-{ZSTD}'))) == kinds]
    with zipfile.ZipFile(archive, 'w', zipfile.ZIP_DEFLATED, compresslevel=9) as z:
        names = {c['name'] for c in of}
        for name, data in [*((n, d) for n, d in files.items() if n[:-4] in names), ('cases.json', json.dumps(of, indent=0).encode())]:
            z.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED, 9)
    print(len(of), 'cases', os.path.getsize(archive), 'bytes')
