/*
 * ChaCha20 of several records at once, with the instructions of AVX2.
 *
 * Eight blocks of the key stream are worked on side by side, whatever records they are of.
 * So the block that gives the key of a tag costs an eighth of what it costs alone, short
 * records share what long ones fill, and no context has to start again for each.  Whether
 * the instructions are there is asked at run time; OpenSSL does the same work elsewhere.
 */
#include "sptps.h"

#include <string.h>

#if defined(__x86_64__)

#include <immintrin.h>

#include <openssl/crypto.h>

#define LANES 8u
#define STREAM_BLOCK 64u
#define ROUNDS 20
/* More than the function that has keys in its frame takes of the stack, with sanitizers. */
#define DEPTH 4096u

#define WITH_AVX2 __attribute__((target("avx2")))
#define INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))

/* What one block of a key stream is for: so many bytes, and none in a lane that idles. */
struct share {
    uint8_t *at;
    size_t length;
    uint32_t number;
    uint32_t block;
};

bool x86_has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

#define ROTATE(x, n) _mm256_or_si256(_mm256_slli_epi32(x, n), _mm256_srli_epi32(x, 32 - (n)))

/* A step of a quarter round: rotations by whole bytes are shuffles. */
#define STEP(a, b, c, rotated)      \
    do {                            \
        a = _mm256_add_epi32(a, b); \
        c = _mm256_xor_si256(c, a); \
        c = rotated;                \
    } while (0)

/* Two quarter rounds, whose steps fill the gaps of one another. */
#define TWO_QUARTERS(a, b, c, d, e, f, g, h)          \
    do {                                              \
        STEP(a, b, d, _mm256_shuffle_epi8(d, by_16)); \
        STEP(e, f, h, _mm256_shuffle_epi8(h, by_16)); \
        STEP(c, d, b, ROTATE(b, 12));                 \
        STEP(g, h, f, ROTATE(f, 12));                 \
        STEP(a, b, d, _mm256_shuffle_epi8(d, by_8));  \
        STEP(e, f, h, _mm256_shuffle_epi8(h, by_8));  \
        STEP(c, d, b, ROTATE(b, 7));                  \
        STEP(g, h, f, ROTATE(f, 7));                  \
    } while (0)

/* Turn eight rows of a word of each lane into one row of eight words for each lane. */
WITH_AVX2 INLINE void transpose(const __m256i *rows, __m256i *lanes)
{
    __m256i pairs[8], fours[8];

    for (int i = 0; i < 8; i += 2) {
        pairs[i] = _mm256_unpacklo_epi32(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm256_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; j++) {
            fours[i + 2 * j] = _mm256_unpacklo_epi64(pairs[i + j], pairs[i + j + 2]);
            fours[i + 2 * j + 1] = _mm256_unpackhi_epi64(pairs[i + j], pairs[i + j + 2]);
        }
    for (int i = 0; i < 4; i++) {
        lanes[i] = _mm256_permute2x128_si256(fours[i], fours[i + 4], 0x20);
        lanes[i + 4] = _mm256_permute2x128_si256(fours[i], fours[i + 4], 0x31);
    }
}

/* Add a block of the key stream, in two halves, to what it is for. */
WITH_AVX2 INLINE void add_block(const struct share *share, __m256i low, __m256i high)
{
    __m256i *at = (__m256i *)share->at;
    uint8_t block[STREAM_BLOCK];

    if (share->length == STREAM_BLOCK) {
        _mm256_storeu_si256(at, _mm256_xor_si256(_mm256_loadu_si256(at), low));
        _mm256_storeu_si256(at + 1, _mm256_xor_si256(_mm256_loadu_si256(at + 1), high));
        return;
    }
    _mm256_storeu_si256((__m256i *)block, low);
    _mm256_storeu_si256((__m256i *)(block + STREAM_BLOCK / 2), high);
    for (size_t i = 0; i < share->length; i++)
        share->at[i] ^= block[i];
}

WITH_AVX2 NOINLINE static void run_lanes(const struct chacha_key *key,
                                         const struct share *shares)
{
    const __m256i by_16 = _mm256_set_epi8(
        13, 12, 15, 14, 9, 8, 11, 10, 5, 4, 7, 6, 1, 0, 3, 2, 13, 12, 15, 14, 9, 8, 11, 10,
        5, 4, 7, 6, 1, 0, 3, 2);
    const __m256i by_8 = _mm256_set_epi8(
        14, 13, 12, 15, 10, 9, 8, 11, 6, 5, 4, 7, 2, 1, 0, 3, 14, 13, 12, 15, 10, 9, 8, 11,
        6, 5, 4, 7, 2, 1, 0, 3);
    _Alignas(32) uint32_t initial[2][LANES];
    __m256i v[16], low[LANES], high[LANES];

    for (size_t lane = 0; lane < LANES; lane++) {
        initial[0][lane] = shares[lane].block;
        initial[1][lane] = __builtin_bswap32(shares[lane].number);
    }
    for (size_t i = 0; i < 12; i++)
        v[i] = _mm256_set1_epi32((int)key->words[i]);
    v[12] = _mm256_load_si256((const __m256i *)initial[0]);
    v[13] = v[14] = _mm256_setzero_si256();
    v[15] = _mm256_load_si256((const __m256i *)initial[1]);
    for (int round = 0; round < ROUNDS; round += 2) {
        TWO_QUARTERS(v[0], v[4], v[8], v[12], v[1], v[5], v[9], v[13]);
        TWO_QUARTERS(v[2], v[6], v[10], v[14], v[3], v[7], v[11], v[15]);
        TWO_QUARTERS(v[0], v[5], v[10], v[15], v[1], v[6], v[11], v[12]);
        TWO_QUARTERS(v[2], v[7], v[8], v[13], v[3], v[4], v[9], v[14]);
    }
    for (size_t i = 0; i < 12; i++)
        v[i] = _mm256_add_epi32(v[i], _mm256_set1_epi32((int)key->words[i]));
    v[12] = _mm256_add_epi32(v[12], _mm256_load_si256((const __m256i *)initial[0]));
    v[15] = _mm256_add_epi32(v[15], _mm256_load_si256((const __m256i *)initial[1]));
    transpose(v, low);
    transpose(v + 8, high);
    for (size_t lane = 0; lane < LANES; lane++)
        add_block(&shares[lane], low[lane], high[lane]);
}

/* Wipe what run_lanes() has left below: keys, and states that give them away. */
NOINLINE static void wipe_stack(void)
{
    uint8_t below[DEPTH];

    OPENSSL_cleanse(below, sizeof below);
}

void x86_chacha_init(struct chacha_key *chacha, const uint8_t *key)
{
    memcpy(chacha->words, "expand 32-byte k", 16);
    memcpy(chacha->words + 4, key, RECORD_KEY_SIZE);
}

/* Shares wait until there are as many as lanes. */
struct queue {
    const struct chacha_key *key;
    size_t count;
    struct share shares[LANES];
};

static void push(struct queue *queue, uint8_t *at, size_t length, uint32_t number,
                 uint32_t block)
{
    queue->shares[queue->count++] = (struct share){at, length, number, block};
    if (queue->count < LANES)
        return;
    run_lanes(queue->key, queue->shares);
    queue->count = 0;
}

static void finish(struct queue *queue)
{
    if (queue->count > 0) {
        memset(queue->shares + queue->count, 0,
               (LANES - queue->count) * sizeof *queue->shares);
        run_lanes(queue->key, queue->shares);
    }
    wipe_stack();
}

static void push_text(struct queue *queue, const struct record *record)
{
    uint32_t block = 1;

    for (size_t done = 0; done < record->length; done += STREAM_BLOCK) {
        size_t rest = record->length - done;
        push(queue, record->text + done, rest < STREAM_BLOCK ? rest : STREAM_BLOCK,
             record->number, block++);
    }
}

void x86_chacha(const struct chacha_key *key, const struct record *records, size_t count,
                uint8_t (*tag_keys)[RECORD_KEY_SIZE], bool texts)
{
    struct queue queue = {.key = key};

    for (size_t i = 0; i < count; i++) {
        if (tag_keys != NULL) {
            memset(tag_keys[i], 0, RECORD_KEY_SIZE);
            push(&queue, tag_keys[i], RECORD_KEY_SIZE, records[i].number, 0);
        }
        if (texts)
            push_text(&queue, &records[i]);
    }
    finish(&queue);
}

#else

bool x86_has_avx2(void)
{
    return false;
}

void x86_chacha_init(struct chacha_key *chacha, const uint8_t *key)
{
    (void)chacha, (void)key;
}

void x86_chacha(const struct chacha_key *key, const struct record *records, size_t count,
                uint8_t (*tag_keys)[RECORD_KEY_SIZE], bool texts)
{
    (void)key, (void)records, (void)count, (void)tag_keys, (void)texts;
}

#endif
