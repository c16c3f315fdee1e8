/*
 * What is left of keys on the stack of who has set them up: nothing that is as good as the
 * key.  A thread whose stack is memory of ours does the work; then that is searched.
 */
#define _GNU_SOURCE
#include "checks.h"
#include "core.h"

#include <alloca.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define STACK (1u << 20)
#define PAGE 4096u
#define PIECE 16u
#define DEPTH 65536u

static const uint8_t key_block[48] = "none of these bytes may be left, nor their sons";
static const struct suite suites[] = {
    {"aes-256-cbc", "sha256", 32, 16, 16, 4, false},
    /* The cipher is OpenSSL's, and so is what its functions leave. */
    {NULL, "sha256", 32, 16, 1, 4, true},
};

/* How far it goes: what comes later may by chance wipe what came before. */
enum extent { SCHEDULE, PADS, EXCHANGE, EXTENTS };

struct task {
    const struct suite *suite;
    enum extent extent;
    struct sealer sealer;
    struct opener opener;
    bool done;
};

static sha256_blocks *blocks_of(const struct suite *suite)
{
    sha256_blocks *blocks = suite->portable ? NULL : x86_sha256();

    return blocks ? blocks : sha256_blocks_portable;
}

static bool exchange(struct task *task)
{
    static uint8_t memory[2048];
    struct packet packet = {memory, 1000};
    struct opened opened;

    if (sealer_init(&task->sealer, task->suite, key_block) < 0 ||
        opener_init(&task->opener, task->suite, key_block, 16) < 0 ||
        seal_train(&task->sealer, &packet, 1) != 1)
        return false;
    open_train(&task->opener, &packet, 1, &opened);
    return opened.drop == DROP_NONE;
}

static void *work(void *argument)
{
    struct task *task = argument;
    /* Deeper down, where the end of a thread does not come. */
    volatile uint8_t *gap = alloca(DEPTH);

    gap[0] = 0;
    if (task->extent == SCHEDULE)
        x86_aes_init(task->sealer.cipher.aes, key_block, 32);
    if (task->extent == PADS)
        hmac_sha256_init(&task->sealer.mac.sha256, key_block, sizeof key_block,
                         blocks_of(task->suite));
    task->done = task->extent < EXCHANGE || exchange(task);
    return NULL;
}

/* As it is, and with the bytes of each word in the order of the other endianness. */
static void no_trace(const uint8_t *stack, const void *secret, const char *what)
{
    const uint8_t nothing[PIECE] = {0};
    uint8_t swapped[PIECE];

    if (memcmp(secret, nothing, PIECE) == 0)
        return;
    for (size_t i = 0; i < PIECE; i++)
        swapped[i] = ((const uint8_t *)secret)[i ^ 3];
    check(memmem(stack, STACK, secret, PIECE) == NULL, what);
    check(memmem(stack, STACK, swapped, PIECE) == NULL, what);
}

static void search(const uint8_t *stack, const struct task *task)
{
    const struct aes_key *aes[] = {task->sealer.cipher.aes, task->opener.cipher.aes};
    const struct hmac_sha256 *hmac = &task->sealer.mac.sha256;
    uint8_t pad[PIECE];

    for (size_t at = 0; at + PIECE <= sizeof key_block; at += PIECE) {
        no_trace(stack, key_block + at, "a key is left");
        for (int i = 0; i < 2; i++) {
            for (size_t j = 0; j < PIECE; j++)
                pad[j] = key_block[at + j] ^ (i ? 0x5c : 0x36);
            no_trace(stack, pad, "a padded key is left");
        }
    }
    no_trace(stack, hmac->inner, "the inner state of a key is left");
    no_trace(stack, hmac->outer, "the outer state of a key is left");
    for (int i = 0; i < 2; i++)
        for (int round = 0; aes[i] != NULL && round <= aes[i]->rounds; round++)
            no_trace(stack, aes[i]->encrypt[round], "a round key is left");
}

static void check_suite(const struct suite *suite, enum extent extent)
{
    struct task task = {.suite = suite, .extent = extent};
    uint8_t *stack = aligned_alloc(PAGE, STACK);
    pthread_attr_t attributes;
    pthread_t thread;

    if (extent == SCHEDULE && x86_has_aes())
        task.sealer.cipher.aes = aligned_alloc(16, sizeof *task.sealer.cipher.aes);
    else if (extent == SCHEDULE)
        task.extent = EXCHANGE;
    check(stack != NULL, "no memory");
    memset(stack, 0, STACK);
    check(pthread_attr_init(&attributes) == 0 &&
              pthread_attr_setstack(&attributes, stack, STACK) == 0 &&
              pthread_create(&thread, &attributes, work, &task) == 0 &&
              pthread_join(thread, NULL) == 0 && task.done,
          "no work");
    search(stack, &task);
    pthread_attr_destroy(&attributes);
    sealer_free(&task.sealer);
    opener_free(&task.opener);
    check(task.sealer.cipher.aes == NULL && *task.sealer.mac.sha256.inner == 0 &&
              *task.opener.mac.sha256.outer == 0,
          "what is freed keeps its key");
    free(stack);
}

void check_secrets(void)
{
    /* So that what the library does when it is loaded does not hide anything. */
    core_features();
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++)
        for (int extent = SCHEDULE; extent < EXTENTS; extent++)
            check_suite(&suites[i], (enum extent)extent);
}
