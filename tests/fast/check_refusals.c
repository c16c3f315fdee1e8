/*
 * What a train makes of the errors of a kernel, which is played here: its two calls are
 * those below, because the linker takes them before those of the C library.
 */
#define _GNU_SOURCE
#include "checks.h"
#include "pump.h"
#include "wire.h"

#include <errno.h>
#include <string.h>

#define LONG 200u
#define SHORT 40u
#define EVERYTHING 100000u
/* The longest datagram that loopback and its like take in one piece, and some less. */
#define MAX_BYTES 65400u

static struct {
    /* What the path carries, and what the kernel says to a run of longer datagrams. */
    size_t most;
    int too_long;
    /* What it says to every run, and after so many datagrams to everything. */
    int to_runs;
    size_t room;
    int full;
    /* The numbers of the datagrams that have left, in their order. */
    size_t count;
    uint32_t left[MAX_TRAIN];
    /* How many messages there were, refused ones too. */
    size_t messages;
} wire;

static int refuse(int error)
{
    errno = error;
    return -1;
}

static void leave(const struct iovec *part)
{
    check(wire.count < MAX_TRAIN, "sent again");
    wire.left[wire.count++] = get32(part->iov_base);
}

static int send_message(const struct msghdr *message, unsigned *length)
{
    bool run = message->msg_iovlen > 1;
    size_t total = 0;

    for (size_t i = 0; i < message->msg_iovlen; i++)
        total += message->msg_iov[i].iov_len;
    check(run == (message->msg_controllen > 0), "no word of the size");
    check(!run || total <= MAX_BYTES, "longer than a receiver gets in one piece");
    check(message->msg_iovlen <= MAX_SEGMENTS, "more than the kernel cuts");
    wire.messages++;
    if (run && wire.to_runs)
        return refuse(wire.to_runs);
    if (message->msg_iov[0].iov_len > wire.most)
        return refuse(run ? wire.too_long : EMSGSIZE);
    if (wire.count + message->msg_iovlen > wire.room)
        return refuse(wire.full);
    for (size_t i = 0; i < message->msg_iovlen; i++)
        leave(&message->msg_iov[i]);
    *length = (unsigned)total;
    return 0;
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    unsigned done = 0;

    check(fd == 5 && flags == MSG_DONTWAIT && count > 0, "another call");
    while (done < count &&
           send_message(&messages[done].msg_hdr, &messages[done].msg_len) == 0)
        done++;
    return done > 0 ? (int)done : -1;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    unsigned length;

    check(fd == 5 && flags == MSG_DONTWAIT && message->msg_namelen > 0, "another call");
    return send_message(message, &length) < 0 ? -1 : (ssize_t)length;
}

static struct reports reports;
static struct train train;
static struct peer peer;

/* Let the peer be one that nothing is known of. */
static void forget(void)
{
    peer = (struct peer){.fd = 5, .segmentation = true};
    peer.address_length = sizeof(struct sockaddr_in);
}

/* Let a train of datagrams leave, the last of them short. */
static void send_lengths(size_t count, size_t usual, size_t last)
{
    const struct suite bare = {NULL, NULL, 0, 0, 1, 0, false};
    const uint8_t key[1] = {0};
    struct sealer sealer;

    check(sealer_init(&sealer, &bare, key) == 0, "no sealer");
    peer.sealer = &sealer;
    peer.train = &train;
    for (size_t i = 0; i < count; i++) {
        size_t length = i + 1 < count ? usual : last;
        train.packets[i] = (struct packet){train.memory[i], length};
        train.bodies[i] = (uint16_t)length;
    }
    train.count = count;
    reports.count = wire.count = wire.messages = 0;
    train_leave(&peer, 7, &reports);
    check(train.count == 0, "the train waits still");
    sealer_free(&sealer);
}

/* Let a train leave to a peer that nothing is known of; tell if runs go on. */
static bool send_train(size_t count)
{
    forget();
    send_lengths(count, LONG, SHORT);
    return peer.refused == 0;
}

static void have_left(size_t count)
{
    check(wire.count == count, "more or fewer have left");
    for (uint32_t i = 0; i < count; i++)
        check(wire.left[i] == i + 1, "not in their order");
}

static void reported(size_t count, enum report_kind kind, uint32_t value)
{
    check(reports.count == count, "more or fewer reports");
    for (size_t i = 0; i < count; i++)
        check(reports.list[i].kind == kind && reports.list[i].peer == 7 &&
                  reports.list[i].value == value,
              "another report");
}

static void play(int to_runs, size_t most, int too_long, size_t room, int full)
{
    wire.to_runs = to_runs;
    wire.most = most;
    wire.too_long = too_long;
    wire.room = room;
    wire.full = full;
}

/* How many datagrams go in one message, by their number and by their bytes. */
static void check_runs(void)
{
    /* Of bodies: sealing adds a number.  The rest is what 43 leave of a message. */
    const size_t length = 1520 - SEQNO_SIZE, rest = MAX_BYTES - 43 * 1520 - SEQNO_SIZE;
    const struct {
        size_t count, length, last, messages;
    } trains[] = {
        {44, length, rest, 1},     {44, length, rest + 1, 2}, {44, length, length, 2},
        {128, length, length, 3},  {64, LONG, LONG, 1},       {65, LONG, LONG, 2},
        {64, LONG, SHORT, 1},      {65, LONG, SHORT, 2},      {3, SHORT, LONG, 2},
        {MAX_TRAIN, 1600, 10, 4},  {MAX_TRAIN, 1, 1, 2},
    };

    play(0, EVERYTHING, 0, EVERYTHING, 0);
    for (size_t i = 0; i < sizeof trains / sizeof *trains; i++) {
        forget();
        send_lengths(trains[i].count, trains[i].length, trains[i].last);
        have_left(trains[i].count);
        check(wire.messages == trains[i].messages, "more or fewer messages");
    }
}

/* Return in how many messages a train leaves whole. */
static size_t messages(size_t length)
{
    send_lengths(10, length, SHORT);
    have_left(10);
    return wire.messages;
}

/* A refused run is not tried again, but a shorter one, and after a while. */
static void check_patience(void)
{
    const int errors[] = {EIO, EINVAL, EMSGSIZE};

    for (int i = 0; i < 3; i++) {
        forget();
        play(errors[i], EVERYTHING, 0, EVERYTHING, 0);
        for (int turns = 0; turns < 2; turns++) {
            check(messages(LONG) == 11, "a run was not tried");
            for (unsigned more = 1; more < PATIENCE; more++)
                check(messages(LONG) == 10, "a run was tried again");
            /* A train of one datagram tells nothing. */
            send_lengths(1, LONG, SHORT);
        }
        play(0, EVERYTHING, 0, EVERYTHING, 0);
        check(messages(LONG) == 1, "a refusal is believed for ever");
        check(messages(LONG) == 1, "a refusal is remembered");
    }
    for (int i = 0; i < 3; i++) {
        forget();
        play(errors[i], EVERYTHING, 0, EVERYTHING, 0);
        check(messages(LONG) == 11, "a run was not tried");
        play(0, EVERYTHING, 0, EVERYTHING, 0);
        check(messages(LONG - 1) == (i ? 1 : 10), "shorter ones are another thing");
        play(errors[i], EVERYTHING, 0, EVERYTHING, 0);
        check(messages(LONG - 1) == (i ? 11 : 10), "a run was not tried");
        check(messages(LONG - 1) == 10 && messages(LONG) == 10, "a run was tried again");
    }
}

/* A socket that is full takes less in one message, until so much more has left. */
static void check_limit(void)
{
    struct outlet outlet = {.longest = 2 * LONG + 100, .limited_until = 10000};

    forget();
    peer.outlet = &outlet;
    play(0, EVERYTHING, 0, EVERYTHING, 0);
    check(messages(LONG) == 5, "a limit is no limit");
    outlet.longest = 1;
    check(messages(LONG) == 10, "what is longer than the limit is no message");
    outlet.sent = outlet.limited_until - 1;
    check(messages(LONG) == 10, "the limit ends too early");
    check(outlet.sent >= outlet.limited_until, "what has left is not counted");
    check(messages(LONG) == 1, "the limit has no end");
}

/* Records that are too long are reported by the length of their data. */
static void check_records(void)
{
    const uint8_t key[RECORD_KEY_SIZE] = {0};
    struct sptps_sealer sealer;

    check(sptps_sealer_init(&sealer, key, false, 1, false) == 0, "no sealer");
    forget();
    peer.sptps = &sealer;
    peer.train = &train;
    for (size_t i = 0; i < 10; i++) {
        uint8_t *frame = train.memory[i] + NODE_IDS_SIZE + RECORD_FRONT;
        memset(frame, 0x45, LONG);
        train.packets[i] = (struct packet){train.memory[i], i < 9 ? LONG : SHORT};
        train.bodies[i] = (uint16_t)train.packets[i].length;
    }
    train.count = 10;
    reports.count = wire.count = wire.messages = 0;
    play(0, LONG + RECORD_OVERHEAD - ETHERNET_SIZE - 1, EMSGSIZE, EVERYTHING, 0);
    train_leave(&peer, 7, &reports);
    check(wire.count == 1 && wire.left[0] == 10, "the short one has not left");
    reported(9, TOO_BIG, LONG - ETHERNET_SIZE);
    check(sealer.packets == 10 && sealer.bytes == 9 * LONG + SHORT, "miscounted");
    sptps_sealer_free(&sealer);
}

void check_refusals(void)
{
    const int errors[] = {EIO, EINVAL}, buffers[] = {EAGAIN, ENOBUFS, EINTR};

    check_runs();
    check_patience();
    check_limit();
    check_records();
    play(0, EVERYTHING, 0, EVERYTHING, 0);
    check(send_train(100), "offload given up for nothing");
    have_left(100);
    reported(0, TOO_BIG, 0);

    /* Runs are what it does not like: all pass singly, and runs are given up. */
    for (int i = 0; i < 2; i++) {
        play(errors[i], EVERYTHING, 0, EVERYTHING, 0);
        check(!send_train(10), "an offload that does not work is kept");
        have_left(10);
        reported(1, TRAIN_REFUSED, (uint32_t)errors[i]);
    }

    /* All are fragmented on their way, which runs cannot be: nothing to tell. */
    play(EMSGSIZE, EVERYTHING, 0, EVERYTHING, 0);
    check(!send_train(10), "runs that are too long go on");
    have_left(10);
    reported(0, TRAIN_REFUSED, 0);

    /* The path carries less than it did.  Before Linux 6.14 that is EINVAL for a run,
     * and the short datagram at its end passes: nothing is wrong with the offload. */
    for (int i = 0; i < 2; i++) {
        play(0, LONG, i ? EMSGSIZE : EINVAL, EVERYTHING, 0);
        check(send_train(10), "offload given up for a path that has narrowed");
        check(wire.count == 1 && wire.left[0] == 10, "the short one has not left");
        reported(9, TOO_BIG, LONG);
    }

    /* A buffer is full after the first of two runs: the rest is lost, and counted. */
    for (int i = 0; i < 3; i++) {
        play(0, EVERYTHING, 0, MAX_SEGMENTS, buffers[i]);
        check(send_train(100), "offload given up for a full buffer");
        have_left(MAX_SEGMENTS);
        reported(1, FULL, 100 - MAX_SEGMENTS);
    }

    /* It is full from the first datagram on, which are asked singly after a run. */
    for (int i = 0; i < 3; i++) {
        play(EMSGSIZE, EVERYTHING, 0, 3, buffers[i]);
        check(!send_train(10), "runs that are refused go on");
        have_left(3);
        reported(1, FULL, 7);
    }

    /* No way there: each datagram says so, as far as there is room for reports. */
    play(EINVAL, 0, 0, 0, 0);
    wire.most = EVERYTHING;
    wire.full = ENETUNREACH;
    check(send_train(100), "offload given up for an address");
    have_left(0);
    reported(MAX_REPORTS, SEND_ERROR, ENETUNREACH);
}
