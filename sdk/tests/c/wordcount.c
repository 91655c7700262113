/* Word count in C: a word is a run of ASCII letters. Every pair is emitted by itself; the host collects, and combines.
 *
 * A value is a number in decimal. With --arg fail-at=WORD, map fails at that word, to show how. */
#include <gristmill.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct instance {
    char *fail_at;
};

static gristmill_bytes bytes(const void *ptr, size_t len) {
    return (gristmill_bytes){ptr, len};
}

static gristmill_status fail(const gristmill_host *host, const char *message, uint64_t consumed) {
    host->fail(host->context, bytes(message, strlen(message)), consumed);
    return GRISTMILL_ERROR;
}

static int equals(gristmill_bytes text, const char *other) {
    return text.len == strlen(other) && memcmp(text.ptr, other, text.len) == 0;
}

static gristmill_status create(const gristmill_setup *setup, const gristmill_host *host, void **instance) {
    struct instance *made = calloc(1, sizeof *made);
    if (made == NULL)
        return fail(host, "out of memory", UINT64_MAX);
    for (size_t i = 0; i < setup->param_count; i++) {
        const gristmill_param *param = &setup->params[i];
        if (!equals(param->key, "fail-at") || made->fail_at != NULL) {
            free(made->fail_at);
            free(made);
            return fail(host, "the only parameter is fail-at", UINT64_MAX);
        }
        made->fail_at = calloc(param->value.len + 1, 1);
        if (made->fail_at == NULL) {
            free(made);
            return fail(host, "out of memory", UINT64_MAX);
        }
        memcpy(made->fail_at, param->value.ptr, param->value.len);
    }
    *instance = made;
    return GRISTMILL_OK;
}

static void destroy(void *raw) {
    struct instance *instance = raw;
    free(instance->fail_at);
    free(instance);
}

static gristmill_status map_begin(void *instance, const gristmill_map_setup *setup, const gristmill_host *host) {
    (void)instance, (void)setup, (void)host;
    return GRISTMILL_OK;
}

static int is_letter(uint8_t byte) {
    return (uint8_t)((byte | 0x20) - 'a') < 26;
}

static gristmill_status map(void *raw, const gristmill_block *block, const gristmill_host *host) {
    const struct instance *instance = raw;
    const uint8_t *text = block->bytes.ptr;
    size_t len = block->bytes.len;
    int64_t words = 0;
    for (size_t at = 0; at < len;) {
        if (!is_letter(text[at])) {
            at++;
            continue;
        }
        size_t begin = at;
        while (at < len && is_letter(text[at]))
            at++;
        gristmill_bytes word = bytes(text + begin, at - begin);
        if (instance->fail_at != NULL && equals(word, instance->fail_at))
            return fail(host, "there is the word to fail at", begin);
        gristmill_status status = host->emit(host->context, word, bytes("1", 1));
        if (status != GRISTMILL_OK)
            return status;
        words++;
    }
    return host->count(host->context, bytes("words", 5), words);
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

static gristmill_status reduce_word(gristmill_group *group, const gristmill_host *host) {
    uint64_t total = 0;
    gristmill_values values;
    do {
        gristmill_status status = gristmill_next_values(host, group, &values);
        if (status != GRISTMILL_OK)
            return status;
        total += sum(&values);
    } while (values.count > 0);
    size_t size = group->key.len + 32;
    char *line = malloc(size);
    if (line == NULL)
        return fail(host, "out of memory", group->offset);
    memcpy(line, group->key.ptr, group->key.len);
    int count = snprintf(line + group->key.len, size - group->key.len, " %" PRIu64 "\n", total);
    gristmill_status status = host->write(host->context, bytes(line, group->key.len + (size_t)count), 1);
    free(line);
    return status;
}

static gristmill_status reduce(void *instance, const gristmill_groups *groups, const gristmill_host *host) {
    gristmill_group group = {0};
    gristmill_status status = GRISTMILL_OK;
    (void)instance;
    while (status == GRISTMILL_OK && gristmill_next_group(groups, &group))
        status = reduce_word(&group, host);
    return status;
}

static gristmill_status reduce_end(void *instance, const gristmill_host *host) {
    (void)instance, (void)host;
    return GRISTMILL_OK;
}

static gristmill_status combine(void *instance, gristmill_bytes key, const gristmill_values *first,
                                const gristmill_host *host) {
    gristmill_values values = *first;
    uint64_t total = 0;
    char text[32];
    (void)instance, (void)key;
    while (values.count > 0) {
        total += sum(&values);
        gristmill_status status = host->next_values(host->context, &values);
        if (status != GRISTMILL_OK)
            return status;
    }
    int count = snprintf(text, sizeof text, "%" PRIu64, total);
    return host->combined(host->context, bytes(text, (size_t)count));
}

const gristmill_descriptor gristmill_plugin = {
    .magic = GRISTMILL_MAGIC,
    .abi_version = GRISTMILL_ABI_VERSION,
    .size = sizeof(gristmill_descriptor),
    .flags = 0,
    .input_mode = GRISTMILL_INPUT_TEXT,
    .name = GRISTMILL_BYTES("wordcount-c"),
    .version = GRISTMILL_BYTES("0.1.0"),
    .built_with = GRISTMILL_BYTES("C"),
    .create = create,
    .destroy = destroy,
    .map_begin = map_begin,
    .map = map,
    .map_end = map_end,
    .reduce_begin = reduce_begin,
    .reduce = reduce,
    .reduce_end = reduce_end,
    .combine = combine,
};
