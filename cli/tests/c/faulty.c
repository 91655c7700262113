/* Counts the bytes of each value from ' ' to '~'. With a FAULT defined it does one thing wrong, for `gristmill check` to find. */
#include <gristmill.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static gristmill_bytes bytes(const void *ptr, size_t len) {
    return (gristmill_bytes){ptr, len};
}

#ifdef FAULT_DIES_WHEN_LOADED
__attribute__((constructor)) static void constructor(void) {
    abort();
}
#endif

#ifdef FAULT_EXITS_WHEN_LOADED
__attribute__((constructor)) static void constructor(void) {
    _exit(3);
}
#endif

#ifdef FAULT_HANGS_WHEN_LOADED
__attribute__((constructor)) static void constructor(void) {
    for (;;)
        pause();
}
#endif

static gristmill_status create(const gristmill_setup *setup, const gristmill_host *host, void **instance) {
#ifdef FAULT_REFUSES
    const char *reason = "the parameter `column` is missing";
    host->fail(host->context, bytes(reason, strlen(reason)), UINT64_MAX);
    return GRISTMILL_ERROR;
#endif
    (void)setup, (void)host;
    *instance = malloc(1);
    return GRISTMILL_OK;
}

static void destroy(void *instance) {
    free(instance);
}

static gristmill_status map_begin(void *instance, const gristmill_map_setup *setup, const gristmill_host *host) {
    (void)instance, (void)setup, (void)host;
    return GRISTMILL_OK;
}

static gristmill_status map(void *instance, const gristmill_block *block, const gristmill_host *host) {
    (void)instance;
    uint64_t counts[256] = {0};
    for (size_t i = 0; i < block->bytes.len; i++)
        counts[block->bytes.ptr[i]]++;
#ifdef FAULT_ABORTS_AT_NUL
    if (counts[0] > 0)
        abort();
#endif
#ifdef FAULT_REFUSES_HIGH_BYTES
    for (int byte = 0x80; byte < 0x100; byte++)
        if (byte == 0xff && counts[byte] > 0) {
            host->fail(host->context, bytes("not my kind of text", 19), 0);
            return GRISTMILL_ERROR;
        }
#endif
#ifdef FAULT_ASKS_FOR_ITS_PROCESS
    counts['!'] = (uint64_t)getpid();
#endif
#ifdef FAULT_HIDES_ITS_PROCESS
    counts['!'] = (uint64_t)getpid();
#endif
#ifdef FAULT_COUNTS_CALLS
    counts['!'] = 1;
#endif
    for (int byte = ' '; byte <= '~'; byte++) {
        uint8_t key = (uint8_t)byte;
        char value[32];
        int len = snprintf(value, sizeof value, "%" PRIu64, counts[byte]);
        if (counts[byte] == 0)
            continue;
        gristmill_status status = host->emit(host->context, bytes(&key, 1), bytes(value, (size_t)len));
        if (status != GRISTMILL_OK)
            return status;
    }
    return GRISTMILL_OK;
}

static gristmill_status map_end(void *instance, const gristmill_host *host) {
    (void)instance, (void)host;
    return GRISTMILL_OK;
}

static gristmill_status reduce_begin(void *instance, uint32_t partition, const gristmill_host *host) {
    (void)instance, (void)partition, (void)host;
    return GRISTMILL_OK;
}

static uint64_t sum(const gristmill_values *values) {
    const uint8_t *at = values->bytes.ptr;
    uint64_t total = 0;
    for (uint64_t i = 0; i < values->count; i++) {
        uint64_t value = 0;
        for (uint64_t digits = gristmill_take_length(&at); digits > 0; digits--)
            value = value * 10 + (uint64_t)(*at++ - '0');
        total += value;
    }
    return total;
}

static gristmill_status reduce_key(gristmill_group *group, const gristmill_host *host) {
    uint64_t total = 0;
    char line[64];
    gristmill_values values;
    do {
        gristmill_status status = gristmill_next_values(host, group, &values);
        if (status != GRISTMILL_OK)
            return status;
        total += sum(&values);
    } while (values.count > 0);
#ifdef FAULT_HIDES_ITS_PROCESS
    if (group->key.ptr[0] == '!')
        total = 0;
#endif
    int len = snprintf(line, sizeof line, "%c %" PRIu64 "\n", group->key.ptr[0], total);
    return host->write(host->context, bytes(line, (size_t)len), 1);
}

static gristmill_status reduce(void *instance, const gristmill_groups *groups, const gristmill_host *host) {
    (void)instance;
    gristmill_group group = {0};
    gristmill_status status = GRISTMILL_OK;
    while (status == GRISTMILL_OK && gristmill_next_group(groups, &group))
        status = reduce_key(&group, host);
    return status;
}

static gristmill_status reduce_end(void *instance, const gristmill_host *host) {
    (void)instance, (void)host;
    return GRISTMILL_OK;
}

#ifndef FAULT_COUNTS_CALLS
static gristmill_status combine(void *instance, gristmill_bytes key, const gristmill_values *first,
                                const gristmill_host *host) {
    (void)instance, (void)key;
    gristmill_values values = *first;
    uint64_t total = 0;
    char value[32];
    while (values.count > 0) {
        total += sum(&values);
        gristmill_status status = host->next_values(host->context, &values);
        if (status != GRISTMILL_OK)
            return status;
    }
#ifdef FAULT_COMBINES_WRONGLY
    total += 1;
#endif
    int len = snprintf(value, sizeof value, "%" PRIu64, total);
    return host->combined(host->context, bytes(value, (size_t)len));
}
#endif

GRISTMILL_EXPORT const gristmill_descriptor gristmill_plugin = {
    .magic = GRISTMILL_MAGIC,
    .abi_version = GRISTMILL_ABI_VERSION,
    .size = sizeof(gristmill_descriptor),
    .input_mode = GRISTMILL_INPUT_TEXT,
    .name = GRISTMILL_BYTES("faulty"),
    .version = GRISTMILL_BYTES("1.2"),
    .built_with = GRISTMILL_BYTES("C"),
    .create = create,
    .destroy = destroy,
    .map_begin = map_begin,
    .map = map,
    .map_end = map_end,
    .reduce_begin = reduce_begin,
    .reduce = reduce,
    .reduce_end = reduce_end,
#ifndef FAULT_COUNTS_CALLS
    .combine = combine,
#endif
};
