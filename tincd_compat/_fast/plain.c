/* Frames about which only their destination decides; see flows.py for the rules. */
#include "pump.h"
#include "wire.h"

#include <string.h>

#define PROTOCOL_ICMPV6 58u
#define OPTION_END 0u
#define OPTION_NOP 1u
#define OPTION_MSS 2u

/* The options of nearly every segment after the handshake: two paddings, timestamps. */
static const uint8_t timestamps[4] = {1, 1, 8, 10};

/* Tell whether a TCP segment has an MSS to clamp, or cannot be looked into. */
static bool may_carry_mss(const uint8_t *frame, size_t length, size_t start)
{
    size_t end, at = start + TCP_SIZE;

    if (length < at)
        return true;
    end = start + (size_t)(frame[start + 12] >> 4) * 4;
    if (end == at)
        return false;
    if (end < at || end > length)
        return true;
    if (end == at + 12 && memcmp(frame + at, timestamps, sizeof timestamps) == 0)
        return false;
    while (at < end && frame[at] != OPTION_END) {
        if (frame[at] == OPTION_MSS)
            return true;
        if (frame[at] == OPTION_NOP) {
            at++;
            continue;
        }
        if (at + 1 >= end || frame[at + 1] < 2)
            return true;
        at += frame[at + 1];
    }
    return false;
}

static size_t plain_ipv4(const uint8_t *frame, size_t length, const uint8_t **key)
{
    const size_t start = ETHERNET_SIZE + IPV4_SIZE;

    /* Version 4 without options, and no multicast. */
    if (length < start || frame[14] != 0x45)
        return 0;
    if (frame[23] == PROTOCOL_TCP && may_carry_mss(frame, length, start))
        return 0;
    *key = frame + 30;
    return 4;
}

static size_t plain_ipv6(const uint8_t *frame, size_t length, const uint8_t **key)
{
    const size_t start = ETHERNET_SIZE + IPV6_SIZE;

    if (length < start || frame[14] >> 4 != 6)
        return 0;
    if (frame[20] == PROTOCOL_TCP && may_carry_mss(frame, length, start))
        return 0;
    *key = frame + 38;
    return 16;
}

size_t plain_destination(const uint8_t *frame, size_t length, bool switching,
                         const uint8_t **key)
{
    size_t found = 0;

    if (length < ETHERNET_SIZE)
        return 0;
    if (get16(frame + 12) == 0x0800)
        found = plain_ipv4(frame, length, key);
    else if (get16(frame + 12) == 0x86dd)
        found = plain_ipv6(frame, length, key);
    if (found == 0)
        return 0;
    if (switching) {
        *key = frame;
        return 6;
    }
    /* Neighbour discovery is answered here, multicast goes to everybody. */
    if (found == 4)
        return frame[30] >= 0xe0 ? 0 : found;
    return frame[38] == 0xff || frame[20] == PROTOCOL_ICMPV6 ? 0 : found;
}
