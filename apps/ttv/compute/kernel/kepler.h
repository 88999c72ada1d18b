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

/* A distance from what is circled, its inverse, and gm over it: force and orbit both need them. */
struct distance {
    vec r, inverse, potential;
};

/* G0..G3 of one argument. */
struct gauss {
    vec g0, g1, g2, g3;
};

/* The quantities of an orbit that do not change while it is solved. */
struct orbit {
    vec gm;
    vec r0, inverse_r0, potential; /* the distance where it begins */
    vec eta, beta, zeta;
};

/* A solution: its argument and G functions, and nearly the inverse of the distance there. */
struct arc {
    vec s, g1, g2, g3, near_inverse;
};

/* Above this z = beta s^2 the short series for G is not good to the last place any more: a step of an
 * eleventh of the period. */
#define SHORT_LIMIT 0.32
/* Above this the long one is not, either. */
#define SERIES_LIMIT 1.0
/* And above this its argument's quarter is not, either: more than half an orbit. */
#define FAR_LIMIT 16.0
/* A step that ends the solution, as a part of s, is at most this by its order. The terms left out
 * where the G functions are carried over its length are of the next power, and the largest is that of
 * G3, relative to which it is 3 (4e-9)^2 = 4.8e-17 and (3e-6)^3 = 2.7e-17. In the third order it is of
 * the fourth power, 1.6e-15 times factors of at most 1/12. What each order leaves of s is less. */
#define NEAR_1 4e-9
#define NEAR_2 3e-6
#define NEAR_3 2e-4
#define FAST_ITERATIONS 12
#define SAFE_ITERATIONS 80

INLINE void set_distance(vec square, vec inverse, vec gm, struct distance *d)
{
    d->r = square * inverse;
    d->inverse = inverse;
    d->potential = gm * inverse;
}

INLINE void distance_of(const struct body *b, vec gm, struct distance *d)
{
    vec square = b->x * b->x + b->y * b->y + b->z * b->z;
    set_distance(square, inverse_root(square), gm, d);
}

/* Fill in where an orbit begins. */
INLINE void begin(const struct distance *d, vec gm, struct orbit *o)
{
    o->gm = gm;
    o->r0 = d->r;
    o->inverse_r0 = d->inverse;
    o->potential = d->potential;
}

/* And what follows from the velocity there. zeta is v^2 r0 - gm, which is gm - beta r0 without waiting
 * for beta. */
INLINE void set_off(const struct body *b, struct orbit *o)
{
    vec v2 = b->vx * b->vx + b->vy * b->vy + b->vz * b->vz;
    o->eta = b->x * b->vx + b->y * b->vy + b->z * b->vz;
    o->beta = (o->potential + o->potential) - v2;
    o->zeta = v2 * o->r0 - o->gm;
}

INLINE void orbit_of(const struct body *b, vec gm, struct orbit *o)
{
    struct distance d;
    distance_of(b, gm, &d);
    begin(&d, gm, o);
    set_off(b, o);
}

INLINE struct gauss gauss_from(vec beta, vec s, vec s2, vec z, vec q2, vec q3)
{
    vec g3 = (s * s2) * (broadcast(1.0 / 6.0) - z * q3), g2 = s2 * (broadcast(0.5) - z * q2);
    return (struct gauss){broadcast(1.0) - beta * g2, s - beta * g3, g2, g3};
}

/* G2 = s^2 c2(z) and G3 = s^3 c3(z) with c(z) = c(0) - z q(z): q is the polynomial through the exact
 * values at the six Chebyshev nodes of 0..1. The largest relative error of c2 is 5.0e-17, of c3
 * 1.2e-17; Taylor's series needs one more term for that. */
INLINE struct gauss gauss_series(vec beta, vec s)
{
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
    return gauss_from(beta, s, s2, z, q2, q3);
}

INLINE void choose_gauss(mask where, const struct gauss *yes, struct gauss *g)
{
    g->g0 = choose(where, yes->g0, g->g0);
    g->g1 = choose(where, yes->g1, g->g1);
    g->g2 = choose(where, yes->g2, g->g2);
    g->g3 = choose(where, yes->g3, g->g3);
}

/* The same by five nodes of 0..0.32 where that is enough, with errors of 5.1e-17 and 0.9e-17; returns
 * the lanes where no series is good. */
INLINE mask gauss_short(vec beta, vec s, struct gauss *to)
{
    vec s2 = s * s, z = beta * s2;
    vec q3 = z * broadcast(1.5997983336411245e-10) - broadcast(2.5051937520208462e-08);
    vec q2 = z * broadcast(2.0785189569733084e-09) - broadcast(2.755706301226189e-07);
    q3 = z * q3 + broadcast(2.7557319028764687e-06);
    q2 = z * q2 + broadcast(2.4801587008864573e-05);
    q3 = z * q3 - broadcast(0.00019841269841191762);
    q2 = z * q2 - broadcast(0.0013888888888771817);
    q3 = z * q3 + broadcast(0.008333333333333328);
    q2 = z * q2 + broadcast(0.041666666666666595);
    struct gauss g = gauss_from(beta, s, s2, z, q2, q3);
    mask wide = ~(z <= broadcast(SHORT_LIMIT)), far = wide; /* NaN, too */
    if (__builtin_expect(any(wide), 0)) {
        struct gauss longer = gauss_series(beta, s);
        choose_gauss(wide, &longer, &g);
        far = ~(z <= broadcast(SERIES_LIMIT));
    }
    to->g0 = g.g0;
    to->g1 = g.g1;
    to->g2 = g.g2;
    to->g3 = g.g3;
    return far;
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
        choose_gauss(wide, &far, &g);
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

INLINE void choose_arc(mask where, const struct arc *yes, struct arc *arc)
{
    arc->s = choose(where, yes->s, arc->s);
    arc->g1 = choose(where, yes->g1, arc->g1);
    arc->g2 = choose(where, yes->g2, arc->g2);
    arc->g3 = choose(where, yes->g3, arc->g3);
    arc->near_inverse = choose(where, yes->near_inverse, arc->near_inverse);
}

/* Steps from s, with its G functions, by Newton, by Halley and by Householder: u is the first one's
 * length backwards, inverse that of the distance at s. The G functions are carried along by Taylor's
 * series to the same order, with G3' = G2, G2' = G1, G1' = G0 and G0' = -beta G1. */
INLINE struct arc step_1(vec s, const struct gauss *g, vec u, vec inverse)
{
    return (struct arc){s - u, g->g1 - u * g->g0, g->g2 - u * g->g1, g->g3 - u * g->g2, inverse};
}

INLINE struct arc step_2(
    const struct orbit *o, vec s, const struct gauss *g, vec u, vec inverse)
{
    vec half = broadcast(0.5), curl = o->beta * g->g1;
    vec second = half * inverse * (o->eta * g->g0 + o->zeta * g->g1);
    vec d = -u * (broadcast(1.0) + u * second), by = half * d;
    return (struct arc){
        s + d,
        g->g1 + d * (g->g0 - by * curl),
        g->g2 + d * (g->g1 + by * g->g0),
        g->g3 + d * (g->g2 + by * g->g1),
        inverse - inverse * ((d + d) * second),
    };
}

INLINE struct arc step_3(
    const struct orbit *o, vec s, const struct gauss *g, vec u, vec inverse, vec *length)
{
    vec half = broadcast(0.5), sixth = broadcast(1.0 / 6.0), curl = o->beta * g->g1;
    vec second = half * inverse * (o->eta * g->g0 + o->zeta * g->g1);
    vec third = sixth * inverse * (o->zeta * g->g0 - o->eta * curl);
    vec curve = (second + second) * second - third;
    vec d = -u * (broadcast(1.0) + u * (second + u * curve));
    vec by = half * d, on = sixth * (d * d);
    *length = d;
    return (struct arc){
        s + d,
        g->g1 + d * (g->g0 - (by * curl + on * (o->beta * g->g0))),
        g->g2 + d * (g->g1 + (by * g->g0 - on * curl)),
        g->g3 + d * (g->g2 + (by * g->g1 + on * g->g0)),
        inverse - inverse * ((d + d) * second),
    };
}

/* The first step of a solution, in each lane of the order that it needs; returns the lanes in which
 * it does not end there. Comparisons are written so that NaN does not end, either. */
INLINE mask approach(
    const struct orbit *o, vec dt, vec s, const struct gauss *at, mask far, struct arc *to)
{
    struct gauss g = {at->g0, at->g1, at->g2, at->g3};
    vec inverse = broadcast(1.0) / distance_at(o, &g);
    vec u = (time_at(o, s, &g) - dt) * inverse, length = magnitude(u), whole = magnitude(s);
    mask longer = ~(length <= broadcast(NEAR_1) * whole) | far, open = {0};
    struct arc arc = step_1(s, &g, u, inverse);
    if (any(longer)) {
        mask longest = ~(length <= broadcast(NEAR_2) * whole) | far;
        struct arc other = step_2(o, s, &g, u, inverse);
        choose_arc(longer, &other, &arc);
        if (any(longest)) {
            vec d;
            other = step_3(o, s, &g, u, inverse, &d);
            choose_arc(longest, &other, &arc);
            open = (~(magnitude(d) <= broadcast(NEAR_3) * whole) | far) & longest;
        }
    }
    to->s = arc.s;
    to->g1 = arc.g1;
    to->g2 = arc.g2;
    to->g3 = arc.g3;
    to->near_inverse = arc.near_inverse;
    return open;
}

/* One more step of a solution that goes on; returns the lanes in which it ends there. */
INLINE mask approach_on(
    const struct orbit *o, vec dt, vec s, const struct gauss *g, struct arc *arc)
{
    vec inverse = broadcast(1.0) / distance_at(o, g), d;
    *arc = step_3(o, s, g, (time_at(o, s, g) - dt) * inverse, inverse, &d);
    return (magnitude(d) <= broadcast(NEAR_3) * magnitude(s)) &
           (o->beta * s * s <= broadcast(FAR_LIMIT));
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
    *arc = (struct arc){s, g.g1, g.g2, g.g3, broadcast(1.0) / distance_at(o, &g)};
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
        mask finished = approach_on(o, dt, s, &g, &next);
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

/* Go along the orbit to a solution, by Gauss's f and g functions, and give the distance there. */
INLINE void move(
    const struct body *b, const struct orbit *o, vec dt, const struct arc *arc, struct body *to,
    struct distance *to_d)
{
    vec f = o->potential * arc->g2, g = dt - o->gm * arc->g3; /* 1 - f */
    vec x = b->x + (g * b->vx - f * b->x);
    vec y = b->y + (g * b->vy - f * b->y);
    vec z = b->z + (g * b->vz - f * b->z);
    to->x = x;
    to->y = y;
    to->z = z;
    vec square = x * x + y * y + z * z;
    set_distance(square, better_inverse_root(square, arc->near_inverse), o->gm, to_d);
}

/* The velocities there. */
INLINE void turn(
    const struct body *b, vec inverse_r0, vec potential, vec g1, vec g2, struct body *to)
{
    vec f_dot = potential * (inverse_r0 * g1), g_dot = potential * g2; /* -f_dot, 1 - g_dot */
    vec vx = b->vx - (f_dot * b->x + g_dot * b->vx);
    vec vy = b->vy - (f_dot * b->y + g_dot * b->vy);
    vec vz = b->vz - (f_dot * b->z + g_dot * b->vz);
    to->vx = vx;
    to->vy = vy;
    to->vz = vz;
}

/* A guess without a history: the first terms of s in powers of dt. */
INLINE vec first_guess(const struct orbit *o, vec dt)
{
    vec inverse = o->inverse_r0, u = dt * inverse, w = inverse * u;
    vec q = o->eta * w, p = o->zeta * (w * u), half = broadcast(0.5);
    return u - u * (q * (half - half * q) + broadcast(1.0 / 6.0) * p);
}

#endif
