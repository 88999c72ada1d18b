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

/* A loop over planets is unrolled where their number is known to the compiler: its arrays then are
 * registers, and its length is not guessed at. Vectors of several registers leave none for that. */
#if LANES > 8 || !defined(__OPTIMIZE__)
#define UNROLL
#elif defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 9")
#endif

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

/* 1 / sqrt(x) to single precision, for x between 1e-37 and 1e38. Conversions, root and division of
 * singles are correctly rounded, too, but cost a third of those of doubles; they leave a relative
 * error of at most (1/2 + 1 + 1) 2^-24. */
INLINE vec rough_inverse_root(vec x)
{
    vec y;
#if defined(__AVX512F__) && LANES % 8 == 0
    for (int i = 0; i < LANES / 8; i++) {
        __m256 single = _mm512_cvtpd_ps(((const __m512d *)&x)[i]);
        single = _mm256_div_ps(_mm256_set1_ps(1.0f), _mm256_sqrt_ps(single));
        ((__m512d *)&y)[i] = _mm512_cvtps_pd(single);
    }
#elif defined(__AVX__) && LANES % 4 == 0
    for (int i = 0; i < LANES / 4; i++) {
        __m128 single = _mm256_cvtpd_ps(((const __m256d *)&x)[i]);
        single = _mm_div_ps(_mm_set1_ps(1.0f), _mm_sqrt_ps(single));
        ((__m256d *)&y)[i] = _mm256_cvtps_pd(single);
    }
#elif defined(__SSE2__)
    for (int i = 0; i < LANES / 2; i++) {
        __m128 single = _mm_cvtpd_ps(((const __m128d *)&x)[i]);
        single = _mm_div_ps(_mm_set1_ps(1.0f), _mm_sqrt_ps(single));
        ((__m128d *)&y)[i] = _mm_cvtps_pd(single);
    }
#elif defined(__aarch64__)
    for (int i = 0; i < LANES / 2; i++) {
        float32x2_t single = vcvt_f32_f64(((const float64x2_t *)&x)[i]);
        single = vdiv_f32(vdup_n_f32(1.0f), vsqrt_f32(single));
        ((float64x2_t *)&y)[i] = vcvt_f64_f32(single);
    }
#else
    for (int lane = 0; lane < LANES; lane++)
        y[lane] = 1.0f / __builtin_sqrtf((float)x[lane]);
#endif
    return y;
}

/* 1 / sqrt(x) to about 2 units in the last place from y, which is nearly that: with h = 1 - x y^2 it is
 * y (1 - h)^(-1/2). The series' next term is 5/16 h^3, 1e-20 for a rough y, where h < 3e-7. */
INLINE vec better_inverse_root(vec x, vec y)
{
    vec h = broadcast(1.0) - x * (y * y);
    return y + y * (h * (broadcast(0.5) + h * broadcast(0.375)));
}

INLINE vec inverse_root(vec x) { return better_inverse_root(x, rough_inverse_root(x)); }

/* w / x^(3/2) in the same way from a rough y, where the next term is 35/16 h^3, 6e-20. */
INLINE vec over_cube(vec w, vec x, vec y)
{
    vec y2 = y * y, h = broadcast(1.0) - x * y2, rough = w * (y * y2);
    return rough + rough * (h * (broadcast(1.5) + h * broadcast(1.875)));
}

/* The same to first order in h, of 3/2 w: w / x^(3/2) (1 - 15/8 h^2), at most 1.7e-13 too little and
 * 1.1e-14 on average. That is for forces between planets, where it is as if their masses were known by
 * that much worse; the factor is 3/2 (5/3 - x y^2), whose 3/2 the caller has taken in. */
INLINE vec over_cube_short(vec w, vec x, vec y)
{
    vec y2 = y * y;
    return (w * y) * y2 * (broadcast(5.0 / 3.0) - x * y2);
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
