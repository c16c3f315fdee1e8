/*
 * AES-CBC and SHA-256 of several packets at once, with the instructions x86 has for it.
 *
 * One CBC chain or one hash is bound by latency: each block waits for the one before.
 * The packets of a train are independent, because tinc starts each from the same IV, so
 * eight chains and two hashes fill the gaps of one another.  Whether the instructions
 * are there is asked at run time; OpenSSL does the same work elsewhere.
 */
#include "core.h"

#include <string.h>

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#include <openssl/crypto.h>

#define AES_LANES 8u
#define BLOCK 16u

#define WITH_AES __attribute__((target("aes,sse4.1")))
#define WITH_SHA __attribute__((target("sha,sse4.1,ssse3")))
#define INLINE static inline __attribute__((always_inline))

bool x86_has_aes(void)
{
    unsigned a, b, c, d;

    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_AES) && (c & bit_SSE4_1);
}

static bool has_sha(void)
{
    unsigned a, b, c, d;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSSE3) || !(c & bit_SSE4_1))
        return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

/* Columns that are all alike make ShiftRows the identity: what is left is SubWord. */
WITH_AES static uint32_t substitute(uint32_t word)
{
    __m128i all = _mm_set1_epi32((int)word);

    return (uint32_t)_mm_cvtsi128_si32(_mm_aesenclast_si128(all, _mm_setzero_si128()));
}

WITH_AES static void expand(uint8_t (*keys)[BLOCK], const uint8_t *key, size_t words,
                            size_t total)
{
    uint32_t schedule[60];
    uint32_t constant = 1;

    memcpy(schedule, key, 4 * words);
    for (size_t i = words; i < total; i++) {
        uint32_t word = schedule[i - 1];
        if (i % words == 0) {
            /* A rotation of bytes to the left, in a little-endian word. */
            word = substitute(word >> 8 | word << 24) ^ constant;
            constant = constant << 1 ^ (constant & 0x80 ? 0x11b : 0);
        } else if (words > 6 && i % words == 4) {
            word = substitute(word);
        }
        schedule[i] = schedule[i - words] ^ word;
    }
    memcpy(keys, schedule, 4 * total);
    OPENSSL_cleanse(schedule, sizeof schedule);
}

WITH_AES void x86_aes_init(struct aes_key *aes, const uint8_t *key, size_t length)
{
    int rounds = aes->rounds = (int)(length / 4) + 6;

    expand(aes->encrypt, key, length / 4, 4 * (size_t)(rounds + 1));
    for (int round = 0; round <= rounds; round++) {
        __m128i step = _mm_load_si128((const __m128i *)aes->encrypt[rounds - round]);
        if (round > 0 && round < rounds)
            step = _mm_aesimc_si128(step);
        _mm_store_si128((__m128i *)aes->decrypt[round], step);
    }
}

struct lane {
    uint8_t *at;
    size_t blocks;
    __m128i chain;
};

/* Encrypt as many blocks of each of the first ``count`` lanes. */
WITH_AES INLINE void encrypt_lanes(const struct aes_key *aes, struct lane *lanes,
                                   const size_t count, size_t blocks)
{
    const __m128i *keys = (const __m128i *)aes->encrypt;
    const int rounds = aes->rounds;
    __m128i state[AES_LANES];
    uint8_t *at[AES_LANES];

    for (size_t i = 0; i < count; i++) {
        state[i] = lanes[i].chain;
        at[i] = lanes[i].at;
    }
    for (size_t offset = 0; offset < blocks * BLOCK; offset += BLOCK) {
        __m128i key = _mm_load_si128(keys);
        for (size_t i = 0; i < count; i++) {
            __m128i plain = _mm_loadu_si128((const __m128i *)(at[i] + offset));
            state[i] = _mm_xor_si128(_mm_xor_si128(state[i], plain), key);
        }
        for (int round = 1; round < rounds; round++) {
            key = _mm_load_si128(keys + round);
            for (size_t i = 0; i < count; i++)
                state[i] = _mm_aesenc_si128(state[i], key);
        }
        key = _mm_load_si128(keys + rounds);
        for (size_t i = 0; i < count; i++) {
            state[i] = _mm_aesenclast_si128(state[i], key);
            _mm_storeu_si128((__m128i *)(at[i] + offset), state[i]);
        }
    }
    for (size_t i = 0; i < count; i++) {
        lanes[i].chain = state[i];
        lanes[i].at += blocks * BLOCK;
        lanes[i].blocks -= blocks;
    }
}

/* A number known when compiling keeps all chains in registers. */
WITH_AES static void encrypt_some(const struct aes_key *aes, struct lane *lanes,
                                  size_t count, size_t blocks)
{
    switch (count) {
    case 8: encrypt_lanes(aes, lanes, 8, blocks); break;
    case 7: encrypt_lanes(aes, lanes, 7, blocks); break;
    case 6: encrypt_lanes(aes, lanes, 6, blocks); break;
    case 5: encrypt_lanes(aes, lanes, 5, blocks); break;
    case 4: encrypt_lanes(aes, lanes, 4, blocks); break;
    case 3: encrypt_lanes(aes, lanes, 3, blocks); break;
    case 2: encrypt_lanes(aes, lanes, 2, blocks); break;
    default: encrypt_lanes(aes, lanes, 1, blocks); break;
    }
}

/* Run all lanes as far as the shortest goes, and refill the lanes that have ended. */
WITH_AES void x86_cbc_encrypt(const struct aes_key *aes, const struct packet *packets,
                              size_t count)
{
    const __m128i iv = _mm_load_si128((const __m128i *)aes->iv);
    struct lane lanes[AES_LANES];
    size_t used = 0, next = 0;

    for (;;) {
        while (used < AES_LANES && next < count) {
            const struct packet *packet = &packets[next++];
            if (packet->length >= BLOCK)
                lanes[used++] = (struct lane){packet->data, packet->length / BLOCK, iv};
        }
        if (used == 0)
            return;
        size_t shortest = lanes[0].blocks;
        for (size_t i = 1; i < used; i++)
            if (lanes[i].blocks < shortest)
                shortest = lanes[i].blocks;
        encrypt_some(aes, lanes, used, shortest);
        size_t kept = 0;
        for (size_t i = 0; i < used; i++)
            if (lanes[i].blocks > 0)
                lanes[kept++] = lanes[i];
        used = kept;
    }
}

/* Decrypt ``count`` blocks in place; ``chain`` is the ciphertext block before them. */
WITH_AES INLINE __m128i decrypt_blocks(const struct aes_key *aes, uint8_t *data,
                                       const size_t count, __m128i chain)
{
    const __m128i *keys = (const __m128i *)aes->decrypt;
    const int rounds = aes->rounds;
    __m128i state[AES_LANES];
    __m128i key = _mm_load_si128(keys);

    for (size_t i = 0; i < count; i++) {
        state[i] = _mm_loadu_si128((const __m128i *)(data + i * BLOCK));
        state[i] = _mm_xor_si128(state[i], key);
    }
    for (int round = 1; round < rounds; round++) {
        key = _mm_load_si128(keys + round);
        for (size_t i = 0; i < count; i++)
            state[i] = _mm_aesdec_si128(state[i], key);
    }
    key = _mm_load_si128(keys + rounds);
    for (size_t i = 0; i < count; i++) {
        __m128i *block = (__m128i *)(data + i * BLOCK);
        __m128i sealed = _mm_loadu_si128(block);
        state[i] = _mm_aesdeclast_si128(state[i], key);
        _mm_storeu_si128(block, _mm_xor_si128(state[i], chain));
        chain = sealed;
    }
    return chain;
}

WITH_AES void x86_cbc_decrypt(const struct aes_key *aes, uint8_t *data, size_t length)
{
    __m128i chain = _mm_load_si128((const __m128i *)aes->iv);
    size_t offset = 0;

    for (; offset + AES_LANES * BLOCK <= length; offset += AES_LANES * BLOCK)
        chain = decrypt_blocks(aes, data + offset, AES_LANES, chain);
    for (; offset + 4 * BLOCK <= length; offset += 4 * BLOCK)
        chain = decrypt_blocks(aes, data + offset, 4, chain);
    for (; offset + BLOCK <= length; offset += BLOCK)
        chain = decrypt_blocks(aes, data + offset, 1, chain);
}

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
    0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
    0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
    0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
    0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
    0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
    0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2,
};

/* The instructions want a state as ABEF and CDGH. */
WITH_SHA INLINE void load_state(const uint32_t *state, __m128i *abef, __m128i *cdgh)
{
    __m128i low = _mm_loadu_si128((const __m128i *)state);
    __m128i high = _mm_loadu_si128((const __m128i *)(state + 4));

    low = _mm_shuffle_epi32(low, 0xB1);
    high = _mm_shuffle_epi32(high, 0x1B);
    *abef = _mm_alignr_epi8(low, high, 8);
    *cdgh = _mm_blend_epi16(high, low, 0xF0);
}

WITH_SHA INLINE void store_state(uint32_t *state, __m128i abef, __m128i cdgh)
{
    __m128i low = _mm_shuffle_epi32(abef, 0x1B);
    __m128i high = _mm_shuffle_epi32(cdgh, 0xB1);

    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(low, high, 0xF0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(high, low, 8));
}

WITH_SHA INLINE void hash_lanes(uint32_t (*states)[8], const uint8_t *const *data,
                                const size_t lanes, size_t blocks)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i abef[SHA256_LANES], cdgh[SHA256_LANES], words[SHA256_LANES][4];

    for (size_t i = 0; i < lanes; i++)
        load_state(states[i], &abef[i], &cdgh[i]);
    for (size_t block = 0; block < blocks; block++) {
        __m128i abef_before[SHA256_LANES], cdgh_before[SHA256_LANES];
        for (size_t i = 0; i < lanes; i++) {
            abef_before[i] = abef[i];
            cdgh_before[i] = cdgh[i];
            const __m128i *from = (const __m128i *)(data[i] + block * SHA256_BLOCK);
            for (size_t w = 0; w < 4; w++)
                words[i][w] = _mm_shuffle_epi8(_mm_loadu_si128(from + w), swap);
        }
#pragma GCC unroll 16
        for (size_t group = 0; group < 16; group++) {
            const __m128i k = _mm_loadu_si128((const __m128i *)(constants + 4 * group));
            for (size_t i = 0; i < lanes; i++) {
                __m128i *w = words[i];
                if (group >= 4) {
                    __m128i last = w[(group + 3) % 4], before = w[(group + 2) % 4];
                    __m128i sum = _mm_sha256msg1_epu32(w[group % 4], w[(group + 1) % 4]);
                    sum = _mm_add_epi32(sum, _mm_alignr_epi8(last, before, 4));
                    w[group % 4] = _mm_sha256msg2_epu32(sum, last);
                }
                __m128i message = _mm_add_epi32(w[group % 4], k);
                cdgh[i] = _mm_sha256rnds2_epu32(cdgh[i], abef[i], message);
                message = _mm_shuffle_epi32(message, 0x0E);
                abef[i] = _mm_sha256rnds2_epu32(abef[i], cdgh[i], message);
            }
        }
        for (size_t i = 0; i < lanes; i++) {
            abef[i] = _mm_add_epi32(abef[i], abef_before[i]);
            cdgh[i] = _mm_add_epi32(cdgh[i], cdgh_before[i]);
        }
    }
    for (size_t i = 0; i < lanes; i++)
        store_state(states[i], abef[i], cdgh[i]);
}

WITH_SHA static void hash(uint32_t (*states)[8], const uint8_t *const *data,
                          size_t lanes, size_t blocks)
{
    if (lanes == 2)
        hash_lanes(states, data, 2, blocks);
    else
        hash_lanes(states, data, 1, blocks);
}

sha256_blocks *x86_sha256(void)
{
    return has_sha() ? hash : NULL;
}

#else

/* Elsewhere OpenSSL has the instructions of the processor, one packet at a time. */
bool x86_has_aes(void)
{
    return false;
}

sha256_blocks *x86_sha256(void)
{
    return NULL;
}

void x86_aes_init(struct aes_key *aes, const uint8_t *key, size_t length)
{
    (void)aes, (void)key, (void)length;
}

void x86_cbc_encrypt(const struct aes_key *aes, const struct packet *packets,
                     size_t count)
{
    (void)aes, (void)packets, (void)count;
}

void x86_cbc_decrypt(const struct aes_key *aes, uint8_t *data, size_t length)
{
    (void)aes, (void)data, (void)length;
}

#endif
