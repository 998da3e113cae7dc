"""A pool of processes, each with an engine of its own on a core of its own."""
import multiprocessing
import os

import common

score = None


def _start(load, model, ready, cores_left, batch):
    global score
    os.environ["OMP_NUM_THREADS"] = "1"
    with cores_left.get_lock():
        cores_left.value -= 1
        common.pin(cores_left.value)
    score = load(model)
    score([common.np.zeros((common.SIDE, common.SIDE, 3), "uint8")] * batch)
    ready.wait()


def _work(task):
    paths, draft = task
    before = common.processor_seconds()
    rows = common.rows(paths, score([common.pixels(p, draft) for p in paths]))
    return rows, common.processor_seconds() - before


def run(args, load):
    """load(model) gives a function from images in bytes to scores."""
    context = multiprocessing.get_context("spawn")
    ready, left = context.Barrier(args.cores + 1), context.Value("i", args.cores)
    paths = common.files(args.images)
    with context.Pool(args.cores, _start, (load, args.model, ready, left, args.batch)) as pool, open(args.rows, "w") as out:
        ready.wait()
        with common.Clock(len(paths)) as clock:
            tasks = ((b, args.draft) for b in common.batches(paths, args.batch))
            for rows, cpu in pool.imap_unordered(_work, tasks):
                out.writelines(rows)
                clock.workers_cpu += cpu
            out.flush()
