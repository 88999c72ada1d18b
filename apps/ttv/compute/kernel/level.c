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
    struct body *bodies, other[MAX_PLANETS]; /* now and, in its turn, half a step before */
    struct distance distances[MAX_PLANETS];
    struct vector places[MAX_PLANETS]; /* heliocentric */
    struct history history;
    vec rate[MAX_PLANETS];             /* D at the last half step */
    mask timed[MAX_PLANETS];           /* lanes whose planet here is refined */
    mask crossed[MAX_PLANETS];         /* lanes with a transit since the last half step, and */
    mask some_crossed;                 /* those of any planet: they wait for the next kick */
    struct body circle[MAX_PLANETS];   /* where a lane that failed waits for the others */
    mask alive;
    struct queue queues[MAX_PLANETS];
};

/* Third-order symplectic corrector (Wisdom 2006, AJ 131, 2294): the state is carried into the
 * coordinates of the map, which differ from the real ones by its fastest errors. */
static void correct(int n, const struct system *s, struct body *b)
{
    const double a = 0.41833001326703777399; /* sqrt(7 / 40) */
    const double b1 = 0.024900596027799867500; /* 1 / (96 a) */
    for (int outer = 1; outer >= -1; outer -= 2)
        for (int inner = -1; inner <= 1; inner += 2) {
            drift_for(n, s->gm, b, -outer * inner * a);
            kick_alone(n, s, b, outer * inner * b1);
            drift_for(n, s->gm, b, outer * inner * a);
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
    /* The others' distances are kept, because the drift's may differ from these in the last bit. */
    struct distance there[MAX_PLANETS];
    measure(n, &run->system, run->bodies, there);
    for (int i = 0; i < n; i++) {
        struct distance *d = &run->distances[i];
        d->r = choose(lanes, there[i].r, d->r);
        d->inverse = choose(lanes, there[i].inverse, d->inverse);
        d->potential = choose(lanes, there[i].potential, d->potential);
    }
    heliocentric(n, &run->system, run->bodies, run->places);
}

/* Where D changes its sign to positive in front of the star, as the sign bit. */
INLINE mask crossing(vec before, vec now, vec z) { return (mask)before & ~((mask)now | (mask)z); }

/* Note the transits of one planet between the last two half steps. */
static __attribute__((noinline)) void note(
    struct run *run, int place, mask crossing, vec rate, double step)
{
    const struct setup *setup = run->setup;
    struct queue *q = &run->queues[place];
    vec last = run->rate[place], part = last / (last - rate), half = broadcast(0.5);
    vec guess = step > 0.0 ? part - half : half * part; /* the first is but half a step */
    vec time = (broadcast(step) + guess) * broadcast(setup->dt);
    mask wanted = crossing & run->timed[place];
    if (any(wanted & q->waiting))
        refine(&run->system, place, q, setup->dt);
    for (int lane = 0; lane < LANES; lane++) {
        if (!crossing[lane])
            continue;
        struct track *track = run->tracks[lane];
        if (track->count[place] >= setup->capacity) {
            mask full = {0};
            full[lane] = -1;
            retire(run, full, FAILURE_TOO_MANY_TRANSITS);
            continue;
        }
        q->times[lane] = &track->times[place][track->count[place]++];
        *q->times[lane] = time[lane];
    }
    wanted = wanted & run->alive;
    q->step = choose(wanted, broadcast(step), q->step);
    q->guess = choose(wanted, guess, q->guess);
    run->crossed[place] = wanted;
    run->some_crossed = run->some_crossed | wanted;
}

/* Look for transits since the last half step; the bodies are at time step + 1/2. What tells them is the
 * sign bits of D before, D now and z. */
INLINE void look(int n, struct run *run, double step)
{
    const struct system *s = &run->system;
    vec centre_vx = broadcast(0.0), centre_vy = broadcast(0.0);
    vec rates[MAX_PLANETS];
    mask some = {0};
    UNROLL
    for (int i = 0; i < n; i++) {
        const struct body *b = &run->bodies[i];
        vec rate = run->places[i].x * (b->vx + centre_vx) + run->places[i].y * (b->vy + centre_vy);
        centre_vx = centre_vx + s->share[i] * b->vx;
        centre_vy = centre_vy + s->share[i] * b->vy;
        some = some | crossing(run->rate[i], rate, run->places[i].z);
        rates[i] = rate;
    }
    if (__builtin_expect(any((some & run->alive) < 0), 0))
        for (int i = 0; i < n; i++) {
            mask lanes = (crossing(run->rate[i], rates[i], run->places[i].z) & run->alive) < 0;
            run->crossed[i] = (mask){0};
            if (any(lanes))
                note(run, i, lanes, rates[i], step);
        }
    UNROLL
    for (int i = 0; i < n; i++)
        run->rate[i] = rates[i];
}

/* Queue the transits since the last half step, now that the kick after it is known. */
static __attribute__((noinline)) void keep(
    struct run *run, const struct body *before, const struct body *kicked)
{
    for (int i = 0; i < run->setup->n_planet; i++)
        if (any(run->crossed[i]))
            gather(&run->queues[i], i, run->crossed[i], before, run->bodies, kicked);
    run->some_crossed = (mask){0};
}

/* The kick of a step, into the velocities of `kicked`; returns lanes with an encounter. `before` are the
 * bodies half a step and more ago. */
INLINE mask kick_all(int n, struct run *run, const struct body *before, struct body *kicked)
{
    mask near = kick(
        n, &run->system, run->bodies, run->distances, run->places, broadcast(1.0),
        run->setup->modified_kick, kicked);
    if (__builtin_expect(any(run->some_crossed), 0))
        keep(run, before, kicked);
    return near;
}

/* One step from half step to half step: kick, then drift every planet. The bodies of the last half step
 * give way to those of the next. */
INLINE void advance(int n, struct run *run, struct body *before)
{
    const vec dt = broadcast(1.0);
    struct body kicked[MAX_PLANETS];
    mask near = kick_all(n, run, before, kicked);
    struct departure from = {run->bodies, kicked, run->distances, run->system.gm};
    mask unbound = drift_from(n, &from, &dt, 0, &run->history, before, run->distances);
    run->bodies = before;
    heliocentric(n, &run->system, run->bodies, run->places);
    if (__builtin_expect(any((near | unbound) & run->alive), 0)) {
        retire(run, near & ~unbound & run->alive, FAILURE_CLOSE_APPROACH);
        retire(run, unbound & run->alive, FAILURE_UNBOUND);
    }
}

/* Half a step from the epoch. */
static __attribute__((noinline)) void depart(int n, struct run *run)
{
    correct(n, &run->system, run->bodies);
    for (int i = 0; i < n; i++) {
        run->rate[i] = broadcast(0.0);
        for (int k = 0; k < 3; k++)
            run->history.missed[k][i] = broadcast(0.0);
    }
    run->history.oldest = 0;
    heliocentric(n, &run->system, run->bodies, run->places);
    look(n, run, -0.5); /* D at the epoch */
    memcpy(run->other, run->bodies, sizeof run->other);
    drift_for(n, run->system.gm, run->bodies, 0.5);
    heliocentric(n, &run->system, run->bodies, run->places);
    measure(n, &run->system, run->bodies, run->distances);
    look(n, run, 0.0);
}

INLINE void integrate_planets(int n, struct run *run)
{
    const struct setup *setup = run->setup;
    struct body *before = run->other, kicked[MAX_PLANETS];
    for (double step = 1.0; (step - 0.5) * setup->dt <= setup->span && any(run->alive);
         step += 1.0) {
        struct body *last = run->bodies;
        advance(n, run, before);
        before = last;
        look(n, run, step);
    }
    kick_all(n, run, before, kicked);
    for (int i = 0; i < n; i++)
        if (any(run->queues[i].waiting))
            refine(&run->system, i, &run->queues[i], setup->dt);
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
    run.some_crossed = (mask){0};
    for (int i = 0; i < setup->n_planet; i++) {
        run.timed[i] = run.crossed[i] = run.queues[i].waiting = (mask){0};
        run.queues[i].step = run.queues[i].guess = broadcast(0.0);
    }
    for (int lane = 0; lane < LANES; lane++) {
        run.alive[lane] = lane < n ? -1 : 0;
        fill_lane(
            setup, &starts[lane < n ? lane : 0], lane, &run.system, bodies, run.circle, since);
        for (int i = 0; i < setup->n_planet && lane < n; i++)
            run.timed[i][lane] = setup->timed[starts[lane].order[i]] ? -1 : 0;
    }
    derive(setup->n_planet, &run.system);
    drift_all(setup->n_planet, run.system.gm, bodies, since);
    depart(setup->n_planet, &run);
    /* A number of planets that is known to the compiler lets it unroll, and keep registers full. */
    switch (setup->n_planet) {
    case 1: integrate_planets(1, &run); break;
    case 2: integrate_planets(2, &run); break;
    case 3: integrate_planets(3, &run); break;
    case 4: integrate_planets(4, &run); break;
    case 5: integrate_planets(5, &run); break;
    case 6: integrate_planets(6, &run); break;
    case 7: integrate_planets(7, &run); break;
    case 8: integrate_planets(8, &run); break;
    case 9: integrate_planets(9, &run); break;
    }
}
