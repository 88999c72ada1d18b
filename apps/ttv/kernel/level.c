/* The integrator at one vector width; compiled once for each, with LANES and LEVEL set. */
#include "start.h"
#include "transits.h"

#define NAME_OF(level) integrate_##level
#define NAME(level) NAME_OF(level)

/* All that changes while LANES parameter sets are integrated. */
struct run {
    const struct setup *setup;
    const struct start *starts;
    struct track **tracks;
    struct system system;
    struct body *bodies;
    struct distance distances[MAX_PLANETS];
    struct vector places[MAX_PLANETS]; /* heliocentric */
    struct history history;
    vec rate[MAX_PLANETS];             /* D at the last half step */
    struct body circle[MAX_PLANETS];   /* where a lane that failed waits for the others */
    mask alive;
    struct queue queues[MAX_PLANETS];
};

/* Third-order symplectic corrector (Wisdom 2006, AJ 131, 2294): the state is carried into the
 * coordinates of the map, which differ from the real ones by its fastest errors. */
INLINE void correct(int n, const struct system *s, struct body *b, double dt)
{
    const double a = 0.41833001326703777399; /* sqrt(7 / 40) */
    const double b1 = 0.024900596027799867500; /* 1 / (96 a) */
    for (int outer = 1; outer >= -1; outer -= 2)
        for (int inner = -1; inner <= 1; inner += 2) {
            vec far = broadcast(outer * inner * a * dt), back = -far;
            drift_all(n, s->gm, b, &back, 0);
            kick_alone(n, n, s, b, broadcast(outer * inner * b1 * dt), 0);
            drift_all(n, s->gm, b, &far, 0);
        }
}

/* Take lanes out: their failure is noted, and they circle where they disturb nobody. */
static __attribute__((noinline)) void retire(struct run *run, mask lanes, enum failure failure)
{
    int n = run->setup->n_planet;
    for (int lane = 0; lane < LANES; lane++)
        if (lanes[lane] && run->alive[lane])
            run->tracks[lane]->failure = failure;
    run->alive = run->alive & ~lanes;
    for (int i = 0; i < n; i++) {
        struct body *b = &run->bodies[i];
        const struct body *circle = &run->circle[i];
        b->x = choose(lanes, circle->x, b->x);
        b->y = choose(lanes, circle->y, b->y);
        b->z = choose(lanes, circle->z, b->z);
        b->vx = choose(lanes, circle->vx, b->vx);
        b->vy = choose(lanes, circle->vy, b->vy);
        b->vz = choose(lanes, circle->vz, b->vz);
        for (int k = 0; k < 3; k++)
            run->history.missed[k][i] =
                choose(lanes, broadcast(0.0), run->history.missed[k][i]);
        run->system.limit[i] = choose(lanes, broadcast(0.0), run->system.limit[i]);
    }
    measure(n, run->bodies, run->distances);
    heliocentric(n, &run->system, run->bodies, run->places);
}

/* Note the transits of one planet between the last two half steps. */
static __attribute__((noinline)) void note(
    struct run *run, int place, mask crossing, vec rate, double step, const struct body *before)
{
    const struct setup *setup = run->setup;
    for (int lane = 0; lane < LANES; lane++) {
        if (!crossing[lane])
            continue;
        struct track *track = run->tracks[lane];
        if (track->count[place] >= setup->capacity) {
            mask one = {0};
            one[lane] = -1;
            retire(run, one, FAILURE_TOO_MANY_TRANSITS);
            continue;
        }
        double *time = &track->times[place][track->count[place]++];
        double last = run->rate[place][lane];
        double part = last / (last - rate[lane]);
        double guess = step > 0.0 ? part - 0.5 : 0.5 * part; /* the first is but half a step */
        *time = (step + guess) * setup->dt;
        if (!setup->timed[run->starts[lane].order[place]])
            continue;
        struct queue *q = &run->queues[place];
        append(
            setup->n_planet, place, q, &run->system, before, run->bodies, lane, step, guess, time);
        if (q->n == LANES)
            refine(setup->n_planet, place, q, setup->dt, setup->modified_kick);
    }
}

/* Look for transits since the last half step; the bodies are at time (step + 1/2) dt. */
INLINE void look(int n, struct run *run, const struct body *before, double step)
{
    const struct system *s = &run->system;
    vec centre_vx = broadcast(0.0), centre_vy = broadcast(0.0);
    vec rates[MAX_PLANETS];
    mask crossings[MAX_PLANETS], some = {0};
    for (int i = 0; i < n; i++) {
        const struct body *b = &run->bodies[i];
        rates[i] = run->places[i].x * (b->vx + centre_vx) + run->places[i].y * (b->vy + centre_vy);
        centre_vx = centre_vx + s->share[i] * b->vx;
        centre_vy = centre_vy + s->share[i] * b->vy;
        crossings[i] = (run->rate[i] < broadcast(0.0)) & (rates[i] >= broadcast(0.0)) &
                       (run->places[i].z > broadcast(0.0)) & run->alive;
        some = some | crossings[i];
    }
    if (__builtin_expect(any(some), 0)) {
        for (int i = 0; i < n; i++)
            if (any(crossings[i]))
                note(run, i, crossings[i], rates[i], step, before);
    }
    for (int i = 0; i < n; i++)
        run->rate[i] = rates[i];
}

/* One step from half step to half step: kick, then drift every planet. */
INLINE void advance(int n, struct run *run, struct body *to)
{
    vec dt = broadcast(run->setup->dt);
    struct body kicked[MAX_PLANETS];
    struct distance there[MAX_PLANETS];
    mask near = kick(
        n, n, &run->system, run->bodies, run->distances, run->places, dt,
        run->setup->modified_kick, kicked);
    struct departure from = {run->bodies, kicked, run->distances, run->system.gm};
    mask unbound = drift_from(n, &from, &dt, 0, &run->history, to, there);
    run->bodies = to;
    for (int i = 0; i < n; i++)
        run->distances[i] = there[i];
    heliocentric(n, &run->system, run->bodies, run->places);
    if (__builtin_expect(any((near | unbound) & run->alive), 0)) {
        retire(run, near & ~unbound & run->alive, FAILURE_CLOSE_APPROACH);
        retire(run, unbound & run->alive, FAILURE_UNBOUND);
    }
}

INLINE void integrate_planets(int n, struct run *run)
{
    const struct setup *setup = run->setup;
    double dt = setup->dt;
    correct(n, &run->system, run->bodies, dt);
    for (int i = 0; i < n; i++) {
        run->rate[i] = broadcast(0.0);
        for (int k = 0; k < 3; k++)
            run->history.missed[k][i] = broadcast(0.0);
    }
    run->history.oldest = 0;
    heliocentric(n, &run->system, run->bodies, run->places);
    look(n, run, run->bodies, -0.5); /* D at the epoch */
    struct body other[MAX_PLANETS], *before = other;
    memcpy(before, run->bodies, sizeof other);
    vec half = broadcast(0.5 * dt);
    drift_all(n, run->system.gm, run->bodies, &half, 0);
    heliocentric(n, &run->system, run->bodies, run->places);
    measure(n, run->bodies, run->distances);
    look(n, run, before, 0.0);
    for (double step = 1.0; (step - 0.5) * dt <= setup->span && any(run->alive); step += 1.0) {
        struct body *to = before;
        before = run->bodies;
        advance(n, run, to);
        look(n, run, before, step);
    }
    for (int i = 0; i < n; i++)
        if (run->queues[i].n)
            refine(n, i, &run->queues[i], dt, setup->modified_kick);
}

void NAME(LEVEL)(
    const struct setup *setup, const struct start *starts, int n, struct track **tracks)
{
    struct run run;
    struct body bodies[MAX_PLANETS];
    run.bodies = bodies;
    vec since[MAX_PLANETS];
    run.setup = setup;
    run.starts = starts;
    run.tracks = tracks;
    for (int i = 0; i < setup->n_planet; i++)
        run.queues[i].n = 0;
    for (int lane = 0; lane < LANES; lane++) {
        run.alive[lane] = lane < n ? -1 : 0;
        fill_lane(
            setup, &starts[lane < n ? lane : 0], lane, &run.system, bodies, run.circle, since);
    }
    derive(setup->n_planet, &run.system);
    drift_all(setup->n_planet, run.system.gm, bodies, since, 1);
    /* A number of planets that is known to the compiler lets it unroll, and keep registers full. */
    switch (setup->n_planet) {
    case 1: integrate_planets(1, &run); break;
    case 2: integrate_planets(2, &run); break;
    case 3: integrate_planets(3, &run); break;
    case 4: integrate_planets(4, &run); break;
    default: integrate_planets(setup->n_planet, &run); break;
    }
}
