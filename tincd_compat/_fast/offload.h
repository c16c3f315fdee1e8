/* What a network card does for the kernel: cutting, merging, checksums of segments. */
#ifndef TINCD_COMPAT_OFFLOAD_H
#define TINCD_COMPAT_OFFLOAD_H

#include "core.h"

#define ETHERNET_SIZE 14u
#define IPV4_SIZE 20u
#define IPV6_SIZE 40u
#define TCP_SIZE 20u
#define UDP_SIZE 8u
#define MAX_PACKET 65535u
/* Datagrams in one piece, as many as the kernel itself puts into one. */
#define MAX_DATAGRAMS 64u
/* Frames in one piece: with its headers, not more than one writev() gathers. */
#define MAX_MERGED 1000u
/* Segments that one piece is cut into; see superpacket.py for why not more. */
#define MAX_CUTS 2048u
/* Of smaller payloads than SMALL_CUT a sender makes fewer. */
#define SMALL_CUT 8u
#define MAX_SMALL_CUTS 128u

#define PROTOCOL_TCP 6u
#define PROTOCOL_UDP 17u

#define FLAG_FIN 0x01u
#define FLAG_PSH 0x08u
#define FLAG_ACK 0x10u
/* A piece may have these two, AE in the byte before; see superpacket.py for why. */
#define FLAG_ECE 0x40u
#define FLAG_AE 0x01u
#define FLAG_CWR 0x80u

/* Kinds of super-packets, those of struct virtio_net_hdr. */
enum kind { NO_PIECE = 0, TCPV4 = 1, TCPV6 = 4, UDP = 5 };

/* checksum.c: one's complement sums of big-endian words, modulo 65535. */

uint32_t sum16(const uint8_t *data, size_t length);
/* The Internet checksum for a sum of words that are not all zero. */
static inline uint32_t checksum(uint64_t total)
{
    return (uint32_t)((0xFFFFu - total % 0xFFFFu) % 0xFFFFu);
}
/* Finish a checksum whose field holds the sum of the pseudo header; false if the field
 * is not in the frame. */
bool fill_checksum(uint8_t *frame, size_t length, size_t start, size_t offset);

/* split.c */

/* A super-packet being cut; everything that the segments share, reckoned once. */
struct cut {
    const uint8_t *frame;
    size_t length;
    enum kind kind;
    size_t size;
    /* Where the IP header, the transport header and the payload begin. */
    size_t ip;
    size_t start;
    size_t end;
    bool ipv6;
    uint64_t network_sum;
    uint64_t transport_sum;
};

/* Begin to cut a frame into segments of ``size`` bytes of payload; false if that is not
 * what the frame is. */
bool cut_init(struct cut *cut, const uint8_t *frame, size_t length, unsigned kind,
              size_t size, size_t start);
size_t cut_count(const struct cut *cut);
/* Bytes of the frame that holds a segment. */
size_t cut_length(const struct cut *cut, size_t index);
void cut_write(const struct cut *cut, size_t index, uint8_t *into);

/* coalesce.c */

#define NOBODY UINT32_MAX

/* A frame of a burst, or a piece that began with it. */
struct piece {
    uint8_t *frame;
    size_t length;
    enum kind kind;
    size_t size;
    size_t start;
    size_t end;
    size_t room;
    uint32_t number;
    /* The flags of every segment, but for PSH. */
    uint8_t flags;
    uint8_t psh;
    bool open;
    bool verified;
    /* Frames of the burst by index, linked by coalescer->next. */
    uint32_t first;
    uint32_t last;
    uint32_t frames;
    size_t total;
};

struct slot {
    uint32_t turn;
    uint32_t hash;
    uint32_t frame;
    uint32_t piece;
};

/* Memory for bursts of up to ``capacity`` frames. */
struct coalescer {
    size_t capacity;
    uint32_t turn;
    uint32_t mask;
    struct slot *slots;
    struct piece *pieces;
    uint32_t *next;
};

int coalescer_init(struct coalescer *coalescer, size_t capacity);
void coalescer_free(struct coalescer *coalescer);
/* Merge frames of a burst; returns how many pieces there are, in coalescer->pieces. */
size_t coalesce(struct coalescer *coalescer, const struct packet *frames, size_t count,
                bool udp);
/* Make the headers of the first frame those of the whole piece; only if frames > 1. */
void finish_piece(const struct piece *piece);

#endif
