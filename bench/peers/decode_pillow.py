"""Decodes and resizes the images of a folder with Pillow, on one core, in memory,
and prints the images a second of processor time: plain, and in draft mode.
"""
import io
import json
import sys
import time

import common


def rate(bodies, draft):
    start = time.process_time()
    for body in bodies:
        common.pixels(io.BytesIO(body), draft)
    return len(bodies) / (time.process_time() - start)


if __name__ == "__main__":
    bodies = []
    for path in common.files(sys.argv[1]):
        with open(path, "rb") as f:
            bodies.append(f.read())
    for draft in (False, True):
        rate(bodies[:2], draft)
    json.dump({"plain": rate(bodies, False), "draft": rate(bodies, True)}, sys.stdout)
