/* Loading rows of a frame; see loading.h. Compiled once for each width of vectors. */
#include "loading.h"

#include "lanes.h"

#include <string.h>

DECLARE_THIS_LOADING(LEVEL)

/* Pixels that go through all steps together, so that they stay in the nearest cache. */
#define RUN 512

#define CONVERT(type_of) \
    do { \
        const type_of *from = (const type_of *)stored + start; \
        for (long i = 0; i < n; i++) \
            to[i] = (float)(how->zero + how->scale * (double)from[i]); \
        if (how->has_blank) \
            for (long i = 0; i < n; i++) \
                to[i] = (int64_t)from[i] == how->blank ? __builtin_nanf("") : to[i]; \
    } while (0)

static void copy_swapped(const void *stored, long start, long n, float *to)
{
    const uint32_t *from = (const uint32_t *)stored + start;
    for (long i = 0; i < n; i++) {
        uint32_t word = __builtin_bswap32(from[i]);
        memcpy(&to[i], &word, sizeof word);
    }
}

static void convert(const struct loading *how, const void *stored, long start, long n, float *to)
{
    int is_plain = how->scale == 1.0 && how->zero == 0.0;
    switch (how->type) {
    case 'B':
        CONVERT(uint8_t);
        break;
    case 'h':
        CONVERT(int16_t);
        break;
    case 'i':
        CONVERT(int32_t);
        break;
    case 'q':
        CONVERT(int64_t);
        break;
    case 'd': {
        const double *from = (const double *)stored + start;
        for (long i = 0; i < n; i++)
            to[i] = (float)(how->zero + how->scale * from[i]);
        break;
    }
    case 'F':
        copy_swapped(stored, start, n, to);
        if (!is_plain)
            for (long i = 0; i < n; i++)
                to[i] = (float)(how->zero + how->scale * (double)to[i]);
        break;
    default: {
        const float *from = (const float *)stored + start;
        if (is_plain)
            memcpy(to, from, (size_t)n * sizeof *to);
        else
            for (long i = 0; i < n; i++)
                to[i] = (float)(how->zero + how->scale * (double)from[i]);
    }
    }
}

static void calibrate(
    const struct loading *how, const struct sources *from, long start, long n, float *v)
{
    const float *bias = from->bias ? from->bias + start : NULL;
    const float *dark = from->dark ? from->dark + start : NULL;
    const float *flat = from->flat ? from->flat + start : NULL;
    if (bias)
        for (long i = 0; i < n; i++)
            v[i] = v[i] - bias[i];
    if (dark)
        for (long i = 0; i < n; i++)
            v[i] = v[i] - how->dark_scale * dark[i];
    if (!flat)
        return;
    for (long i = 0; i < n; i++) {
        float part = flat[i] > 0.0f ? flat[i] : __builtin_nanf("");
        v[i] = v[i] / part;
    }
}

typedef uint8_t byte4 __attribute__((vector_size(4)));

/* Mask what is flagged, and what is no finite number or has no variance; masked pixels are 0. */
INLINE void mask_four(float *values, float *variance, uint8_t *flags)
{
    const vec4 largest = {3.0e38f, 3.0e38f, 3.0e38f, 3.0e38f};
    vec4 v = load4(values);
    byte4 flagged;
    memcpy(&flagged, flags, sizeof flagged);
    whole4 good = (v <= largest) & (v >= -largest);
    good &= __builtin_convertvector(flagged, whole4) == 0;
    if (variance) {
        vec4 spread = load4(variance);
        good &= (spread >= 0.0f) & (spread <= largest);
        store4(variance, (vec4)((whole4)spread & good));
    }
    store4(values, (vec4)((whole4)v & good));
    flagged = __builtin_convertvector(~good & 1, byte4);
    memcpy(flags, &flagged, sizeof flagged);
}

/* One run: `n` pixels from `start` in the sources, to `at` in the targets. */
static void load_run(
    const struct loading *how, const struct sources *from, const struct targets *to, long start,
    size_t at, long n)
{
    const float largest = 3.0e38f; /* and no infinity, no NaN */
    float v[RUN], variance[RUN];
    uint8_t flags[RUN];
    long whole = (n + 3) & ~3L;
    for (long i = whole - 4; i < whole; i++)
        v[i] = variance[i] = 0.0f;
    memset(flags, 0, (size_t)whole);
    convert(how, from->stored, start, n, v);
    if (how->saturation <= largest)
        for (long i = 0; i < n; i++)
            flags[i] = !(v[i] < how->saturation);
    calibrate(how, from, start, n, v);
    if (from->variance && how->is_variance_swapped)
        copy_swapped(from->variance, start, n, variance);
    else if (from->variance)
        memcpy(variance, from->variance + start, (size_t)n * sizeof *variance);
    if (from->mask)
        for (long i = 0; i < n; i++)
            flags[i] |= from->mask[start + i] != 0;
    int has_variance = to->depth == 2;
    for (long i = 0; i < whole; i += 4)
        mask_four(v + i, has_variance ? variance + i : NULL, flags + i);
    memcpy(to->flags + at, flags, (size_t)n);
    float *out = to->values + at * (size_t)to->depth;
    if (!has_variance) {
        memcpy(out, v, (size_t)n * sizeof *v);
        return;
    }
    for (long i = 0; i < n; i++) {
        out[2 * i] = v[i];
        out[2 * i + 1] = variance[i];
    }
}

void NAME(load_rows)(
    const struct loading *how, const struct sources *from, const struct targets *to, long n_row,
    long width)
{
    for (long row = 0; row < n_row; row++)
        for (long i = 0; i < width; i += RUN)
            load_run(
                how, from, to, row * width + i, (size_t)row * to->stride + (size_t)i,
                width - i < RUN ? width - i : RUN);
}

void NAME(load_margins)(const struct targets *to, long n_row, long width, int repeat)
{
    for (long row = 0; row < n_row; row++) {
        float *v = to->values + (size_t)row * to->stride * (size_t)to->depth;
        uint8_t *flags = to->flags + (size_t)row * to->stride;
        for (long i = -MARGIN_BEFORE; i < width + MARGIN_AFTER; i++) {
            if (i == 0)
                i = width;
            long edge = i < 0 ? 0 : width - 1;
            flags[i] = repeat ? flags[edge] : 1;
            for (int k = 0; k < to->depth; k++)
                v[i * to->depth + k] = repeat ? v[edge * to->depth + k] : 0.0f;
        }
    }
}

void NAME(find_windows)(
    const uint8_t *flags, uint8_t *windows, size_t stride, long n_row, int taps)
{
    size_t reach = (size_t)taps - 1;
    for (long row = 0; row < n_row; row++) {
        const uint8_t *from = flags + (size_t)row * stride;
        uint8_t *to = windows + (size_t)row * stride;
        memcpy(to, from, stride);
        for (size_t k = 1; k <= reach; k++)
            for (size_t i = 0; i < stride - reach; i++)
                to[i] |= from[i + k];
    }
    for (long row = 0; row + (long)reach < n_row; row++) {
        uint8_t *to = windows + (size_t)row * stride;
        for (size_t k = 1; k <= reach; k++)
            for (size_t i = 0; i < stride; i++)
                to[i] |= to[i + k * stride];
    }
}
