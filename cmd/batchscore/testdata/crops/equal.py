"""Compares a model that `models cut` wrote with the tensor of the whole model, both computed
by ONNX Runtime: equal.py CLASSES.onnx FEATURES.onnx TENSOR"""
import sys

import numpy
import onnx
import onnxruntime

classes, features, tensor = sys.argv[1:]
whole = onnx.load(classes)
whole.graph.output.append(onnx.helper.make_empty_tensor_value_info(tensor))
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
whole = onnxruntime.InferenceSession(whole.SerializeToString(), options)
cut = onnxruntime.InferenceSession(features, options)
image = whole.get_inputs()[0]
shape = [2] + list(image.shape[1:])
pixels = numpy.random.default_rng(1).uniform(0, 1, shape).astype(numpy.float32)
want, = whole.run([tensor], {image.name: pixels})
got, = cut.run(None, {image.name: pixels})
worst = abs(want - got).max()
print(f"{tensor} {want.shape}: largest difference {worst}, largest number {abs(want).max()}")
sys.exit(not (want.shape == got.shape and worst <= 1e-5 * abs(want).max() and abs(want).max() > 0))
