// Package onnxfile reads ONNX model files: what a file declares, and what
// follows from its graph without running it.
//
// Read makes one pass over the file. It takes the digest, keeps declarations,
// operators and metadata, and skips the weights, so a model of gigabytes costs
// no more memory than a small one. The methods of File then analyse the graph:
// the sizes of its values, how the scores end, whether the row of an image
// depends on its neighbours.
//
// The package knows nothing of images, contracts or engines.
package onnxfile
