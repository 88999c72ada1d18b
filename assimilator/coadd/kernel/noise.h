/* Clipping by known noise, a part of level.c: each value against the others of its pixel.
 *
 * `assimilator/coadd/noise.py` explains the test, `assimilator/coadd/plain_noise.py` does the same
 * operations in the same order. */
#define HALF_PI 1.5707963267948966
#define FLOOR 0.04

static inline double larger(double a, double b)
{
    return a > b ? a : b;
}

/* Middle of each pixel, and the scatter about it over that of the sky; `sorted` is in order and
 * has NaN behind n_there values. */
static void find_centre(const struct stack *s, ptrdiff_t to, int n_lane, const floats *column,
                        const floats *sorted, const int32_t *n_there)
{
    doubles density = {0};
    for (int k = 0; k < s->n_frame; k++) {
        const double root = sqrt(s->weight[k]);
        for (int lane = 0; lane < N_LANE; lane++)
            density[lane] += column[k][lane] - column[k][lane] == 0.0f ? root : 0.0;
    }
    int alike = 1;
    for (int lane = 1; lane < N_LANE; lane++)
        alike &= n_there[lane] == n_there[0];
    doubles shortest;
    for (int lane = 0; lane < N_LANE; lane++)
        shortest[lane] = INFINITY;
    if (alike) {
        const int32_t half = n_there[0] / 2;
        for (int32_t k = 0; k + half < n_there[0]; k++)
            for (int lane = 0; lane < N_LANE; lane++) {
                const double length = (double)sorted[k + half][lane] - (double)sorted[k][lane];
                shortest[lane] = length < shortest[lane] ? length : shortest[lane];
            }
    } else {
        for (int lane = 0; lane < N_LANE; lane++) {
            const int32_t half = n_there[lane] / 2;
            for (int32_t k = 0; k + half < n_there[lane]; k++) {
                const double length = (double)sorted[k + half][lane] - (double)sorted[k][lane];
                shortest[lane] = length < shortest[lane] ? length : shortest[lane];
            }
        }
    }
    for (int lane = 0; lane < n_lane; lane++) {
        const int32_t n = n_there[lane];
        s->middle_out[to + lane] = n ? sorted[(n - 1) / 2][lane] : NAN;
        s->excess_out[to + lane] =
            n < 3 ? 0.0f : (float)(shortest[lane] * s->factor[n] * (density[lane] / (double)n));
        s->error_out[to + lane] =
            n ? (float)(sqrt(HALF_PI * (double)n) / density[lane]) : NAN;
    }
}

/* Variances that the values are tested with. */
static void load_spread(const struct stack *s, ptrdiff_t row, ptrdiff_t at, int n_lane,
                        doubles *spread, doubles *inverse)
{
    const ptrdiff_t to = row * s->n_x + at;
    doubles inflation = {0}, light = {0};
    for (int lane = 0; lane < n_lane; lane++) {
        inflation[lane] = (double)s->inflation[to + lane];
        light[lane] = (double)s->light[to + lane];
    }
    for (int k = 0; k < s->n_frame; k++) {
        const double sky = 1.0 / s->weight[k], square = s->scale[k] * s->scale[k];
        doubles known;
        for (int lane = 0; lane < N_LANE; lane++)
            known[lane] = sky;
        if (s->variance) {
            const float *from = s->variance + ((ptrdiff_t)k * s->n_row + row) * s->n_x + at;
            for (int lane = 0; lane < n_lane; lane++) {
                const double stated = square * (double)from[lane];
                known[lane] = stated - stated == 0.0 ? larger(stated, FLOOR * sky) : sky;
            }
        }
        for (int lane = 0; lane < N_LANE; lane++)
            spread[k][lane] =
                larger(known[lane] + s->photon[k] * light[lane], inflation[lane] * sky);
        for (int lane = 0; lane < N_LANE; lane++)
            inverse[k][lane] = 1.0 / spread[k][lane];
    }
}

/* One round of tests: `kept` becomes what is near enough to the middle, or to the mean of the
 * others that are kept. Returns whether it has changed. */
static int test_all(const struct stack *s, int round, const floats *column, const doubles *spread,
                    const doubles *inverse, const double *middle, const double *span,
                    const double *part, const int32_t *n_there, keys *kept, keys *next)
{
    const double square = s->sigma_lower * s->sigma_lower;
    doubles total = {0}, weight = {0}, parts = {0}, of_middle;
    keys alone = {0}, any = {0}, changed = {0};
    for (int k = 0; k < s->n_frame; k++)
        for (int lane = 0; lane < N_LANE; lane++) {
            const int in = kept[k][lane];
            const double own = inverse[k][lane];
            if (round) {
                total[lane] += in ? (double)column[k][lane] * own : 0.0;
                weight[lane] += in ? own : 0.0;
                parts[lane] += in ? s->core[k] * own : 0.0;
            } else
                weight[lane] += in ? sqrt(own) : 0.0;
            alone[lane] += in;
        }
    for (int lane = 0; lane < N_LANE; lane++)
        of_middle[lane] = HALF_PI * (double)n_there[lane] / (weight[lane] * weight[lane]);
    for (int k = 0; k < s->n_frame; k++)
        for (int lane = 0; lane < N_LANE; lane++) {
            const int in = kept[k][lane];
            const double value = column[k][lane], own = in ? inverse[k][lane] : 0.0;
            const double moment = in ? value * own : 0.0;
            const double of_others = 1.0 / (weight[lane] - own);
            const double theirs = (parts[lane] - s->core[k] * own) * of_others;
            const double own_part = larger(s->core[k], part[lane]);
            const double against = round ? (total[lane] - moment) * of_others : middle[lane];
            const double of_it = round ? of_others : of_middle[lane];
            const double allowed = round ? own_part + theirs : own_part;
            const double rest = fabs(value - against) - allowed * span[lane];
            const double off = rest > 0.0 ? rest : 0.0;
            const int lonely = (n_there[lane] < 3) | ((round != 0) & (alone[lane] - in == 0));
            const int near =
                (off * off <= square * (spread[k][lane] + of_it)) & (rest - rest == 0.0);
            next[k][lane] = (value - value == 0.0) & (near | lonely);
            any[lane] |= next[k][lane];
        }
    for (int k = 0; k < s->n_frame; k++)
        for (int lane = 0; lane < N_LANE; lane++) {
            const int stays = any[lane] ? next[k][lane] : kept[k][lane];
            changed[lane] |= stays != kept[k][lane];
            kept[k][lane] = stays;
        }
    int32_t all = 0;
    for (int lane = 0; lane < N_LANE; lane++)
        all |= changed[lane];
    return all != 0;
}

/* Of two values of a pixel the brighter goes if they are further apart than noise allows and the
 * fainter is like its surroundings; a doubt stays. */
static void test_pairs(const struct stack *s, const floats *column, const doubles *spread,
                       const double *span, const double *part, const int32_t *n_there, keys *kept,
                       int32_t *doubtful)
{
    const double square = s->sigma_lower * s->sigma_lower;
    doubles total = {0}, both = {0}, most = {0}, sign, lower;
    keys apart;
    for (int lane = 0; lane < N_LANE; lane++) {
        sign[lane] = 1.0;
        lower[lane] = INFINITY;
    }
    for (int k = 0; k < s->n_frame; k++)
        for (int lane = 0; lane < N_LANE; lane++) {
            const double value = column[k][lane];
            const int in = value - value == 0.0;
            const double tolerance = larger(s->core[k], part[lane]) * span[lane];
            total[lane] += in ? sign[lane] * value : 0.0;
            both[lane] += in ? spread[k][lane] : 0.0;
            most[lane] = in ? larger(most[lane], tolerance) : most[lane];
            sign[lane] = in ? -sign[lane] : sign[lane];
            lower[lane] = in && value < lower[lane] ? value : lower[lane];
        }
    for (int lane = 0; lane < N_LANE; lane++) {
        const double off = larger(fabs(total[lane]) - most[lane], 0.0);
        const int differs = (n_there[lane] == 2) & (off * off > square * both[lane]);
        doubtful[lane] |= differs;
        apart[lane] = differs & (span[lane] < 0.5 * fabs(total[lane]));
    }
    for (int k = 0; k < s->n_frame; k++)
        for (int lane = 0; lane < N_LANE; lane++)
            kept[k][lane] &= !apart[lane] | ((double)column[k][lane] <= lower[lane]);
}

/* Make NaN of the values that are too far from the others, and say where that cannot be told. */
static void reject(const struct stack *s, ptrdiff_t row, ptrdiff_t at, int n_lane, floats *column,
                   const int32_t *n_there, doubles *spread)
{
    doubles *inverse = spread + s->n_frame;
    keys *kept = (keys *)(inverse + s->n_frame), *next = kept + s->n_frame;
    const ptrdiff_t to = row * s->n_x + at;
    doubles middle = {0}, span = {0}, part = {0};
    keys n_kept = {0}, doubtful;
    for (int lane = 0; lane < n_lane; lane++) {
        middle[lane] = (double)s->middle[to + lane];
        span[lane] = (double)s->span[to + lane];
        part[lane] = (double)s->part[to + lane];
    }
    load_spread(s, row, at, n_lane, spread, inverse);
    for (int k = 0; k < s->n_frame; k++)
        for (int lane = 0; lane < N_LANE; lane++)
            kept[k][lane] = column[k][lane] - column[k][lane] == 0.0f;
    for (int round = 0; round < s->iterations; round++) {
        const int changed = test_all(s, round, (const floats *)column, (const doubles *)spread,
                                     (const doubles *)inverse, middle, span, part, n_there, kept,
                                     next);
        if (round && !changed)
            break; /* another round would find the same */
    }
    for (int k = 0; k < s->n_frame; k++)
        for (int lane = 0; lane < N_LANE; lane++)
            n_kept[lane] += kept[k][lane];
    for (int lane = 0; lane < N_LANE; lane++)
        doubtful[lane] = (2 * n_kept[lane] <= n_there[lane]) & (n_there[lane] > 2);
    if (s->iterations)
        test_pairs(s, (const floats *)column, (const doubles *)spread, span, part, n_there,
                   kept, doubtful);
    for (int k = 0; k < s->n_frame; k++)
        for (int lane = 0; lane < N_LANE; lane++)
            column[k][lane] = kept[k][lane] ? column[k][lane] : NAN;
    for (int lane = 0; lane < n_lane; lane++)
        s->doubtful[to + lane] = (uint8_t)doubtful[lane];
}
