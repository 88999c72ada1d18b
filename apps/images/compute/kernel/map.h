/* The pixel map of a row: cubic Lagrange polynomials through 4 x 4 nodes, and their derivative. */
#ifndef MAP_H
#define MAP_H

#include "interface.h"
#include "lanes.h"

/* One row's positions in the frame and, in units of step squared, the area of its pixels there. */
struct row {
    double *x, *y, *area;
};

/* Room for the row, for the values and slopes of its node columns, and for one cell's phases. */
struct columns {
    double *x, *y, *x_slope, *y_slope;
};

/* Weights of the nodes at -1, 0, 1 and 2 for a point at t, and their derivative. */
INLINE void lagrange(double t, double w[4], double d[4])
{
    w[0] = -t * (t - 1.0) * (t - 2.0) / 6.0;
    w[1] = (t + 1.0) * (t - 1.0) * (t - 2.0) / 2.0;
    w[2] = -(t + 1.0) * t * (t - 2.0) / 2.0;
    w[3] = (t + 1.0) * t * (t - 1.0) / 6.0;
    double t2 = t * t;
    d[0] = (-3.0 * t2 + 6.0 * t - 2.0) / 6.0;
    d[1] = (3.0 * t2 - 4.0 * t - 1.0) / 2.0;
    d[2] = (-3.0 * t2 + 2.0 * t + 2.0) / 2.0;
    d[3] = (3.0 * t2 - 1.0) / 6.0;
}

/* The same polynomial along a cell, by powers of t. */
struct cubic {
    double c0, c1, c2, c3;
};

INLINE struct cubic cubic_through(const double p[4])
{
    struct cubic c;
    c.c0 = p[1];
    c.c1 = p[2] - p[0] / 3.0 - p[1] / 2.0 - p[3] / 6.0;
    c.c2 = (p[0] + p[2]) / 2.0 - p[1];
    c.c3 = (p[3] - p[0]) / 6.0 + (p[1] - p[2]) / 2.0;
    return c;
}

INLINE double cubic_at(struct cubic c, double t)
{
    return ((c.c3 * t + c.c2) * t + c.c1) * t + c.c0;
}

INLINE double cubic_slope(struct cubic c, double t)
{
    return (3.0 * c.c3 * t + 2.0 * c.c2) * t + c.c1;
}

INLINE void weigh_columns(
    const double *nodes, long n_column, long first, long n, const double w[4], double *out)
{
    const double *row = nodes + first;
    for (long j = 0; j < n; j++)
        out[j] = ((w[0] * row[j] + w[1] * row[n_column + j]) + w[2] * row[2 * n_column + j]) +
                 w[3] * row[3 * n_column + j];
}

/* Evaluate the map at the n pixels of row y that begin at column x. */
INLINE void map_row(
    const struct map *map, long x, long y, long n, const struct columns *columns,
    const struct row *row)
{
    long step = map->step, cell_row = y / step, first = x / step, last = (x + n - 1) / step;
    double w[4], d[4], phase = 1.0 / (double)step, scale = 1.0 / ((double)step * (double)step);
    lagrange((double)(y - cell_row * step) * phase, w, d);
    const double *nodes_x = map->x + cell_row * map->n_column;
    const double *nodes_y = map->y + cell_row * map->n_column;
    long n_node = last - first + 4;
    weigh_columns(nodes_x, map->n_column, first, n_node, w, columns->x);
    weigh_columns(nodes_y, map->n_column, first, n_node, w, columns->y);
    weigh_columns(nodes_x, map->n_column, first, n_node, d, columns->x_slope);
    weigh_columns(nodes_y, map->n_column, first, n_node, d, columns->y_slope);
    for (long cell = first; cell <= last; cell++) {
        long begin = cell * step > x ? cell * step : x;
        long end = (cell + 1) * step < x + n ? (cell + 1) * step : x + n;
        struct cubic cx = cubic_through(columns->x + (cell - first));
        struct cubic cy = cubic_through(columns->y + (cell - first));
        struct cubic sx = cubic_through(columns->x_slope + (cell - first));
        struct cubic sy = cubic_through(columns->y_slope + (cell - first));
        double *out_x = row->x + (begin - x), *out_y = row->y + (begin - x);
        double *out_area = row->area + (begin - x);
        int offset = (int)(begin - cell * step), count = (int)(end - begin);
        for (int i = 0; i < count; i++) {
            double t = (double)(offset + i) * phase;
            out_x[i] = cubic_at(cx, t);
            out_y[i] = cubic_at(cy, t);
            double area = cubic_slope(cx, t) * cubic_at(sy, t) - cubic_at(sx, t) * cubic_slope(cy, t);
            out_area[i] = (area < 0.0 ? -area : area) * scale;
        }
    }
}

#endif
