// TurboJPEG, loaded at run time.
#ifndef BATCHSCORE_TURBO_H
#define BATCHSCORE_TURBO_H

#include <stddef.h>
#include <stdint.h>

// bs_turbo_open loads libjpeg-turbo's TurboJPEG API from the file or soname name. It
// returns NULL, or what went wrong, valid until the next call.
const char *bs_turbo_open(const char *name);

// bs_turbo_path is the file that the loaded library came from.
const char *bs_turbo_path(void);

void *bs_turbo_new(void);
void bs_turbo_free(void *turbo);

// bs_turbo_scales copies up to max scaling factors, as numerator and denominator, and
// returns how many.
int bs_turbo_scales(int32_t *pairs, int max);

// The bytes of a pixel that bs_turbo_decode writes. BS_CMYK is for a JPEG of four
// components, and becomes red, green, blue and a byte that is ignored, as BS_RGBX;
// BS_RAW_CMYK leaves them as they are coded. BS_RAW is BS_RGBX, with samples that several
// pixels share repeated instead of interpolated.
enum { BS_RGB, BS_RGBX, BS_CMYK, BS_RAW, BS_RAW_CMYK };

enum { BS_OK, BS_FAILED };

enum { BS_ERROR_SIZE = 200 };

// bs_turbo_decode decodes a JPEG to width x height pixels in rows of pitch bytes.
// BS_FAILED leaves the reason in error, of BS_ERROR_SIZE bytes: there was an error, or a
// warning, and rows of pixels may not have been written.
int bs_turbo_decode(void *turbo, const void *src, size_t n, uint8_t *pixels,
                    int width, int pitch, int height, int format, char *error);

// bs_turbo_has_planes reports whether the library can decode to planes.
int bs_turbo_has_planes(void);

// bs_turbo_planes is bs_turbo_decode for the planes of a JPEG as they are coded, of which
// each has a pitch.
int bs_turbo_planes(void *turbo, const void *src, size_t n, uint8_t *y, uint8_t *cb,
                    uint8_t *cr, int width, int y_pitch, int c_pitch, int height,
                    char *error);

#endif
