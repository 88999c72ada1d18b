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

/* What a velocity says of an orbit. */
struct motion {
    vec eta, beta, zeta;
};

INLINE struct body body_of(const struct departure *from, int i)
{
    const struct body *at = &from->at[i], *going = &from->going[i];
    return (struct body){at->x, at->y, at->z, going->vx, going->vy, going->vz};
}

INLINE void orbit_again(
    const struct departure *from, const struct motion *motions, int i, struct orbit *o)
{
    begin(&from->d[i], from->gm[i], o);
    o->eta = motions[i].eta;
    o->beta = motions[i].beta;
    o->zeta = motions[i].zeta;
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
    struct motion motions[MAX_BODIES];
    struct gauss g[MAX_BODIES];
    struct arc arcs[MAX_BODIES];
    mask far[MAX_BODIES], unbound = {0};
    for (int i = 0; i < 3 && history; i++)
        last[i] = history->missed[(history->oldest + i) % 3];
    for (int i = 0; i < n; i++) {
        struct body b = body_of(from, i);
        struct orbit o;
        begin(&from->d[i], from->gm[i], &o);
        set_off(&b, &o);
        unbound = unbound | ~(o.beta > broadcast(0.0)); /* NaN, too */
        vec guess = first_guess(&o, dt[i * stride]);
        motions[i].eta = o.eta;
        motions[i].beta = o.beta;
        motions[i].zeta = o.zeta;
        rough[i] = guess;
        if (history)
            guess = guess + (broadcast(3.0) * (last[2][i] - last[1][i]) + last[0][i]);
        start[i] = guess;
    }
    for (int i = 0; i < n; i++)
        far[i] = gauss_short(motions[i].beta, start[i], &g[i]);
    for (int i = 0; i < n; i++) {
        struct orbit o;
        orbit_again(from, motions, i, &o);
        struct arc arc;
        mask open = approach(&o, dt[i * stride], start[i], &g[i], far[i], &arc);
        if (__builtin_expect(any(open), 0)) {
            /* Of copies, because only what no address is taken of stays in registers. */
            struct orbit same = o;
            struct arc on = arc;
            solve_on(&same, dt[i * stride], open, &on);
            arc = on;
        }
        if (history)
            last[0][i] = arc.s - rough[i];
        arcs[i].g1 = arc.g1;
        arcs[i].g2 = arc.g2;
        arcs[i].g3 = arc.g3;
        arcs[i].near_inverse = arc.near_inverse;
    }
    for (int i = 0; i < n; i++) {
        struct body b = body_of(from, i);
        struct orbit o;
        begin(&from->d[i], from->gm[i], &o);
        vec inverse_r0 = o.inverse_r0; /* d may be overwritten */
        move(&b, &o, dt[i * stride], &arcs[i], &to[i], &to_d[i]);
        turn(&b, inverse_r0, to_d[i].potential, arcs[i].g1, arcs[i].g2, &to[i]);
    }
    if (history)
        history->oldest = (history->oldest + 1) % 3;
    return unbound;
}

/* The same for bodies that have no history and whose distances are not at hand; dt is (n,). */
static __attribute__((noinline)) void drift_all(int n, const vec *gm, struct body *b, const vec *dt)
{
    struct body from[MAX_BODIES];
    struct distance d[MAX_BODIES], to_d[MAX_BODIES];
    for (int i = 0; i < n; i++) {
        from[i] = b[i];
        distance_of(&from[i], gm[i], &d[i]);
    }
    struct departure departure = {from, from, d, gm};
    drift_from(n, &departure, dt, 1, NULL, b, to_d);
}

/* And all for the same time. */
static void drift_for(int n, const vec *gm, struct body *b, double dt)
{
    vec times[MAX_PLANETS];
    for (int i = 0; i < MAX_PLANETS; i++)
        times[i] = broadcast(dt);
    drift_all(n, gm, b, times);
}

#endif
