/* An app in C with as many faces as the tests need.
 *
 * Chosen when it is compiled: INPUT_MODE, RECORD_BYTES, and whether it COLLECTS, COMBINES, PARTITIONS, wants a TOTAL_ORDER, is MAP_ONLY, or has another
 * ABI or MAGIC. Chosen when it runs: the parameter `do` names a rule to be broken or a way to fail, `values=offsets` makes it
 * list where each word is rather than how often. A word is a run of bytes other than space and newline. */
#include <stdlib.h>
#include <string.h>
#include "gristmill.h"

#ifndef INPUT_MODE
#define INPUT_MODE GRISTMILL_INPUT_TEXT
#endif
#ifndef RECORD_BYTES
#define RECORD_BYTES 0
#endif
#ifndef ABI
#define ABI GRISTMILL_ABI_VERSION
#endif

typedef gristmill_status status;
typedef gristmill_bytes bytes;
typedef gristmill_host host;

#define RUN_PAIRS 50

typedef struct {
    uint32_t partition;
    uint64_t order;
    size_t key_length;
    uint8_t *key;
    uint64_t value;
} pair;

typedef struct {
    char what[64];
    int offsets;
    uint32_t partitions;
    uint8_t *bounds;
    size_t bounds_length;
    pair pairs[RUN_PAIRS];
    size_t pair_count;
    uint64_t emitted;
} app;

static bytes lend(const void *data, size_t length) {
    bytes lent = {(const uint8_t *)data, length};
    return lent;
}

static int doing(const app *self, const char *what) { return strcmp(self->what, what) == 0; }

static status failing(const host *h, const char *message, uint64_t consumed, status with) {
    h->fail(h->context, lend(message, strlen(message)), consumed);
    return with;
}

static int is(bytes lent, const char *text) {
    return lent.len == strlen(text) && memcmp(lent.ptr, text, lent.len) == 0;
}

static status create(const gristmill_setup *setup, const host *h, void **instance) {
    app *self = calloc(1, sizeof(app));
    if (!self) return failing(h, "no memory", UINT64_MAX, GRISTMILL_ERROR);
    for (size_t i = 0; i < setup->param_count; i++) {
        bytes key = setup->params[i].key, value = setup->params[i].value;
        if (is(key, "do") && value.len < sizeof self->what) memcpy(self->what, value.ptr, value.len);
        if (is(key, "values")) self->offsets = is(value, "offsets");
    }
    if (doing(self, "fail to create")) {
        free(self);
        return failing(h, "will not be created", UINT64_MAX, GRISTMILL_ERROR);
    }
    *instance = self;
    return GRISTMILL_OK;
}

static void destroy(void *instance) {
    app *self = instance;
    for (size_t i = 0; i < self->pair_count; i++) free(self->pairs[i].key);
    free(self->bounds);
    free(self);
}

#ifdef TOTAL_ORDER
static uint32_t in_order(const app *self, bytes key) {
    uint32_t not_above = 0;
    for (size_t at = 0; at < self->bounds_length;) {
        size_t length = 0;
        for (int shift = 0;; shift += 7) {
            uint8_t group = self->bounds[at++];
            length |= (size_t)(group & 0x7f) << shift;
            if (group < 0x80) break;
        }
        int order = memcmp(self->bounds + at, key.ptr, length < key.len ? length : key.len);
        if (order > 0 || (order == 0 && length > key.len)) break;
        at += length;
        not_above++;
    }
    return not_above;
}
#endif

static uint32_t choose(void *instance, bytes key, uint32_t partitions) {
#ifdef TOTAL_ORDER
    if (partitions > 0) return in_order(instance, key);
#endif
    if (doing(instance, "choose a partition that is not there")) return partitions;
    uint32_t sum = 7;
    for (size_t i = 0; i < key.len; i++) sum = sum * 31 + key.ptr[i];
    return sum % partitions;
}

#ifdef COLLECTS
static int by_partition_key_order(const void *left, const void *right) {
    const pair *a = left, *b = right;
    if (a->partition != b->partition) return a->partition < b->partition ? -1 : 1;
    size_t shorter = a->key_length < b->key_length ? a->key_length : b->key_length;
    int order = memcmp(a->key, b->key, shorter);
    if (order) return order;
    if (a->key_length != b->key_length) return a->key_length < b->key_length ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

static size_t put_length(uint8_t *into, uint64_t length) {
    size_t at = 0;
    while (length >= 0x80) {
        into[at++] = (uint8_t)(length | 0x80);
        length >>= 7;
    }
    into[at++] = (uint8_t)length;
    return at;
}

static status hand_over(app *self, const host *h) {
    status done = GRISTMILL_OK;
    if (self->pair_count == 0) return done;
    qsort(self->pairs, self->pair_count, sizeof(pair), by_partition_key_order);
    done = h->run_begin(h->context);
    for (size_t i = 0; i < self->pair_count; i++) {
        pair *p = &self->pairs[i];
        uint8_t *encoded = malloc(p->key_length + 30);
        size_t at = put_length(encoded, p->key_length);
        at += put_length(encoded + at, 8);
        memcpy(encoded + at, p->key, p->key_length);
        at += p->key_length;
        for (int byte = 0; byte < 8; byte++) encoded[at++] = (uint8_t)(p->value >> (8 * byte));
        if (done == GRISTMILL_OK) done = h->run_pairs(h->context, p->partition, 1, lend(encoded, at));
        free(encoded);
        free(p->key);
    }
    self->pair_count = 0;
    return done == GRISTMILL_OK ? h->run_end(h->context) : done;
}
#endif

static status emit(app *self, const host *h, bytes key, uint64_t value) {
#ifdef COLLECTS
    if (self->pair_count == RUN_PAIRS) {
        status done = hand_over(self, h);
        if (done != GRISTMILL_OK) return done;
    }
    pair *p = &self->pairs[self->pair_count++];
    p->partition = choose(self, key, self->partitions);
    p->order = self->emitted++;
    p->key = malloc(key.len + 1);
    p->key_length = key.len;
    memcpy(p->key, key.ptr, key.len);
    p->value = value;
    return GRISTMILL_OK;
#else
    (void)self;
    uint8_t encoded[8];
    for (int byte = 0; byte < 8; byte++) encoded[byte] = (uint8_t)(value >> (8 * byte));
    return h->emit(h->context, key, lend(encoded, 8));
#endif
}

static status map_begin(void *instance, const gristmill_map_setup *setup, const host *h) {
    (void)h;
    app *self = instance;
    self->partitions = setup->partitions;
    free(self->bounds);
    self->bounds_length = setup->bounds.len;
    self->bounds = malloc(setup->bounds.len + 1);
    if (setup->bounds.len > 0) memcpy(self->bounds, setup->bounds.ptr, setup->bounds.len);
    return GRISTMILL_OK;
}

static status run_of(const host *h, uint32_t partition, uint64_t pairs, const char *encoded, size_t length) {
    status done = h->run_begin(h->context);
    if (done == GRISTMILL_OK) done = h->run_pairs(h->context, partition, pairs, lend(encoded, length));
    return done == GRISTMILL_OK ? h->run_end(h->context) : done;
}

/* Breaks the rule that was asked for; UNBROKEN when there is nothing to break here. */
#define UNBROKEN 1000
static status break_a_rule(app *self, const gristmill_block *block, const host *h) {
    gristmill_values values;
    if (doing(self, "fail")) return failing(h, "a bad\nrecord", 7, GRISTMILL_ERROR);
    if (doing(self, "fail far out")) return failing(h, "somewhere", block->bytes.len + 1, GRISTMILL_ERROR);
    if (doing(self, "fail at length")) {
        char *message = malloc(1 << 20);
        memset(message, 'x', 1 << 20);
        h->fail(h->context, lend(message, 1 << 20), UINT64_MAX);
        free(message);
        return GRISTMILL_ERROR;
    }
    if (doing(self, "panic")) return failing(h, "caught a panic", UINT64_MAX, GRISTMILL_PANIC);
    if (doing(self, "fail silently")) return GRISTMILL_ERROR;
    if (doing(self, "stop unasked")) return GRISTMILL_STOP;
    if (doing(self, "return 42")) return 42;
    if (doing(self, "lend null")) return h->emit(h->context, lend(NULL, 5), lend("", 0));
    if (doing(self, "lend too much")) return h->emit(h->context, lend("x", SIZE_MAX), lend("", 0));
    if (doing(self, "ignore a refusal")) {
        h->emit(h->context, lend(NULL, 5), lend("", 0));
        return GRISTMILL_OK;
    }
    if (doing(self, "write in map")) return h->write(h->context, lend("x\n", 2), 1);
    if (doing(self, "ask for values in map")) return h->next_values(h->context, &values);
    if (doing(self, "name no counter")) return h->count(h->context, lend("", 0), 1);
    if (doing(self, "name a counter badly")) return h->count(h->context, lend("\xff", 1), 1);
    if (doing(self, "count without end")) {
        for (uint32_t i = 0;; i++) {
            status done = h->count(h->context, lend((char[4]){'a' + i % 26, 'a' + i / 26 % 26, 'a' + i / 676 % 26, 'a'}, 4), 1);
            if (done != GRISTMILL_OK) return done;
        }
    }
    if (doing(self, "emit")) return h->emit(h->context, lend("k", 1), lend("v", 1));
    if (doing(self, "begin a run")) return h->run_begin(h->context);
    if (doing(self, "begin a run twice")) {
        status done = h->run_begin(h->context);
        return done == GRISTMILL_OK ? h->run_begin(h->context) : done;
    }
    if (doing(self, "pairs without a run")) return h->run_pairs(h->context, 0, 1, lend("\1\1kv", 4));
    if (doing(self, "end no run")) return h->run_end(h->context);
    if (doing(self, "unsorted run")) return run_of(h, 0, 2, "\1\0b\1\0a", 6);
    if (doing(self, "run for no partition")) return run_of(h, 99, 1, "\1\1kv", 4);
    if (doing(self, "garbage in a run")) return run_of(h, 0, 2, "\1\1kv\x7f\x7fk", 7);
    if (doing(self, "huge lengths in a run"))
        return run_of(h, 0, 1, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 20);
    if (doing(self, "more pairs than said")) return run_of(h, 0, 1, "\1\1kv\1\1kv", 8);
    if (doing(self, "endless pairs said")) return run_of(h, 0, UINT64_MAX, "\1\1kv", 4);
    if (doing(self, "partitions descend")) {
        status done = h->run_begin(h->context);
        if (done == GRISTMILL_OK) done = h->run_pairs(h->context, 1, 1, lend("\1\1kv", 4));
        return done == GRISTMILL_OK ? h->run_pairs(h->context, 0, 1, lend("\1\1kv", 4)) : done;
    }
    return UNBROKEN;
}

static status map(void *instance, const gristmill_block *block, const host *h) {
    app *self = instance;
    status broken = break_a_rule(self, block, h);
    if (broken != UNBROKEN) return broken;
    const uint8_t *at = block->bytes.ptr;
    size_t length = block->bytes.len;
#if RECORD_BYTES > 0
    for (size_t i = 0; i < length; i += RECORD_BYTES) {
        status done = emit(self, h, lend(at + i, RECORD_BYTES), self->offsets ? block->offset + i : 1);
        if (done != GRISTMILL_OK) return done;
    }
#else
    for (size_t i = 0; i < length;) {
        size_t start = i;
        while (i < length && at[i] != ' ' && at[i] != '\n') i++;
        if (i > start) {
            status done = emit(self, h, lend(at + start, i - start), self->offsets ? block->offset + start : 1);
            if (done != GRISTMILL_OK) return done;
        } else {
            i++;
        }
    }
#endif
    status done = h->count(h->context, lend("blocks", 6), 1);
    return done == GRISTMILL_OK ? h->progress(h->context) : done;
}

static status map_end(void *instance, const host *h) {
#ifdef COLLECTS
    return hand_over(instance, h);
#else
    (void)instance, (void)h;
    return GRISTMILL_OK;
#endif
}

#ifndef MAP_ONLY
static status reduce_begin(void *instance, uint32_t partition, const host *h) {
    (void)instance, (void)partition, (void)h;
    return GRISTMILL_OK;
}

static status write_number(const host *h, char before, uint64_t number) {
    char text[24];
    size_t at = sizeof text;
    do text[--at] = (char)('0' + number % 10);
    while (number /= 10);
    text[--at] = before;
    return h->write(h->context, lend(text + at, sizeof text - at), 0);
}

static uint64_t take_value(const uint8_t **at) {
    uint64_t value = 0;
    const uint8_t *bytes_of = *at + 1; /* all values have 8 bytes, so the length has one */
    for (int byte = 0; byte < 8; byte++) value |= (uint64_t)bytes_of[byte] << (8 * byte);
    *at += 9;
    return value;
}

static status reduce_word(app *self, gristmill_group *group, const host *h) {
    if (doing(self, "fail to reduce") && is(group->key, "bad"))
        return failing(h, "will not reduce", group->offset, GRISTMILL_ERROR);
    if (doing(self, "fail to reduce somewhere") && is(group->key, "bad"))
        return failing(h, "will not reduce", UINT64_MAX, GRISTMILL_ERROR);
    status done = h->write(h->context, group->key, 0);
    uint64_t total = 0;
    gristmill_values values = {{NULL, 0}, 1};
    while (done == GRISTMILL_OK && values.count > 0) {
        done = gristmill_next_values(h, group, &values);
        const uint8_t *at = values.bytes.ptr;
        for (uint64_t i = 0; done == GRISTMILL_OK && i < values.count; i++) {
            uint64_t value = take_value(&at);
            total += value;
            if (self->offsets) done = write_number(h, ',', value);
        }
        if (doing(self, "take few values")) break;
    }
    if (done == GRISTMILL_OK && !self->offsets && !doing(self, "take few values")) done = write_number(h, ' ', total);
    return done == GRISTMILL_OK ? h->write(h->context, lend("\n", 1), 1) : done;
}

static status reduce(void *instance, const gristmill_groups *groups, const host *h) {
    gristmill_group group = {0};
    status done = GRISTMILL_OK;
    if (doing(instance, "ask for values that are not there")) {
        gristmill_values values = {lend("", 0), 1};
        do done = h->next_values(h->context, &values);
        while (done == GRISTMILL_OK && values.count > 0);
    }
    while (done == GRISTMILL_OK && gristmill_next_group(groups, &group)) done = reduce_word(instance, &group, h);
    return done;
}

static status reduce_end(void *instance, const host *h) {
    if (doing(instance, "ask for values at the end")) {
        gristmill_values values;
        return h->next_values(h->context, &values);
    }
    return h->count(h->context, lend("reduces", 7), 1);
}
#endif

#ifdef COMBINES
static status combine(void *instance, bytes key, const gristmill_values *first, const host *h) {
    (void)key;
    uint64_t total = 0;
    gristmill_values values = *first;
    status done = GRISTMILL_OK;
    if (doing(instance, "combine into nothing")) return done;
    while (done == GRISTMILL_OK && values.count > 0) {
        const uint8_t *at = values.bytes.ptr;
        for (uint64_t i = 0; i < values.count; i++) total += take_value(&at);
        if (doing(instance, "combine few values")) break;
        done = h->next_values(h->context, &values);
    }
    uint8_t encoded[8];
    for (int byte = 0; byte < 8; byte++) encoded[byte] = (uint8_t)(total >> (8 * byte));
    return done == GRISTMILL_OK ? h->combined(h->context, lend(encoded, 8)) : done;
}
#endif

#ifdef ELSEWHERE
#define EXPORTED ELSEWHERE
#else
#define EXPORTED gristmill_plugin
#endif

const gristmill_descriptor EXPORTED = {
#ifdef BAD_MAGIC
    .magic = "not us",
#else
    .magic = GRISTMILL_MAGIC,
#endif
    .abi_version = ABI,
    .size = sizeof(gristmill_descriptor),
    .flags = 0
#ifdef COLLECTS
             | GRISTMILL_COLLECTS
#endif
#ifdef MAP_ONLY
             | GRISTMILL_MAP_ONLY
#endif
#ifdef TOTAL_ORDER
             | GRISTMILL_TOTAL_ORDER
#endif
#ifdef MORE_FLAGS
             | MORE_FLAGS
#endif
    ,
    .input_mode = INPUT_MODE,
    .record_bytes = RECORD_BYTES,
    .name = GRISTMILL_BYTES("c-app"),
    .version = GRISTMILL_BYTES("1.2"),
    .built_with = GRISTMILL_BYTES("cc"),
    .create = create,
    .destroy = destroy,
    .map_begin = map_begin,
#ifndef NO_MAP
    .map = map,
#endif
    .map_end = map_end,
#ifndef MAP_ONLY
    .reduce_begin = reduce_begin,
    .reduce = reduce,
    .reduce_end = reduce_end,
#endif
#ifdef COMBINES
    .combine = combine,
#endif
#ifdef PARTITIONS
    .partition = choose,
#endif
};
