#!/usr/bin/env python3
"""Writes processors.json and source.png: what image processors of transformers 4.57 and
transforms of timm 1.0 make of an image, with the settings that they write to files.

    make_processors.py    (needs transformers, timm, torch, torchvision, Pillow, numpy)
"""
import base64, json, os, tempfile

import numpy as np
import timm.data
import transformers as T
from PIL import Image

here = os.path.dirname(os.path.abspath(__file__))
WIDTH, HEIGHT = 61, 47  # odd, and no multiple of any size below
rng = np.random.default_rng(19)
small = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
source = small.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
noise = rng.integers(-20, 21, (HEIGHT, WIDTH, 3))
source = Image.fromarray(np.clip(np.asarray(source).astype(int) + noise, 0, 255).astype(np.uint8))
source.save(os.path.join(here, "source.png"))


def sq(n, w=None):
    return {"height": n, "width": w or n}


CASES = [  # class, model_type, settings, keys that are left out of the file
    ("ViTImageProcessor", "vit", dict(size=sq(16)), []),
    ("ViTImageProcessor", "vit", dict(size=sq(16)), ["image_mean", "image_std", "resample", "rescale_factor", "do_rescale", "do_normalize"]),
    ("ViTImageProcessor", "swin", dict(size=sq(14, 18), resample=3, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]), []),
    ("ViTImageProcessor", "vit", dict(size=sq(16), do_normalize=False), []),
    ("ViTImageProcessor", "vit", dict(size=sq(16), do_rescale=False, image_mean=[127.5] * 3, image_std=[127.5] * 3), []),
    ("DeiTImageProcessor", "deit", dict(size=sq(21), crop_size=sq(16)), []),
    ("DeiTImageProcessor", "deit", dict(size=sq(21), crop_size=sq(16)), ["image_mean", "image_std", "resample", "do_center_crop"]),
    ("BeitImageProcessor", "beit", dict(size=sq(20), crop_size=sq(15)), []),
    ("BeitImageProcessor", "beit", dict(size=sq(16), do_center_crop=False), []),
    ("CLIPImageProcessor", "clip", dict(size={"shortest_edge": 16}, crop_size=sq(16)), []),
    ("CLIPImageProcessor", "clip", dict(size={"shortest_edge": 19}, crop_size=sq(16)), ["image_mean", "image_std", "resample"]),
    ("ChineseCLIPImageProcessor", "chinese_clip", None, []),
    ("BitImageProcessor", "dinov2", dict(size={"shortest_edge": 18}, crop_size=sq(15), image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]), []),
    ("BitImageProcessor", "bit", dict(size={"shortest_edge": 17}, crop_size=sq(14)), ["image_mean", "image_std", "resample", "do_center_crop"]),
    ("SiglipImageProcessor", "siglip", dict(size=sq(16)), []),
    ("SiglipImageProcessor", "siglip", dict(size=sq(16)), ["image_mean", "image_std", "resample"]),
    ("BlipImageProcessor", "blip", dict(size=sq(16)), []),
    ("ConvNextImageProcessor", "convnext", dict(size={"shortest_edge": 16}), []),
    ("ConvNextImageProcessor", "resnet", dict(size={"shortest_edge": 17}, crop_pct=0.9, resample=3), []),
    ("ConvNextImageProcessor", "convnext", dict(size={"shortest_edge": 16}), ["crop_pct", "image_mean", "image_std", "resample"]),
    ("LevitImageProcessor", "levit", dict(size={"shortest_edge": 16}, crop_size=sq(16)), []),
    ("PoolFormerImageProcessor", "poolformer", dict(size={"shortest_edge": 16}, crop_size=sq(16), crop_pct=0.95), []),
    ("PoolFormerImageProcessor", "poolformer", dict(size={"shortest_edge": 16}, crop_size=sq(16)), ["crop_pct", "image_mean", "image_std"]),
    ("PvtImageProcessor", "pvt", dict(size=sq(16)), ["image_mean", "image_std"]),
    ("MobileNetV1ImageProcessor", "mobilenet_v1", dict(size={"shortest_edge": 19}, crop_size=sq(16)), []),
    ("MobileNetV2ImageProcessor", "mobilenet_v2", dict(size={"shortest_edge": 20}, crop_size=sq(15)), ["image_mean", "image_std", "resample"]),
    ("MobileViTImageProcessor", "mobilevit", dict(size={"shortest_edge": 18}, crop_size=sq(16)), []),
    ("MobileViTImageProcessor", "mobilevit", dict(size={"shortest_edge": 18}, crop_size=sq(16)), ["do_flip_channel_order", "resample"]),
    ("EfficientNetImageProcessor", "efficientnet", dict(size=sq(16), resample=3), []),
    ("EfficientNetImageProcessor", "efficientnet", dict(size=sq(16), rescale_offset=True, rescale_factor=1 / 127.5), ["include_top", "resample"]),
    ("SegformerImageProcessor", "segformer", dict(size=sq(16)), []),
]


def half(tensor):
    return base64.b64encode(np.ascontiguousarray(tensor, "<f2").tobytes()).decode()


out = []
for name, kind, settings, left_out in CASES:
    if settings is None:
        continue
    p = getattr(T, name)(**settings)
    with tempfile.TemporaryDirectory() as d:
        p.save_pretrained(d)
        config = json.load(open(os.path.join(d, "preprocessor_config.json")))
    for key in left_out:
        del config[key]
    x = np.asarray(p(source, return_tensors="np")["pixel_values"])[0]
    out.append({"kind": kind, "processor": config, "width": x.shape[2], "height": x.shape[1], "tensor": half(x)})

TIMM = [
    dict(input_size=(3, 16, 16), crop_pct=0.875, crop_mode="center", interpolation="bicubic", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    dict(input_size=(3, 15, 15), crop_pct=0.9, crop_mode="center", interpolation="bilinear", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    dict(input_size=(3, 16, 16), crop_pct=1.0, crop_mode="squash", interpolation="lanczos", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    dict(input_size=(3, 16, 18), crop_pct=0.9, crop_mode="squash", interpolation="bicubic", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
]
for c in TIMM:
    x = timm.data.create_transform(**c, is_training=False)(source).numpy()
    out.append({"kind": "timm", "pretrained_cfg": c, "width": x.shape[2], "height": x.shape[1], "tensor": half(x)})

with open(os.path.join(here, "processors.json"), "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(o) for o in out) + "\n]\n")
print(len(out), "cases")
