/*
 * Any bytes through the pumps: what a guest may put into the device, and what a member
 * of the mesh may seal or a stranger send.
 *
 * The device is one end of a socket pair, and datagrams cross the loopback interface.
 */
#include "fuzz.h"

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

#define LIMIT 200u
/* More than may have a train at a time. */
#define PEERS (MAX_TRAINS + 2u)
#define MAX_WRITTEN (PI_SIZE + VNET_SIZE + MAX_READ)

/* A daemon and its peer, and who is behind the device. */
struct lab {
    struct pump pump;
    struct sealer sealer;
    struct opener opener;
    struct train train;
    struct sockaddr_storage near_address, far_address;
    int near, far, kernel;
    /* For waiting: beside the pump's own, somebody else's pipe. */
    int epoll, other, other_end;
};

static void need(bool right, const char *what)
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
    struct peer peer = {.sealer = &lab->sealer, .fd = fd, .limit = LIMIT};

    peer.address = *address;
    peer.address_length = sizeof(struct sockaddr_in);
    return peer;
}

/* The lab for an input; its pump and sockets are made once. */
static struct lab *enter(uint8_t choices, uint8_t suite_choice, size_t window)
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
    }
    pump->peer_count = PEERS;
    pump->known[0] = (struct source){0, &lab.opener};
    pump->source_count = 1;
    size_t size = source_key(0, &lab.far_address, key);
    need(map_put(&pump->sources, key, size, 0), "source");
    return &lab;
}

static void leave(struct lab *lab)
{
    sealer_free(&lab->sealer);
    opener_free(&lab->opener);
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

/* Let the way to a frame's destination be known. */
static void know(struct pump *pump, struct map *ways, const uint8_t *frame, size_t length)
{
    const uint8_t *destination;
    size_t size = plain_destination(frame, length, pump->switching, &destination);
    uint8_t key[MAX_KEY];

    if (size == 0)
        return;
    uint32_t way = destination[size - 1] % PEERS;
    if (ways == &pump->relays)
        map_put(ways, key, relay_key(0, destination, size, key), way);
    else
        map_put(ways, destination, size, way);
    map_put(&pump->stations, frame + 6, 6, 0);
}

/* Let something be read from the device: inputs are short, super-packets are long. */
static void into_device(struct lab *lab, const struct packet *read, size_t more)
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

/* Count what was sent: all of it can be opened, and is not too long.  Not so if somebody
 * without a key has moved the window. */
static size_t take_datagrams(struct lab *lab, bool odd)
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

/* Read all that is handed back. */
static void touch(const struct pump *pump)
{
    for (size_t i = 0; i < pump->handed_count; i++)
        if (sum16(pump->handed[i].data, pump->handed[i].length) > 0xFFFF)
            abort();
}

/* To port 0 nothing can be sent. */
static void refuse(struct pump *pump)
{
    for (size_t i = 0; i < PEERS; i++)
        ((struct sockaddr_in *)&pump->peers[i].address)->sin_port = 0;
}

void try_pump_out(const uint8_t *data, size_t length)
{
    struct packet reads[FRAMES];
    struct lab *lab;
    size_t count;

    if (length < 2)
        return;
    lab = enter(data[0], data[1], 0);
    if (data[0] & CHOICE_REFUSING)
        refuse(&lab->pump);
    count = cut_frames(data + 2, length - 2, reads);
    for (size_t i = 0; i < count; i++)
        into_device(lab, &reads[i], i == 0 && data[0] & CHOICE_ODD ? data[1] * 256u : 0);
    for (size_t i = 0; i <= count; i++) {
        pump_begin(&lab->pump);
        pump_out(&lab->pump, MAX_TRAIN);
        touch(&lab->pump);
        take_datagrams(lab, false);
        if (lab->pump.train_count > 0)
            abort();
    }
    free_frames(reads, count);
    leave(lab);
}

/* Count the frames that were written, pieces cut again, and check that against what the
 * device has counted. */
static size_t take_frames(struct lab *lab)
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

static size_t sent_length(const struct packet *frame)
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

/* Tell whether what was handed back are some of the sealed frames, in their order. */
static bool are_some_of(const struct pump *pump, const struct packet *frames, size_t count)
{
    size_t at = 0;

    for (size_t i = 0; i < pump->handed_count; i++, at++) {
        const struct handed *handed = &pump->handed[i];
        while (at < count && (handed->length != sent_length(&frames[at]) ||
                              memcmp(handed->data, frames[at].data, handed->length)))
            at++;
        if (at >= count)
            return false;
    }
    return true;
}

/* Let frames wait in our socket, sealed or as they are; half of them are for ourselves. */
static void send_frames(struct lab *lab, const struct packet *frames, size_t count,
                        bool odd)
{
    struct peer peer = peer_at(lab, lab->far, &lab->near_address);
    struct pump *pump = &lab->pump;
    struct reports reports = {0};

    peer.train = &lab->train;
    peer.segmentation = pump->peers[0].segmentation;
    for (size_t i = 0; i < count; i++) {
        know(pump, i % 2 ? &pump->own : &pump->relays, frames[i].data, frames[i].length);
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

/* Let all frames arrive; each is written, passed on, handed back or dropped. */
static void receive(struct lab *lab, const struct packet *frames, size_t count, bool odd)
{
    struct pump *pump = &lab->pump;
    size_t seen = 0;

    send_frames(lab, frames, count, odd);
    pump_begin(pump);
    pump_in(pump, lab->near, 0, FRAMES);
    touch(pump);
    for (size_t i = 0; i < DROPS; i++)
        seen += pump->drops[i];
    seen += pump->handed_count + take_frames(lab) + take_datagrams(lab, odd);
    if (seen != count || pump->reports.count > 0 || pump->train_count > 0 ||
        pump->device.write_error || (!odd && !are_some_of(pump, frames, count)))
        abort();
}

/* Write frames into a device that takes no pieces; all come out apart. */
static void write_apart(struct lab *lab, const struct packet *frames, size_t count)
{
    struct pump *pump = &lab->pump;
    size_t pieces = coalesce(&pump->coalescer, frames, count, true), wanted = 0;

    for (size_t i = 0; i < count; i++)
        wanted += frames[i].length >= ETHERNET_SIZE;
    pump->device.refused = true;
    device_write(&pump->device, &pump->coalescer, frames, pieces, pump->frame);
    if (take_frames(lab) != wanted)
        abort();
}

void try_pump_in(const uint8_t *data, size_t length)
{
    struct packet frames[FRAMES];
    struct lab *lab;
    size_t count;

    if (length < 2)
        return;
    lab = enter(data[0], data[1], 16);
    count = cut_frames(data + 2, length - 2, frames);
    if (data[0] & CHOICE_REFUSING)
        write_apart(lab, frames, count);
    else
        receive(lab, frames, count, data[0] & CHOICE_ODD);
    free_frames(frames, count);
    leave(lab);
}

/* Tell whether something waits for the pump. */
static bool is_ready(const struct lab *lab)
{
    struct epoll_event events[3];
    int count = epoll_wait(lab->epoll, events, 3, 0), ready = 0;

    for (int i = 0; i < count; i++)
        ready += events[i].data.fd != lab->other;
    return ready > 0;
}

/* One call, which has to end for a reason that there is. */
static void serve(struct lab *lab, bool others, const struct portion *portion, bool odd)
{
    struct pump *pump = &lab->pump;
    uint32_t socket = 1;
    enum served served;

    pump_begin(pump);
    served = pump_serve(pump, lab->epoll, others ? -1 : 0, portion, &socket);
    touch(pump);
    for (size_t i = 0; i < pump->handed_count; i++)
        if ((pump->handed[i].what == FROM_DEVICE) != (socket == NOTHING))
            abort();
    if (pump_is_silent(pump) != (served != HANDED) || pump->train_count > 0 ||
        (served == TIME_OVER && others) || (served == OTHERS && !others) ||
        (served == HANDED) != (socket == 0 || socket == NOTHING))
        abort();
    take_datagrams(lab, odd);
}

void try_pump_serve(const uint8_t *data, size_t length)
{
    struct packet frames[FRAMES], inward[FRAMES];
    struct portion portion;
    size_t count, for_socket = 0, calls = 0;
    bool others, odd;
    struct lab *lab;
    char byte = 0;

    if (length < 2)
        return;
    odd = data[0] & CHOICE_ODD;
    others = data[1] & 128;
    portion = (struct portion){1 + data[1] % 4, 1 + data[1] % 3};
    lab = enter(data[0], data[1], 16);
    if (data[0] & CHOICE_REFUSING)
        refuse(&lab->pump);
    if (others)
        need(write(lab->other_end, &byte, 1) == 1, "pipe");
    count = cut_frames(data + 2, length - 2, frames);
    for (size_t i = 0; i < count; i++)
        if (i % 2)
            inward[for_socket++] = frames[i];
        else
            into_device(lab, &frames[i], 0);
    send_frames(lab, inward, for_socket, odd);
    /* Whoever looks after it gets through: each call moves something. */
    for (; is_ready(lab); calls++) {
        if (calls > count)
            abort();
        serve(lab, others, &portion, odd);
    }
    take_frames(lab);
    if (others) {
        serve(lab, others, &portion, odd);
        need(read(lab->other, &byte, 1) == 1, "pipe");
    }
    serve(lab, false, &portion, odd);
    free_frames(frames, count);
    leave(lab);
}
