/* One band of rows of many frames, to be stacked pixel by pixel. */
#ifndef STACK_H
#define STACK_H

#include <stddef.h>
#include <stdint.h>

struct stack {
    int n_frame;
    ptrdiff_t n_row, n_x;
    const float *values;    /* (n_frame, n_row, n_x); not finite where a frame has nothing */
    const float *variance;  /* of the sky, the same shape, or NULL */
    const double *x;        /* (n_x): what the surfaces' powers are of */
    const double *surface;  /* (n_frame, n_row, 3): background = s0 + x (s1 + x s2) */
    const double *scale;    /* (n_frame): flux of the reference over flux of the frame */
    const double *weight;   /* (n_frame): where a pixel has no variance */
    const double *photon;   /* (n_frame): variance after scaling for each unit of a pixel's light */
    const double *core;     /* (n_frame): clip by noise with this part of `span` allowed; or NULL */
    const float *middle, *span, *part, *inflation, *light; /* (n_row, n_x), to clip by noise */
    double sigma_lower, sigma_upper;
    int iterations;
    const int32_t *network; /* (n_pair, 2): comparators that sort n_frame values */
    ptrdiff_t n_pair;
    float *image, *weight_out, *variance_out; /* (n_row, n_x) */
    uint16_t *count, *rejected;               /* (n_row, n_x) */
    uint8_t *doubtful;                        /* (n_row, n_x), of clipping by noise */
    const double *factor;                     /* (n_frame + 1), of `centre` */
    float *middle_out, *excess_out, *error_out; /* (n_row, n_x), of `centre` */
};

/* Pixels that are worked on at once; 100 frames then take 26 kB with their copy, and stay in the first
 * cache. Not 16: gcc 12 unrolls loops of up to 16 turns before it would make vectors of them. */
#define N_LANE 32

/* Bytes of scratch that `stack_LEVEL` wants for n frames: values, and their sorted copy or, behind
 * them, their variances, the inverses of these, and two marks for each. */
#define SCRATCH(n) ((size_t)(n) * N_LANE * (2 * sizeof(float) + 4 * sizeof(double)))

#endif
