/* Variances of the sky in tiles; compiled once for each width of vectors.
 *
 * `apps/images/plan/sky/noise.py` explains what is measured, `apps/images/plan/sky/plain_noise.py` does
 * the same operations in the same order. A sum over a tile has an accumulator for each column, to
 * which rows are added in order; the columns are then added by halves. So vectors of any width give
 * the same bits. */
#include <math.h>
#include <string.h>

#include "tiles.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

#define N_PIXEL (TILE * TILE)
#define LEAST_PIXELS 100
#define LEAST_SHARE 0.2
#define HUBER_SQUARED 2.25
#define ROUNDS 12
#define FLAT_ROUNDS 2

typedef double columns[TILE];
typedef unsigned __int128 bits; /* of the SIDE pixels of a row, the first one lowest */

/* Height over the sky in standard deviations, and pixels around that are left out. */
static const struct { double height; int reach; } BRIGHT[] = {{4.5, 6}, {60.0, 12}};

struct tile {
    float padded[SIDE][SIDE]; /* NaN where nothing is known */
    float rest[TILE][TILE];   /* 0 where not quiet */
    int32_t known[TILE][TILE], quiet[TILE][TILE]; /* 0 or 1, as wide as a float is */
    bits lit[SIDE];
    float values[N_PIXEL];
    int32_t keys[N_PIXEL];
    ptrdiff_t n_known, n_quiet;
    double level, spread;
};

static double folded(columns sum)
{
    for (int half = TILE / 2; half; half /= 2)
        for (int x = 0; x < half; x++)
            sum[x] += sum[x + half];
    return sum[0];
}

static void load(const struct tiles *s, int64_t column, struct tile *t)
{
    const ptrdiff_t top = s->row * TILE - PAD, left = (ptrdiff_t)column * TILE - PAD;
    const ptrdiff_t from = left < 0 ? -left : 0;
    const ptrdiff_t to = s->nx - left < SIDE ? s->nx - left : SIDE;
    for (ptrdiff_t y = 0; y < SIDE; y++) {
        float *line = t->padded[y];
        if (top + y < 0 || top + y >= s->ny) {
            for (int x = 0; x < SIDE; x++)
                line[x] = NAN;
            continue;
        }
        if (from > 0 || to < SIDE)
            for (int x = 0; x < SIDE; x++)
                line[x] = NAN;
        const float *pixels = s->image + (top + y) * s->nx + left;
        for (ptrdiff_t x = from; x < to; x++)
            line[x] = pixels[x] - pixels[x] == 0.0f ? pixels[x] : NAN;
    }
    t->n_known = 0;
    for (int y = 0; y < TILE; y++) {
        const float *line = t->padded[y + PAD] + PAD;
        int n = 0;
        for (int x = 0; x < TILE; x++) {
            t->known[y][x] = line[x] == line[x];
            n += line[x] == line[x];
        }
        if (n == TILE)
            memcpy(t->values + t->n_known, line, TILE * sizeof *line);
        else
            for (int x = 0, at = 0; x < TILE; x++)
                if (t->known[y][x])
                    t->values[t->n_known + at++] = line[x];
        t->n_known += n;
    }
}

/* A float's bits as an integer of the same order; its own inverse. */
static inline int32_t ordered(int32_t bits_of)
{
    return bits_of ^ ((bits_of >> 31) & INT32_MAX);
}

/* The key of rank k of n, none of which is above `high`: halving needs no branch that depends on a
 * key, and so takes a fraction of what sorting or selecting takes. */
static int32_t select_key(const int32_t *keys, int32_t n, int32_t k, int64_t high)
{
    int64_t low = INT32_MIN;
    while (low < high) {
        const int32_t middle = (int32_t)((low + high) >> 1);
        int32_t count = 0;
        for (int32_t i = 0; i < n; i++)
            count += keys[i] <= middle;
        if (count > k)
            high = middle;
        else
            low = (int64_t)middle + 1;
    }
    return (int32_t)low;
}

static float value_of(int32_t key)
{
    const int32_t bits_of = ordered(key);
    float value;
    memcpy(&value, &bits_of, sizeof value);
    return value;
}

/* The median, and its distance from the 16th percentile: stars hardly count. */
static void guess(struct tile *t, double step)
{
    const int32_t n = (int32_t)t->n_known, lower = (int32_t)(0.158655 * (double)n);
    memcpy(t->keys, t->values, (size_t)n * sizeof *t->keys);
    for (int32_t i = 0; i < n; i++)
        t->keys[i] = ordered(t->keys[i]);
    const int32_t key = select_key(t->keys, n, n / 2, INT32_MAX);
    const float middle = value_of(key), low = value_of(select_key(t->keys, n, lower, key));
    const double least = 1.1754943508222875e-38, floor = 0.6 * step;
    t->level = middle;
    t->spread = (double)middle - (double)low;
    t->spread = t->spread > floor ? t->spread : floor;
    t->spread = t->spread > least ? t->spread : least;
}

/* Which pixels of a row are above a limit, one bit each; most rows have none. */
static bits bright(const float *line, float limit)
{
    int any = 0;
    for (int x = 0; x < SIDE; x++)
        any |= line[x] > limit;
    bits row = 0;
    for (int x = 0; any && x < SIDE; x++)
        row |= (bits)(line[x] > limit) << x;
    return row;
}

/* Mark in `lit` what is within `reach` pixels each way of what is above a limit. */
static void mark(struct tile *t, float limit, int reach)
{
    bits across[SIDE], any = 0;
    for (int y = 0; y < SIDE; y++) {
        const bits row = bright(t->padded[y], limit);
        bits wide = row;
        for (int dx = 1; row && dx <= reach; dx++)
            wide |= row << dx | row >> dx;
        across[y] = wide;
        any |= row;
    }
    for (int y = PAD; any && y < PAD + TILE; y++)
        for (int dy = -reach; dy <= reach; dy++)
            t->lit[y] |= across[y + dy];
}

static void find_quiet(struct tile *t)
{
    memset(t->lit, 0, sizeof t->lit);
    for (size_t i = 0; i < sizeof BRIGHT / sizeof *BRIGHT; i++)
        mark(t, (float)(t->level + BRIGHT[i].height * t->spread), BRIGHT[i].reach);
    t->n_quiet = 0;
    for (int y = 0; y < TILE; y++) {
        const bits lit = t->lit[y + PAD] >> PAD;
        int n = 0;
        memcpy(t->quiet[y], t->known[y], sizeof t->quiet[y]);
        for (int x = 0; lit && x < TILE; x++)
            t->quiet[y][x] &= !(lit >> x & 1);
        for (int x = 0; x < TILE; x++) {
            n += t->quiet[y][x];
        }
        t->n_quiet += n;
    }
    const double share = LEAST_SHARE * (double)t->n_known, half = LEAST_PIXELS / 2;
    if ((double)t->n_quiet < (share > half ? share : half)) {
        memcpy(t->quiet, t->known, sizeof t->quiet);
        t->n_quiet = t->n_known;
    }
    const float level = (float)t->level;
    for (int y = 0; y < TILE; y++)
        for (int x = 0; x < TILE; x++)
            t->rest[y][x] = t->quiet[y][x] ? t->padded[y + PAD][x + PAD] - level : 0.0f;
}

/* Least squares of 1, x and y to what is within the limit; positions are in tiles from the middle. */
static void fit_plane(const struct tile *t, float limit, float *plane)
{
    columns right = {0}, right_y = {0}, right_x;
    int64_t n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0, syy = 0; /* of 128 x and 128 y: integers */
    int32_t n_of[TILE] = {0}, sy_of[TILE] = {0};
    for (int y = 0; y < TILE; y++) {
        const int32_t across = 2 * y - (TILE - 1);
        const double position = across / 128.0;
        int32_t of_row = 0;
        float kept_value[TILE];
        int32_t kept[TILE];
        for (int x = 0; x < TILE; x++) {
            const float value = t->rest[y][x];
            kept[x] = t->quiet[y][x] & (fabsf(value) <= limit);
            kept_value[x] = kept[x] ? value : 0.0f;
            n_of[x] += kept[x];
            sy_of[x] += kept[x] * across;
            of_row += kept[x];
        }
        for (int x = 0; x < TILE; x++) {
            right[x] += (double)kept_value[x];
            right_y[x] += (double)kept_value[x] * position;
        }
        syy += (int64_t)of_row * across * across;
    }
    for (int x = 0; x < TILE; x++) {
        const int64_t along = 2 * x - (TILE - 1);
        n += n_of[x];
        sx += n_of[x] * along;
        sxx += n_of[x] * along * along;
        sy += sy_of[x];
        sxy += sy_of[x] * along;
        right_x[x] = right[x] * ((double)along / 128.0);
    }
    const double b0 = folded(right), b1 = folded(right_x), b2 = folded(right_y);
    /* Tiles that are known along a line only have no plane: the ridge leaves them a level. */
    const double ridge = 1e-6 * (n > 1 ? (double)n : 1.0);
    const double a00 = (double)n + ridge, a01 = (double)sx / 128.0, a02 = (double)sy / 128.0;
    const double a11 = (double)sxx / 16384.0 + ridge, a12 = (double)sxy / 16384.0;
    const double a22 = (double)syy / 16384.0 + ridge;
    const double l1 = a01 / a00, l2 = a02 / a00;
    const double c11 = a11 - l1 * a01, c12 = a12 - l1 * a02, d1 = b1 - l1 * b0;
    const double c22 = a22 - l2 * a02, d2 = b2 - l2 * b0, l3 = c12 / c11;
    const double py = (d2 - l3 * d1) / (c22 - l3 * c12);
    const double px = (d1 - c12 * py) / c11;
    plane[0] = (float)((b0 - a01 * px - a02 * py) / a00);
    plane[1] = (float)px;
    plane[2] = (float)py;
}

static void flatten(struct tile *t)
{
    for (int round = 0; round < FLAT_ROUNDS; round++) {
        const float limit = (float)(3.0 * t->spread);
        float plane[3];
        fit_plane(t, limit, plane);
        columns square = {0};
        for (int y = 0; y < TILE; y++) {
            const float along_y = plane[2] * ((float)(2 * y - (TILE - 1)) / 128.0f);
            float size[TILE];
            for (int x = 0; x < TILE; x++) {
                const float along_x = plane[1] * ((float)(2 * x - (TILE - 1)) / 128.0f);
                const float off = t->rest[y][x] - ((plane[0] + along_x) + along_y);
                const float rest = t->quiet[y][x] ? off : 0.0f, height = fabsf(rest);
                t->rest[y][x] = rest;
                size[x] = height < limit ? height : limit;
            }
            for (int x = 0; x < TILE; x++)
                square[x] += (double)(size[x] * size[x]);
        }
        const double least = 1.1754943508222875e-38;
        t->spread = sqrt(folded(square) / (double)t->n_quiet);
        t->spread = t->spread > least ? t->spread : least;
    }
}

static double scale(struct tile *t, double step, double beta)
{
    double variance = t->spread * t->spread;
    for (int round = 0; round < ROUNDS; round++) {
        const float limit = (float)(HUBER_SQUARED * variance);
        columns sum = {0};
        for (int y = 0; y < TILE; y++)
            for (int x = 0; x < TILE; x++) {
                const float square = t->rest[y][x] * t->rest[y][x];
                sum[x] += (double)(square < limit ? square : limit);
            }
        const double before = variance;
        variance = folded(sum) / (beta * (double)t->n_quiet);
        if (variance == before) /* further rounds would change nothing */
            break;
    }
    if (!(step > 0.0))
        return variance;
    if (variance < 4.0 * (step * step)) {
        /* 4.5 standard deviations, and what these are where Huber's scale is no good. */
        const double of_noise = 4.5 * sqrt(variance), of_step = 2.7 * step;
        const double far = of_noise > of_step ? of_noise : of_step;
        const float limit = (float)(far * far);
        columns sum = {0};
        int64_t n = 0;
        for (int y = 0; y < TILE; y++)
            for (int x = 0; x < TILE; x++) {
                const float square = t->rest[y][x] * t->rest[y][x];
                const int kept = t->quiet[y][x] & (square <= limit);
                sum[x] += kept ? (double)square : 0.0;
                n += kept;
            }
        variance = folded(sum) / (double)(n > 1 ? n : 1);
    }
    /* Rounding alone has this variance, and a sky on one level says no more. */
    const double rounding = step * step / 12.0;
    return variance > rounding ? variance : rounding;
}

void JOIN(measure_, LEVEL)(const struct tiles *s, void *scratch)
{
    struct tile *t = scratch;
    for (ptrdiff_t i = 0; i < s->n_tile; i++) {
        s->variance[i] = NAN;
        load(s, s->columns[i], t);
        if (t->n_known < LEAST_PIXELS)
            continue;
        guess(t, s->step);
        find_quiet(t);
        flatten(t);
        s->variance[i] = scale(t, s->step, s->beta);
    }
}

size_t JOIN(scratch_, LEVEL)(void)
{
    return sizeof(struct tile);
}
