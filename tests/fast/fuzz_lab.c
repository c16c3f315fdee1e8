/*
 * The lab around the pumps.  The device is one end of a socket pair, and datagrams cross
 * the loopback interface.
 */
#include "fuzz_lab.h"

#include <arpa/inet.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define MAX_WRITTEN (PI_SIZE + VNET_SIZE + MAX_READ)

void need(bool right, const char *what)
{
    if (right)
        return;
    perror(what);
    abort();
}

static int udp_socket(struct sockaddr_storage *address)
{
    struct sockaddr_in loopback = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    socklen_t length = sizeof loopback;

    loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    need(bind(fd, (struct sockaddr *)&loopback, length) == 0, "bind");
    need(getsockname(fd, (struct sockaddr *)&loopback, &length) == 0, "getsockname");
    memset(address, 0, sizeof *address);
    memcpy(address, &loopback, sizeof loopback);
    return fd;
}

static void make_sockets(struct lab *lab)
{
    int pair[2], room = 1 << 20, on = 1;

    need(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == 0, "pair");
    for (int i = 0; i < 2; i++)
        setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    lab->pump.device.fd = pair[0];
    lab->kernel = pair[1];
    lab->near = udp_socket(&lab->near_address);
    lab->far = udp_socket(&lab->far_address);
    setsockopt(lab->near, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
}

static void make_watches(struct lab *lab)
{
    int ends[2];

    need(pipe(ends) == 0, "pipe");
    lab->other = ends[0];
    lab->other_end = ends[1];
    lab->epoll = epoll_create1(0);
    for (int i = 0; i < 3; i++) {
        int fds[] = {lab->pump.device.fd, lab->near, lab->other};
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fds[i]};
        need(epoll_ctl(lab->epoll, EPOLL_CTL_ADD, fds[i], &event) == 0, "epoll");
    }
    need(pump_watch(&lab->pump, lab->near, 0), "socket");
    need(pump_watch(&lab->pump, lab->pump.device.fd, NOTHING), "device");
}

static struct peer peer_at(struct lab *lab, int fd, const struct sockaddr_storage *address)
{
    struct peer peer = {.sealer = &lab->sealer, .fd = fd};

    peer.address = *address;
    peer.address_length = sizeof(struct sockaddr_in);
    return peer;
}

struct lab *enter(uint8_t choices, uint8_t suite_choice, size_t window)
{
    static struct lab lab;
    struct suite suite = suite_for(suite_choice);
    struct pump *pump = &lab.pump;
    struct device *device = &pump->device;
    uint8_t key[MAX_KEY];

    if (pump->memory == NULL) {
        need(pump_init(pump) == 0, "memory");
        make_sockets(&lab);
        make_watches(&lab);
    }
    need(sealer_init(&lab.sealer, &suite, key_block) == 0, "sealer");
    need(opener_init(&lab.opener, &suite, key_block, window) == 0, "opener");
    pump_clear(pump);
    device->tap = choices & CHOICE_TAP;
    device->vnet = choices & CHOICE_VNET;
    device->coalescing = device->vnet && choices & CHOICE_COALESCING;
    device->coalescing_udp = device->coalescing && choices & CHOICE_COALESCING_UDP;
    device->refused = false;
    device->bytes_out = 0;
    pump->switching = choices & CHOICE_SWITCHING;
    for (size_t i = 0; i < PEERS; i++) {
        pump->peers[i] = peer_at(&lab, lab.near, &lab.far_address);
        pump->peers[i].segmentation = choices & CHOICE_SEGMENTATION;
        pump->ways[i] = (struct way){(uint32_t)i, (uint32_t)i, LIMIT};
    }
    pump->node_count = PEERS;
    pump->relays = true;
    pump->known[0] = (struct source){.node = PEERS, .opener = &lab.opener};
    if (suite_choice & SUITE_UNSEAL)
        pump->known[0].service = UNSEAL;
    if (suite_choice & SUITE_IGNORED) {
        pump->known[0].other = &lab.opener;
        pump->known[0].ignored = pump->strangers.turn;
    }
    pump->source_count = 1;
    const struct place place = {.address = lab.far_address};
    size_t size = source_key(0, &place, key);
    need(map_put(&pump->sources, key, size, 0), "source");
    return &lab;
}

void leave(struct lab *lab)
{
    sealer_free(&lab->sealer);
    opener_free(&lab->opener);
}

void have_session(struct lab *lab, size_t window)
{
    struct pump *pump = &lab->pump;

    need(sptps_sealer_init(&lab->sptps_sealer, key_block, pump->switching, 2, false) == 0,
         "sealer");
    need(sptps_opener_init(&lab->sptps_opener, key_block, pump->switching, window, false) ==
             0,
         "opener");
    pump->known[0].opener = pump->known[0].other = NULL;
    pump->known[0].sptps = &lab->sptps_opener;
    for (size_t i = 0; i < PEERS; i++) {
        pump->peers[i].sealer = NULL;
        pump->peers[i].sptps = &lab->sptps_sealer;
        pump->peers[i].with_ids = i % 2;
    }
}

void leave_session(struct lab *lab)
{
    sptps_sealer_free(&lab->sptps_sealer);
    sptps_opener_free(&lab->sptps_opener);
}

void refuse(struct pump *pump)
{
    /* To port 0 nothing can be sent. */
    for (size_t i = 0; i < PEERS; i++)
        ((struct sockaddr_in *)&pump->peers[i].address)->sin_port = 0;
}

/* Bytes in front of a frame as the device has it, and of the Ethernet header it lacks. */
static size_t front_of(const struct device *device)
{
    return (device->tap ? 0 : PI_SIZE) + (device->vnet ? VNET_SIZE : 0);
}

static size_t link_of(const struct device *device)
{
    return device->tap ? 0 : ETHERNET_SIZE;
}

/* Let the owner of a frame's destination be known. */
static void know(struct pump *pump, struct map *owners, const uint8_t *frame, size_t length)
{
    const uint8_t *destination;
    size_t size = plain_destination(frame, length, pump->switching, &destination);

    if (size == 0)
        return;
    map_put(owners, destination, size, destination[size - 1] % PEERS);
    map_put(&pump->stations, frame + 6, 6, 0);
}

void know_frame(struct lab *lab, const struct packet *frame, bool ours)
{
    struct pump *pump = &lab->pump;

    know(pump, ours ? &pump->own : &pump->destinations, frame->data, frame->length);
}

void into_device(struct lab *lab, const struct packet *read, size_t more)
{
    static uint8_t whole[ETHERNET_SIZE + MAX_WRITTEN + INPUT_SIZE];
    const struct device *device = &lab->pump.device;
    size_t front = front_of(device), link = link_of(device);
    size_t length = read->length + more;

    if (length > front + MAX_READ)
        length = front + MAX_READ;
    memcpy(whole + ETHERNET_SIZE, read->data, read->length);
    memset(whole + ETHERNET_SIZE + read->length, 0, more);
    if (length <= front || send(lab->kernel, whole + ETHERNET_SIZE, length, 0) < 0)
        return;
    uint8_t *frame = whole + ETHERNET_SIZE + front - link;
    if (link) {
        memcpy(frame + 12, whole + ETHERNET_SIZE + 2, 2);
        memset(frame, 0, 12);
    }
    know(&lab->pump, &lab->pump.destinations, frame, length - front + link);
}

size_t sent_length(const struct packet *frame)
{
    return frame->length < MAX_FRAME ? frame->length : MAX_FRAME;
}

static void add_to_train(struct train *train, const struct packet *frame)
{
    uint8_t *memory = train->memory[train->count];
    size_t length = sent_length(frame);

    memcpy(memory + SEQNO_SIZE, frame->data, length);
    train->packets[train->count] = (struct packet){memory, length};
    train->bodies[train->count++] = (uint16_t)length;
}

static void send_datagram(struct lab *lab, const struct packet *datagram)
{
    need(sendto(lab->far, datagram->data, datagram->length, 0,
                (struct sockaddr *)&lab->near_address, sizeof(struct sockaddr_in)) >= 0,
         "sendto");
}

void send_record(struct lab *lab, struct sptps_sealer *sealer, const struct packet *frame,
                 bool odd)
{
    static uint8_t memory[NODE_IDS_SIZE + MAX_FRAME + RECORD_OVERHEAD];
    const uint8_t ids[NODE_IDS_SIZE] = {0};
    size_t length = sent_length(frame), skipped;
    struct packet datagram = {memory, KIND_SIZE};

    if (odd || length < ETHERNET_SIZE) {
        send_datagram(lab, frame);
        return;
    }
    memory[NODE_IDS_SIZE + SEQNO_SIZE] = sptps_kind(sealer, frame->data, &skipped);
    datagram.length += length - skipped;
    memcpy(memory + NODE_IDS_SIZE + RECORD_FRONT, frame->data + skipped, length - skipped);
    need(sptps_seal_train(sealer, &datagram, 1, ids) == 1, "seal");
    send_datagram(lab, &datagram);
}

size_t drain(struct lab *lab)
{
    uint8_t byte;
    size_t count = 0;

    while (recv(lab->far, &byte, sizeof byte, 0) >= 0)
        count++;
    return count;
}

void send_frames(struct lab *lab, const struct packet *frames, size_t count, bool odd)
{
    struct peer peer = peer_at(lab, lab->far, &lab->near_address);
    struct pump *pump = &lab->pump;
    struct reports reports = {0};

    peer.train = &lab->train;
    peer.segmentation = pump->peers[0].segmentation;
    for (size_t i = 0; i < count; i++) {
        know_frame(lab, &frames[i], i % 2);
        if (!odd)
            add_to_train(peer.train, &frames[i]);
        else if (sendto(lab->far, frames[i].data, frames[i].length, 0,
                        (struct sockaddr *)&peer.address, peer.address_length) < 0)
            abort();
    }
    train_leave(&peer, 0, &reports);
    if (reports.count > 0)
        abort();
}

size_t take_datagrams(struct lab *lab, bool odd)
{
    static uint8_t message[MESSAGE_SIZE];
    size_t count = 0;
    ssize_t size;

    for (; (size = recv(lab->far, message, sizeof message, 0)) > 0; count++) {
        struct packet datagram = {message, (size_t)size};
        struct opened opened;
        open_train(&lab->opener, &datagram, 1, &opened);
        if (!odd && (opened.drop != DROP_NONE || opened.length > LIMIT))
            abort();
    }
    return count;
}

size_t take_frames(struct lab *lab)
{
    static uint8_t whole[ETHERNET_SIZE + MAX_WRITTEN];
    const struct device *device = &lab->pump.device;
    size_t front = front_of(device), link = link_of(device), count = 0, bytes = 0;
    ssize_t size;

    while ((size = recv(lab->kernel, whole + ETHERNET_SIZE, MAX_WRITTEN, 0)) > 0) {
        uint8_t *frame = whole + ETHERNET_SIZE + front - link;
        size_t length = (size_t)size - front + link;
        struct vnet vnet = {0};
        struct cut cut;
        if (device->vnet)
            memcpy(&vnet, whole + ETHERNET_SIZE + front - VNET_SIZE, VNET_SIZE);
        if (link)
            memcpy(frame + 12, whole + ETHERNET_SIZE + 2, 2);
        bytes += length;
        count++;
        if (vnet.kind == NO_PIECE)
            continue;
        if (!cut_init(&cut, frame, length, vnet.kind, vnet.size, vnet.start + link))
            abort();
        count += cut_count(&cut) - 1;
        bytes += (cut_count(&cut) - 1) * cut.end;
    }
    if (bytes != device->bytes_out)
        abort();
    return count;
}
