/* Allocation with a count of living blocks and a switch that makes it fail (libre's test mode). */
#include "audio.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_long blocks;
static atomic_long left = -1; /* allocations before failure; -1: no end */

static bool may_allocate(void)
{
    long seen = atomic_load(&left);
    while (seen > 0 && !atomic_compare_exchange_weak(&left, &seen, seen - 1)) {
    }
    return seen != 0;
}

void *audio_calloc(size_t count, size_t size)
{
    void *block = may_allocate() ? calloc(count, size) : NULL;
    if (block != NULL)
        atomic_fetch_add(&blocks, 1);
    else
        errno = ENOMEM;
    return block;
}

void audio_free(void *block)
{
    if (block == NULL)
        return;
    atomic_fetch_sub(&blocks, 1);
    free(block);
}

void audio_fail_after(long count)
{
    atomic_store(&left, count);
}

long audio_blocks(void)
{
    return atomic_load(&blocks);
}
