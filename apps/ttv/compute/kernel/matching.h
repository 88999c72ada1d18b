/* From a parameter set to its place in the kernel's work: what is hopeless is refused before any
 * integration, and transits are numbered after it. */
#ifndef OPENASTRO_MATCHING_H
#define OPENASTRO_MATCHING_H

#include "interface.h"

/* The measured transits, planet by planet in the order of the settings. */
struct table {
    size_t n_transit;
    const long long *epochs;    /* (n_transit,) */
    const long long *first;     /* (n_planet + 1,), where each planet's transits begin */
    const double *ephemerides;  /* (n_planet, 2): time of transit 0 and period; period 0: none */
    const double *observed;     /* (n_transit,), BKJD days */
};

/* Order the planets and check that their orbits are possible; FAILURE_NONE if they are. */
enum failure prepare(const struct setup *setup, const double *elements, struct start *start);

/* Refuse a track in which a planet skips or repeats a transit. */
enum failure check_spacing(
    const struct setup *setup, const struct start *start, const struct track *track);

/* Give the model's time, BKJD days, of every measured transit: times (n_transit,). */
enum failure match(
    const struct setup *setup, const struct table *table, const struct start *start,
    const struct track *track, double *times);

#endif
