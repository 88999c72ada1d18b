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
    vec total[MAX_PLANETS];           /* G times the mass inside and including planet i */
    vec share[MAX_PLANETS];           /* m_i over that mass */
    vec limit[MAX_PLANETS];           /* squared: planet i may not come nearer to the next one */
    mask timed[MAX_PLANETS];          /* whether its transits are refined */
    struct body circle[MAX_PLANETS];  /* where a lane that failed waits for the others */
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

/* Accelerations of the Jacobi coordinates by the interaction; returns lanes with an encounter.
 *
 * The force between two bodies j and k > j moves the Jacobi coordinates j to k only: j itself,
 * those in between (whose origin, the barycentre of all inside, is pulled along), and k. The
 * star stands for j = -1. Its pull on planet 0 is in that planet's Kepler orbit already. */
INLINE mask accelerations(
    int n, const struct system *s, const struct body *b, const struct vector *r, struct vector *a)
{
    mask near = {0};
    for (int i = 0; i < n; i++)
        a[i] = (struct vector){broadcast(0.0), broadcast(0.0), broadcast(0.0)};
    for (int k = 1; k < n; k++) {
        struct vector jacobi = {b[k].x, b[k].y, b[k].z};
        add(&a[k], jacobi, s->gm[k] * inverse_cube(norm2(jacobi)));
        struct vector pull = scaled(r[k], inverse_cube(norm2(r[k])));
        add(&a[0], pull, -s->planet[k]);
        for (int i = 1; i < k; i++)
            add(&a[i], pull, -s->star * s->planet[k] / s->total[i - 1]);
        add(&a[k], pull, -s->gm[k]);
    }
    for (int j = 0; j < n; j++)
        for (int k = j + 1; k < n; k++) {
            struct vector apart = {r[k].x - r[j].x, r[k].y - r[j].y, r[k].z - r[j].z};
            vec distance2 = norm2(apart);
            if (k == j + 1)
                near = near | (distance2 < s->limit[j]);
            struct vector pull = scaled(apart, inverse_cube(distance2));
            add(&a[j], pull, s->planet[k]);
            for (int i = j + 1; i < k; i++)
                add(&a[i], pull, -s->planet[j] * s->planet[k] / s->total[i - 1]);
            add(&a[k], pull, -s->planet[j] * s->total[k] / s->total[k - 1]);
        }
    return near;
}

/* Kick the velocities for a time dt; r are the heliocentric positions.
 *
 * The modified kick evaluates the force where the force itself has led after dt^2 / 12, which adds
 * the gradient term of a fourth-order scheme without any gradient (Wisdom, Holman & Touma 1996,
 * Fields Inst. Commun. 10, 217; Rein, Tamayo & Brown 2019, MNRAS 489, 4632). */
INLINE mask kick(
    int n, const struct system *s, struct body *b, const struct vector *r, vec dt, int modified)
{
    struct vector a[MAX_PLANETS];
    mask near = accelerations(n, s, b, r, a);
    if (modified) {
        struct body moved[MAX_PLANETS];
        struct vector there[MAX_PLANETS];
        vec by = dt * dt * broadcast(1.0 / 12.0);
        for (int i = 0; i < n; i++) {
            moved[i] = b[i];
            moved[i].x = b[i].x + by * a[i].x;
            moved[i].y = b[i].y + by * a[i].y;
            moved[i].z = b[i].z + by * a[i].z;
        }
        heliocentric(n, s, moved, there);
        near = near | accelerations(n, s, moved, there, a);
    }
    for (int i = 0; i < n; i++) {
        b[i].vx = b[i].vx + dt * a[i].x;
        b[i].vy = b[i].vy + dt * a[i].y;
        b[i].vz = b[i].vz + dt * a[i].z;
    }
    return near;
}

/* A kick away from the main loop, where the heliocentric positions are not at hand. */
INLINE void kick_alone(int n, const struct system *s, struct body *b, vec dt, int modified)
{
    struct vector r[MAX_PLANETS];
    heliocentric(n, s, b, r);
    kick(n, s, b, r, dt, modified);
}

INLINE void drift_all(int n, const struct system *s, struct body *b, vec dt)
{
    for (int i = 0; i < n; i++)
        drift(&b[i], s->gm[i], dt);
}

#endif
