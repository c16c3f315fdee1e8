/*
 * The compiled half of the data plane, without Python: sanitizers and fuzzers drive it
 * alone.  Every function here trusts its caller about lengths that a caller can know and
 * nobody about what a packet says of itself.
 *
 * Packets are worked on in place, a train at a time.  Nothing allocates per packet.
 */
#ifndef TINCD_COMPAT_CORE_H
#define TINCD_COMPAT_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>
#include <openssl/opensslv.h>

#if OPENSSL_VERSION_NUMBER < 0x30000000L
#error "The compiled half takes OpenSSL 3.0 or later"
#endif

#define SEQNO_SIZE 4u
#define MAX_BLOCK 16u
#define MAX_MAC 64u
/* The longest body that one call seals or opens; lengths up to it fit an int. */
#define MAX_BODY (1u << 20)
/* What sealing may add to a body: the number, a block of padding and the MAC. */
#define MAX_OVERHEAD (SEQNO_SIZE + MAX_BLOCK + MAX_MAC)

/* A packet in its buffer: the number in front, then the body or what became of it. */
struct packet {
    uint8_t *data;
    size_t length;
};

/* replay.c */

enum judgement { ACCEPT, RESUME, LATE, FUTURE };

struct window {
    uint32_t highest;
    uint32_t strays;
    uint32_t patience;
    uint32_t span;
    /* Where SPTPS differs: numbers behind the span that are not yet far, and whether those
     * in front of a far one may still come when it is believed. */
    uint32_t margin;
    uint8_t passed;
    /* One byte for each number modulo the span: 1 = skipped, may still come. */
    uint8_t *missing;
};

int window_init(struct window *window, size_t window_bytes);
void window_free(struct window *window);
enum judgement window_check(struct window *window, uint32_t seqno);
/* Tell whether the window can tell if a number has been here. */
bool window_reaches(const struct window *window, uint32_t seqno);

/* sha256.c and x86.c: HMAC-SHA256 of several messages at once. */

#define SHA256_BLOCK 64u
#define SHA256_SIZE 32u
#define SHA256_LANES 2u

typedef void sha256_blocks(uint32_t (*states)[8], const uint8_t *const *data,
                           size_t lanes, size_t blocks);

struct hmac_sha256 {
    uint32_t inner[8];
    uint32_t outer[8];
    sha256_blocks *blocks;
};

void hmac_sha256_init(struct hmac_sha256 *hmac, const uint8_t *key, size_t length,
                      sha256_blocks *blocks);
/* Write the MACs of up to SHA256_LANES messages, all of the same length. */
void hmac_sha256(const struct hmac_sha256 *hmac, const uint8_t *const *messages,
                 size_t length, size_t lanes, uint8_t (*tags)[SHA256_SIZE]);
sha256_blocks sha256_blocks_portable;

/* x86.c: AES-CBC of several packets at once. */

struct aes_key {
    _Alignas(16) uint8_t encrypt[15][16];
    _Alignas(16) uint8_t decrypt[15][16];
    _Alignas(16) uint8_t iv[16];
    int rounds;
};

/* The block function for this machine, or NULL: use the portable one. */
sha256_blocks *x86_sha256(void);
bool x86_has_aes(void);
void x86_aes_init(struct aes_key *aes, const uint8_t *key, size_t length);
/* Lengths are whole blocks; each packet starts from the IV. */
void x86_cbc_encrypt(const struct aes_key *aes, const struct packet *packets,
                     size_t count);
void x86_cbc_decrypt(const struct aes_key *aes, uint8_t *data, size_t length);

/* suite.c */

struct suite {
    /* OpenSSL's names; NULL for the null cipher or digest. */
    const char *cipher;
    const char *digest;
    size_t key_length;
    size_t iv_length;
    /* 1 for modes that do not pad. */
    size_t block_size;
    size_t maclength;
    /* Leave the processor's own instructions to OpenSSL. */
    bool portable;
};

struct cipher {
    enum { CIPHER_NULL, CIPHER_EVP, CIPHER_X86 } kind;
    size_t block;
    /* What is shorter cannot be encrypted as it is. */
    size_t shortest;
    /* It starts again only if what came before has been finished. */
    bool finishes;
    EVP_CIPHER_CTX *context;
    struct aes_key *aes;
};

struct mac {
    enum { MAC_NULL, MAC_EVP, MAC_SHA256 } kind;
    size_t length;
    EVP_MAC_CTX *context;
    struct hmac_sha256 sha256;
};

/*
 * What the functions that set up a suite return, beside 0, if the library works it but
 * does not start a kept context again; -1 if it cannot work it.  OpenSSL 3.0.0 to 3.0.2 is
 * so with HMAC: every MAC but the first would be wrong, without a word.
 */
#define NOT_AGAIN (-2)

int cipher_init(struct cipher *cipher, const struct suite *suite,
                const uint8_t *key_block, bool encrypt);
void cipher_free(struct cipher *cipher);
int cipher_run(struct cipher *cipher, uint8_t *data, size_t length);
int mac_init(struct mac *mac, const struct suite *suite, const uint8_t *key_block);
void mac_free(struct mac *mac);
/* Write mac->length bytes for each of the messages; tags[i] is for messages[i]. */
int mac_tags(struct mac *mac, const struct packet *messages, size_t count,
             uint8_t (*tags)[MAX_MAC]);
/* Where algorithms of the library come from. */
OSSL_LIB_CTX *core_library(void);
/* What does the work: "AES-NI, SHA-NI" or "OpenSSL".  Loads what OpenSSL needs for it. */
const char *core_features(void);

/* seal.c */

struct sealer {
    struct cipher cipher;
    struct mac mac;
    /* The number of the last datagram: so many were sealed. */
    uint32_t sequence;
    /* Bytes of their bodies. */
    uint64_t bytes;
};

int sealer_init(struct sealer *sealer, const struct suite *suite,
                const uint8_t *key_block);
void sealer_free(struct sealer *sealer);
size_t sealed_length(const struct sealer *sealer, size_t body);
/*
 * Seal bodies that lie SEQNO_SIZE behind the start of their buffers, which have room for
 * sealed_length(); the lengths, of bodies before, are those of datagrams after.  Returns
 * how many were sealed: fewer only if the numbers run out or the library fails.
 */
size_t seal_train(struct sealer *sealer, struct packet *packets, size_t count);

/* open.c */

enum drop {
    DROP_NONE,
    DROP_TOO_SHORT,
    DROP_UNAUTHENTICATED,
    DROP_UNDECRYPTABLE,
    DROP_LATE,
    DROP_FUTURE
};

struct opened {
    const uint8_t *frame;
    size_t length;
    enum drop drop;
    uint32_t seqno;
    uint32_t last;
    uint32_t strays;
    uint32_t lost;
    /* Of a SPTPS record. */
    uint8_t kind;
};

struct opener {
    struct cipher cipher;
    struct mac mac;
    struct window window;
    size_t shortest;
    /* Datagrams that were accepted, and bytes of their bodies. */
    uint64_t packets;
    uint64_t bytes;
    /* When a pump has last had such a datagram, in milliseconds; 0 for never. */
    int64_t heard;
};

int opener_init(struct opener *opener, const struct suite *suite,
                const uint8_t *key_block, size_t window_bytes);
void opener_free(struct opener *opener);
bool opener_matches(struct opener *opener, const uint8_t *data, size_t length);
/*
 * Open datagrams in the order of their arrival.  One that is refused for its MAC is left
 * as it came, the others are decrypted in their buffers.
 */
void open_train(struct opener *opener, const struct packet *datagrams, size_t count,
                struct opened *opened);

/* lzo.c */

/* Tell whether an LZO1X stream is whole and unpacks to at most ``limit`` bytes. */
bool lzo_fits(const uint8_t *stream, size_t size, size_t limit);

#endif
