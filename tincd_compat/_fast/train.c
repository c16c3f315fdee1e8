/*
 * Trains: packets for one peer that are sealed and sent together.
 *
 * Datagrams of one size leave as one message that the kernel cuts up (UDP_SEGMENT); all
 * messages of a train leave in one call.
 */
#define _GNU_SOURCE
#include "pump.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define CONTROL_SPACE (CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(struct in6_pktinfo)))

/* Datagrams from ``start`` up to, not including, ``end``: one message. */
struct run {
    size_t start;
    size_t end;
};

struct refusals {
    size_t count;
    size_t too_long;
};

static void report(struct reports *reports, enum report_kind kind, uint32_t peer,
                   uint32_t value)
{
    if (reports->count < MAX_REPORTS)
        reports->list[reports->count++] = (struct report){kind, peer, value};
}

/* The socket has no room at the moment: datagrams are lost, as on the way. */
static void report_full(struct reports *reports, uint32_t peer, size_t count)
{
    for (size_t i = 0; i < reports->count; i++)
        if (reports->list[i].kind == FULL && reports->list[i].peer == peer) {
            reports->list[i].value += (uint32_t)count;
            return;
        }
    report(reports, FULL, peer, (uint32_t)count);
}

static bool is_full(int reason)
{
    return reason == EAGAIN || reason == EINTR || reason == ENOBUFS;
}

static void count_sent(struct peer *peer, size_t length)
{
    if (peer->outlet != NULL)
        peer->outlet->sent += length;
}

/* Return the bytes that one message may carry; buffers.py for why not as many as can. */
static size_t longest_run(const struct peer *peer)
{
    const struct outlet *outlet = peer->outlet;

    if (outlet == NULL || outlet->sent >= outlet->limited_until)
        return MAX_RUN_BYTES;
    return outlet->longest;
}

/* Find the end of the run that begins at ``start``: one size, but the last shorter. */
static size_t run_end(const struct peer *peer, size_t start, size_t longest)
{
    const struct train *train = peer->train;
    size_t size = train->packets[start].length, total = size, end = start + 1;

    if (!peer->segmentation || (peer->refused > 0 && size >= peer->refused))
        return end;
    while (end < train->count && end - start < MAX_SEGMENTS) {
        size_t next = train->packets[end].length;
        total += next;
        if (next > size || total > longest)
            break;
        end++;
        if (next < size)
            break;
    }
    return end;
}

static size_t cut_runs(struct peer *peer, struct run *runs)
{
    size_t count = 0, longest = longest_run(peer);

    if (peer->patience > 0 && peer->train->count > 1 && --peer->patience == 0)
        peer->refused = 0;
    for (size_t start = 0; start < peer->train->count; start = runs[count++].end)
        runs[count] = (struct run){start, run_end(peer, start, longest)};
    return count;
}

struct outgoing {
    struct mmsghdr messages[MAX_TRAIN];
    struct iovec parts[MAX_TRAIN];
    _Alignas(struct cmsghdr) uint8_t control[MAX_TRAIN][CONTROL_SPACE];
};

/* Say one thing more of a message; what is said lies in a row. */
static void add_control(struct msghdr *message, int level, int type, const void *data,
                        size_t size)
{
    struct cmsghdr *control =
        (struct cmsghdr *)((uint8_t *)message->msg_control + message->msg_controllen);

    control->cmsg_level = level;
    control->cmsg_type = type;
    control->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(control), data, size);
    message->msg_controllen += CMSG_SPACE(size);
}

/* Let a message come from an address of ours. */
static void add_local(struct msghdr *message, const struct local *local)
{
    struct in_pktinfo ipv4 = {0};
    struct in6_pktinfo ipv6 = {0};

    if (local->length == sizeof ipv4.ipi_spec_dst) {
        memcpy(&ipv4.ipi_spec_dst, local->bytes, sizeof ipv4.ipi_spec_dst);
        add_control(message, IPPROTO_IP, IP_PKTINFO, &ipv4, sizeof ipv4);
    } else if (local->length == sizeof ipv6.ipi6_addr) {
        memcpy(&ipv6.ipi6_addr, local->bytes, sizeof ipv6.ipi6_addr);
        add_control(message, IPPROTO_IPV6, IPV6_PKTINFO, &ipv6, sizeof ipv6);
    }
}

static void fill_message(struct outgoing *out, size_t index, const struct run *run,
                         struct peer *peer)
{
    struct msghdr *message = &out->messages[index].msg_hdr;
    uint16_t size = (uint16_t)peer->train->packets[run->start].length;

    memset(message, 0, sizeof *message);
    message->msg_name = &peer->address;
    message->msg_namelen = peer->address_length;
    message->msg_iov = &out->parts[run->start];
    message->msg_iovlen = run->end - run->start;
    if (message->msg_iovlen == 1 && peer->local.length == 0)
        return;
    message->msg_control = out->control[index];
    if (message->msg_iovlen > 1)
        add_control(message, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size);
    add_local(message, &peer->local);
}

static ssize_t send_one(struct peer *peer, const struct packet *packet)
{
    _Alignas(struct cmsghdr) uint8_t control[CONTROL_SPACE];
    struct iovec part = {packet->data, packet->length};
    struct msghdr message = {.msg_name = &peer->address,
                             .msg_namelen = peer->address_length,
                             .msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control};

    add_local(&message, &peer->local);
    return sendmsg(peer->fd, &message, MSG_DONTWAIT);
}

/* Send datagrams one by one; returns how many were refused, and were so as too long. */
static struct refusals send_singly(struct peer *peer, uint32_t index,
                                   const struct run *run, struct reports *reports)
{
    struct refusals refusals = {0, 0};

    for (size_t i = run->start; i < run->end; i++) {
        const struct packet *packet = &peer->train->packets[i];
        if (send_one(peer, packet) >= 0) {
            count_sent(peer, packet->length);
            continue;
        }
        if (is_full(errno)) {
            report_full(reports, index, 1);
            continue;
        }
        refusals.count++;
        if (errno != EMSGSIZE) {
            report(reports, SEND_ERROR, index, (uint32_t)errno);
            continue;
        }
        refusals.too_long++;
        report(reports, TOO_BIG, index, peer->train->bodies[i]);
    }
    return refusals;
}

/* Note that the kernel takes no runs of datagrams of some length. */
static void learn(struct peer *peer, uint32_t index, int reason, size_t length,
                  struct reports *reports)
{
    if (reason != EIO && reason != EINVAL && reason != EMSGSIZE)
        return;
    /* What no path is too narrow for is refused whatever its length. */
    if (reason == EIO)
        length = 1;
    if (peer->refused == 0 || length < peer->refused)
        peer->refused = (uint16_t)length;
    peer->patience = PATIENCE;
    if (reason != EMSGSIZE)
        report(reports, TRAIN_REFUSED, index, (uint32_t)reason);
}

/*
 * The kernel has refused a message.  What it thinks of a run says nothing about the
 * datagrams: they are asked singly.  If they pass, it is the offload that it dislikes: an
 * interface without checksum offload or a route with IPsec says so only now, and what is
 * longer than the path carries in one piece is fragmented only singly.  But if some are
 * too long, that is what it said, with EINVAL before Linux 6.14, and only the last of
 * them is shorter.
 */
static void refused(struct peer *peer, uint32_t index, const struct run *run,
                    struct reports *reports)
{
    int reason = errno;
    size_t length = run->end - run->start;
    struct refusals refusals;

    if (is_full(reason)) {
        report_full(reports, index, length);
        return;
    }
    refusals = send_singly(peer, index, run, reports);
    if (length > 1 && refusals.count < length && refusals.too_long == 0)
        learn(peer, index, reason, peer->train->packets[run->start].length, reports);
}

static void send_train(struct peer *peer, uint32_t index, struct reports *reports)
{
    struct train *train = peer->train;
    struct run runs[MAX_TRAIN];
    struct outgoing out;
    size_t count = cut_runs(peer, runs), done = 0;

    for (size_t i = 0; i < train->count; i++)
        out.parts[i] = (struct iovec){train->packets[i].data, train->packets[i].length};
    for (size_t i = 0; i < count; i++)
        fill_message(&out, i, &runs[i], peer);
    while (done < count) {
        int sent = sendmmsg(peer->fd, out.messages + done, (unsigned)(count - done),
                            MSG_DONTWAIT);
        for (int i = 0; i < sent; i++)
            count_sent(peer, out.messages[done++].msg_len);
        if (sent <= 0)
            refused(peer, index, &runs[done++], reports);
    }
}

bool peer_is_ready(const struct peer *peer)
{
    return peer->sealer != NULL || peer->sptps != NULL;
}

/* Make records of the frames of a train, and datagrams of these. */
static size_t seal_records(struct peer *peer)
{
    struct train *train = peer->train;
    size_t front = (peer->with_ids ? NODE_IDS_SIZE : 0) + RECORD_FRONT;

    for (size_t i = 0; i < train->count; i++) {
        struct packet *packet = &train->packets[i];
        uint8_t *frame = packet->data + NODE_IDS_SIZE + RECORD_FRONT;
        size_t skipped;
        uint8_t kind = sptps_kind(peer->sptps, frame, &skipped);
        frame[skipped - KIND_SIZE] = kind;
        packet->data = frame + skipped - front;
        packet->length += KIND_SIZE - skipped;
        /* The path MTU towards such a peer is that of a record's data. */
        train->bodies[i] = (uint16_t)(train->bodies[i] - skipped);
    }
    return sptps_seal_train(peer->sptps, train->packets, train->count,
                            peer->with_ids ? peer->ids : NULL);
}

static size_t seal(struct peer *peer)
{
    if (peer->sptps != NULL)
        return seal_records(peer);
    return seal_train(peer->sealer, peer->train->packets, peer->train->count);
}

void train_leave(struct peer *peer, uint32_t index, struct reports *reports)
{
    struct train *train = peer->train;
    size_t sealed = seal(peer);

    if (sealed < train->count)
        report(reports, NOT_SEALED, index, (uint32_t)(train->count - sealed));
    train->count = sealed;
    send_train(peer, index, reports);
    train->count = 0;
}
