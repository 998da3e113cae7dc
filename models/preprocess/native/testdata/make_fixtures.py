"""Writes small pictures in the formats of native libraries, and their pixels as Pillow and its plugins decode them.

Needs Pillow 13, pillow-heif 1.8, pillow-jxl-plugin 1.4 and numpy.
"""

import os

import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401, registers itself
from PIL import Image, ImageOps

pillow_heif.register_heif_opener()
FOLDER = os.path.dirname(os.path.abspath(__file__))


def picture(width, height, alpha=False):
    """A smooth scene with hard edges and grain."""
    rnd = np.random.default_rng(width * 1000 + height)
    y, x = np.mgrid[0:height, 0:width]
    v = 128 + 70 * np.sin(x / 13.0) * np.cos(y / 9.0) + ((x // 31 + y // 23) % 3 == 0) * 40
    planes = [v + 12 * c * np.sin((x + y) / 31.0) + rnd.integers(-8, 9, (height, width)) for c in range(3)]
    a = np.stack(planes, -1).clip(0, 255).astype(np.uint8)
    if alpha:
        a = np.dstack([a, (x * 255 // width).astype(np.uint8)])
    return Image.fromarray(a)


def reference(name):
    """Writes the upright pixels of a file, without its alpha."""
    with Image.open(os.path.join(FOLDER, name)) as im:
        ImageOps.exif_transpose(im).convert("RGB").save(os.path.join(FOLDER, name + ".ref.png"))


def save(name, im, **options):
    im.save(os.path.join(FOLDER, name), **options)
    reference(name)


def heic():
    save("420.heic", picture(73, 59), quality=60)
    save("422.heic", picture(64, 48), quality=70, chroma=422)
    save("444.heic", picture(66, 50), quality=80, chroma=444)
    save("alpha.heic", picture(64, 48, alpha=True), quality=70)
    save("grey.heic", picture(60, 40).convert("L"), quality=70)
    save("limited.heic", picture(64, 48), quality=70, full_range_flag=0)
    save("lossless.heic", picture(64, 48), quality=-1, chroma=444, matrix_coefficients=0)


def turned(name):
    """Writes the file with each orientation that EXIF has."""
    for o in range(2, 9):
        exif = Image.Exif()
        exif[274] = o
        save(name.format(o), picture(40, 24), quality=80, exif=exif.tobytes())


def avif():
    for chroma in ("4:2:0", "4:2:2", "4:4:4", "4:0:0"):
        save("%s.avif" % chroma.replace(":", ""), picture(73, 59), quality=70, subsampling=chroma)
    save("alpha.avif", picture(64, 48, alpha=True), quality=70)
    save("limited.avif", picture(64, 48), quality=70, range="limited")
    frames = [picture(48 , 32), picture(48, 32).rotate(180)]
    save("animated.avif", frames[0], quality=70, save_all=True, append_images=frames[1:])
    turned("turned-{}.avif")


def jxl():
    save("lossy.jxl", picture(73, 59), quality=80)
    save("lossless.jxl", picture(64, 48), lossless=True)
    save("alpha.jxl", picture(64, 48, alpha=True), quality=80)
    save("grey.jxl", picture(60, 40).convert("L"), quality=80)


def jp2():
    save("lossless.jp2", picture(73, 59))
    save("lossy.jp2", picture(64, 48), irreversible=True, quality_mode="rates", quality_layers=[10])
    save("tiles.jp2", picture(73, 59), tile_size=(32, 32))
    save("alpha.jp2", picture(64, 48, alpha=True))
    save("grey.jp2", picture(60, 40).convert("L"))
    save("stream.j2k", picture(50, 34))


heic()
avif()
jxl()
jp2()
