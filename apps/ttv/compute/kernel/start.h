/* From the elements of a parameter set to the Jacobi state at the epoch. */
#ifndef OPENASTRO_START_H
#define OPENASTRO_START_H

#include "exact.h"
#include "system.h"

enum element { MASS, PERIOD, ECOSW, ESINW, T0, INCLINATION, NODE };

/* State at conjunction, 90 degrees from the node, where no anomaly is needed: with p = a (1 - e^2),
 * r = p / (1 + e sin w) and v = sqrt(gm / p) (-(1 + e sin w), e cos w) (Murray & Dermott 1999,
 * section 2.4), turned by inclination and node. */
static void at_conjunction(const double *element, double period, double gm, double state[6])
{
    double ecosw = element[ECOSW], esinw = element[ESINW];
    double ratio = period / (2.0 * EXACT_PI);
    double axis = exact_cbrt(gm * ratio * ratio);
    double p = axis * (1.0 - (ecosw * ecosw + esinw * esinw));
    double across = p / (1.0 + esinw), speed = exact_sqrt(gm / p);
    double v_along = -speed * (1.0 + esinw), v_across = speed * ecosw;
    double degree = EXACT_PI / 180.0;
    double cos_i = exact_cos(element[INCLINATION] * degree);
    double sin_i = exact_sin(element[INCLINATION] * degree);
    double cos_n = exact_cos(element[NODE] * degree), sin_n = exact_sin(element[NODE] * degree);
    state[0] = -across * cos_i * sin_n;
    state[1] = across * cos_i * cos_n;
    state[2] = across * sin_i;
    state[3] = v_along * cos_n - v_across * cos_i * sin_n;
    state[4] = v_along * sin_n + v_across * cos_i * cos_n;
    state[5] = v_across * sin_i;
}

/* Neighbours may not come nearer than one mutual Hill radius: a fixed step cannot follow that. */
static double hill_radius(const double *inner, const double *outer, const struct setup *setup)
{
    double ratio = outer[PERIOD] / inner[PERIOD], factor = exact_cbrt(ratio * ratio);
    double mass = (inner[MASS] + outer[MASS]) * setup->earth_mass / setup->star_mass;
    return mass > 0.0 ? 0.5 * (1.0 + factor) * exact_cbrt(mass / 3.0) : 0.0;
}

static void set_lane(struct body *b, int lane, const double state[6])
{
    b->x[lane] = state[0];
    b->y[lane] = state[1];
    b->z[lane] = state[2];
    b->vx[lane] = state[3];
    b->vy[lane] = state[4];
    b->vz[lane] = state[5];
}

/* Fill one lane of masses and bodies; the bodies are at their conjunctions, `since` steps before
 * the epoch, by at most half a period. `circle` is where a lane that failed waits for the others.
 * The integrator's unit of time is the step, because then it need not multiply by it. */
static void fill_lane(
    const struct setup *setup, const struct start *start, int lane, struct system *s,
    struct body *b, struct body *circle, vec *since)
{
    double dt = setup->dt, g = setup->gravity * dt * dt, total = setup->star_mass;
    s->star[lane] = g * setup->star_mass;
    for (int place = 0; place < setup->n_planet; place++) {
        const double *element = start->elements + N_ELEMENT * start->order[place];
        double mass = element[MASS] * setup->earth_mass;
        double gm = g * setup->star_mass * ((total + mass) / total);
        total = total + mass;
        s->planet[place][lane] = g * (mass > MASSLESS ? mass : MASSLESS);
        double period = element[PERIOD] / dt, wait = (setup->epoch - element[T0]) / dt;
        double state[6];
        at_conjunction(element, period, gm, state);
        set_lane(&b[place], lane, state);
        since[place][lane] = wait - period * exact_round(wait / period);
        double ratio = period / (2.0 * EXACT_PI), axis = exact_cbrt(gm * ratio * ratio);
        const double round[6] = {axis, 0.0, 0.0, 0.0, 0.0, exact_sqrt(gm / axis)};
        set_lane(&circle[place], lane, round);
        s->limit[place][lane] = 0.0;
        if (place > 0) {
            const double *inner = start->elements + N_ELEMENT * start->order[place - 1];
            double limit = circle[place - 1].x[lane] * hill_radius(inner, element, setup);
            s->limit[place - 1][lane] = limit * limit;
        }
    }
}

#endif
