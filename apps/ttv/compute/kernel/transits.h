/* Transits: found as changes of sign, gathered, and refined many at a time.
 *
 * A planet is nearest to the star's centre on the sky where D = x vx + y vy = 0, rising, in front
 * of the star. The integrator stands at half steps; a change of sign there gives a candidate.
 * A planet's candidates of all lanes are refined together. */
#ifndef OPENASTRO_TRANSITS_H
#define OPENASTRO_TRANSITS_H

#include <string.h>

#include "drift.h"

/* Newton's method along an arc of less than a step ends with a step of at most this part of it: what
 * that leaves goes with its square. From the straight line between the half steps that is the second step or the
 * third: D is almost odd about its zero, where each step cubes the error. */
#define ARC_FINISHED 1e-6
#define ARC_ITERATIONS 30

/* Candidates of one planet, each in the lane of its parameter set, that wait until one of these has
 * another. A planet passes once a period in every lane, so that then nearly all have theirs. */
struct queue {
    mask waiting;
    struct body here[MAX_PLANETS];  /* Jacobi states after the change of sign, of the planet and all inside */
    struct body there[MAX_PLANETS]; /* before it or kicked: at half a step from the other end */
    vec step, guess;                /* half steps until `here`, at step + 1/2; the transit after `step` */
    double *times[LANES];           /* where the answers go */
};

INLINE void put(vec *to, mask lanes, vec from) { *to = choose(lanes, from, *to); }

/* Put lanes' states about the change of sign into a queue: before and after it, and the velocities that
 * the next kick gives. A queue that was empty takes all lanes, so that there is a state in each. */
INLINE void gather(
    struct queue *q, int place, mask lanes, const struct body *before, const struct body *after,
    const struct body *kicked)
{
    mask earlier = q->guess < broadcast(0.0), into = any(q->waiting) ? lanes : ~(mask){0};
    for (int i = 0; i <= place; i++) {
        const struct body *a = &after[i], *b = &before[i], *k = &kicked[i];
        struct body *here = &q->here[i], *there = &q->there[i];
        put(&here->x, into, a->x);
        put(&here->y, into, a->y);
        put(&here->z, into, a->z);
        put(&here->vx, into, a->vx);
        put(&here->vy, into, a->vy);
        put(&here->vz, into, a->vz);
        put(&there->x, into, choose(earlier, b->x, a->x));
        put(&there->y, into, choose(earlier, b->y, a->y));
        put(&there->z, into, choose(earlier, b->z, a->z));
        put(&there->vx, into, choose(earlier, b->vx, k->vx));
        put(&there->vy, into, choose(earlier, b->vy, k->vy));
        put(&there->vz, into, choose(earlier, b->vz, k->vz));
    }
    q->waiting = q->waiting | lanes;
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

/* A heliocentric state and its time to the transit, which is between low and high. */
struct end {
    struct body at;
    struct orbit orbit;
    vec s, time, low, high;
    mask active;
};

/* Newton's method for the zero of D on the osculating orbit, inside a bracket;
 * dD/dt = vx^2 + vy^2 - gm (x^2 + y^2) / r^3. */
INLINE void approach_transit(struct end *end)
{
    const struct body *b = &end->at;
    const struct orbit *o = &end->orbit;
    struct gauss g = gauss_of(o->beta, end->s);
    vec inverse_r = broadcast(1.0) / distance_at(o, &g), time = time_at(o, end->s, &g);
    vec pull = o->potential, here = o->gm * inverse_r;
    vec f = broadcast(1.0) - pull * g.g2, h = time - o->gm * g.g3;
    vec f_dot = -(pull * inverse_r * g.g1), h_dot = broadcast(1.0) - here * g.g2;
    vec x = f * b->x + h * b->vx, y = f * b->y + h * b->vy;
    vec vx = f_dot * b->x + h_dot * b->vx, vy = f_dot * b->y + h_dot * b->vy;
    vec rise = vx * vx + vy * vy - here * inverse_r * inverse_r * (x * x + y * y);
    vec rate = x * vx + y * vy, wait = -rate / rise;
    end->low = choose(rate < broadcast(0.0), time, end->low);
    end->high = choose(rate < broadcast(0.0), end->high, time);
    vec next = time + wait;
    mask inside = (next >= end->low) & (next <= end->high);
    next = choose(inside, next, broadcast(0.5) * (end->low + end->high));
    wait = next - time;
    end->s = choose(end->active, end->s + wait * inverse_r, end->s);
    end->time = choose(end->active, next, end->time);
    end->active = end->active & (magnitude(wait) > broadcast(ARC_FINISHED));
}

/* Refine the candidates of one planet, and empty the queue.
 *
 * The transit lies between two whole steps, of which the nearer one is half a step before the
 * state after the change; on which side of it, the straight line between the half steps says. Both
 * ends go through every stage side by side. The time is found on the osculating orbits of both ends and blended by
 * the distance from each (Deck et al. 2014, ApJ 787, 132, section 3.2). */
static __attribute__((noinline)) void refine(
    const struct system *s, int place, struct queue *q, double dt)
{
    struct body bodies[2 * MAX_PLANETS];
    vec gm[2 * MAX_PLANETS], times[2 * MAX_PLANETS];
    vec forward = broadcast(1.0), reach = broadcast(0.6), guess = q->guess;
    vec way = choose(guess < broadcast(0.0), -forward, forward);
    int m = place + 1; /* those outside do not move the planet's own coordinates */
    for (int i = 0; i < m; i++) {
        bodies[i] = q->here[i];
        bodies[m + i] = q->there[i];
        gm[i] = gm[m + i] = s->gm[i];
        times[i] = broadcast(-0.5);
        times[m + i] = broadcast(0.5) * way;
    }
    drift_all(2 * m, gm, bodies, times);
    struct end ends[2];
    for (int i = 0; i < 2; i++) {
        struct end *end = &ends[i];
        end->at = heliocentric_of(place, s, bodies + i * m);
        orbit_of(&end->at, s->star + s->planet[place], &end->orbit);
        end->time = i ? guess - way : guess;
        end->s = first_guess(&end->orbit, end->time);
        end->active = q->waiting;
        /* The change of sign is half a step away at most; the osculating orbit's may be a bit more. */
        end->low = end->time - (guess + reach);
        end->high = end->time + (reach - guess);
    }
    for (int i = 0; i < ARC_ITERATIONS && any(ends[0].active | ends[1].active); i++)
        for (int k = 0; k < 2; k++)
            approach_transit(&ends[k]);
    /* t = near (1 - t / way) + other (t / way), solved for t */
    vec near = ends[0].time, other = way + ends[1].time;
    vec t = q->step + near / (forward + (near - other) / way);
    for (int lane = 0; lane < LANES; lane++)
        if (q->waiting[lane])
            *q->times[lane] = t[lane] * dt;
    q->waiting = (mask){0};
}

#endif
