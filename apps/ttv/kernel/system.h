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
    vec product[MAX_PAIRS];           /* of both G m, in the order of the loops */
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
            *product++ = s->planet[i] * s->planet[k];
        inside = including;
    }
}

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

/* Every pair's force over its distance: product / distance^3. Of the planets' pairs only those of
 * the first ones with any; returns lanes with an encounter. */
INLINE mask attract(
    int n, int first, const struct system *s, const struct vector *r, vec *force)
{
    mask near = {0};
    int count = 0;
    for (int k = 1; k < n; k++)
        force[count++] = norm2(r[k]);
    for (int j = 0; j < first; j++)
        for (int k = j + 1; k < n; k++) {
            struct vector apart = {r[k].x - r[j].x, r[k].y - r[j].y, r[k].z - r[j].z};
            vec square = norm2(apart);
            if (k == j + 1)
                near = near | (square < s->limit[j]);
            force[count++] = square;
        }
    for (int i = 0; i < count; i++)
        force[i] = over_cube(s->product[i], force[i]);
    return near;
}

/* Accelerations of the first Jacobi coordinates by the interaction; returns lanes with an encounter.
 *
 * First each body is pulled by all others, but for the star and planet 0, whose pull is in that
 * planet's Kepler orbit. A Jacobi coordinate counts from the barycentre of all inside: what that
 * is pulled by is taken off, and so is the planet's own Kepler orbit. Forces, which are equal and
 * opposite, are summed rather than accelerations. */
INLINE mask accelerations(
    int n, int first, const struct system *s, const struct body *b, const struct distance *d,
    const struct vector *r, struct vector *a)
{
    const struct vector zero = {broadcast(0.0), broadcast(0.0), broadcast(0.0)};
    struct vector inside = zero; /* on the star and the inner planets */
    struct vector on[MAX_PLANETS];
    vec forces[MAX_PAIRS];
    const vec *force = forces;
    mask near = attract(n, first, s, r, forces);
    on[0] = zero;
    for (int k = 1; k < n; k++) {
        struct vector pull = scaled(r[k], *force++);
        on[k] = (struct vector){-pull.x, -pull.y, -pull.z};
        inside.x = inside.x + pull.x;
        inside.y = inside.y + pull.y;
        inside.z = inside.z + pull.z;
    }
    for (int j = 0; j < first; j++) {
        struct vector own = on[j];
        for (int k = j + 1; k < n; k++) {
            struct vector apart = {r[k].x - r[j].x, r[k].y - r[j].y, r[k].z - r[j].z};
            struct vector pull = scaled(apart, *force++);
            own.x = own.x + pull.x;
            own.y = own.y + pull.y;
            own.z = own.z + pull.z;
            on[k].x = on[k].x - pull.x;
            on[k].y = on[k].y - pull.y;
            on[k].z = on[k].z - pull.z;
        }
        a[j] = scaled(own, s->inverse_planet[j]);
        subtract(&a[j], inside, s->inverse_inside[j]);
        inside.x = inside.x + own.x;
        inside.y = inside.y + own.y;
        inside.z = inside.z + own.z;
        if (j > 0) {
            struct vector jacobi = {b[j].x, b[j].y, b[j].z};
            vec inverse = d[j].inverse;
            add(&a[j], jacobi, s->gm[j] * (inverse * inverse * inverse));
        }
    }
    return near;
}

/* Kick the velocities of the first planets for a time dt; r are the heliocentric positions. Only the
 * velocities of `to` are written.
 *
 * The modified kick evaluates the force where the force itself has led after dt^2 / 12, which adds
 * the gradient term of a fourth-order scheme without any gradient (Wisdom, Holman & Touma 1996,
 * Fields Inst. Commun. 10, 217; Rein, Tamayo & Brown 2019, MNRAS 489, 4632). */
INLINE mask kick(
    int n, int first, const struct system *s, const struct body *b, const struct distance *d,
    const struct vector *r, vec dt, int modified, struct body *to)
{
    struct vector a[MAX_PLANETS];
    mask near = accelerations(n, modified ? n : first, s, b, d, r, a);
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
        measure(n, moved, apart);
        heliocentric(n, s, moved, there);
        near = near | accelerations(n, first, s, moved, apart, there, a);
    }
    for (int i = 0; i < first; i++) {
        to[i].vx = b[i].vx + dt * a[i].x;
        to[i].vy = b[i].vy + dt * a[i].y;
        to[i].vz = b[i].vz + dt * a[i].z;
    }
    return near;
}

/* A kick away from the main loop, where the positions are not at hand. */
INLINE void kick_alone(
    int n, int first, const struct system *s, struct body *b, vec dt, int modified)
{
    struct distance d[MAX_PLANETS];
    struct vector r[MAX_PLANETS];
    measure(n, b, d);
    heliocentric(n, s, b, r);
    kick(n, first, s, b, d, r, dt, modified, b);
}

#endif
