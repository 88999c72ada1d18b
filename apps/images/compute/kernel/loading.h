/* From the stored numbers of a frame to calibrated values, variances and masks in memory. */
#ifndef LOADING_H
#define LOADING_H

#include "interface.h"

/* How a row becomes values. Pointers may be NULL where a thing is not there. */
struct loading {
    char type; /* of the stored numbers: B, h, i, q, f, d, as in Python's struct; F: swapped f */
    int is_variance_swapped; /* whether the variance's bytes are those of the other byte order */
    double scale, zero;
    int64_t blank;
    int has_blank;
    float saturation; /* values from here on are masked; infinity: none */
    float dark_scale;
};

/* The rows of one load: `n_row` rows of `width`, packed. */
struct sources {
    const void *stored;
    const uint8_t *mask;                           /* non-zero: masked */
    const float *variance;                         /* of calibrated values */
    const float *bias, *dark, *flat;
};

/* Where they go: the first row's first pixel, without margins; see `struct planes`. */
struct targets {
    float *values;
    uint8_t *flags;
    int depth;
    size_t stride;
};

/* What each level offers.
 *
 * load_rows() loads rows; load_margins() fills the margins at both ends of rows: the edge again, or
 * masked; find_windows() tells whether a masked pixel is among the taps x taps pixels that begin at
 * each: the last taps - 1 rows and columns are not known. */
#define DECLARE_LOADING(level) \
    void load_rows_##level( \
        const struct loading *, const struct sources *, const struct targets *, long n_row, \
        long width); \
    void load_margins_##level(const struct targets *, long n_row, long width, int repeat); \
    void find_windows_##level( \
        const uint8_t *flags, uint8_t *windows, size_t stride, long n_row, int taps);
#define DECLARE_THIS_LOADING(level) DECLARE_LOADING(level)

#endif
