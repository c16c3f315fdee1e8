/*
 * SPTPS datagrams between nodes (protocol 17.7, tinc 1.1 behaviour).
 *
 *     record   = kind (8 bits) || data
 *     datagram = number (32 bits, big-endian) || ChaCha20(record) || Poly1305(ciphertext)
 *
 * In front of a datagram there may be the IDs of two nodes, which nothing protects.
 */
#ifndef TINCD_COMPAT_SPTPS_H
#define TINCD_COMPAT_SPTPS_H

#include "core.h"
#include "offload.h"

#define RECORD_KEY_SIZE 32u
#define RECORD_TAG_SIZE 16u
#define KIND_SIZE 1u
/* What stands in front of the data, and what a datagram has beside it. */
#define RECORD_FRONT (SEQNO_SIZE + KIND_SIZE)
#define RECORD_OVERHEAD (RECORD_FRONT + RECORD_TAG_SIZE)
#define NODE_ID_SIZE 6u
#define NODE_IDS_SIZE (2 * NODE_ID_SIZE)
/* Room in front of a datagram that is opened: an Ethernet header may grow into it. */
#define RECORD_HEADROOM (ETHERNET_SIZE - RECORD_FRONT)
/* No session has numbers from here on: they must not wrap. */
#define NUMBER_LIMIT 0xC0000000u

/*
 * Bits of the kind of data, and the kind of handshakes.  Packets of routers travel without
 * their Ethernet headers, frames of switches with them.
 */
enum record_kind { PACKET = 0, COMPRESSED = 1, FRAME = 2, PROBE = 4, HANDSHAKE = 128 };

/* A record in its buffer: the kind and the data; room for the tag, or the tag, behind. */
struct record {
    uint8_t *text;
    size_t length;
    uint32_t number;
};

/* x86chacha.c: ChaCha20 of several records at once. */

/* The constants and the key, as states begin. */
struct chacha_key {
    uint32_t words[12];
};

bool x86_has_avx2(void);
void x86_chacha_init(struct chacha_key *chacha, const uint8_t *key);
/* Write the keys of the records' tags, unless NULL; encrypt or decrypt texts, if wanted. */
void x86_chacha(const struct chacha_key *key, const struct record *records, size_t count,
                uint8_t (*tag_keys)[RECORD_KEY_SIZE], bool texts);

/* recordcipher.c */

/* The cipher and the MAC under one key. */
struct record_cipher {
    /* Leave the processor's own instructions to OpenSSL. */
    bool portable;
    /* Either of these encrypts. */
    struct chacha_key *chacha;
    EVP_CIPHER_CTX *stream;
    EVP_MAC_CTX *mac;
};

/* 0, or -1 or NOT_AGAIN as for suites; record_cipher_free() is safe either way. */
int record_cipher_init(struct record_cipher *cipher, const uint8_t *key, bool portable);
void record_cipher_free(struct record_cipher *cipher);
/* Encrypt records and write their tags; -1 if the library fails. */
int records_seal(struct record_cipher *cipher, const struct record *records, size_t count);
/* Tell whether the tag of an encrypted record is right; only reads it. */
bool record_is_genuine(struct record_cipher *cipher, const struct record *record);
/* Decrypt those whose tag is right, which ``genuine`` tells; others stay as they came. */
void records_open(struct record_cipher *cipher, const struct record *records, size_t count,
                  bool *genuine);

/* sptpsseal.c */

/* One direction of a session: it has one numbering, whatever keys it goes through. */
struct sptps_sealer {
    struct record_cipher cipher;
    /* The number of the next datagram. */
    uint32_t number;
    /* Frames travel with their Ethernet headers. */
    bool switching;
    /* Frames that were sealed, probes among them, and their bytes. */
    uint64_t packets;
    uint64_t bytes;
};

int sptps_sealer_init(struct sptps_sealer *sealer, const uint8_t *key, bool switching,
                      uint32_t number, bool portable);
void sptps_sealer_free(struct sptps_sealer *sealer);
/* Seal with another key from now on; on failure the old one stays. */
int sptps_sealer_rekey(struct sptps_sealer *sealer, const uint8_t *key);
/* Return the kind of record that carries a frame, and how much of its front stays here. */
uint8_t sptps_kind(const struct sptps_sealer *sealer, const uint8_t *frame,
                   size_t *skipped);
/*
 * Seal records that lie in their buffers where datagrams have them, kind and data; the
 * lengths, of kind and data before, are those of datagrams after.  Behind is room for the
 * tag.  With ``ids``, NODE_IDS_SIZE bytes, these come first.  Returns how many were
 * sealed: fewer only if the numbers run out or the library fails.
 */
size_t sptps_seal_train(struct sptps_sealer *sealer, struct packet *packets, size_t count,
                        const uint8_t *ids);

/* sptpsopen.c */

/*
 * The other direction.  During a rekey there are two keys, and which one a peer seals with
 * shows in its datagrams; the numbers go on.
 */
struct sptps_opener {
    /* The key that has fitted last, and the other one. */
    struct record_cipher ciphers[2];
    unsigned keys;
    unsigned newest;
    /* The peer has said that it seals with the newest key only. */
    bool changed;
    bool switching;
    struct window window;
    uint64_t packets;
    uint64_t bytes;
    /* When a pump has last had a datagram that was accepted, in milliseconds. */
    int64_t heard;
};

int sptps_opener_init(struct sptps_opener *opener, const uint8_t *key, bool switching,
                      size_t window_bytes, bool portable);
void sptps_opener_free(struct sptps_opener *opener);
/* Open what comes under another key too; on failure nothing changes. */
int sptps_opener_expect(struct sptps_opener *opener, const uint8_t *key);
/* The peer has changed keys: with the next datagram under the newest the old one ends. */
void sptps_opener_change(struct sptps_opener *opener);
bool sptps_opener_matches(struct sptps_opener *opener, const uint8_t *data, size_t length);
/* Open one record whatever the window says of it; false if no key of ours made it. */
bool sptps_unseal(struct sptps_opener *opener, const struct packet *datagram,
                  struct record *record);
/*
 * Open datagrams without IDs in the order of their arrival, in their buffers, which have
 * RECORD_HEADROOM bytes in front that may be written to.  What carries a frame becomes
 * one, with its Ethernet header; what is compressed, a probe or of a handshake stays the
 * data that it is.
 */
void sptps_open_train(struct sptps_opener *opener, const struct packet *datagrams,
                      size_t count, struct opened *opened);

#endif
