/* Sigma-clipped weighted mean of a band; compiled once for each width of vectors.
 *
 * N_LANE pixels stand side by side and every loop over `lane` becomes vector instructions. What is
 * done to one pixel never depends on its neighbours, and no sum is regrouped: all levels give the
 * same bits. The clipping is that of astropy.stats.sigma_clip with cenfunc = "median" and
 * stdfunc = "std": centre and scatter of what is left, bounds, what is outside goes, and the last
 * bounds judge all values; or that by known noise, of noise.h. */
#include <math.h>
#include <string.h>

#include "lanes.h"
#include "stack.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

typedef int32_t keys[N_LANE];
typedef int64_t marks[N_LANE]; /* -1 for yes, 0 for no */
typedef float floats[N_LANE];
typedef double doubles[N_LANE];

/* A float's bits as an integer of the same order; its own inverse. */
static inline int32_t ordered(int32_t bits)
{
    return bits ^ ((bits >> 31) & INT32_MAX);
}

struct window {
    int32_t begin[N_LANE], end[N_LANE];
};

/* Matched values of the pixels from `at` on: background off, flux to scale. NaN for nothing. */
static void load(const struct stack *s, ptrdiff_t row, ptrdiff_t at, int n_lane, floats *column,
                 struct window *window)
{
    doubles x = {0};
    for (int lane = 0; lane < n_lane; lane++)
        x[lane] = s->x[at + lane];
    memset(window, 0, sizeof *window);
    for (int k = 0; k < s->n_frame; k++) {
        const float *from = s->values + ((ptrdiff_t)k * s->n_row + row) * s->n_x + at;
        const double *surface = s->surface + ((ptrdiff_t)k * s->n_row + row) * 3;
        const double s0 = surface[0], s1 = surface[1], s2 = surface[2], scale = s->scale[k];
        floats padded;
        if (n_lane < N_LANE) {
            for (int lane = 0; lane < N_LANE; lane++)
                padded[lane] = lane < n_lane ? from[lane] : NAN;
            from = padded;
        }
        for (int lane = 0; lane < N_LANE; lane++) {
            const double background = s0 + x[lane] * (s1 + x[lane] * s2);
            const float value = (float)(((double)from[lane] - background) * scale);
            const int there = value - value == 0.0f;
            column[k][lane] = there ? value : NAN;
            window->end[lane] += there;
        }
    }
}

static void sort(const struct stack *s, floats *column, keys *sorted)
{
    for (int k = 0; k < s->n_frame; k++) {
        memcpy(sorted[k], column[k], sizeof sorted[k]);
        for (int lane = 0; lane < N_LANE; lane++)
            sorted[k][lane] = (sorted[k][lane] & INT32_MAX) > 0x7f800000 ? INT32_MAX
                                                                         : ordered(sorted[k][lane]);
    }
    for (ptrdiff_t pair = 0; pair < s->n_pair; pair++) {
        int32_t *low = sorted[s->network[2 * pair]], *high = sorted[s->network[2 * pair + 1]];
        for (int lane = 0; lane < N_LANE; lane++) {
            const int32_t a = low[lane], b = high[lane];
            low[lane] = a < b ? a : b;
            high[lane] = a < b ? b : a;
        }
    }
    for (int k = 0; k < s->n_frame; k++)
        for (int lane = 0; lane < N_LANE; lane++)
            sorted[k][lane] = ordered(sorted[k][lane]);
}

/* Sums over each lane's window, in the order of the values: of them, or of their squared distance
 * from `centre`. */
static void sum(const floats *sorted, const struct window *w, const double *centre, double *total)
{
    int32_t first = w->begin[0], last = w->end[0], full_from = first, full_to = last;
    for (int lane = 1; lane < N_LANE; lane++) {
        first = w->begin[lane] < first ? w->begin[lane] : first;
        full_from = w->begin[lane] > full_from ? w->begin[lane] : full_from;
        last = w->end[lane] > last ? w->end[lane] : last;
        full_to = w->end[lane] < full_to ? w->end[lane] : full_to;
    }
    doubles acc = {0};
    for (int32_t k = first; k < last; k++) {
        doubles term;
        if (centre)
            for (int lane = 0; lane < N_LANE; lane++) {
                const double off = (double)sorted[k][lane] - centre[lane];
                term[lane] = off * off;
            }
        else
            for (int lane = 0; lane < N_LANE; lane++)
                term[lane] = (double)sorted[k][lane];
        if (k < full_from || k >= full_to)
            for (int lane = 0; lane < N_LANE; lane++)
                term[lane] = k >= w->begin[lane] && k < w->end[lane] ? term[lane] : 0.0;
        for (int lane = 0; lane < N_LANE; lane++)
            acc[lane] += term[lane];
    }
    memcpy(total, acc, sizeof acc);
}

/* Bounds of what is kept, for each lane; NaN where there is nothing. */
static void clip(const struct stack *s, const floats *sorted, struct window *w, double *lower,
                 double *upper)
{
    for (int iteration = 0; iteration < s->iterations; iteration++) {
        doubles mean, square, n;
        sum(sorted, w, NULL, mean);
        for (int lane = 0; lane < N_LANE; lane++) {
            n[lane] = (double)(w->end[lane] - w->begin[lane]);
            mean[lane] = mean[lane] / n[lane];
        }
        sum(sorted, w, mean, square);
        int changed = 0;
        for (int lane = 0; lane < N_LANE; lane++) {
            const int32_t begin = w->begin[lane], end = w->end[lane];
            if (begin == end) {
                lower[lane] = upper[lane] = NAN;
                continue;
            }
            const double a = sorted[(begin + end - 1) / 2][lane];
            const double b = sorted[(begin + end) / 2][lane];
            const double median = 0.5 * (a + b), std = sqrt(square[lane] / n[lane]);
            lower[lane] = median - s->sigma_lower * std;
            upper[lane] = median + s->sigma_upper * std;
            int32_t from = begin, to = end;
            while (from < to && (double)sorted[from][lane] < lower[lane])
                from++;
            while (to > from && (double)sorted[to - 1][lane] > upper[lane])
                to--;
            changed |= from != begin || to != end;
            w->begin[lane] = from;
            w->end[lane] = to;
        }
        if (!changed)
            return;
    }
}

#include "noise.h"

/* Weighted mean of what is within the bounds; frames in their given order. Weights are one over the
 * variances of skies, after scaling. */
static void average(const struct stack *s, ptrdiff_t row, ptrdiff_t at, int n_lane,
                    const floats *column, const int32_t *n_there, const double *lower,
                    const double *upper)
{
    doubles total = {0}, weight = {0}, square = {0};
    marks n_kept = {0};
    for (int k = 0; k < s->n_frame; k++) {
        const double photon = s->photon ? s->photon[k] : 0.0, scaled = s->scale[k] * s->scale[k];
        floats padded = {0};
        if (s->variance)
            memcpy(padded, s->variance + ((ptrdiff_t)k * s->n_row + row) * s->n_x + at,
                   (size_t)n_lane * sizeof *padded);
        for (int lane = 0; lane < N_LANE; lane += LANES) {
            reals w = spread_real(s->weight[k]);
            if (s->variance) {
                const reals inverse = 1.0 / (scaled * widened(padded + lane));
                w = choose((inverse > 0.0) & (inverse < INFINITY), inverse, w);
            }
            const reals value = widened(column[k] + lane);
            const masks kept =
                (value >= load_reals(lower + lane)) & (value <= load_reals(upper + lane));
            store_reals(total + lane, load_reals(total + lane) + only(kept, w * value));
            store_reals(weight + lane, load_reals(weight + lane) + only(kept, w));
            store_reals(square + lane, load_reals(square + lane) + only(kept, w * w * photon));
            store_masks(n_kept + lane, load_masks(n_kept + lane) - kept);
        }
    }
    const ptrdiff_t to = row * s->n_x + at;
    for (int lane = 0; lane < n_lane; lane++) {
        const int none = n_kept[lane] == 0;
        s->image[to + lane] = none ? NAN : (float)(total[lane] / weight[lane]);
        s->weight_out[to + lane] = (float)weight[lane];
        s->count[to + lane] = (uint16_t)n_kept[lane];
        s->rejected[to + lane] = (uint16_t)(n_there[lane] - n_kept[lane]);
        if (s->variance)
            s->variance_out[to + lane] =
                none ? NAN : (float)(square[lane] / (weight[lane] * weight[lane]));
    }
}

void JOIN(centre_, LEVEL)(const struct stack *s, void *scratch)
{
    floats *column = scratch;
    floats *sorted = column + s->n_frame;
    for (ptrdiff_t row = 0; row < s->n_row; row++)
        for (ptrdiff_t at = 0; at < s->n_x; at += N_LANE) {
            const int n_lane = s->n_x - at < N_LANE ? (int)(s->n_x - at) : N_LANE;
            struct window window;
            load(s, row, at, n_lane, column, &window);
            sort(s, column, (keys *)sorted);
            find_centre(s, row * s->n_x + at, n_lane, (const floats *)column,
                        (const floats *)sorted, window.end);
        }
}

void JOIN(stack_, LEVEL)(const struct stack *s, void *scratch)
{
    floats *column = scratch;
    floats *sorted = column + s->n_frame; /* of clipping by scatter */
    doubles *spread = (doubles *)sorted;  /* of clipping by noise */
    for (ptrdiff_t row = 0; row < s->n_row; row++)
        for (ptrdiff_t at = 0; at < s->n_x; at += N_LANE) {
            const int n_lane = s->n_x - at < N_LANE ? (int)(s->n_x - at) : N_LANE;
            struct window window;
            int32_t n_there[N_LANE];
            doubles lower, upper;
            load(s, row, at, n_lane, column, &window);
            memcpy(n_there, window.end, sizeof n_there);
            for (int lane = 0; lane < N_LANE; lane++) {
                lower[lane] = -INFINITY;
                upper[lane] = INFINITY;
            }
            if (s->core)
                reject(s, row, at, n_lane, column, n_there, spread);
            else if (s->iterations) {
                sort(s, column, (keys *)sorted);
                clip(s, (const floats *)sorted, &window, lower, upper);
            }
            average(s, row, at, n_lane, (const floats *)column, n_there, lower, upper);
        }
}
