/*
 * ChaCha20 and Poly1305 as OpenSSH puts them together (tinc 1.1 behaviour).
 *
 * The number of a record is its nonce, block 0 of the key stream gives the key of the tag,
 * and the tag is that of the ciphertext alone.  RFC 8439 pads and adds lengths, so its
 * AEAD has the same ciphertext and another tag.  Contexts are kept: the nonce alone is new.
 *
 * With AVX2 the key stream is our own, for several records at once, and OpenSSL's else.
 */
#include "sptps.h"
#include "wire.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#define STREAM_BLOCK 64u
#define NONCE_SIZE 16u
/* Records whose key streams are made together: what they fill stays near. */
#define GROUP 16u

static int make_chacha(struct record_cipher *cipher, const uint8_t *key)
{
    cipher->chacha = malloc(sizeof *cipher->chacha);
    if (cipher->chacha == NULL)
        return -1;
    x86_chacha_init(cipher->chacha, key);
    return 0;
}

static int make_stream(struct record_cipher *cipher, const uint8_t *key)
{
    const uint8_t nonce[NONCE_SIZE] = {0};
    EVP_CIPHER *algorithm = EVP_CIPHER_fetch(core_library(), "ChaCha20", NULL);
    int done;

    if (algorithm == NULL)
        return -1;
    cipher->stream = EVP_CIPHER_CTX_new();
    done = cipher->stream != NULL &&
           EVP_CipherInit_ex2(cipher->stream, algorithm, key, nonce, true, NULL);
    EVP_CIPHER_free(algorithm);
    return done ? 0 : -1;
}

static int make_mac(struct record_cipher *cipher)
{
    EVP_MAC *algorithm = EVP_MAC_fetch(core_library(), "POLY1305", NULL);

    if (algorithm == NULL)
        return -1;
    cipher->mac = EVP_MAC_CTX_new(algorithm);
    EVP_MAC_free(algorithm);
    return cipher->mac == NULL ? -1 : 0;
}

/* Tell whether the kept contexts start again: one record twice, the same result. */
static bool starts_again(struct record_cipher *cipher)
{
    uint8_t twice[2][KIND_SIZE + RECORD_TAG_SIZE] = {{0}};

    for (int i = 0; i < 2; i++) {
        const struct record record = {twice[i], KIND_SIZE, 1};
        if (records_seal(cipher, &record, 1) < 0)
            return false;
    }
    return memcmp(twice[0], twice[1], sizeof twice[0]) == 0;
}

int record_cipher_init(struct record_cipher *cipher, const uint8_t *key, bool portable)
{
    int result;

    memset(cipher, 0, sizeof *cipher);
    cipher->portable = portable;
    if (!portable && x86_has_avx2())
        result = make_chacha(cipher, key);
    else
        result = make_stream(cipher, key);
    if (result == 0)
        result = make_mac(cipher);
    if (result == 0 && !starts_again(cipher))
        result = NOT_AGAIN;
    ERR_clear_error();
    return result;
}

void record_cipher_free(struct record_cipher *cipher)
{
    if (cipher->chacha != NULL)
        OPENSSL_cleanse(cipher->chacha, sizeof *cipher->chacha);
    free(cipher->chacha);
    /* Both wipe what they have of the key: the second did so with each tag. */
    EVP_CIPHER_CTX_free(cipher->stream);
    EVP_MAC_CTX_free(cipher->mac);
    memset(cipher, 0, sizeof *cipher);
}

/* Start the key stream of a record: block 0 is written, the next are for its text. */
static bool start(struct record_cipher *cipher, uint32_t number, uint8_t *block)
{
    uint8_t nonce[NONCE_SIZE] = {0};
    int written;

    put32(nonce + NONCE_SIZE - SEQNO_SIZE, number);
    memset(block, 0, STREAM_BLOCK);
    return EVP_CipherInit_ex(cipher->stream, NULL, NULL, NULL, nonce, -1) &&
           EVP_CipherUpdate(cipher->stream, block, &written, block, STREAM_BLOCK);
}

static bool run(struct record_cipher *cipher, const struct record *record)
{
    int written;

    return EVP_CipherUpdate(cipher->stream, record->text, &written, record->text,
                            (int)record->length);
}

static bool authenticate(struct record_cipher *cipher, const uint8_t *tag_key,
                         const struct record *record, uint8_t *tag)
{
    size_t written;

    return EVP_MAC_init(cipher->mac, tag_key, RECORD_KEY_SIZE, NULL) &&
           EVP_MAC_update(cipher->mac, record->text, record->length) &&
           EVP_MAC_final(cipher->mac, tag, &written, RECORD_TAG_SIZE);
}

static bool write_tag(struct record_cipher *cipher, const uint8_t *tag_key,
                      const struct record *record)
{
    return authenticate(cipher, tag_key, record, record->text + record->length);
}

static bool has_tag(struct record_cipher *cipher, const uint8_t *tag_key,
                    const struct record *record)
{
    uint8_t tag[RECORD_TAG_SIZE];

    return authenticate(cipher, tag_key, record, tag) &&
           CRYPTO_memcmp(tag, record->text + record->length, sizeof tag) == 0;
}

static size_t seal_singly(struct record_cipher *cipher, const struct record *records,
                          size_t count)
{
    uint8_t block[STREAM_BLOCK];
    size_t done = 0;

    while (done < count && start(cipher, records[done].number, block) &&
           run(cipher, &records[done]) && write_tag(cipher, block, &records[done]))
        done++;
    OPENSSL_cleanse(block, sizeof block);
    return done;
}

static size_t seal_group(struct record_cipher *cipher, const struct record *records,
                         size_t count)
{
    uint8_t tag_keys[GROUP][RECORD_KEY_SIZE];
    size_t done = 0;

    x86_chacha(cipher->chacha, records, count, tag_keys, true);
    while (done < count && write_tag(cipher, tag_keys[done], &records[done]))
        done++;
    OPENSSL_cleanse(tag_keys, sizeof tag_keys);
    return done;
}

static size_t group_of(size_t left)
{
    return left < GROUP ? left : GROUP;
}

int records_seal(struct record_cipher *cipher, const struct record *records, size_t count)
{
    size_t group;

    if (cipher->chacha == NULL)
        return seal_singly(cipher, records, count) == count ? 0 : -1;
    for (; count > 0; records += group, count -= group) {
        group = group_of(count);
        if (seal_group(cipher, records, group) < group)
            return -1;
    }
    return 0;
}

static void open_singly(struct record_cipher *cipher, const struct record *records,
                        size_t count, bool *genuine)
{
    uint8_t block[STREAM_BLOCK];

    for (size_t i = 0; i < count; i++)
        genuine[i] = start(cipher, records[i].number, block) &&
                     has_tag(cipher, block, &records[i]) && run(cipher, &records[i]);
    OPENSSL_cleanse(block, sizeof block);
}

static void open_group(struct record_cipher *cipher, const struct record *records,
                       size_t count, bool *genuine)
{
    uint8_t tag_keys[GROUP][RECORD_KEY_SIZE];
    struct record kept[GROUP];
    size_t right = 0;

    x86_chacha(cipher->chacha, records, count, tag_keys, false);
    for (size_t i = 0; i < count; i++) {
        genuine[i] = has_tag(cipher, tag_keys[i], &records[i]);
        if (genuine[i])
            kept[right++] = records[i];
    }
    OPENSSL_cleanse(tag_keys, sizeof tag_keys);
    if (right > 0)
        x86_chacha(cipher->chacha, kept, right, NULL, true);
}

void records_open(struct record_cipher *cipher, const struct record *records, size_t count,
                  bool *genuine)
{
    size_t group;

    if (cipher->chacha == NULL) {
        open_singly(cipher, records, count, genuine);
        return;
    }
    for (; count > 0; records += group, genuine += group, count -= group) {
        group = group_of(count);
        open_group(cipher, records, group, genuine);
    }
}

bool record_is_genuine(struct record_cipher *cipher, const struct record *record)
{
    uint8_t block[STREAM_BLOCK];
    bool genuine = true;

    if (cipher->chacha != NULL)
        x86_chacha(cipher->chacha, record, 1, (uint8_t(*)[RECORD_KEY_SIZE])block, false);
    else
        genuine = start(cipher, record->number, block);
    genuine = genuine && has_tag(cipher, block, record);
    OPENSSL_cleanse(block, sizeof block);
    return genuine;
}
