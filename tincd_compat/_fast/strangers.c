/*
 * Whom Python need not hear of for a moment.
 *
 * A datagram that no key known here has made may be a node's that has moved, and finding
 * that out is Python's.  It does so within a budget, and says whose further datagrams it
 * would not even look at.  Those end here: a flood of them costs little more than it
 * costs to receive them, and does not hold up what members send.
 *
 * All is forgotten with every turn, so whoever has moved is looked at in one of them.
 */
#define _GNU_SOURCE
#include "pump.h"

#include <string.h>

enum { IGNORED, WANTED };

static size_t host_key(const struct sockaddr_storage *address, uint8_t *key)
{
    const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)address;
    size_t mapped = sizeof ipv6->sin6_addr - sizeof ipv4->sin_addr;

    if (address->ss_family == AF_INET) {
        memcpy(key, &ipv4->sin_addr, sizeof ipv4->sin_addr);
        return sizeof ipv4->sin_addr;
    }
    if (address->ss_family != AF_INET6)
        return 0;
    /* Python knows an IPv4-mapped address as that of IPv4. */
    if (!IN6_IS_ADDR_V4MAPPED(&ipv6->sin6_addr))
        mapped = 0;
    memcpy(key, ipv6->sin6_addr.s6_addr + mapped, sizeof ipv6->sin6_addr - mapped);
    return sizeof ipv6->sin6_addr - mapped;
}

int strangers_init(struct strangers *strangers)
{
    /* The number of no turn is 0, which a source has that was never ignored. */
    strangers->turn = 1;
    return map_init(&strangers->hosts, MAX_SOURCES);
}

void strangers_free(struct strangers *strangers)
{
    map_free(&strangers->hosts);
}

void strangers_forget(struct strangers *strangers)
{
    map_clear(&strangers->hosts);
    strangers->all = strangers->empty = strangers->too_long = false;
    /* Sources are ignored in a turn by its number: this is another. */
    strangers->turn++;
}

void strangers_turn(struct strangers *strangers, int64_t milliseconds)
{
    if (milliseconds / TURN == strangers->clock)
        return;
    strangers->clock = milliseconds / TURN;
    strangers_forget(strangers);
}

static void mark(struct strangers *strangers, const struct sockaddr_storage *address,
                 uint32_t value)
{
    uint8_t key[MAX_KEY];

    map_put(&strangers->hosts, key, host_key(address, key), value);
}

void strangers_ignore(struct strangers *strangers, const struct sockaddr_storage *address)
{
    mark(strangers, address, IGNORED);
}

void strangers_ignore_others(struct strangers *strangers)
{
    strangers->all = true;
}

void strangers_want(struct strangers *strangers, const struct sockaddr_storage *address)
{
    mark(strangers, address, WANTED);
}

bool strangers_are_ignored(const struct strangers *strangers, const struct sockaddr_storage *address)
{
    uint8_t key[MAX_KEY];
    uint32_t found = map_find(&strangers->hosts, key, host_key(address, key));

    return found == NOTHING ? strangers->all : found == IGNORED;
}

bool strangers_first(bool *gone_back)
{
    bool first = !*gone_back;

    *gone_back = true;
    return first;
}
