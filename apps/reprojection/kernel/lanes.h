/* Short vectors of floats, for any compiler that has GNU C's vector extension. All operations are
 * lane by lane and in a fixed order, so that the width of the registers does not matter. */
#ifndef LANES_H
#define LANES_H

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

typedef float vec4 __attribute__((vector_size(16)));
typedef float vec8 __attribute__((vector_size(32)));

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

INLINE vec4 load4(const float *at)
{
    vec4 v;
    memcpy(&v, at, sizeof v);
    return v;
}

INLINE void store4(float *at, vec4 v) { memcpy(at, &v, sizeof v); }

#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
typedef int32_t int4 __attribute__((vector_size(16)));
#define SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, ((int4){i, j, k, l}))
#endif

/* Lanes 0 to 3 plus lanes 4 to 7. */
INLINE vec4 fold8(vec8 v)
{
    vec4 half[2];
    memcpy(half, &v, sizeof v);
    return half[0] + half[1];
}

/* The sums of four vectors: (0 + 2) + (1 + 3) of each. */
INLINE vec4 sums4(vec4 a, vec4 b, vec4 c, vec4 d)
{
    vec4 ab = SHUFFLE(a, b, 0, 4, 1, 5) + SHUFFLE(a, b, 2, 6, 3, 7);
    vec4 cd = SHUFFLE(c, d, 0, 4, 1, 5) + SHUFFLE(c, d, 2, 6, 3, 7);
    return SHUFFLE(ab, cd, 0, 1, 4, 5) + SHUFFLE(ab, cd, 2, 3, 6, 7);
}

#endif
