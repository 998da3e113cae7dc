"""Computes what networks of torchvision, timm and transformers answer with random weights.

    python3 network_logits.py .. [FOLDER]

Needs PyTorch, torchvision, timm, transformers and NumPy. Into .. it writes networks.npz, the
logits of torchvision's networks (of timm's for EfficientNet-Lite0) with the weights of seeded.py, and
names.json.gz, what timm's and transformers's tensors are called. Into FOLDER, if it is given,
it writes for each network of each library the weights, as safetensors or .pth, and the logits.
"""

import gzip
import json
import sys

import numpy as np
import timm
import torch
import torchvision
import transformers

from seeded import MEAN, STD, fill, pattern, save

IMAGES, CLASSES = 4, 16
TV = torchvision.models


def vision(name):
    return getattr(TV, name)(weights=None, num_classes=CLASSES)


def pytorch_image(name):
    return timm.create_model(name, pretrained=False, num_classes=CLASSES)


class Logits(torch.nn.Module):
    """A network of transformers, whose state dict is that of the network alone."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(pixel_values=x).logits

    def state_dict(self):
        return self.net.state_dict()


def hugging_face(kind, **settings):
    config = getattr(transformers, kind + "Config")(num_labels=CLASSES, **settings)
    return Logits(getattr(transformers, kind + "ForImageClassification")(config))


def older(tensors):
    """The names of efficientnet_pytorch for timm's EfficientNet."""
    names, block, last = {}, -1, None
    parts = {"conv_pw": "_expand_conv", "conv_dw": "_depthwise_conv", "conv_pwl": "_project_conv", "se.conv_reduce": "_se_reduce",
             "se.conv_expand": "_se_expand", "bn1": "_bn0", "bn2": "_bn1", "bn3": "_bn2"}
    narrow = dict(parts, conv_pw="_project_conv", bn1="_bn1", bn2="_bn2")
    for key in tensors:
        layer, tensor = key.rsplit(".", 1)
        if layer.startswith("blocks."):
            _, stage, index, part = layer.split(".", 3)
            if (stage, index) != last:
                block, last = block + 1, (stage, index)
            names[key] = f"_blocks.{block}.{(parts if stage != '0' else narrow)[part]}.{tensor}"
        else:
            names[key] = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}[layer] + "." + tensor
    return names


def answer(model):
    size = 224
    pixels = np.stack([pattern(k, size) for k in range(IMAGES)]).astype(np.float32) / 255
    x = torch.from_numpy((pixels - np.float32(MEAN)) / np.float32(STD)).permute(0, 3, 1, 2).contiguous()
    return np.concatenate([model(x[k:k + 1]).numpy() for k in range(IMAGES)])


resnet = {"resnet18": ("basic", [2, 2, 2, 2], [64, 128, 256, 512]), "resnet50": ("bottleneck", [3, 4, 6, 3], [256, 512, 1024, 2048])}
others = [
    ("resnet50", "timm", lambda: pytorch_image("resnet50")),
    ("mobilenet_v3_large", "timm", lambda: pytorch_image("mobilenetv3_large_100")),
    ("mobilenet_v3_small", "timm", lambda: pytorch_image("mobilenetv3_small_100")),
    ("mobilenet_v3_large", "tf", lambda: pytorch_image("tf_mobilenetv3_large_100")),
    ("mobilenet_v3_small", "tf", lambda: pytorch_image("tf_mobilenetv3_small_100")),
    ("efficientnet_b0", "timm", lambda: pytorch_image("efficientnet_b0")),
    ("efficientnet_b0", "tf", lambda: pytorch_image("tf_efficientnet_b0")),
    ("efficientnet_lite0", "timm", lambda: pytorch_image("efficientnet_lite0")),
    ("efficientnet_lite0", "tf", lambda: pytorch_image("tf_efficientnet_lite0")),
    ("convnext_tiny", "timm", lambda: pytorch_image("convnext_tiny")),
    ("vit_b_16", "timm", lambda: pytorch_image("vit_base_patch16_224")),
    ("convnext_tiny", "transformers", lambda: hugging_face("ConvNext")),
    ("vit_b_16", "transformers", lambda: hugging_face("ViT")),
] + [
    (name, "transformers", lambda k=k, d=d, h=h: hugging_face("ResNet", layer_type=k, depths=d, hidden_sizes=h))
    for name, (k, d, h) in resnet.items()
]
answers, names = {}, {}
folder = sys.argv[2] if len(sys.argv) > 2 else None
with torch.no_grad():
    for name in ["resnet18", "resnet34", "resnet50", "resnet101", "mobilenet_v3_large", "mobilenet_v3_small", "efficientnet_b0", "convnext_tiny", "vit_b_16"]:
        model = vision(name).eval()
        fill(model)
        answers[name] = answer(model)
        print(name, answers[name].argmax(1), answers[name].min(), answers[name].max(), file=sys.stderr)
        if folder:  # half of them in the old form
            torch.save(model.state_dict(), f"{folder}/{name}-torchvision.pth", _use_new_zipfile_serialization=len(name) % 2 == 0)
    # Torchvision has no EfficientNet-Lite0. Its canonical names are those of B0 there, in the same
    # order, and a block's last part has the number of the one that is left out.
    lite = pytorch_image("tf_efficientnet_lite0").eval()
    canonical = [k for k in vision("efficientnet_b0").state_dict() if ".fc1." not in k and ".fc2." not in k]
    canonical = [k.replace(".block.2.", ".block.1.") if k.startswith("features.1.") else k.replace(".block.3.", ".block.2.") for k in canonical]
    fill(lite, dict(zip(lite.state_dict(), canonical, strict=True)))
    answers["efficientnet_lite0"] = answer(lite)
    if folder:
        tensors = lite.state_dict()
        theirs = older(tensors)
        torch.save({theirs[k]: t for k, t in tensors.items()}, f"{folder}/efficientnet_lite0-efficientnet_pytorch.pth", _use_new_zipfile_serialization=False)
    for name, variant, make in others:
        model = make().eval()
        tensors = fill(model)
        names[f"{name} {variant}"] = {k: list(t.shape) for k, t in tensors.items()}
        if folder:
            save(f"{folder}/{name}-{variant}.safetensors", tensors)
            np.save(f"{folder}/{name}-{variant}.npy", answer(model))
    for name in ["efficientnet_b0", "efficientnet_lite0"]:
        tensors = pytorch_image("tf_" + name).state_dict()
        theirs = older(tensors)
        names[f"{name} tf efficientnet_pytorch"] = {theirs[k]: list(t.shape) for k, t in tensors.items()}
np.savez(f"{sys.argv[1]}/networks.npz", **answers)
with gzip.GzipFile(f"{sys.argv[1]}/names.json.gz", "wb", mtime=0) as f:
    f.write(json.dumps(names).encode())
