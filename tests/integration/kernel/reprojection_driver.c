/* The reprojection kernel without Python: a frame in, the bytes of its output out.
 *
 *   driver METHOD WIDTH HEIGHT NX NY STEP N_PHASE VARIANCE_PLANE CONSERVE MOST_LOST DROP
 *
 * Standard input has stored pixels (int16), mask (uint8), variance (float32, if there is a plane),
 * the map's nodes (float64, x then y) and the table (float32). Standard output
 * has values and variances (float32), steps (int32) and codes of the variance (int16). */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "interface.h"
#include "loading.h"

DECLARE_LEVEL(driver)
DECLARE_LOADING(driver)

static void *filled(size_t n, size_t size)
{
    void *memory = calloc(n + 1, size);
    if (!memory || fread(memory, size, n, stdin) != n)
        exit(2);
    return memory;
}

static void *empty(size_t n, size_t size)
{
    void *memory = calloc(n + 1, size);
    if (!memory)
        exit(2);
    return memory;
}

int main(int argc, char **argv)
{
    if (argc != 12)
        return 2;
    enum method method = (enum method)atoi(argv[1]);
    long width = atol(argv[2]), height = atol(argv[3]);
    int nx = atoi(argv[4]), ny = atoi(argv[5]), n_phase = atoi(argv[7]);
    int has_plane = atoi(argv[8]);
    struct map map = {.step = atoi(argv[6])};
    map.n_column = (nx - 1) / map.step + 4;
    map.n_row = (ny - 1) / map.step + 4;
    size_t n = (size_t)width * (size_t)height, n_node = (size_t)(map.n_column * map.n_row);
    size_t n_table = method == LANCZOS3 ? 8 * ((size_t)n_phase + 1) : 0;
    struct sources from = {.stored = filled(n, sizeof(int16_t)), .mask = filled(n, 1)};
    if (has_plane)
        from.variance = filled(n, sizeof(float));
    map.x = filled(2 * n_node, sizeof(double));
    map.y = map.x + n_node;
    const float *table = filled(2 * n_table, sizeof(float));

    size_t depth = has_plane ? 2 : 1, stride = (size_t)width + MARGIN_BEFORE + MARGIN_AFTER, room = stride * (size_t)height;
    struct targets to = {
        .values = (float *)empty(room * depth, sizeof(float)) + MARGIN_BEFORE * depth,
        .depth = (int)depth,
        .flags = (uint8_t *)empty(room, 1) + MARGIN_BEFORE,
        .stride = stride,
    };
    struct loading how = {
        .type = 'h', .scale = 1.0, .zero = 32768.0, .saturation = 60000.0f, .dark_scale = 1.0f};
    load_rows_driver(&how, &from, &to, height, width);
    load_margins_driver(&to, height, width, method == BILINEAR);
    uint8_t *windows = empty(room, 1);
    find_windows_driver(to.flags - MARGIN_BEFORE, windows, stride, height, (int)method);
    struct planes planes = {
        .values = to.values - MARGIN_BEFORE * depth,
        .depth = to.depth,
        .flags = to.flags - MARGIN_BEFORE,
        .windows = windows,
        .constant_variance = 144.0f,
        .stride = stride,
        .n_row = height,
        .width = width,
        .height = height,
    };
    struct interpolation interpolation = {
        .method = method,
        .table = table,
        .n_phase = n_phase,
        .most_lost = (float)atof(argv[10]),
        .drop = atof(argv[11]),
        .conserve_flux = atoi(argv[9]),
    };
    struct box box = {.nx = nx, .ny = ny};
    size_t n_out = (size_t)nx * (size_t)ny;
    size_t n_block = (size_t)((nx + 7) / 8) * (size_t)((ny + 7) / 8);
    float *values = empty(n_out, sizeof(float)), *variance = empty(n_out, sizeof(float));
    resample_driver(&map, &planes, &interpolation, &box, values, variance);
    struct steps steps = {300.0, 3.0, -4096, -4095, 1 << 30};
    int32_t *stored = empty(n_out, sizeof(int32_t));
    int16_t *codes = empty(n_block, sizeof(int16_t));
    quantise_driver(&steps, values, n_out, stored);
    coarsen_driver(variance, nx, ny, codes);
    for (size_t i = 0; i < n_out; i++) { /* one NaN for all */
        uint32_t nothing = 0x7fc00000;
        if (values[i] != values[i])
            *(uint32_t *)(void *)&values[i] = nothing;
        if (variance[i] != variance[i])
            *(uint32_t *)(void *)&variance[i] = nothing;
    }
    fwrite(values, sizeof *values, n_out, stdout);
    fwrite(variance, sizeof *variance, n_out, stdout);
    fwrite(stored, sizeof *stored, n_out, stdout);
    fwrite(codes, sizeof *codes, n_block, stdout);
    return 0;
}
