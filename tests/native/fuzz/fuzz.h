/* What the fuzz targets share: octets of the input as numbers, and a clock that they move. */
#ifndef CALLCORE_FUZZ_H
#define CALLCORE_FUZZ_H

#include <stdlib.h>
#include <string.h>

#include "receive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t left;
};

static inline unsigned octet(struct input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->data++;
}

/* Two octets, the less significant first. */
static inline unsigned word(struct input *input)
{
    const unsigned low = octet(input);
    return low | octet(input) << 8;
}

/* As many octets as are there, at most `wanted`, in a block of their own: reading beyond it is seen. */
static inline uint8_t *block(struct input *input, size_t wanted, size_t *length)
{
    *length = wanted < input->left ? wanted : input->left;
    uint8_t *copy = malloc(*length ? *length : 1);
    if (copy == NULL)
        abort();
    memcpy(copy, input->data, *length);
    input->data += *length;
    input->left -= *length;
    return copy;
}

static inline void require(bool holds)
{
    if (!holds)
        abort();
}

enum { MS = 1000000 };
static const int64_t BEGIN = 1000000000000;

#endif
