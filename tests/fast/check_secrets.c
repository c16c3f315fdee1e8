/*
 * What is left of keys on the stack of who has set them up: nothing that is as good as the
 * key.  A thread whose stack is memory of ours does the work; then that is searched.
 */
#define _GNU_SOURCE
#include "checks.h"
#include "core.h"
#include "sptps.h"

#include <alloca.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define STACK (1u << 20)
#define PAGE 4096u
#define PIECE 16u
#define DEPTH 65536u
#define STATE 16u
#define STREAMS 8u

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

/* A session at work, and its sealer and opener. */
struct session {
    struct sptps_sealer sealer;
    struct sptps_opener opener;
    /* If not NULL: only the first blocks of its key stream are wanted. */
    uint32_t (*stream)[STATE];
    bool done;
};

/* Eight blocks are worked on at once. */
static void *run_stream(struct session *session)
{
    struct record record = {(uint8_t *)session->stream, STREAMS * STATE * 4, 7};
    static struct chacha_key key;

    x86_chacha_init(&key, key_block);
    x86_chacha(&key, &record, 1, NULL, true);
    session->done = true;
    return NULL;
}

static void *work_session(void *argument)
{
    static uint8_t memory[20][2048];
    struct session *session = argument;
    struct packet packets[20];
    struct opened opened[20];
    volatile uint8_t *gap = alloca(DEPTH);

    gap[0] = 0;
    if (session->stream != NULL)
        return run_stream(session);
    if (sptps_sealer_init(&session->sealer, key_block, true, 2, false) < 0 ||
        sptps_opener_init(&session->opener, key_block, true, 16, false) < 0)
        return NULL;
    for (size_t i = 0; i < 20; i++) {
        packets[i] = (struct packet){memory[i] + RECORD_HEADROOM, 40 + 60 * i};
        memset(packets[i].data, 0x45, SEQNO_SIZE + packets[i].length);
        packets[i].data[SEQNO_SIZE] = FRAME;
    }
    if (sptps_seal_train(&session->sealer, packets, 20, NULL) != 20)
        return NULL;
    sptps_open_train(&session->opener, packets, 20, opened);
    session->done = opened[0].drop == DROP_NONE && opened[19].drop == DROP_NONE;
    return NULL;
}

/* Where the key stream is our own: a key, or a word of it for each block worked on. */
static void search_session(const uint8_t *stack)
{
    uint8_t words[PIECE];

    for (size_t at = 0; at < RECORD_KEY_SIZE; at += PIECE)
        no_trace(stack, key_block + at, "a key of a session is left");
    for (size_t at = 0; at < RECORD_KEY_SIZE; at += 4) {
        for (size_t i = 0; i < PIECE; i++)
            words[i] = key_block[at + i % 4];
        no_trace(stack, words, "a word of a key is left");
    }
}

/*
 * The states that the rounds end with lie side by side, word by word.  Whoever finds one
 * and knows a text has the key: text and ciphertext are their sum.
 */
static void search_states(const uint8_t *stack, uint32_t (*stream)[STATE])
{
    uint32_t begin[STATE] = {0}, row[PIECE / 4];

    memcpy(begin, "expand 32-byte k", 16);
    memcpy(begin + 4, key_block, RECORD_KEY_SIZE);
    for (size_t word = 0; word < 12; word++)
        for (size_t lane = 0; lane < STREAMS; lane += PIECE / 4) {
            for (size_t i = 0; i < PIECE / 4; i++)
                row[i] = stream[lane + i][word] - begin[word];
            no_trace(stack, row, "a state is left");
        }
}

static void check_session(uint32_t (*stream)[STATE])
{
    struct session session = {.stream = stream};
    uint8_t *stack = aligned_alloc(PAGE, STACK);
    pthread_attr_t attributes;
    pthread_t thread;

    check(stack != NULL, "no memory");
    memset(stack, 0, STACK);
    check(pthread_attr_init(&attributes) == 0 &&
              pthread_attr_setstack(&attributes, stack, STACK) == 0 &&
              pthread_create(&thread, &attributes, work_session, &session) == 0 &&
              pthread_join(thread, NULL) == 0 && session.done,
          "no work");
    if (x86_has_avx2())
        search_session(stack);
    if (stream != NULL)
        search_states(stack, stream);
    pthread_attr_destroy(&attributes);
    sptps_sealer_free(&session.sealer);
    sptps_opener_free(&session.opener);
    check(session.sealer.cipher.chacha == NULL && session.sealer.cipher.stream == NULL &&
              session.opener.ciphers[0].chacha == NULL,
          "what is freed keeps its key");
    free(stack);
}

void check_secrets(void)
{
    static uint32_t stream[STREAMS][STATE];

    /* So that what the library does when it is loaded does not hide anything. */
    core_features();
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++)
        for (int extent = SCHEDULE; extent < EXTENTS; extent++)
            check_suite(&suites[i], (enum extent)extent);
    check_session(NULL);
    if (x86_has_avx2())
        check_session(stream);
}
