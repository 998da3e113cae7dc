"""Make a CVAT task of the images of this export, with their tags or boxes.

    pip install cvat-sdk
    python create_task.py --host https://cvat.example --user NAME --images FOLDER
    python create_task.py --host https://cvat.example --user NAME --cloud-storage ID

With --images, the images are uploaded from a folder that has them under their names. With
--cloud-storage, the server reads them from a cloud storage that it knows, whose root has
the images under their names and manifest.jsonl of this export next to them. The password
is asked for, or that of the variable PASS. --check only checks the files.
"""

import argparse
import getpass
import json
import os
import pathlib
import sys

from cvat_sdk import make_client, models
from cvat_sdk.core.proxies.tasks import ResourceType


def main():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host")
    parser.add_argument("--user")
    parser.add_argument("--name", default="batchscore", help="of the task")
    parser.add_argument("--images", type=pathlib.Path)
    parser.add_argument("--cloud-storage", type=int)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()

    labels = json.loads((here / "labels.json").read_text(encoding="utf-8"))
    spec = models.TaskWriteRequest(name=args.name, labels=[models.PatchedLabelRequest(
        name=one["name"], type=one["type"], attributes=[models.AttributeRequest(**a) for a in one["attributes"]],
    ) for one in labels])
    lines = (here / "manifest.jsonl").read_text(encoding="utf-8").split("\n")[2:]
    frames = [json.loads(line) for line in lines if line]
    names = [frame["name"] + frame["extension"] for frame in frames]
    if args.check:
        print(json.dumps({"spec": spec.to_dict(), "images": len(names)}, default=str))
        return
    if not args.host or not args.user or (args.images is None) == (args.cloud_storage is None):
        sys.exit("want --host, --user, and one of --images and --cloud-storage")
    password = os.environ.get("PASS") or getpass.getpass()
    with make_client(args.host, credentials=(args.user, password)) as client:
        if args.images is not None:
            task = client.tasks.create_from_data(
                spec, ResourceType.LOCAL, [str(args.images / name) for name in names],
                data_params={"sorting_method": "predefined"},
                annotation_path=str(here / "annotations.xml"), annotation_format="CVAT 1.1")
        else:
            task = client.tasks.create_from_data(
                spec, ResourceType.SHARE, ["manifest.jsonl", *names],
                data_params={"cloud_storage_id": args.cloud_storage, "sorting_method": "predefined", "use_cache": True},
                annotation_path=str(here / "annotations.xml"), annotation_format="CVAT 1.1")
        print(f"{args.host}/tasks/{task.id}")


if __name__ == "__main__":
    main()
