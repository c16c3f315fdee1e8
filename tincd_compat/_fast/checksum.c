/* The Internet checksum (RFC 1071). */
#include "offload.h"
#include "wire.h"

#include <string.h>

/*
 * Words are summed as the machine reads them: exchanging the bytes of all words only
 * exchanges the bytes of their sum.  32-bit words into 64 bits cannot overflow here, and
 * compilers make vectors of it.
 */
uint32_t sum16(const uint8_t *data, size_t length)
{
    uint64_t sum = 0;
    size_t whole = length / 4 * 4;
    uint8_t rest[4] = {0};
    uint32_t word;

    for (size_t i = 0; i < whole; i += 4) {
        memcpy(&word, data + i, 4);
        sum += word;
    }
    memcpy(rest, data + whole, length - whole);
    memcpy(&word, rest, 4);
    sum += word;
    word = (uint32_t)(sum % 0xFFFFu);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = (word >> 8 | word << 8) & 0xFFFFu;
#endif
    return word;
}

bool fill_checksum(uint8_t *frame, size_t length, size_t start, size_t offset)
{
    size_t field = start + offset;
    uint32_t check;

    if (start > length || field + 2 > length)
        return false;
    /* The seed is part of what is covered.  Zero means "none" in UDP; all bits set is
     * the same number everywhere. */
    check = checksum(sum16(frame + start, length - start));
    put16(frame + field, check ? check : 0xFFFFu);
    return true;
}
