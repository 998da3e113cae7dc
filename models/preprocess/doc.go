// Package preprocess turns one encoded image into one row of a model's input
// tensor. [Decoder.Decode] works in these steps:
//
//  1. sniff finds the image's format by its first bytes, never by its file name, in
//     the table of formats: formats.go.
//  2. The format's codec walks over the container without decoding. It finds the
//     size, the orientation, and whether the file ends before the picture does. An
//     image that exceeds [Options] is refused here, before memory is taken for it.
//  3. The canvas plans the geometry in the orientation in which the pixels are
//     stored: the part to resize, the size to resize to, the window to keep, and how
//     to turn the result upright. It computes the weights of both axes, unless one of
//     the last images had the same, and provides memory for the pixels.
//  4. The codec decodes into that memory, as RGBX. libjpeg-turbo decodes JPEG, and
//     image/jpeg where it is not installed; x/image/webp decodes WebP. PNG, GIF and
//     BMP are decoded as leniently as viewers do, and TIFF as libtiff does.
//  5. One call into C resizes, turns and packs into the caller's tensor memory.
//
// A further format is a package next to those of the table, and one line in it.
//
// Given the same libjpeg-turbo, and on every set of vector instructions:
//
//   - the pixels of the pillow policies are Pillow's bit for bit;
//   - those of the tf policies are within 0.03 steps of 255 of TensorFlow's,
//     before any rounding, and those of area within 0.5 steps, and 0.006 on
//     average (TensorFlow finds positions and weights in float32);
//   - those of area are within one step of OpenCV's, and 0.01 on average;
//   - those of opencv-linear and opencv-lanczos4 are OpenCV's bit for bit, and those of
//     opencv-cubic and opencv-area within one step, as its own sums depend on the processor.
//
// An image that cannot be decoded gives a [*codec.Failure] with a stable
// [codec.Status], the same every time. Its row is zero. What package jpeg says about
// its two decoders matters here: they accept the same JPEGs with few exceptions. The
// job's record and _SUCCESS name the decoder.
package preprocess
