#!/usr/bin/env python3
"""Writes fits.json and fits.bin.gz in this folder: the tensors of small images that fill a
model's input in other ways than those of make_policies.py, or that OpenCV resizes.

OpenCV and Pillow resize, pad, blend and make grey. Sizes and offsets are computed here as
the named projects document them: ultralytics (LetterBox), PaddleClas (ResizeImage,
CropImage), PaddleOCR (resize_norm_img), transformers (center_crop), LLaVA (expand2square).

Made with opencv-python-headless 4.14.0 (5.0.0 writes the same), Pillow 13.0.0 and numpy:

    venv/bin/python make_fits.py

It needs the images that make_fixtures.py and make_policies.py write.
"""
import gzip
import io
import json
import math
import os

import cv2
import numpy as np
from PIL import Image, ImageOps

os.chdir(os.path.dirname(os.path.abspath(__file__)))
cases, blob = [], io.BytesIO()

OPENCV = {'opencv-linear': cv2.INTER_LINEAR, 'opencv-cubic': cv2.INTER_CUBIC,
          'opencv-lanczos4': cv2.INTER_LANCZOS4, 'opencv-area': cv2.INTER_AREA}
PILLOW = {'pillow-bilinear': Image.BILINEAR, 'pillow-bicubic': Image.BICUBIC}


def case(source, file, resize, fit, tensor, layout='HWC', **more):
    tensor = np.asarray(tensor)
    assert tensor.dtype in (np.uint8, np.float32), tensor.dtype
    h, w = tensor.shape[:2] if layout == 'HWC' else tensor.shape[1:]
    spec = dict(width=w, height=h, layout=layout, dtype=str(tensor.dtype), resize=resize, fit=fit, **more)
    cases.append(dict(source=source, file=file, spec=spec, offset=blob.tell()))
    blob.write(np.ascontiguousarray(tensor.astype(tensor.dtype.newbyteorder('<'))).tobytes())


def upright(file):
    return ImageOps.exif_transpose(Image.open(file)).convert('RGB')


def opencv(img, w, h, resize):
    return cv2.resize(np.asarray(img), (w, h), interpolation=OPENCV[resize])


def any_resize(img, w, h, resize):
    if resize in OPENCV:
        return Image.fromarray(opencv(img, w, h, resize))
    return img.resize((w, h), PILLOW[resize])


# OpenCV's resizes: down, up, one of each, the same size, by whole factors, one pixel.
for file, sizes in (
        ('noise.png', ((8, 11), (21, 15), (7, 15), (7, 5), (27, 20), (42, 15), (25, 7), (5, 21), (1, 1), (1, 8), (11, 1), (43, 3))),
        ('noise-even.png', ((10, 6), (5, 3), (10, 12), (19, 11), (33, 17))),
        ('noise-1x19.png', ((5, 7), (1, 1), (3, 30))), ('noise-23x1.png', ((5, 7), (1, 1), (40, 1))), ('noise-1x1.png', ((5, 7), (1, 1))),
        ('resize.jpg', ((17, 12), (61, 30))),
        *((f'exif-{o}.jpg', ((7, 6), (30, 21))) for o in range(1, 9))):
    for w, h in sizes:
        for resize in OPENCV:
            case('opencv', file, resize, 'stretch', opencv(upright(file), w, h, resize))
        if file != 'noise-1x1.png':  # OpenCV's own code instead of Intel's, which is in its packages for x86
            cv2.ipp.setUseIPP(False)
            case('opencv without IPP', file, 'opencv-cubic', 'stretch', opencv(upright(file), w, h, 'opencv-cubic'))
            cv2.ipp.setUseIPP(True)
# Pixels are bytes before they become numbers.
for resize in OPENCV:
    a = opencv(upright('noise.png'), 13, 11, resize)[:, :, ::-1].astype(np.float32)
    case('opencv', 'noise.png', resize, 'stretch', (a / 255).transpose(2, 0, 1), layout='CHW', bgr=True, scale=float(np.float32(1 / 255)))


def padded(img, w, h, at, colour):
    canvas = Image.new('RGB', (w, h), colour)
    canvas.paste(img, at)
    return canvas


def letterbox(file, w, h, resize, colour, corner):
    img = upright(file)
    r = min(h / img.height, w / img.width)
    nw, nh = max(round(img.width * r), 1), max(round(img.height * r), 1)
    dw, dh = (w - nw) / 2, (h - nh) / 2
    at = (0, 0) if corner else (round(dw - 0.1), round(dh - 0.1))
    more = dict(pad=list(colour))
    if corner:
        more['position'] = 'top-left'
    case('ultralytics', file, resize, 'letterbox', padded(any_resize(img, nw, nh, resize), w, h, at, colour), **more)


def pillow_pad(file, w, h, resize, colour, corner):
    more = dict(pad=list(colour))
    if corner:
        more['position'] = 'top-left'
    t = ImageOps.pad(upright(file), (w, h), PILLOW[resize], colour, (0, 0) if corner else (0.5, 0.5))
    case('pillow', file, resize, 'pillow-pad', t, **more)


def square_pad(file, w, h, resize, colour):
    img = upright(file)
    side = max(img.size)
    square = padded(img, side, side, ((side - img.width) // 2, (side - img.height) // 2), colour)
    case('llava', file, resize, 'square-pad', any_resize(square, w, h, resize), pad=list(colour))


def paddle_pad_right(file, w, h):
    img = upright(file)
    nw = min(math.ceil(h * (img.width / float(img.height))), w)
    a = opencv(img, nw, h, 'opencv-linear').astype(np.float32).transpose(2, 0, 1) / 255
    out = np.zeros((3, h, w), np.float32)
    out[:, :, :nw] = (a - 0.5) / 0.5
    case('paddleocr', file, 'opencv-linear', 'paddle-pad-right', out, layout='CHW', scale=float(np.float32(1 / 255)),
         mean=[0.5] * 3, std=[0.5] * 3, pad_zero=True)


def crops(file, size, w, h):
    img = upright(file)
    r = float(size) / min(img.size)
    nw, nh = int(round(img.width * r)), int(round(img.height * r))
    x, y = (nw - w) // 2, (nh - h) // 2
    case('paddleclas', file, 'opencv-lanczos4', 'paddle-center-crop', opencv(img, nw, nh, 'opencv-lanczos4')[y:y + h, x:x + w],
         resize_to=size)
    short, long = sorted(img.size)
    other = int(size * long / short)
    nw, nh = (size, other) if img.width <= img.height else (other, size)
    x, y = (nw - w) // 2, (nh - h) // 2
    case('transformers', file, 'pillow-bicubic', 'hf-center-crop', any_resize(img, nw, nh, 'pillow-bicubic').crop((x, y, x + w, y + h)),
         resize_to=size)


def stretch_crop(file, sizes, w, h):
    nw, nh = sizes
    x, y = round((nw - w) / 2), round((nh - h) / 2)
    case('pillow', file, 'pillow-bilinear', 'stretch-crop', any_resize(upright(file), nw, nh, 'pillow-bilinear').crop((x, y, x + w, y + h)),
         resize_to=nw, **({} if nw == nh else {'resize_to_height': nh}))


for file in 'noise.png', 'noise-even.png', 'noise-1x19.png', 'noise-23x1.png', *(f'exif-{o}.jpg' for o in range(1, 9)):
    for w, h in (12, 12), (15, 14), (9, 17):
        letterbox(file, w, h, 'opencv-linear', (114, 114, 114), False)
        letterbox(file, w, h, 'pillow-bilinear', (255, 0, 7), w == 15)
        if not (file == 'noise-23x1.png' and w < 16) and not (file == 'noise-1x19.png' and h < 19 / 2):
            pillow_pad(file, w, h, 'pillow-bicubic', (3, 200, 90), h == 14)  # Pillow refuses a side of 0
        square_pad(file, w, h, 'pillow-bicubic', (122, 116, 104))
    paddle_pad_right(file, 19, 9)
    paddle_pad_right(file, 9, 12)
    square_pad(file, 14, 14, 'opencv-area', (0, 255, 1))
for file in 'noise.png', 'noise-even.png', *(f'exif-{o}.jpg' for o in range(1, 9)):
    for w, h, size in (10, 10, 10), (9, 7, 12), (8, 11, 13), (16, 18, 19):
        crops(file, size, w, h)
    stretch_crop(file, (16, 16), 13, 11)
    stretch_crop(file, (20, 30), 20, 14)

# One channel.
for file in 'noise.png', 'exif-6.jpg', 'jpeg-grey.jpg', 'png-grey.png':
    g = upright(file).convert('L').resize((13, 9), Image.BILINEAR)
    case('pillow', file, 'pillow-bilinear', 'stretch', np.asarray(g)[:, :, None], grey='pillow')
    a = np.asarray(g, np.float32)
    case('pillow', file, 'pillow-bilinear', 'stretch', ((a * np.float32(1 / 255) - np.float32(0.45)) / np.float32(0.25))[None], layout='CHW',
         grey='pillow', scale=float(np.float32(1 / 255)), mean=[0.45], std=[0.25])
    g = cv2.resize(cv2.cvtColor(np.asarray(upright(file)), cv2.COLOR_RGB2GRAY), (13, 9), interpolation=cv2.INTER_LINEAR)
    case('opencv', file, 'opencv-linear', 'stretch', g[:, :, None], grey='opencv')
img = upright('exif-6.jpg').convert('L')
case('pillow', 'exif-6.jpg', 'pillow-bicubic', 'pillow-pad', np.asarray(ImageOps.pad(img, (20, 20), Image.BICUBIC, 77))[:, :, None],
     grey='pillow', pad=[77])

# Transparency over a colour.
for file in ('png-alpha.png', 'png-grey-alpha.png', 'png-palette-transparent.png', 'png-transparent-colour.png', 'png-rgba16.png',
             'gif-transparent.gif', 'gif-transparent-offset.gif', 'webp-lossless-alpha.webp', 'webp-lossy-alpha.webp',
             'png-rgb.png', 'exif-6.jpg', 'gif-offset.gif'):
    img = ImageOps.exif_transpose(Image.open(file)).convert('RGBA')
    over = Image.new('RGB', img.size, (255, 128, 10))
    over.paste(img, mask=img.getchannel('A'))
    case('pillow', file, 'pillow-bilinear', 'stretch', over.resize((16, 11), Image.BILINEAR), background_colour=[255, 128, 10])

# Without a time stamp, so that the same tensors give the same file.
with open('fits.bin.gz', 'wb') as f, gzip.GzipFile('', 'wb', 9, f, mtime=0) as z:
    z.write(blob.getvalue())
with open('fits.json', 'w') as f:
    f.write('[\n' + ',\n'.join(json.dumps(c) for c in cases) + '\n]\n')
