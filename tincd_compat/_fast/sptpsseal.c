/* Sealing of SPTPS datagrams: number, encrypt, authenticate. */
#include "sptps.h"
#include "wire.h"

#include <string.h>

#define BATCH 64u

int sptps_sealer_init(struct sptps_sealer *sealer, const uint8_t *key, bool switching,
                      uint32_t number, bool portable)
{
    memset(sealer, 0, sizeof *sealer);
    sealer->switching = switching;
    sealer->number = number;
    return record_cipher_init(&sealer->cipher, key, portable);
}

void sptps_sealer_free(struct sptps_sealer *sealer)
{
    record_cipher_free(&sealer->cipher);
}

int sptps_sealer_rekey(struct sptps_sealer *sealer, const uint8_t *key)
{
    struct record_cipher cipher;
    int failed = record_cipher_init(&cipher, key, sealer->cipher.portable);

    record_cipher_free(failed ? &cipher : &sealer->cipher);
    if (!failed)
        sealer->cipher = cipher;
    return failed;
}

uint8_t sptps_kind(const struct sptps_sealer *sealer, const uint8_t *frame, size_t *skipped)
{
    *skipped = 0;
    if (get16(frame + ETHERNET_SIZE - 2) == 0)
        return PROBE;
    if (sealer->switching)
        return FRAME;
    *skipped = ETHERNET_SIZE;
    return PACKET;
}

static void count_frame(struct sptps_sealer *sealer, uint8_t kind, size_t data)
{
    if (kind != PACKET && kind != FRAME && kind != PROBE)
        return;
    sealer->packets++;
    sealer->bytes += data + (kind == PACKET ? ETHERNET_SIZE : 0);
}

/* Write what is in the clear, and tell where the rest is. */
static struct record dress(struct sptps_sealer *sealer, struct packet *packet,
                           const uint8_t *ids)
{
    size_t front = ids == NULL ? 0 : NODE_IDS_SIZE;
    struct record record = {packet->data + front + SEQNO_SIZE, packet->length,
                            sealer->number++};

    if (front)
        memcpy(packet->data, ids, front);
    put32(packet->data + front, record.number);
    count_frame(sealer, *record.text, record.length - KIND_SIZE);
    packet->length += front + SEQNO_SIZE + RECORD_TAG_SIZE;
    return record;
}

size_t sptps_seal_train(struct sptps_sealer *sealer, struct packet *packets, size_t count,
                        const uint8_t *ids)
{
    struct record records[BATCH];
    size_t done = 0, left = 0;

    if (sealer->number < NUMBER_LIMIT)
        left = NUMBER_LIMIT - sealer->number;
    if (count > left)
        count = left;
    while (done < count) {
        size_t batch = count - done < BATCH ? count - done : BATCH;
        for (size_t i = 0; i < batch; i++)
            records[i] = dress(sealer, &packets[done + i], ids);
        if (records_seal(&sealer->cipher, records, batch) < 0)
            break;
        done += batch;
    }
    return done;
}
