/*
 * What sealing and opening costs: CPU time for each packet of a train, of sessions of
 * SPTPS beside tinc 1.0's usual suite.  They take turns, and the least that each has taken
 * counts: so what else runs on the machine is mostly left out of their ratio.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core.h"
#include "sptps.h"

#define TRAIN 64u
#define ROOM 1664u
#define ROUNDS 2000
#define WINDOW 16u

enum way { USUAL, SESSION, PORTABLE_SESSION, WAYS };

static const char *const names[WAYS] = {"AES-256-CBC, SHA-256", "SPTPS",
                                        "SPTPS, all of it OpenSSL's"};
static const size_t sizes[] = {84, 1372};
static const uint8_t key_block[48] = "a key block for those who only want to know";

/* Both directions in one of the ways. */
struct tunnel {
    struct sealer sealer;
    struct opener opener;
    struct sptps_sealer sptps_sealer;
    struct sptps_opener sptps_opener;
    double sealing;
    double opening;
};

static uint8_t memory[TRAIN][ROOM];
static struct packet train[TRAIN];

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void need(bool right)
{
    if (right)
        return;
    fprintf(stderr, "it does not work\n");
    exit(1);
}

/* Fill a train with IPv4 packets in frames of that size. */
static void fill(enum way way, size_t size)
{
    size_t front = way == USUAL ? SEQNO_SIZE : RECORD_FRONT;
    size_t length = way == USUAL ? size : size - ETHERNET_SIZE;

    for (size_t i = 0; i < TRAIN; i++) {
        uint8_t *datagram = memory[i] + RECORD_HEADROOM;
        memset(datagram + front, 0x45, length);
        datagram[SEQNO_SIZE] = way == USUAL ? 0x45 : PACKET;
        train[i] = (struct packet){datagram, length + (way == USUAL ? 0 : KIND_SIZE)};
    }
}

static void least(double *kept, double since)
{
    double taken = (now() - since) / TRAIN;

    if (*kept == 0 || taken < *kept)
        *kept = taken;
}

static void run(struct tunnel *tunnel, enum way way, size_t size)
{
    struct opened opened[TRAIN];
    double before;

    fill(way, size);
    before = now();
    if (way == USUAL)
        need(seal_train(&tunnel->sealer, train, TRAIN) == TRAIN);
    else
        need(sptps_seal_train(&tunnel->sptps_sealer, train, TRAIN, NULL) == TRAIN);
    least(&tunnel->sealing, before);
    before = now();
    if (way == USUAL)
        open_train(&tunnel->opener, train, TRAIN, opened);
    else
        sptps_open_train(&tunnel->sptps_opener, train, TRAIN, opened);
    least(&tunnel->opening, before);
    for (size_t i = 0; i < TRAIN; i++)
        need(opened[i].drop == DROP_NONE && opened[i].length == size);
}

static void make(struct tunnel *tunnel, enum way way)
{
    const struct suite suite = {"aes-256-cbc", "sha256", 32, 16, 16, 4, false};
    bool portable = way == PORTABLE_SESSION;

    memset(tunnel, 0, sizeof *tunnel);
    need(sealer_init(&tunnel->sealer, &suite, key_block) == 0 &&
         opener_init(&tunnel->opener, &suite, key_block, WINDOW) == 0 &&
         sptps_sealer_init(&tunnel->sptps_sealer, key_block, false, 2, portable) == 0 &&
         sptps_opener_init(&tunnel->sptps_opener, key_block, false, WINDOW, portable) == 0);
}

static void release(struct tunnel *tunnel)
{
    sealer_free(&tunnel->sealer);
    opener_free(&tunnel->opener);
    sptps_sealer_free(&tunnel->sptps_sealer);
    sptps_opener_free(&tunnel->sptps_opener);
}

static void compare(size_t size)
{
    struct tunnel tunnels[WAYS];

    for (int way = 0; way < WAYS; way++)
        make(&tunnels[way], (enum way)way);
    for (int round = 0; round < ROUNDS; round++)
        for (int way = 0; way < WAYS; way++)
            run(&tunnels[way], (enum way)way, size);
    for (int way = 0; way < WAYS; way++) {
        const struct tunnel *tunnel = &tunnels[way];
        printf("%4zu  %-28s %5.0f (%.2fx)  %5.0f (%.2fx)\n", size, names[way],
               tunnel->sealing, tunnel->sealing / tunnels[USUAL].sealing,
               tunnel->opening, tunnel->opening / tunnels[USUAL].opening);
        release(&tunnels[way]);
    }
}

int main(void)
{
    printf("%s, %s\n", core_features(), x86_has_avx2() ? "AVX2" : "no AVX2");
    printf("size  suite                        sealing, ns    opening, ns\n");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        compare(sizes[i]);
    return 0;
}
