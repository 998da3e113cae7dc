#!/usr/bin/env python3
"""Writes what timm and transformers make of three photographs with every configuration
that these packages hold.

    make_configurations.py OUT PHOTO PHOTO PHOTO    (needs timm, transformers, torch, torchvision, Pillow, numpy)

OUT/configurations.json lists the configurations: of timm, the pretrained_cfg of all models with
pretrained weights, without repetitions, also for test_input_size; of transformers, what each image
processor writes by default, and the one that computes with torchvision. OUT/N.png are the photographs and OUT/C-N.raw
every fifth row of what configuration C makes of N, in float32, planes in turn.
"""
import inspect, json, os, sys, tempfile, warnings

os.environ["HF_HUB_OFFLINE"] = "1"
warnings.simplefilter("ignore")
import numpy as np
import timm.data
import torch
import transformers
from PIL import Image
from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES

transformers.logging.set_verbosity_error()
torch.set_num_threads(1)
out, photos = sys.argv[1], [Image.open(p).convert("RGB") for p in sys.argv[2:]]
os.makedirs(out, exist_ok=True)
for i, p in enumerate(photos):
    p.save(f"{out}/{i}.png", compress_level=1)
records = []


def write(record, tensors):
    """Keeps the tensors if images of all shapes become planes of one size."""
    shapes = {t.shape for t in tensors}
    if len(shapes) == 1 and len(tensors[0].shape) == 3 and tensors[0].shape[0] == 3:
        record["height"], record["width"] = tensors[0].shape[1:]
        for i, t in enumerate(tensors):
            np.ascontiguousarray(t[:, ::5], "<f4").tofile(f"{out}/{len(records)}-{i}.raw")
    else:
        record["error"] = "sizes differ between images" if len(shapes) > 1 else f"the result is {list(tensors[0].shape)}"
    records.append(record)


KEYS = ["input_size", "test_input_size", "crop_pct", "test_crop_pct", "crop_mode", "interpolation", "mean", "std"]
seen = {}
for name in timm.list_models(pretrained=True):
    cfg = timm.get_pretrained_cfg(name).to_dict()
    seen.setdefault(json.dumps({k: cfg[k] for k in KEYS if cfg.get(k) is not None}), []).append(name)
for text, names in seen.items():
    cfg = json.loads(text)
    for test in [False, True][: 2 if "test_input_size" in cfg else 1]:
        record = {"name": names[0], "models": len(names), "kind": "timm", "config": cfg, "classes": sum(timm.get_pretrained_cfg(n).num_classes > 0 for n in names)}
        if test:
            record["test"] = True
        transform = timm.data.create_transform(**timm.data.resolve_data_config(pretrained_cfg=cfg, use_test_size=test), is_training=False)
        write(record, [transform(p).numpy() for p in photos])

classes = {}
for kind, names in sorted(IMAGE_PROCESSOR_MAPPING_NAMES.items()):
    for name in names or ():
        if name:
            classes.setdefault(name, []).append(kind)
for name, kinds in sorted(classes.items()):
    record = {"name": name, "models": len(kinds), "kind": kinds[0], "classes": sum(k in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES for k in kinds)}
    try:
        p = getattr(transformers, name)()
        with tempfile.TemporaryDirectory() as d:
            p.save_pretrained(d)
            record["config"] = json.load(open(os.path.join(d, "preprocessor_config.json")))
        tensors = [np.asarray(p(x, return_tensors="pt")["pixel_values"])[0] for x in photos]
    except Exception as e:  # it needs more than an image
        record["error"] = " ".join(str(e).split())[:80]
        records.append(record)
        continue
    write(record, tensors)
with open(f"{out}/configurations.json", "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(r) for r in records) + "\n]\n")
print(len(records), "configurations")
