#!/usr/bin/env python3
"""Writes policies.json and policies.bin.gz in this folder: the tensors that the libraries
after which the resize policies are named make of small images.

Pillow resizes for the pillow policies, torchvision crops for center-crop,
TensorFlow resizes and crops for the tf policies, tf-slim's fits and area, and
OpenCV resizes for area. None of their arithmetic is repeated here.

Made with Debian 12's python3-pil 9.4.0, python3-torchvision 0.14.1,
python3-opencv 4.6.0 and python3-numpy 1.24.2, and tensorflow-cpu 2.15.1:

    /usr/bin/python3 -m venv --system-site-packages venv
    venv/bin/pip install tensorflow-cpu==2.15.1
    venv/bin/python make_policies.py

It needs the images that make_fixtures.py writes.
"""
import gzip
import io
import json
import os

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
os.environ['TF_ENABLE_ONEDNN_OPTS'] = '0'

import cv2
import numpy as np
import tensorflow as tf
import torchvision.transforms as T
from PIL import Image, ImageOps

os.chdir(os.path.dirname(os.path.abspath(__file__)))
rng = np.random.default_rng(21)
cases, blob = [], io.BytesIO()

PILLOW = {
    'pillow-bilinear': T.InterpolationMode.BILINEAR,
    'pillow-bicubic': T.InterpolationMode.BICUBIC,
    'pillow-lanczos': T.InterpolationMode.LANCZOS,
    'pillow-nearest': T.InterpolationMode.NEAREST,
}
TF = {
    'tf-bilinear': lambda a, size: tf.image.resize(a, size, 'bilinear'),
    'tf-bilinear-legacy': lambda a, size: tf.compat.v1.image.resize_bilinear(a[None], size)[0],
    'tf-bilinear-align-corners':
        lambda a, size: tf.compat.v1.image.resize_bilinear(a[None], size, align_corners=True)[0],
    'area': lambda a, size: tf.image.resize(a, size, 'area'),
}


def case(source, file, resize, fit, tensor, **more):
    """tensor: HWC, of uint8 or float32. The spec's layout is always HWC."""
    tensor = np.asarray(tensor)
    assert tensor.dtype in (np.uint8, np.float32), tensor.dtype
    h, w, _ = tensor.shape
    spec = dict(width=w, height=h, dtype=str(tensor.dtype), resize=resize, fit=fit, **more)
    cases.append(dict(source=source, file=file, spec=spec, offset=blob.tell()))
    blob.write(tensor.astype(tensor.dtype.newbyteorder('<')).tobytes())


def upright(file):
    return ImageOps.exif_transpose(Image.open(file)).convert('RGB')


def save(file, w, h):
    """A picture of noise: the hardest case for a filter."""
    Image.fromarray(rng.integers(0, 256, (h, w, 3), np.uint8)).save(file)


def as_float(img):
    return tf.constant(np.asarray(img), tf.float32)


def stretch(file, w, h, policies=None):
    img = upright(file)
    for resize, mode in PILLOW.items():
        if policies is None or resize in policies:
            case('torchvision', file, resize, 'stretch', T.Resize((h, w), mode)(img))
    for resize, f in TF.items():
        if policies is None or resize in policies:
            case('tensorflow', file, resize, 'stretch', f(as_float(img), (h, w)))
    if policies is None or 'area' in policies:
        # OpenCV's INTER_AREA takes two taps, which are not area, when a side grows.
        if w <= img.width and h <= img.height:
            case('opencv', file, 'area', 'stretch', cv2.resize(np.asarray(img), (w, h), interpolation=cv2.INTER_AREA))


def center_crop(file, size, w, h):
    img = upright(file)
    for resize, mode in PILLOW.items():
        t = T.Compose([T.Resize(size, mode), T.CenterCrop((h, w))])
        case('torchvision', file, resize, 'center-crop', t(img), resize_to=size)


def slim_center_crop(file, size, w, h):
    """preprocess_for_eval of tf-slim's vgg_preprocessing.py, without the means."""
    a = as_float(upright(file))
    height, width = tf.cast(tf.shape(a)[0], tf.float32), tf.cast(tf.shape(a)[1], tf.float32)
    scale = tf.cond(tf.greater(height, width), lambda: size / width, lambda: size / height)
    shape = tf.cast(tf.math.rint(tf.stack([height * scale, width * scale])), tf.int32)
    for resize, f in TF.items():
        b = f(a, shape)
        offset = tf.cast(tf.stack([(tf.shape(b)[0] - h) / 2, (tf.shape(b)[1] - w) / 2, 0]), tf.int32)
        case('tensorflow', file, resize, 'slim-center-crop', tf.slice(b, offset, [h, w, 3]), resize_to=size)


def central_fraction(file, fraction, w, h):
    """preprocess_for_eval of tf-slim's inception_preprocessing.py, without the scale."""
    a = tf.image.central_crop(as_float(upright(file)), fraction)
    for resize, f in TF.items():
        case('tensorflow', file, resize, 'central-fraction', f(a, (h, w)), fraction=fraction)


# Noise: down, up, one of each, to the same size, by whole factors, to one pixel
# and one pixel wide or high.
save('noise.png', 21, 15)
for w, h in (8, 11), (21, 15), (7, 15), (7, 5), (27, 20), (42, 15), (25, 7), (5, 21), (1, 1), (1, 8), (11, 1):
    stretch('noise.png', w, h)
save('noise-even.png', 20, 12)
for w, h in (10, 6), (5, 3), (10, 12):
    stretch('noise-even.png', w, h)
# From one pixel wide or high, and from one pixel.
save('noise-1x19.png', 1, 19)
save('noise-23x1.png', 23, 1)
save('noise-1x1.png', 1, 1)
for file in 'noise-1x19.png', 'noise-23x1.png', 'noise-1x1.png':
    for w, h in (5, 7), (1, 1):
        stretch(file, w, h)
for w, h, size in (10, 10, 10), (9, 7, 12), (8, 11, 13), (16, 18, 19):
    center_crop('noise.png', size, w, h)
    slim_center_crop('noise.png', size, w, h)
center_crop('noise-1x19.png', 3, 2, 3)
slim_center_crop('noise-23x1.png', 3, 3, 2)
for file, fraction, w, h in (('noise.png', 0.875, 13, 15), ('noise.png', 0.5, 14, 5), ('noise.png', 1.0, 9, 10),
                             ('noise-1x19.png', 0.875, 4, 6)):
    central_fraction(file, fraction, w, h)
# A photograph-like JPEG, much smaller.
stretch('resize.jpg', 17, 12)
# Every orientation with every policy and fit.
for o in range(1, 9):
    file = f'exif-{o}.jpg'
    stretch(file, 7, 6)
    center_crop(file, 9, 5, 8)
    slim_center_crop(file, 9, 5, 8)
    central_fraction(file, 0.875, 5, 6)

# Without a time stamp, so that the same tensors give the same file.
with open('policies.bin.gz', 'wb') as f, gzip.GzipFile('', 'wb', 9, f, mtime=0) as z:
    z.write(blob.getvalue())
with open('policies.json', 'w') as f:
    f.write('[\n' + ',\n'.join(json.dumps(c) for c in cases) + '\n]\n')
