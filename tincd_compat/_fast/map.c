/*
 * Hash tables of fixed size with keys of up to MAX_KEY bytes.
 *
 * Keys are addresses, and others choose them: a member of the mesh its subnets, a guest
 * where his packets go.  So each table hashes with a secret of its own (SipHash-1-3), or
 * addresses made for it would all meet at one place and every look-up walk past them.
 */
#include "pump.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int map_init(struct map *map, size_t capacity)
{
    size_t size = 16;

    memset(map, 0, sizeof *map);
    while (size < 2 * capacity)
        size *= 2;
    map->entries = calloc(size, sizeof *map->entries);
    map->mask = size - 1;
    map->capacity = capacity;
    map->generation = 1;
    return map->entries == NULL ? -1 : getentropy(map->secret, sizeof map->secret);
}

void map_free(struct map *map)
{
    free(map->entries);
    map->entries = NULL;
}

void map_clear(struct map *map)
{
    map->used = 0;
    if (++map->generation != 0)
        return;
    /* A number that comes again would revive what is long gone. */
    memset(map->entries, 0, (map->mask + 1) * sizeof *map->entries);
    map->generation = 1;
}

static inline uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void sip_round(uint64_t *v)
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static inline void sip_take(uint64_t *v, uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

static size_t hash(const struct map *map, const uint8_t *key, size_t length)
{
    uint64_t v[4] = {
        map->secret[0] ^ 0x736F6D6570736575u,
        map->secret[1] ^ 0x646F72616E646F6Du,
        map->secret[0] ^ 0x6C7967656E657261u,
        map->secret[1] ^ 0x7465646279746573u,
    };
    uint64_t word = 0, last = (uint64_t)length << 56;

    for (; length >= sizeof word; key += sizeof word, length -= sizeof word) {
        memcpy(&word, key, sizeof word);
        sip_take(v, word);
    }
    for (size_t i = 0; i < length; i++)
        last |= (uint64_t)key[i] << (8 * i);
    sip_take(v, last);
    v[2] ^= 0xFF;
    for (unsigned i = 0; i < 3; i++)
        sip_round(v);
    return (size_t)(v[0] ^ v[1] ^ v[2] ^ v[3]);
}

/* At most half of the entries are in use, so this ends. */
static struct entry *find(const struct map *map, const uint8_t *key, size_t length)
{
    for (size_t at = hash(map, key, length) & map->mask;; at = (at + 1) & map->mask) {
        struct entry *entry = &map->entries[at];
        if (entry->generation != map->generation ||
            (entry->length == length && memcmp(entry->key, key, length) == 0))
            return entry;
    }
}

uint32_t map_find(const struct map *map, const uint8_t *key, size_t length)
{
    const struct entry *entry = find(map, key, length);

    return entry->generation == map->generation ? entry->value : NOTHING;
}

void map_forget(struct map *map, const uint8_t *key, size_t length)
{
    struct entry *entry = find(map, key, length);

    if (entry->generation == map->generation)
        entry->value = NOTHING;
}

bool map_put(struct map *map, const uint8_t *key, size_t length, uint32_t value)
{
    struct entry *entry;

    if (length > MAX_KEY)
        return false;
    entry = find(map, key, length);
    if (entry->generation != map->generation) {
        if (map->used >= map->capacity) {
            map_clear(map);
            entry = find(map, key, length);
        }
        map->used++;
        entry->generation = map->generation;
        entry->length = (uint8_t)length;
        memcpy(entry->key, key, length);
    }
    entry->value = value;
    return true;
}
