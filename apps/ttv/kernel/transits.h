/* Transits: found as changes of sign, gathered, and refined many at a time.
 *
 * A planet is nearest to the star's centre on the sky where D = x vx + y vy = 0, rising, in front
 * of the star. The integrator stands at half steps; a change of sign there gives a candidate.
 * A planet's candidates of all lanes are packed into full vectors before they are refined. */
#ifndef OPENASTRO_TRANSITS_H
#define OPENASTRO_TRANSITS_H

#include <string.h>

#include "system.h"

/* Newton steps along an arc of less than a step; from an error of 0.4 rad, the longest, they leave
 * 4e-2, 4e-5, 4e-14 and nothing: D is odd about its zero, so each cubes the error. */
#define ARC_ITERATIONS 4

/* Candidates of one planet, each in a lane, that wait until they fill a vector. */
struct queue {
    int n;
    struct system system;
    struct body before[MAX_PLANETS]; /* Jacobi states before and after the change of sign */
    struct body after[MAX_PLANETS];
    double step[LANES];              /* half steps until `after`, whose time is (step + 1/2) dt */
    double *times[LANES];            /* where the answers go */
};

/* The first of a queue goes to all lanes, so that none of them is ever empty. */
INLINE void put(vec *to, int slot, const vec *from, int lane)
{
    if (slot == 0)
        *to = broadcast((*from)[lane]);
    else
        (*to)[slot] = (*from)[lane];
}

INLINE void put_body(struct body *to, int slot, const struct body *from, int lane)
{
    put(&to->x, slot, &from->x, lane);
    put(&to->y, slot, &from->y, lane);
    put(&to->z, slot, &from->z, lane);
    put(&to->vx, slot, &from->vx, lane);
    put(&to->vy, slot, &from->vy, lane);
    put(&to->vz, slot, &from->vz, lane);
}

/* Append one lane's system and its states about the change of sign. */
static void append(
    int n, int place, struct queue *q, const struct system *s, const struct body *before,
    const struct body *after, int lane, double step, double *time)
{
    int slot = q->n++;
    q->step[slot] = step;
    q->times[slot] = time;
    put(&q->system.star, slot, &s->star, lane);
    for (int i = 0; i < n; i++) {
        put(&q->system.planet[i], slot, &s->planet[i], lane);
        put(&q->system.gm[i], slot, &s->gm[i], lane);
        put(&q->system.inverse_inside[i], slot, &s->inverse_inside[i], lane);
        put(&q->system.share[i], slot, &s->share[i], lane);
        put(&q->system.limit[i], slot, &s->limit[i], lane);
        put_body(&q->after[i], slot, &after[i], lane);
        if (i <= place) /* those outside do not move the planet's own coordinates */
            put_body(&q->before[i], slot, &before[i], lane);
    }
}

/* Heliocentric position and velocity of one planet: those outside of it do not matter. */
INLINE struct body heliocentric_of(int place, const struct system *s, const struct body *b)
{
    struct body found = b[place];
    for (int i = 0; i < place; i++) {
        found.x = found.x + s->share[i] * b[i].x;
        found.y = found.y + s->share[i] * b[i].y;
        found.z = found.z + s->share[i] * b[i].z;
        found.vx = found.vx + s->share[i] * b[i].vx;
        found.vy = found.vy + s->share[i] * b[i].vy;
        found.vz = found.vz + s->share[i] * b[i].vz;
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

/* Refine the candidates of one planet, and empty the queue.
 *
 * The transit lies between two whole steps, of which the nearer one is half a step before the
 * state after the change. Its time is found on the osculating orbits of both ends and blended by
 * the distance from each (Deck et al. 2014, ApJ 787, 132, section 3.2). */
static __attribute__((noinline)) void refine(
    int n, int place, struct queue *q, double step, int modified)
{
    const struct system *s = &q->system;
    struct body kicked[MAX_PLANETS];
    struct body *after = q->after;
    vec gm = s->star + s->planet[place], dt = broadcast(step), half = broadcast(0.5 * step);
    for (int i = 0; i < n; i++)
        kicked[i] = after[i];
    kick_alone(n, s, kicked, dt, modified);
    drift_all(place + 1, s, after, -half);
    struct body near = heliocentric_of(place, s, after);
    mask earlier = near.x * near.vx + near.y * near.vy > broadcast(0.0);
    vec way = choose(earlier, -dt, dt);
    for (int i = 0; i <= place; i++) {
        struct body *end = &kicked[i], *start = &q->before[i];
        end->x = choose(earlier, start->x, end->x);
        end->y = choose(earlier, start->y, end->y);
        end->z = choose(earlier, start->z, end->z);
        end->vx = choose(earlier, start->vx, end->vx);
        end->vy = choose(earlier, start->vy, end->vy);
        end->vz = choose(earlier, start->vz, end->vz);
    }
    drift_all(place + 1, s, kicked, broadcast(0.5) * way);
    struct body other = heliocentric_of(place, s, kicked);
    vec from_near = time_to_transit(&near, gm, broadcast(0.25) * way);
    vec from_other = way + time_to_transit(&other, gm, broadcast(-0.75) * way);
    /* t = near (1 - t / way) + other (t / way), solved for t */
    vec t = from_near / (broadcast(1.0) + (from_near - from_other) / way);
    for (int slot = 0; slot < q->n; slot++)
        *q->times[slot] = q->step[slot] * step + t[slot];
    q->n = 0;
}

#endif
