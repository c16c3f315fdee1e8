/*
 * From the device to UDP.
 *
 * 1. Read a frame or a super-packet.
 * 2. If only its destination decides and that is known, its segments join the train of
 *    the next stop; else it is handed back.
 * 3. When a train is full, and at the end, it is sealed and sent.
 */
#include "pump.h"
#include "wire.h"

#include <errno.h>
#include <string.h>

#define NEEDS_CHECKSUM 1u
#define ECN 0x80u

/* Return the way of a frame that is nothing special, or NULL. */
static const struct way *find_way(const struct pump *pump, const uint8_t *frame,
                                  size_t length)
{
    const uint8_t *key;
    size_t size = plain_destination(frame, length, pump->switching, &key);

    if (size == 0)
        return NULL;
    /* An author that is new, or has not been heard of for long, has to be announced. */
    if (pump->switching && map_find(&pump->stations, frame + 6, 6) == NOTHING)
        return NULL;
    return pump_way(pump, key, size);
}

static bool begin_cut(const struct pump *pump, const struct vnet *vnet, size_t length,
                      struct cut *cut)
{
    size_t link = pump->device.tap ? 0 : ETHERNET_SIZE;

    return cut_init(cut, pump->frame, length, vnet->kind & ~ECN, vnet->size,
                    vnet->start + link) &&
           (cut->size >= SMALL_CUT || cut_count(cut) <= MAX_SMALL_CUTS);
}

/* Cut a super-packet into the peer's train; false if it is too long for the path. */
static bool enqueue_segments(struct pump *pump, const struct way *way,
                             const struct cut *cut)
{
    size_t count = cut_count(cut);

    if (cut->end + cut->size > way->limit)
        return false;
    for (size_t i = 0; i < count; i++)
        cut_write(cut, i, pump_room(pump, way->peer, cut_length(cut, i)));
    pump->device.bytes_in += cut->length + (count - 1) * cut->end;
    return true;
}

static bool enqueue_frame(struct pump *pump, const struct way *way, size_t length)
{
    if (length > way->limit)
        return false;
    memcpy(pump_room(pump, way->peer, length), pump->frame, length);
    pump->device.bytes_in += length;
    return true;
}

/*
 * Send a frame on its way, or hand it back; returns how many packets it is.  Whoever gets
 * it back has a super-packet's segments to deal with one by one.
 */
static size_t dispatch(struct pump *pump, const struct vnet *vnet, size_t length)
{
    const struct way *way = find_way(pump, pump->frame, length);
    struct handed handed = {.what = FROM_DEVICE, .data = pump->frame, .length = length};
    bool whole = vnet->kind == 0, sound = false;
    struct cut cut;

    if (!whole)
        sound = begin_cut(pump, vnet, length, &cut);
    if (way != NULL && whole && enqueue_frame(pump, way, length))
        return 1;
    if (way != NULL && sound && enqueue_segments(pump, way, &cut))
        return cut_count(&cut);
    handed.vnet = *vnet;
    hand_back(pump, &handed);
    return sound ? cut_count(&cut) : 1;
}

/*
 * Say where TCP or UDP begins in what a network card has merged, which comes without that
 * word; nothing stands between its headers.
 */
static void find_start(const uint8_t *frame, size_t link, struct vnet *vnet)
{
    uint16_t type = get16(frame + 12);

    if (type == 0x86dd)
        vnet->start = (uint16_t)(ETHERNET_SIZE + IPV6_SIZE - link);
    else if (type == 0x0800 && frame[14] == 0x45)
        vnet->start = (uint16_t)(ETHERNET_SIZE + IPV4_SIZE - link);
}

void pump_out(struct pump *pump, size_t budget)
{
    size_t moved = 0;

    /* The largest frame must find room if it has to go back. */
    while (moved < budget && room_to_hand_back(pump, 1, MAX_READ + ETHERNET_SIZE)) {
        struct vnet vnet;
        ssize_t length = device_read(&pump->device, pump->frame, &vnet);
        size_t link = pump->device.tap ? 0 : ETHERNET_SIZE;

        if (length < 0 && errno != EAGAIN && errno != EINTR)
            pump->read_error = errno;
        if (length <= 0)
            break;
        if (vnet.kind == 0 && vnet.flags & NEEDS_CHECKSUM)
            fill_checksum(pump->frame, (size_t)length, vnet.start + link, vnet.offset);
        else if (vnet.kind != 0 && !(vnet.flags & NEEDS_CHECKSUM))
            find_start(pump->frame, link, &vnet);
        moved += dispatch(pump, &vnet, (size_t)length);
    }
    pump_flush(pump);
}
