/* Elementary functions that give the same bits everywhere.
 *
 * Only + - * / sqrt and integer operations, in a fixed order: no libm, whose last bits differ from
 * system to system. Each is good to about 2 units in the last place for the arguments met here. */
#ifndef OPENASTRO_EXACT_H
#define OPENASTRO_EXACT_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define EXACT_PI 3.14159265358979323846
#define EXACT_LN2_HIGH 6.93147180369123816490e-01 /* 33 bits: times an exponent it is exact */
#define EXACT_LN2_LOW 1.90821492927058770002e-10

static inline double exact_sqrt(double x) { return __builtin_sqrt(x); }

/* Round to the nearest whole number, |x| < 2^51: what is added leaves no room for a fraction. */
static inline double exact_round(double x)
{
    const double shift = 6755399441055744.0; /* 1.5 * 2^52 */
    return (x + shift) - shift;
}

static inline double exact_scale(double x, int exponent)
{
    uint64_t bits = (uint64_t)(1023 + exponent) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return x * power;
}

/* x - k pi/2 for the nearest k, with pi/2 in three parts (Cody & Waite 1980). */
static inline double exact_reduce(double x, int *quadrant)
{
    double k = exact_round(x * 0.63661977236758134308);
    *quadrant = (int)((int64_t)k & 3);
    double r = x - k * 1.57079632673412561417e+00;
    r = r - k * 6.07710050630396597660e-11;
    return r - k * 2.02226624879595063154e-21;
}

/* Taylor series on -pi/4..pi/4; the first term left out is below 2^-55 of the sum. */
static inline double exact_sin_small(double r)
{
    double z = r * r;
    double p = -1.0 / 355687428096000.0; /* 1/17! */
    p = p * z + 1.0 / 1307674368000.0;
    p = p * z - 1.0 / 6227020800.0;
    p = p * z + 1.0 / 39916800.0;
    p = p * z - 1.0 / 362880.0;
    p = p * z + 1.0 / 5040.0;
    p = p * z - 1.0 / 120.0;
    p = p * z + 1.0 / 6.0;
    return r - r * z * p;
}

static inline double exact_cos_small(double r)
{
    double z = r * r;
    double p = -1.0 / 6402373705728000.0; /* 1/18! */
    p = p * z + 1.0 / 20922789888000.0;
    p = p * z - 1.0 / 87178291200.0;
    p = p * z + 1.0 / 479001600.0;
    p = p * z - 1.0 / 3628800.0;
    p = p * z + 1.0 / 40320.0;
    p = p * z - 1.0 / 720.0;
    p = p * z + 1.0 / 24.0;
    return 1.0 - 0.5 * z + z * z * p;
}

/* |x| < 1e5. */
static inline double exact_sin(double x)
{
    int quadrant;
    double r = exact_reduce(x, &quadrant);
    double value = quadrant & 1 ? exact_cos_small(r) : exact_sin_small(r);
    return quadrant & 2 ? -value : value;
}

static inline double exact_cos(double x)
{
    int quadrant;
    double r = exact_reduce(x, &quadrant);
    double value = quadrant & 1 ? exact_sin_small(r) : exact_cos_small(r);
    return quadrant == 1 || quadrant == 2 ? -value : value;
}

/* Newton's method on 1/8..1, where 6 steps from 0.7 are enough; x > 0 and normal. */
static inline double exact_cbrt(double x)
{
    double scale = 1.0;
    while (x < 0.125) {
        x = x * 8.0;
        scale = scale * 0.5;
    }
    while (x > 1.0) {
        x = x * 0.125;
        scale = scale * 2.0;
    }
    double y = 0.7;
    for (int i = 0; i < 7; i++)
        y = y - (y * y * y - x) / (3.0 * y * y);
    return y * scale;
}

/* x = 2^k m with m in sqrt(1/2)..sqrt(2); log m = 2 artanh((m - 1) / (m + 1)). */
static inline double exact_log(double x)
{
    if (!(x > 0.0))
        return x == 0.0 ? -INFINITY : NAN;
    if (x == INFINITY)
        return x;
    int k = 0;
    if (x < 2.2250738585072014e-308) { /* subnormal */
        x = x * 18014398509481984.0;   /* 2^54 */
        k = -54;
    }
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    k += (int)(bits >> 52) - 1023;
    bits = (bits & 0xfffffffffffffULL) | 0x3ff0000000000000ULL;
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.41421356237309504880) {
        m = m * 0.5;
        k += 1;
    }
    double f = m - 1.0, s = f / (m + 1.0), z = s * s;
    double p = 1.0 / 23.0; /* z < 0.0295: z^12 / 25 is 2^-65 */
    p = p * z + 1.0 / 21.0;
    p = p * z + 1.0 / 19.0;
    p = p * z + 1.0 / 17.0;
    p = p * z + 1.0 / 15.0;
    p = p * z + 1.0 / 13.0;
    p = p * z + 1.0 / 11.0;
    p = p * z + 1.0 / 9.0;
    p = p * z + 1.0 / 7.0;
    p = p * z + 1.0 / 5.0;
    p = p * z + 1.0 / 3.0;
    /* log m = 2 s + 2 s z p, and 2 s = f - s f keeps the bits that 2 s alone would round away. */
    double tail = s * (f - 2.0 * z * p);
    return (double)k * EXACT_LN2_HIGH + (f - (tail - (double)k * EXACT_LN2_LOW));
}

/* exp x = 2^k exp r with |r| < 0.35, by its Taylor series. */
static inline double exact_exp(double x)
{
    if (x != x)
        return x;
    if (x > 709.78)
        return INFINITY;
    if (x < -745.2)
        return 0.0;
    double k = exact_round(x * 1.44269504088896340736);
    double high = x - k * EXACT_LN2_HIGH, low = k * EXACT_LN2_LOW;
    double r = high - low;
    double p = 1.0 / 6227020800.0; /* 1/13!: r^14 / 14! is 2^-57 */
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    double value = 1.0 + (r + r * r * (0.5 + r * p));
    int n = (int)k;
    if (n < -1000)
        return exact_scale(exact_scale(value, n + 100), -100);
    if (n > 1000)
        return exact_scale(exact_scale(value, n - 100), 100);
    return exact_scale(value, n);
}

/* log(1 + x) for x >= 0: what rounding took from 1 + x is given back to first order. */
static inline double exact_log1p(double x)
{
    double u = 1.0 + x;
    if (u == INFINITY || u != u)
        return u;
    return exact_log(u) + (x - (u - 1.0)) / u;
}

#endif
