/*
 * Sealing: number, encrypt, authenticate.
 *
 *     plaintext  = seqno (32 bits, big-endian) || body
 *     datagram   = E(plaintext) || first bytes of HMAC(key block, E(plaintext))
 */
#include "core.h"
#include "wire.h"

#include <string.h>

#define BATCH 64u

int sealer_init(struct sealer *sealer, const struct suite *suite,
                const uint8_t *key_block)
{
    int failed;

    memset(sealer, 0, sizeof *sealer);
    failed = cipher_init(&sealer->cipher, suite, key_block, true);
    return failed ? failed : mac_init(&sealer->mac, suite, key_block);
}

void sealer_free(struct sealer *sealer)
{
    cipher_free(&sealer->cipher);
    mac_free(&sealer->mac);
}

static size_t padded_length(const struct cipher *cipher, size_t body)
{
    size_t plain = SEQNO_SIZE + body;

    if (plain < cipher->shortest)
        return cipher->shortest;
    if (cipher->block == 1)
        return plain;
    return plain - plain % cipher->block + cipher->block;
}

size_t sealed_length(const struct sealer *sealer, size_t body)
{
    return padded_length(&sealer->cipher, body) + sealer->mac.length;
}

/* Put the number in front and the padding (PKCS#7: n bytes of value n) behind. */
static void dress(struct sealer *sealer, struct packet *packet)
{
    size_t plain = SEQNO_SIZE + packet->length;
    size_t padded = padded_length(&sealer->cipher, packet->length);

    put32(packet->data, ++sealer->sequence);
    sealer->bytes += packet->length;
    memset(packet->data + plain, (int)(padded - plain), padded - plain);
    packet->length = padded;
}

static int encrypt(struct cipher *cipher, const struct packet *packets, size_t count)
{
    if (cipher->kind == CIPHER_X86)
        x86_cbc_encrypt(cipher->aes, packets, count);
    if (cipher->kind != CIPHER_EVP)
        return 0;
    for (size_t i = 0; i < count; i++)
        if (cipher_run(cipher, packets[i].data, packets[i].length) < 0)
            return -1;
    return 0;
}

static int seal_batch(struct sealer *sealer, struct packet *packets, size_t count)
{
    uint8_t tags[BATCH][MAX_MAC];
    size_t length = sealer->mac.length;

    for (size_t i = 0; i < count; i++)
        dress(sealer, &packets[i]);
    if (encrypt(&sealer->cipher, packets, count) < 0)
        return -1;
    if (length == 0)
        return 0;
    if (mac_tags(&sealer->mac, packets, count, tags) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        memcpy(packets[i].data + packets[i].length, tags[i], length);
        packets[i].length += length;
    }
    return 0;
}

size_t seal_train(struct sealer *sealer, struct packet *packets, size_t count)
{
    size_t done = 0;

    if (count > UINT32_MAX - sealer->sequence)
        count = UINT32_MAX - sealer->sequence;
    while (done < count) {
        size_t batch = count - done < BATCH ? count - done : BATCH;
        if (seal_batch(sealer, packets + done, batch) < 0)
            break;
        done += batch;
    }
    return done;
}
