/* What the levels of the kernel and their callers share. */
#ifndef INTERFACE_H
#define INTERFACE_H

#include <stddef.h>
#include <stdint.h>

/* Columns and rows around a frame that are in memory, so that no tap needs a test: Lanczos3 reaches
 * 3 pixels beyond, and its rows are read in eights. */
#define MARGIN_BEFORE 4
#define MARGIN_AFTER 8

/* The number of taps each way; AREA has as many as an output pixel covers. */
enum method { AREA = 1, BILINEAR = 2, CUBIC = 4, LANCZOS3 = 6 };

/* Columns, and rows, of a frame that an output pixel may cover: a thousand, for an area kernel. */
#define MOST_CELLS 1024

/* Where output pixels lie in the frame: nodes on a coarse grid, one of margin on each side.
 * Node (i, j) stands at column (j - 1) * step and row (i - 1) * step of the output window. */
struct map {
    const double *x, *y; /* (n_row, n_column) each */
    long n_row, n_column;
    int step;
};

/* The rows of a frame that are in memory: frame row `first` is the first, frame column
 * -MARGIN_BEFORE the first in each. Masked pixels are 0, and margins are masked, but for
 * bilinear interpolation, which repeats the edge. */
struct planes {
    const float *values; /* `depth` floats a pixel: its value, and its variance */
    const uint8_t *flags; /* whether a pixel is masked */
    const uint8_t *windows; /* whether a masked pixel is among the taps that begin here */
    int depth; /* 2, or 1: the variance is the same for all pixels */
    float constant_variance;
    size_t stride;
    long first, n_row;
    long width, height; /* of the whole frame */
};

struct interpolation {
    enum method method;
    /* Lanczos3: for each of n_phase + 1 phases 8 weights, of which the last two are 0, and their
     * 8 differences to the next phase. */
    const float *table;
    int n_phase;
    float most_lost; /* share of the absolute weights that may be masked */
    double drop; /* AREA: side of the square that a pixel of the frame is taken for, 0 to 1 */
    int conserve_flux;
};

struct box {
    long x, y; /* in the output window */
    int nx, ny;
};

/* Steps of an output: value = zero + step * stored. */
struct steps {
    double zero, step;
    int32_t blank, least, most;
};

/* The name of a function at the level that is being compiled. */
#define NAME_OF(function, level) function##_##level
#define NAME_IN(function, level) NAME_OF(function, level)
#define NAME(function) NAME_IN(function, LEVEL)

/* What each level offers. resample() returns the number of pixels whose rows are not in memory. */
#define DECLARE_LEVEL(level) \
    long resample_##level( \
        const struct map *, const struct planes *, const struct interpolation *, \
        const struct box *, float *values, float *variance); \
    void quantise_##level(const struct steps *, const float *values, size_t n, int32_t *stored); \
    void coarsen_##level(const float *variance, int nx, int ny, int16_t *codes);
#define DECLARE_THIS(level) DECLARE_LEVEL(level)

#endif
