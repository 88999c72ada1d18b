/* Averages over the area of output pixels, for frames that are finer than the grid, and drizzle.
 *
 * An output pixel's corners are put into the frame by the map; between them its edges are straight.
 * Each pixel of the frame is a square of side `drop` about its centre (1: the whole pixel; less:
 * drizzle's drops, Fruchter & Hook 2002, PASP 114, 144), and weighs by the area that it shares with
 * the output pixel. The quadrilateral is cut into the rows of the frame; in a row, the area on the
 * left of x is a sum over the edges of a quadratic function of x, so that a weight is a difference
 * of two such sums. Sums are float64, in four lanes by column, row by row.
 *
 * Value: sum of w * p / sum of w; variance: sum of w * v / (sum of w)^2, as if no pixel of the frame
 * were shared. It is the noise in areas of many output pixels, over which each v is counted once;
 * that of a pixel by itself is less, because its neighbours have a part of the same noise. */

/* Columns and rows of the frame that an output pixel may cover: what covers more is nothing. */
#define CELLS (MOST_CELLS + 8)

/* Lost weight below this share is rounding: the edges of pixels that end where the frame ends. */
#define ROUNDING 1e-9

/* Part of an output pixel, or of a drop if that is smaller, that drops must cover. Less would weigh
 * less than a twentieth of the others in a stack, which weighs by the variance. */
#define LEAST_COVER 0.05

struct corner {
    double x, y;
};

/* A part of an edge inside of a row, as a function of x: height * (u^2 * curve + the rest), u the
 * way from `low` to `high`, the rest what is beyond `high`. */
struct slope {
    double low, high, height, curve;
};

/* What an output pixel is made of, by column modulo 4. */
struct sums {
    real4 value, square, spread, good, lost;
};

INLINE real4 fill_real4(double v) { return (real4){v, v, v, v}; }

INLINE double lesser(double a, double b) { return a < b ? a : b; }
INLINE double larger(double a, double b) { return a > b ? a : b; }

/* Cells of a corner: it stands half a pixel before pixel k of the window, and belongs to the cell
 * of the pixel before it, however the window is cut. */
INLINE long cell_of_corner(long k, long step) { return k > 0 ? (k - 1) / step : 0; }

/* The n corners of corner row k that begin at corner column x. */
static void map_corners(
    const struct map *map, long x, long k, long n, double *node_x, double *node_y, double *out_x,
    double *out_y)
{
    long step = map->step, row = cell_of_corner(k, step);
    long first = cell_of_corner(x, step), last = cell_of_corner(x + n - 1, step);
    double w[4], d[4], phase = 1.0 / (double)step;
    lagrange(((double)(k - row * step) - 0.5) * phase, w, d);
    weigh_columns(map->x + row * map->n_column, map->n_column, first, last - first + 4, w, node_x);
    weigh_columns(map->y + row * map->n_column, map->n_column, first, last - first + 4, w, node_y);
    for (long cell = first; cell <= last; cell++) {
        struct cubic cx = cubic_through(node_x + (cell - first));
        struct cubic cy = cubic_through(node_y + (cell - first));
        long begin = cell == 0 ? 0 : cell * step + 1, end = (cell + 1) * step + 1;
        begin = begin > x ? begin : x;
        end = end < x + n ? end : x + n;
        for (long i = begin; i < end; i++) {
            double t = ((double)(i - cell * step) - 0.5) * phase;
            out_x[i - x] = cubic_at(cx, t);
            out_y[i - x] = cubic_at(cy, t);
        }
    }
}

/* The part of the edge from a to b that is between the heights low and high; whether there is. */
INLINE int cut_edge(struct corner a, struct corner b, double low, double high, struct slope *part)
{
    double way = 1.0;
    if (a.y > b.y) {
        struct corner other = a;
        a = b;
        b = other;
        way = -1.0;
    }
    double from = larger(a.y, low), to = lesser(b.y, high);
    if (!(to > from))
        return 0;
    double slant = (b.x - a.x) / (b.y - a.y);
    double left = lesser(a.x, b.x), right = larger(a.x, b.x);
    double begin = lesser(larger(a.x + (from - a.y) * slant, left), right);
    double end = lesser(larger(a.x + (to - a.y) * slant, left), right);
    part->low = lesser(begin, end);
    part->high = larger(begin, end);
    part->height = way * (to - from);
    part->curve = part->high > part->low ? 0.5 / (part->high - part->low) : 0.0;
    return 1;
}

/* The area on the left of four places. */
INLINE real4 area_left(const struct slope *parts, int n, real4 x)
{
    const real4 nothing = {0.0};
    real4 sum = {0.0};
    for (int i = 0; i < n; i++) {
        real4 low = fill_real4(parts[i].low), high = fill_real4(parts[i].high);
        real4 inner = choose(x < high, x, high) - low, beyond = x - high;
        inner = choose(inner > nothing, inner, nothing);
        beyond = choose(beyond > nothing, beyond, nothing);
        sum += fill_real4(parts[i].height) * (inner * inner * fill_real4(parts[i].curve) + beyond);
    }
    return sum;
}

/* Four pixels of a row, and whether they are masked; those outside of the frame are, and are 0. */
INLINE void four_pixels(
    const struct planes *planes, long row, long column, real4 *value, real4 *variance, real4 *flag)
{
    float v[4] = {0.0f}, s[4] = {0.0f}, f[4] = {1.0f, 1.0f, 1.0f, 1.0f};
    int is_in = row >= 0 && row < planes->height;
    size_t at = is_in ? (size_t)(row - planes->first) * planes->stride + MARGIN_BEFORE : 0;
    for (int i = 0; i < 4; i++) {
        long x = column + i;
        if (!is_in || x < 0 || x >= planes->width)
            continue;
        size_t here = at + (size_t)x;
        const float *pixel = planes->values + here * (size_t)planes->depth;
        v[i] = pixel[0];
        s[i] = planes->depth == 2 ? pixel[1] : planes->constant_variance;
        f[i] = planes->flags[here] ? 1.0f : 0.0f;
    }
    *value = __builtin_convertvector(load4(v), real4);
    *variance = __builtin_convertvector(load4(s), real4);
    *flag = __builtin_convertvector(load4(f), real4);
}

INLINE double sum_lanes(real4 v) { return (v[0] + v[2]) + (v[1] + v[3]); }

/* Add one row of the frame: the corners are relative to (column, row). */
static void add_row(
    const struct planes *planes, const struct corner *corners, double sign, long row, int k,
    long column, int n, double drop, struct sums *sums)
{
    struct slope parts[4];
    int n_part = 0;
    double before = 0.5 * (1.0 - drop), low = (double)k + before, high = low + drop;
    for (int i = 0; i < 4; i++)
        n_part += cut_edge(corners[i], corners[(i + 1) & 3], low, high, parts + n_part);
    if (!n_part)
        return;
    const real4 nothing = {0.0}, lanes = {0.0, 1.0, 2.0, 3.0};
    for (int i = 0; i < n; i += 4) {
        real4 x = lanes + ((double)i + before);
        real4 weight = area_left(parts, n_part, x + drop) - area_left(parts, n_part, x);
        weight *= sign;
        weight = choose(weight > nothing, weight, nothing);
        real4 value, variance, flag;
        four_pixels(planes, row, column + i, &value, &variance, &flag);
        real4 product = weight * value;
        sums->value += product;
        sums->square += product * value;
        sums->spread += weight * variance * (1.0 - flag);
        sums->good += weight * (1.0 - flag);
        sums->lost += weight * flag;
    }
}

/* A mean and its variance of the sums, if they are enough for it. */
INLINE void average(
    const struct sums *sums, const struct interpolation *how, double area, float *value,
    float *variance)
{
    double drop = how->drop, good = sum_lanes(sums->good), lost = sum_lanes(sums->lost);
    double all = good + lost, least = LEAST_COVER * lesser(area, drop * drop);
    *value = *variance = NOTHING;
    if (!(good > 0.0 && all >= least && lost <= (double)how->most_lost * all))
        return;
    double mean = sum_lanes(sums->value) / good, noise = sum_lanes(sums->spread) / (good * good);
    double share = lost / all, scatter = sum_lanes(sums->square) / good - mean * mean;
    /* What is lost is replaced by the mean of the others: wrong by less than their scatter times
     * the share that is lost, as long as no star is in it. */
    if (share > ROUNDING && !(share * share * scatter <= noise))
        return;
    double scale = how->conserve_flux ? area : 1.0;
    *value = (float)(mean * scale);
    /* With v the mean variance, noise is v / area over the part that is covered: the variance in
     * areas, times area^2 for fluxes. Drops cover drop^2 on average, which is no less light. */
    *variance = (float)(noise * (scale * scale) * (drop * drop));
}

/* One output pixel, its corners in order around it. Returns whether rows of it are not there. */
static long average_pixel(
    const struct planes *planes, const struct interpolation *how, const struct corner at[4],
    float *value, float *variance)
{
    *value = *variance = NOTHING;
    double left = at[0].x, right = left, low = at[0].y, high = low;
    for (int i = 1; i < 4; i++) {
        left = lesser(left, at[i].x);
        right = larger(right, at[i].x);
        low = lesser(low, at[i].y);
        high = larger(high, at[i].y);
    }
    if (!(right - left <= MOST_CELLS && high - low <= MOST_CELLS && right > -0.5 && high > -0.5 &&
          left < (double)planes->width - 0.5 && low < (double)planes->height - 0.5))
        return 0;
    /* Truncation is floor for what is not negative: nothing here is below -1 - MOST_CELLS. */
    const double shift = MOST_CELLS + 2.0;
    long column = (long)(left + 0.5 + shift) - (MOST_CELLS + 2);
    long row = (long)(low + 0.5 + shift) - (MOST_CELLS + 2);
    struct corner corners[4];
    double area = 0.0;
    for (int i = 0; i < 4; i++) {
        corners[i].x = at[i].x + 0.5 - (double)column;
        corners[i].y = at[i].y + 0.5 - (double)row;
    }
    for (int i = 0; i < 4; i++) {
        struct corner a = corners[i], b = corners[(i + 1) & 3];
        area += a.x * b.y - b.x * a.y;
    }
    double sign = area > 0.0 ? -1.0 : 1.0;
    area = 0.5 * (area > 0.0 ? area : -area);
    int n = (int)(right + 0.5 - (double)column) + 1, n_row = (int)(high + 0.5 - (double)row) + 1;
    long first = row > 0 ? row : 0;
    long last = row + n_row < planes->height ? row + n_row : planes->height;
    if (first < planes->first || last > planes->first + planes->n_row)
        return 1;
    struct sums sums = {{0.0}, {0.0}, {0.0}, {0.0}, {0.0}};
    for (int k = 0; k < n_row; k++)
        add_row(planes, corners, sign, row + k, k, column, n, how->drop, &sums);
    if (area > 0.0)
        average(&sums, how, area, value, variance);
    return 0;
}

/* A column of boxes of at most SPAN pixels each way along rows: `ny` rows from (x, y). */
static long average_span(
    const struct map *map, const struct planes *planes, const struct interpolation *how,
    const struct box *box, long x, int n, float *values, float *variance)
{
    double place[2][2][SPAN + 1], node[2][SPAN + 8];
    long missing = 0;
    map_corners(map, x, box->y, n + 1, node[0], node[1], place[0][0], place[0][1]);
    for (int j = 0; j < box->ny; j++) {
        double (*below)[SPAN + 1] = place[j & 1], (*above)[SPAN + 1] = place[~j & 1];
        map_corners(map, x, box->y + j + 1, n + 1, node[0], node[1], above[0], above[1]);
        for (int i = 0; i < n; i++) {
            struct corner at[4] = {
                {below[0][i], below[1][i]},
                {below[0][i + 1], below[1][i + 1]},
                {above[0][i + 1], above[1][i + 1]},
                {above[0][i], above[1][i]},
            };
            size_t to = (size_t)j * (size_t)box->nx + (size_t)i;
            missing += average_pixel(planes, how, at, values + to, variance + to);
        }
    }
    return missing;
}
