#include "matching.h"

#include <math.h>

#include "exact.h"

#define N_LONGITUDE 72 /* where the distance of two orbits is looked at: every 5 degrees */

static double eccentricity(const double *element)
{
    return exact_sqrt(element[2] * element[2] + element[3] * element[3]);
}

/* Whether one planet's elements can be integrated; written so that NaN fails. */
static int is_physical(const double *element)
{
    double sum = 0.0;
    for (int i = 0; i < N_ELEMENT; i++)
        sum += element[i];
    return element[0] >= 0.0 && element[1] > 0.0 && eccentricity(element) < 1.0 &&
           sum - sum == 0.0;
}

/* Whether two orbits, taken as coplanar, stay apart by more than one mutual Hill radius. */
static int stay_apart(const struct setup *setup, const double *inner, const double *outer)
{
    if (inner[0] == 0.0 && outer[0] == 0.0)
        return 1;
    double periods = outer[1] / inner[1], ratio = exact_cbrt(periods * periods);
    double mass = (inner[0] + outer[0]) * setup->earth_mass / setup->star_mass;
    double hill = 0.5 * (1.0 + ratio) * exact_cbrt(mass / 3.0);
    double e_in = eccentricity(inner), e_out = eccentricity(outer);
    if (ratio * (1.0 - e_out) - (1.0 + e_in) > hill)
        return 1; /* whatever the orientation: the usual case */
    for (int i = 0; i < N_LONGITUDE; i++) {
        double theta = 2.0 * EXACT_PI * i / N_LONGITUDE;
        double c = exact_cos(theta), s = exact_sin(theta);
        double r_in = (1.0 - e_in * e_in) / (1.0 + (inner[2] * c + inner[3] * s));
        double r_out = (1.0 - e_out * e_out) / (1.0 + (outer[2] * c + outer[3] * s));
        if (!(ratio * r_out - r_in > hill))
            return 0;
    }
    return 1;
}

enum failure prepare(const struct setup *setup, const double *elements, struct start *start)
{
    start->elements = elements;
    for (int i = 0; i < setup->n_planet; i++) {
        if (!is_physical(elements + N_ELEMENT * i))
            return FAILURE_ELEMENTS;
        int place = i;
        for (; place > 0; place--) {
            const double *inside = elements + N_ELEMENT * start->order[place - 1];
            if (inside[1] <= elements[N_ELEMENT * i + 1])
                break;
            start->order[place] = start->order[place - 1];
        }
        start->order[place] = i;
    }
    for (int place = 1; place < setup->n_planet; place++)
        if (!stay_apart(
                setup, elements + N_ELEMENT * start->order[place - 1],
                elements + N_ELEMENT * start->order[place]))
            return FAILURE_CLOSE_APPROACH;
    return FAILURE_NONE;
}

enum failure check_spacing(
    const struct setup *setup, const struct start *start, const struct track *track)
{
    for (int place = 0; place < setup->n_planet; place++) {
        const double *element = start->elements + N_ELEMENT * start->order[place];
        double period = element[1], sine = exact_sin(element[5] * (EXACT_PI / 180.0));
        /* Only an orbit within 45 degrees of edge-on passes in front of the star once a period. */
        if (sine * sine < 0.5)
            continue;
        double last = 0.0;
        for (size_t i = 0; i <= track->count[place]; i++) {
            int is_end = i == track->count[place];
            double time = is_end ? setup->span : track->times[place][i];
            if (!(time - time == 0.0))
                return FAILURE_NON_FINITE;
            if (!(time - last <= 1.5 * period))
                return FAILURE_MISSING_TRANSIT;
            if (i > 0 && !is_end && !(time - last >= 0.5 * period))
                return FAILURE_MISSING_TRANSIT;
            last = time;
        }
    }
    return FAILURE_NONE;
}

/* The model's transit nearest to t0 gets the number that the table's ephemeris gives t0. */
static enum failure match_planet(
    const struct setup *setup, const struct table *table, int planet, const double *element,
    size_t n, const double *track, double *times)
{
    size_t begin = (size_t)table->first[planet], end = (size_t)table->first[planet + 1];
    double zero = table->ephemerides[2 * planet], period = table->ephemerides[2 * planet + 1];
    double t0 = element[4];
    long long number;
    if (period > 0.0) {
        number = (long long)exact_round((t0 - zero) / period);
    } else {
        period = element[1];
        number = table->epochs[begin] +
                 (long long)exact_round((t0 - table->observed[begin]) / period);
    }
    if (n == 0)
        return FAILURE_MISSING_TRANSIT;
    size_t nearest = 0;
    for (size_t i = 1; i < n; i++)
        if (fabs(track[i] + setup->epoch - t0) < fabs(track[nearest] + setup->epoch - t0))
            nearest = i;
    if (!(fabs(track[nearest] + setup->epoch - t0) <= 0.25 * period))
        return FAILURE_NUMBERING;
    for (size_t i = begin; i < end; i++) {
        long long place = (long long)nearest + table->epochs[i] - number;
        if (place < 0 || place >= (long long)n)
            return FAILURE_MISSING_TRANSIT;
        times[i] = track[place] + setup->epoch;
    }
    return FAILURE_NONE;
}

enum failure match(
    const struct setup *setup, const struct table *table, const struct start *start,
    const struct track *track, double *times)
{
    for (int place = 0; place < setup->n_planet; place++) {
        int planet = start->order[place];
        if (table->first[planet] == table->first[planet + 1])
            continue;
        enum failure failure = match_planet(
            setup, table, planet, start->elements + N_ELEMENT * planet, track->count[place],
            track->times[place], times);
        if (failure != FAILURE_NONE)
            return failure;
    }
    return FAILURE_NONE;
}
