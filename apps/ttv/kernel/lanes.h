/* A vector of doubles, one parameter set in each lane.
 *
 * Every operation works on each lane by itself, so that a lane's bits depend neither on the width
 * of the vector nor on its neighbours. */
#ifndef OPENASTRO_LANES_H
#define OPENASTRO_LANES_H

#include <stdint.h>
#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#ifndef LANES
#error "LANES, the number of doubles in a vector, is to be set by the build"
#endif

typedef double vec __attribute__((vector_size(8 * LANES)));
typedef int64_t mask __attribute__((vector_size(8 * LANES)));

typedef uint64_t bits __attribute__((vector_size(8 * LANES)));

#define INLINE static inline __attribute__((always_inline))

INLINE vec broadcast(double value)
{
    vec all;
    for (int lane = 0; lane < LANES; lane++)
        all[lane] = value;
    return all;
}

INLINE vec root(vec x)
{
    vec y;
#if defined(__AVX512F__) && LANES % 8 == 0
    for (int i = 0; i < LANES / 8; i++)
        ((__m512d *)&y)[i] = _mm512_sqrt_pd(((const __m512d *)&x)[i]);
#elif defined(__AVX__) && LANES % 4 == 0
    for (int i = 0; i < LANES / 4; i++)
        ((__m256d *)&y)[i] = _mm256_sqrt_pd(((const __m256d *)&x)[i]);
#elif defined(__SSE2__)
    for (int i = 0; i < LANES / 2; i++)
        ((__m128d *)&y)[i] = _mm_sqrt_pd(((const __m128d *)&x)[i]);
#elif defined(__aarch64__)
    for (int i = 0; i < LANES / 2; i++)
        ((float64x2_t *)&y)[i] = vsqrtq_f64(((const float64x2_t *)&x)[i]);
#else
    for (int lane = 0; lane < LANES; lane++)
        y[lane] = __builtin_sqrt(x[lane]);
#endif
    return y;
}

/* 1 / sqrt(x) to about 2 units in the last place, for normal x: half the time of a root and a
 * division. A first guess from the exponent's bits, within 3.5 % (Lomont 2003, "Fast inverse square
 * root"), and Householder's fourth-order step twice: with h = 1 - x y^2 < 0.07 what is left of h
 * is 35/64 h^4, 1.3e-5 and then 2e-20. */
INLINE vec inverse_root(vec x)
{
    vec y = (vec)(((bits){0} + 0x5fe6eb50c7b537a9ULL) - ((bits)x >> 1));
    for (int i = 0; i < 2; i++) {
        vec h = broadcast(1.0) - x * y * y;
        y = y + y * h * (broadcast(0.5) + h * (broadcast(0.375) + h * broadcast(0.3125)));
    }
    return y;
}

/* yes where the mask is set, no elsewhere. */
INLINE vec choose(mask where, vec yes, vec no)
{
    return (vec)(((mask)yes & where) | ((mask)no & ~where));
}

INLINE vec magnitude(vec x) { return (vec)((mask)x & ((mask){0} + INT64_MAX)); }

INLINE int any(mask where)
{
#if defined(__AVX512F__) && LANES == 8
    return _mm512_test_epi64_mask((__m512i)where, (__m512i)where) != 0;
#elif defined(__AVX__) && LANES == 4
    return !_mm256_testz_si256((__m256i)where, (__m256i)where);
#elif defined(__SSE2__) && LANES == 2
    return _mm_movemask_pd((__m128d)where) != 0;
#else
    int64_t all = 0;
    for (int lane = 0; lane < LANES; lane++)
        all |= where[lane];
    return all != 0;
#endif
}

#endif
