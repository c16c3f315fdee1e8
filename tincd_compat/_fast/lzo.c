/* How long a frame is that an LZO1X stream unpacks to; see lzo.py for the instructions. */
#include "core.h"

/* A first byte above this is a run of literals of so many less. */
#define FIRST 17u
/* What a zero byte adds to a length that is continued. */
#define MORE 255u
/* After a run of four literals or more the next short copy is another. */
#define RUN 4u

struct walk {
    const uint8_t *at;
    const uint8_t *end;
    /* Bytes of the frame so far, and how many of them were the last literals. */
    size_t length;
    size_t literals;
    size_t limit;
};

static size_t left(const struct walk *walk)
{
    return (size_t)(walk->end - walk->at);
}

/* Read the length of an instruction; false if it breaks off or is over the limit. */
static bool take_count(struct walk *walk, uint8_t mask, size_t *count)
{
    *count = *walk->at++ & mask;
    if (*count > 0)
        return true;
    *count = mask;
    while (left(walk) > 0 && *walk->at == 0 && *count <= walk->limit) {
        *count += MORE;
        walk->at++;
    }
    if (left(walk) == 0)
        return false;
    *count += *walk->at++;
    return *count <= walk->limit;
}

/* Pass over the literals that an instruction ends with. */
static bool take_literals(struct walk *walk, size_t literals)
{
    if (literals > left(walk))
        return false;
    walk->literals = literals;
    walk->length += literals;
    walk->at += literals;
    return true;
}

/* A short copy: two bytes, and the literals behind it. */
static bool take_short(struct walk *walk, size_t count)
{
    size_t literals = *walk->at & 3u;

    if (left(walk) < 2)
        return false;
    walk->at += 2;
    walk->length += count;
    return take_literals(walk, literals);
}

/* A long copy, and the literals behind it; the end of the stream is one of no distance. */
static bool take_long(struct walk *walk, uint8_t mask, bool *ended)
{
    bool far = *walk->at < 0x18;
    size_t count, literals;

    if (!take_count(walk, mask, &count) || left(walk) < 2)
        return false;
    literals = walk->at[0] & 3u;
    *ended = far && walk->at[0] < 4 && walk->at[1] == 0;
    walk->at += 2;
    if (*ended)
        return true;
    walk->length += count + 2;
    return take_literals(walk, literals);
}

static bool take_run(struct walk *walk)
{
    size_t count;

    return take_count(walk, 0x0f, &count) && take_literals(walk, count + 3);
}

/* Pass over one instruction; false if it breaks off. */
static bool step(struct walk *walk, bool *ended)
{
    uint8_t code = *walk->at;

    if (code >= 0x40)
        return take_short(walk, (code >> 5) + 1u);
    if (code >= 0x10)
        return take_long(walk, code >= 0x20 ? 0x1f : 0x07, ended);
    if (walk->literals > 0)
        return take_short(walk, walk->literals < RUN ? 2 : 3);
    return take_run(walk);
}

bool lzo_fits(const uint8_t *stream, size_t size, size_t limit)
{
    struct walk walk = {stream, stream + size, 0, 0, limit};
    bool ended = false;

    if (size > 0 && *stream > FIRST) {
        walk.at++;
        if (!take_literals(&walk, *stream - FIRST))
            return false;
    }
    while (!ended) {
        if (walk.length > limit || left(&walk) == 0 || !step(&walk, &ended))
            return false;
    }
    return left(&walk) == 0;
}
