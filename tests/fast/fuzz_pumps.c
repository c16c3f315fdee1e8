/*
 * Any bytes through the pumps: what a guest may put into the device, and what a member
 * of the mesh may seal or a stranger send.
 */
#include "fuzz_lab.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Read all that is handed back. */
static void touch(const struct pump *pump)
{
    for (size_t i = 0; i < pump->handed_count; i++)
        if (sum16(pump->handed[i].data, pump->handed[i].length) > 0xFFFF)
            abort();
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

/* Let all frames arrive; each is written, passed on, handed back or dropped. */
static void receive(struct lab *lab, const struct packet *frames, size_t count, bool odd)
{
    struct pump *pump = &lab->pump;
    uint64_t seen = 0;

    send_frames(lab, frames, count, odd);
    memset(pump->drops, 0, sizeof pump->drops);
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

void try_pump_records(const uint8_t *data, size_t length)
{
    struct packet frames[FRAMES];
    struct sptps_sealer sealer;
    struct pump *pump;
    struct lab *lab;
    uint64_t seen = 0;
    size_t count;

    if (length < 2)
        return;
    lab = enter(data[0], data[1], 0);
    have_session(lab, 16);
    pump = &lab->pump;
    need(sptps_sealer_init(&sealer, key_block, pump->switching, 2, true) == 0, "sealer");
    count = cut_frames(data + 2, length - 2, frames);
    for (size_t i = 0; i < count; i++) {
        know_frame(lab, &frames[i], i % 2);
        send_record(lab, &sealer, &frames[i], data[0] & CHOICE_ODD);
    }
    memset(pump->drops, 0, sizeof pump->drops);
    pump_begin(pump);
    pump_in(pump, lab->near, 0, FRAMES);
    touch(pump);
    for (size_t i = 0; i < DROPS; i++)
        seen += pump->drops[i];
    if (seen + pump->handed_count + take_frames(lab) + drain(lab) != count ||
        pump->reports.count > 0 || pump->train_count > 0)
        abort();
    sptps_sealer_free(&sealer);
    free_frames(frames, count);
    leave_session(lab);
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
