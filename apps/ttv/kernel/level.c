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
    struct body bodies[MAX_PLANETS];
    struct vector places[MAX_PLANETS]; /* heliocentric */
    vec past[MAX_PLANETS][3];          /* s of the last steps, newest last */
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
            vec far = broadcast(outer * inner * a * dt);
            drift_all(n, s, b, -far);
            kick_alone(n, s, b, broadcast(outer * inner * b1 * dt), 0);
            drift_all(n, s, b, far);
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
        /* On a circle s grows by the same amount in every step. */
        vec even = broadcast(run->setup->dt) / circle->x;
        for (int k = 0; k < 3; k++)
            run->past[i][k] = choose(lanes, even, run->past[i][k]);
        run->system.limit[i] = choose(lanes, broadcast(0.0), run->system.limit[i]);
    }
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
        *time = (step - 0.5 + last / (last - rate[lane])) * setup->dt;
        if (!setup->timed[run->starts[lane].order[place]])
            continue;
        struct queue *q = &run->queues[place];
        append(
            setup->n_planet, place, q, &run->system, before, run->bodies, lane, step, time);
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
INLINE void advance(int n, struct run *run)
{
    vec dt = broadcast(run->setup->dt);
    struct distance distances[MAX_PLANETS];
    measure(n, run->bodies, distances);
    mask near = kick(
        n, &run->system, run->bodies, distances, run->places, dt, run->setup->modified_kick);
    mask unbound = {0};
    for (int i = 0; i < n; i++) {
        struct orbit o = orbit_at(&run->bodies[i], distances[i], run->system.gm[i]);
        unbound = unbound | ~(o.beta > broadcast(0.0)); /* NaN, too */
        vec *past = run->past[i];
        /* s is smooth in time: go on along the parabola through the last three. */
        vec guess = broadcast(3.0) * (past[2] - past[1]) + past[0];
        struct arc arc = solve(&o, dt, guess);
        move(&run->bodies[i], &o, dt, &arc);
        past[0] = past[1];
        past[1] = past[2];
        past[2] = arc.s;
    }
    heliocentric(n, &run->system, run->bodies, run->places);
    if (__builtin_expect(any((near | unbound) & run->alive), 0)) {
        retire(run, near & ~unbound & run->alive, FAILURE_CLOSE_APPROACH);
        retire(run, unbound & run->alive, FAILURE_UNBOUND);
    }
}

/* s of a step that ends now, for the first guesses: the orbits are followed back undisturbed. */
INLINE void remember(int n, struct run *run)
{
    vec dt = broadcast(run->setup->dt);
    for (int i = 0; i < n; i++) {
        struct body b = run->bodies[i];
        for (int k = 2; k >= 0; k--) {
            struct orbit o = orbit_of(&b, run->system.gm[i]);
            struct arc arc = solve(&o, -dt, first_guess(&o, -dt));
            move(&b, &o, -dt, &arc);
            run->past[i][k] = -arc.s;
        }
    }
}

INLINE void integrate_planets(int n, struct run *run)
{
    const struct setup *setup = run->setup;
    double dt = setup->dt;
    correct(n, &run->system, run->bodies, dt);
    for (int i = 0; i < n; i++)
        run->rate[i] = broadcast(0.0);
    heliocentric(n, &run->system, run->bodies, run->places);
    look(n, run, run->bodies, -0.5); /* D at the epoch */
    struct body before[MAX_PLANETS];
    memcpy(before, run->bodies, sizeof before);
    drift_all(n, &run->system, run->bodies, broadcast(0.5 * dt));
    heliocentric(n, &run->system, run->bodies, run->places);
    look(n, run, before, 0.0);
    remember(n, run);
    for (double step = 1.0; (step - 0.5) * dt <= setup->span && any(run->alive); step += 1.0) {
        for (int i = 0; i < n; i++)
            before[i] = run->bodies[i];
        advance(n, run);
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
    vec since[MAX_PLANETS];
    run.setup = setup;
    run.starts = starts;
    run.tracks = tracks;
    for (int i = 0; i < setup->n_planet; i++)
        run.queues[i].n = 0;
    for (int lane = 0; lane < LANES; lane++) {
        run.alive[lane] = lane < n ? -1 : 0;
        fill_lane(
            setup, &starts[lane < n ? lane : 0], lane, &run.system, run.bodies, run.circle, since);
    }
    for (int i = 0; i < setup->n_planet; i++)
        drift(&run.bodies[i], run.system.gm[i], since[i]);
    /* A number of planets that is known to the compiler lets it unroll, and keep registers full. */
    switch (setup->n_planet) {
    case 1: integrate_planets(1, &run); break;
    case 2: integrate_planets(2, &run); break;
    case 3: integrate_planets(3, &run); break;
    case 4: integrate_planets(4, &run); break;
    default: integrate_planets(setup->n_planet, &run); break;
    }
}
