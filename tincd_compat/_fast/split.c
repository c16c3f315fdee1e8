/*
 * Cutting super-packets into frames that fit the path.
 *
 * Each segment gets the headers of the whole, with lengths, numbers, flags and checksums
 * of its own.  Nothing is taken from the super-packet that can be reckoned: kernels
 * disagree about the header length they state.  Addresses of the pseudo header cannot
 * always: see address_sum().
 */
#include "offload.h"
#include "wire.h"

#include <string.h>

/* Return where the IP header begins: behind the Ethernet header and its tags. */
static size_t network_start(const uint8_t *frame, size_t length)
{
    size_t start = ETHERNET_SIZE;

    while (start < ETHERNET_SIZE + 8 && start <= length) {
        uint16_t type = get16(frame + start - 2);
        if (type != 0x8100 && type != 0x88a8)
            break;
        start += 4;
    }
    return start;
}

static bool sound_ipv4(const struct cut *cut, uint8_t protocol)
{
    const uint8_t *ip = cut->frame + cut->ip;
    bool fragment = ip[6] & 0x3f || ip[7];

    return (cut->kind == TCPV4 || cut->kind == UDP) && ip[9] == protocol && !fragment &&
           (size_t)(ip[0] & 15) * 4 == cut->start - cut->ip;
}

static bool sound_ipv6(const struct cut *cut, uint8_t protocol)
{
    const uint8_t *ip = cut->frame + cut->ip;

    if ((cut->kind != TCPV6 && cut->kind != UDP) || cut->start < cut->ip + IPV6_SIZE)
        return false;
    /* Extension headers name the protocol themselves, the last one of them. */
    return cut->start > cut->ip + IPV6_SIZE || ip[6] == protocol;
}

/* Tell whether the headers are whole and such as the kind says; find the payload. */
static bool sound(struct cut *cut)
{
    bool udp = cut->kind == UDP;
    size_t least = udp ? UDP_SIZE : TCP_SIZE;
    uint8_t protocol = udp ? PROTOCOL_UDP : PROTOCOL_TCP;
    size_t header;

    if (cut->start < cut->ip + IPV4_SIZE || cut->start > cut->length ||
        cut->length - cut->start < least || cut->length - cut->ip > MAX_PACKET)
        return false;
    cut->ipv6 = cut->frame[cut->ip] >> 4 == 6;
    if (!cut->ipv6 && cut->frame[cut->ip] >> 4 != 4)
        return false;
    if (!(cut->ipv6 ? sound_ipv6(cut, protocol) : sound_ipv4(cut, protocol)))
        return false;
    header = udp ? UDP_SIZE : (size_t)(cut->frame[cut->start + 12] >> 4) * 4;
    cut->end = cut->start + header;
    return header >= least && cut->end < cut->length;
}

/*
 * Sum the addresses in the pseudo header.  The IP header has them where nothing follows
 * it.  A source route or a routing header keeps the last stop elsewhere, and an option
 * of IPv6 may name the sender's home: then only the kernel's seed tells, which is the
 * sum of them, the length and the protocol.
 */
static uint64_t address_sum(const struct cut *cut)
{
    const uint8_t *ip = cut->frame + cut->ip, *transport = cut->frame + cut->start;
    size_t size = cut->ipv6 ? IPV6_SIZE : IPV4_SIZE, at = cut->ipv6 ? 8 : 12;
    uint64_t known;

    if (cut->start == cut->ip + size)
        return sum16(ip + at, size - at);
    known = cut->length - cut->start + (cut->kind == UDP ? PROTOCOL_UDP : PROTOCOL_TCP);
    /* Three times zero, so that nothing goes below it. */
    return get16(transport + (cut->kind == UDP ? 6 : 16)) + 3u * 0xFFFFu - known;
}

/* Sum what the segments' headers have in common, as words of their checksums. */
static void prepare(struct cut *cut)
{
    const uint8_t *ip = cut->frame + cut->ip, *transport = cut->frame + cut->start;
    uint64_t addresses = address_sum(cut);
    size_t header = cut->end - cut->start;

    if (!cut->ipv6)
        cut->network_sum = (uint64_t)get16(ip) + sum16(ip + 6, 4) +
                           sum16(ip + 12, cut->start - cut->ip - 12);
    if (cut->kind == UDP) {
        cut->transport_sum = addresses + PROTOCOL_UDP + sum16(transport, 4);
        return;
    }
    cut->transport_sum = addresses + PROTOCOL_TCP + header + sum16(transport, 4) +
                         sum16(transport + 8, 4) + ((uint64_t)transport[12] << 8) +
                         sum16(transport + 14, 2) +
                         sum16(transport + 18, header - 18);
}

bool cut_init(struct cut *cut, const uint8_t *frame, size_t length, unsigned kind,
              size_t size, size_t start)
{
    memset(cut, 0, sizeof *cut);
    if (size < 1 || (kind != TCPV4 && kind != TCPV6 && kind != UDP))
        return false;
    cut->frame = frame;
    cut->length = length;
    cut->kind = (enum kind)kind;
    cut->size = size;
    cut->start = start;
    cut->ip = network_start(frame, length);
    if (!sound(cut) || cut_count(cut) > MAX_CUTS)
        return false;
    prepare(cut);
    return true;
}

size_t cut_count(const struct cut *cut)
{
    return (cut->length - cut->end + cut->size - 1) / cut->size;
}

static size_t payload_length(const struct cut *cut, size_t index)
{
    size_t left = cut->length - cut->end - index * cut->size;

    return left < cut->size ? left : cut->size;
}

size_t cut_length(const struct cut *cut, size_t index)
{
    return cut->end + payload_length(cut, index);
}

static void write_network(const struct cut *cut, size_t index, size_t length,
                          uint8_t *ip)
{
    uint32_t number;

    if (cut->ipv6) {
        put16(ip + 4, (uint32_t)(cut->start - cut->ip - IPV6_SIZE + length));
        return;
    }
    length += cut->start - cut->ip;
    number = (get16(cut->frame + cut->ip + 4) + (uint32_t)index) & 0xFFFFu;
    put16(ip + 2, (uint32_t)length);
    put16(ip + 4, number);
    put16(ip + 10, checksum(cut->network_sum + length + number));
}

static void write_tcp(const struct cut *cut, size_t index, size_t payload, uint8_t *tcp)
{
    uint32_t number = get32(tcp + 4) + (uint32_t)(index * cut->size);
    bool last = (index + 1) * cut->size >= cut->length - cut->end;
    uint32_t flags = tcp[13], check;

    /* What asks for attention at the end is said once, and so is CWR (RFC 3168). */
    if (!last)
        flags &= ~(FLAG_FIN | FLAG_PSH);
    if (index > 0)
        flags &= ~FLAG_CWR;
    put32(tcp + 4, number);
    tcp[13] = (uint8_t)flags;
    check = checksum(cut->transport_sum + payload + number + flags +
                     sum16(tcp + (cut->end - cut->start), payload));
    put16(tcp + 16, check ? check : 0xFFFFu);
}

static void write_udp(const struct cut *cut, size_t payload, uint8_t *udp)
{
    size_t length = UDP_SIZE + payload;
    /* The length is in the pseudo header too. */
    uint32_t check =
        checksum(cut->transport_sum + 2 * length + sum16(udp + UDP_SIZE, payload));

    put16(udp + 4, (uint32_t)length);
    put16(udp + 6, check ? check : 0xFFFFu);
}

void cut_write(const struct cut *cut, size_t index, uint8_t *into)
{
    size_t payload = payload_length(cut, index);

    memcpy(into, cut->frame, cut->end);
    memcpy(into + cut->end, cut->frame + cut->end + index * cut->size, payload);
    write_network(cut, index, cut->end - cut->start + payload, into + cut->ip);
    if (cut->kind == UDP)
        write_udp(cut, payload, into + cut->start);
    else
        write_tcp(cut, index, payload, into + cut->start);
}
