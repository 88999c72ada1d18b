/* Short vectors of floats, for any compiler that has GNU C's vector extension. All operations are
 * lane by lane and in a fixed order, so that the width of the registers does not matter. */
#ifndef LANES_H
#define LANES_H

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

typedef float vec4 __attribute__((vector_size(16)));
typedef float vec8 __attribute__((vector_size(32)));
typedef float vec16 __attribute__((vector_size(64)));
typedef int64_t long2 __attribute__((vector_size(16)));
typedef int64_t long4 __attribute__((vector_size(32)));
typedef int64_t long8 __attribute__((vector_size(64)));

typedef double real4 __attribute__((vector_size(32)));
typedef int64_t mask4 __attribute__((vector_size(32))); /* all bits or none, of each lane */
typedef int32_t whole4 __attribute__((vector_size(16)));

INLINE real4 load_real4(const double *at)
{
    real4 v;
    memcpy(&v, at, sizeof v);
    return v;
}

INLINE real4 choose(mask4 where, real4 yes, real4 no)
{
    return (real4)(((mask4)yes & where) | ((mask4)no & ~where));
}

INLINE vec8 load8(const float *at)
{
    vec8 v;
    memcpy(&v, at, sizeof v);
    return v;
}

INLINE vec16 load16(const float *at)
{
    vec16 v;
    memcpy(&v, at, sizeof v);
    return v;
}

INLINE vec4 load4(const float *at)
{
    vec4 v;
    memcpy(&v, at, sizeof v);
    return v;
}

INLINE void store4(float *at, vec4 v) { memcpy(at, &v, sizeof v); }

#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#define SHUFFLE8(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef int32_t int4 __attribute__((vector_size(16)));
typedef int32_t int8 __attribute__((vector_size(32)));
#define SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, ((int4){i, j, k, l}))
#define SHUFFLE8(a, b, ...) __builtin_shuffle(a, b, ((int8){__VA_ARGS__}))
#endif

/* The same pair of floats in all pairs of lanes. */
INLINE vec4 pair4(const float *at)
{
    int64_t pair;
    memcpy(&pair, at, sizeof pair);
    return (vec4)(long2){pair, pair};
}

INLINE vec8 pair8(const float *at)
{
    int64_t pair;
    memcpy(&pair, at, sizeof pair);
    return (vec8)(long4){pair, pair, pair, pair};
}

INLINE vec16 pair16(const float *at)
{
    int64_t pair;
    memcpy(&pair, at, sizeof pair);
    return (vec16)(long8){pair, pair, pair, pair, pair, pair, pair, pair};
}

/* Store weights, each followed by its square. */
INLINE void store_squares4(float *to, vec4 w)
{
    vec4 squared = w * w;
    store4(to, SHUFFLE(w, squared, 0, 4, 1, 5));
    store4(to + 4, SHUFFLE(w, squared, 2, 6, 3, 7));
}

INLINE void store_squares8(float *to, vec8 w)
{
#if defined(__AVX__)
    vec8 squared = w * w;
    vec8 low = SHUFFLE8(w, squared, 0, 8, 1, 9, 2, 10, 3, 11);
    vec8 high = SHUFFLE8(w, squared, 4, 12, 5, 13, 6, 14, 7, 15);
    memcpy(to, &low, sizeof low);
    memcpy(to + 8, &high, sizeof high);
#else
    vec4 half[2];
    memcpy(half, &w, sizeof w);
    store_squares4(to, half[0]);
    store_squares4(to + 8, half[1]);
#endif
}

/* Lanes 0 to 3 plus lanes 4 to 7. */
INLINE vec4 fold8(vec8 v)
{
    vec4 half[2];
    memcpy(half, &v, sizeof v);
    return half[0] + half[1];
}

/* A line of 8 or 16 floats in as few vectors as the processor has registers for: longer ones would
 * go through memory. However it is cut, its floats are added alike: the upper half to the lower,
 * until there are four. */
#if defined(__AVX512F__)
typedef struct {
    vec16 v[1];
} line16;
#define LOAD_16 load16
#define FILL_16 pair16
#elif defined(__AVX__)
typedef struct {
    vec8 v[2];
} line16;
#define LOAD_16 load8
#define FILL_16 pair8
#else
typedef struct {
    vec4 v[4];
} line16;
#define LOAD_16 load4
#define FILL_16 pair4
#endif
#if defined(__AVX__)
typedef struct {
    vec8 v[1];
} line8;
#define LOAD_8 load8
#define FILL_8 pair8
#else
typedef struct {
    vec4 v[2];
} line8;
#define LOAD_8 load4
#define FILL_8 pair4
#endif

INLINE vec4 fold_line8(const line8 *line)
{
#if defined(__AVX__)
    return fold8(line->v[0]);
#else
    return line->v[0] + line->v[1];
#endif
}

INLINE vec4 fold_line16(const line16 *line)
{
#if defined(__AVX512F__)
    vec8 half[2];
    memcpy(half, &line->v[0], sizeof half);
    return fold8(half[0] + half[1]);
#elif defined(__AVX__)
    return fold8(line->v[0] + line->v[1]);
#else
    return (line->v[0] + line->v[2]) + (line->v[1] + line->v[3]);
#endif
}

/* The sums of four vectors: (0 + 2) + (1 + 3) of each. */
INLINE vec4 sums4(vec4 a, vec4 b, vec4 c, vec4 d)
{
    vec4 ab = SHUFFLE(a, b, 0, 4, 1, 5) + SHUFFLE(a, b, 2, 6, 3, 7);
    vec4 cd = SHUFFLE(c, d, 0, 4, 1, 5) + SHUFFLE(c, d, 2, 6, 3, 7);
    return SHUFFLE(ab, cd, 0, 1, 4, 5) + SHUFFLE(ab, cd, 2, 3, 6, 7);
}

#endif
