"""Writes a folder for each detector, and the boxes that its own library finds in images.

    make.py OUT IMAGES PACKAGES [NAME...]

The detectors of transformers, torchvision and Ultralytics have random weights, whose last layers
are scaled so that scores and boxes differ, and the configuration files that their libraries
write. nudenet, unpacked in PACKAGES, is trained. OUT/NAME is the folder, and OUT/NAME.json has
the boxes of each image as [label, score, x, y, width, height], in pixels of the image.
It is written last, and a detector that has it is left as it is.
"""
import json, os, shutil, sys

os.environ.update(HF_HUB_OFFLINE="1", YOLO_OFFLINE="1", YOLO_AUTOINSTALL="False", YOLO_VERBOSE="False")
out, images, packages, only = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), os.path.abspath(sys.argv[3]), sys.argv[4:]
os.makedirs(out, exist_ok=True)
os.environ.setdefault("YOLO_CONFIG_DIR", out)
os.chdir(out)
sys.path.append(packages)
import numpy as np
import torch
import torchvision
import transformers as T
from PIL import Image, ImageOps

torch.set_num_threads(2)
files = sorted(os.listdir(images))
pictures = {f: ImageOps.exif_transpose(Image.open(os.path.join(images, f))).convert("RGB") for f in files}
CLASSES = 6
LABELS = [f"thing {i}" for i in range(CLASSES)]
THRESHOLD = 0.5


def random_weights(model):
    """Weights under which the numbers neither vanish nor explode."""
    torch.manual_seed(19)
    for m in model.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            m.running_mean.normal_(0, 0.1), m.running_var.uniform_(0.5, 1.5)
            m.weight.data.uniform_(0.5, 1.5), m.bias.data.normal_(0, 0.1)
        elif isinstance(m, (torch.nn.Linear, torch.nn.Conv2d)):
            m.weight.data.normal_(0, (1.5 / m.weight[0].numel()) ** 0.5)
            if m.bias is not None:
                m.bias.data.normal_(0, 0.05)
    return model.eval()


@torch.no_grad()
def spread(layers, run, mean, by, each=True):
    """Scales layers, each of which run calls, so that their numbers have that mean and deviation."""
    for layer in layers:
        kept = []
        hook = layer.register_forward_hook(lambda _, __, y: kept.append(y.detach()))
        run()
        hook.remove()
        axes = layer.weight.shape[0]
        y = torch.cat([(k.movedim(1, -1) if k.dim() == 4 else k).reshape(-1, axes) for k in kept])
        factor = by / y.std(0 if each else None).clamp_min(1e-6) * torch.ones(axes)
        layer.weight *= factor.view(-1, *[1] * (layer.weight.dim() - 1))
        layer.bias.copy_((layer.bias - y.mean(0)) * factor + mean)


def reference(name, boxes, threshold):
    """boxes are [label, score, left, top, right, bottom] for each file. They are cut off at the edges of the image."""
    cut = {}
    for f, found in boxes.items():
        w, h = pictures[f].size
        cut[f] = []
        for label, score, *corners in found:
            left, top, right, bottom = (min(max(float(v), 0), most) for v, most in zip(corners, (w, h, w, h)))
            if left < right and top < bottom:
                cut[f].append([label, float(score), left, top, right - left, bottom - top])
    path = os.path.join(out, name + ".json")
    with open(path + ".part", "w") as f:
        json.dump({"threshold": threshold, "boxes": cut}, f)
    os.replace(path + ".part", path)
    n = [len(b) for b in cut.values()]
    print(name, sum(n), "boxes,", min(n), "to", max(n), "an image,", len({b[0] for l in cut.values() for b in l}), "labels", flush=True)


class Plain(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        y = self.model(pixel_values=x)
        return y.logits, y.pred_boxes


# Pillow 13 resizes an image vertically first where it shrinks by more than twice as many pixels
# that way; batchscore resizes horizontally first, as Pillow did before. So inputs are higher than wide.
backbone = dict(use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_kwargs=None)
small = T.ResNetConfig(embedding_size=16, hidden_sizes=[16, 24, 32, 48], depths=[1, 1, 1, 1], out_features=["stage4"])
pyramid = T.ResNetConfig(embedding_size=16, hidden_sizes=[16, 24, 32, 48], depths=[1, 1, 1, 1], out_features=["stage2", "stage3", "stage4"])
transformer = dict(d_model=64, encoder_layers=1, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=64,
                   decoder_ffn_dim=64, num_queries=40)
sized = dict(size={"height": 320, "width": 256}, do_pad=False)
rt = dict(backbone_config=T.RTDetrResNetConfig(embedding_size=16, hidden_sizes=[16, 24, 32, 48], depths=[1, 1, 1, 1], out_features=["stage2", "stage3", "stage4"]),
          encoder_in_channels=[24, 32, 48], encoder_hidden_dim=64, encoder_ffn_dim=64, d_model=64, num_queries=60, decoder_layers=2, decoder_ffn_dim=64,
          decoder_attention_heads=4, encoder_attention_heads=4, hidden_expansion=0.5, decoder_in_channels=[64, 64, 64])
TRANSFORMERS = {
    "detr": lambda: (T.DetrConfig(backbone_config=small, **backbone, **transformer), T.DetrForObjectDetection, T.DetrImageProcessor(**sized)),
    "table-transformer": lambda: (T.TableTransformerConfig(backbone_config=small, **backbone, **transformer), T.TableTransformerForObjectDetection,
                                  T.DetrImageProcessor(**sized)),
    "conditional-detr": lambda: (T.ConditionalDetrConfig(backbone_config=small, **backbone, **transformer), T.ConditionalDetrForObjectDetection,
                                 T.ConditionalDetrImageProcessor(**sized)),
    "deformable-detr": lambda: (T.DeformableDetrConfig(backbone_config=pyramid, **backbone, **transformer, num_feature_levels=3), T.DeformableDetrForObjectDetection,
                                T.DeformableDetrImageProcessor(**sized)),
    "yolos": lambda: (T.YolosConfig(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128, image_size=[320, 256], num_detection_tokens=40),
                      T.YolosForObjectDetection, T.YolosImageProcessor(**sized)),
    "rt-detr": lambda: (T.RTDetrConfig(**rt), T.RTDetrForObjectDetection, T.RTDetrImageProcessor(size={"height": 320, "width": 256})),
    "rt-detr-v2": lambda: (T.RTDetrV2Config(**rt), T.RTDetrV2ForObjectDetection, T.RTDetrImageProcessor(size={"height": 320, "width": 256})),
}


def of_transformers(name):
    torch.manual_seed(19)
    config, kind, processor = TRANSFORMERS[name]()
    config.id2label, config.label2id = dict(enumerate(LABELS)), {l: i for i, l in enumerate(LABELS)}
    config.architectures = [kind.__name__]
    model = random_weights(kind(config))
    # Queries are told apart by what they begin with.
    for n, p in model.named_parameters():
        if "query_position" in n or "detection_tokens" in n or "reference_points" in n and p.dim() == 2:
            p.data.normal_(0, 1)
    tensors = {f: processor(images=p, return_tensors="pt")["pixel_values"] for f, p in pictures.items()}

    def run():
        for t in list(tensors.values())[:4]:
            model(pixel_values=t)

    linear = [(n, m) for n, m in model.named_modules() if isinstance(m, torch.nn.Linear)]
    softmax = model.__class__.__name__.startswith(("Detr", "Table", "Yolos"))
    for layers, mean, by in (
        ([m for n, m in linear if "enc_score_head" in n], -1., 2.), ([m for n, m in linear if "enc_bbox_head.layers.2" in n], 0., .7),
        ([m for n, m in linear if "bbox" in n and "enc_" not in n and n.endswith("layers.2")], 0., .7),
        ([m for n, m in linear if "class" in n and m.weight.shape[0] in (CLASSES, CLASSES + 1)], 0. if softmax else -2., 2.),
    ):
        spread(layers, run, mean, by)
    boxes = {}
    with torch.no_grad():
        for f, t in tensors.items():
            y = model(pixel_values=t)
            r = processor.post_process_object_detection(y, threshold=THRESHOLD, target_sizes=[pictures[f].size[::-1]])[0]
            boxes[f] = [[LABELS[l], s, *b] for s, l, b in zip(r["scores"].tolist(), r["labels"].tolist(), r["boxes"].tolist())]
        folder = os.path.join(out, name)
        os.makedirs(folder, exist_ok=True)
        config.save_pretrained(folder), processor.save_pretrained(folder)
        example = next(iter(tensors.values()))
        torch.onnx.export(Plain(model), (example,), os.path.join(folder, "model.onnx"), input_names=["pixel_values"], output_names=["logits", "pred_boxes"],
                          dynamic_axes={k: {0: "batch_size"} for k in ("pixel_values", "logits", "pred_boxes")}, dynamo=False, opset_version=17)
    reference(name, boxes, THRESHOLD)


V = torchvision.models.detection
bare = dict(weights=None, weights_backbone=None, num_classes=CLASSES + 1)
TORCHVISION = {
    "fasterrcnn": lambda: V.fasterrcnn_mobilenet_v3_large_320_fpn(**bare, box_score_thresh=0.05, min_size=192, max_size=256),
    "retinanet": lambda: V.RetinaNet(V.backbone_utils._resnet_fpn_extractor(torchvision.models.resnet18(weights=None), 5, returned_layers=[2, 3, 4],
                                     extra_blocks=torchvision.ops.feature_pyramid_network.LastLevelP6P7(256, 256)), CLASSES + 1, min_size=192, max_size=256),
    "ssdlite": lambda: V.ssdlite320_mobilenet_v3_large(**bare),
    "fcos": lambda: V.FCOS(V.backbone_utils._resnet_fpn_extractor(torchvision.models.resnet18(weights=None), 5, returned_layers=[2, 3, 4],
                           extra_blocks=torchvision.ops.feature_pyramid_network.LastLevelP6P7(256, 256)), CLASSES + 1, min_size=192, max_size=256),
}


class List(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        y = self.model([x[0]])[0]
        return y["boxes"], y["labels"], y["scores"]


def of_torchvision(name):
    torch.manual_seed(19)
    width, height = 192, 256
    model = random_weights(TORCHVISION[name]())
    tensors = {f: torchvision.transforms.functional.to_tensor(p.resize((width, height), Image.BILINEAR)) for f, p in pictures.items()}

    def run():
        model(list(tensors.values())[:4])

    modules = dict(model.named_modules())
    weighted = lambda end: [m for n, m in modules.items() if n.endswith(end)]
    conv_of = lambda begin: [m for n, m in modules.items() if n.startswith(begin) and isinstance(m, torch.nn.Conv2d)]
    if name == "fasterrcnn":
        spread(weighted("rpn.head.cls_logits"), run, 0, 2), spread(weighted("rpn.head.bbox_pred"), run, 0, .3)
        spread(weighted("cls_score"), run, 0, 2), spread(weighted("box_predictor.bbox_pred"), run, 0, 1)
    elif name == "ssdlite":
        spread([m for m in conv_of("head.classification_head") if m.weight.shape[0] % (CLASSES + 1) == 0 and m.groups == 1], run, 0, 1.5)
        spread([m for m in conv_of("head.regression_head") if m.groups == 1], run, 0, 1)
    else:
        spread(weighted("head.classification_head.cls_logits"), run, -3, 1.2)
        if name == "fcos":
            spread(weighted("bbox_ctrness"), run, 2, 1)
        spread(weighted("head.regression_head.bbox_reg"), run, 2 if name == "fcos" else 0, .5)
    boxes = {}
    with torch.no_grad():
        for f, t in tensors.items():
            y = model([t])[0]
            by = np.float64([pictures[f].width / width, pictures[f].height / height] * 2)
            boxes[f] = [[LABELS[l - 1], s, *(np.float64(b) * by)] for b, l, s in zip(y["boxes"].tolist(), y["labels"].tolist(), y["scores"].tolist())
                        if s >= THRESHOLD and l > 0]
        folder = os.path.join(out, name)
        os.makedirs(folder, exist_ok=True)
        example = next(iter(tensors.values()))[None]
        torch.onnx.export(List(model), (example,), os.path.join(folder, "model.onnx"), input_names=["images"], output_names=["boxes", "labels", "scores"],
                          dynamic_axes={k: {0: "n"} for k in ("boxes", "labels", "scores")}, dynamo=False, opset_version=17)
    # What the graph does not say.
    with open(os.path.join(folder, "model.yaml"), "w") as f:
        f.write("task: detect\ndetector: boxes-labels-scores\nfirst_class: 1\nthreshold: 0.5\nfit: stretch\nresize: pillow-bilinear\n"
                f"bgr: false\nscale: 0.00392156862745098\nlabels: [{', '.join(LABELS)}]\n")
    reference(name, boxes, THRESHOLD)


ULTRALYTICS = {"yolov5n": (256, 320), "yolov8n": (256, 320), "yolov10n": (320, 320), "yolo11n": (320, 256), "yolo26n": (256, 320),
               "yolov8n-nms": (256, 320), "yolov8n-one": (256, 320)}


def of_ultralytics(name):
    from ultralytics import YOLO
    from ultralytics.utils import DEFAULT_CFG_DICT
    torch.manual_seed(19)
    kind, _, variant = name.partition("-") if name.startswith("yolov8n") else (name, "", "")
    labels = LABELS[:1] if variant == "one" else LABELS
    y = YOLO(kind + ".yaml")
    from ultralytics.nn.tasks import DetectionModel
    y.model = DetectionModel(kind + ".yaml", nc=len(labels), verbose=False)
    y.model.names = dict(enumerate(labels))
    y.model.task, y.model.args = "detect", {**DEFAULT_CFG_DICT, **y.overrides, "task": "detect"}
    model = random_weights(y.model)
    from ultralytics.data.augment import LetterBox
    import cv2
    h, w = ULTRALYTICS[name]
    x = [cv2.imread(os.path.join(images, f)) for f in files[:4]]
    x = torch.cat([torch.from_numpy(np.ascontiguousarray(LetterBox((h, w), auto=False)(image=i)[:, :, ::-1].transpose(2, 0, 1)))[None] / 255 for i in x])
    run = lambda: model(x)
    head = model.model[-1]
    for scores, distances in ((head.cv3, head.cv2), (getattr(head, "one2one_cv3", []), getattr(head, "one2one_cv2", []))):
        spread([x[-1] for x in scores], run, -3.5, 1.2), spread([d[-1] for d in distances], run, 2 if head.reg_max == 1 else 0, 1)
    folder = os.path.join(out, name)
    os.makedirs(folder, exist_ok=True)
    # It exports next to the name of the model's file.
    y.ckpt_path = y.model.pt_path = y.model.yaml_file = os.path.join(folder, "model.pt")
    file = y.export(format="onnx", imgsz=(h, w), simplify=False, opset=17, nms=variant == "nms", conf=0.25, iou=0.7)
    os.replace(file, os.path.join(folder, "model.onnx"))
    own = YOLO(os.path.join(folder, "model.onnx"), task="detect")
    boxes = {}
    for f in files:
        r = own.predict(os.path.join(images, f), imgsz=(h, w), verbose=False, device="cpu", save=False)[0]
        boxes[f] = [[labels[int(c)], s, *b] for c, s, b in zip(r.boxes.cls.tolist(), r.boxes.conf.tolist(), r.boxes.xyxy.tolist())]
    reference(name, boxes, 0.25)


def of_nudenet():
    import onnxruntime
    from nudenet import NudeDetector
    detector = NudeDetector()
    boxes = {}
    for f in files:
        boxes[f] = [[d["class"], d["score"], d["box"][0], d["box"][1], d["box"][0] + d["box"][2], d["box"][1] + d["box"][3]]
                    for d in detector.detect(os.path.join(images, f))]
    os.makedirs(os.path.join(out, "nudenet"), exist_ok=True)
    shutil.copy(os.path.join(packages, "nudenet", "320n.onnx"), os.path.join(out, "nudenet", "320n.onnx"))
    reference("nudenet", boxes, 0.25)


def wanted(name):
    return (not only or name in only) and not os.path.exists(os.path.join(out, name + ".json"))


for names, make in ((TRANSFORMERS, of_transformers), (TORCHVISION, of_torchvision), (ULTRALYTICS, of_ultralytics)):
    for name in names:
        if wanted(name):
            make(name)
if wanted("nudenet"):
    of_nudenet()
