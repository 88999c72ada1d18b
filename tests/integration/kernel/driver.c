/* The kernel without Python: parameter sets in, the bytes of all transit times out.
 *
 *   driver N_SET N_PLANET SPAN DT MODIFIED_KICK CAPACITY STAR_MASS GRAVITY EARTH_MASS
 *
 * Standard input has the elements, N_SET x N_PLANET x 7 doubles; the epoch is 0. Standard output
 * has, for each set, its failure and the counts of transits (int64), then the times of each planet,
 * CAPACITY doubles. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "interface.h"
#include "matching.h"

void integrate_driver(const struct setup *, const struct start *, int, struct track **);

static double *doubles(size_t n)
{
    double *memory = calloc(n, sizeof *memory);
    if (!memory)
        exit(2);
    return memory;
}

int main(int argc, char **argv)
{
    if (argc != 10)
        return 2;
    static const unsigned char everyone[MAX_PLANETS] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    size_t n_set = (size_t)atoi(argv[1]);
    struct setup setup = {
        .n_planet = atoi(argv[2]),
        .span = atof(argv[3]),
        .dt = atof(argv[4]),
        .modified_kick = atoi(argv[5]),
        .capacity = (size_t)atoi(argv[6]),
        .star_mass = atof(argv[7]),
        .gravity = atof(argv[8]),
        .earth_mass = atof(argv[9]),
        .timed = everyone,
    };
    size_t n_planet = (size_t)setup.n_planet, each = n_planet * N_ELEMENT;
    double *elements = doubles(n_set * each);
    if (fread(elements, sizeof *elements, n_set * each, stdin) != n_set * each)
        return 2;
    for (size_t first = 0; first < n_set; first += LANES) {
        struct start starts[LANES];
        struct track tracks[LANES], *waiting[LANES];
        int64_t failures[LANES];
        int n = 0, which[LANES], size = n_set - first < LANES ? (int)(n_set - first) : LANES;
        double *memory = doubles(LANES * n_planet * setup.capacity);
        for (int lane = 0; lane < size; lane++) {
            const double *own = elements + (first + (size_t)lane) * each;
            failures[lane] = prepare(&setup, own, &starts[n]);
            if (failures[lane] != FAILURE_NONE)
                continue;
            tracks[n] = (struct track){.failure = FAILURE_NONE};
            for (int place = 0; place < setup.n_planet; place++) {
                size_t planet = (size_t)starts[n].order[place];
                tracks[n].times[place] =
                    memory + ((size_t)lane * n_planet + planet) * setup.capacity;
            }
            waiting[n] = &tracks[n];
            which[n++] = lane;
        }
        if (n)
            integrate_driver(&setup, starts, n, waiting);
        int64_t counts[LANES][MAX_PLANETS] = {{0}};
        for (int i = 0; i < n; i++) {
            enum failure failure = tracks[i].failure;
            if (failure == FAILURE_NONE)
                failure = check_spacing(&setup, &starts[i], &tracks[i]);
            failures[which[i]] = failure;
            for (int place = 0; place < setup.n_planet; place++)
                counts[which[i]][starts[i].order[place]] = (int64_t)tracks[i].count[place];
        }
        for (int lane = 0; lane < size; lane++) {
            fwrite(&failures[lane], sizeof failures[lane], 1, stdout);
            fwrite(counts[lane], sizeof counts[lane][0], n_planet, stdout);
            fwrite(
                memory + (size_t)lane * n_planet * setup.capacity, sizeof *memory,
                n_planet * setup.capacity, stdout);
        }
        free(memory);
    }
    free(elements);
    return 0;
}
