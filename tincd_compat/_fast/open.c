/* Opening: MAC, decryption, replay window, in this order; the first refusal decides. */
#include "core.h"
#include "wire.h"

#include <string.h>

#include <openssl/crypto.h>

#define BATCH 64u

int opener_init(struct opener *opener, const struct suite *suite,
                const uint8_t *key_block, size_t window_bytes)
{
    int failed;

    memset(opener, 0, sizeof *opener);
    /* The configured MAC length counts here even when no MAC is sent. */
    opener->shortest = SEQNO_SIZE + suite->maclength;
    failed = cipher_init(&opener->cipher, suite, key_block, false);
    if (failed == 0)
        failed = mac_init(&opener->mac, suite, key_block);
    return failed ? failed : window_init(&opener->window, window_bytes);
}

void opener_free(struct opener *opener)
{
    cipher_free(&opener->cipher);
    mac_free(&opener->mac);
    window_free(&opener->window);
}

static bool has_tag(const struct opener *opener, const struct packet *datagram,
                    const uint8_t *tag)
{
    size_t sealed = datagram->length - opener->mac.length;

    return CRYPTO_memcmp(datagram->data + sealed, tag, opener->mac.length) == 0;
}

/* Sort out what no key of ours made; ``sealed`` gets the ciphertext of the others. */
static void verify(struct opener *opener, const struct packet *datagrams, size_t count,
                   struct packet *sealed, struct opened *opened)
{
    uint8_t tags[BATCH][MAX_MAC];
    struct packet messages[BATCH];
    size_t owner[BATCH], kept = 0;

    for (size_t i = 0; i < count; i++) {
        opened[i] = (struct opened){.drop = DROP_TOO_SHORT};
        if (datagrams[i].length < opener->shortest)
            continue;
        opened[i].drop = DROP_NONE;
        sealed[i].data = datagrams[i].data;
        sealed[i].length = datagrams[i].length - opener->mac.length;
        messages[kept] = sealed[i];
        owner[kept++] = i;
    }
    if (kept == 0 || opener->mac.kind == MAC_NULL)
        return;
    bool failed = mac_tags(&opener->mac, messages, kept, tags) < 0;
    for (size_t i = 0; i < kept; i++)
        if (failed || !has_tag(opener, &datagrams[owner[i]], tags[i]))
            opened[owner[i]].drop = DROP_UNAUTHENTICATED;
}

/* Take the padding off; false if no sender can have padded like that. */
static bool unpad(size_t block, struct packet *plain)
{
    uint8_t pad = plain->data[plain->length - 1];

    if (pad == 0 || pad > block)
        return false;
    for (size_t i = 1; i <= pad; i++)
        if (plain->data[plain->length - i] != pad)
            return false;
    plain->length -= pad;
    return true;
}

/* Decrypt in place; false for what is no ciphertext. */
static bool decrypt(struct cipher *cipher, struct packet *packet)
{
    if (cipher->kind == CIPHER_NULL || (cipher->block == 1 && packet->length == 0))
        return true;
    if (packet->length == 0 || packet->length % cipher->block)
        return false;
    if (cipher->kind == CIPHER_X86)
        x86_cbc_decrypt(cipher->aes, packet->data, packet->length);
    else if (cipher_run(cipher, packet->data, packet->length) < 0)
        return false;
    return cipher->block == 1 || unpad(cipher->block, packet);
}

/* Pass a decrypted packet through the replay window. */
static void admit(struct opener *opener, const struct packet *plain,
                  struct opened *opened)
{
    struct window *window = &opener->window;

    if (plain->length < SEQNO_SIZE) {
        opened->drop = DROP_TOO_SHORT;
        return;
    }
    opened->length = plain->length - SEQNO_SIZE;
    opened->seqno = get32(plain->data);
    opened->last = window->highest;
    switch (window_check(window, opened->seqno)) {
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
    opener->packets++;
    opener->bytes += opened->length;
    opened->frame = plain->data + SEQNO_SIZE;
}

static void open_batch(struct opener *opener, const struct packet *datagrams,
                       size_t count, struct opened *opened)
{
    struct packet sealed[BATCH];

    verify(opener, datagrams, count, sealed, opened);
    for (size_t i = 0; i < count; i++) {
        if (opened[i].drop != DROP_NONE)
            continue;
        if (decrypt(&opener->cipher, &sealed[i]))
            admit(opener, &sealed[i], &opened[i]);
        else
            opened[i].drop = DROP_UNDECRYPTABLE;
    }
}

void open_train(struct opener *opener, const struct packet *datagrams, size_t count,
                struct opened *opened)
{
    for (size_t done = 0; done < count; done += BATCH) {
        size_t batch = count - done < BATCH ? count - done : BATCH;
        open_batch(opener, datagrams + done, batch, opened + done);
    }
}

bool opener_matches(struct opener *opener, const uint8_t *data, size_t length)
{
    /* Only read: a MAC does not change the message. */
    struct packet datagram = {(uint8_t *)data, length};
    struct packet sealed;
    struct opened opened;

    if (opener->mac.kind == MAC_NULL)
        return false;
    verify(opener, &datagram, 1, &sealed, &opened);
    return opened.drop == DROP_NONE;
}
