/* The replay window of one direction of one tunnel; see replay.py for the rules. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

int window_init(struct window *window, size_t window_bytes)
{
    memset(window, 0, sizeof *window);
    if (window_bytes > UINT32_MAX / 16)
        return -1;
    window->span = (uint32_t)(8 * window_bytes);
    window->patience = (uint32_t)(window_bytes / 4);
    if (window->span == 0)
        return 0;
    window->missing = calloc(window->span, 1);
    return window->missing == NULL ? -1 : 0;
}

void window_free(struct window *window)
{
    free(window->missing);
    window->missing = NULL;
}

/* Mark the numbers from first up to, not including, end as skipped. */
static void skip(struct window *window, uint32_t first, uint32_t end)
{
    uint32_t start = first % window->span, stop = end % window->span;

    if (start < stop) {
        memset(window->missing + start, 1, stop - start);
        return;
    }
    memset(window->missing + start, 1, window->span - start);
    memset(window->missing, 1, stop);
}

/* Judge a packet that is not the next one, and note what it leaves out. */
static enum judgement judge(struct window *window, uint32_t seqno)
{
    /* In 64 bits, because numbers do not wrap but sums would. */
    uint64_t beyond = (uint64_t)window->highest + window->span + window->margin;

    if (seqno <= window->highest) {
        bool recent = (uint64_t)seqno + window->span > window->highest;
        return recent && window->missing[seqno % window->span] ? ACCEPT : LATE;
    }
    if (seqno < beyond) {
        skip(window, window->highest + 1, seqno);
        return ACCEPT;
    }
    if (window->strays < window->patience) {
        window->strays++;
        return FUTURE;
    }
    memset(window->missing, window->passed, window->span);
    return RESUME;
}

enum judgement window_check(struct window *window, uint32_t seqno)
{
    enum judgement judgement = ACCEPT;

    if (window->span == 0) {
        if (seqno > window->highest)
            window->highest = seqno;
        return ACCEPT;
    }
    if ((uint64_t)seqno != (uint64_t)window->highest + 1) {
        judgement = judge(window, seqno);
        if (judgement == LATE || judgement == FUTURE)
            return judgement;
    }
    if (seqno > window->highest)
        window->highest = seqno;
    window->strays = 0;
    window->missing[seqno % window->span] = 0;
    return judgement;
}

bool window_reaches(const struct window *window, uint32_t seqno)
{
    uint64_t highest = window->highest;

    return window->span == 0 ||
           ((uint64_t)seqno + window->span > highest && seqno <= highest + window->span);
}
