#!/usr/bin/python3
"""Writes the fixtures of this folder: images, and the tensors that Pillow makes of them.

Needs Debian's python3-pil and python3-numpy, libjpeg-turbo-progs (cjpeg) and
libturbojpeg0. Made with Pillow 9.4.0 and libjpeg-turbo 2.1.5:

    /usr/bin/python3 make_fixtures.py

cases.json lists every image with the spec to decode it by and the reference
tensor: an RGB PNG for uint8, raw little-endian float32 for float32.
"""
import ctypes
import io
import json
import math
import os
import struct
import subprocess
import zlib

import numpy as np
from PIL import Image, ImageOps

os.chdir(os.path.dirname(os.path.abspath(__file__)))
W, H = 41, 31
rng = np.random.default_rng(20)
cases = []


def scene(w, h):
    """A smooth scene with hard edges and grain, and no symmetry."""
    y, x = np.mgrid[0:h, 0:w].astype(float)
    a = np.stack([
        60 + 150 * x / w + 30 * np.sin(y / 5),
        40 + 160 * y / h + 30 * np.cos(x / 7),
        200 - 120 * x / w + 40 * np.sin((x + 2 * y) / 9)], -1)
    a[(x - 0.3 * w) ** 2 + (y - 0.4 * h) ** 2 < (0.2 * h) ** 2] = [230, 40, 30]
    a[int(0.6 * h):int(0.8 * h), int(0.55 * w):int(0.9 * w)] = [20, 90, 220]
    a += rng.normal(0, 4, a.shape)
    return Image.fromarray(np.clip(np.rint(a), 0, 255).astype(np.uint8))


def spec(w, h, **more):
    s = dict(width=w, height=h, layout='HWC', dtype='uint8', resize='pillow-bilinear', fit='stretch')
    s.update(more)
    return s


def case(file, reference, s, name=None):
    """reference: an RGB image, or a float array."""
    name = name or file
    if isinstance(reference, np.ndarray):
        ref = name + '.f32'
        reference.astype('<f4').tofile(ref)
    else:
        ref = name + '.ref.png'
        reference.save(ref, optimize=True)
        assert reference.size == (s['width'], s['height'])
    cases.append(dict(name=name, file=file, spec=s, reference=ref))


def plain(file, rgb=None):
    """The tensor is the image itself: the resize is the identity."""
    rgb = rgb or Image.open(file).convert('RGB')
    case(file, rgb, spec(*rgb.size))


def cjpeg(file, img, *args):
    ppm = io.BytesIO()
    img.save(ppm, 'PPM')
    out = subprocess.run(['cjpeg', '-quality', '90', *args], input=ppm.getvalue(), stdout=subprocess.PIPE, check=True)
    open(file, 'wb').write(out.stdout)


def ycck(file, cmyk):
    """TurboJPEG codes CMYK as YCCK; its CMYK is inverted, as Adobe's."""
    tj = ctypes.CDLL('libturbojpeg.so.0')
    tj.tjInitCompress.restype = ctypes.c_void_p
    px = (255 - np.asarray(cmyk)).astype(np.uint8).tobytes()
    buf, size = ctypes.c_void_p(), ctypes.c_ulong()
    handle = ctypes.c_void_p(tj.tjInitCompress())
    assert tj.tjCompress2(handle, px, cmyk.width, 0, cmyk.height, 11, ctypes.byref(buf), ctypes.byref(size), 2, 92, 0) == 0
    open(file, 'wb').write(ctypes.string_at(buf, size.value))


def png16(file, array, color_type):
    """A PNG of 16 bits a sample, which Pillow cannot write."""
    h, w = array.shape[:2]
    raw = b''.join(b'\0' + row.astype('>u2').tobytes() for row in array)

    def chunk(kind, body):
        return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))
    open(file, 'wb').write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', w, h, 16, color_type, 0, 0, 0)) +
                           chunk(b'IDAT', zlib.compress(raw, 9)) + chunk(b'IEND', b''))


def exif(o):
    e = Image.Exif()
    e[0x0112] = o
    return e.tobytes()


def center_crop(img, resize_to, w, h):
    """torchvision's Resize(int) and CenterCrop on a PIL image."""
    short, long = sorted(img.size)
    new_long = int(resize_to * long / short)
    size = (resize_to, new_long) if img.width <= img.height else (new_long, resize_to)
    img = img.resize(size, Image.BILINEAR)
    top, left = int(round((img.height - h) / 2.0)), int(round((img.width - w) / 2.0))
    return img.crop((left, top, left + w, top + h))


def align_corners(img, w, h):
    """The loop of TensorFlow.js's ResizeBilinear kernel with alignCorners."""
    a = np.asarray(img).astype(np.float64)
    ih, iw = a.shape[:2]
    out = np.zeros((h, w, 3))
    for y in range(h):
        fy = y * ((ih - 1) / (h - 1) if h > 1 else ih / h)
        t, b = math.floor(fy), min(ih - 1, math.ceil(fy))
        for x in range(w):
            fx = x * ((iw - 1) / (w - 1) if w > 1 else iw / w)
            l, r = math.floor(fx), min(iw - 1, math.ceil(fx))
            top = a[t, l] + (a[t, r] - a[t, l]) * (fx - l)
            bottom = a[b, l] + (a[b, r] - a[b, l]) * (fx - l)
            out[y, x] = top + (bottom - top) * (fy - t)
    return out


img = scene(W, H)
grey = img.convert('L')
cmyk = img.convert('CMYK')
cmyk.paste((10, 200, 90, 60), (5, 18, 25, 29))
alpha = Image.fromarray(np.clip(np.mgrid[0:H, 0:W][1] * 6, 0, 255).astype(np.uint8))
rgba = img.copy()
rgba.putalpha(alpha)

# JPEG.
for name, s in ('444', 0), ('422', 1), ('420', 2):
    img.save(f'jpeg-{name}.jpg', quality=92, subsampling=s)
cjpeg('jpeg-440.jpg', img, '-sample', '1x2')
cjpeg('jpeg-411.jpg', img, '-sample', '4x1')
cjpeg('jpeg-restart.jpg', img, '-sample', '2x2', '-restart', '1B')
cjpeg('jpeg-uneven.jpg', img, '-sample', '2x2,2x1,1x2')
cjpeg('jpeg-arithmetic.jpg', img, '-arithmetic')
cjpeg('jpeg-rgb.jpg', img, '-rgb')
grey.save('jpeg-grey.jpg', quality=92)
img.save('jpeg-progressive.jpg', quality=92, progressive=True)
cmyk.save('jpeg-cmyk.jpg', quality=92)
adobe = open('jpeg-cmyk.jpg', 'rb').read()
at = adobe.index(b'\xff\xee')
open('jpeg-cmyk-unmarked.jpg', 'wb').write(adobe[:at] + adobe[at + 16:])
ycck('jpeg-ycck.jpg', cmyk)
for name in ('444', '422', '420', '440', '411', 'uneven', 'restart', 'arithmetic', 'rgb', 'grey', 'progressive', 'cmyk',
             'cmyk-unmarked', 'ycck'):
    plain(f'jpeg-{name}.jpg')

# EXIF orientation: the whole image, resized, and cropped at odd offsets.
for o in range(1, 9):
    file = f'exif-{o}.jpg'
    scene(W, H).save(file, quality=92, exif=exif(o))
    up = ImageOps.exif_transpose(Image.open(file)).convert('RGB')
    plain(file, up)
    case(file, up.resize((24, 18), Image.BILINEAR), spec(24, 18), f'exif-{o}-stretch')
    case(file, center_crop(up, 27, 20, 24), spec(20, 24, fit='center-crop', resize_to=27), f'exif-{o}-crop')
    case(file, align_corners(up, 20, 26), spec(20, 26, dtype='float32', resize='tf-bilinear-align-corners'), f'exif-{o}-tf')
raw = Image.open('exif-6.jpg').convert('RGB')
case('exif-6.jpg', raw, spec(*raw.size, ignore_orientation=True), 'exif-6-ignored')
img.save('exif-6.png', exif=exif(6))
plain('exif-6.png', img.transpose(Image.ROTATE_270))
img.save('exif-8.webp', lossless=True, exif=exif(8))
plain('exif-8.webp', img.transpose(Image.ROTATE_90))
img.save('exif-3.tif', tiffinfo={0x0112: 3})
plain('exif-3.tif', img.transpose(Image.ROTATE_180))

# Resizing, of a JPEG that both decoders decode to the same pixels (4:4:4).
big = scene(110, 83)
big.save('resize.jpg', quality=92, subsampling=0)
big = Image.open('resize.jpg').convert('RGB')
for w, h in (64, 64), (33, 97), (110, 40), (161, 123), (1, 1), (5, 3):
    case('resize.jpg', big.resize((w, h), Image.BILINEAR), spec(w, h), f'resize-{w}x{h}')
bgr = big.resize((40, 31), Image.BILINEAR)
case('resize.jpg', Image.merge('RGB', bgr.split()[::-1]), spec(40, 31, bgr=True), 'resize-bgr')
for w, h, to in (32, 32, 41), (40, 31, 40), (33, 24, 34):
    case('resize.jpg', center_crop(big, to, w, h), spec(w, h, fit='center-crop', resize_to=to), f'crop-{to}-{w}x{h}')
mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
cropped = np.asarray(center_crop(big, 41, 32, 30)).astype(np.float64)
normalised = (cropped / 255 - mean) / std
more = dict(dtype='float32', fit='center-crop', resize_to=41, scale=1 / 255, mean=mean, std=std)
case('resize.jpg', normalised, spec(32, 30, **more), 'float-hwc')
case('resize.jpg', normalised.transpose(2, 0, 1), spec(32, 30, **dict(more, layout='CHW')), 'float-chw')
caffe = np.asarray(big.resize((28, 29), Image.BILINEAR)).astype(np.float64) - [123.68, 116.779, 103.939]
case('resize.jpg', caffe[:, :, ::-1].transpose(2, 0, 1),
     spec(28, 29, layout='CHW', dtype='float32', bgr=True, mean=[123.68, 116.779, 103.939]), 'float-chw-bgr')
for w, h in (64, 50), (131, 90), (1, 7), (40, 1):
    f = align_corners(big, w, h)
    case('resize.jpg', f, spec(w, h, dtype='float32', resize='tf-bilinear-align-corners'), f'tf-{w}x{h}')
    u = Image.fromarray(np.floor(f + 0.5).astype(np.uint8))
    case('resize.jpg', u, spec(w, h, resize='tf-bilinear-align-corners'), f'tf-{w}x{h}-u8')

# PNG.
img.save('png-rgb.png')
rgba.save('png-alpha.png')
Image.merge('LA', (grey, alpha)).save('png-grey-alpha.png')
grey.save('png-grey.png')
grey.convert('1').save('png-1bit.png')
palette = img.quantize(60)
palette.save('png-palette.png')
palette.quantize(13).save('png-palette-4bit.png', bits=4)
palette.save('png-palette-transparent.png', transparency=bytes(range(60)))
img.save('png-transparent-colour.png', transparency=img.getpixel((20, 20)))
for name in ('rgb', 'alpha', 'grey-alpha', 'grey', '1bit', 'palette', 'palette-4bit', 'palette-transparent', 'transparent-colour'):
    plain(f'png-{name}.png')
deep = np.asarray(img).astype(np.uint16) * 256 + rng.integers(0, 256, (H, W, 3)).astype(np.uint16)
png16('png-rgb16.png', deep, 2)
plain('png-rgb16.png')
png16('png-rgba16.png', np.concatenate([deep, np.asarray(alpha)[:, :, None].astype(np.uint16) * 257], -1), 6)
plain('png-rgba16.png')
# Pillow clips grey of 16 bits to 255 when it converts it; the upper byte is right.
png16('png-grey16.png', deep[:, :, 0], 0)
plain('png-grey16.png', Image.fromarray((np.asarray(Image.open('png-grey16.png')) >> 8).astype(np.uint8)).convert('RGB'))

# The others.
img.save('webp-lossy.webp', quality=85)
rgba.save('webp-lossy-alpha.webp', quality=85)
img.save('webp-lossless.webp', lossless=True)
rgba.save('webp-lossless-alpha.webp', lossless=True, exact=True)
scene(40, 30).save('webp-even.webp', quality=60)
palette.save('gif.gif')
palette.save('gif-transparent.gif', transparency=palette.getpixel((20, 20)))
palette.save('gif-interlaced.gif', interlace=True)
palette.save('gif-animated.gif', save_all=True, append_images=[scene(W, H).quantize(60)])
for name in 'gif', 'gif-transparent':  # a frame that does not cover the screen
    b = bytearray(open(name + '.gif', 'rb').read())
    b[6:10] = struct.pack('<HH', W + 9, H + 6)
    at = b.index(b'\x2c' + struct.pack('<HHHH', 0, 0, W, H))
    b[at + 1:at + 5] = struct.pack('<HH', 5, 3)
    open(name + '-offset.gif', 'wb').write(b)
    plain(name + '-offset.gif')
img.save('bmp-24.bmp')
palette.save('bmp-8.bmp')
rgba.save('bmp-32.bmp')
img.save('tiff-raw.tif')
img.save('tiff-lzw.tif', compression='tiff_lzw')
img.save('tiff-deflate.tif', compression='tiff_deflate')
rgba.save('tiff-alpha.tif')
palette.save('tiff-palette.tif')
grey.save('tiff-grey.tif')
cmyk.save('tiff-cmyk.tif')
for file in ('webp-lossy.webp', 'webp-lossy-alpha.webp', 'webp-lossless.webp', 'webp-lossless-alpha.webp', 'webp-even.webp',
             'gif.gif', 'gif-transparent.gif', 'gif-interlaced.gif', 'gif-animated.gif', 'bmp-24.bmp', 'bmp-8.bmp', 'bmp-32.bmp',
             'tiff-raw.tif', 'tiff-lzw.tif', 'tiff-deflate.tif', 'tiff-alpha.tif', 'tiff-palette.tif', 'tiff-grey.tif',
             'tiff-cmyk.tif'):
    plain(file)
img.save('webp-animated.webp', save_all=True, append_images=[scene(W, H)])
plain('webp-animated.webp')

# Formats that are known and not decoded.
img.resize((16, 16)).save('unsupported-jpeg2000.jp2')

with open('cases.json', 'w') as f:
    f.write('[\n' + ',\n'.join(json.dumps(c) for c in cases) + '\n]\n')
