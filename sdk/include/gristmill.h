/* gristmill.h: the boundary between Gristmill and a plugin, for plugins written in C (C11 or later).
 *
 * The same as sdk/src/abi.rs, which a test compares with this file. A plugin is a shared library that exports one
 * constant, gristmill_plugin. sdk/tests/c/wordcount.c is a whole one; build it with
 *
 *     cc -std=c11 -O2 -shared -fPIC -fvisibility=hidden -I sdk/include -o libwordcount.so wordcount.c
 *
 * Rules that both sides keep:
 * - Bytes are lent for the duration of one call. Who receives them copies; nobody frees the other's memory.
 * - A plugin function returns a status. Before it returns anything but GRISTMILL_OK it calls host->fail with a message,
 *   unless it only hands on the status of a host function.
 * - A host function that returns anything but GRISTMILL_OK has already recorded why; the plugin returns at once, with
 *   that status.
 * - No C++ exception may cross the boundary.
 * - One instance is used by one thread at a time.
 *
 * The life of an instance:
 *
 *     create -+- map attempt:    map_begin, map (once a block), map_end         -+- ... more attempts ... - destroy
 *             +- reduce attempt: reduce_begin, reduce (once a batch), reduce_end -+
 *
 * Nothing of an attempt may show in the next one. After a failed call the instance is only destroyed.
 */
#ifndef GRISTMILL_H
#define GRISTMILL_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The first bytes of every descriptor, the terminating zero included. */
#define GRISTMILL_MAGIC "GRISTML"

/* Grows with every incompatible change. */
#define GRISTMILL_ABI_VERSION 2u

/* How much of a descriptor is checked in the file before the library is loaded: what is before its first pointer. */
#define GRISTMILL_HEADER_BYTES 40

/* The outcome of a call across the boundary. */
typedef int32_t gristmill_status;
#define GRISTMILL_OK ((gristmill_status)0)    /* it worked */
#define GRISTMILL_ERROR ((gristmill_status)1) /* the app failed */
#define GRISTMILL_PANIC ((gristmill_status)2) /* the app panicked; the panic was caught inside the plugin */
#define GRISTMILL_STOP ((gristmill_status)3)  /* the host wants the attempt to end; it knows why */

/* input_mode */
#define GRISTMILL_INPUT_TEXT 0u    /* blocks of whole lines */
#define GRISTMILL_INPUT_FILE 1u    /* a whole file in one call, never split */
#define GRISTMILL_INPUT_RECORDS 2u /* blocks of whole records of record_bytes each */

/* flags */
#define GRISTMILL_MAP_ONLY 1u      /* no reduce stage: map writes the output */
#define GRISTMILL_PANIC_ABORTS 2u  /* a panic costs the process */
#define GRISTMILL_COLLECTS 4u      /* hands over sorted runs itself; without it every pair goes through host->emit */
#define GRISTMILL_TOTAL_ORDER 8u   /* partitions are ranges of keys: see bounds; not with MAP_ONLY or partition */

/* Borrowed bytes. ptr may be null when len is zero. */
typedef struct gristmill_bytes {
    const uint8_t *ptr;
    size_t len;
} gristmill_bytes;

/* A parameter of the job (--arg key=value), both UTF-8. */
typedef struct gristmill_param {
    gristmill_bytes key;
    gristmill_bytes value;
} gristmill_param;

/* What an instance is created with: param_count parameters, sorted by key, keys distinct. */
typedef struct gristmill_setup {
    const gristmill_param *params;
    size_t param_count;
} gristmill_setup;

/* What a map attempt begins with. */
typedef struct gristmill_map_setup {
    uint32_t partitions;   /* number of partitions (reduces); 0 in a map-only job */
    uint32_t reserved;     /* zero */
    uint64_t memory_bytes; /* what the plugin may hold of collected pairs before it hands over a run */
    /* With GRISTMILL_TOTAL_ORDER, where partitions begin: fewer encoded keys than there are partitions, ascending, each a
     * LEB128 length and so many bytes. A key belongs to the partition whose number is that of the bounds which are not
     * above it, compared byte by byte; so without bounds all keys belong to the first. Empty without the flag. */
    gristmill_bytes bounds;
} gristmill_map_setup;

/* One block of input. */
typedef struct gristmill_block {
    gristmill_bytes document; /* its name as the user gave it; not necessarily UTF-8 */
    gristmill_bytes bytes;    /* whole lines, whole records, or the whole file */
    uint64_t offset;          /* where bytes begins in the (decompressed) document */
} gristmill_block;

/* Some values of one key: count times a LEB128 length (at most 10 bytes) and so many bytes. */
typedef struct gristmill_values {
    gristmill_bytes bytes;
    uint64_t count; /* zero from next_values: there are no more */
} gristmill_values;

/* A batch of groups, whole keys with their values, in the order of their keys; go through them with gristmill_next_group.
 * bytes holds count groups back to back, one at least: a LEB128 key length and the key; a LEB128 number of values and a
 * LEB128 number of bytes; so many bytes which hold so many values, encoded as in gristmill_values. All stay until the call
 * returns. */
typedef struct gristmill_groups {
    gristmill_bytes bytes;
    uint64_t count;
    uint32_t more;     /* 1: the last group has values that are not here; they come from next_values */
    uint32_t reserved; /* zero */
} gristmill_groups;

/* The host's functions, lent for one call. Pass context back to each. */
typedef struct gristmill_host {
    uint32_t size;     /* sizeof(gristmill_host) as the host was built; later versions only append */
    uint32_t reserved; /* zero */
    void *context;
    /* Map: one pair. In a map-only job it is written as the line "key value". */
    gristmill_status (*emit)(void *context, gristmill_bytes key, gristmill_bytes value);
    /* Map, with GRISTMILL_COLLECTS: a run begins. Until run_end keys ascend within ascending partitions; equal keys are
     * in emission order. */
    gristmill_status (*run_begin)(void *context);
    /* Pairs of one partition: `pairs` times a LEB128 key length, a LEB128 value length, key, value. */
    gristmill_status (*run_pairs)(void *context, uint32_t partition, uint64_t pairs, gristmill_bytes bytes);
    /* The run that was begun is whole. */
    gristmill_status (*run_end)(void *context);
    /* Reduce, or map in a map-only job: bytes of output, in which `records` records end. */
    gristmill_status (*write)(void *context, gristmill_bytes bytes, uint64_t records);
    /* Reduce: the next values of the last group of the batch. Combine: those of the key. They stay until the next call or
     * the return. */
    gristmill_status (*next_values)(void *context, gristmill_values *values);
    /* Combine: one value that stands for those taken so far. */
    gristmill_status (*combined)(void *context, gristmill_bytes value);
    /* Add to a counter of the job, named in UTF-8 (at most 256 bytes). */
    gristmill_status (*count)(void *context, gristmill_bytes name, int64_t delta);
    /* Say that the attempt is alive, when one record takes long; in reduce, once a group. */
    gristmill_status (*progress)(void *context);
    /* Say why the call is about to fail: a UTF-8 message, and how many bytes of the current block, or of the batch of groups,
     * come before what is wrong (UINT64_MAX when unknown). */
    void (*fail)(void *context, gristmill_bytes message, uint64_t consumed);
} gristmill_host;

/* What the library exports. */
typedef struct gristmill_descriptor {
    char magic[8];        /* GRISTMILL_MAGIC */
    uint32_t abi_version; /* GRISTMILL_ABI_VERSION */
    uint32_t size;        /* sizeof(gristmill_descriptor); later versions only append */
    uint32_t flags;
    uint32_t input_mode;
    uint64_t record_bytes; /* for GRISTMILL_INPUT_RECORDS, else zero */
    uint64_t reserved;     /* zero */
    gristmill_bytes name;
    gristmill_bytes version;
    gristmill_bytes built_with; /* for messages only */
    /* Makes an instance. On failure *instance is left null. */
    gristmill_status (*create)(const gristmill_setup *setup, const gristmill_host *host, void **instance);
    /* Ends an instance. */
    void (*destroy)(void *instance);
    gristmill_status (*map_begin)(void *instance, const gristmill_map_setup *setup, const gristmill_host *host);
    gristmill_status (*map)(void *instance, const gristmill_block *block, const gristmill_host *host);
    gristmill_status (*map_end)(void *instance, const gristmill_host *host);
    gristmill_status (*reduce_begin)(void *instance, uint32_t partition, const gristmill_host *host);
    /* Reduces a batch of keys. Their values need not all be taken. */
    gristmill_status (*reduce)(void *instance, const gristmill_groups *groups, const gristmill_host *host);
    gristmill_status (*reduce_end)(void *instance, const gristmill_host *host);
    /* May be null: folds the values of one key, which are first and what next_values gives, into fewer, which go back through
     * combined. */
    gristmill_status (*combine)(void *instance, gristmill_bytes key, const gristmill_values *first,
                                const gristmill_host *host);
    /* May be null: the partition of a key, below partitions. Without it the host spreads keys by a hash, or by
     * ranges (GRISTMILL_TOTAL_ORDER). */
    uint32_t (*partition)(void *instance, gristmill_bytes key, uint32_t partitions);
} gristmill_descriptor;

/* Takes a LEB128 length off the front of what the host has lent, which is whole. */
static inline uint64_t gristmill_take_length(const uint8_t **at) {
    uint64_t length = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = *(*at)++;
        length |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    return length;
}

/* A group of a batch. All zero, it stands before the first. */
typedef struct gristmill_group {
    gristmill_bytes key;
    uint64_t offset;        /* where it begins in the batch: tell fail, so that the key is named */
    gristmill_values first; /* values for gristmill_next_values; perhaps none, though there are more */
    int more;               /* the host has others */
    uint64_t taken;         /* groups taken so far, this one included */
    uint64_t next;          /* where the next one begins */
} gristmill_group;

/* Moves to the next group of a batch; 0 at the end. */
static inline int gristmill_next_group(const gristmill_groups *groups, gristmill_group *group) {
    const uint8_t *at = groups->bytes.ptr + group->next;
    if (group->taken == groups->count)
        return 0;
    group->offset = group->next;
    group->key.len = (size_t)gristmill_take_length(&at);
    group->key.ptr = at;
    at += group->key.len;
    group->first.count = gristmill_take_length(&at);
    group->first.bytes.len = (size_t)gristmill_take_length(&at);
    group->first.bytes.ptr = at;
    group->next = (uint64_t)(at + group->first.bytes.len - groups->bytes.ptr);
    group->taken++;
    group->more = groups->more && group->taken == groups->count;
    return 1;
}

/* Takes the next values of a group, its first ones included; their count is 0 when there are no more. */
static inline gristmill_status gristmill_next_values(const gristmill_host *host, gristmill_group *group,
                                                     gristmill_values *values) {
    *values = group->first;
    group->first.count = 0;
    return values->count == 0 && group->more ? host->next_values(host->context, values) : GRISTMILL_OK;
}

#define GRISTMILL_BYTES(literal) {(const uint8_t *)(literal), sizeof(literal) - 1}

#if defined(_WIN32)
#define GRISTMILL_EXPORT __declspec(dllexport)
#else
#define GRISTMILL_EXPORT __attribute__((visibility("default")))
#endif

/* The plugin defines this. */
extern GRISTMILL_EXPORT const gristmill_descriptor gristmill_plugin;

#if UINTPTR_MAX == UINT64_MAX
static_assert(sizeof(gristmill_bytes) == 16, "layout of gristmill_bytes");
static_assert(sizeof(gristmill_map_setup) == 32, "layout of gristmill_map_setup");
static_assert(sizeof(gristmill_block) == 40, "layout of gristmill_block");
static_assert(sizeof(gristmill_values) == 24, "layout of gristmill_values");
static_assert(sizeof(gristmill_groups) == 32, "layout of gristmill_groups");
static_assert(sizeof(gristmill_host) == 96, "layout of gristmill_host");
static_assert(sizeof(gristmill_descriptor) == 168, "layout of gristmill_descriptor");
#endif
static_assert(sizeof(GRISTMILL_MAGIC) == 8, "the magic fills its field");
static_assert(offsetof(gristmill_descriptor, name) == GRISTMILL_HEADER_BYTES, "what is checked before loading");

#ifdef __cplusplus
}
#endif

#endif
