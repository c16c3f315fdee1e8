/* What both pumps work with: the tables, the buffers, and what goes back to Python. */
#include "pump.h"

#include <stdlib.h>
#include <string.h>

int pump_init(struct pump *pump)
{
    pump->ways = calloc(MAX_NODES, sizeof *pump->ways);
    pump->peers = calloc(MAX_NODES, sizeof *pump->peers);
    pump->known = calloc(MAX_SOURCES, sizeof *pump->known);
    pump->trains = calloc(MAX_TRAINS, sizeof *pump->trains);
    pump->frame = calloc(1, MAX_READ + ETHERNET_SIZE);
    pump->messages = calloc(MESSAGES, MESSAGE_SIZE);
    pump->ready = calloc(MAX_READY, sizeof *pump->ready);
    pump->handed = calloc(MAX_RETURNS, sizeof *pump->handed);
    pump->memory = calloc(1, RETURN_SIZE);
    if (map_init(&pump->destinations, MAX_DESTINATIONS) < 0 ||
        map_init(&pump->own, MAX_DESTINATIONS) < 0 ||
        map_init(&pump->stations, MAX_DESTINATIONS) < 0 ||
        map_init(&pump->sources, MAX_SOURCES) < 0 ||
        strangers_init(&pump->strangers) < 0 ||
        coalescer_init(&pump->coalescer, MAX_READY) < 0)
        return -1;
    return pump->ways && pump->peers && pump->known && pump->trains && pump->frame &&
                   pump->messages && pump->ready && pump->handed && pump->memory
               ? 0
               : -1;
}

void pump_free(struct pump *pump)
{
    free(pump->ways);
    free(pump->peers);
    free(pump->known);
    free(pump->trains);
    free(pump->frame);
    free(pump->messages);
    free(pump->ready);
    free(pump->handed);
    free(pump->memory);
    map_free(&pump->destinations);
    map_free(&pump->own);
    map_free(&pump->stations);
    map_free(&pump->sources);
    strangers_free(&pump->strangers);
    coalescer_free(&pump->coalescer);
}

void pump_clear(struct pump *pump)
{
    map_clear(&pump->destinations);
    map_clear(&pump->own);
    map_clear(&pump->stations);
    map_clear(&pump->sources);
    strangers_forget(&pump->strangers);
    memset(pump->ways, 0, pump->node_count * sizeof *pump->ways);
    memset(pump->peers, 0, pump->node_count * sizeof *pump->peers);
    pump->node_count = 0;
    pump->source_count = 0;
}

void pump_tell_time(struct pump *pump, int64_t now)
{
    pump->now = now;
    strangers_turn(&pump->strangers, now);
}

void pump_begin(struct pump *pump)
{
    pump->reports.count = 0;
    pump->handed_count = 0;
    pump->returned = 0;
    pump->read_error = 0;
    pump->device.write_error = 0;
}

bool pump_is_silent(const struct pump *pump)
{
    return pump->handed_count == 0 && pump->reports.count == 0 &&
           pump->read_error == 0 && pump->device.write_error == 0 &&
           !(pump->device.refused && pump->device.coalescing);
}

bool room_to_hand_back(const struct pump *pump, size_t count, size_t length)
{
    return count <= MAX_RETURNS - pump->handed_count &&
           length <= RETURN_SIZE - pump->returned;
}

bool hand_back(struct pump *pump, const struct handed *what)
{
    struct handed *handed = &pump->handed[pump->handed_count];

    if (!room_to_hand_back(pump, 1, what->length))
        return false;
    *handed = *what;
    handed->data = memcpy(pump->memory + pump->returned, what->data, what->length);
    pump->returned += what->length;
    pump->handed_count++;
    return true;
}

const struct way *pump_way(const struct pump *pump, const uint8_t *destination,
                           size_t size)
{
    uint32_t owner = map_find(&pump->destinations, destination, size);
    const struct way *way;

    if (owner == NOTHING)
        return NULL;
    way = &pump->ways[owner];
    return way->limit > 0 && peer_is_ready(&pump->peers[way->peer]) ? way : NULL;
}

const struct way *pump_relay(const struct pump *pump, uint32_t node,
                             const uint8_t *destination, size_t size)
{
    const struct way *way = pump->relays ? pump_way(pump, destination, size) : NULL;

    if (way == NULL || node == way->peer || node == way->via ||
        node == (uint32_t)(way - pump->ways))
        return NULL;
    return way;
}

size_t source_key(uint32_t socket, const struct place *place, uint8_t *key)
{
    const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)&place->address;
    const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)&place->address;
    size_t length;

    memcpy(key, &socket, 4);
    if (place->address.ss_family == AF_INET) {
        memcpy(key + 4, &ipv4->sin_port, 2);
        memcpy(key + 6, &ipv4->sin_addr, 4);
        length = 10;
    } else if (place->address.ss_family == AF_INET6) {
        memcpy(key + 4, &ipv6->sin6_port, 2);
        memcpy(key + 6, &ipv6->sin6_addr, 16);
        memcpy(key + 22, &ipv6->sin6_scope_id, 4);
        length = 26;
    } else {
        return 0;
    }
    memcpy(key + length, place->local.bytes, place->local.length);
    return length + place->local.length;
}

void pump_flush(struct pump *pump)
{
    for (size_t i = 0; i < pump->train_count; i++) {
        const struct train *train = &pump->trains[i];
        struct peer *peer = &pump->peers[train->peer];
        if (train->count > 0)
            train_leave(peer, train->peer, &pump->reports);
        peer->train = NULL;
    }
    pump->train_count = 0;
}

uint8_t *pump_room(struct pump *pump, uint32_t index, size_t length)
{
    struct peer *peer = &pump->peers[index];
    struct train *train;

    if (peer->train == NULL) {
        if (pump->train_count == MAX_TRAINS)
            pump_flush(pump);
        peer->train = &pump->trains[pump->train_count++];
        peer->train->count = 0;
        peer->train->peer = index;
    }
    train = peer->train;
    if (train->count == MAX_TRAIN)
        train_leave(peer, index, &pump->reports);
    train->packets[train->count] = (struct packet){train->memory[train->count], length};
    train->bodies[train->count] = (uint16_t)length;
    return train->memory[train->count++] +
           (peer->sptps ? NODE_IDS_SIZE + RECORD_FRONT : SEQNO_SIZE);
}
