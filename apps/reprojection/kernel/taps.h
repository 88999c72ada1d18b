/* Interpolation with TAPS taps each way: included once for each number, with TAPS defined.
 *
 * Value: sum of wy[j] * wx[i] * p, variance: sum of (wy[j] * wx[i])^2 * v, lanes along a row. */
#define PASTE(name, taps) name##taps
#define PASTE_AGAIN(name, taps) PASTE(name, taps)
#define OF(name) PASTE_AGAIN(name, TAPS)

#if TAPS == 6
#define LINE 8
typedef vec8 OF(line);
#define LOAD load8
#define FOLD fold8
#else
#define LINE 4
typedef vec4 OF(line);
#define LOAD load4
#define FOLD(v) (v)
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
    const struct planes *planes, const struct interpolation *how, size_t at, OF(line) vx,
    OF(line) vy, float *value, float *variance)
{
    float sum = 0.0f, spread = 0.0f, good = 0.0f, lost = 0.0f, all = 0.0f, wx[LINE], wy[LINE];
    memcpy(wx, &vx, sizeof vx);
    memcpy(wy, &vy, sizeof vy);
    for (int j = 0; j < TAPS; j++)
        for (int i = 0; i < TAPS; i++) {
            size_t here = at + (size_t)j * planes->stride + (size_t)i;
            float w = wy[j] * wx[i], size = w < 0.0f ? -w : w;
            all += size;
            if (planes->flags[here]) {
                lost += size;
                continue;
            }
            float v = planes->variance ? planes->variance[here] : planes->constant_variance;
            good += w;
            sum += w * planes->values[here];
            spread += w * w * v;
        }
    int is_enough = lost <= how->most_lost * all && good > 0.0f;
    *value = is_enough ? sum / good : NOTHING;
    *variance = is_enough ? spread / (good * good) : NOTHING;
}

/* Four pixels, none of whose taps is masked. */
INLINE void OF(four)(
    const struct planes *planes, const struct interpolation *how, const struct places *at,
    const size_t start[4], int has_plane, float *values, float *variance)
{
    vec4 sum[4], spread[4], across[4];
    for (int k = 0; k < 4; k++) {
        const float *p = planes->values + start[k];
        OF(line) wx = OF(weights)(how, at->phase_x[k], at->fraction_x[k]);
        OF(line) wy = OF(weights)(how, at->phase_y[k], at->fraction_y[k]);
        OF(line) total = wy[0] * LOAD(p);
        for (int j = 1; j < TAPS; j++)
            total += wy[j] * LOAD(p + (size_t)j * planes->stride);
        sum[k] = FOLD(total * wx);
        wx = wx * wx;
        wy = wy * wy;
        if (has_plane) {
            const float *v = planes->variance + start[k];
            OF(line) noise = wy[0] * LOAD(v);
            for (int j = 1; j < TAPS; j++)
                noise += wy[j] * LOAD(v + (size_t)j * planes->stride);
            spread[k] = FOLD(noise * wx);
        } else {
            spread[k] = FOLD(wx);
            across[k] = FOLD(wy);
        }
    }
    vec4 noise = sums4(spread[0], spread[1], spread[2], spread[3]);
    if (!has_plane)
        noise = noise * sums4(across[0], across[1], across[2], across[3]) *
                planes->constant_variance;
    store4(values, sums4(sum[0], sum[1], sum[2], sum[3]));
    store4(variance, noise);
}

/* Interpolate n pixels, room for a multiple of 4. */
INLINE long OF(interpolate_as)(
    const struct planes *planes, const struct interpolation *how, const struct row *row, int n,
    int has_plane, float *values, float *variance)
{
    const int32_t before = TAPS / 2 - 1, first = (int32_t)planes->first + before;
    const int32_t stride = (int32_t)planes->stride;
    const whole4 last = (whole4){0} + ((int32_t)planes->n_row - TAPS);
    long missing = 0;
    for (int begin = 0; begin < n; begin += 4) {
        struct places at;
        locate(planes, row->x + begin, row->y + begin, TAPS == 6 ? how->n_phase : 1, &at);
        whole4 line = at.y - first, is_there = (line >= 0) & (line <= last) & at.inside;
        whole4 place = (line * stride + (at.x - before + MARGIN_BEFORE)) & is_there;
        size_t start[4];
        int state[4], flags = 0;
        for (int k = 0; k < 4; k++) {
            start[k] = (size_t)place[k];
            flags |= planes->windows[start[k]];
        }
        if (planes->n_row < TAPS) {
            start[0] = start[1] = start[2] = start[3] = 0;
            is_there = (whole4){0};
        } else if (is_there[0] | is_there[1] | is_there[2] | is_there[3]) {
            OF(four)(planes, how, &at, start, has_plane, values + begin, variance + begin);
        }
        if (flags == 0 && (is_there[0] & is_there[1] & is_there[2] & is_there[3]))
            continue;
        for (int k = 0; k < 4; k++)
            state[k] = !at.inside[k]                    ? OUTSIDE
                       : !is_there[k]                   ? MISSING
                       : planes->windows[start[k]] != 0 ? MASKED
                                                        : FINE;
        for (int k = 0; k < 4; k++) {
            float *value = values + begin + k, *noise = variance + begin + k;
            if (state[k] == MASKED) {
                OF(patch)(
                    planes, how, start[k], OF(weights)(how, at.phase_x[k], at.fraction_x[k]),
                    OF(weights)(how, at.phase_y[k], at.fraction_y[k]), value, noise);
            } else if (state[k] != FINE) {
                *value = *noise = NOTHING;
                missing += state[k] == MISSING && begin + k < n;
            }
        }
    }
    return missing;
}

INLINE long OF(interpolate)(
    const struct planes *planes, const struct interpolation *how, const struct row *row, int n,
    float *values, float *variance)
{
    return planes->variance ? OF(interpolate_as)(planes, how, row, n, 1, values, variance)
                            : OF(interpolate_as)(planes, how, row, n, 0, values, variance);
}

#undef PASTE
#undef PASTE_AGAIN
#undef OF
#undef LINE
#undef LOAD
#undef FOLD
#undef TAPS
