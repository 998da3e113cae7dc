// Package convert rewrites ONNX image models, without Python and without
// running them itself.
//
//   - [Fuse] puts cast, layout, channel order and normalisation in front of a float
//     model, which then takes images of bytes, [N,H,W,3].
//   - [Cut] keeps the part that computes one tensor, as a model of vectors.
//   - [Half] stores weights and activations as float16.
//   - [Quantize] stores convolutions as int8, with scales learned from a folder of
//     images.
//   - [Compare] counts the images on which two models agree.
//   - [Convert] converts to half or int8 and keeps the result only if it agrees.
//
// A model is read once, as a whole (file.go). Its graph is edited as protocol buffer
// messages. Its constants stay where they were read and are converted one by one
// while the result is written (constant.go), so a conversion needs the memory of the
// file and of its largest tensors. The bytes written depend only on the input and
// the options.
//
// Where a model must be run, the caller provides an engine ([Opener]). Statistics of
// a model are computed by the model itself, in nodes added for that purpose
// (ranges.go), so the engine only has to handle images and rows of scores.
//
// # Precision of pixels
//
// A float model whose resize policy keeps fractions (TensorFlow's bilinear) loses
// them when it is fused, because pixels are rounded to 8 bits after the resize. For
// the trained Inception V3 of the sample data that changed the scores of 4 of 37
// images by 0.011 to 0.026, and no label. Policies that round anyway, such as
// Pillow's, lose nothing: the fused model computes exactly the same floats.
package convert
