/*
 * Any bytes into the parts of the compiled core that strangers can reach.
 *
 * With libFuzzer (FUZZER defined) the input is its; else main() makes inputs from valid
 * ones by random damage, for as many seconds as it is told.  Whatever a function makes of
 * an input, it must not touch memory that is not its own: build with sanitizers.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core.h"
#include "offload.h"
#include "pump.h"
#include "wire.h"

#define INPUT_SIZE 4096u
#define FRAMES 16u

static const uint8_t key_block[48] = "a key block, as long as AES-256-CBC wants it...";

static struct suite suite_for(uint8_t choice)
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

/* Memory of exactly this size, so that every step beyond it is noticed. */
static uint8_t *copy_of(const uint8_t *data, size_t length)
{
    uint8_t *copy = malloc(length ? length : 1);

    if (copy == NULL)
        abort();
    memcpy(copy, data, length);
    return copy;
}

/* Cut an input into frames: two bytes of length, then as many bytes. */
static size_t cut_frames(const uint8_t *data, size_t length, struct packet *frames)
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

static void free_frames(struct packet *frames, size_t count)
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
        }
    fill_checksum(frame, length - 6, get16(data + 1), data[5]);
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
        for (size_t i = 0; i < pieces; i++)
            if (coalescer.pieces[i].frames > 1)
                finish_piece(&coalescer.pieces[i]);
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
        if (opened[i].drop != DROP_NONE)
            continue;
        size_t size = plain_destination(opened[i].frame, opened[i].length, i & 1, &key);
        if (size > 0 && key + size > opened[i].frame + opened[i].length)
            abort();
    }
    opener_free(&opener);
    free_frames(frames, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    if (length < 2 || length > INPUT_SIZE)
        return 0;
    switch (data[0] % 3) {
    case 0:
        try_split(data + 1, length - 1);
        break;
    case 1:
        try_coalesce(data + 1, length - 1);
        break;
    default:
        try_open(data + 1, length - 1);
    }
    return 0;
}

#ifndef FUZZER

/* A TCP or UDP segment of one flow, with right checksums. */
static size_t make_frame(uint8_t *frame, unsigned index, size_t payload, bool udp)
{
    size_t header = udp ? UDP_SIZE : TCP_SIZE, start = ETHERNET_SIZE + IPV4_SIZE;
    size_t length = start + header + payload;

    memset(frame, 0, length);
    put16(frame + 12, 0x0800);
    frame[14] = 0x45;
    put16(frame + 16, (uint32_t)(length - ETHERNET_SIZE));
    frame[22] = 64;
    frame[23] = udp ? PROTOCOL_UDP : PROTOCOL_TCP;
    frame[29] = 1;
    frame[33] = 2;
    put16(frame + 24, checksum(sum16(frame + ETHERNET_SIZE, IPV4_SIZE)));
    put32(frame + start, 0x00010002);
    if (udp) {
        put16(frame + start + 4, (uint32_t)(length - start));
    } else {
        put32(frame + start + 4, (uint32_t)(index * payload));
        frame[start + 12] = 0x50;
        frame[start + 13] = FLAG_ACK;
    }
    memset(frame + start + header, (int)index, payload);
    uint64_t sum = sum16(frame + 26, 8) + frame[23] + length - start;
    size_t field = start + (udp ? 6 : 16);
    put16(frame + field, checksum(sum + sum16(frame + start, length - start)));
    return length;
}

static size_t append(uint8_t *into, const uint8_t *data, size_t length)
{
    put16(into, (uint32_t)length);
    memcpy(into + 2, data, length);
    return length + 2;
}

/* An input that gets far into one of the parts. */
static size_t make_input(uint8_t *input, unsigned part)
{
    uint8_t frame[512], datagram[512 + MAX_OVERHEAD];
    bool udp = random() & 1;
    size_t payload = 1 + (size_t)random() % 60, length = 2;

    input[0] = (uint8_t)part;
    input[1] = (uint8_t)random();
    if (part == 0) {
        length = make_frame(frame, 1, payload * 4, udp);
        input[1] = udp ? UDP : TCPV4;
        put16(input + 2, (uint32_t)payload);
        put16(input + 4, ETHERNET_SIZE + IPV4_SIZE);
        input[6] = udp ? 6 : 16;
        memcpy(input + 7, frame, length);
        return length + 7;
    }
    struct suite suite = suite_for(input[1]);
    struct sealer sealer;
    if (sealer_init(&sealer, &suite, key_block) < 0)
        abort();
    for (unsigned i = 0; i < 8; i++) {
        struct packet packet = {datagram, make_frame(frame, i, payload, udp)};
        memcpy(datagram + SEQNO_SIZE, frame, packet.length);
        if (part == 1) {
            length += append(input + length, frame, packet.length);
        } else if (seal_train(&sealer, &packet, 1) == 1) {
            length += append(input + length, datagram, packet.length);
        }
    }
    sealer_free(&sealer);
    return length;
}

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

int main(int count, char **words)
{
    time_t end = time(NULL) + (count > 1 ? atoi(words[1]) : 10);
    unsigned long tried = 0;
    uint8_t input[INPUT_SIZE];

    srandom(count > 2 ? (unsigned)atoi(words[2]) : (unsigned)end);
    while (time(NULL) < end)
        for (int i = 0; i < 1000; i++, tried++) {
            size_t length = make_input(input, (unsigned)(tried % 3));
            LLVMFuzzerTestOneInput(input, damage(input, length));
        }
    printf("%lu inputs\n", tried);
    return 0;
}

#endif
