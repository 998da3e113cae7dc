"""Scores photographs with the trained EfficientNet-Lite0 in timm.

    python3 lite0_photos.py efficientnet-lite0.pth PHOTO... >../lite0.json

Needs PyTorch, timm and Pillow. The checkpoint is that of "deploy/deps/fetch.sh imagenet", and the
photographs are those of "make deps". timm's network has the same tensors in the same order.
"""

import json
import os
import sys

import timm
import torch
from PIL import Image, ImageOps
from timm.data import create_transform

weights = torch.load(sys.argv[1], weights_only=True)
model = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
model.load_state_dict(dict(zip(model.state_dict(), weights.values(), strict=True)))
prepare = create_transform((3, 224, 224), interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3, crop_pct=0.875)
answers = {}
with torch.no_grad():
    for path in sys.argv[2:]:
        image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        p = model(prepare(image)[None]).softmax(-1)[0]
        answers[os.path.basename(path)] = {"class": int(p.argmax()), "probability": round(float(p.max()), 6)}
print(json.dumps(answers, indent=1, sort_keys=True))
