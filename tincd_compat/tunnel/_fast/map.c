/* Hash tables of fixed size with keys of up to MAX_KEY bytes. */
#include "pump.h"

#include <stdlib.h>
#include <string.h>

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
    return map->entries == NULL ? -1 : 0;
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

/* Keys are few and known: what strangers send is only looked up, never put in. */
static size_t hash(const uint8_t *key, size_t length)
{
    uint64_t state = 0x9E3779B97F4A7C15u ^ length;

    while (length > 0) {
        uint64_t word = 0;
        size_t step = length < 8 ? length : 8;
        memcpy(&word, key, step);
        state = (state ^ word) * 0xFF51AFD7ED558CCDu;
        state ^= state >> 32;
        key += step;
        length -= step;
    }
    return (size_t)state;
}

static struct entry *find(const struct map *map, const uint8_t *key, size_t length)
{
    for (size_t at = hash(key, length) & map->mask;; at = (at + 1) & map->mask) {
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

bool map_put(struct map *map, const uint8_t *key, size_t length, uint32_t value)
{
    struct entry *entry;

    if (length > MAX_KEY)
        return false;
    entry = find(map, key, length);
    if (entry->generation != map->generation) {
        if (map->used >= map->capacity)
            return false;
        map->used++;
        entry->generation = map->generation;
        entry->length = (uint8_t)length;
        memcpy(entry->key, key, length);
    }
    entry->value = value;
    return true;
}
