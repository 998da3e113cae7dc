// Package convert rewrites ONNX image models, without Python and without
// running them itself.
//
//   - [Fuse] puts cast, layout, channel order and normalisation in front of a
//     float model, which then takes images of bytes, [N,H,W,3].
//   - [Half] stores weights and activations as float16.
//   - [Quantize] stores convolutions as int8, with the scales that a folder of
//     images shows to be needed.
//   - [Compare] counts the images on which two models agree.
//   - [Convert] does one of the above and keeps the result only if it agrees.
//
// A model is read whole, once (file.go). Its graph is edited as protocol
// buffer messages, its constants stay where they were read and are converted
// one by one while the result is written (constant.go), so that a conversion
// takes the memory of the file and of its largest tensors. The bytes written
// depend on the input and the options alone.
//
// Where a model must be run, the caller lends an engine ([Opener]); all that is
// measured of a model is computed by the model itself, in nodes added for the
// purpose (ranges.go), so that an engine needs to know nothing but images and
// rows of scores.
//
// # Precision of pixels
//
// A float model whose resize policy keeps fractions (TensorFlow's bilinear)
// loses them when it is fused: pixels are rounded to 8 bits after the resize.
// On the trained Inception V3 of the sample data that moved the scores of 4 of
// 37 images by 0.011 to 0.026 and no label. Policies that round anyway, such
// as Pillow's, lose nothing: the fused model computes the very same floats.
package convert
