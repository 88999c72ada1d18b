/* The kernel at one width of vectors; compiled once for each, with LEVEL set.
 *
 * Only + - * / in a fixed order: the same bits from every compiler, at every width, for every cut
 * into tiles. */
#include "interface.h"
#include "lanes.h"
#include "map.h"

DECLARE_THIS(LEVEL)

#define NOTHING (__builtin_nanf(""))

enum state { FINE, MASKED, MISSING, OUTSIDE };

/* Pixels of a row whose places are computed together, and of those that are interpolated together:
 * the weights of a run stay in the nearest cache. */
#define SPAN 256
#define RUN 64

/* Where the pixels of a run are: the first of their taps in memory, and how far behind a pixel, or
 * a phase, they are. Those that are nowhere begin at 0. */
struct places {
    int32_t inside[RUN], is_there[RUN], start[RUN], phase_x[RUN], phase_y[RUN];
    float fraction_x[RUN], fraction_y[RUN];
};

INLINE void split(
    real4 position, real4 n_phase, whole4 *pixel, whole4 *phase, vec4 *fraction)
{
    /* Truncation is floor for what is not negative, and no position is below -1. */
    whole4 whole = __builtin_convertvector(position + 1.0, whole4) - 1;
    real4 place = (position - __builtin_convertvector(whole, real4)) * n_phase;
    whole4 part = __builtin_convertvector(place, whole4);
    /* Where pixels are not cut into phases, all of the fraction is behind phase 0. */
    part = part & (n_phase[0] > 1.0 ? ~(whole4){0} : (whole4){0});
    *fraction = __builtin_convertvector(place - __builtin_convertvector(part, real4), vec4);
    *pixel = whole;
    *phase = part;
}

/* What is outside of the frame, half a pixel around its outer centres, is put at its origin. */
INLINE void locate(
    const struct planes *planes, const double *at_x, const double *at_y, int n, int taps,
    int n_phase, struct places *at)
{
    const int32_t before = taps / 2 - 1, first = (int32_t)planes->first + before;
    const int32_t stride = (int32_t)planes->stride;
    const whole4 last = (whole4){0} + ((int32_t)planes->n_row - taps);
    const double right = (double)planes->width - 0.5, top = (double)planes->height - 0.5;
    const real4 nowhere = {0.0}, phases = nowhere + (double)n_phase;
    for (int i = 0; i < n; i += 4) {
        real4 px = load_real4(at_x + i), py = load_real4(at_y + i);
        whole4 x, y, phase_x, phase_y;
        vec4 fraction_x, fraction_y;
        mask4 in_frame = (px >= -0.5) & (px < right) & (py >= -0.5) & (py < top);
        whole4 inside = __builtin_convertvector(in_frame, whole4);
        split(choose(in_frame, px, nowhere), phases, &x, &phase_x, &fraction_x);
        split(choose(in_frame, py, nowhere), phases, &y, &phase_y, &fraction_y);
        whole4 line = y - first, is_there = (line >= 0) & (line <= last) & inside;
        whole4 start = (line * stride + (x - before + MARGIN_BEFORE)) & is_there;
        memcpy(at->inside + i, &inside, sizeof inside);
        memcpy(at->is_there + i, &is_there, sizeof is_there);
        memcpy(at->start + i, &start, sizeof start);
        memcpy(at->phase_x + i, &phase_x, sizeof phase_x);
        memcpy(at->phase_y + i, &phase_y, sizeof phase_y);
        memcpy(at->fraction_x + i, &fraction_x, sizeof fraction_x);
        memcpy(at->fraction_y + i, &fraction_y, sizeof fraction_y);
    }
}

#define TAPS 2
#include "taps.h"
#define TAPS 4
#include "taps.h"
#define TAPS 6
#include "taps.h"

#include "area.h"

/* At most SPAN pixels of one row. */
static long resample_span(
    const struct map *map, const struct planes *planes, const struct interpolation *how, long x,
    long y, int n, float *values, float *variance)
{
    double place[3][SPAN + 4], node[4][SPAN + 4];
    float value[SPAN], noise[SPAN];
    struct row row = {place[0], place[1], place[2]};
    struct columns columns = {node[0], node[1], node[2], node[3]};
    map_row(map, x, y, n, &columns, &row);
    /* Pixels are done in fours; those beyond the end are nowhere. */
    for (int i = n; i & 3; i++)
        row.x[i] = row.y[i] = -1.0;
    long missing = 0;
    for (int i = 0; i < n; i += RUN) {
        int m = n - i < RUN ? n - i : RUN;
        missing += how->method == LANCZOS3
                       ? interpolate6(planes, how, row.x + i, row.y + i, m, value + i, noise + i)
                   : how->method == CUBIC
                       ? interpolate4(planes, how, row.x + i, row.y + i, m, value + i, noise + i)
                       : interpolate2(planes, how, row.x + i, row.y + i, m, value + i, noise + i);
    }
    /* Of n pixels, which hold n * area of the frame's, the noise of the summed flux is that of the
     * latter: n * area * v. Where brightness is kept, the sum is the flux over area. */
    for (int i = 0; i < n; i++) {
        float area = (float)row.area[i];
        values[i] = how->conserve_flux ? value[i] * area : value[i];
        variance[i] = how->conserve_flux ? noise[i] * area : noise[i] / area;
    }
    return missing;
}

long NAME(resample)(
    const struct map *map, const struct planes *planes, const struct interpolation *how,
    const struct box *box, float *values, float *variance)
{
    long missing = 0;
    for (int i = 0; how->method == AREA && i < box->nx; i += SPAN) {
        int n = box->nx - i < SPAN ? box->nx - i : SPAN;
        missing += average_span(map, planes, how, box, box->x + i, n, values + i, variance + i);
    }
    for (int i = 0; how->method != AREA && i < box->nx; i += SPAN)
        for (int j = 0; j < box->ny; j++) {
            size_t at = (size_t)j * (size_t)box->nx + (size_t)i;
            int n = box->nx - i < SPAN ? box->nx - i : SPAN;
            missing += resample_span(
                map, planes, how, box->x + i, box->y + j, n, values + at, variance + at);
        }
    return missing;
}

INLINE whole4 steps_of(const struct steps *steps, vec4 values)
{
    /* Adding and taking away 1.5 * 2^52 rounds to the nearest integer, halves to even. */
    const real4 magic = {6755399441055744.0, 6755399441055744.0, 6755399441055744.0,
                         6755399441055744.0};
    const double inverse = 1.0 / steps->step;
    real4 least = {0.0}, most = {0.0};
    least = least + (double)steps->least;
    most = most + (double)steps->most;
    whole4 is_number = values == values;
    real4 number = __builtin_convertvector((vec4)((whole4)values & is_number), real4);
    number = (number - steps->zero) * inverse;
    number = choose(number > least, number, least);
    number = choose(number < most, number, most);
    whole4 whole = __builtin_convertvector((number + magic) - magic, whole4);
    return (whole & is_number) | (steps->blank & ~is_number);
}

void NAME(quantise)(const struct steps *steps, const float *values, size_t n, int32_t *stored)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        whole4 four = steps_of(steps, load4(values + i));
        memcpy(stored + i, &four, sizeof four);
    }
    if (i < n) {
        vec4 rest = {0.0f};
        memcpy(&rest, values + i, (n - i) * sizeof *values);
        whole4 four = steps_of(steps, rest);
        memcpy(stored + i, &four, (n - i) * sizeof *stored);
    }
}

/* Mean variance of blocks of 8 x 8 pixels, as the upper bits of its float; see
 * apps.images.output. */
void NAME(coarsen)(const float *variance, int nx, int ny, int16_t *codes)
{
    for (int y = 0; y < ny; y += 8)
        for (int x = 0; x < nx; x += 8) {
            float sums[8] = {0}, counts[8] = {0};
            int height = ny - y < 8 ? ny - y : 8, width = nx - x < 8 ? nx - x : 8;
            for (int j = 0; j < height; j++) {
                const float *row = variance + (size_t)(y + j) * (size_t)nx + (size_t)x;
                for (int i = 0; i < width; i++) {
                    int is_nothing = row[i] != row[i];
                    sums[i] += is_nothing ? 0.0f : row[i];
                    counts[i] += is_nothing ? 0.0f : 1.0f;
                }
            }
            float count = ((counts[0] + counts[4]) + (counts[2] + counts[6])) +
                          ((counts[1] + counts[5]) + (counts[3] + counts[7]));
            float sum = ((sums[0] + sums[4]) + (sums[2] + sums[6])) +
                        ((sums[1] + sums[5]) + (sums[3] + sums[7]));
            float mean = sum / (count > 0.0f ? count : 1.0f);
            uint32_t bits;
            memcpy(&bits, &mean, sizeof bits);
            bits = (bits + (1u << 15)) >> 16;
            bits = bits < 1 ? 1 : bits > 32639 ? 32639 : bits;
            *codes++ = (int16_t)(count > 0.0f ? bits : 0);
        }
}
