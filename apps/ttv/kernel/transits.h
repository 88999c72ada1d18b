/* Transits: found as changes of sign, gathered, and refined many at a time.
 *
 * A planet is nearest to the star's centre on the sky where D = x vx + y vy = 0, rising, in front
 * of the star. The integrator stands at half steps; a change of sign there gives a candidate.
 * Candidates of all lanes and planets are packed into full vectors before they are refined. */
#ifndef OPENASTRO_TRANSITS_H
#define OPENASTRO_TRANSITS_H

#include <string.h>

#include "system.h"

/* Newton steps along an arc of less than a step; from an error of 0.4 rad, the longest, they leave
 * 4e-2, 4e-5, 4e-14 and nothing: D is odd about its zero, so each cubes the error. */
#define ARC_ITERATIONS 4
/* Room for the candidates of one step (LANES of each planet) and for LANES - 1 that wait. */
#define MAX_CANDIDATES (LANES * (MAX_PLANETS + 1))

struct candidate {
    int lane, place;
    double step;                    /* number of half steps' time: time = (step + 1/2) dt */
    double *time;                   /* where the answer goes */
    double before[MAX_PLANETS][6];  /* Jacobi states before and after the change of sign */
    double after[MAX_PLANETS][6];
};

struct queue {
    int n;
    struct candidate candidates[MAX_CANDIDATES];
};

INLINE void get_lane(const struct body *b, int lane, double state[6])
{
    state[0] = b->x[lane];
    state[1] = b->y[lane];
    state[2] = b->z[lane];
    state[3] = b->vx[lane];
    state[4] = b->vy[lane];
    state[5] = b->vz[lane];
}

/* Heliocentric position and velocity of each lane's own planet. */
INLINE struct body heliocentric_of(
    int n, const struct system *s, const struct body *b, const mask *own)
{
    struct body found = b[0], centre = b[0];
    centre.x = centre.y = centre.z = centre.vx = centre.vy = centre.vz = broadcast(0.0);
    for (int i = 0; i < n; i++) {
        found.x = choose(own[i], b[i].x + centre.x, found.x);
        found.y = choose(own[i], b[i].y + centre.y, found.y);
        found.z = choose(own[i], b[i].z + centre.z, found.z);
        found.vx = choose(own[i], b[i].vx + centre.vx, found.vx);
        found.vy = choose(own[i], b[i].vy + centre.vy, found.vy);
        found.vz = choose(own[i], b[i].vz + centre.vz, found.vz);
        centre.x = centre.x + s->share[i] * b[i].x;
        centre.y = centre.y + s->share[i] * b[i].y;
        centre.z = centre.z + s->share[i] * b[i].z;
        centre.vx = centre.vx + s->share[i] * b[i].vx;
        centre.vy = centre.vy + s->share[i] * b[i].vy;
        centre.vz = centre.vz + s->share[i] * b[i].vz;
    }
    return found;
}

/* Time from a heliocentric state to the zero of D on its osculating orbit, by Newton's method;
 * dD/dt = vx^2 + vy^2 - gm (x^2 + y^2) / r^3. */
INLINE vec time_to_transit(const struct body *b, vec gm, vec guess)
{
    struct orbit o = orbit_of(b, gm);
    vec s = guess * o.inverse_r0, t = guess;
    for (int i = 0; i < ARC_ITERATIONS; i++) {
        struct gauss g = gauss_series(o.beta, s);
        vec r = distance_at(&o, &g), inverse_r = broadcast(1.0) / r;
        t = time_at(&o, s, &g);
        vec pull = gm * o.inverse_r0;
        vec f = broadcast(1.0) - pull * g.g2, h = t - gm * g.g3;
        vec f_dot = -pull * inverse_r * g.g1, h_dot = broadcast(1.0) - gm * inverse_r * g.g2;
        vec x = f * b->x + h * b->vx, y = f * b->y + h * b->vy;
        vec vx = f_dot * b->x + h_dot * b->vx, vy = f_dot * b->y + h_dot * b->vy;
        vec rise = vx * vx + vy * vy -
                   gm * inverse_r * inverse_r * inverse_r * (x * x + y * y);
        vec wait = -(x * vx + y * vy) / rise;
        s = s + wait * inverse_r;
        t = t + wait;
    }
    return t;
}

/* Refine up to LANES candidates.
 *
 * The transit lies between two whole steps, of which the nearer one is half a step before the
 * state after the change. Its time is found on the osculating orbits of both ends and blended by
 * the distance from each (Deck et al. 2014, ApJ 787, 132, section 3.2). */
static __attribute__((noinline)) void refine(
    int n_planet, const struct system *all, const struct candidate *c, int n, double step,
    int modified)
{
    struct system s = *all;
    struct body before[MAX_PLANETS], after[MAX_PLANETS], kicked[MAX_PLANETS];
    mask own[MAX_PLANETS];
    vec gm = broadcast(0.0), dt = broadcast(step), half = broadcast(0.5 * step);
    for (int l = 0; l < LANES; l++) {
        const struct candidate *one = &c[l < n ? l : 0];
        s.star[l] = all->star[one->lane];
        for (int i = 0; i < n_planet; i++) {
            set_lane(&before[i], l, one->before[i]);
            set_lane(&after[i], l, one->after[i]);
            s.planet[i][l] = all->planet[i][one->lane];
            s.gm[i][l] = all->gm[i][one->lane];
            s.total[i][l] = all->total[i][one->lane];
            s.share[i][l] = all->share[i][one->lane];
            s.limit[i][l] = 0.0;
            own[i][l] = i == one->place ? -1 : 0;
        }
    }
    for (int i = 0; i < n_planet; i++)
        gm = choose(own[i], s.star + s.planet[i], gm);
    memcpy(kicked, after, sizeof kicked);
    kick_alone(n_planet, &s, kicked, dt, modified);
    drift_all(n_planet, &s, after, -half);
    struct body near = heliocentric_of(n_planet, &s, after, own);
    mask earlier = near.x * near.vx + near.y * near.vy > broadcast(0.0);
    vec way = choose(earlier, -dt, dt);
    for (int i = 0; i < n_planet; i++) {
        struct body *end = &kicked[i], *start = &before[i];
        end->x = choose(earlier, start->x, end->x);
        end->y = choose(earlier, start->y, end->y);
        end->z = choose(earlier, start->z, end->z);
        end->vx = choose(earlier, start->vx, end->vx);
        end->vy = choose(earlier, start->vy, end->vy);
        end->vz = choose(earlier, start->vz, end->vz);
    }
    drift_all(n_planet, &s, kicked, broadcast(0.5) * way);
    struct body other = heliocentric_of(n_planet, &s, kicked, own);
    vec from_near = time_to_transit(&near, gm, broadcast(0.25) * way);
    vec from_other = way + time_to_transit(&other, gm, broadcast(-0.75) * way);
    /* t = near (1 - t / way) + other (t / way), solved for t */
    vec t = from_near / (broadcast(1.0) + (from_near - from_other) / way);
    for (int l = 0; l < n; l++)
        *c[l].time = c[l].step * step + t[l];
}

/* Refine full vectors of candidates, and with `flush` also what is left over. */
static void refine_queue(
    int n_planet, const struct system *s, struct queue *q, double step, int modified, int flush)
{
    int done = 0;
    while (q->n - done >= LANES || (flush && q->n > done)) {
        int n = q->n - done < LANES ? q->n - done : LANES;
        refine(n_planet, s, q->candidates + done, n, step, modified);
        done += n;
    }
    memmove(q->candidates, q->candidates + done, (size_t)(q->n - done) * sizeof *q->candidates);
    q->n -= done;
}

#endif
