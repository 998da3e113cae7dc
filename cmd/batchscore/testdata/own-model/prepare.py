"""Makes the weights that docs/own-model.md reads, at random: prepare.py torch|timm|keras|hf."""

import sys

if sys.argv[1] == "torch":
    import torch, torchvision

    torch.save(torchvision.models.resnet18(num_classes=5).state_dict(), "weights.pth")
elif sys.argv[1] == "timm":
    import timm, torch

    torch.save(timm.create_model("mobilenetv3_small_100", num_classes=5).state_dict(), "timm.pth")
elif sys.argv[1] == "keras":
    import keras

    keras.applications.MobileNetV2(weights=None, classes=5).save("mine.keras")
elif sys.argv[1] == "hf":
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    size = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128)
    names = {i: "class %d" % (i + 1) for i in range(5)}
    ViTForImageClassification(ViTConfig(**size, id2label=names)).save_pretrained("my-vit")
    ViTImageProcessor().save_pretrained("my-vit")
