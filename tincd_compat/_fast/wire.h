/* Numbers in packets: big-endian and at any address. */
#ifndef TINCD_COMPAT_WIRE_H
#define TINCD_COMPAT_WIRE_H

#include <stdint.h>

static inline uint16_t get16(const uint8_t *from)
{
    return (uint16_t)(from[0] << 8 | from[1]);
}

static inline uint32_t get32(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 |
           (uint32_t)from[3];
}

static inline void put16(uint8_t *into, uint32_t value)
{
    into[0] = (uint8_t)(value >> 8);
    into[1] = (uint8_t)value;
}

static inline void put32(uint8_t *into, uint32_t value)
{
    put16(into, value >> 16);
    put16(into + 2, value);
}

#endif
