/* Tiles of one row of an image, whose sky is to be measured. */
#ifndef TILES_H
#define TILES_H

#include <stddef.h>
#include <stdint.h>

#define TILE 64
#define PAD 12
#define SIDE (TILE + 2 * PAD)

struct tiles {
    const float *image;     /* (ny, nx); not finite where nothing is known */
    ptrdiff_t ny, nx, row;  /* `row` counts rows of tiles */
    const int64_t *columns; /* (n_tile): which tiles of the row */
    ptrdiff_t n_tile;
    double step;            /* of stored values, or 0 */
    double beta;            /* mean of min(z^2, 1.5^2) of a standard normal z */
    double *variance;       /* (n_tile) */
};

#endif
