/*
 * Millions of packets through the compiled core, over a wire that loses, repeats and
 * reorders: every frame that arrives is one that was sent, once, and all counts agree.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "wire.h"

#define TRAIN 64u
#define ROOM 1664u
#define WINDOW 16u

static uint8_t memory[TRAIN][ROOM];
static const uint8_t key_block[48] = "another key block, for many millions of packets";

/* A body says who it is at its beginning and at its end. */
static size_t make_body(uint8_t *body, uint32_t number)
{
    size_t length = 8 + (size_t)random() % 1500;

    memset(body, (int)number, length);
    put32(body, number);
    put32(body + length - 4, number);
    return length;
}

static void check(bool right, const char *what, uint32_t number)
{
    if (right)
        return;
    fprintf(stderr, "packet %u: %s\n", number, what);
    abort();
}

/* What the wire does to a train: swap, repeat, lose; never beyond the window. */
static size_t mangle(struct packet *train, size_t count)
{
    for (int i = 0; i < 4; i++) {
        size_t one = (size_t)random() % count, other = (size_t)random() % count;
        struct packet packet = train[one];
        train[one] = train[other];
        train[other] = packet;
    }
    return random() % 8 ? count : count - (size_t)random() % count;
}

int main(int count, char **words)
{
    unsigned long wanted = count > 1 ? strtoul(words[1], NULL, 10) : 10000000;
    unsigned long sent = 0, arrived = 0, late = 0, delivered = 0;
    struct suite suite = {"aes-256-cbc", "sha256", 32, 16, 16, 4, count > 2};
    struct sealer sealer;
    struct opener opener;

    srandom(1);
    if (sealer_init(&sealer, &suite, key_block) < 0 ||
        opener_init(&opener, &suite, key_block, WINDOW) < 0)
        return 1;
    while (sent < wanted) {
        struct packet train[TRAIN];
        struct opened opened[TRAIN];
        size_t size = 1 + (size_t)random() % TRAIN;

        for (size_t i = 0; i < size; i++) {
            uint32_t number = (uint32_t)(sent + i + 1);
            train[i].data = memory[i];
            train[i].length = make_body(memory[i] + SEQNO_SIZE, number);
        }
        check(seal_train(&sealer, train, size) == size, "not sealed", sealer.sequence);
        sent += size;
        size_t left = mangle(train, size);
        delivered += left;
        open_train(&opener, train, left, opened);
        for (size_t i = 0; i < left; i++) {
            late += opened[i].drop == DROP_LATE;
            if (opened[i].drop != DROP_NONE)
                continue;
            const uint8_t *frame = opened[i].frame;
            uint32_t number = get32(frame);
            check(number == opened[i].seqno, "has another number", number);
            check(get32(frame + opened[i].length - 4) == number, "is torn", number);
            arrived++;
        }
    }
    check(arrived + late == delivered, "some are unaccounted for", (uint32_t)sent);
    check(late == 0, "some came late within the window", (uint32_t)sent);
    printf("%lu sealed, %lu delivered, %lu opened\n", sent, delivered, arrived);
    sealer_free(&sealer);
    opener_free(&opener);
    return 0;
}
