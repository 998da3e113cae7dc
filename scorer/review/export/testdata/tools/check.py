"""Reads exports with the tools that they are for, compares what these find with expected.json,
and lets them export again, for --truth to read.

Usage: check.py TOOL FOLDER
"""

import json
import os
import pathlib
import sys
from collections import Counter

folder = pathlib.Path(sys.argv[2])
expected = json.loads((folder / "expected.json").read_text())
images = expected["images"]
by_path = {(i["path"], i["path_base64"]): i for i in images}
judged = [i for i in images if i["truth"]]
accuracy = sum(i["predicted"] in i["truth"] for i in judged) / len(judged)


def same(what, got, want):
    if got != want:
        sys.exit(f"{what}: got {got!r}, want {want!r}")


def said(tool, **figures):
    print(tool, *(f"{k}={v}" for k, v in figures.items()))


def coco():
    import numpy
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = COCO(folder / "coco/annotations/instances_default.json")
    results = truth.loadRes(str(folder / "coco/predictions.json"))
    same("images", len(truth.imgs), len(images))
    right = 0
    for image in truth.imgs.values():
        want = by_path[image["file_name"], image.get("path_base64", "")]
        same("size", [image["width"], image["height"]], [want["width"], want["height"]])
        names = [truth.cats[a["category_id"]]["name"] for a in truth.imgToAnns[image["id"]]]
        same("truth of " + image["file_name"], sorted(names), sorted(want["truth"] or []))
        best = max(results.imgToAnns[image["id"]], key=lambda a: a["score"])
        same("class id", best["category_id"], want["first_id"] + 1)
        same("class", truth.cats[best["category_id"]]["name"], want["predicted"])
        right += bool(names) and want["predicted"] in names
    same("accuracy", right / len(judged), accuracy)
    evaluation = COCOeval(truth, results, "bbox")
    evaluation.params.imgIds = [a["image_id"] for a in truth.anns.values()]
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    # Boxes are whole images: every threshold of overlap gives the same.
    same("AP at 0.5 and at 0.95", numpy.ptp(evaluation.stats[:3]) < 1e-9, True)
    said("pycocotools", images=len(truth.imgs), annotations=len(truth.anns), results=len(results.anns),
         accuracy=accuracy, AP=evaluation.stats[0])


def datumaro():
    from datumaro.components.annotation import AnnotationType
    from datumaro.components.dataset import Dataset

    def labels(dataset):
        names = dataset.categories()[AnnotationType.label]
        return Counter(names[a.label].name for item in dataset for a in item.annotations)

    data = Dataset.import_from(str(folder / "coco"), "coco")
    same("labels", labels(data), Counter(t for i in judged for t in i["truth"]))
    same("images", len(data), len(images))
    data.export(str(folder / "again/datumaro-coco"), "coco_instances", save_media=False)
    tree = Dataset.import_from(str(folder / "yolo"), "imagenet_with_subset_dirs")
    same("categories of folders", sorted(c.name for c in tree.categories()[AnnotationType.label]), sorted({i["folder"] for i in images}))
    same("images in folders", len(tree), len(images))
    same("labels of folders", labels(tree), Counter(i["folder"] for i in images))
    said("datumaro", coco=len(data), folders=len(tree))


def hf():
    import datasets

    folders = datasets.load_dataset("imagefolder", data_dir=str(folder / "hf"))
    files = datasets.load_dataset(str(folder / "hf-parquet"))
    plain = datasets.load_dataset(str(folder / "hf"))
    for name, data in ("imagefolder", folders), ("parquet", files), ("folder", plain):
        same(name + ": splits", list(data), ["train", "validation"])
        count = 0
        for split in data.values():
            for row in split:
                count += 1
                want = by_path[row["path"], row["path_base64"]]
                label = row["label"]
                if name == "parquet":
                    label = split.features["label"].int2str(label)
                same("label of " + row["path"], label, want["label"])
                same("predicted of " + row["path"], (row["predicted"], row["class_id"]), (want["predicted"], want["class_id"]))
                same("size of " + row["path"], list(row["image"].size), [want["width"], want["height"]])
        same(name + ": images", count, len(images))
    names = files["train"].features["label"].names
    same("names", names, expected["class_names"])
    (folder / "again/hf").mkdir(parents=True, exist_ok=True)
    for split, data in files.items():
        data.to_parquet(str(folder / f"again/hf/{split}.parquet"))
    said("datasets", imagefolder=sum(map(len, folders.values())), parquet=sum(map(len, files.values())), classes=len(names))


def fiftyone():
    import fiftyone as fo

    data = fo.Dataset.from_dir(dataset_dir=str(folder / "fiftyone"), dataset_type=fo.types.FiftyOneDataset)
    same("samples", len(data), len(images))
    for sample in data:
        want = by_path[sample.path, sample.path_base64 or ""]
        same("label of " + sample.path, sample.prediction.label, want["predicted"])
        same("class of " + sample.path, sample.class_id, want["class_id"])
        same("truth of " + sample.path, sample.ground_truth and sample.ground_truth.label, (want["truth"] or [None])[0])
        same("size of " + sample.path, [sample.metadata.width, sample.metadata.height], [want["width"], want["height"]])
        if not os.path.exists(sample.filepath):
            sys.exit(f"{sample.filepath} does not exist")
    view = data.exists("ground_truth")
    found = view.evaluate_classifications("prediction", gt_field="ground_truth", eval_key="eval").metrics()["accuracy"]
    single = sum(i["predicted"] == i["truth"][0] for i in judged) / len(judged)
    same("accuracy", round(found, 9), round(single, 9))
    data.compute_metadata(overwrite=True)
    data.export(export_dir=str(folder / "again/fiftyone"), dataset_type=fo.types.FiftyOneDataset, export_media=True)
    said("fiftyone", samples=len(data), accuracy=found)
    data.delete()


def ultralytics():
    import types

    from torchvision.datasets import ImageFolder
    from ultralytics.data.dataset import ClassificationDataset

    train = str(folder / "yolo/train")
    args = types.SimpleNamespace(imgsz=32, fraction=1.0, scale=0.5, fliplr=0.5, flipud=0, erasing=0.4, auto_augment=None,
                                 hsv_h=0, hsv_s=0, hsv_v=0, cache=False, split="train", single_cls=False)
    data = ClassificationDataset(train, args, augment=False, prefix="train")
    plain = ImageFolder(train)
    same("images of ultralytics", len(data.samples), len(images))
    same("labels", Counter(plain.classes[i] for _, i in plain.samples), Counter(i["folder"] for i in images))
    said("ultralytics", images=len(data.samples), torchvision=len(plain), classes=len(plain.classes))


globals()[sys.argv[1]]()
