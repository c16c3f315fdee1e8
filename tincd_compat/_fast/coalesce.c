/*
 * Merging frames of a burst into super-packets, before they go to the device.
 *
 * What a receiver gets is the same: frames merge if their headers differ in nothing but
 * number, length, PSH and checksum, and if both checksums are right.  Names of IPv4 that
 * may yet be needed for fragments have to be those that cutting the piece gives.  No
 * frame overtakes another of its flow, nor one whose flow is not clear (a fragment, say).
 */
#include "offload.h"
#include "wire.h"

#include <stdlib.h>
#include <string.h>

/*
 * Slots that a look-up tries.  Members of the mesh choose addresses and ports, and with
 * them where their flows begin to look: without a limit each of a thousand flows made
 * for one place would walk past all before it.
 */
#define MAX_STEPS 16u
#define DONT_FRAGMENT 0x40u

int coalescer_init(struct coalescer *coalescer, size_t capacity)
{
    size_t slots = 16;

    memset(coalescer, 0, sizeof *coalescer);
    while (slots < 2 * capacity)
        slots *= 2;
    coalescer->capacity = capacity;
    coalescer->mask = (uint32_t)(slots - 1);
    coalescer->slots = calloc(slots, sizeof *coalescer->slots);
    coalescer->pieces = calloc(capacity + 1, sizeof *coalescer->pieces);
    coalescer->next = calloc(capacity + 1, sizeof *coalescer->next);
    return coalescer->slots && coalescer->pieces && coalescer->next ? 0 : -1;
}

void coalescer_free(struct coalescer *coalescer)
{
    free(coalescer->slots);
    free(coalescer->pieces);
    free(coalescer->next);
    memset(coalescer, 0, sizeof *coalescer);
}

/* Return where TCP or UDP begins in a frame without tags and IP options, or 0. */
static size_t transport_start(const uint8_t *frame, size_t length)
{
    size_t start;
    uint8_t protocol;

    if (length < ETHERNET_SIZE + IPV4_SIZE + UDP_SIZE)
        return 0;
    if (get16(frame + 12) == 0x0800 && frame[14] == 0x45) {
        start = ETHERNET_SIZE + IPV4_SIZE;
        protocol = frame[23];
        if (frame[20] & 0x3f || frame[21] || get16(frame + 16) != length - ETHERNET_SIZE)
            return 0;
    } else if (get16(frame + 12) == 0x86dd) {
        start = ETHERNET_SIZE + IPV6_SIZE;
        if (length < start + UDP_SIZE || frame[14] >> 4 != 6 ||
            get16(frame + 18) != length - start)
            return 0;
        protocol = frame[20];
    } else {
        return 0;
    }
    if (protocol == PROTOCOL_TCP)
        return length < start + TCP_SIZE ? 0 : start;
    return protocol == PROTOCOL_UDP ? start : 0;
}

static uint8_t protocol_of(const uint8_t *frame, size_t start)
{
    return frame[start == ETHERNET_SIZE + IPV4_SIZE ? 23 : 20];
}

/* Addresses and ports stand in a row. */
static const uint8_t *addresses(const uint8_t *frame, size_t start)
{
    return frame + (start == ETHERNET_SIZE + IPV4_SIZE ? 26 : 22);
}

static uint32_t hash_flow(const uint8_t *frame, size_t start)
{
    const uint8_t *from = addresses(frame, start);
    size_t length = (size_t)(frame + start + 4 - from);
    uint32_t hash = protocol_of(frame, start), word;

    for (size_t i = 0; i < length; i += 4) {
        memcpy(&word, from + i, 4);
        hash = (hash ^ word) * 0x9E3779B1u;
        hash ^= hash >> 15;
    }
    return hash;
}

static bool same_flow(const uint8_t *one, const uint8_t *other, size_t start)
{
    const uint8_t *from = addresses(one, start);

    return memcmp(one, other, 14) == 0 &&
           protocol_of(one, start) == protocol_of(other, start) &&
           memcmp(from, addresses(other, start), (size_t)(one + start + 4 - from)) == 0;
}

/*
 * Find the slot of a frame's flow, or the free one that it would take; NULL if there is
 * none near, now and for all of the turn: no slot gets free before its end.
 */
static struct slot *find(struct coalescer *coalescer, const struct packet *frames,
                         const uint8_t *frame, size_t start, uint32_t hash)
{
    for (uint32_t step = 0; step < MAX_STEPS; step++) {
        struct slot *slot = &coalescer->slots[(hash + step) & coalescer->mask];
        if (slot->turn != coalescer->turn)
            return slot;
        if (slot->hash == hash && same_flow(frame, frames[slot->frame].data, start))
            return slot;
    }
    return NULL;
}

/* Return what kind of piece a frame could be the first segment of. */
static enum kind kind_of(const uint8_t *frame, size_t length, size_t start, bool udp)
{
    const uint8_t *transport = frame + start;
    size_t size = length - start, header;

    if (protocol_of(frame, start) == PROTOCOL_UDP) {
        bool whole = get16(transport + 4) == size && size > UDP_SIZE;
        /* A datagram without checksum would get one. */
        return udp && whole && get16(transport + 6) != 0 ? UDP : NO_PIECE;
    }
    header = (size_t)(transport[12] >> 4) * 4;
    if ((transport[13] & ~(FLAG_PSH | FLAG_ECE)) != FLAG_ACK ||
        transport[12] & 15 & ~FLAG_AE ||
        header < TCP_SIZE || header >= size)
        return NO_PIECE;
    return start == ETHERNET_SIZE + IPV4_SIZE ? TCPV4 : TCPV6;
}

static void begin(struct piece *piece, const struct packet *frame, uint32_t index,
                  size_t start, enum kind kind)
{
    memset(piece, 0, sizeof *piece);
    piece->frame = frame->data;
    piece->length = piece->total = frame->length;
    piece->first = piece->last = index;
    piece->frames = 1;
    piece->kind = kind;
    if (kind == NO_PIECE)
        return;
    piece->start = start;
    piece->end =
        start + (kind == UDP ? UDP_SIZE : (size_t)(frame->data[start + 12] >> 4) * 4);
    piece->size = frame->length - piece->end;
    if (frame->length < MAX_PACKET + ETHERNET_SIZE)
        piece->room = MAX_PACKET + ETHERNET_SIZE - frame->length;
    if (kind != UDP) {
        piece->number = get32(frame->data + start + 4) + (uint32_t)piece->size;
        piece->flags = frame->data[start + 13] & (uint8_t)~FLAG_PSH;
        piece->psh = frame->data[start + 13] & FLAG_PSH;
    }
    piece->open = piece->psh == 0;
}

/* Tell whether all is equal in two headers that must be, beyond the flow. */
static bool same_shape(const struct piece *piece, const uint8_t *frame)
{
    const uint8_t *head = piece->frame;
    size_t start = piece->start;

    if (start == ETHERNET_SIZE + IPV4_SIZE) {
        /* TOS, DF, TTL. */
        if (head[15] != frame[15] || memcmp(head + 20, frame + 20, 3))
            return false;
        if (!(head[20] & DONT_FRAGMENT) &&
            (uint16_t)(get16(head + 18) + piece->frames) != get16(frame + 18))
            return false;
    } else if (memcmp(head + 14, frame + 14, 4) || head[21] != frame[21]) {
        /* Class and label, hop limit. */
        return false;
    }
    if (piece->kind == UDP)
        return true;
    /* Acknowledgement, header length, window, options: all but flags and checksum. */
    return memcmp(head + start + 8, frame + start + 8, 5) == 0 &&
           memcmp(head + start + 14, frame + start + 14, 2) == 0 &&
           memcmp(head + start + 18, frame + start + 18, piece->end - start - 18) == 0;
}

/* Tell whether the checksums of a frame are right. */
static bool is_right(const struct piece *piece, const uint8_t *frame, size_t length)
{
    const uint8_t *covered = addresses(frame, piece->start);
    uint64_t sum = piece->kind == UDP ? PROTOCOL_UDP : PROTOCOL_TCP;

    if (piece->start == ETHERNET_SIZE + IPV4_SIZE &&
        sum16(frame + ETHERNET_SIZE, IPV4_SIZE) % 0xFFFFu)
        return false;
    sum += sum16(covered, (size_t)(frame + length - covered)) + length - piece->start;
    return sum % 0xFFFFu == 0;
}

static bool follows(const struct piece *piece, const struct packet *frame)
{
    const uint8_t *transport = frame->data + piece->start;

    if (piece->kind == UDP)
        return get16(transport + 4) == frame->length - piece->start &&
               get16(transport + 6) != 0;
    return (transport[13] & ~FLAG_PSH) == piece->flags &&
           get32(transport + 4) == piece->number;
}

static void take(struct coalescer *coalescer, struct piece *piece,
                 const struct packet *frame, uint32_t index, size_t size)
{
    coalescer->next[piece->last] = index;
    piece->last = index;
    piece->frames++;
    piece->total += size;
    piece->room -= size;
    piece->number += (uint32_t)size;
    piece->open = size == piece->size &&
                  piece->frames < (piece->kind == UDP ? MAX_DATAGRAMS : MAX_MERGED);
    if (piece->kind != UDP && frame->data[piece->start + 13] & FLAG_PSH) {
        piece->psh = FLAG_PSH;
        piece->open = false;
    }
}

/* Take a frame of the same flow if it continues the piece, with right sums. */
static bool add(struct coalescer *coalescer, struct piece *piece,
                const struct packet *frame, uint32_t index)
{
    size_t size;

    if (!piece->open || frame->length <= piece->end)
        return false;
    size = frame->length - piece->end;
    if (size > piece->size || size > piece->room || !follows(piece, frame) ||
        !same_shape(piece, frame->data))
        return false;
    if (!piece->verified)
        piece->verified = piece->open = is_right(piece, piece->frame, piece->length);
    if (!piece->open || !is_right(piece, frame->data, frame->length))
        return false;
    take(coalescer, piece, frame, index, size);
    return true;
}

/* End all that is open.  A number that comes again would revive what is long gone. */
static void turn(struct coalescer *coalescer)
{
    if (++coalescer->turn != 0)
        return;
    memset(coalescer->slots, 0, (coalescer->mask + (size_t)1) * sizeof *coalescer->slots);
    coalescer->turn = 1;
}

size_t coalesce(struct coalescer *coalescer, const struct packet *frames, size_t count,
                bool udp)
{
    size_t made = 0;

    turn(coalescer);
    for (uint32_t i = 0; i < count; i++) {
        const struct packet *frame = &frames[i];
        size_t start = transport_start(frame->data, frame->length);
        enum kind kind = NO_PIECE;

        coalescer->next[i] = NOBODY;
        if (start == 0) {
            /* Nothing may overtake it, so all that is open ends here. */
            turn(coalescer);
        } else {
            uint32_t hash = hash_flow(frame->data, start);
            struct slot *slot = find(coalescer, frames, frame->data, start, hash);
            if (slot != NULL) {
                if (slot->turn == coalescer->turn && slot->piece != NOBODY &&
                    add(coalescer, &coalescer->pieces[slot->piece], frame, i))
                    continue;
                kind = kind_of(frame->data, frame->length, start, udp);
                slot->turn = coalescer->turn;
                slot->hash = hash;
                slot->frame = i;
                slot->piece = kind == NO_PIECE ? NOBODY : (uint32_t)made;
            }
        }
        begin(&coalescer->pieces[made++], frame, i, start, kind);
    }
    return made;
}

void finish_piece(const struct piece *piece)
{
    uint8_t *frame = piece->frame;
    size_t start = piece->start, length = piece->total - start;
    const uint8_t *from = addresses(frame, start);
    uint64_t seed = sum16(from, (size_t)(frame + start - from)) + length;

    if (piece->kind == UDP) {
        put16(frame + start + 4, (uint32_t)length);
        put16(frame + start + 6, (uint32_t)((seed + PROTOCOL_UDP) % 0xFFFFu));
    } else {
        frame[start + 13] |= piece->psh;
        put16(frame + start + 16, (uint32_t)((seed + PROTOCOL_TCP) % 0xFFFFu));
    }
    if (start == ETHERNET_SIZE + IPV4_SIZE) {
        put16(frame + 16, (uint32_t)(length + IPV4_SIZE));
        put16(frame + 24, 0);
        put16(frame + 24, checksum(sum16(frame + ETHERNET_SIZE, IPV4_SIZE)));
    } else {
        put16(frame + 18, (uint32_t)length);
    }
}
