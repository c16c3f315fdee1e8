/*
 * The pumps: device to UDP and UDP to device for packets that are nothing special.
 *
 * What they know of the mesh is what Python has told them: who owns an address, the way
 * to an owner, how to send to a node, who is behind a UDP address.  Each is forgotten
 * when it changes and told again after what misses it.  What is not known is handed back
 * as it came.
 */
#ifndef TINCD_COMPAT_PUMP_H
#define TINCD_COMPAT_PUMP_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core.h"
#include "offload.h"
#include "sptps.h"

/* map.c: short keys to small numbers. */

#define MAX_KEY 44u
#define MAX_DESTINATION 16u
#define NOTHING UINT32_MAX

struct entry {
    uint32_t generation;
    uint32_t value;
    uint8_t length;
    uint8_t key[MAX_KEY];
};

struct map {
    uint64_t secret[2];
    uint32_t generation;
    size_t used;
    size_t capacity;
    size_t mask;
    struct entry *entries;
};

/* -1 with errno if there is no memory, or no secret to be had. */
int map_init(struct map *map, size_t capacity);
void map_free(struct map *map);
void map_clear(struct map *map);
uint32_t map_find(const struct map *map, const uint8_t *key, size_t length);
/*
 * False if the key is too long.  A full map forgets all before it takes a new key: what
 * is in use comes back, and what somebody has filled it with stays away.
 */
bool map_put(struct map *map, const uint8_t *key, size_t length, uint32_t value);
/* Let a key lead to NOTHING.  It keeps its room until the map forgets all. */
void map_forget(struct map *map, const uint8_t *key, size_t length);

/* plain.c: frames about which only their destination decides. */

/* Return the length of the destination, which is in the frame at ``*key``, or 0. */
size_t plain_destination(const uint8_t *frame, size_t length, bool switching,
                         const uint8_t **key);

/* device.c */

#define VNET_SIZE 10u
#define PI_SIZE 4u
/* The longest packet that a read brings, and an Ethernet header with two tags. */
#define MAX_READ (65535u + 22u)

/* struct virtio_net_hdr, in the order of the host. */
struct vnet {
    uint8_t flags;
    uint8_t kind;
    uint16_t header;
    uint16_t size;
    uint16_t start;
    uint16_t offset;
};

struct device {
    int fd;
    bool tap;
    bool vnet;
    bool coalescing;
    bool coalescing_udp;
    uint64_t bytes_in;
    uint64_t bytes_out;
    /* The first error of a write since this was last cleared. */
    int write_error;
    /* A super-packet was refused: the kernel is not asked again. */
    bool refused;
};

/*
 * Read one frame into a buffer of MAX_READ + ETHERNET_SIZE bytes, in Ethernet layout.
 * Returns its length, 0 if there is none, -1 with errno.
 */
ssize_t device_read(struct device *device, uint8_t *frame, struct vnet *vnet);
/* Write the pieces of the last coalesce() of these frames. */
void device_write_plain(struct device *device, const struct packet *frames,
                        size_t count);
void device_write(struct device *device, const struct coalescer *coalescer,
                  const struct packet *frames, size_t pieces, uint8_t *scratch);

/* train.c */

#define MAX_FRAME 1518u
#define STRIDE 1664u
#define MAX_TRAIN 128u
/* What the kernel takes in one message; more is cut again on its way. */
#define MAX_SEGMENTS 64u
#define MAX_RUN_BYTES 65400u
/* Trains in which a refusal is believed; see trains.py for why, and why not longer. */
#define PATIENCE 1000u

struct train {
    size_t count;
    /* Whose it is, by index. */
    uint32_t peer;
    struct packet packets[MAX_TRAIN];
    uint16_t bodies[MAX_TRAIN];
    uint8_t memory[MAX_TRAIN][STRIDE];
};

/* An address of this host that datagrams are for or from; of no length if any will do. */
struct local {
    uint8_t length;
    uint8_t bytes[16];
};

/* What a socket has taken, and takes in one message until that has grown so far. */
struct outlet {
    uint64_t sent;
    uint64_t limited_until;
    size_t longest;
};

/* A node to send to; nothing is sent without a sealer of either kind. */
struct peer {
    struct sealer *sealer;
    struct sptps_sealer *sptps;
    /* What comes first in SPTPS datagrams, if anything does. */
    bool with_ids;
    uint8_t ids[NODE_IDS_SIZE];
    int fd;
    bool segmentation;
    /* Runs of datagrams of that length or more are refused, for so many more trains. */
    uint16_t refused;
    uint16_t patience;
    struct sockaddr_storage address;
    socklen_t address_length;
    /* Where its datagrams come from; else the routing table says so. */
    struct local local;
    /* Where the bytes are counted that the socket has taken, if anybody does. */
    struct outlet *outlet;
    struct train *train;
};

/* FULL counts datagrams; all of a peer are in one report. */
enum report_kind { TOO_BIG, SEND_ERROR, TRAIN_REFUSED, NOT_SEALED, FULL };

struct report {
    enum report_kind kind;
    uint32_t peer;
    uint32_t value;
};

#define MAX_REPORTS 64u

struct reports {
    size_t count;
    struct report list[MAX_REPORTS];
};

bool peer_is_ready(const struct peer *peer);
/* Seal and send what waits; leaves the train empty. */
void train_leave(struct peer *peer, uint32_t index, struct reports *reports);

/* pump.c, outward.c, inward.c, serve.c */

/* As many as there are listening addresses, and the device. */
#define MAX_WATCHES 64u
/* More nodes than a mesh has; memory that is not used costs nothing. */
#define MAX_NODES 16384u
#define MAX_SOURCES 16384u
#define MAX_DESTINATIONS 16384u
#define MAX_TRAINS 8u
#define MAX_DATAGRAM 1661u
#define MESSAGES 8u
#define MESSAGE_SIZE 65536u
#define MAX_READY 1024u
#define RETURN_SIZE (1u << 20)
#define MAX_RETURNS 2048u
/* With so many in hand a pump stops to receive: Python takes longer than it does. */
#define ENOUGH_RETURNS 128u

/* Who has sent a datagram, and which of our addresses it was for. */
struct place {
    struct sockaddr_storage address;
    struct local local;
};

/* Something for Python: a frame of the device, a datagram, or what was in one. */
struct handed {
    enum { FROM_DEVICE, DATAGRAM, OPENED } what;
    const uint8_t *data;
    size_t length;
    struct vnet vnet;
    /* The source, by index if it is known. */
    uint32_t source;
    struct place place;
};

/* Reasons of a pump's own to drop datagrams, behind those of openers. */
enum { DROP_STRANGER = DROP_FUTURE + 1, DROP_TOO_LONG, DROP_EMPTY, DROPS };

/* A descriptor to look after; its number is that of a socket, NOTHING for the device. */
struct watch {
    int fd;
    uint32_t socket;
    struct outlet outlet;
};

/*
 * The way to a node that owns addresses, by the numbers of the stops on it: the peer that
 * gets the frames, and the next stop behind it.  Any frame is longer than a limit of 0.
 */
struct way {
    uint32_t peer;
    uint32_t via;
    size_t limit;
};

/* What becomes of the datagrams of a source: moved, only opened, only tested. */
enum service { MOVE, UNSEAL, TEST };

/*
 * Who is behind a UDP address: the number of a node, and what opens its datagrams.  All
 * go back as they came if nothing does; so do those that the node's other key has made,
 * and those of SPTPS that are not from the node itself to us.
 * Whoever comes from there is a stranger if the number is NOTHING.
 */
struct source {
    uint32_t node;
    struct sptps_opener *sptps;
    struct opener *opener;
    struct opener *other;
    enum service service;
    /* The turn in which nothing goes back that its keys have not made. */
    uint32_t ignored;
};

/* strangers.c */

/* Milliseconds for which somebody is ignored at the most. */
#define TURN 125

struct strangers {
    int64_t clock;
    uint32_t turn;
    struct map hosts;
    /* Whoever is at no host that is wanted. */
    bool all;
    /* An empty datagram has gone back in this turn, one that is too long. */
    bool empty;
    bool too_long;
};

int strangers_init(struct strangers *strangers);
void strangers_free(struct strangers *strangers);
/* Ignore nobody any longer. */
void strangers_forget(struct strangers *strangers);
/* Tell the time: with each turn all are forgotten. */
void strangers_turn(struct strangers *strangers, int64_t milliseconds);
void strangers_ignore(struct strangers *strangers, const struct sockaddr_storage *address);
/* Ignore all hosts but those that are wanted. */
void strangers_ignore_others(struct strangers *strangers);
void strangers_want(struct strangers *strangers, const struct sockaddr_storage *address);
bool strangers_are_ignored(const struct strangers *strangers, const struct sockaddr_storage *address);
/* Tell whether nothing of a kind has gone back in this turn; from now on it has. */
bool strangers_first(bool *gone_back);

/* How much one descriptor may move before others get their turn. */
struct portion {
    size_t packets;
    size_t batches;
};

/* Why serving has ended; HANDED is something for Python from one descriptor. */
enum served { TIME_OVER, OTHERS, HANDED };

struct pump {
    struct device device;
    bool switching;
    /* Whether frames from node to node are passed on. */
    bool relays;

    /* The numbers of the owners of addresses. */
    struct map destinations;
    struct map own;
    struct map stations;
    struct map sources;
    /* By the number of the owner, and of the peer; all numbers are below the count. */
    size_t node_count;
    struct way *ways;
    struct peer *peers;
    size_t source_count;
    struct source *known;
    struct strangers strangers;
    /* Milliseconds of a monotonic clock when this call began, or its last wait ended. */
    int64_t now;

    size_t watch_count;
    struct watch watches[MAX_WATCHES];
    /* The descriptor that handed something back last. */
    int last;

    size_t train_count;
    struct train *trains;
    uint8_t *frame;

    uint8_t *messages;
    size_t ready_count;
    struct packet *ready;
    struct coalescer coalescer;

    /* Datagrams that went nowhere, ever. */
    uint64_t drops[DROPS];

    /* What this call hands back. */
    struct reports reports;
    size_t handed_count;
    struct handed *handed;
    size_t returned;
    uint8_t *memory;
    int read_error;
};

/* Only the memory is zero before; -1 with errno.  pump_free() is safe either way. */
int pump_init(struct pump *pump);
void pump_free(struct pump *pump);
/* Forget all that Python has told. */
void pump_clear(struct pump *pump);
/* Tell the time, in milliseconds of a monotonic clock. */
void pump_tell_time(struct pump *pump, int64_t now);
/* Begin a call: what was handed back before is gone. */
void pump_begin(struct pump *pump);
/* Tell whether nothing but packets was touched since. */
bool pump_is_silent(const struct pump *pump);
/* Copy something for Python; false if there is no room left in this call. */
bool hand_back(struct pump *pump, const struct handed *what);
bool room_to_hand_back(const struct pump *pump, size_t count, size_t length);
/* The key of a source in pump->sources: socket, family, port, both addresses. */
size_t source_key(uint32_t socket, const struct place *place, uint8_t *key);
/* Return the way to a destination of that size, NULL if none is known. */
const struct way *pump_way(const struct pump *pump, const uint8_t *destination,
                           size_t size);
/* Return the way of what a node sends there: one that leads on, and not back. */
const struct way *pump_relay(const struct pump *pump, uint32_t node,
                             const uint8_t *destination, size_t size);
/* Return where the body of the next packet for a peer goes. */
uint8_t *pump_room(struct pump *pump, uint32_t index, size_t length);
/* Let the trains of all peers leave, and nobody hold one. */
void pump_flush(struct pump *pump);

/*
 * Move frames from the device until ``budget`` packets have left or gone back, segments
 * counted each, or none is there.  The last super-packet comes whole.
 */
void pump_out(struct pump *pump, size_t budget);
/* Move datagrams of a socket, at most ``batches`` times MESSAGES messages. */
void pump_in(struct pump *pump, int fd, uint32_t socket, size_t batches);

/* Look after a descriptor; false if there are too many. */
bool pump_watch(struct pump *pump, int fd, uint32_t socket);
/* Return where the bytes are counted that a descriptor takes, NULL if nowhere. */
struct outlet *pump_outlet(struct pump *pump, int fd);
/*
 * Wait on an epoll instance and move the packets of watched descriptors, until one hands
 * something back (``*socket`` says which), another descriptor is ready, a signal came or
 * ``wait`` milliseconds are over; negative is forever.
 */
enum served pump_serve(struct pump *pump, int epoll, int wait,
                       const struct portion *portion, uint32_t *socket);

#endif
