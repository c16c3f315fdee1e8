/*
 * Waiting and moving packets in one place.
 *
 * Between the kernel's word that a lone packet is there and its departure lies nothing
 * but the pump: whatever else has to be fetched into the processor's caches first costs
 * more than the packet itself.
 */
#define _GNU_SOURCE
#include "pump.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <time.h>

#define MAX_EVENTS 16
#define THOUSAND 1000

static int64_t milliseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * THOUSAND + now.tv_nsec / (THOUSAND * THOUSAND);
}

bool pump_watch(struct pump *pump, int fd, uint32_t socket)
{
    if (pump->watch_count == MAX_WATCHES)
        return false;
    pump->watches[pump->watch_count++] = (struct watch){.fd = fd, .socket = socket};
    return true;
}

struct outlet *pump_outlet(struct pump *pump, int fd)
{
    for (size_t i = 0; i < pump->watch_count; i++)
        if (pump->watches[i].fd == fd)
            return &pump->watches[i].outlet;
    return NULL;
}

static const struct watch *find_watch(const struct pump *pump, int fd)
{
    for (size_t i = 0; i < pump->watch_count; i++)
        if (pump->watches[i].fd == fd)
            return &pump->watches[i];
    return NULL;
}

/* Run the pump of a descriptor; false if something was handed back. */
static bool run(struct pump *pump, const struct watch *watch, const struct portion *portion)
{
    pump_begin(pump);
    if (watch->socket == NOTHING)
        pump_out(pump, portion->packets);
    else
        pump_in(pump, watch->fd, watch->socket, portion->batches);
    return pump_is_silent(pump);
}

/* Serve what is ready, beginning behind what had the last turn. */
static enum served serve_events(struct pump *pump, const struct epoll_event *events,
                                int count, const struct portion *portion)
{
    enum served answer = TIME_OVER;
    int first = 0;

    pump_tell_time(pump, milliseconds());
    while (first < count && events[first].data.fd != pump->last)
        first++;
    for (int i = 1; i <= count; i++) {
        int fd = events[(first + i) % count].data.fd;
        const struct watch *watch = find_watch(pump, fd);
        if (watch == NULL) {
            answer = OTHERS;
        } else if (!run(pump, watch, portion)) {
            pump->last = fd;
            return HANDED;
        }
    }
    return answer;
}

enum served pump_serve(struct pump *pump, int epoll, int wait, const struct portion *portion,
                       uint32_t *socket)
{
    struct epoll_event events[MAX_EVENTS];
    int64_t end = wait < 0 ? INT64_MAX : milliseconds() + wait;

    for (;;) {
        int count = epoll_wait(epoll, events, MAX_EVENTS, wait);
        enum served answer;

        if (count < 0)
            return OTHERS;
        if (count == 0)
            return TIME_OVER;
        answer = serve_events(pump, events, count, portion);
        if (answer == HANDED)
            *socket = find_watch(pump, pump->last)->socket;
        if (answer != TIME_OVER)
            return answer;
        if (wait >= 0) {
            int64_t left = end - milliseconds();
            if (left <= 0)
                return TIME_OVER;
            wait = (int)left;
        }
    }
}
