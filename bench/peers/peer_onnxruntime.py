"""ONNX Runtime and Pillow, in one of three forms.

processes: a process a core, each pinned to it, with a session of one thread.
threads:   a thread a core in one process, sharing a session of one thread;
           Pillow and ONNX Runtime release the interpreter while they compute.
ahead:     one session on all cores, and a pool of threads that decodes ahead.
"""
from concurrent.futures import ThreadPoolExecutor

import common
import workers


def load(model):
    run = common.session(model, 1)
    return lambda images: run(common.tensor(images))


def threads(args):
    score, paths = load(args.model), common.files(args.images)

    def work(batch):
        return common.rows(batch, score([common.pixels(p, args.draft) for p in batch]))

    with ThreadPoolExecutor(args.cores) as pool, open(args.rows, "w") as out:
        list(pool.map(work, [paths[: args.batch]] * args.cores))
        with common.Clock(len(paths)):
            for rows in pool.map(work, common.batches(paths, args.batch)):
                out.writelines(rows)
            out.flush()


def ahead(args):
    run, paths = common.session(args.model, args.cores), common.files(args.images)

    def decode(batch):
        return batch, common.tensor([common.pixels(p, args.draft) for p in batch])

    with ThreadPoolExecutor(args.cores) as pool, open(args.rows, "w") as out:
        run(decode(paths[: args.batch])[1])
        with common.Clock(len(paths)):
            for batch, pixels in pool.map(decode, common.batches(paths, args.batch)):
                out.writelines(common.rows(batch, run(pixels)))
            out.flush()


if __name__ == "__main__":
    args = common.arguments("processes", "threads", "ahead")
    if args.form == "processes":
        workers.run(args, load)
    else:
        {"threads": threads, "ahead": ahead}[args.form](args)
