/* The functions that the kernel is made of, on vectors.
 *
 *   arithmetic FUNCTION < doubles > doubles
 *
 * inverse_root: x; over_cube: w, x; over_cube_short: 3/2 w, x; gauss and gauss_short: z, and c0..c3 with
 * G_k = s^k c_k for s = 1 come back.
 * The number of arguments must be a multiple of the lanes. */
#include <stdio.h>
#include <string.h>

#include "kepler.h"

static int take(vec *to, int n)
{
    for (int i = 0; i < n; i++)
        for (int lane = 0; lane < LANES; lane++)
            ((double *)to)[i * LANES + lane] = 0.0;
    double one[4];
    for (int lane = 0; lane < LANES; lane++) {
        if (fread(one, sizeof *one, (size_t)n, stdin) != (size_t)n)
            return 0;
        for (int i = 0; i < n; i++)
            to[i][lane] = one[i];
    }
    return 1;
}

static void give(const vec *from, int n)
{
    for (int lane = 0; lane < LANES; lane++)
        for (int i = 0; i < n; i++) {
            double one = from[i][lane];
            fwrite(&one, sizeof one, 1, stdout);
        }
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    vec in[2], out[4];
    int is_cube = !strncmp(argv[1], "over_cube", 9), is_gauss = !strncmp(argv[1], "gauss", 5);
    int is_short = strstr(argv[1], "_short") != NULL;
    while (take(in, is_cube ? 2 : 1)) {
        if (is_gauss) {
            struct gauss g;
            if (is_short)
                gauss_short(in[0], broadcast(1.0), &g);
            else
                g = gauss_of(in[0], broadcast(1.0));
            out[0] = g.g0;
            out[1] = g.g1;
            out[2] = g.g2;
            out[3] = g.g3;
            give(out, 4);
        } else {
            vec rough = rough_inverse_root(is_cube ? in[1] : in[0]);
            if (is_short)
                out[0] = over_cube_short(in[0], in[1], rough);
            else
                out[0] = is_cube ? over_cube(in[0], in[1], rough) : inverse_root(in[0]);
            give(out, 1);
        }
    }
    return 0;
}
