/* What the parts of the kernel say to each other.
 *
 * Days, au and solar masses throughout; times count from the epoch of the elements. */
#ifndef OPENASTRO_TTV_INTERFACE_H
#define OPENASTRO_TTV_INTERFACE_H

#include <stddef.h>

#define MAX_PLANETS 9
#define N_ELEMENT 7 /* mass, period, ecosw, esinw, t0, inclination, node */

/* Why a parameter set has no transit times; the order is that of apps.ttv.compute.failures.KINDS. */
enum failure {
    FAILURE_NONE = 0,
    FAILURE_ELEMENTS,
    FAILURE_CLOSE_APPROACH,
    FAILURE_UNBOUND,
    FAILURE_ENGINE,
    FAILURE_TOO_MANY_TRANSITS,
    FAILURE_NON_FINITE,
    FAILURE_MISSING_TRANSIT,
    FAILURE_NUMBERING,
};

/* What all parameter sets of a call share. */
struct setup {
    int n_planet;
    double gravity;    /* G, au^3 day^-2 Msun^-1 */
    double earth_mass; /* Msun */
    double star_mass;  /* Msun */
    double epoch;      /* BKJD of the elements */
    double span;       /* days to integrate */
    double dt;         /* days */
    int modified_kick;
    const unsigned char *timed; /* (n_planet,), planets whose transits are refined */
    size_t capacity;            /* transits there is room for, per planet */
};

/* The transits of one parameter set. */
struct track {
    enum failure failure;
    size_t count[MAX_PLANETS];
    double *times[MAX_PLANETS]; /* refined if the planet is timed, else good to a hundredth of dt */
};

/* A parameter set whose orbits are possible: its planets from the inside to the outside. */
struct start {
    const double *elements; /* (n_planet, N_ELEMENT) */
    int order[MAX_PLANETS]; /* planet at each place */
};

/* Integrate up to `lanes` parameter sets side by side, and fill their tracks. */
typedef void integrate_function(
    const struct setup *setup, const struct start *starts, int n, struct track **tracks);

struct level {
    int lanes;
    integrate_function *integrate;
};

#endif
