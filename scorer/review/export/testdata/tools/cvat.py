"""Read an export for CVAT with Datumaro and with CVAT's SDK, and export it with Datumaro.

    python cvat.py EXPORT IMAGES RESULT

EXPORT is what batchscore export --to cvat wrote of the images in the folder IMAGES. RESULT
gets what Datumaro makes of it in the form CVAT, and expected.json: the label of each path.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

from datumaro.components.annotation import AnnotationType
from datumaro.components.dataset import Dataset


def main():
    export, images, result = (pathlib.Path(a) for a in sys.argv[1:4])
    written = {}
    for image in xml.etree.ElementTree.parse(export / "annotations.xml").getroot().iter("image"):
        written[image.get("name")] = ([t.get("label") for t in image.iter("tag")], int(image.get("width")), int(image.get("height")))
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        shutil.copy(export / "annotations.xml", folder / "annotations.xml")
        for name in written:
            (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "images" / name).symlink_to((images / name).resolve())
        data = Dataset.import_from(str(folder), "cvat")
        labels = data.categories()[AnnotationType.label]
        read = {}
        for item in data:
            tags = [labels[a.label].name for a in item.annotations if a.type == AnnotationType.label]
            height, width = item.media.size
            read[pathlib.Path(item.media.path).relative_to(folder / "images").as_posix()] = (tags, width, height)
        if read != written:
            different = {n: (read.get(n), written.get(n)) for n in set(read) | set(written) if read.get(n) != written.get(n)}
            raise SystemExit(f"Datumaro reads otherwise (has, want): {dict(list(different.items())[:5])}")
        data.export(str(folder / "again"), "cvat", save_media=False)
        result.mkdir(parents=True)
        found = sorted((folder / "again").rglob("*.xml"))
        shutil.copy(found[0], result / "datumaro-cvat.xml")
    (result / "expected.json").write_text(json.dumps({n: v[0] for n, v in written.items()}, indent=1), encoding="utf-8")
    checked = json.loads(subprocess.run([sys.executable, export / "create_task.py", "--check"], check=True, capture_output=True).stdout)
    names = [one["name"] for one in checked["spec"]["labels"]]
    if checked["images"] != len(written) or names != [c.name for c in labels]:
        raise SystemExit(f"the SDK takes {checked['images']} images and the labels {names}")
    print(f"Datumaro reads {len(read)} images with tags and sizes, and the SDK of CVAT takes {len(names)} labels")


if __name__ == "__main__":
    main()
