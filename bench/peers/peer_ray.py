"""Ray Data with Pillow and ONNX Runtime on one node: actors, one a core, that
read, decode and score a batch. (Decoding in a stage of its own comes to the
same: Ray Data fuses the two.)

Actors belong to one execution and load the model in it, one sooner than the
other. So the clock starts when the last of them begins with its first batch, and
what was done before then does not count.
"""
import logging
import os
import time

import ray

import common


class Score:
    def __init__(self, model, draft, batch):
        run = common.session(model, 1)
        self.score, self.draft = lambda images: run(common.tensor(images)), draft
        self.score([common.np.zeros((common.SIDE, common.SIDE, 3), "uint8")] * batch)
        self.start = None

    def __call__(self, batch):
        self.start = self.start or time.time()
        rows = common.rows(batch["item"], self.score([common.pixels(p, self.draft) for p in batch["item"]]))
        return {"row": rows, "start": [self.start] * len(rows), "end": [time.time()] * len(rows)}


if __name__ == "__main__":
    args = common.arguments("actors")
    here = os.path.dirname(os.path.abspath(__file__))
    ray.init(num_cpus=args.cores, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False,
             object_store_memory=1 << 30, runtime_env={"env_vars": {"OMP_NUM_THREADS": "1", "PYTHONPATH": here}})
    ray.data.DataContext.get_current().enable_progress_bars = False
    paths = common.files(args.images)
    data = ray.data.from_items(paths, override_num_blocks=min(len(paths) // args.batch, 8 * args.cores)).map_batches(
        Score, fn_constructor_args=(args.model, args.draft, args.batch), batch_size=args.batch,
        compute=ray.data.ActorPoolStrategy(size=args.cores), num_cpus=1)
    starts, ends = [], []
    with open(args.rows, "w") as out:
        for row in data.iter_rows():
            out.write(row["row"])
            starts.append(row["start"])
            ends.append(row["end"])
    begin = max(starts)
    common.report(sum(end > begin for end in ends), max(ends) - begin, None)
