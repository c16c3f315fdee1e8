/*
 * Any bytes into the parts of the compiled core that strangers can reach.
 *
 * With libFuzzer (FUZZER defined) the damage is its; else main() damages valid inputs at
 * random, for as many seconds as it is told.  Whatever a function makes of
 * an input, it must not touch memory that is not its own: build with sanitizers.  And it
 * is the same on every machine: main() prints a hash of it.
 */
#include "fuzz.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const uint8_t key_block[48] = "a key block, as long as AES-256-CBC wants it...";

/* A hash (FNV-1a) of all that came out. */
static uint64_t noted = 0xCBF29CE484222325u;

static void note(const uint8_t *data, size_t length)
{
    for (size_t i = 0; i < length; i++)
        noted = (noted ^ data[i]) * 0x100000001B3u;
}

static void note_number(uint64_t number)
{
    uint8_t bytes[8];

    put32(bytes, (uint32_t)(number >> 32));
    put32(bytes + 4, (uint32_t)number);
    note(bytes, sizeof bytes);
}

struct suite suite_for(uint8_t choice)
{
    static const struct suite suites[] = {
        {"aes-256-cbc", "sha256", 32, 16, 16, 4, false},
        {"aes-256-cbc", "sha256", 32, 16, 16, 4, true},
        {"aes-128-cbc", "sha1", 16, 16, 16, 20, false},
        {"aes-256-cfb", "sha512", 32, 16, 1, 64, false},
        {"aes-256-cbc", NULL, 32, 16, 16, 0, false},
        {NULL, NULL, 0, 0, 1, 0, false},
        {NULL, "sha256", 0, 0, 1, 32, false},
    };

    return suites[choice % (sizeof suites / sizeof *suites)];
}

uint8_t *copy_of(const uint8_t *data, size_t length)
{
    uint8_t *copy = malloc(length ? length : 1);

    if (copy == NULL)
        abort();
    memcpy(copy, data, length);
    return copy;
}

size_t cut_frames(const uint8_t *data, size_t length, struct packet *frames)
{
    size_t count = 0;

    while (length >= 2 && count < FRAMES) {
        size_t size = get16(data) % 2048;
        data += 2;
        length -= 2;
        if (size > length)
            size = length;
        frames[count++] = (struct packet){copy_of(data, size), size};
        data += size;
        length -= size;
    }
    return count;
}

void free_frames(struct packet *frames, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(frames[i].data);
}

static void try_split(const uint8_t *data, size_t length)
{
    static uint8_t into[INPUT_SIZE + 128];
    struct cut cut;
    uint8_t *frame;

    if (length < 6)
        return;
    frame = copy_of(data + 6, length - 6);
    if (cut_init(&cut, frame, length - 6, data[0], get16(data + 1), get16(data + 3)))
        for (size_t i = 0, count = cut_count(&cut); i < count; i++) {
            if (cut_length(&cut, i) > sizeof into)
                abort();
            cut_write(&cut, i, into);
            note(into, cut_length(&cut, i));
        }
    fill_checksum(frame, length - 6, get16(data + 1), data[5]);
    note(frame, length - 6);
    free(frame);
}

static void try_coalesce(const uint8_t *data, size_t length)
{
    struct packet frames[FRAMES];
    struct coalescer coalescer;
    size_t count = cut_frames(data + 1, length - 1, frames), pieces;

    if (coalescer_init(&coalescer, FRAMES) < 0)
        abort();
    for (int again = 0; again < 2; again++) {
        pieces = coalesce(&coalescer, frames, count, data[0] & 1);
        size_t seen = 0;
        for (size_t i = 0; i < pieces; i++)
            seen += coalescer.pieces[i].frames;
        if (seen != count)
            abort();
        for (size_t i = 0; i < pieces; i++) {
            const struct piece *piece = &coalescer.pieces[i];
            if (piece->frames > 1)
                finish_piece(piece);
            note_number(piece->frames);
            note_number(piece->total);
            note(piece->frame, piece->length);
        }
    }
    coalescer_free(&coalescer);
    free_frames(frames, count);
}

static void try_open(const uint8_t *data, size_t length)
{
    struct packet frames[FRAMES];
    struct opened opened[FRAMES];
    struct suite suite = suite_for(data[0]);
    struct opener opener;
    size_t count = cut_frames(data + 1, length - 1, frames);

    if (opener_init(&opener, &suite, key_block, data[0] >> 4) < 0)
        abort();
    for (size_t i = 0; i < count; i++)
        opener_matches(&opener, frames[i].data, frames[i].length);
    open_train(&opener, frames, count, opened);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *key;
        note_number(opened[i].drop);
        note_number(opened[i].seqno);
        if (opened[i].drop != DROP_NONE)
            continue;
        note(opened[i].frame, opened[i].length);
        size_t size = plain_destination(opened[i].frame, opened[i].length, i & 1, &key);
        if (size > 0 && key + size > opened[i].frame + opened[i].length)
            abort();
    }
    opener_free(&opener);
    free_frames(frames, count);
}

/* Datagrams of a session, in memory that has no more in front than it must have. */
static void try_records(const uint8_t *data, size_t length)
{
    struct packet frames[FRAMES], datagrams[FRAMES];
    struct opened opened[FRAMES];
    struct sptps_opener opener;
    size_t count = cut_frames(data + 1, length - 1, frames);

    if (sptps_opener_init(&opener, key_block, data[0] & 1, data[0] >> 4,
                          data[0] & 8) < 0 ||
        (data[0] & 2 && sptps_opener_expect(&opener, key_block + 16) < 0))
        abort();
    if (data[0] & 4)
        sptps_opener_change(&opener);
    for (size_t i = 0; i < count; i++) {
        uint8_t *room = malloc(RECORD_HEADROOM + frames[i].length);
        if (room == NULL)
            abort();
        datagrams[i] = (struct packet){room + RECORD_HEADROOM, frames[i].length};
        memcpy(datagrams[i].data, frames[i].data, frames[i].length);
        note_number(sptps_opener_matches(&opener, frames[i].data, frames[i].length));
    }
    sptps_open_train(&opener, datagrams, count, opened);
    for (size_t i = 0; i < count; i++) {
        struct record record;
        note_number(opened[i].drop);
        note_number(opened[i].seqno);
        if (opened[i].drop == DROP_NONE)
            note(opened[i].frame, opened[i].length);
        if (sptps_unseal(&opener, &frames[i], &record))
            note(record.text, record.length);
        free(datagrams[i].data - RECORD_HEADROOM);
    }
    sptps_opener_free(&opener);
    free_frames(frames, count);
}

/* What fits a limit fits a larger one, and what follows the end fits none. */
static void try_unpack(const uint8_t *data, size_t length)
{
    size_t limit = data[0] * 16u;
    uint8_t *stream = copy_of(data + 1, length - 1);
    bool fits = lzo_fits(stream, length - 1, limit);

    if (fits && (!lzo_fits(stream, length - 1, SIZE_MAX / 2) ||
                 lzo_fits(stream, length - 2, limit)))
        abort();
    note_number(fits);
    free(stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    if (length < 2 || length > INPUT_SIZE)
        return 0;
    switch (data[0] % PARTS) {
    case SPLIT:
        try_split(data + 1, length - 1);
        break;
    case COALESCE:
        try_coalesce(data + 1, length - 1);
        break;
    case OPEN:
        try_open(data + 1, length - 1);
        break;
    case UNPACK:
        try_unpack(data + 1, length - 1);
        break;
    case RECORDS:
        try_records(data + 1, length - 1);
        break;
    case PUMP_OUT:
        try_pump_out(data + 1, length - 1);
        break;
    case PUMP_IN:
        try_pump_in(data + 1, length - 1);
        break;
    case PUMP_RECORDS:
        try_pump_records(data + 1, length - 1);
        break;
    default:
        try_pump_serve(data + 1, length - 1);
    }
    return 0;
}

/* What a segment is like; bits, so that it can be drawn.  Above them is its target. */
enum shape { SHAPE_UDP = 1, SHAPE_IPV6 = 2, SHAPE_PSH = 4, SHAPES = 8 };

static size_t start_of(unsigned shape)
{
    return ETHERNET_SIZE + (shape & SHAPE_IPV6 ? IPV6_SIZE : IPV4_SIZE);
}

/* Write all in front of TCP or UDP; return the sum of the pseudo header. */
static uint64_t put_network(uint8_t *frame, unsigned index, unsigned shape,
                            uint8_t protocol, size_t size)
{
    uint8_t *ip = frame + ETHERNET_SIZE;

    if (shape & SHAPE_IPV6) {
        put16(frame + 12, 0x86dd);
        ip[0] = 0x60;
        put16(ip + 4, (uint32_t)size);
        ip[6] = protocol;
        ip[7] = 64;
        ip[23] = 1;
        ip[39] = (uint8_t)(2 + shape / SHAPES);
        return sum16(ip + 8, 32) + protocol + size;
    }
    put16(frame + 12, 0x0800);
    ip[0] = 0x45;
    put16(ip + 2, (uint32_t)(IPV4_SIZE + size));
    put16(ip + 4, index);
    ip[8] = 64;
    ip[9] = protocol;
    ip[15] = 1;
    ip[19] = (uint8_t)(2 + shape / SHAPES);
    put16(ip + 10, checksum(sum16(ip, IPV4_SIZE)));
    return sum16(ip + 12, 8) + protocol + size;
}

/* A segment of one flow, with right checksums. */
static size_t make_frame(uint8_t *frame, unsigned index, size_t payload, unsigned shape)
{
    bool udp = shape & SHAPE_UDP;
    size_t header = udp ? UDP_SIZE : TCP_SIZE, start = start_of(shape);
    size_t length = start + header + payload;
    uint8_t *transport = frame + start;

    memset(frame, 0, length);
    put32(transport, 0x00010002);
    if (udp) {
        put16(transport + 4, (uint32_t)(header + payload));
    } else {
        put32(transport + 4, (uint32_t)(index * payload));
        transport[12] = 0x50;
        transport[13] = FLAG_ACK | (shape & SHAPE_PSH && index == 5 ? FLAG_PSH : 0);
    }
    memset(transport + header, (int)index, payload);
    uint64_t sum = put_network(frame, index, shape, udp ? PROTOCOL_UDP : PROTOCOL_TCP,
                               header + payload);
    put16(transport + (udp ? 6 : 16), checksum(sum + sum16(transport, header + payload)));
    return length;
}

static uint8_t kind_of_shape(unsigned shape)
{
    return shape & SHAPE_UDP ? UDP : shape & SHAPE_IPV6 ? TCPV6 : TCPV4;
}

static size_t append(uint8_t *into, const uint8_t *data, size_t length)
{
    put16(into, (uint32_t)length);
    memcpy(into + 2, data, length);
    return length + 2;
}

/* A frame or a super-packet as a device gives it. */
static size_t make_read(uint8_t *into, uint8_t choices, size_t payload, unsigned shape)
{
    bool tap = choices & CHOICE_TAP;
    size_t link = tap ? 0 : ETHERNET_SIZE, size = 0;
    uint8_t frame[512];
    size_t length = make_frame(frame, 1, payload * 4, shape);
    struct vnet vnet = {
        .flags = 1,
        .kind = random() & 1 ? kind_of_shape(shape) : NO_PIECE,
        .size = (uint16_t)payload,
        .start = (uint16_t)(start_of(shape) - link),
        .offset = shape & SHAPE_UDP ? 6 : 16,
    };

    if (!tap) {
        put32(into, get16(frame + 12));
        size = PI_SIZE;
    }
    if (choices & CHOICE_VNET) {
        memcpy(into + size, &vnet, VNET_SIZE);
        size += VNET_SIZE;
    }
    memcpy(into + size, frame + link, length - link);
    return size + length - link;
}

/* An LZO1X stream of literals and copies, some of whose lengths are continued. */
static size_t make_stream(uint8_t *into)
{
    static const uint8_t codes[] = {0x10, 0x18, 0x20, 0x3f, 0x40, 0x80, 0xe0};
    size_t length = 0;

    into[length++] = (uint8_t)(18 + random() % 8);
    length += into[0] - 17u;
    for (long i = random() % 40; i > 0; i--) {
        uint8_t code = codes[(size_t)random() % sizeof codes];
        into[length++] = code;
        for (long zeros = random() % 4; (code & 0x1f) == 0 && zeros > 0; zeros--)
            into[length++] = 0;
        if (code < 0x40 && code != 0x3f)
            into[length++] = (uint8_t)random();
        if (code < 0x40)
            into[length++] = 0xa8;
        into[length++] = 0xaa;
    }
    memcpy(into + length, "\x11\0", 3);
    return length + 3;
}

/* Datagrams of a session that changes keys. */
static size_t make_records(uint8_t *input, size_t payload, unsigned shape)
{
    uint8_t frame[512], datagram[512 + RECORD_OVERHEAD];
    struct sptps_sealer sealer;
    size_t length = 0;

    if (sptps_sealer_init(&sealer, key_block, input[1] & 1, 2, false) < 0)
        abort();
    for (unsigned i = 0; i < 12; i++) {
        struct packet packet = {datagram, KIND_SIZE};
        size_t size = make_frame(frame, i, payload, shape), skipped;
        datagram[SEQNO_SIZE] = sptps_kind(&sealer, frame, &skipped);
        if (random() % 8 == 0)
            datagram[SEQNO_SIZE] = (uint8_t)random();
        packet.length += size - skipped;
        memcpy(datagram + RECORD_FRONT, frame + skipped, size - skipped);
        if (i == 6 && sptps_sealer_rekey(&sealer, key_block + 16) < 0)
            abort();
        if (sptps_seal_train(&sealer, &packet, 1, NULL) == 1)
            length += append(input + 2 + length, datagram, packet.length);
    }
    sptps_sealer_free(&sealer);
    return length;
}

/* An input that gets far into one of the parts. */
static size_t make_input(uint8_t *input, enum part part)
{
    uint8_t frame[512], datagram[512 + MAX_OVERHEAD];
    unsigned shape = (unsigned)random() % SHAPES;
    size_t payload = 1 + (size_t)random() % 60, length = 2;

    input[0] = (uint8_t)part;
    input[1] = (uint8_t)random();
    if (part == SPLIT) {
        length = make_frame(frame, 1, payload * 4, shape);
        input[1] = kind_of_shape(shape);
        put16(input + 2, (uint32_t)payload);
        put16(input + 4, (uint32_t)start_of(shape));
        input[6] = shape & SHAPE_UDP ? 6 : 16;
        memcpy(input + 7, frame, length);
        return length + 7;
    }
    if (part == UNPACK)
        return length + make_stream(input + length);
    if (part == RECORDS)
        return length + make_records(input, payload, shape);
    if (part >= PUMP_OUT)
        input[length++] = (uint8_t)random();
    struct suite suite = suite_for(input[1]);
    struct sealer sealer;
    if (sealer_init(&sealer, &suite, key_block) < 0)
        abort();
    for (unsigned i = 0; i < 12; i++) {
        struct packet packet = {datagram, make_frame(frame, i, payload, shape)};
        memcpy(datagram + SEQNO_SIZE, frame, packet.length);
        if (part == PUMP_OUT || (part == PUMP_SERVE && i % 2 == 0)) {
            packet.length = make_read(frame, input[1], payload, shape + i * SHAPES);
            length += append(input + length, frame, packet.length);
        } else if (part != OPEN) {
            length += append(input + length, frame, packet.length);
        } else if (seal_train(&sealer, &packet, 1) == 1) {
            length += append(input + length, datagram, packet.length);
        }
    }
    sealer_free(&sealer);
    return length;
}

#ifdef FUZZER

size_t LLVMFuzzerMutate(uint8_t *data, size_t length, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t length, size_t most, unsigned seed);

/* Nobody guesses a checksum: now and then begin again with an input that has right ones. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t length, size_t most, unsigned seed)
{
    srandom(seed);
    if (most >= INPUT_SIZE && random() % 16 == 0)
        length = make_input(data, (enum part)(random() % PARTS));
    return LLVMFuzzerMutate(data, length, most);
}

#else

static size_t damage(uint8_t *input, size_t length)
{
    for (long i = random() % 6; i > 0; i--) {
        size_t at = 1 + (size_t)random() % (length - 1);
        switch (random() % 4) {
        case 0:
            input[at] ^= (uint8_t)(1 << random() % 8);
            break;
        case 1:
            input[at] = random() & 1 ? 0 : 0xff;
            break;
        case 2:
            input[at] = (uint8_t)random();
            break;
        default:
            if (random() % 8 == 0)
                length = at + 1;
        }
    }
    return length;
}

/* Arguments: most seconds, a seed, most thousands of inputs. */
int main(int count, char **words)
{
    time_t end = time(NULL) + (count > 1 ? atoi(words[1]) : 10);
    unsigned long most = count > 3 ? strtoul(words[3], NULL, 10) : ULONG_MAX / 1000;
    unsigned long tried = 0;
    uint8_t input[INPUT_SIZE];

    srandom(count > 2 ? (unsigned)atoi(words[2]) : (unsigned)end);
    while (time(NULL) < end && tried < 1000 * most)
        for (int i = 0; i < 1000; i++, tried++) {
            size_t length = make_input(input, (enum part)(tried % PARTS));
            LLVMFuzzerTestOneInput(input, damage(input, length));
        }
    printf("%lu inputs, %016llx\n", tried, (unsigned long long)noted);
    return 0;
}

#endif
