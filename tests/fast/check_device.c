/*
 * What becomes of a piece that the kernel does not take, which is played here: its call is
 * the one below, because the linker takes it before that of the C library.
 */
#define _GNU_SOURCE
#include "checks.h"
#include "pump.h"
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FD 9
#define FRAMES 5u
#define PAYLOAD 100u
#define LENGTH (ETHERNET_SIZE + IPV4_SIZE + UDP_SIZE + PAYLOAD)

static struct {
    bool tap;
    /* What it says to a piece, and to a frame. */
    int to_pieces;
    int to_frames;
    size_t pieces;
    size_t frames;
    uint8_t written[FRAMES][LENGTH];
} kernel;

static ssize_t refuse(int error)
{
    errno = error;
    return -1;
}

/* Frames are kept in Ethernet layout. */
static ssize_t take_frame(const uint8_t *data, size_t length)
{
    size_t link = kernel.tap ? 0 : ETHERNET_SIZE;

    if (kernel.to_frames)
        return refuse(kernel.to_frames);
    check(kernel.frames < FRAMES && length == LENGTH - link, "another frame");
    memset(kernel.written[kernel.frames], 0, LENGTH);
    put16(kernel.written[kernel.frames] + 12, 0x0800);
    memcpy(kernel.written[kernel.frames++] + link, data, length);
    return (ssize_t)length;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    static uint8_t memory[MAX_READ];
    size_t front = kernel.tap ? 0 : PI_SIZE, length = 0;
    struct vnet vnet;

    check(fd == FD, "another descriptor");
    for (int i = 0; i < count; i++) {
        memcpy(memory + length, parts[i].iov_base, parts[i].iov_len);
        length += parts[i].iov_len;
    }
    check(length > front + VNET_SIZE, "nothing is written");
    check(kernel.tap || get32(memory) == 0x0800, "no word of the protocol");
    memcpy(&vnet, memory + front, VNET_SIZE);
    front += VNET_SIZE;
    if (vnet.kind == NO_PIECE)
        return take_frame(memory + front, length - front);
    kernel.pieces++;
    check(vnet.kind == UDP && vnet.size == PAYLOAD, "another piece");
    return kernel.to_pieces ? refuse(kernel.to_pieces) : (ssize_t)length;
}

static void make_frame(uint8_t *frame, unsigned number)
{
    uint64_t sum = PROTOCOL_UDP + UDP_SIZE + PAYLOAD;

    memset(frame, 0, LENGTH);
    put16(frame + 12, 0x0800);
    frame[14] = 0x45;
    put16(frame + 16, LENGTH - ETHERNET_SIZE);
    put16(frame + 18, number);
    frame[20] = 0x40;
    frame[22] = 64;
    frame[23] = PROTOCOL_UDP;
    put32(frame + 26, 0x0a000001);
    put32(frame + 30, 0x0a000102);
    put16(frame + 24, checksum(sum16(frame + ETHERNET_SIZE, IPV4_SIZE)));
    put32(frame + 34, 0x00010002);
    put16(frame + 38, UDP_SIZE + PAYLOAD);
    memset(frame + 42, (int)number + 1, PAYLOAD);
    put16(frame + 40, checksum(sum + sum16(frame + 26, LENGTH - 26)));
}

/* Write what merges into one piece. */
static void write_once(struct device *device, struct coalescer *coalescer)
{
    static uint8_t memory[FRAMES][LENGTH], scratch[MAX_READ + ETHERNET_SIZE];
    struct packet frames[FRAMES];

    for (unsigned i = 0; i < FRAMES; i++) {
        make_frame(memory[i], i);
        frames[i] = (struct packet){memory[i], LENGTH};
    }
    kernel.pieces = kernel.frames = 0;
    device->bytes_out = 0;
    device->write_error = 0;
    size_t pieces = coalesce(coalescer, frames, FRAMES, true);
    check(pieces == 1, "not merged");
    device_write(device, coalescer, frames, pieces, scratch);
}

static void have_come(const struct device *device, size_t pieces, size_t frames)
{
    uint8_t frame[LENGTH];

    check(kernel.pieces == pieces, "more or fewer pieces were tried");
    check(kernel.frames == frames, "more or fewer frames came apart");
    for (unsigned i = 0; i < frames; i++) {
        make_frame(frame, i);
        check(memcmp(kernel.written[i], frame, LENGTH) == 0, "another frame came");
    }
    check(device->bytes_out == (device->write_error ? 0 : FRAMES * LENGTH), "miscounted");
}

static void check_kind(bool tap)
{
    struct device device = {.fd = FD, .tap = tap, .vnet = true, .coalescing = true};
    struct coalescer coalescer;

    check(coalescer_init(&coalescer, FRAMES) == 0, "no memory");
    kernel.tap = tap;
    kernel.to_pieces = kernel.to_frames = 0;
    write_once(&device, &coalescer);
    have_come(&device, 1, 0);

    /* An interface that is down says nothing about pieces. */
    kernel.to_pieces = EIO;
    write_once(&device, &coalescer);
    have_come(&device, 1, 0);
    check(device.write_error == EIO && !device.refused, "given up for an interface");

    /* A kernel that takes none: frames come apart, and it is not asked again. */
    kernel.to_pieces = EINVAL;
    write_once(&device, &coalescer);
    have_come(&device, 1, FRAMES);
    check(device.write_error == 0 && device.refused, "tried again");
    kernel.to_pieces = 0;
    write_once(&device, &coalescer);
    have_come(&device, 0, FRAMES);

    /* What it says to frames is told. */
    kernel.to_frames = ENOBUFS;
    write_once(&device, &coalescer);
    have_come(&device, 0, 0);
    check(device.write_error == ENOBUFS, "an error is not told");
    coalescer_free(&coalescer);
}

void check_device(void)
{
    check_kind(false);
    check_kind(true);
}
