/* Order statistics: the value that a sort would bring to a place, without sorting. */
#ifndef ORDER_H
#define ORDER_H

#include <stddef.h>
#include <stdlib.h>

static int compare_floats(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Bring the value of rank k to place k, Hoare's way; `v` is reordered. */
static float quickselect(float *v, ptrdiff_t n, ptrdiff_t k)
{
    ptrdiff_t low = 0, high = n - 1;
    while (low < high) {
        const float a = v[low], b = v[low + (high - low) / 2], c = v[high];
        const float least = a < b ? a : b, most = a < b ? b : a;
        const float pivot = c < least ? least : c > most ? most : c;
        ptrdiff_t i = low, j = high;
        while (i <= j) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i <= j) {
                const float t = v[i];
                v[i++] = v[j];
                v[j--] = t;
            }
        }
        if (k <= j)
            high = j;
        else if (k >= i)
            low = i;
        else
            return v[k];
    }
    return v[k];
}

#endif
