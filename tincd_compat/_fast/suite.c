/*
 * The cipher and the MAC of one direction of one tunnel.
 *
 * Contexts are made once per key and kept: setting one up per packet costs as much as
 * encrypting it.  The library context is our own, so that the legacy provider, which
 * Blowfish needs, changes nothing for other users of libcrypto in this process.
 */
#include "core.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/provider.h>

static OSSL_LIB_CTX *library;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void)
{
    library = OSSL_LIB_CTX_new();
    if (library == NULL)
        return;
    /* Loading one provider by name means that no other is loaded unasked. */
    OSSL_PROVIDER_load(library, "default");
    OSSL_PROVIDER_load(library, "legacy");
    ERR_clear_error();
}

OSSL_LIB_CTX *core_library(void)
{
    pthread_once(&once, load);
    return library;
}

/* Tell whether this is aes-128-cbc, aes-192-cbc or aes-256-cbc with their lengths. */
static bool is_aes_cbc(const struct suite *suite)
{
    char name[sizeof "aes-256-cbc"];

    snprintf(name, sizeof name, "aes-%u-cbc", 8 * ((unsigned)suite->key_length & 0x3f));
    return strcasecmp(suite->cipher, name) == 0 && suite->key_length >= 16 &&
           suite->key_length <= 32 && suite->key_length % 8 == 0 &&
           suite->iv_length == 16 && suite->block_size == 16;
}

static int init_aes(struct cipher *cipher, const struct suite *suite,
                    const uint8_t *key_block)
{
    size_t size = (sizeof *cipher->aes + 15) / 16 * 16;

    cipher->aes = aligned_alloc(16, size);
    if (cipher->aes == NULL)
        return -1;
    cipher->kind = CIPHER_X86;
    x86_aes_init(cipher->aes, key_block, suite->key_length);
    memcpy(cipher->aes->iv, key_block + suite->key_length, sizeof cipher->aes->iv);
    return 0;
}

static int init_evp(struct cipher *cipher, const struct suite *suite,
                    const uint8_t *key_block, bool encrypt)
{
    const uint8_t *iv = suite->iv_length ? key_block + suite->key_length : NULL;
    EVP_CIPHER *algorithm = EVP_CIPHER_fetch(library, suite->cipher, NULL);
    int done;

    if (algorithm == NULL)
        return -1;
    cipher->kind = CIPHER_EVP;
    if (EVP_CIPHER_get_mode(algorithm) == EVP_CIPH_XTS_MODE)
        cipher->shortest = MAX_BLOCK;
    cipher->finishes = EVP_CIPHER_get_flags(algorithm) & EVP_CIPH_FLAG_AEAD_CIPHER;
    cipher->context = EVP_CIPHER_CTX_new();
    done = cipher->context != NULL &&
           (size_t)EVP_CIPHER_get_key_length(algorithm) == suite->key_length &&
           (size_t)EVP_CIPHER_get_iv_length(algorithm) == suite->iv_length &&
           (size_t)EVP_CIPHER_get_block_size(algorithm) == suite->block_size &&
           EVP_CipherInit_ex2(cipher->context, algorithm, key_block, iv, encrypt, NULL) &&
           EVP_CIPHER_CTX_set_padding(cipher->context, 0);
    EVP_CIPHER_free(algorithm);
    return done ? 0 : -1;
}

/* Tell whether a kept context starts again: the same packet twice, the same result. */
static bool cipher_starts_again(struct cipher *cipher)
{
    uint8_t twice[2][MAX_BLOCK + 1] = {{0}};
    size_t length = cipher->block > 1 ? cipher->block : sizeof twice[0];

    for (int i = 0; i < 2; i++)
        if (cipher_run(cipher, twice[i], length) < 0)
            return false;
    return memcmp(twice[0], twice[1], sizeof twice[0]) == 0;
}

int cipher_init(struct cipher *cipher, const struct suite *suite,
                const uint8_t *key_block, bool encrypt)
{
    int result = 0;

    memset(cipher, 0, sizeof *cipher);
    pthread_once(&once, load);
    cipher->block = suite->block_size;
    if (suite->cipher == NULL)
        return 0;
    if (cipher->block == 0 || cipher->block > MAX_BLOCK)
        return -1;
    if (!suite->portable && is_aes_cbc(suite) && x86_has_aes())
        result = init_aes(cipher, suite, key_block);
    else
        result = init_evp(cipher, suite, key_block, encrypt);
    if (result == 0 && cipher->kind == CIPHER_EVP && !cipher_starts_again(cipher))
        result = NOT_AGAIN;
    ERR_clear_error();
    return result;
}

void cipher_free(struct cipher *cipher)
{
    EVP_CIPHER_CTX_free(cipher->context);
    if (cipher->aes != NULL)
        OPENSSL_cleanse(cipher->aes, sizeof *cipher->aes);
    free(cipher->aes);
    memset(cipher, 0, sizeof *cipher);
}

/* Run one packet through OpenSSL, in place. */
int cipher_run(struct cipher *cipher, uint8_t *data, size_t length)
{
    uint8_t rest[MAX_BLOCK];
    int written;

    /* With nothing given the context starts again from its IV. */
    return EVP_CipherInit_ex(cipher->context, NULL, NULL, NULL, NULL, -1) &&
                   EVP_CipherUpdate(cipher->context, data, &written, data,
                                    (int)length) &&
                   (!cipher->finishes ||
                    EVP_CipherFinal_ex(cipher->context, rest, &written))
               ? 0
               : -1;
}

static int init_hmac(struct mac *mac, const struct suite *suite,
                     const uint8_t *key_block, size_t length)
{
    EVP_MAC *algorithm = EVP_MAC_fetch(library, "HMAC", NULL);
    OSSL_PARAM parameters[2];

    if (algorithm == NULL)
        return -1;
    mac->kind = MAC_EVP;
    mac->context = EVP_MAC_CTX_new(algorithm);
    EVP_MAC_free(algorithm);
    parameters[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                                     (char *)suite->digest, 0);
    parameters[1] = OSSL_PARAM_construct_end();
    return mac->context != NULL &&
                   EVP_MAC_init(mac->context, key_block, length, parameters) &&
                   EVP_MAC_CTX_get_mac_size(mac->context) >= mac->length
               ? 0
               : -1;
}

static bool mac_starts_again(struct mac *mac)
{
    uint8_t byte = 0, twice[2][MAX_MAC] = {{0}};
    const struct packet messages[2] = {{&byte, 1}, {&byte, 1}};

    return mac_tags(mac, messages, 2, twice) == 0 &&
           memcmp(twice[0], twice[1], sizeof twice[0]) == 0;
}

int mac_init(struct mac *mac, const struct suite *suite, const uint8_t *key_block)
{
    size_t length = suite->key_length + suite->iv_length;
    int result = 0;

    memset(mac, 0, sizeof *mac);
    pthread_once(&once, load);
    if (suite->digest == NULL || suite->maclength == 0)
        return 0;
    if (suite->maclength > MAX_MAC)
        return -1;
    mac->length = suite->maclength;
    if (strcasecmp(suite->digest, "sha256") == 0 && mac->length <= SHA256_SIZE) {
        sha256_blocks *blocks = suite->portable ? NULL : x86_sha256();
        mac->kind = MAC_SHA256;
        hmac_sha256_init(&mac->sha256, key_block, length ? length : 1,
                         blocks ? blocks : sha256_blocks_portable);
    } else {
        result = init_hmac(mac, suite, key_block, length ? length : 1);
        if (result == 0 && !mac_starts_again(mac))
            result = NOT_AGAIN;
    }
    ERR_clear_error();
    return result;
}

void mac_free(struct mac *mac)
{
    EVP_MAC_CTX_free(mac->context);
    OPENSSL_cleanse(mac, sizeof *mac);
}

/* Equal lengths that follow each other share a run of the hash. */
static void sha256_tags(const struct mac *mac, const struct packet *messages,
                        size_t count, uint8_t (*tags)[MAX_MAC])
{
    size_t lanes;

    for (size_t i = 0; i < count; i += lanes) {
        uint8_t whole[SHA256_LANES][SHA256_SIZE];
        const uint8_t *data[SHA256_LANES];
        size_t length = messages[i].length;

        for (lanes = 0; lanes < SHA256_LANES && i + lanes < count; lanes++) {
            if (messages[i + lanes].length != length)
                break;
            data[lanes] = messages[i + lanes].data;
        }
        hmac_sha256(&mac->sha256, data, length, lanes, whole);
        for (size_t lane = 0; lane < lanes; lane++)
            memcpy(tags[i + lane], whole[lane], SHA256_SIZE);
    }
}

int mac_tags(struct mac *mac, const struct packet *messages, size_t count,
             uint8_t (*tags)[MAX_MAC])
{
    if (mac->kind == MAC_SHA256)
        sha256_tags(mac, messages, count, tags);
    if (mac->kind != MAC_EVP)
        return 0;
    for (size_t i = 0; i < count; i++) {
        size_t written;
        if (!EVP_MAC_init(mac->context, NULL, 0, NULL) ||
            !EVP_MAC_update(mac->context, messages[i].data, messages[i].length) ||
            !EVP_MAC_final(mac->context, tags[i], &written, MAX_MAC))
            return -1;
    }
    return 0;
}

const char *core_features(void)
{
    /* Now, because in a chroot jail there may be no file of the legacy provider. */
    pthread_once(&once, load);
    if (x86_has_aes())
        return x86_sha256() != NULL ? "AES-NI, SHA-NI" : "AES-NI";
    return x86_sha256() != NULL ? "SHA-NI" : "OpenSSL";
}
