/* Masses, coordinates and forces of a system in Jacobi coordinates.
 *
 * The Hamiltonian is split as in Wisdom & Holman (1991, AJ 102, 1528): each planet moves about
 * gm_i = G m_star eta_i / eta_(i-1), where eta_i is the mass inside and including planet i in
 * units of the star's; what is left is the interaction, which kicks the velocities. */
#ifndef OPENASTRO_SYSTEM_H
#define OPENASTRO_SYSTEM_H

#include "interface.h"
#include "kepler.h"

struct system {
    vec star;                         /* G m_star */
    vec planet[MAX_PLANETS];          /* G m_i */
    vec gm[MAX_PLANETS];              /* of the Jacobi orbit */
    vec inverse_inside[MAX_PLANETS];  /* 1 over G times the mass inside planet i */
    vec share[MAX_PLANETS];           /* m_i over the mass inside and including it */
    vec limit[MAX_PLANETS];           /* squared: planet i may not come nearer to the next one */
};

struct vector {
    vec x, y, z;
};

INLINE struct vector scaled(struct vector a, vec by)
{
    return (struct vector){a.x * by, a.y * by, a.z * by};
}

INLINE void add(struct vector *to, struct vector a, vec by)
{
    to->x = to->x + a.x * by;
    to->y = to->y + a.y * by;
    to->z = to->z + a.z * by;
}

INLINE void subtract(struct vector *from, struct vector a, vec by)
{
    from->x = from->x - a.x * by;
    from->y = from->y - a.y * by;
    from->z = from->z - a.z * by;
}

INLINE vec norm2(struct vector a) { return a.x * a.x + a.y * a.y + a.z * a.z; }

INLINE vec inverse_cube(vec r2) { return broadcast(1.0) / (r2 * root(r2)); }

/* Positions from the star. */
INLINE void heliocentric(int n, const struct system *s, const struct body *b, struct vector *r)
{
    struct vector centre = {broadcast(0.0), broadcast(0.0), broadcast(0.0)};
    for (int i = 0; i < n; i++) {
        struct vector jacobi = {b[i].x, b[i].y, b[i].z};
        r[i].x = jacobi.x + centre.x;
        r[i].y = jacobi.y + centre.y;
        r[i].z = jacobi.z + centre.z;
        add(&centre, jacobi, s->share[i]);
    }
}

/* Distances from the origins of the Jacobi coordinates. */
INLINE void measure(int n, const struct body *b, struct distance *d)
{
    for (int i = 0; i < n; i++)
        d[i] = distance_of(&b[i]);
}

/* Accelerations of the Jacobi coordinates by the interaction; returns lanes with an encounter.
 *
 * First each body is pulled by all others, but for the star and planet 0, whose pull is in that
 * planet's Kepler orbit. A Jacobi coordinate counts from the barycentre of all inside: what that
 * is pulled by is taken off, and so is the planet's own Kepler orbit. */
INLINE mask accelerations(
    int n, const struct system *s, const struct body *b, const struct distance *d,
    const struct vector *r, struct vector *a)
{
    mask near = {0};
    const struct vector zero = {broadcast(0.0), broadcast(0.0), broadcast(0.0)};
    struct vector inside = zero; /* sum of G m times acceleration of the star and inner planets */
    a[0] = zero;
    for (int k = 1; k < n; k++) {
        struct vector pull = scaled(r[k], inverse_cube(norm2(r[k])));
        a[k] = scaled(pull, -s->star);
        add(&inside, pull, s->star * s->planet[k]);
    }
    for (int j = 0; j < n; j++)
        for (int k = j + 1; k < n; k++) {
            struct vector apart = {r[k].x - r[j].x, r[k].y - r[j].y, r[k].z - r[j].z};
            vec distance2 = norm2(apart);
            if (k == j + 1)
                near = near | (distance2 < s->limit[j]);
            vec inverse = inverse_root(distance2);
            struct vector pull = scaled(apart, inverse * inverse * inverse);
            add(&a[j], pull, s->planet[k]);
            subtract(&a[k], pull, s->planet[j]);
        }
    for (int i = 0; i < n; i++) {
        struct vector all = a[i];
        subtract(&a[i], inside, s->inverse_inside[i]);
        add(&inside, all, s->planet[i]);
        if (i > 0) {
            struct vector jacobi = {b[i].x, b[i].y, b[i].z};
            vec inverse = d[i].inverse;
            add(&a[i], jacobi, s->gm[i] * (inverse * inverse * inverse));
        }
    }
    return near;
}

/* Kick the velocities for a time dt; r are the heliocentric positions.
 *
 * The modified kick evaluates the force where the force itself has led after dt^2 / 12, which adds
 * the gradient term of a fourth-order scheme without any gradient (Wisdom, Holman & Touma 1996,
 * Fields Inst. Commun. 10, 217; Rein, Tamayo & Brown 2019, MNRAS 489, 4632). */
INLINE mask kick(
    int n, const struct system *s, struct body *b, const struct distance *d,
    const struct vector *r, vec dt, int modified)
{
    struct vector a[MAX_PLANETS];
    mask near = accelerations(n, s, b, d, r, a);
    if (modified) {
        struct body moved[MAX_PLANETS];
        struct distance apart[MAX_PLANETS];
        struct vector there[MAX_PLANETS];
        vec by = dt * dt * broadcast(1.0 / 12.0);
        for (int i = 0; i < n; i++) {
            moved[i] = b[i];
            moved[i].x = b[i].x + by * a[i].x;
            moved[i].y = b[i].y + by * a[i].y;
            moved[i].z = b[i].z + by * a[i].z;
        }
        measure(n, moved, apart);
        heliocentric(n, s, moved, there);
        near = near | accelerations(n, s, moved, apart, there, a);
    }
    for (int i = 0; i < n; i++) {
        b[i].vx = b[i].vx + dt * a[i].x;
        b[i].vy = b[i].vy + dt * a[i].y;
        b[i].vz = b[i].vz + dt * a[i].z;
    }
    return near;
}

/* A kick away from the main loop, where the positions are not at hand. */
INLINE void kick_alone(int n, const struct system *s, struct body *b, vec dt, int modified)
{
    struct distance d[MAX_PLANETS];
    struct vector r[MAX_PLANETS];
    measure(n, b, d);
    heliocentric(n, s, b, r);
    kick(n, s, b, d, r, dt, modified);
}

INLINE void drift_all(int n, const struct system *s, struct body *b, vec dt)
{
    for (int i = 0; i < n; i++)
        drift(&b[i], s->gm[i], dt);
}

#endif
