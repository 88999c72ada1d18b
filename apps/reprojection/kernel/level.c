/* The kernel at one width of vectors; compiled once for each, with LEVEL set.
 *
 * Only + - * / in a fixed order: the same bits from every compiler, at every width, for every cut
 * into tiles. */
#include "interface.h"
#include "lanes.h"
#include "map.h"

#define NAME_OF(function, level) function##_##level
#define NAME_IN(function, level) NAME_OF(function, level)
#define NAME(function) NAME_IN(function, LEVEL)
#define DECLARE_THIS(level) DECLARE_LEVEL(level)

DECLARE_THIS(LEVEL)

#define NOTHING (__builtin_nanf(""))

enum state { FINE, MASKED, MISSING, OUTSIDE };

/* Four positions in the frame: pixels, and how far behind them. */
struct places {
    whole4 x, y, inside, phase_x, phase_y;
    vec4 fraction_x, fraction_y;
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
    const struct planes *planes, const double *x, const double *y, int n_phase,
    struct places *places)
{
    real4 px = load_real4(x), py = load_real4(y), nowhere = {0.0}, phases = {0.0};
    const double right = (double)planes->width - 0.5, top = (double)planes->height - 0.5;
    phases = phases + (double)n_phase;
    mask4 inside = (px >= -0.5) & (px < right) & (py >= -0.5) & (py < top);
    places->inside = __builtin_convertvector(inside, whole4);
    split(choose(inside, px, nowhere), phases, &places->x, &places->phase_x, &places->fraction_x);
    split(choose(inside, py, nowhere), phases, &places->y, &places->phase_y, &places->fraction_y);
}

#define TAPS 2
#include "taps.h"
#define TAPS 4
#include "taps.h"
#define TAPS 6
#include "taps.h"

long NAME(resample)(
    const struct map *map, const struct planes *planes, const struct interpolation *how,
    const struct box *box, double *scratch, float *values, float *variance)
{
    size_t n = (size_t)box->nx, room = n + 8;
    struct row row = {scratch, scratch + room, scratch + 2 * room};
    double *rest = scratch + 3 * room;
    float *value = (float *)(rest + 4 * room), *noise = value + room;
    /* Rows are done in fours; those beyond the end are nowhere. */
    for (int i = 0; i < 4; i++)
        row.x[n + (size_t)i] = row.y[n + (size_t)i] = -1.0;
    struct columns columns = {rest, rest + room, rest + 2 * room, rest + 3 * room};
    long missing = 0;
    for (int j = 0; j < box->ny; j++) {
        map_row(map, box->x, box->y + j, box->nx, &columns, &row);
        if (how->method == LANCZOS3)
            missing += interpolate6(planes, how, &row, box->nx, value, noise);
        else if (how->method == CUBIC)
            missing += interpolate4(planes, how, &row, box->nx, value, noise);
        else
            missing += interpolate2(planes, how, &row, box->nx, value, noise);
        float *out = values + (size_t)j * n, *out_noise = variance + (size_t)j * n;
        if (!how->conserve_flux) {
            memcpy(out, value, n * sizeof *out);
            memcpy(out_noise, noise, n * sizeof *out);
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            float area = (float)row.area[i];
            out[i] = value[i] * area;
            out_noise[i] = noise[i] * (area * area);
        }
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
 * boinc_project.reprojection_output. */
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
            bits = (bits + (1u << 17)) >> 18;
            bits = bits < 1 ? 1 : bits > 8159 ? 8159 : bits;
            *codes++ = (int16_t)(count > 0.0f ? bits : 0);
        }
}
