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
    /* Variance of a pixel of s counts: read_variance + inverse_gain * s, if that is asked for. */
    int is_ccd;
    float inverse_gain, read_variance;
};

/* The rows of one load: `n_row` rows of `width`, packed. */
struct sources {
    const void *stored;
    const uint8_t *mask;                           /* non-zero: masked */
    const float *variance;                         /* of calibrated values */
    const float *bias, *dark, *flat;
};

/* Where they go: the first row's first pixel, without margins. */
struct targets {
    float *values, *variance;
    uint8_t *flags;
    size_t stride;
};

void load_rows(
    const struct loading *, const struct sources *, const struct targets *, long n_row, long width);

/* Fill the margins at both ends of rows: the edge again, or masked. */
void load_margins(const struct targets *, long n_row, long width, int repeat);

/* Whether a masked pixel is among the taps x taps pixels that begin at each. The last taps - 1 rows
 * and columns are not known. */
void find_windows(const uint8_t *flags, uint8_t *windows, size_t stride, long n_row, int taps);

#endif
