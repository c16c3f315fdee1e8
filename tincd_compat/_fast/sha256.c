/*
 * HMAC-SHA256 with both key states saved.
 *
 * A key is set up once; each message then costs its own blocks and one more, where a
 * one-shot HMAC() of OpenSSL 3 spends more time on fetching and allocating than hashing.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "core.h"
#include "wire.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

static const uint32_t initial[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

/* The low-level calls are deprecated, but the only ones that work on a bare state. */
void sha256_blocks_portable(uint32_t (*states)[8], const uint8_t *const *data,
                            size_t lanes, size_t blocks)
{
    for (size_t lane = 0; lane < lanes; lane++) {
        SHA256_CTX context;

        SHA256_Init(&context);
        for (size_t i = 0; i < 8; i++)
            context.h[i] = states[lane][i];
        SHA256_Update(&context, data[lane], blocks * SHA256_BLOCK);
        for (size_t i = 0; i < 8; i++)
            states[lane][i] = (uint32_t)context.h[i];
        /* For a key's own block this state is as good as the key. */
        OPENSSL_cleanse(&context, sizeof context);
    }
}

static void start(uint32_t *state, const uint8_t *key, uint8_t mask,
                  sha256_blocks *blocks)
{
    uint8_t block[SHA256_BLOCK];
    const uint8_t *data = block;
    uint32_t states[1][8];

    for (size_t i = 0; i < SHA256_BLOCK; i++)
        block[i] = key[i] ^ mask;
    memcpy(states[0], initial, sizeof initial);
    blocks(states, &data, 1, 1);
    memcpy(state, states[0], sizeof initial);
    OPENSSL_cleanse(block, sizeof block);
    OPENSSL_cleanse(states, sizeof states);
}

void hmac_sha256_init(struct hmac_sha256 *hmac, const uint8_t *key, size_t length,
                      sha256_blocks *blocks)
{
    uint8_t padded[SHA256_BLOCK] = {0};

    if (length > SHA256_BLOCK)
        SHA256(key, length, padded);
    else
        memcpy(padded, key, length);
    hmac->blocks = blocks;
    start(hmac->inner, padded, 0x36, blocks);
    start(hmac->outer, padded, 0x5c, blocks);
    OPENSSL_cleanse(padded, sizeof padded);
}

/* Pad what is left of a message; return how many blocks that makes. */
static size_t finish(uint8_t *tail, const uint8_t *rest, size_t left, size_t total)
{
    size_t size = left + 9 > SHA256_BLOCK ? 2 * SHA256_BLOCK : SHA256_BLOCK;

    memcpy(tail, rest, left);
    memset(tail + left, 0, size - left);
    tail[left] = 0x80;
    put32(tail + size - 4, (uint32_t)(total * 8));
    return size / SHA256_BLOCK;
}

static void put_state(uint8_t *into, const uint32_t *state)
{
    for (size_t i = 0; i < 8; i++)
        put32(into + 4 * i, state[i]);
}

void hmac_sha256(const struct hmac_sha256 *hmac, const uint8_t *const *messages,
                 size_t length, size_t lanes, uint8_t (*tags)[SHA256_SIZE])
{
    uint32_t states[SHA256_LANES][8];
    uint8_t tails[SHA256_LANES][2 * SHA256_BLOCK];
    const uint8_t *data[SHA256_LANES] = {NULL};
    size_t whole = length / SHA256_BLOCK, left = length % SHA256_BLOCK, blocks = 0;

    for (size_t lane = 0; lane < lanes; lane++)
        memcpy(states[lane], hmac->inner, sizeof states[lane]);
    if (whole)
        hmac->blocks(states, messages, lanes, whole);
    for (size_t lane = 0; lane < lanes; lane++) {
        const uint8_t *rest = messages[lane] + whole * SHA256_BLOCK;
        blocks = finish(tails[lane], rest, left, SHA256_BLOCK + length);
        data[lane] = tails[lane];
    }
    hmac->blocks(states, data, lanes, blocks);
    for (size_t lane = 0; lane < lanes; lane++) {
        uint8_t digest[SHA256_SIZE];
        put_state(digest, states[lane]);
        finish(tails[lane], digest, SHA256_SIZE, SHA256_BLOCK + SHA256_SIZE);
        memcpy(states[lane], hmac->outer, sizeof states[lane]);
    }
    hmac->blocks(states, data, lanes, 1);
    for (size_t lane = 0; lane < lanes; lane++)
        put_state(tags[lane], states[lane]);
}
