/* Interpolation with TAPS taps each way: included once for each number, with TAPS defined.
 *
 * Value: sum of wy[j] * wx[i] * p, variance: the mean of v with the weights (wy[j] * wx[i])^2, lanes
 * along a row. The variance is that of the noise in areas of many pixels, because interpolation
 * moves what it takes from a pixel's own variance into the covariances with its neighbours. */
#define PASTE(name, taps) name##taps
#define PASTE_AGAIN(name, taps) PASTE(name, taps)
#define OF(name) PASTE_AGAIN(name, TAPS)

#if TAPS == 6
#define LINE 8
typedef vec8 OF(line);
typedef line16 OF(pairs);
#define LOAD load8
#define FOLD fold8
#define LOAD_PAIRS LOAD_16
#define FILL_PAIRS FILL_16
#define FOLD_PAIRS fold_line16
#define STORE_SQUARES store_squares8
#else
#define LINE 4
typedef vec4 OF(line);
typedef line8 OF(pairs);
#define LOAD load4
#define FOLD(v) (v)
#define LOAD_PAIRS LOAD_8
#define FILL_PAIRS FILL_8
#define FOLD_PAIRS fold_line8
#define STORE_SQUARES store_squares4
#endif

/* Weights of the taps that begin TAPS / 2 - 1 pixels before a pixel, for a point behind it: by
 * `fraction` of a pixel, or of a phase after `phase`. */
INLINE OF(line) OF(weights)(const struct interpolation *how, int phase, float fraction)
{
#if TAPS == 2
    (void)how;
    (void)phase;
    return (vec4){1.0f - fraction, fraction, 0.0f, 0.0f};
#elif TAPS == 4
    /* Keys (1981), IEEE Trans. ASSP 29, 1153, with a = -1/2. */
    (void)how;
    (void)phase;
    const vec4 c1 = {-0.5f, 0.0f, 0.5f, 0.0f}, c2 = {1.0f, -2.5f, 2.0f, -0.5f};
    const vec4 c3 = {-0.5f, 1.5f, -1.5f, 0.5f}, c0 = {0.0f, 1.0f, 0.0f, 0.0f};
    vec4 v = {fraction, fraction, fraction, fraction};
    return ((c3 * v + c2) * v + c1) * v + c0;
#else
    vec8 v = {fraction, fraction, fraction, fraction, fraction, fraction, fraction, fraction};
    const float *both = how->table + 16 * phase;
    return load8(both) + v * load8(both + 8);
#endif
}

/* A pixel with masked taps: those that are left, if they are enough, with weights of sum 1. */
static __attribute__((noinline)) void OF(patch)(
    const struct planes *planes, const struct interpolation *how, size_t at,
    const float (*wx)[2], const float (*wy)[2], float *value, float *variance)
{
    float sum = 0.0f, spread = 0.0f, squares = 0.0f, good = 0.0f, lost = 0.0f, all = 0.0f;
    for (int j = 0; j < TAPS; j++)
        for (int i = 0; i < TAPS; i++) {
            size_t here = at + (size_t)j * planes->stride + (size_t)i;
            float w = wy[j][0] * wx[i][0], size = w < 0.0f ? -w : w;
            all += size;
            if (planes->flags[here]) {
                lost += size;
                continue;
            }
            const float *pixel = planes->values + here * (size_t)planes->depth;
            float v = planes->depth == 2 ? pixel[1] : planes->constant_variance;
            good += w;
            sum += w * pixel[0];
            squares += w * w;
            spread += w * w * v;
        }
    int is_enough = lost <= how->most_lost * all && good > 0.0f;
    *value = is_enough ? sum / good : NOTHING;
    *variance = is_enough ? spread / squares : NOTHING;
}

/* The weights of each pixel of a run, each followed by its square: in memory, from where a pair of
 * them fills a register in one instruction. */
struct OF(run_weights) {
    float x[RUN][LINE][2], y[RUN][LINE][2];
    float squares[RUN]; /* the sum of all squares of a pixel */
};

/* Four pixels, none of whose taps is masked: values and variances side by side. */
INLINE void OF(four_pairs)(
    const struct planes *planes, const struct OF(run_weights) *weights, const int32_t *start,
    int begin, float *values, float *variance)
{
    vec4 sum[4];
    for (int k = 0; k < 4; k++) {
        const float *p = planes->values + 2 * (size_t)start[k];
        const float (*wy)[2] = weights->y[begin + k];
        OF(pairs) total;
        const int n_vector = (int)(sizeof total.v / sizeof total.v[0]), lanes = 2 * LINE / n_vector;
        for (int i = 0; i < n_vector; i++)
            total.v[i] = FILL_PAIRS(wy[0]) * LOAD_PAIRS(p + i * lanes);
        for (int j = 1; j < TAPS; j++) {
            const float *row = p + 2 * (size_t)j * planes->stride;
            for (int i = 0; i < n_vector; i++)
                total.v[i] += FILL_PAIRS(wy[j]) * LOAD_PAIRS(row + i * lanes);
        }
        const float *wx = weights->x[begin + k][0];
        for (int i = 0; i < n_vector; i++)
            total.v[i] *= LOAD_PAIRS(wx + i * lanes);
        sum[k] = FOLD_PAIRS(&total);
    }
    vec4 low = SHUFFLE(sum[0], sum[1], 0, 1, 4, 5) + SHUFFLE(sum[0], sum[1], 2, 3, 6, 7);
    vec4 high = SHUFFLE(sum[2], sum[3], 0, 1, 4, 5) + SHUFFLE(sum[2], sum[3], 2, 3, 6, 7);
    store4(values + begin, SHUFFLE(low, high, 0, 2, 4, 6));
    store4(variance + begin, SHUFFLE(low, high, 1, 3, 5, 7) / load4(weights->squares + begin));
}

/* The same where the variance is the same for all pixels. */
INLINE void OF(four)(
    const struct planes *planes, const struct places *at, const struct interpolation *how,
    int begin, float *values, float *variance)
{
    vec4 sum[4];
    for (int k = 0; k < 4; k++) {
        const float *p = planes->values + at->start[begin + k];
        OF(line) wx = OF(weights)(how, at->phase_x[begin + k], at->fraction_x[begin + k]);
        OF(line) wy = OF(weights)(how, at->phase_y[begin + k], at->fraction_y[begin + k]);
        OF(line) total = wy[0] * LOAD(p);
        for (int j = 1; j < TAPS; j++)
            total += wy[j] * LOAD(p + (size_t)j * planes->stride);
        sum[k] = FOLD(total * wx);
    }
    store4(values + begin, sums4(sum[0], sum[1], sum[2], sum[3]));
    for (int k = 0; k < 4; k++)
        variance[begin + k] = planes->constant_variance;
}

/* Interpolate a run of n pixels, room for a multiple of 4. */
INLINE long OF(interpolate)(
    const struct planes *planes, const struct interpolation *how, const double *x, const double *y,
    int n, float *values, float *variance)
{
    struct places at;
    struct OF(run_weights) weights;
    const int has_pairs = planes->depth == 2;
    locate(planes, x, y, n, TAPS, TAPS == 6 ? how->n_phase : 1, &at);
    for (int i = 0; has_pairs && i < ((n + 3) & ~3); i++) {
        OF(line) wx = OF(weights)(how, at.phase_x[i], at.fraction_x[i]);
        OF(line) wy = OF(weights)(how, at.phase_y[i], at.fraction_y[i]);
        STORE_SQUARES(weights.x[i][0], wx);
        STORE_SQUARES(weights.y[i][0], wy);
        vec4 along = FOLD(wx * wx), across = FOLD(wy * wy);
        weights.squares[i] = ((along[0] + along[2]) + (along[1] + along[3])) *
                             ((across[0] + across[2]) + (across[1] + across[3]));
    }
    long missing = 0;
    for (int begin = 0; begin < n; begin += 4) {
        const int32_t *start = at.start + begin, *is_there = at.is_there + begin;
        int is_any = is_there[0] | is_there[1] | is_there[2] | is_there[3];
        if (is_any && has_pairs)
            OF(four_pairs)(planes, &weights, start, begin, values, variance);
        else if (is_any)
            OF(four)(planes, &at, how, begin, values, variance);
        uint8_t flags = planes->windows[start[0]] | planes->windows[start[1]] |
                        planes->windows[start[2]] | planes->windows[start[3]];
        if (flags == 0 && (is_there[0] & is_there[1] & is_there[2] & is_there[3]))
            continue;
        for (int i = begin; i < begin + 4 && i < n; i++) {
            if (!at.is_there[i]) {
                values[i] = variance[i] = NOTHING;
                missing += at.inside[i] != 0;
            } else if (planes->windows[at.start[i]]) {
                float wx[LINE][2], wy[LINE][2];
                STORE_SQUARES(wx[0], OF(weights)(how, at.phase_x[i], at.fraction_x[i]));
                STORE_SQUARES(wy[0], OF(weights)(how, at.phase_y[i], at.fraction_y[i]));
                OF(patch)(planes, how, (size_t)at.start[i], wx, wy, values + i, variance + i);
            }
        }
    }
    return missing;
}

#undef PASTE
#undef PASTE_AGAIN
#undef OF
#undef LINE
#undef LOAD
#undef FOLD
#undef LOAD_PAIRS
#undef FILL_PAIRS
#undef FOLD_PAIRS
#undef STORE_SQUARES
#undef TAPS
