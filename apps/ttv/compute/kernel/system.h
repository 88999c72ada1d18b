/* Masses, coordinates and forces of a system in Jacobi coordinates.
 *
 * The Hamiltonian is split as in Wisdom & Holman (1991, AJ 102, 1528): each planet moves about
 * gm_i = G m_star eta_i / eta_(i-1), where eta_i is the mass inside and including planet i in
 * units of the star's; what is left is the interaction, which kicks the velocities. */
#ifndef OPENASTRO_SYSTEM_H
#define OPENASTRO_SYSTEM_H

#include "interface.h"
#include "kepler.h"

/* A planet without mass has this one, Msun: so little that no sum notices it. */
#define MASSLESS 1e-30
/* Pairs that pull at each other: every planet but the first with the star, and all planets. */
#define MAX_PAIRS (MAX_PLANETS - 1 + MAX_PLANETS * (MAX_PLANETS - 1) / 2)

struct system {
    vec star;                         /* G m_star */
    vec planet[MAX_PLANETS];          /* G m_i, never zero */
    vec limit[MAX_PLANETS];           /* squared: planet i may not come nearer to the next one */
    /* What follows from these: */
    vec inverse_planet[MAX_PLANETS];
    vec gm[MAX_PLANETS];              /* of the Jacobi orbit */
    vec inverse_inside[MAX_PLANETS];  /* 1 over G times the mass inside planet i */
    vec share[MAX_PLANETS];           /* m_i over the mass inside and including it */
    vec product[MAX_PAIRS];           /* of both G m, in the order of the loops; of two planets 3/2 of it */
};

struct vector {
    vec x, y, z;
};

INLINE vec norm2(const struct vector *a) { return a->x * a->x + a->y * a->y + a->z * a->z; }

/* Fill in what follows from the masses. */
static __attribute__((noinline)) void derive(int n, struct system *s)
{
    vec inside = s->star, *product = s->product;
    for (int i = 1; i < n; i++)
        *product++ = s->star * s->planet[i];
    for (int i = 0; i < n; i++) {
        vec including = inside + s->planet[i];
        s->inverse_planet[i] = broadcast(1.0) / s->planet[i];
        s->inverse_inside[i] = broadcast(1.0) / inside;
        s->gm[i] = s->star * (including * s->inverse_inside[i]);
        s->share[i] = s->planet[i] / including;
        for (int k = i + 1; k < n; k++)
            *product++ = broadcast(1.5) * (s->planet[i] * s->planet[k]);
        inside = including;
    }
}

/* Positions from the star. */
INLINE void heliocentric(int n, const struct system *s, const struct body *b, struct vector *r)
{
    vec x = broadcast(0.0), y = x, z = x; /* of the barycentre inside */
    UNROLL
    for (int i = 0; i < n; i++) {
        r[i].x = b[i].x + x;
        r[i].y = b[i].y + y;
        r[i].z = b[i].z + z;
        x = x + b[i].x * s->share[i];
        y = y + b[i].y * s->share[i];
        z = z + b[i].z * s->share[i];
    }
}

/* Distances from the origins of the Jacobi coordinates. */
INLINE void measure(int n, const struct system *s, const struct body *b, struct distance *d)
{
    for (int i = 0; i < n; i++)
        distance_of(&b[i], s->gm[i], &d[i]);
}

/* A body's pairs with all outside of it: what is between them, the square of its length, and the rough
 * inverse of that; entries up to the body itself are not used. */
struct pairs {
    vec x[MAX_PLANETS], y[MAX_PLANETS], z[MAX_PLANETS];
    vec square[MAX_PLANETS], inverse[MAX_PLANETS];
};

/* Look from the star at the planets from `begin` on, or from planet j. */
INLINE void look_out(int n, int begin, const struct vector *r, const struct vector *from, struct pairs *p)
{
    UNROLL
    for (int k = begin; k < n; k++) {
        vec x = r[k].x, y = r[k].y, z = r[k].z;
        if (from) {
            x = x - from->x;
            y = y - from->y;
            z = z - from->z;
        }
        vec square = x * x + y * y + z * z;
        p->x[k] = x;
        p->y[k] = y;
        p->z[k] = z;
        p->square[k] = square;
        p->inverse[k] = rough_inverse_root(square);
    }
}

/* Accelerations of the Jacobi coordinates by the interaction; returns lanes with an encounter.
 *
 * First each body is pulled by all others, but for the star and planet 0, whose pull is in that
 * planet's Kepler orbit. A Jacobi coordinate counts from the barycentre of all inside: what that
 * is pulled by is taken off, and so is the planet's own Kepler orbit. Forces, which are equal and
 * opposite, are summed rather than accelerations. The rough inverses of a body's pairs are begun before
 * the pairs of the body inside of it are finished, because they take long. */
INLINE mask accelerations(
    int n, const struct system *s, const struct body *b, const struct distance *d,
    const struct vector *r, struct vector *a)
{
    vec x = broadcast(0.0), y = x, z = x; /* on the star and the inner planets */
    vec on_x[MAX_PLANETS], on_y[MAX_PLANETS], on_z[MAX_PLANETS];
    const vec *product = s->product;
    struct pairs rows[2];
    mask near = {0};
    on_x[0] = on_y[0] = on_z[0] = x;
    look_out(n, 1, r, NULL, &rows[1]);
    look_out(n, 1, r, &r[0], &rows[0]);
    UNROLL
    for (int k = 1; k < n; k++) {
        const struct pairs *row = &rows[1];
        vec force = over_cube(*product++, row->square[k], row->inverse[k]);
        vec pull_x = row->x[k] * force, pull_y = row->y[k] * force, pull_z = row->z[k] * force;
        on_x[k] = -pull_x;
        on_y[k] = -pull_y;
        on_z[k] = -pull_z;
        x = x + pull_x;
        y = y + pull_y;
        z = z + pull_z;
    }
    UNROLL
    for (int j = 0; j < n; j++) {
        const struct pairs *row = &rows[j % 2];
        vec own_x = on_x[j], own_y = on_y[j], own_z = on_z[j];
        if (j + 1 < n) {
            near = near | (row->square[j + 1] < s->limit[j]);
            look_out(n, j + 2, r, &r[j + 1], &rows[(j + 1) % 2]);
        }
        UNROLL
        for (int k = j + 1; k < n; k++) {
            vec force = over_cube_short(*product++, row->square[k], row->inverse[k]);
            vec pull_x = row->x[k] * force, pull_y = row->y[k] * force, pull_z = row->z[k] * force;
            own_x = own_x + pull_x;
            own_y = own_y + pull_y;
            own_z = own_z + pull_z;
            on_x[k] = on_x[k] - pull_x;
            on_y[k] = on_y[k] - pull_y;
            on_z[k] = on_z[k] - pull_z;
        }
        vec mine = s->inverse_planet[j], theirs = s->inverse_inside[j];
        vec a_x = own_x * mine - x * theirs, a_y = own_y * mine - y * theirs;
        vec a_z = own_z * mine - z * theirs;
        x = x + own_x;
        y = y + own_y;
        z = z + own_z;
        if (j > 0) {
            vec orbit = d[j].potential * (d[j].inverse * d[j].inverse);
            a_x = a_x + b[j].x * orbit;
            a_y = a_y + b[j].y * orbit;
            a_z = a_z + b[j].z * orbit;
        }
        a[j].x = a_x;
        a[j].y = a_y;
        a[j].z = a_z;
    }
    return near;
}

/* Kick the velocities for a time dt; r are the heliocentric positions. Only the
 * velocities of `to` are written.
 *
 * The modified kick evaluates the force where the force itself has led after dt^2 / 12, which adds
 * the gradient term of a fourth-order scheme without any gradient (Wisdom, Holman & Touma 1996,
 * Fields Inst. Commun. 10, 217; Rein, Tamayo & Brown 2019, MNRAS 489, 4632). */
INLINE mask kick(
    int n, const struct system *s, const struct body *b, const struct distance *d,
    const struct vector *r, vec dt, int modified, struct body *to)
{
    struct vector a[MAX_PLANETS];
    mask near = accelerations(n, s, b, d, r, a);
    if (modified) {
        struct body moved[MAX_PLANETS];
        struct distance apart[MAX_PLANETS];
        struct vector there[MAX_PLANETS];
        vec by = dt * dt * broadcast(1.0 / 12.0);
        for (int i = 0; i < n; i++) {
            moved[i].x = b[i].x + by * a[i].x;
            moved[i].y = b[i].y + by * a[i].y;
            moved[i].z = b[i].z + by * a[i].z;
        }
        measure(n, s, moved, apart);
        heliocentric(n, s, moved, there);
        near = near | accelerations(n, s, moved, apart, there, a);
    }
    for (int i = 0; i < n; i++) {
        to[i].vx = b[i].vx + dt * a[i].x;
        to[i].vy = b[i].vy + dt * a[i].y;
        to[i].vz = b[i].vz + dt * a[i].z;
    }
    return near;
}

/* A kick away from the main loop, where the positions are not at hand. */
static __attribute__((noinline)) void kick_alone(
    int n, const struct system *s, struct body *b, double dt)
{
    struct distance d[MAX_PLANETS];
    struct vector r[MAX_PLANETS];
    measure(n, s, b, d);
    heliocentric(n, s, b, r);
    kick(n, s, b, d, r, broadcast(dt), 0, b);
}

#endif
