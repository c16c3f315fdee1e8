/*
 * What becomes of a suite whose kept contexts the library does not start again.  Such a
 * library is played here: its two functions are those below, because the linker takes
 * them before OpenSSL's own, which they ask.
 */
#define _GNU_SOURCE
#include "checks.h"
#include "core.h"
#include "sptps.h"

#include <dlfcn.h>
#include <string.h>

/* Whether it forgets to start again, and whether it says so. */
static enum { SOUND, FORGETS, REFUSES } to_macs, to_ciphers;

static void *real(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);

    check(function != NULL, "no such function in OpenSSL");
    return function;
}

int EVP_MAC_init(EVP_MAC_CTX *context, const unsigned char *key, size_t length,
                 const OSSL_PARAM parameters[])
{
    int (*init)(EVP_MAC_CTX *, const unsigned char *, size_t, const OSSL_PARAM *);
    void *function = real("EVP_MAC_init");

    /* OpenSSL 3.0.0 to 3.0.2 does nothing without a key, and calls that done. */
    if (key == NULL && to_macs != SOUND)
        return to_macs == FORGETS;
    memcpy(&init, &function, sizeof init);
    return init(context, key, length, parameters);
}

int EVP_CipherInit_ex(EVP_CIPHER_CTX *context, const EVP_CIPHER *algorithm, ENGINE *engine,
                      const unsigned char *key, const unsigned char *iv, int encrypt)
{
    int (*init)(EVP_CIPHER_CTX *, const EVP_CIPHER *, ENGINE *, const unsigned char *,
                const unsigned char *, int);
    void *function = real("EVP_CipherInit_ex");

    if (key == NULL && to_ciphers != SOUND)
        return to_ciphers == FORGETS;
    memcpy(&init, &function, sizeof init);
    return init(context, algorithm, engine, key, iv, encrypt);
}

static const uint8_t key_block[48] = "any key will do, and any start of a chain too";
static const struct suite suites[] = {
    {NULL, "sha512", 32, 16, 1, 4, false},       {NULL, "sha1", 32, 16, 1, 20, false},
    {"aes-256-cbc", NULL, 32, 16, 16, 0, true},  {"aes-256-cfb", NULL, 32, 16, 1, 0, true},
    {"aes-256-ofb", NULL, 32, 16, 1, 0, true},   {"aes-256-cfb8", NULL, 32, 16, 1, 0, true},
    {"aes-256-cbc", "sha256", 32, 16, 16, 4, true},
};

static int make_sealer(const struct suite *suite)
{
    struct sealer sealer;
    int made = sealer_init(&sealer, suite, key_block);

    sealer_free(&sealer);
    return made;
}

static int make_opener(const struct suite *suite)
{
    struct opener opener;
    int made = opener_init(&opener, suite, key_block, 16);

    opener_free(&opener);
    return made;
}

static int make_record_cipher(void)
{
    struct record_cipher cipher;
    int made = record_cipher_init(&cipher, key_block, true);

    record_cipher_free(&cipher);
    return made;
}

void check_libraries(void)
{
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
        const struct suite *suite = &suites[i];
        bool mac = suite->digest != NULL && strcmp(suite->digest, "sha256") != 0;
        to_macs = to_ciphers = SOUND;
        check(make_sealer(suite) == 0 && make_opener(suite) == 0, "a sound library");
        for (int how = FORGETS; how <= REFUSES; how++) {
            to_macs = how;
            to_ciphers = SOUND;
            int wanted = mac ? NOT_AGAIN : 0;
            check(make_sealer(suite) == wanted, "a sealer whose MACs are wrong");
            check(make_opener(suite) == wanted, "an opener whose MACs are wrong");
            to_macs = SOUND;
            to_ciphers = how;
            wanted = suite->cipher ? NOT_AGAIN : 0;
            check(make_sealer(suite) == wanted, "a sealer that goes on from the last");
            check(make_opener(suite) == wanted, "an opener that goes on from the last");
        }
    }
    for (int how = SOUND; how <= REFUSES; how++) {
        to_ciphers = how;
        check(make_record_cipher() == (how == SOUND ? 0 : NOT_AGAIN),
              "records whose key streams go on from the last");
    }
    to_macs = to_ciphers = SOUND;
    /* A chain that is not started again is a cipher's own nature too. */
    const struct suite counter = {"aes-256-ctr", NULL, 32, 16, 1, 0, true};
    const struct suite nobody = {"rot13", NULL, 32, 16, 1, 0, true};
    check(make_sealer(&counter) == NOT_AGAIN, "a key stream that runs on");
    check(make_sealer(&nobody) == -1, "a cipher that nobody knows");
}
