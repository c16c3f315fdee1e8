/* What the targets of the fuzzer share. */
#ifndef TINCD_COMPAT_FUZZ_H
#define TINCD_COMPAT_FUZZ_H

#define _GNU_SOURCE

#include "core.h"
#include "offload.h"
#include "pump.h"
#include "sptps.h"
#include "wire.h"

#define INPUT_SIZE 4096u
#define FRAMES 16u

/* The first byte of an input says for which part it is. */
enum part { SPLIT, COALESCE, OPEN, UNPACK, RECORDS, PUMP_OUT, PUMP_IN, PUMP_SERVE, PUMP_RECORDS };
#ifndef PARTS
#define PARTS 9u
#endif

/* The second is, for pumps, what they are like. */
#define CHOICE_TAP 1u
#define CHOICE_VNET 2u
#define CHOICE_SWITCHING 4u
#define CHOICE_COALESCING 8u
#define CHOICE_COALESCING_UDP 16u
#define CHOICE_SEGMENTATION 32u
/* Outward packets are as long as they can be, inward datagrams are not sealed. */
#define CHOICE_ODD 64u
/* Outward the system refuses what is sent, inward the device refuses pieces. */
#define CHOICE_REFUSING 128u
/* In the byte that chooses the suite: how the source of inward datagrams is served. */
#define SUITE_UNSEAL 64u
#define SUITE_IGNORED 32u

extern const uint8_t key_block[48];

struct suite suite_for(uint8_t choice);
/* Memory of exactly this size, so that every step beyond it is noticed. */
uint8_t *copy_of(const uint8_t *data, size_t length);
/* Cut an input into at most FRAMES frames: two bytes of length, then as many bytes. */
size_t cut_frames(const uint8_t *data, size_t length, struct packet *frames);
void free_frames(struct packet *frames, size_t count);

/* fuzz_pumps.c */

/* Whatever a device gives, with headers that lie. */
void try_pump_out(const uint8_t *data, size_t length);
/* Whatever a member of the mesh, or a stranger, sends. */
void try_pump_in(const uint8_t *data, size_t length);
/* The same in a session of SPTPS, and what it has to pass on. */
void try_pump_records(const uint8_t *data, size_t length);
/* Both, in turns, and whoever else has something to say. */
void try_pump_serve(const uint8_t *data, size_t length);

#endif
