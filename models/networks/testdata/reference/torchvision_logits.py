"""Computes what torchvision's networks answer with seeded random weights.

    python3 torchvision_logits.py ../torchvision.npz [FOLDER]

Needs PyTorch, torchvision and NumPy (Debian: python3-torchvision). Weights and
images are those of seeded.py. Into FOLDER, if it is given, the weights are
written as safetensors, for "batchscore models build --weights FILE".
"""

import sys

import numpy as np
import torch
import torchvision

from seeded import MEAN, STD, fill, pattern, save

IMAGES = 16


networks = {
    "vgg16": (224, 138_357_544, lambda: torchvision.models.vgg16(weights=None)),
    "inception_v3": (299, 27_161_264, lambda: torchvision.models.inception_v3(
        weights=None, transform_input=True, aux_logits=True, init_weights=False)),
}
answers = {}
with torch.no_grad():
    for name, (size, parameters, make) in networks.items():
        model = make().eval()
        if sum(p.numel() for p in model.parameters()) != parameters:
            raise SystemExit(f"{name} is another network than expected")
        tensors = fill(model)
        if len(sys.argv) > 2:
            save(f"{sys.argv[2]}/{name}.safetensors", tensors)
        pixels = np.stack([pattern(k, size) for k in range(IMAGES)]).astype(np.float32) / 255
        x = torch.from_numpy((pixels - np.float32(MEAN)) / np.float32(STD)).permute(0, 3, 1, 2).contiguous()
        answers[name] = np.concatenate([model(x[k:k + 1]).numpy() for k in range(IMAGES)])
        rows = answers[name]
        print(name, "classes", rows.argmax(1), "logits", rows.min(), "to", rows.max(), file=sys.stderr)
np.savez(sys.argv[1], **answers)
