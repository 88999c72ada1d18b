/* Vectors of LANES doubles, for any compiler that has GNU C's vector extension.
 *
 * Compilers make vectors of loops over doubles alone, but not of those that mix them with integers of
 * 32 bits, as tests of values do. All operations are lane by lane: no width of vectors changes a bit. */
#ifndef COADD_LANES_H
#define COADD_LANES_H

#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

typedef double reals __attribute__((vector_size(8 * LANES)));
typedef float singles __attribute__((vector_size(4 * LANES)));
typedef int64_t masks __attribute__((vector_size(8 * LANES))); /* all bits or none, of each lane */
typedef int32_t wholes __attribute__((vector_size(4 * LANES)));

INLINE reals load_reals(const double *at)
{
    reals v;
    memcpy(&v, at, sizeof v);
    return v;
}

INLINE void store_reals(double *at, reals v) { memcpy(at, &v, sizeof v); }

INLINE masks load_masks(const int64_t *at)
{
    masks v;
    memcpy(&v, at, sizeof v);
    return v;
}

INLINE void store_masks(int64_t *at, masks v) { memcpy(at, &v, sizeof v); }

INLINE reals widened(const float *at)
{
    singles v;
    memcpy(&v, at, sizeof v);
    return __builtin_convertvector(v, reals);
}

INLINE masks widened_wholes(const int32_t *at)
{
    wholes v;
    memcpy(&v, at, sizeof v);
    return __builtin_convertvector(v, masks);
}

INLINE void store_wholes(int32_t *at, masks v)
{
    const wholes narrow = __builtin_convertvector(v, wholes);
    memcpy(at, &narrow, sizeof narrow);
}

INLINE reals spread_real(double value) { return value - (reals){0}; }

INLINE reals choose(masks where, reals yes, reals no)
{
    return (reals)(((masks)yes & where) | ((masks)no & ~where));
}

/* `value` where a mask says so, else 0. */
INLINE reals only(masks where, reals value) { return (reals)((masks)value & where); }

INLINE reals largest(reals a, reals b) { return choose(a > b, a, b); }

INLINE reals size_of_reals(reals v) { return (reals)((masks)v & INT64_MAX); }

INLINE int has_any(masks m)
{
    int64_t all = 0;
    for (int lane = 0; lane < LANES; lane++)
        all |= m[lane];
    return all != 0;
}

#endif
