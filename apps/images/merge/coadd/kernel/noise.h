/* Clipping by known noise, a part of level.c: each value against the others of its pixel.
 *
 * `apps/images/merge/coadd/noise.py` explains the test, `apps/images/merge/coadd/plain_noise.py` does the same
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

/* Variances that the values are tested with, their inverses, and in `roots` the sum of the roots of
 * the inverses of all values that are there. */
static void load_spread(const struct stack *s, ptrdiff_t row, ptrdiff_t at, int n_lane,
                        const floats *column, doubles *spread, doubles *inverse, double *roots)
{
    const ptrdiff_t to = row * s->n_x + at;
    doubles inflation = {0}, light = {0}, sum = {0};
    for (int lane = 0; lane < n_lane; lane++) {
        inflation[lane] = (double)s->inflation[to + lane];
        light[lane] = (double)s->light[to + lane];
    }
    for (int k = 0; k < s->n_frame; k++) {
        const double sky = 1.0 / s->weight[k], square = s->scale[k] * s->scale[k];
        const double photon = s->photon[k];
        floats padded = {0};
        if (s->variance)
            memcpy(padded, s->variance + ((ptrdiff_t)k * s->n_row + row) * s->n_x + at,
                   (size_t)n_lane * sizeof *padded);
        for (int lane = 0; lane < N_LANE; lane += LANES) {
            reals known = spread_real(sky);
            if (s->variance) {
                const reals stated = square * widened(padded + lane);
                known = choose(stated - stated == 0.0, largest(stated, spread_real(FLOOR * sky)),
                               known);
            }
            const reals own = largest(known + photon * load_reals(light + lane),
                                      load_reals(inflation + lane) * sky);
            store_reals(spread[k] + lane, own);
            store_reals(inverse[k] + lane, 1.0 / own);
        }
        doubles root;
        for (int lane = 0; lane < N_LANE; lane++)
            root[lane] = sqrt(inverse[k][lane]);
        for (int lane = 0; lane < N_LANE; lane += LANES) {
            const reals value = widened(column[k] + lane), total = load_reals(sum + lane);
            store_reals(sum + lane, total + only(value - value == 0.0, load_reals(root + lane)));
        }
    }
    memcpy(roots, sum, sizeof sum);
}

/* The numbers that the values of some lanes are tested with. */
struct test {
    const struct stack *s;
    const floats *column;
    const doubles *spread, *inverse;
    int lane; /* the first */
    reals middle, span, part, roots, n_there;
};

/* One round of tests of LANES lanes: `kept` becomes what is near enough to the middle, or to the
 * mean of the others that are kept. Returns whether it has changed. */
INLINE int test_round(const struct test *t, const int is_first, marks *kept, marks *next)
{
    const struct stack *s = t->s;
    const double square = s->sigma_lower * s->sigma_lower;
    const int lane = t->lane;
    reals total = {0}, weight = {0}, parts = {0}, alone = {0};
    masks any = {0}, changed = {0};
    const reals unit = spread_real(1.0);
    for (int k = 0; !is_first && k < s->n_frame; k++) {
        const masks in = load_masks(kept[k] + lane);
        const reals own = load_reals(t->inverse[k] + lane);
        total += only(in, widened(t->column[k] + lane) * own);
        weight += only(in, own);
        parts += only(in, s->core[k] * own);
        alone += only(in, unit);
    }
    const reals of_middle = HALF_PI * t->n_there / (t->roots * t->roots);
    for (int k = 0; k < s->n_frame; k++) {
        const masks in = load_masks(kept[k] + lane);
        const reals value = widened(t->column[k] + lane), spread = load_reals(t->spread[k] + lane);
        const double core = s->core[k];
        reals against = t->middle, of_it = of_middle;
        reals allowed = largest(spread_real(core), t->part);
        masks lonely = t->n_there < 3.0;
        if (!is_first) {
            const reals own = only(in, load_reals(t->inverse[k] + lane));
            const reals of_others = 1.0 / (weight - own);
            against = (total - only(in, value * own)) * of_others;
            of_it = of_others;
            allowed = allowed + (parts - core * own) * of_others;
            lonely |= alone - only(in, unit) == 0.0;
        }
        const reals rest = size_of_reals(value - against) - allowed * t->span;
        const reals off = only(rest > 0.0, rest);
        const masks near = (off * off <= square * (spread + of_it)) & (rest - rest == 0.0);
        const masks stays = (value - value == 0.0) & (near | lonely);
        any |= stays;
        store_masks(next[k] + lane, stays);
    }
    for (int k = 0; k < s->n_frame; k++) {
        const masks in = load_masks(kept[k] + lane);
        const masks stays = (load_masks(next[k] + lane) & any) | (in & ~any);
        changed |= stays ^ in;
        store_masks(kept[k] + lane, stays);
    }
    return has_any(changed);
}

/* Of two values of a pixel the brighter goes if they are further apart than noise allows and the
 * fainter is like its surroundings; a doubt stays. */
static void test_pairs(const struct stack *s, const floats *column, const doubles *spread,
                       const double *span, const double *part, const int32_t *n_there, marks *kept,
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
            kept[k][lane] &=
                -(int64_t)(!apart[lane] | ((double)column[k][lane] <= lower[lane]));
}

/* Make NaN of the values that are too far from the others, and say where that cannot be told. */
static void reject(const struct stack *s, ptrdiff_t row, ptrdiff_t at, int n_lane, floats *column,
                   const int32_t *n_there, doubles *spread)
{
    doubles *inverse = spread + s->n_frame;
    marks *kept = (marks *)(inverse + s->n_frame), *next = kept + s->n_frame;
    const ptrdiff_t to = row * s->n_x + at;
    doubles middle = {0}, span = {0}, part = {0}, roots;
    int32_t n_kept[N_LANE] = {0}, doubtful[N_LANE];
    int has_pair = 0;
    for (int lane = 0; lane < n_lane; lane++) {
        middle[lane] = (double)s->middle[to + lane];
        span[lane] = (double)s->span[to + lane];
        part[lane] = (double)s->part[to + lane];
    }
    load_spread(s, row, at, n_lane, (const floats *)column, spread, inverse, roots);
    for (int lane = 0; lane < N_LANE; lane += LANES) {
        const struct test t = {
            s, (const floats *)column, (const doubles *)spread, (const doubles *)inverse, lane,
            load_reals(middle + lane), load_reals(span + lane), load_reals(part + lane),
            load_reals(roots + lane),
            __builtin_convertvector(widened_wholes(n_there + lane), reals)};
        masks count = {0};
        for (int k = 0; k < s->n_frame; k++) {
            const reals value = widened(column[k] + lane);
            store_masks(kept[k] + lane, value - value == 0.0);
        }
        if (s->iterations)
            test_round(&t, 1, kept, next);
        /* Where nothing changes another round would find the same. */
        for (int round = 1; round < s->iterations && test_round(&t, 0, kept, next);)
            round++;
        for (int k = 0; k < s->n_frame; k++)
            count -= load_masks(kept[k] + lane);
        store_wholes(n_kept + lane, count);
    }
    for (int lane = 0; lane < N_LANE; lane++) {
        doubtful[lane] = (2 * n_kept[lane] <= n_there[lane]) & (n_there[lane] > 2);
        has_pair |= n_there[lane] == 2;
    }
    if (s->iterations && has_pair)
        test_pairs(s, (const floats *)column, (const doubles *)spread, span, part, n_there,
                   kept, doubtful);
    for (int k = 0; k < s->n_frame; k++)
        for (int lane = 0; lane < N_LANE; lane++)
            column[k][lane] = kept[k][lane] ? column[k][lane] : NAN;
    for (int lane = 0; lane < n_lane; lane++)
        s->doubtful[to + lane] = (uint8_t)doubtful[lane];
}
