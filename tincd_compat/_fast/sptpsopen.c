/* Opening of SPTPS datagrams: tag, decryption, replay window, then what is in them. */
#include "sptps.h"
#include "wire.h"

#include <string.h>

#define BATCH 64u
/* The numbers of the first handshake's records, which nothing encrypts, end here. */
#define LAST_PLAIN 1u

int sptps_opener_init(struct sptps_opener *opener, const uint8_t *key, bool switching,
                      size_t window_bytes, bool portable)
{
    int failed;

    memset(opener, 0, sizeof *opener);
    opener->switching = switching;
    opener->keys = 1;
    failed = record_cipher_init(&opener->ciphers[0], key, portable);
    if (failed == 0)
        failed = window_init(&opener->window, window_bytes);
    opener->window.highest = LAST_PLAIN;
    opener->window.margin = opener->window.passed = 1;
    return failed;
}

void sptps_opener_free(struct sptps_opener *opener)
{
    for (size_t i = 0; i < 2; i++)
        record_cipher_free(&opener->ciphers[i]);
    window_free(&opener->window);
    opener->keys = 0;
}

int sptps_opener_expect(struct sptps_opener *opener, const uint8_t *key)
{
    struct record_cipher cipher;
    int failed = record_cipher_init(&cipher, key, opener->ciphers[0].portable);

    record_cipher_free(failed ? &cipher : &opener->ciphers[1]);
    if (failed)
        return failed;
    opener->ciphers[1] = cipher;
    opener->keys = 2;
    opener->newest = 1;
    opener->changed = false;
    return 0;
}

/* Forget the old key once the peer uses the new one, and has said so. */
static void retire(struct sptps_opener *opener)
{
    if (opener->keys < 2 || !opener->changed || opener->newest != 0)
        return;
    record_cipher_free(&opener->ciphers[1]);
    opener->keys = 1;
}

void sptps_opener_change(struct sptps_opener *opener)
{
    opener->changed = true;
    retire(opener);
}

/* Find the record in a datagram; false if there is none. */
static bool find_record(const struct packet *datagram, struct record *record)
{
    if (datagram->length < RECORD_OVERHEAD)
        return false;
    record->text = datagram->data + SEQNO_SIZE;
    record->length = datagram->length - SEQNO_SIZE - RECORD_TAG_SIZE;
    record->number = get32(datagram->data);
    return true;
}

/* Decrypt a record with the other key, which is then the one that has fitted last. */
static bool open_with_other(struct sptps_opener *opener, const struct record *record)
{
    struct record_cipher other = opener->ciphers[1];
    bool genuine;

    records_open(&other, record, 1, &genuine);
    if (!genuine)
        return false;
    opener->ciphers[1] = opener->ciphers[0];
    opener->ciphers[0] = other;
    opener->newest ^= 1;
    return true;
}

/* Decrypt records with the keys there are; while there are two, one record at a time. */
static void decrypt(struct sptps_opener *opener, const struct record *records, size_t count,
                    bool *genuine)
{
    records_open(&opener->ciphers[0], records, count, genuine);
    if (opener->keys < 2)
        return;
    if (!*genuine)
        *genuine = open_with_other(opener, records);
    if (*genuine)
        retire(opener);
}

bool sptps_unseal(struct sptps_opener *opener, const struct packet *datagram,
                  struct record *record)
{
    bool genuine = false;

    if (find_record(datagram, record) && record->number < NUMBER_LIMIT)
        decrypt(opener, record, 1, &genuine);
    return genuine;
}

bool sptps_opener_matches(struct sptps_opener *opener, const uint8_t *data, size_t length)
{
    /* Only read: a tag does not change the record. */
    const struct packet datagram = {(uint8_t *)data, length};
    struct record record;
    bool matches = false;

    if (find_record(&datagram, &record))
        for (size_t i = 0; i < opener->keys && !matches; i++)
            matches = record_is_genuine(&opener->ciphers[i], &record);
    return matches;
}

/* Put an Ethernet header in front of a packet; false if it is none of IP. */
static bool put_link(struct opened *opened, const uint8_t *packet, size_t length)
{
    unsigned version = length > 0 ? packet[0] >> 4 : 0;
    uint8_t *frame = (uint8_t *)packet - ETHERNET_SIZE;

    if (version != 4 && version != 6)
        return false;
    memset(frame, 0, ETHERNET_SIZE - 2);
    put16(frame + ETHERNET_SIZE - 2, version == 4 ? 0x0800 : 0x86dd);
    opened->frame = frame;
    opened->length = length + ETHERNET_SIZE;
    return true;
}

/*
 * See to the data of a record; false if no node says such a thing.  A frame of type 0
 * would pass for a probe.
 */
static bool unwrap(const struct sptps_opener *opener, struct opened *opened,
                   const uint8_t *data, size_t length)
{
    opened->frame = data;
    opened->length = length;
    switch (opened->kind) {
    case PACKET:
        return !opener->switching && put_link(opened, data, length);
    case FRAME:
        return length >= ETHERNET_SIZE && get16(data + ETHERNET_SIZE - 2) != 0;
    case PROBE:
        return length >= ETHERNET_SIZE && get16(data + ETHERNET_SIZE - 2) == 0;
    case PACKET | COMPRESSED:
    case FRAME | COMPRESSED:
    case HANDSHAKE:
        return true;
    default:
        return false;
    }
}

/* Pass a decrypted record through the replay window, and see what it is. */
static void admit(struct sptps_opener *opener, const struct record *record,
                  struct opened *opened)
{
    struct window *window = &opener->window;

    opened->kind = *record->text;
    opened->length = record->length - KIND_SIZE;
    opened->seqno = record->number;
    opened->last = window->highest;
    switch (record->number < NUMBER_LIMIT ? window_check(window, record->number) : FUTURE) {
    case LATE:
        opened->drop = DROP_LATE;
        return;
    case FUTURE:
        opened->drop = DROP_FUTURE;
        opened->strays = window->strays;
        return;
    case RESUME:
        opened->lost = opened->seqno - opened->last - 1;
        break;
    case ACCEPT:
        break;
    }
    if (!unwrap(opener, opened, record->text + KIND_SIZE, opened->length)) {
        opened->drop = DROP_UNDECRYPTABLE;
        opened->frame = NULL;
    } else if (opened->kind == PACKET || opened->kind == FRAME || opened->kind == PROBE) {
        opener->packets++;
        opener->bytes += opened->length;
    }
}

static void open_batch(struct sptps_opener *opener, const struct packet *datagrams,
                       size_t count, struct opened *opened)
{
    struct record records[BATCH];
    size_t owner[BATCH], kept = 0;
    bool genuine[BATCH];

    for (size_t i = 0; i < count; i++) {
        opened[i] = (struct opened){.drop = DROP_TOO_SHORT};
        if (find_record(&datagrams[i], &records[kept]))
            owner[kept++] = i;
    }
    if (kept == 0)
        return;
    decrypt(opener, records, kept, genuine);
    for (size_t i = 0; i < kept; i++) {
        opened[owner[i]].drop = genuine[i] ? DROP_NONE : DROP_UNAUTHENTICATED;
        if (genuine[i])
            admit(opener, &records[i], &opened[owner[i]]);
    }
}

void sptps_open_train(struct sptps_opener *opener, const struct packet *datagrams,
                      size_t count, struct opened *opened)
{
    size_t batch;

    for (size_t done = 0; done < count; done += batch) {
        /* Which key fits a datagram decides with which the next is tried. */
        batch = opener->keys > 1 ? 1 : BATCH;
        if (batch > count - done)
            batch = count - done;
        open_batch(opener, datagrams + done, batch, opened + done);
    }
}
