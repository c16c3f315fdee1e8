/*
 * Linux tun and tap devices, with and without IFF_VNET_HDR.
 *
 *     tun   |  flags (2) | ethertype (2) | vnet header (10) | IP packet
 *     tap   |                              vnet header (10) | frame
 *     frame |  destination (6) | source (6) | ethertype (2) | payload
 */
#include "pump.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define NEEDS_CHECKSUM 1u
/* Iovecs in one call, as many as the system takes. */
#define MAX_PARTS 1024u

_Static_assert(sizeof(struct vnet) == VNET_SIZE, "the kernel's layout");
_Static_assert(MAX_MERGED + 1 <= MAX_PARTS, "a whole piece in one call");

ssize_t device_read(struct device *device, uint8_t *frame, struct vnet *vnet)
{
    size_t header = device->vnet ? VNET_SIZE : 0;
    size_t front = device->tap ? 0 : PI_SIZE;
    size_t link = device->tap ? 0 : ETHERNET_SIZE;
    struct iovec parts[3];
    int count = 0;
    ssize_t size;

    memset(vnet, 0, sizeof *vnet);
    if (front)
        parts[count++] = (struct iovec){frame + link - front, front};
    if (header)
        parts[count++] = (struct iovec){vnet, header};
    parts[count++] = (struct iovec){frame + link, MAX_READ};
    size = readv(device->fd, parts, count);
    if (size < 0)
        return -1;
    if ((size_t)size <= header + front)
        return 0;
    /* No addresses: in the last two of their bytes flags have been read. */
    if (front)
        memset(frame, 0, ETHERNET_SIZE - 2);
    return size - (ssize_t)(header + front) + (ssize_t)link;
}

/* Write one frame or piece whose payloads follow in ``parts`` from the fourth on. */
static int write_parts(struct device *device, const uint8_t *frame, size_t length,
                       const struct vnet *vnet, struct iovec *parts, int count)
{
    size_t link = device->tap ? 0 : ETHERNET_SIZE;
    uint8_t head[PI_SIZE + VNET_SIZE] = {0};
    size_t size = 0;
    int skip = 0;

    if (link) {
        memcpy(head + 2, frame + 12, 2);
        size = PI_SIZE;
    }
    if (device->vnet) {
        memcpy(head + size, vnet, VNET_SIZE);
        size += VNET_SIZE;
    }
    parts[0] = (struct iovec){head, size};
    parts[1] = (struct iovec){(uint8_t *)frame + link, length - link};
    if (size == 0)
        skip = 1;
    return writev(device->fd, parts + skip, count - skip) < 0 ? -1 : 0;
}

static void failed(struct device *device)
{
    if (device->write_error == 0)
        device->write_error = errno;
}

static void write_frame(struct device *device, const uint8_t *frame, size_t length)
{
    const struct vnet plain = {0};
    struct iovec parts[2];

    if (length < ETHERNET_SIZE)
        return;
    if (write_parts(device, frame, length, &plain, parts, 2) < 0)
        failed(device);
    else
        device->bytes_out += length;
}

static void describe(const struct device *device, const struct piece *piece,
                     struct vnet *vnet)
{
    size_t link = device->tap ? 0 : ETHERNET_SIZE;

    vnet->flags = NEEDS_CHECKSUM;
    vnet->kind = (uint8_t)piece->kind;
    vnet->header = (uint16_t)(piece->end - link);
    vnet->size = (uint16_t)piece->size;
    vnet->start = (uint16_t)(piece->start - link);
    vnet->offset = piece->kind == UDP ? 6 : 16;
}

/* Write the frames of a piece one by one: they are what cutting it gives. */
static void write_cut(struct device *device, const struct piece *piece,
                      const struct iovec *parts, int count, uint8_t *scratch)
{
    uint8_t frame[MAX_READ + ETHERNET_SIZE];
    struct cut cut;
    size_t length = piece->length;

    memcpy(scratch, piece->frame, length);
    for (int i = 2; i < count; i++) {
        memcpy(scratch + length, parts[i].iov_base, parts[i].iov_len);
        length += parts[i].iov_len;
    }
    if (!cut_init(&cut, scratch, length, piece->kind, piece->size, piece->start))
        return;
    for (size_t i = 0, total = cut_count(&cut); i < total; i++) {
        cut_write(&cut, i, frame);
        write_frame(device, frame, cut_length(&cut, i));
    }
}

static void write_piece(struct device *device, const struct coalescer *coalescer,
                        const struct packet *frames, const struct piece *piece,
                        uint8_t *scratch)
{
    struct iovec parts[MAX_PARTS];
    struct vnet vnet;
    int count = 2;

    for (uint32_t i = coalescer->next[piece->first]; i != NOBODY;
         i = coalescer->next[i])
        parts[count++] = (struct iovec){frames[i].data + piece->end,
                                        frames[i].length - piece->end};
    finish_piece(piece);
    describe(device, piece, &vnet);
    if (device->refused) {
        write_cut(device, piece, parts, count, scratch);
    } else if (write_parts(device, piece->frame, piece->length, &vnet, parts, count) == 0) {
        device->bytes_out += piece->total + (piece->frames - 1) * piece->end;
    } else if (errno == EINVAL) {
        device->refused = true;
        write_cut(device, piece, parts, count, scratch);
    } else {
        failed(device);
    }
}

void device_write_plain(struct device *device, const struct packet *frames,
                        size_t count)
{
    for (size_t i = 0; i < count; i++)
        write_frame(device, frames[i].data, frames[i].length);
}

void device_write(struct device *device, const struct coalescer *coalescer,
                  const struct packet *frames, size_t pieces, uint8_t *scratch)
{
    for (size_t i = 0; i < pieces; i++) {
        const struct piece *piece = &coalescer->pieces[i];
        if (piece->frames > 1)
            write_piece(device, coalescer, frames, piece, scratch);
        else
            write_frame(device, piece->frame, piece->length);
    }
}
