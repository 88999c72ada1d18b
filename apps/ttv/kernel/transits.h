/* Transits: found as changes of sign, gathered, and refined many at a time.
 *
 * A planet is nearest to the star's centre on the sky where D = x vx + y vy = 0, rising, in front
 * of the star. The integrator stands at half steps; a change of sign there gives a candidate.
 * A planet's candidates of all lanes are packed into full vectors before they are refined. */
#ifndef OPENASTRO_TRANSITS_H
#define OPENASTRO_TRANSITS_H

#include <string.h>

#include "drift.h"

/* Newton's method along an arc of less than a step ends with a step of at most this part of it: what
 * that leaves goes with its square. From the straight line between the half steps that is the second step or the
 * third: D is almost odd about its zero, where each step cubes the error. */
#define ARC_FINISHED 1e-6
#define ARC_ITERATIONS 30

/* Candidates of one planet, each in a lane, that wait until they fill a vector. */
struct queue {
    int n;
    struct system system;
    struct body before[MAX_PLANETS]; /* Jacobi states before and after the change of sign */
    struct body after[MAX_PLANETS];
    double step[LANES];              /* half steps until `after`, whose time is (step + 1/2) dt */
    vec guess;                       /* of the transit, in steps after `step` */
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
    const struct body *after, int lane, double step, double guess, double *time)
{
    int slot = q->n++;
    vec guesses = broadcast(guess);
    put(&q->guess, slot, &guesses, lane);
    q->step[slot] = step;
    q->times[slot] = time;
    put(&q->system.star, slot, &s->star, lane);
    for (int i = 0; i < n; i++) {
        put(&q->system.planet[i], slot, &s->planet[i], lane);
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

/* A heliocentric state and its time to the transit, which is between low and high. */
struct end {
    struct body at;
    struct orbit orbit;
    vec s, time, low, high;
    mask active;
};

/* Newton's method for the zero of D on the osculating orbit, inside a bracket;
 * dD/dt = vx^2 + vy^2 - gm (x^2 + y^2) / r^3. */
INLINE void approach_transit(struct end *end, vec finished)
{
    const struct body *b = &end->at;
    const struct orbit *o = &end->orbit;
    struct gauss g = gauss_of(o->beta, end->s);
    vec inverse_r = broadcast(1.0) / distance_at(o, &g), time = time_at(o, end->s, &g);
    vec pull = o->gm * o->inverse_r0, here = o->gm * inverse_r;
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
    end->active = end->active & (magnitude(wait) > finished);
}

/* Refine the candidates of one planet, and empty the queue.
 *
 * The transit lies between two whole steps, of which the nearer one is half a step before the
 * state after the change; on which side of it, the straight line between the half steps says. Both
 * ends go through every stage side by side. The time is found on the osculating orbits of both ends and blended by
 * the distance from each (Deck et al. 2014, ApJ 787, 132, section 3.2). */
static __attribute__((noinline)) void refine(
    int n, int place, struct queue *q, double step, int modified)
{
    const struct system *s = &q->system;
    derive(n, &q->system);
    struct body kicked[MAX_PLANETS], bodies[2 * MAX_PLANETS];
    vec gm[2 * MAX_PLANETS], times[2 * MAX_PLANETS];
    vec dt = broadcast(step), half = broadcast(0.5 * step), guess = q->guess * dt;
    mask earlier = guess < broadcast(0.0);
    vec way = choose(earlier, -dt, dt), finished = broadcast(ARC_FINISHED * step);
    int m = place + 1; /* those outside do not move the planet's own coordinates */
    for (int i = 0; i < n; i++)
        kicked[i] = q->after[i];
    kick_alone(n, m, s, kicked, dt, modified);
    for (int i = 0; i < m; i++) {
        const struct body *start = &q->before[i], *end = &kicked[i];
        bodies[i] = q->after[i];
        bodies[m + i] = (struct body){
            choose(earlier, start->x, end->x),   choose(earlier, start->y, end->y),
            choose(earlier, start->z, end->z),   choose(earlier, start->vx, end->vx),
            choose(earlier, start->vy, end->vy), choose(earlier, start->vz, end->vz),
        };
        gm[i] = gm[m + i] = s->gm[i];
        times[i] = -half;
        times[m + i] = broadcast(0.5) * way;
    }
    drift_all(2 * m, gm, bodies, times, 1);
    struct end ends[2];
    for (int i = 0; i < 2; i++) {
        struct end *end = &ends[i];
        end->at = heliocentric_of(place, s, bodies + i * m);
        end->orbit = orbit_of(&end->at, s->star + s->planet[place]);
        end->time = i ? guess - way : guess;
        end->s = first_guess(&end->orbit, end->time);
        end->active = ~(mask){0};
        /* The change of sign is half a step away at most; the osculating orbit's may be a bit more. */
        end->low = end->time - (guess + broadcast(0.6) * dt);
        end->high = end->time + (broadcast(0.6) * dt - guess);
    }
    for (int i = 0; i < ARC_ITERATIONS && any(ends[0].active | ends[1].active); i++)
        for (int k = 0; k < 2; k++)
            approach_transit(&ends[k], finished);
    /* t = near (1 - t / way) + other (t / way), solved for t */
    vec near = ends[0].time, other = way + ends[1].time;
    vec t = near / (broadcast(1.0) + (near - other) / way);
    for (int slot = 0; slot < q->n; slot++)
        *q->times[slot] = q->step[slot] * step + t[slot];
    q->n = 0;
}

#endif
