#!/usr/bin/env python3
"""Writes formats.zip: small pictures in many formats, and what Pillow makes of each as NAME.ref.png.

Made with Pillow 13.0.0 and numpy 2.4.6:

    python3 make_formats.py

Files that Pillow does not write are put together here, by the descriptions of their formats. Where
Pillow does not read a file, or is wrong, the reference is the picture itself.
"""
import io
import os
import struct
import zipfile

import numpy as np
from PIL import Image

os.chdir(os.path.dirname(os.path.abspath(__file__)))
W, H = 21, 13
rng = np.random.default_rng(19)
files = {}


def scene():
    y, x = np.mgrid[0:H, 0:W].astype(float)
    a = np.stack([60 + 150 * x / W, 40 + 160 * y / H, 200 - 120 * x / W], -1) + rng.normal(0, 6, (H, W, 3))
    a[3:7, 5:11] = [230, 40, 30]
    a[8:, 14:] = [20, 90, 220]
    return np.clip(np.rint(a), 0, 255).astype(np.uint8)


RGB = scene()
GREY = RGB[:, :, 1].copy()
GREY[4:9, 4:9] = 7  # for run lengths
BITS = GREY > 110
GREY16 = (GREY.astype(np.uint16) << 8) + rng.integers(0, 256, GREY.shape, np.uint16)
INDEX = (GREY // 16).astype(np.uint8)
PALETTE = rng.integers(0, 256, (256, 3), np.uint8)
ALPHA = rng.integers(0, 256, GREY.shape, np.uint8)
RGBA = np.dstack([RGB, ALPHA])
picture, grey, bits = Image.fromarray(RGB), Image.fromarray(GREY), Image.fromarray(BITS)
mapped = Image.fromarray(INDEX).convert('P')
mapped.putpalette(PALETTE.tobytes())


def add(name, body, reference=None, alpha=None):
    """reference and alpha are arrays; without them, they are what Pillow reads."""
    if reference is None:
        with Image.open(io.BytesIO(body)) as im:
            reference = np.asarray(im.convert('RGB'))
            if 'A' in im.getbands() and name != '16-bit.tga':  # whose header says that it has none
                alpha = np.asarray(im.getchannel('A'))
    if alpha is not None and not name.endswith(('.ico', '.cur', '.sgi', '.icns')):  # whose alpha is not read
        out = io.BytesIO()
        Image.fromarray(alpha).save(out, 'PNG', optimize=True)
        files[name + '.alpha.png'] = out.getvalue()
    if reference.ndim == 2:
        reference = np.dstack([reference] * 3)
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(reference.astype(np.uint8))).save(out, 'PNG', optimize=True)
    files[name], files[name + '.ref.png'] = body, out.getvalue()


def saved(im, form, **options):
    out = io.BytesIO()
    im.save(out, form, **options)
    return out.getvalue()


def pnm():
    for name, im in ('rgb.ppm', picture), ('grey.pgm', grey), ('bits.pbm', bits):
        add('raw-' + name, saved(im, 'PPM'))
    words = lambda a: ' '.join(str(v) for v in a.reshape(-1)).encode()
    add('plain-rgb.ppm', b'P3 # a comment\n%d %d\n255\n' % (W, H) + words(RGB) + b'\n')
    add('plain-grey.pgm', b'P2\n#a\n#b\n%d\n%d 100#c\n\n' % (W, H) + words(GREY // 3) + b'\n')
    add('plain-bits.pbm', b'P1\n%d %d\n' % (W, H) + b'\n'.join(b''.join(b'%d' % v for v in row) for row in ~BITS) + b'\n')
    add('most-100.ppm', b'P6 %d %d 100\n' % (W, H) + (RGB // 2).tobytes())
    add('most-3.pgm', b'P5 %d %d 3\n' % (W, H) + (GREY // 64).tobytes())
    add('most-1000.ppm', b'P6 %d %d 1000\n' % (W, H) + (RGB.astype('>u2') * 3).tobytes())
    add('rgb-16.ppm', b'P6 %d %d 65535\n' % (W, H) + (RGB.astype('>u2') * 256 + 77).tobytes())
    add('grey-16.pgm', b'P5 %d %d 65535\n' % (W, H) + GREY16.astype('>u2').tobytes(), GREY16 >> 8)
    add('two.ppm', saved(picture, 'PPM') * 2)
    head = b'P7\n# a comment\nWIDTH %d\nHEIGHT %d\nDEPTH %d\nMAXVAL %d\nTUPLTYPE X\nENDHDR\n'
    add('rgb.pam', head % (W, H, 3, 255) + RGB.tobytes(), RGB)
    add('rgba.pam', head % (W, H, 4, 255) + RGBA.tobytes(), RGB, ALPHA)
    add('grey-alpha.pam', head % (W, H, 2, 255) + np.dstack([GREY, ALPHA]).tobytes(), GREY, ALPHA)
    add('bits.pam', head % (W, H, 1, 1) + BITS.tobytes(), BITS * 255)
    add('grey-16.pam', head % (W, H, 1, 65535) + GREY16.astype('>u2').tobytes(), GREY16 >> 8)
    up = np.flipud(RGB)
    add('rgb.pfm', b'PF\n%d %d\n-1.0\n' % (W, H) + (up / np.float32(255)).astype('<f4').tobytes(), RGB)
    add('rgb-big.pfm', b'PF\n%d %d\n1.0\n' % (W, H) + (up / np.float32(255)).astype('>f4').tobytes(), RGB)
    add('grey-255.pfm', b'Pf\n%d %d\n-1.0\n' % (W, H) + (np.flipud(GREY) * np.float32(1.25) - 9).astype('<f4').tobytes())


def tga():
    for name, im in ('rgb', picture), ('grey', grey), ('rgba', Image.fromarray(RGBA)), ('mapped', mapped), ('grey-alpha', Image.fromarray(
            np.dstack([GREY, ALPHA]))), ('bits', bits):
        add(f'{name}.tga', saved(im, 'TGA'))
        add(f'{name}-up.tga', saved(im, 'TGA', orientation=-1))
        if name != 'bits':
            add(f'{name}-runs.tga', saved(im, 'TGA', compression='tga_rle'))
    body = bytearray(saved(picture, 'TGA'))
    body[17] |= 0x10
    add('right-to-left.tga', bytes(body))
    v = (RGB >> 3).astype('<u2')
    fives = v[:, :, 0] << 10 | v[:, :, 1] << 5 | v[:, :, 2]
    head = struct.pack('<3B2HB4H2B', 3, 0, 2, 0, 0, 0, 0, 0, W, H, 16, 0x20)
    add('16-bit.tga', head + b'abc' + fives.tobytes())
    colours = PALETTE[:16, ::-1].tobytes()
    add('mapped-from-3.tga', struct.pack('<3B2HB4H2B', 0, 1, 1, 3, 16, 24, 0, 0, W, H, 8, 0x20) + colours + (INDEX + 3).tobytes())
    # Run lengths that continue in the next row, which Pillow takes for literals only.
    flat = RGB.reshape(-1, 3)[:, ::-1]
    literal = b''.join(bytes([len(p) - 1]) + p.tobytes() for p in np.split(flat, range(100, len(flat), 100)))
    add('runs-over-rows.tga', struct.pack('<3B2HB4H2B', 0, 0, 10, 0, 0, 0, 0, 0, W, H, 24, 0x20) + literal)


def pcx():
    for name, im in ('rgb', picture), ('grey', grey), ('mapped', mapped), ('bits', bits):
        add(f'{name}.pcx', saved(im, 'PCX'))
    head = bytearray(saved(bits, 'PCX')[:128])
    head[65], head[16:64] = 4, PALETTE[:16].tobytes()
    body = b''
    for row in INDEX:
        for p in range(4):
            line = np.packbits(row >> p & 1).tobytes() + b'\0'
            body += b''.join(b'\xc1' + bytes([v]) if v >= 0xc0 else bytes([v]) for v in line)
    head[66] = 4
    add('planes.pcx', bytes(head) + body)
    page = saved(mapped, 'PCX')
    add('first.dcx', struct.pack('<4I', 0x3ADE68B1, 16, 16 + len(page), 0) + page + saved(mapped, 'PCX'))


def sgi():
    for name, im in ('rgb', picture), ('grey', grey), ('rgba', Image.fromarray(RGBA)):
        add(f'{name}.sgi', saved(im, 'SGI'))
        add(f'{name}-16.sgi', saved(im, 'SGI', bpc=2))
    for size in 1, 2:
        rows = []
        for plane in np.moveaxis(RGB, 2, 0):
            for row in plane[::-1]:
                rows.append(runs8(row) if size == 1 else runs16(row))
        at, starts, lengths = 512 + 8 * len(rows), [], []
        for r in rows:
            starts.append(at)
            lengths.append(len(r))
            at += len(r)
        head = struct.pack('>H2B4H', 474, 1, size, 3, W, H, 3).ljust(512, b'\0')
        add(f'runs-{8 * size}.sgi', head + struct.pack(f'>{2 * len(rows)}I', *starts, *lengths) + b''.join(rows))


def runs8(row):
    return bytes([128 | 9, *row[:9], 6, row[9], 128 | len(row[15:]), *row[15:], 0])


def runs16(row):
    out = struct.pack('>H', 128 | 9) + b''.join(struct.pack('>H', int(v) << 8 | 5) for v in row[:9])
    out += struct.pack('>2H', 6, int(row[9]) << 8)
    return out + struct.pack('>H', 128 | len(row[15:])) + b''.join(struct.pack('>H', int(v) << 8) for v in row[15:]) + b'\0\0'


def sun():
    def head(depth, kind, colours=0):
        return struct.pack('>8I', 0x59A66A95, W, H, depth, 0, kind, 1 if colours else 0, colours)
    even = lambda a: np.pad(a, [(0, 0), (0, 1)] + [(0, 0)] * (a.ndim - 2))
    add('rgb.ras', head(24, 3) + even(RGB.reshape(H, -1)).tobytes())
    add('bgr.ras', head(24, 1) + even(RGB[:, :, ::-1].reshape(H, -1)).tobytes())
    add('bgrx.ras', head(32, 1) + np.dstack([RGB[:, :, ::-1], ALPHA]).tobytes())
    add('grey.ras', head(8, 1) + even(GREY).tobytes())
    add('mapped.ras', head(8, 1, 48) + PALETTE[:16].T.tobytes() + even(INDEX).tobytes())
    add('bits.ras', head(1, 1) + even(np.packbits(BITS, 1)).tobytes())
    runs = lambda a: b''.join(b'\x80\x00' if v == 0x80 else bytes([v]) for v in a.tobytes())
    # Rows of an odd number of bytes are padded, which Pillow does not expect of run lengths.
    line = np.append(np.full(150, 9, np.uint8), even(GREY).reshape(-1)[150:])
    want = line.reshape(H, W + 1)[:, :W]
    add('runs.ras', head(8, 2) + b'\x80\x95\x09' + runs(line[150:]), want)


def icons():
    for form in 'png', 'bmp':
        add(f'{form}.ico', saved(Image.fromarray(RGBA).resize((32, 32)), 'ICO', sizes=[(16, 16), (32, 32), (24, 24)], bitmap_format=form))
    one = saved(mapped.resize((16, 16)), 'DIB')
    one = one[:8] + struct.pack('<i', 32) + one[12:] + b'\0' * 64
    add('mapped.ico', struct.pack('<3H4B2H2I', 0, 1, 1, 16, 16, 16, 0, 1, 8, len(one), 22) + one)
    one = saved(picture.resize((16, 16)), 'DIB')
    one = one[:8] + struct.pack('<i', 32) + one[12:] + b'\0' * 64
    add('rgb.cur', struct.pack('<3H4B2H2I', 0, 2, 1, 16, 16, 0, 0, 3, 4, len(one), 22) + one)
    small = saved(picture.resize((16, 16)), 'PNG')
    large = saved(picture.resize((32, 32)), 'PNG')
    blocks = b''.join(kind + struct.pack('>I', 8 + len(b)) + b for kind, b in ((b'TOC ', b''), (b'icp4', small), (b'icp5', large)))
    add('png.icns', b'icns' + struct.pack('>I', 8 + len(blocks)) + blocks)
    square = np.asarray(picture.resize((16, 16))).copy()
    square[8:, :, :] = 77
    data = b''
    for c in range(3):
        plane = square[:, :, c].reshape(-1)
        data += bytes([127]) + plane[:128].tobytes() + b'\xbd\x4d' * 2  # twice 64 pixels
    block = b'is32' + struct.pack('>I', 8 + len(data)) + data
    add('runs.icns', b'icns' + struct.pack('>I', 8 + len(block)) + block)


def dds():
    four = Image.fromarray(RGBA)
    for im, name in (picture, 'rgb'), (four, 'rgba'), (grey, 'grey'), (Image.fromarray(np.dstack([GREY, ALPHA])), 'grey-alpha'):
        add(f'{name}.dds', saved(im, 'DDS'))
    for form in 'DXT1', 'DXT3', 'DXT5', 'BC2', 'BC3', 'BC5':
        add(f'{form}.dds', saved(picture if form == 'BC5' else four, 'DDS', pixel_format=form))
    columns, rows = (W + 3) // 4, (H + 3) // 4

    def surface(flags, code, depth, masks, data):
        return b'DDS ' + struct.pack('<7I', 124, 0x1007, H, W, 0, 0, 0) + b'\0' * 44 + struct.pack(
            '<2I4s5I', 32, flags, code, depth, *masks) + b'\0' * 20 + data
    for number, size in (71, 8), (80, 8), (83, 16), (84, 16), (98, 16):
        data = struct.pack('<5I', number, 3, 0, 1, 0) + rng.bytes(columns * rows * size)
        add(f'dxgi-{number}.dds', surface(4, b'DX10', 0, (0, 0, 0, 0), data))
    every = b''.join(bytes([1 << mode]) + rng.bytes(15) for mode in range(8) for _ in range(3))[:columns * rows * 16]
    add('bc7-modes.dds', surface(4, b'DX10', 0, (0, 0, 0, 0), struct.pack('<5I', 98, 3, 0, 1, 0) + every.ljust(columns * rows * 16, b'\x01')))
    for depth, masks in (16, (0xf800, 0x7e0, 0x1f, 0)), (32, (0x3ff00000, 0xffc00, 0x3ff, 0)), (8, (0xe0, 0x1c, 3, 0)):
        add(f'masks-{depth}.dds', surface(0x40, b'\0' * 4, depth, masks, rng.bytes(W * H * depth // 8)))
    add('mapped.dds', surface(0x20, b'\0' * 4, 8, (0, 0, 0, 0), np.hstack([PALETTE, PALETTE[:, :1]]).tobytes() + INDEX.tobytes()))


def psd():
    def packed(row):
        out, row = b'', bytes(row)
        for i in range(0, len(row), 7):
            part = row[i:i + 7]
            out += bytes([257 - len(part), part[0]]) if len(set(part)) == 1 and len(part) > 1 else bytes([len(part) - 1]) + part
        return out

    def body(planes, mode, runs, depth=8, colours=b'', version=1, extra=0):
        head = b'8BPS' + struct.pack('>H6x', version) + struct.pack('>H2I2H', len(planes), H, W, depth, mode)
        head += struct.pack('>I', len(colours)) + colours + struct.pack('>I', extra) + b'r' * extra
        head += struct.pack('>Q' if version == 2 else '>I', 0)
        if not runs:
            return head + b'\0\0' + b''.join(p.tobytes() for p in planes)
        rows = [packed(row.tobytes()) for p in planes for row in p]
        return head + b'\0\1' + b''.join(struct.pack('>I' if version == 2 else '>H', len(r)) for r in rows) + b''.join(rows)
    planes = [RGB[:, :, c] for c in range(3)]
    for runs in False, True:
        kind = 'runs' if runs else 'raw'
        add(f'{kind}-rgb.psd', body(planes, 3, runs))
        add(f'{kind}-rgba.psd', body(planes + [ALPHA], 3, runs))
        add(f'{kind}-grey.psd', body([GREY], 1, runs))
        add(f'{kind}-cmyk.psd', body(planes + [GREY], 4, runs))
        add(f'{kind}-mapped.psd', body([INDEX], 2, runs, colours=PALETTE.T.tobytes()))
    add('five-channels.psd', body(planes + [ALPHA, GREY], 3, True), RGB)  # Pillow takes the wrong bytes
    add('bits.psd', body([np.packbits(~BITS, 1)], 0, True, 1), BITS * 255)  # Pillow shows them inverted
    add('rgb-16.psd', body([((p.astype('u2') << 8) + 9).astype('>u2') for p in planes], 3, False, 16), RGB)
    add('large.psb', body(planes, 3, True, version=2), RGB)


def programs():
    add('bits.xbm', saved(bits, 'XBM'))
    add('hot.xbm', saved(bits, 'XBM', hotspot=(3, 4)))
    letters = 'abcdefghijklmnop'
    colours = ''.join('"%s c #%02x%02X%02x",\n' % (letters[i], *PALETTE[i]) for i in range(16))
    rows = ',\n'.join('"' + ''.join(letters[v] for v in row) + '"' for row in INDEX)
    add('mapped.xpm', ('/* XPM */\nstatic char *a[] = {\n"%d %d 16 1",\n' % (W, H) + colours + rows + '};\n').encode())
    keys = {tuple(c): '%03d' % i for i, c in enumerate(np.unique(RGB.reshape(-1, 3), axis=0))}
    colours = ''.join('"%s\tc #%02x%02x%02x",\n' % (k, *c) for c, k in keys.items())
    rows = ',\n'.join('"' + ''.join(keys[tuple(v)] for v in row) + '"' for row in RGB)
    add('rgb.xpm', ('/* XPM */\nstatic char *a[] = {\n"%d %d %d 3",\n' % (W, H, len(keys)) + colours + '/* pixels */\n' + rows + '};\n').encode())
    names = '/* XPM */\nstatic char *a[] = {\n"4 1 4 1",\n"a m white c black",\n"b c #fff",\n"c s x c #12af34560000",\n". c None",\n"abc."};\n'
    add('names.xpm', names.encode(), np.array([[[0, 0, 0], [255, 255, 255], [0x12, 0x34, 0], [0, 0, 0]]]))


def qoi():
    add('rgb.qoi', saved(picture, 'QOI'))
    add('rgba.qoi', saved(Image.fromarray(RGBA), 'QOI'))
    flat = np.full((H, W, 3), 9, np.uint8)
    flat[5, 5] = [10, 8, 9]
    flat[5, 6] = [30, 29, 28]
    add('runs.qoi', saved(Image.fromarray(flat), 'QOI'))


for part in pnm, tga, pcx, sgi, sun, icons, dds, psd, programs, qoi:
    part()
files['README'] = b'Pictures in many formats. NAME.ref.png has the pixels of NAME, and NAME.alpha.png its alpha.\n'
with zipfile.ZipFile('formats.zip', 'w', zipfile.ZIP_DEFLATED) as z:
    for name, body in sorted(files.items()):
        z.writestr(zipfile.ZipInfo(name), body, zipfile.ZIP_DEFLATED, 9)
