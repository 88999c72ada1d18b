/* The Kepler problem in universal variables, for every lane at once.
 *
 * dt = r0 s + eta G2(s) + zeta G3(s) is solved for s, with r0 the distance, eta = r.v,
 * beta = 2 gm / r0 - v.v and zeta = gm - beta r0 (Mikkola & Innanen 1999, CeMDA 74, 59; Wisdom &
 * Hernandez 2015, MNRAS 453, 3015; Stumpff functions as in Danby 1992, section 6.9). No sine, no
 * cosine, no angles: the same bits everywhere. */
#ifndef OPENASTRO_KEPLER_H
#define OPENASTRO_KEPLER_H

#include "lanes.h"

struct body {
    vec x, y, z, vx, vy, vz;
};

/* A distance and its inverse, of which the force and the orbit both need one. */
struct distance {
    vec r, inverse;
};

/* G0..G3 of one argument. */
struct gauss {
    vec g0, g1, g2, g3;
};

/* The quantities of an orbit that do not change while it is solved. */
struct orbit {
    vec gm, r0, inverse_r0, eta, beta, zeta;
};

/* A solution: its argument and G functions, and the inverse of the distance there. */
struct arc {
    vec s, inverse_r;
    struct gauss g;
};

/* Above this z = beta s^2 the series for G is not good to the last place any more. */
#define SERIES_LIMIT 1.0
/* A step of at most this part of s is finished by the addition formulas below. */
#define NEAR 6e-3
/* What Newton's last step may still change; its own error is the square of that. */
#define FINISHED 1e-8
#define FAST_ITERATIONS 12
#define SAFE_ITERATIONS 80

INLINE struct distance distance_of(const struct body *b)
{
    struct distance d;
    d.r = root(b->x * b->x + b->y * b->y + b->z * b->z);
    d.inverse = broadcast(1.0) / d.r;
    return d;
}

INLINE struct orbit orbit_at(const struct body *b, struct distance d, vec gm)
{
    struct orbit o;
    vec v2 = b->vx * b->vx + b->vy * b->vy + b->vz * b->vz;
    o.gm = gm;
    o.r0 = d.r;
    o.inverse_r0 = d.inverse;
    o.eta = b->x * b->vx + b->y * b->vy + b->z * b->vz;
    o.beta = broadcast(2.0) * gm * o.inverse_r0 - v2;
    o.zeta = gm - o.beta * o.r0;
    return o;
}

INLINE struct orbit orbit_of(const struct body *b, vec gm)
{
    return orbit_at(b, distance_of(b), gm);
}

/* By Taylor series to z^7: the first term left out is z^8 / 18!, below 2^-52 for z < 1. */
INLINE struct gauss gauss_series(vec beta, vec s)
{
    struct gauss g;
    vec s2 = s * s, z = beta * s2;
    vec c3 = broadcast(-1.0 / 355687428096000.0); /* 1/17! */
    vec c2 = broadcast(-1.0 / 20922789888000.0);  /* 1/16! */
    c3 = c3 * z + broadcast(1.0 / 1307674368000.0);
    c2 = c2 * z + broadcast(1.0 / 87178291200.0);
    c3 = c3 * z - broadcast(1.0 / 6227020800.0);
    c2 = c2 * z - broadcast(1.0 / 479001600.0);
    c3 = c3 * z + broadcast(1.0 / 39916800.0);
    c2 = c2 * z + broadcast(1.0 / 3628800.0);
    c3 = c3 * z - broadcast(1.0 / 362880.0);
    c2 = c2 * z - broadcast(1.0 / 40320.0);
    c3 = c3 * z + broadcast(1.0 / 5040.0);
    c2 = c2 * z + broadcast(1.0 / 720.0);
    c3 = c3 * z - broadcast(1.0 / 120.0);
    c2 = c2 * z - broadcast(1.0 / 24.0);
    c3 = c3 * z + broadcast(1.0 / 6.0);
    c2 = c2 * z + broadcast(0.5);
    g.g3 = c3 * (s2 * s);
    g.g2 = c2 * s2;
    g.g1 = s - beta * g.g3;
    g.g0 = broadcast(1.0) - beta * g.g2;
    return g;
}

/* For z up to 16, more than half an orbit: a quarter of the argument, doubled twice. */
INLINE struct gauss gauss_far(vec beta, vec s)
{
    struct gauss g = gauss_series(beta, s * broadcast(0.25));
    vec two = broadcast(2.0);
    for (int i = 0; i < 2; i++) {
        struct gauss d;
        d.g0 = two * g.g0 * g.g0 - broadcast(1.0);
        d.g1 = two * g.g0 * g.g1;
        d.g2 = two * g.g1 * g.g1;
        d.g3 = two * (g.g3 + g.g1 * g.g2);
        g = d;
    }
    return g;
}

/* G at s + d from G at s, for a small d (addition formulas; G of d to d^4). */
INLINE struct gauss gauss_shifted(struct gauss g, vec beta, vec d)
{
    struct gauss e, sum;
    vec d2 = d * d;
    e.g2 = broadcast(0.5) * d2 * (broadcast(1.0) - beta * d2 * broadcast(1.0 / 12.0));
    e.g3 = d2 * d * broadcast(1.0 / 6.0);
    e.g1 = d - beta * e.g3;
    e.g0 = broadcast(1.0) - beta * e.g2;
    sum.g0 = g.g0 * e.g0 - beta * (g.g1 * e.g1);
    sum.g1 = g.g1 * e.g0 + g.g0 * e.g1;
    sum.g2 = g.g2 + g.g1 * e.g1 + g.g0 * e.g2;
    sum.g3 = g.g3 + e.g3 + e.g1 * g.g2 + e.g2 * g.g1;
    return sum;
}

INLINE vec distance_at(const struct orbit *o, const struct gauss *g)
{
    return o->r0 + o->eta * g->g1 + o->zeta * g->g2;
}

INLINE vec time_at(const struct orbit *o, vec s, const struct gauss *g)
{
    return o->r0 * s + o->eta * g->g2 + o->zeta * g->g3;
}

/* Newton's method inside a bracket, for elliptic orbits and steps of up to half a period:
 * dt is the integral of r over s, so s lies between dt / r_max and dt / r_min. */
static __attribute__((noinline)) void solve_safely(const struct orbit *o, vec dt, struct arc *arc)
{
    vec axis = o->gm / o->beta; /* semi-major */
    vec ecos = broadcast(1.0) - o->r0 * o->beta / o->gm;
    vec esin2 = o->eta * o->eta * o->beta / (o->gm * o->gm);
    vec e = root(ecos * ecos + esin2);
    vec one = dt / (axis * (broadcast(1.0) + e)), other = dt / (axis * (broadcast(1.0) - e));
    vec low = choose(one < other, one, other), high = choose(one < other, other, one);
    /* Rounding may put the root of a circular orbit just outside. */
    low = low - magnitude(low) * broadcast(1e-9);
    high = high + magnitude(high) * broadcast(1e-9);
    vec s = dt / axis;
    s = choose((s > low) & (s < high), s, broadcast(0.5) * (low + high));
    mask active = low == low;
    for (int i = 0; i < SAFE_ITERATIONS && any(active); i++) {
        struct gauss g = gauss_far(o->beta, s);
        vec f = time_at(o, s, &g) - dt;
        high = choose(active & (f > broadcast(0.0)), s, high);
        low = choose(active & (f < broadcast(0.0)), s, low);
        vec next = s - f / distance_at(o, &g);
        next = choose((next > low) & (next < high), next, broadcast(0.5) * (low + high));
        mask moving = magnitude(next - s) > broadcast(4e-16) * magnitude(s);
        s = choose(active, next, s);
        active = active & moving;
    }
    arc->s = s;
    arc->g = gauss_far(o->beta, s);
    arc->inverse_r = broadcast(1.0) / distance_at(o, &arc->g);
}

/* Solve for the argument s after a time dt, beginning at a guess.
 *
 * Householder's third-order step until it is small, then the G functions are carried over to the
 * end of the last step by their addition formulas, and one step of Newton's removes what is left:
 * one evaluation of the series is usually all. Lanes that this does not serve are solved safely. */
INLINE struct arc solve(const struct orbit *o, vec dt, vec guess)
{
    struct arc arc;
    struct gauss g;
    vec s = guess, d;
    for (int i = 0;; i++) {
        g = gauss_series(o->beta, s);
        vec inverse = broadcast(1.0) / distance_at(o, &g);
        vec u = (time_at(o, s, &g) - dt) * inverse;
        vec second = broadcast(0.5) * inverse * (o->eta * g.g0 + o->zeta * g.g1);
        vec third = broadcast(1.0 / 6.0) * inverse * (o->zeta * g.g0 - o->beta * (o->eta * g.g1));
        vec curve = broadcast(2.0) * second * second - third;
        d = -u * (broadcast(1.0) + u * (second + u * curve));
        mask far = magnitude(d) > broadcast(NEAR) * magnitude(s);
        if (__builtin_expect(!any(far), 1) || i == FAST_ITERATIONS)
            break;
        s = choose(far, s + d, s);
    }
    arc.g = gauss_shifted(g, o->beta, d);
    arc.s = s + d;
    vec inverse_r = broadcast(1.0) / distance_at(o, &arc.g);
    vec rest = (dt - time_at(o, arc.s, &arc.g)) * inverse_r;
    /* Written so that NaN is not finished, either. */
    mask finished = (magnitude(rest) <= broadcast(FINISHED) * magnitude(arc.s)) &
                    (o->beta * arc.s * arc.s <= broadcast(SERIES_LIMIT));
    vec growth = rest * (o->eta * arc.g.g0 + o->zeta * arc.g.g1); /* of the distance */
    arc.inverse_r = inverse_r - inverse_r * inverse_r * growth;
    arc.s = arc.s + rest;
    arc.g.g3 = arc.g.g3 + rest * arc.g.g2;
    arc.g.g2 = arc.g.g2 + rest * arc.g.g1;
    arc.g.g1 = arc.g.g1 + rest * arc.g.g0;
    if (__builtin_expect(any(~finished), 0)) {
        struct arc safe;
        solve_safely(o, dt, &safe);
        arc.s = choose(finished, arc.s, safe.s);
        arc.inverse_r = choose(finished, arc.inverse_r, safe.inverse_r);
        arc.g.g1 = choose(finished, arc.g.g1, safe.g.g1);
        arc.g.g2 = choose(finished, arc.g.g2, safe.g.g2);
        arc.g.g3 = choose(finished, arc.g.g3, safe.g.g3);
    }
    return arc;
}

/* Go along the orbit to a solution, by Gauss's f and g functions. */
INLINE void move(struct body *b, const struct orbit *o, vec dt, const struct arc *arc)
{
    vec inverse_r = arc->inverse_r;
    vec pull = o->gm * o->inverse_r0;
    vec f = -pull * arc->g.g2, g = dt - o->gm * arc->g.g3; /* f is less by 1 */
    vec f_dot = -pull * inverse_r * arc->g.g1;
    vec g_dot = -o->gm * inverse_r * arc->g.g2; /* less by 1 */
    vec x = b->x, y = b->y, z = b->z;
    b->x = x + (f * x + g * b->vx);
    b->y = y + (f * y + g * b->vy);
    b->z = z + (f * z + g * b->vz);
    b->vx = b->vx + (f_dot * x + g_dot * b->vx);
    b->vy = b->vy + (f_dot * y + g_dot * b->vy);
    b->vz = b->vz + (f_dot * z + g_dot * b->vz);
}

/* A guess without a history: the first terms of s in powers of dt. */
INLINE vec first_guess(const struct orbit *o, vec dt)
{
    vec u = dt * o->inverse_r0, q = o->eta * o->inverse_r0 * u;
    return u * (broadcast(1.0) - broadcast(0.5) * q + broadcast(0.5) * q * q -
                broadcast(1.0 / 6.0) * o->zeta * o->inverse_r0 * u * u);
}

/* Move a body along its orbit about gm for a time dt of at most half a period. */
INLINE void drift(struct body *b, vec gm, vec dt)
{
    struct orbit o = orbit_of(b, gm);
    struct arc arc = solve(&o, dt, first_guess(&o, dt));
    move(b, &o, dt, &arc);
}

#endif
