"""Writes pillow/*.png: what Pillow makes of each picture beside this script, turned
as its EXIF or XMP says, resized to 32x32 (stretched, bilinear). Pillow 13.0.0 wrote
the ones that are kept. Pictures that Pillow refuses are left out."""
import pathlib

from PIL import Image, ImageOps

here = pathlib.Path(__file__).parent
for folder in ["heif", "jpeg", "listing", "orientation", "png-gif-bmp", "tiff"]:
    for path in sorted((here / folder).iterdir()):
        try:
            image = Image.open(path)
            image.load()
        except OSError as error:
            print(f"{path}: {error}")
            continue
        if image.mode == "F":  # Pillow clips what it holds for 0..255
            print(f"{path}: floating point")
            continue
        image = ImageOps.exif_transpose(image).convert("RGB")
        out = here / "pillow" / f"{folder}-{path.name}.png"
        out.parent.mkdir(exist_ok=True)
        image.resize((32, 32), Image.Resampling.BILINEAR).save(out, optimize=True)
