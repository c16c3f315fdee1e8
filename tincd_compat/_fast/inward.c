/*
 * From UDP to the device.
 *
 * 1. Receive a few messages, each of several datagrams of one source (UDP_GRO).
 * 2. Open those of known sources; what their key did not make goes back as it came, and
 *    so does what comes from elsewhere, unless Python would not look at it.
 * 3. Frames that are nothing special wait for our device, or join the train of the node
 *    that they are passed on to; others go back opened.
 * 4. What waits is coalesced and written, and trains are sealed and sent.
 */
#define _GNU_SOURCE
#include "pump.h"
#include "wire.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define BATCH 64u
/* Datagrams that the kernel merges into one message at most, since Linux 6.9. */
#define MAX_SEGMENTS_IN 128u

#define CONTROL_SPACE (CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct in6_pktinfo)))

struct incoming {
    struct mmsghdr messages[MESSAGES];
    struct iovec parts[MESSAGES];
    struct place places[MESSAGES];
    _Alignas(struct cmsghdr) uint8_t control[MESSAGES][CONTROL_SPACE];
};

static int receive(struct pump *pump, int fd, struct incoming *in)
{
    for (size_t i = 0; i < MESSAGES; i++) {
        struct msghdr *message = &in->messages[i].msg_hdr;
        in->parts[i] = (struct iovec){pump->messages + i * MESSAGE_SIZE, MESSAGE_SIZE};
        memset(message, 0, sizeof *message);
        message->msg_name = &in->places[i].address;
        message->msg_namelen = sizeof in->places[i].address;
        message->msg_iov = &in->parts[i];
        message->msg_iovlen = 1;
        message->msg_control = in->control[i];
        message->msg_controllen = sizeof in->control[i];
    }
    return recvmmsg(fd, in->messages, MESSAGES, MSG_DONTWAIT, NULL);
}

/* Keep the address that a datagram was for, if answers can come from there. */
static void read_local(const struct cmsghdr *control, struct local *local)
{
    struct in_pktinfo ipv4;
    struct in6_pktinfo ipv6;

    if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
        memcpy(&ipv4, CMSG_DATA(control), sizeof ipv4);
        local->length = sizeof ipv4.ipi_spec_dst;
        memcpy(local->bytes, &ipv4.ipi_spec_dst, sizeof ipv4.ipi_spec_dst);
    } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
        memcpy(&ipv6, CMSG_DATA(control), sizeof ipv6);
        /* A link has one address of its kind, and the scope says which link. */
        if (IN6_IS_ADDR_MULTICAST(&ipv6.ipi6_addr) ||
            IN6_IS_ADDR_LINKLOCAL(&ipv6.ipi6_addr))
            return;
        local->length = sizeof ipv6.ipi6_addr;
        memcpy(local->bytes, &ipv6.ipi6_addr, sizeof ipv6.ipi6_addr);
    }
}

/*
 * Read what is said of a message: which address it was for, and the size of the pieces if
 * it is a coalesced one.  Returns its length if it is not.
 */
static size_t read_control(struct msghdr *message, size_t length, struct local *local)
{
    struct cmsghdr *control = CMSG_FIRSTHDR(message);
    size_t pieces = length;
    int size;

    local->length = 0;
    for (; control != NULL; control = CMSG_NXTHDR(message, control)) {
        if (control->cmsg_level != IPPROTO_UDP) {
            read_local(control, local);
        } else if (control->cmsg_type == UDP_GRO) {
            memcpy(&size, CMSG_DATA(control), sizeof size);
            if (size > 0 && (size_t)size < length)
                pieces = (size_t)size;
        }
    }
    return pieces;
}

static void return_datagram(struct pump *pump, const struct packet *datagram,
                            const struct place *place)
{
    struct handed handed = {.what = DATAGRAM, .source = NOTHING};

    handed.data = datagram->data;
    handed.length = datagram->length;
    handed.place = *place;
    hand_back(pump, &handed);
}

/* Pass a frame on to another node; false if that is not to be done here. */
static bool relay(struct pump *pump, uint32_t source, const struct opened *opened,
                  const uint8_t *destination, size_t size)
{
    uint32_t node = pump->known[source].node;
    const struct way *way = pump_relay(pump, node, destination, size);

    if (way == NULL || opened->length > way->limit)
        return false;
    memcpy(pump_room(pump, way->peer, opened->length), opened->frame, opened->length);
    return true;
}

static void return_opened(struct pump *pump, uint32_t source, const struct opened *opened)
{
    struct handed handed = {.what = OPENED, .source = source};

    handed.data = opened->frame;
    handed.length = opened->length;
    hand_back(pump, &handed);
}

static void sort_opened(struct pump *pump, uint32_t source, const struct opened *opened)
{
    const uint8_t *key;
    size_t size =
        plain_destination(opened->frame, opened->length, pump->switching, &key);

    if (size > 0 && pump->ready_count < MAX_READY &&
        map_find(&pump->own, key, size) != NOTHING) {
        struct packet *ready = &pump->ready[pump->ready_count++];
        ready->data = (uint8_t *)opened->frame;
        ready->length = opened->length;
    } else if (size == 0 || !relay(pump, source, opened, key, size)) {
        return_opened(pump, source, opened);
    }
}

/* See to a datagram that the key of its source has not made. */
static void sort_foreign(struct pump *pump, const struct source *source,
                         const struct packet *datagram,
                         const struct place *place)
{
    bool ignored = source->ignored == pump->strangers.turn;

    if (ignored && source->other != NULL &&
        opener_matches(source->other, datagram->data, datagram->length))
        ignored = false;
    if (ignored)
        pump->drops[DROP_UNAUTHENTICATED]++;
    else
        return_datagram(pump, datagram, place);
}

static void test_some(struct pump *pump, const struct source *source,
                      const struct packet *datagrams, size_t count,
                      const struct place *place)
{
    for (size_t i = 0; i < count; i++)
        if (source->opener == NULL ||
            opener_matches(source->opener, datagrams[i].data, datagrams[i].length))
            return_datagram(pump, &datagrams[i], place);
        else
            sort_foreign(pump, source, &datagrams[i], place);
}

/* Tell whether a SPTPS datagram is from its sender to us, and nobody's in between. */
static bool is_direct(const struct packet *datagram)
{
    const uint8_t nobody[NODE_ID_SIZE] = {0}, *destination = datagram->data;

    return datagram->length >= NODE_IDS_SIZE &&
           memcmp(destination, nobody, sizeof nobody) == 0;
}

/* See to what was opened with a session, which has frames and probes only. */
static void take_record(struct pump *pump, uint32_t number, const struct opened *opened)
{
    if (opened->kind == PROBE)
        return_opened(pump, number, opened);
    else if (opened->kind != PACKET && opened->kind != FRAME)
        pump->drops[DROP_UNDECRYPTABLE]++;
    else if (pump->known[number].service == UNSEAL)
        return_opened(pump, number, opened);
    else
        sort_opened(pump, number, opened);
}

static void test_record(struct pump *pump, const struct source *source,
                        const struct packet *datagram, const struct packet *inner,
                        const struct place *place)
{
    if (sptps_opener_matches(source->sptps, inner->data, inner->length))
        return_datagram(pump, datagram, place);
    else
        sort_foreign(pump, source, datagram, place);
}

static void open_records(struct pump *pump, uint32_t number, const struct packet *datagrams,
                         size_t count, const struct place *place)
{
    const struct source *source = &pump->known[number];
    struct packet inner[BATCH];
    struct opened opened[BATCH];
    size_t owner[BATCH], kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (!is_direct(&datagrams[i])) {
            sort_foreign(pump, source, &datagrams[i], place);
            continue;
        }
        inner[kept].data = datagrams[i].data + NODE_IDS_SIZE;
        inner[kept].length = datagrams[i].length - NODE_IDS_SIZE;
        if (source->service == TEST)
            test_record(pump, source, &datagrams[i], &inner[kept], place);
        else
            owner[kept++] = i;
    }
    if (kept == 0)
        return;
    sptps_open_train(source->sptps, inner, kept, opened);
    for (size_t i = 0; i < kept; i++) {
        if (opened[i].drop == DROP_UNAUTHENTICATED) {
            sort_foreign(pump, source, &datagrams[owner[i]], place);
        } else if (opened[i].drop != DROP_NONE) {
            pump->drops[opened[i].drop]++;
        } else {
            source->sptps->heard = pump->now;
            take_record(pump, number, &opened[i]);
        }
    }
}

static void open_some(struct pump *pump, uint32_t number, const struct packet *datagrams,
                      size_t count, const struct place *place)
{
    const struct source *source = &pump->known[number];
    struct opener *opener = source->opener;
    struct opened opened[BATCH];
    uint64_t before;

    if (source->sptps != NULL) {
        open_records(pump, number, datagrams, count, place);
        return;
    }
    if (opener == NULL || source->service == TEST) {
        test_some(pump, source, datagrams, count, place);
        return;
    }
    before = opener->packets;
    open_train(opener, datagrams, count, opened);
    if (opener->packets != before)
        opener->heard = pump->now;
    for (size_t i = 0; i < count; i++) {
        if (opened[i].drop == DROP_UNAUTHENTICATED)
            sort_foreign(pump, source, &datagrams[i], place);
        else if (opened[i].drop != DROP_NONE)
            pump->drops[opened[i].drop]++;
        else if (source->service == UNSEAL)
            return_opened(pump, number, &opened[i]);
        else
            sort_opened(pump, number, &opened[i]);
    }
}

/*
 * See to what has an impossible length, or to a datagram of nobody who is known.  What is
 * too long comes from nobody too, unless its source is known, and is a line for Python.
 */
static void take_other(struct pump *pump, uint32_t source, const struct packet *datagram,
                       const struct place *place)
{
    struct strangers *strangers = &pump->strangers;
    bool too_long = datagram->length > MAX_DATAGRAM;

    if (too_long && source != NOTHING)
        pump->drops[DROP_TOO_LONG]++;
    else if (datagram->length == 0 && !strangers_first(&strangers->empty))
        pump->drops[DROP_EMPTY]++;
    else if (datagram->length > 0 && strangers_are_ignored(strangers, &place->address))
        pump->drops[DROP_STRANGER]++;
    else if (too_long && !strangers_first(&strangers->too_long))
        pump->drops[DROP_STRANGER]++;
    else
        return_datagram(pump, datagram, place);
}

static void take_message(struct pump *pump, uint32_t socket, uint8_t *data, size_t length,
                         size_t size, const struct place *place)
{
    struct packet datagrams[BATCH];
    uint8_t key[MAX_KEY];
    size_t key_length = source_key(socket, place, key), count = 0;
    uint32_t source =
        key_length ? map_find(&pump->sources, key, key_length) : NOTHING;

    if (source != NOTHING && pump->known[source].node == NOTHING)
        source = NOTHING;
    do {
        struct packet datagram = {data, length < size ? length : size};
        data += datagram.length;
        length -= datagram.length;
        if (source == NOTHING || datagram.length == 0 || datagram.length > MAX_DATAGRAM)
            take_other(pump, source, &datagram, place);
        else
            datagrams[count++] = datagram;
        if (count > 0 && (count == BATCH || length == 0)) {
            open_some(pump, source, datagrams, count, place);
            count = 0;
        }
    } while (length > 0);
}

static void write_ready(struct pump *pump)
{
    struct device *device = &pump->device;
    size_t pieces = 0;

    if (device->coalescing && !device->refused) {
        pieces = coalesce(&pump->coalescer, pump->ready, pump->ready_count,
                          device->coalescing_udp);
        device_write(device, &pump->coalescer, pump->ready, pieces, pump->frame);
    } else {
        device_write_plain(device, pump->ready, pump->ready_count);
    }
    pump->ready_count = 0;
}

void pump_in(struct pump *pump, int fd, uint32_t socket, size_t batches)
{
    struct incoming in;
    /* What comes may all have to go back. */
    const size_t length_limit = MESSAGES * MESSAGE_SIZE;
    const size_t count_limit = MESSAGES * MAX_SEGMENTS_IN;

    for (; batches > 0 && room_to_hand_back(pump, count_limit, length_limit);
         batches--) {
        int count = receive(pump, fd, &in);
        if (count < 0 && errno != EAGAIN && errno != EINTR)
            pump->read_error = errno;
        for (int i = 0; i < count; i++) {
            size_t length = in.messages[i].msg_len;
            struct place *place = &in.places[i];
            size_t size = read_control(&in.messages[i].msg_hdr, length, &place->local);
            take_message(pump, socket, in.parts[i].iov_base, length, size, place);
        }
        if (count > 0) {
            write_ready(pump);
            pump_flush(pump);
        }
        if (count < (int)MESSAGES || pump->handed_count >= ENOUGH_RETURNS)
            break;
    }
}
