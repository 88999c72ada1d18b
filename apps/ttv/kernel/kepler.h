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

/* A solution: its argument and G functions. */
struct arc {
    vec s, g1, g2, g3;
};

/* Above this z = beta s^2 the series for G is not good to the last place any more. */
#define SERIES_LIMIT 1.0
/* And above this its argument's quarter is not, either: more than half an orbit. */
#define FAR_LIMIT 16.0
/* Householder's step ends the solution if it is at most this part of s. What it leaves of s, and the
 * terms left out where the G functions are carried over its length, are of the fourth power: 1.6e-15
 * times factors of at most 1/12. */
#define NEAR 2e-4
#define FAST_ITERATIONS 12
#define SAFE_ITERATIONS 80

INLINE struct distance distance_from(vec x, vec y, vec z)
{
    struct distance d;
    vec square = x * x + y * y + z * z;
    d.inverse = inverse_root(square);
    d.r = square * d.inverse;
    return d;
}

INLINE struct distance distance_of(const struct body *b) { return distance_from(b->x, b->y, b->z); }

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

/* G2 = s^2 c2(z) and G3 = s^3 c3(z) with c(z) = c(0) - z q(z): q is the polynomial through the exact
 * values at the six Chebyshev nodes of 0..1. The largest relative error of c2 is 5.0e-17, of c3
 * 1.2e-17; Taylor's series needs one more term for that. */
INLINE struct gauss gauss_series(vec beta, vec s)
{
    struct gauss g;
    vec s2 = s * s, z = beta * s2;
    vec q3 = broadcast(1.6058101827172633e-10) - z * broadcast(7.563280765605543e-13);
    vec q2 = broadcast(2.087515693739361e-09) - z * broadcast(1.1328236374460262e-11);
    q3 = z * q3 - broadcast(2.5052103505009326e-08);
    q2 = z * q2 - broadcast(2.7557310935140726e-07);
    q3 = z * q3 + broadcast(2.7557319212552354e-06);
    q2 = z * q2 + broadcast(2.4801587282169773e-05);
    q3 = z * q3 - broadcast(0.00019841269841260043);
    q2 = z * q2 - broadcast(0.001388888888887225);
    q3 = z * q3 + broadcast(0.008333333333333331);
    q2 = z * q2 + broadcast(0.041666666666666644);
    g.g3 = (s * s2) * (broadcast(1.0 / 6.0) - z * q3);
    g.g2 = s2 * (broadcast(0.5) - z * q2);
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

/* For z up to 16. */
INLINE struct gauss gauss_of(vec beta, vec s)
{
    struct gauss g = gauss_series(beta, s);
    mask wide = beta * s * s > broadcast(SERIES_LIMIT);
    if (__builtin_expect(any(wide), 0)) {
        struct gauss far = gauss_far(beta, s);
        g.g0 = choose(wide, far.g0, g.g0);
        g.g1 = choose(wide, far.g1, g.g1);
        g.g2 = choose(wide, far.g2, g.g2);
        g.g3 = choose(wide, far.g3, g.g3);
    }
    return g;
}

INLINE vec distance_at(const struct orbit *o, const struct gauss *g)
{
    return o->r0 + (o->eta * g->g1 + o->zeta * g->g2);
}

INLINE vec time_at(const struct orbit *o, vec s, const struct gauss *g)
{
    return o->r0 * s + (o->eta * g->g2 + o->zeta * g->g3);
}

/* Householder's third-order step from s, with its G functions; returns the lanes where it is so
 * small that it ends the solution. The G functions are carried along by Taylor's series to d^3, with
 * G3' = G2, G2' = G1, G1' = G0 and G0' = -beta G1. */
INLINE mask approach(
    const struct orbit *o, vec dt, vec s, const struct gauss *g, double limit, struct arc *arc)
{
    vec half = broadcast(0.5), sixth = broadcast(1.0 / 6.0), curl = o->beta * g->g1;
    vec inverse = broadcast(1.0) / distance_at(o, g);
    vec u = (time_at(o, s, g) - dt) * inverse;
    vec second = half * inverse * (o->eta * g->g0 + o->zeta * g->g1);
    vec third = sixth * inverse * (o->zeta * g->g0 - o->eta * curl);
    vec curve = (second + second) * second - third;
    vec d = -u * (broadcast(1.0) + u * (second + u * curve));
    vec by = half * d, on = sixth * (d * d);
    arc->s = s + d;
    arc->g3 = g->g3 + d * (g->g2 + (by * g->g1 + on * g->g0));
    arc->g2 = g->g2 + d * (g->g1 + (by * g->g0 - on * curl));
    arc->g1 = g->g1 + d * (g->g0 - (by * curl + on * (o->beta * g->g0)));
    /* Written so that NaN is not finished, either. */
    return (magnitude(d) <= broadcast(NEAR) * magnitude(s)) &
           (o->beta * s * s <= broadcast(limit));
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
    struct gauss g = gauss_far(o->beta, s);
    *arc = (struct arc){s, g.g1, g.g2, g.g3};
}

INLINE void choose_arc(mask where, const struct arc *yes, struct arc *arc)
{
    arc->s = choose(where, yes->s, arc->s);
    arc->g1 = choose(where, yes->g1, arc->g1);
    arc->g2 = choose(where, yes->g2, arc->g2);
    arc->g3 = choose(where, yes->g3, arc->g3);
}

/* Go on from a first step that was too long, in the lanes where it was; the others keep what they
 * have. Lanes that this does not serve are solved safely. */
static __attribute__((noinline)) void solve_on(
    const struct orbit *o, vec dt, mask open, struct arc *arc)
{
    vec s = arc->s;
    for (int i = 0; i < FAST_ITERATIONS && any(open); i++) {
        struct gauss g = gauss_of(o->beta, s);
        struct arc next;
        mask finished = approach(o, dt, s, &g, FAR_LIMIT, &next);
        choose_arc(open & finished, &next, arc);
        open = open & ~finished;
        s = next.s;
    }
    if (any(open)) {
        struct arc safe;
        solve_safely(o, dt, &safe);
        choose_arc(open, &safe, arc);
    }
}

/* Go along the orbit to a solution, by Gauss's f and g functions; returns the distance there. */
INLINE struct distance move(
    const struct body *b, const struct orbit *o, vec dt, const struct arc *arc, struct body *to)
{
    vec f = o->gm * o->inverse_r0 * arc->g2, g = dt - o->gm * arc->g3; /* 1 - f */
    to->x = b->x + (g * b->vx - f * b->x);
    to->y = b->y + (g * b->vy - f * b->y);
    to->z = b->z + (g * b->vz - f * b->z);
    return distance_of(to);
}

/* The velocities there. */
INLINE void turn(
    const struct body *b, const struct orbit *o, struct distance d, const struct arc *arc,
    struct body *to)
{
    vec pull = o->gm * d.inverse;
    vec f_dot = pull * (o->inverse_r0 * arc->g1), g_dot = pull * arc->g2; /* -f_dot, 1 - g_dot */
    to->vx = b->vx - (f_dot * b->x + g_dot * b->vx);
    to->vy = b->vy - (f_dot * b->y + g_dot * b->vy);
    to->vz = b->vz - (f_dot * b->z + g_dot * b->vz);
}

/* A guess without a history: the first terms of s in powers of dt. */
INLINE vec first_guess(const struct orbit *o, vec dt)
{
    vec u = dt * o->inverse_r0, w = o->inverse_r0 * u, q = o->eta * w, p = o->zeta * (w * u);
    vec half = broadcast(0.5);
    return u - u * (q * (half - half * q) + broadcast(1.0 / 6.0) * p);
}

#endif
