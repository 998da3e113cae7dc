"""OpenVINO and Pillow, in float32, in one of two forms.

processes: a process a core, each pinned to it, with a stream of one thread.
streams:   one process with a stream a core, fed through a queue of asynchronous
           requests by a pool of threads that decodes.

The model takes bytes: OpenVINO's preprocessing scales and turns them.
"""
from concurrent.futures import ThreadPoolExecutor

import openvino
from openvino.preprocess import PrePostProcessor

import common
import workers


def compiled(model, streams, threads, batch=None):
    core = openvino.Core()
    pre = PrePostProcessor(core.read_model(model))
    pre.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    pre.input().preprocess().convert_element_type(openvino.Type.f32).scale(255.0)
    pre.input().model().set_layout(openvino.Layout("NCHW"))
    graph = pre.build()
    if batch:
        graph.reshape([batch, common.SIDE, common.SIDE, 3])
    return core.compile_model(graph, "CPU", {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "THROUGHPUT",
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": threads,
    })


def load(model):
    request = compiled(model, 1, 1).create_infer_request()
    return lambda images: request.infer([common.np.stack(images)])[0]


def streams(args):
    model, paths = compiled(args.model, args.cores, args.cores), common.files(args.images)
    queue = openvino.AsyncInferQueue(model, 2 * args.cores)

    def decode(batch):
        return batch, common.np.stack([common.pixels(p, args.draft) for p in batch])

    with ThreadPoolExecutor(args.cores) as pool, open(args.rows, "w") as out:
        def done(request, batch):
            out.writelines(common.rows(batch, request.get_output_tensor().data))

        for _ in range(2 * args.cores):
            queue.start_async([decode(paths[: args.batch])[1]])
        queue.wait_all()
        queue.set_callback(done)
        with common.Clock(len(paths)):
            for batch, pixels in pool.map(decode, common.batches(paths, args.batch)):
                queue.start_async([pixels], batch)
            queue.wait_all()
            out.flush()


if __name__ == "__main__":
    args = common.arguments("processes", "streams")
    if args.form == "processes":
        workers.run(args, load)
    else:
        streams(args)
