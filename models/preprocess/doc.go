// Package preprocess turns one encoded image into one row of a model's input
// tensor.
//
// The way of an image through [Decoder.Decode]:
//
//  1. Its signature names the format, never its file name.
//  2. A walk over the container, without allocation, finds size,
//     orientation, number of scans, and whether the end is there. Whatever
//     exceeds [Options] is refused here, before memory is taken.
//  3. The geometry is planned in the orientation in which the pixels are
//     stored: part to resize, size to resize to, window to keep, turns to apply
//     at the end.
//  4. The weights of both axes are computed, unless one of the last images had
//     the same.
//  5. A JPEG goes through libjpeg-turbo: one call into C decodes, resizes,
//     turns and packs into the caller's tensor memory. PNG, GIF and BMP are
//     decoded here, leniently as viewers do, and TIFF, as libtiff does. WebP is
//     decoded by x/image/webp, and JPEG by image/jpeg where libjpeg-turbo is not
//     installed. All enter the same C kernels as RGBX.
//
// Given the same libjpeg-turbo, and on every set of vector instructions:
//
//   - the pixels of the pillow policies are Pillow's bit for bit;
//   - those of the tf policies are within 0.03 steps of 255 of TensorFlow's,
//     before any rounding, and those of area within 0.5 steps, and 0.006 on
//     average (TensorFlow finds positions and weights in float32);
//   - those of area are within one step of OpenCV's, and 0.01 on average.
//
// libjpeg-turbo's result is used only if it decoded the whole JPEG without an
// error or a warning. Otherwise a strict check of the coded data decides, which
// both JPEG decoders share: whether the picture is whole, and with what reason it
// fails, depends on its bytes, not on what was decoded before.
//
// Where image/jpeg decodes instead, the decoded pixels are within 3 steps of
// libjpeg-turbo's, and 0.25 on average, and it accepts less:
//
//   - unsupported are arithmetic codes; chroma ratios other than 4:4:4, 4:4:0,
//     4:2:2, 4:2:0, 4:1:1 and 4:1:0; a progressive JPEG that ends in order before
//     its last scans, which libjpeg smooths; and most scans of one component that
//     have restart markers or are of unusual sampling;
//   - corrupt is damage that libjpeg passes over in silence and shows as Pillow
//     does: in a JPEG that has exactly as many codes as it needs, codes that are
//     in no table, and coefficients that cannot be.
//
// The job's record and _SUCCESS name the decoder.
//
// An image that cannot be decoded is a [*Failure] with a stable [Status], the
// same every time; its row is zero.
package preprocess
