// Package preprocess turns one encoded image into one row of a model's input
// tensor.
//
// The way of an image through [Decoder.Decode]:
//
//  1. Its signature names the format, never its file name.
//  2. A walk over the container, without allocation, finds size, EXIF
//     orientation, number of scans, and whether the end is there. Whatever
//     exceeds [Options] is refused here, before memory is taken.
//  3. The geometry is planned in the orientation in which the pixels are
//     stored: size to resize to, window to keep, turns to apply at the end.
//  4. The weights of both axes are computed, unless the last image had the same.
//  5. A JPEG goes through libjpeg-turbo: one call into C decodes, resizes,
//     turns and packs into the caller's tensor memory. Everything else, and
//     JPEG where libjpeg-turbo is not installed, is decoded by imaging and
//     enters the same C kernels as RGBX.
//
// The pixels of the pillow policies are Pillow's bit for bit, given the same
// libjpeg-turbo, on every set of vector instructions. Where image/jpeg decodes
// instead, they are within 3 steps of 255, and 0.15 on average.
//
// An image that cannot be decoded is a [*Failure] with a stable [Status], the
// same every time; its row is zero.
package preprocess
