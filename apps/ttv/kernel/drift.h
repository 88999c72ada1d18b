/* The drift of many bodies along their Kepler orbits, stage by stage. */
#ifndef OPENASTRO_DRIFT_H
#define OPENASTRO_DRIFT_H

#include "system.h"

#define MAX_BODIES (2 * MAX_PLANETS)

/* By how much the first guesses of s were too small in the last three steps. */
struct history {
    int oldest;
    vec missed[3][MAX_PLANETS];
};

/* Where bodies start from: positions and their distances, velocities, and what they circle about. */
struct departure {
    const struct body *at, *going; /* positions are those of `at`, velocities of `going` */
    const struct distance *d;
    const vec *gm;
};

INLINE struct body body_of(const struct departure *from, int i)
{
    const struct body *at = &from->at[i], *going = &from->going[i];
    return (struct body){at->x, at->y, at->z, going->vx, going->vy, going->vz};
}

/* Move n bodies along their orbits, each for a time of at most half a period: dt[0], dt[stride], ...
 * Returns lanes where an orbit is not an ellipse.
 *
 * All go from stage to stage together. A processor works ahead into the next body's stage, but would
 * not see the end of one body's whole chain of operations, most of which wait for the one before.
 * What a first guess misses is smooth in time; where there is a history, the guess follows the
 * parabola through the last three. */
INLINE mask drift_from(
    int n, const struct departure *from, const vec *dt, int stride, struct history *history,
    struct body *to, struct distance *to_d)
{
    vec rough[MAX_BODIES], start[MAX_BODIES], *last[3];
    struct orbit o[MAX_BODIES];
    struct gauss g[MAX_BODIES];
    struct arc arcs[MAX_BODIES];
    mask open[MAX_BODIES], some = {0}, unbound = {0};
    for (int i = 0; i < 3 && history; i++)
        last[i] = history->missed[(history->oldest + i) % 3];
    for (int i = 0; i < n; i++) {
        struct body b = body_of(from, i);
        o[i] = orbit_at(&b, from->d[i], from->gm[i]);
        unbound = unbound | ~(o[i].beta > broadcast(0.0)); /* NaN, too */
        rough[i] = start[i] = first_guess(&o[i], dt[i * stride]);
        if (history)
            start[i] = rough[i] + (broadcast(3.0) * (last[2][i] - last[1][i]) + last[0][i]);
    }
    for (int i = 0; i < n; i++)
        g[i] = gauss_series(o[i].beta, start[i]);
    for (int i = 0; i < n; i++) {
        open[i] = ~approach(&o[i], dt[i * stride], start[i], &g[i], SERIES_LIMIT, &arcs[i]);
        some = some | open[i];
    }
    if (__builtin_expect(any(some), 0))
        for (int i = 0; i < n; i++)
            if (any(open[i]))
                solve_on(&o[i], dt[i * stride], open[i], &arcs[i]);
    for (int i = 0; i < n; i++) {
        struct body b = body_of(from, i);
        to_d[i] = move(&b, &o[i], dt[i * stride], &arcs[i], &to[i]);
        if (history)
            last[0][i] = arcs[i].s - rough[i];
    }
    for (int i = 0; i < n; i++) {
        struct body b = body_of(from, i);
        turn(&b, &o[i], to_d[i], &arcs[i], &to[i]);
    }
    if (history)
        history->oldest = (history->oldest + 1) % 3;
    return unbound;
}

/* The same for bodies that have no history and whose distances are not at hand. */
INLINE void drift_all(int n, const vec *gm, struct body *b, const vec *dt, int stride)
{
    struct body from[MAX_BODIES];
    struct distance d[MAX_BODIES], to_d[MAX_BODIES];
    for (int i = 0; i < n; i++)
        from[i] = b[i];
    measure(n, from, d);
    struct departure departure = {from, from, d, gm};
    drift_from(n, &departure, dt, stride, NULL, b, to_d);
}

#endif
