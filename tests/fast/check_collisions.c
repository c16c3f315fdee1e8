/*
 * Keys that somebody has made to meet at one place of a table: what they do to a hash
 * that is known, and do not do to those of the core.
 *
 * The tables of the pumps hash with a secret, so such keys can be made only by who knows
 * it.  Flows of a burst are hashed without one, and the walk is short instead.
 */
#include "map.c"

#include "checks.h"
#include "wire.h"

#define KEYS 64u
#define FLOWS 1000u
#define LENGTH (ETHERNET_SIZE + IPV4_SIZE + UDP_SIZE + 10u)

/* With a secret of zeros: what Python makes of the same bytes if PYTHONHASHSEED is 0. */
static void check_hash(void)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    static const struct {
        size_t length;
        uint64_t hash;
    } known[] = {
        {4, 0x7cc43f98813e4dbd},  {6, 0xe3c25f87624f1cdb},  {10, 0xaf9f77a65ab51a1d},
        {16, 0x8972188433a5c5b7}, {20, 0x639e355ae68c0100}, {26, 0xed36ff242fe478b2},
    };
    const struct map map = {0};
    uint8_t key[MAX_KEY];

    for (uint8_t i = 0; i < MAX_KEY; i++)
        key[i] = i;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        check(hash(&map, key, known[i].length) == (size_t)known[i].hash, "no SipHash-1-3");
#endif
}

static void make_map(struct map *map, uint64_t secret)
{
    check(map_init(map, KEYS) == 0, "no memory");
    map->secret[0] = secret;
    map->secret[1] = ~secret;
}

/* Put all keys in; return how many entries the longest look-up walks past. */
static size_t longest_walk(struct map *map, uint8_t (*keys)[4])
{
    size_t longest = 0;

    for (uint32_t i = 0; i < KEYS; i++)
        check(map_put(map, keys[i], 4, i), "not put");
    for (uint32_t i = 0; i < KEYS; i++) {
        size_t at = (size_t)(find(map, keys[i], 4) - map->entries);
        size_t walk = (at - hash(map, keys[i], 4)) & map->mask;
        check(map_find(map, keys[i], 4) == i, "not found");
        longest = walk > longest ? walk : longest;
    }
    return longest;
}

/* Numbers of which a multiplicative hash keeps nothing in the bits that count. */
static void make_keys_for_multiplying(uint8_t (*keys)[4])
{
    const uint32_t factor = 0x9E3779B1u;
    uint32_t inverse = factor;

    /* Newton's method: each step doubles the bits that are right. */
    for (int i = 0; i < 4; i++)
        inverse *= 2 - factor * inverse;
    for (uint32_t i = 0; i < KEYS; i++) {
        put32(keys[i], inverse * (i << 16));
        check(get32(keys[i]) * factor % 65536 == 0, "these do not meet");
    }
}

/* Addresses that meet in a table whose secret is known. */
static void make_keys_for(const struct map *map, uint8_t (*keys)[4])
{
    uint32_t next = 0x0a000000;

    for (uint32_t i = 0; i < KEYS; i++)
        do
            put32(keys[i], next++);
        while ((hash(map, keys[i], 4) & map->mask) != 0);
}

static void check_tables(void)
{
    uint8_t keys[KEYS][4];
    struct map known, unknown;

    make_map(&known, 1);
    make_map(&unknown, 2);
    make_keys_for_multiplying(keys);
    check(longest_walk(&unknown, keys) < KEYS / 2, "a foreign hash is enough");
    map_clear(&unknown);
    make_keys_for(&known, keys);
    check(longest_walk(&known, keys) == KEYS - 1, "these do not meet");
    check(longest_walk(&unknown, keys) < KEYS / 2, "a foreign secret is enough");
    map_free(&known);
    map_free(&unknown);
    check(map_init(&known, KEYS) == 0 && map_init(&unknown, KEYS) == 0, "no memory");
    check(memcmp(known.secret, unknown.secret, sizeof known.secret) != 0, "no secret");
    map_free(&known);
    map_free(&unknown);
}

/* The hash of flows before the ports come in. */
static uint32_t hash_of_addresses(const uint8_t *frame)
{
    uint32_t hash = PROTOCOL_UDP, word;

    for (size_t i = 26; i < 34; i += 4) {
        memcpy(&word, frame + i, 4);
        hash = (hash ^ word) * 0x9E3779B1u;
        hash ^= hash >> 15;
    }
    return hash;
}

/* A datagram of a flow of its own; ``evil`` ones have ports that make them meet. */
static void make_datagram(uint8_t *frame, uint32_t flow, bool evil)
{
    uint32_t ports = flow;
    uint64_t sum;

    memset(frame, 0, LENGTH);
    put16(frame + 12, 0x0800);
    frame[14] = 0x45;
    put16(frame + 16, LENGTH - ETHERNET_SIZE);
    frame[20] = 0x40;
    frame[22] = 64;
    frame[23] = PROTOCOL_UDP;
    put32(frame + 26, 0x0a000000 + flow);
    put32(frame + 30, 0x0a010001);
    put16(frame + 24, checksum(sum16(frame + ETHERNET_SIZE, IPV4_SIZE)));
    if (evil)
        ports = hash_of_addresses(frame) ^ 0x12345678;
    memcpy(frame + 34, &ports, sizeof ports);
    put16(frame + 38, UDP_SIZE + 10);
    sum = PROTOCOL_UDP + sum16(frame + 26, LENGTH - 26) + UDP_SIZE + 10;
    put16(frame + 40, checksum(sum));
}

static size_t slots_in_use(const struct coalescer *coalescer)
{
    size_t used = 0;

    for (size_t i = 0; i <= coalescer->mask; i++)
        used += coalescer->slots[i].turn == coalescer->turn;
    return used;
}

/* Each flow says two things; whether they merge or not, nothing is lost or overtaken. */
static void check_flows(bool evil)
{
    static uint8_t memory[2 * FLOWS][LENGTH];
    struct packet frames[2 * FLOWS];
    struct coalescer coalescer;
    size_t pieces, seen = 0;

    check(coalescer_init(&coalescer, 2 * FLOWS) == 0, "no memory");
    for (uint32_t i = 0; i < 2 * FLOWS; i++) {
        make_datagram(memory[i], i % FLOWS, evil);
        frames[i] = (struct packet){memory[i], LENGTH};
    }
    pieces = coalesce(&coalescer, frames, 2 * FLOWS, true);
    for (size_t i = 0; i < pieces; i++) {
        const struct piece *piece = &coalescer.pieces[i];
        check(i == 0 || piece->first > coalescer.pieces[i - 1].first, "overtaken");
        check(piece->frames == 1 || piece->last == piece->first + FLOWS, "mixed up");
        seen += piece->frames;
    }
    check(seen == 2 * FLOWS, "lost");
    if (evil)
        check(slots_in_use(&coalescer) < 32, "flows made to meet walk past each other");
    else
        check(slots_in_use(&coalescer) > FLOWS - 20, "flows are not told apart");
    check(pieces == 2 * FLOWS - slots_in_use(&coalescer), "not merged");
    coalescer_free(&coalescer);
}

void check_collisions(void)
{
    check_hash();
    check_tables();
    check_flows(false);
    check_flows(true);
}
