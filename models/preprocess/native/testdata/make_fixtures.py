"""Writes small pictures in the formats of native libraries, and their pixels as Pillow and its plugins decode them.

Needs Pillow 13, pillow-heif 1.8, pillow-jxl-plugin 1.4, numpy and OpenCV; avifenc of libavif 0.11, cjxl of libjxl 0.7 and opj_compress.
"""

import io
import os
import struct
import subprocess
import tempfile

import cv2
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


def deep(width, height):
    """A picture of 16 bits, none so large that Pillow rounds it to 256 and keeps 0."""
    a = np.asarray(picture(width, height)).astype(np.int32) * 257 + 3 * np.arange(width)[None, :, None]
    return a.clip(0, 65279).astype("<u2")


def deep_png(width=73, height=59):
    """The name of a PNG of 16 bits, for programs."""
    name = os.path.join(tempfile.mkdtemp(), "deep.png")
    cv2.imwrite(name, deep(width, height)[..., ::-1])
    return name


def run(name, *command):
    """Writes a file by a program, whose last argument it is."""
    subprocess.run([*command, os.path.join(FOLDER, name)], check=True, capture_output=True)
    reference(name)


def heic():
    save("420.heic", picture(73, 59), quality=60)
    save("422.heic", picture(64, 48), quality=70, chroma=422)
    save("444.heic", picture(66, 50), quality=80, chroma=444)
    save("alpha.heic", picture(64, 48, alpha=True), quality=70)
    save("grey.heic", picture(60, 40).convert("L"), quality=70)
    save("limited.heic", picture(64, 48), quality=70, full_range_flag=0)
    save("lossless.heic", picture(64, 48), quality=-1, chroma=444, matrix_coefficients=0)
    pillow_heif.options.GRID_TILE_SIZE = 64
    save("grid.heic", picture(150, 100), quality=50)
    pillow_heif.options.GRID_TILE_SIZE = 0
    turned("turned-{}.heic")  # by irot and imir
    for bits in (10, 12):
        pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
        f = pillow_heif.from_bytes(mode="RGB;16", size=(73, 59), data=deep(73, 59).tobytes())
        f.save(os.path.join(FOLDER, "near/%dbit.heic" % bits), quality=70)
        reference("near/%dbit.heic" % bits)


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
    quality = ("-s", "8", "--min", "20", "--max", "30")
    for bits in (10, 12):
        for chroma in (420, 444):
            run("near/%dbit-%d.avif" % (bits, chroma), "avifenc", "-d", str(bits), "-y", str(chroma), *quality, deep_png())
    tiles = os.path.join(tempfile.mkdtemp(), "tiles.png")
    picture(128, 128).save(tiles)
    run("grid.avif", "avifenc", "-s", "8", "--min", "40", "--max", "50", "--grid", "2x2", tiles)


def recoded(name, im, **options):
    """Writes a JPEG XL with the coefficients of a JPEG."""
    jpeg = os.path.join(tempfile.mkdtemp(), "a.jpg")
    im.save(jpeg, quality=85, **options)
    with Image.open(jpeg) as im:
        im.save(os.path.join(FOLDER, name), lossless_jpeg=True)
    reference(name)


def jxl():
    save("lossy.jxl", picture(73, 59), quality=80)
    save("lossless.jxl", picture(64, 48), lossless=True)
    save("alpha.jxl", picture(64, 48, alpha=True), quality=80)
    save("grey.jxl", picture(60, 40).convert("L"), quality=80)
    run("16bit.jxl", "cjxl", "-d", "2", deep_png())
    whole = os.path.join(tempfile.mkdtemp(), "whole.png")
    picture(73, 59).save(whole)
    run("prog.jxl", "cjxl", "-d", "1", "--progressive", whole)
    recoded("near/jpeg.jxl", picture(73, 59), subsampling=2)
    exif = Image.Exif()
    exif[274] = 6
    recoded("near/turned-6.jxl", picture(40, 24), exif=exif.tobytes())


def sixteen():
    """16 bits. Of grey, Pillow's convert keeps no picture: the reference is rounded as Pillow rounds those of colour."""
    y, x = np.mgrid[0:40, 0:60]
    Image.fromarray((x * 1000 + y * 37).astype("<u2")).save(os.path.join(FOLDER, "16bit.jp2"))
    with Image.open(os.path.join(FOLDER, "16bit.jp2")) as im:
        upper = Image.fromarray(((np.asarray(im).astype(np.int32) + 128) >> 8).clip(0, 255).astype(np.uint8))
    upper.convert("RGB").save(os.path.join(FOLDER, "16bit.jp2.ref.png"))
    run("16bit-rgb.jp2", "opj_compress", "-n", "3", "-i", deep_png(40, 24), "-o")


def palette(name):
    """Puts a palette into the header of a grey picture of indices."""
    def box(kind, body):
        return struct.pack(">I", 8 + len(body)) + kind + body

    def boxes(b):
        while b:
            n = struct.unpack(">I", b[:4])[0] or len(b)
            yield b[4:8], b[8:n]
            b = b[n:]

    p = picture(60, 40).quantize(64)
    f = io.BytesIO()
    Image.frombytes("L", p.size, p.tobytes()).save(f, "JPEG2000")
    colours = bytes((p.getpalette() + [0] * 192)[:192])
    out = b""
    for kind, body in boxes(f.getvalue()):
        if kind == b"jp2h":
            srgb = box(b"colr", bytes([1, 0, 0]) + struct.pack(">I", 16))
            body = b"".join(srgb if k == b"colr" else box(k, b) for k, b in boxes(body))
            body += box(b"pclr", struct.pack(">HB", 64, 3) + bytes([7, 7, 7]) + colours)
            body += box(b"cmap", b"".join(struct.pack(">HBB", 0, 1, i) for i in range(3)))
        out += box(kind, body)
    with open(os.path.join(FOLDER, name), "wb") as file:
        file.write(out)
    reference(name)


def jp2():
    save("lossless.jp2", picture(73, 59))
    save("lossy.jp2", picture(64, 48), irreversible=True, quality_mode="rates", quality_layers=[10])
    save("tiles.jp2", picture(73, 59), tile_size=(32, 32))
    save("alpha.jp2", picture(64, 48, alpha=True))
    save("grey.jp2", picture(60, 40).convert("L"))
    save("stream.j2k", picture(50, 34))
    save("near/ycc.jp2", picture(64, 48).convert("YCbCr"))
    save("cmyk.jp2", picture(64, 48).convert("CMYK"))
    save("la.jp2", picture(64, 48, alpha=True).convert("LA"))
    sixteen()
    palette("palette.jp2")


def large():
    """Pictures of 2.6 megapixels that take few bytes, without references: for what decoding takes."""
    width, height = 2560, 1024
    y, x = np.mgrid[0:height, 0:width]
    flat = Image.fromarray(np.stack([x // 320 * 30, y // 256 * 60, x // 640 * 60], -1).astype(np.uint8))
    clear = flat.copy()
    clear.putalpha(Image.fromarray((x // 320 * 30).astype(np.uint8)))
    bits = np.asarray(flat).astype("<u2") * 257
    png = os.path.join(tempfile.mkdtemp(), "flat.png")
    cv2.imwrite(png, bits[..., ::-1])

    def save(name, im, **options):
        im.save(os.path.join(FOLDER, "large", name), **options)

    def run(name, *command):
        subprocess.run([*command, os.path.join(FOLDER, "large", name)], check=True, capture_output=True)

    os.makedirs(os.path.join(FOLDER, "large"), exist_ok=True)
    save("420.heic", flat, quality=10)
    save("444.heic", flat, quality=10, chroma=444)
    save("alpha.heic", clear, quality=10)
    pillow_heif.options.SAVE_HDR_TO_12_BIT = False
    pillow_heif.from_bytes(mode="RGB;16", size=flat.size, data=bits.tobytes()).save(os.path.join(FOLDER, "large/10bit.heic"), quality=10)
    pillow_heif.options.GRID_TILE_SIZE = 512
    save("grid.heic", flat, quality=10)
    pillow_heif.options.GRID_TILE_SIZE = 0
    save("420.avif", flat, quality=20)
    save("444.avif", flat, quality=20, subsampling="4:4:4")
    save("alpha.avif", clear, quality=20)
    run("10bit.avif", "avifenc", "-d", "10", "-y", "444", "-s", "8", "--min", "40", "--max", "50", png)
    save("lossy.jxl", flat, quality=30)
    save("lossless.jxl", flat, lossless=True)
    save("alpha.jxl", clear, quality=30)
    run("progressive.jxl", "cjxl", "-d", "4", "--progressive", png)
    save("grey.jp2", flat.convert("L"))
    save("rgb.jp2", flat)
    save("alpha.jp2", clear)
    save("lossy.jp2", flat, irreversible=True, quality_mode="rates", quality_layers=[400])
    save("tiles.jp2", flat, tile_size=(512, 512))


heic()
avif()
jxl()
jp2()
large()
