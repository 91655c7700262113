/* The plugin boundary, as far as these tests use it; see sdk/src/abi.rs. */

#pragma once
#include <stddef.h>
#include <stdint.h>

struct bytes { const uint8_t *ptr; size_t len; };
struct param { struct bytes key, value; };
struct setup { const struct param *params; size_t param_count; };
struct map_setup { uint32_t partitions, reserved; uint64_t memory_bytes; };
struct block { struct bytes document, bytes; uint64_t offset; };
struct values { struct bytes bytes; uint64_t count; };

struct host {
    uint32_t size, reserved;
    void *context;
    int32_t (*emit)(void *context, struct bytes key, struct bytes value);
    int32_t (*run_begin)(void *context);
    int32_t (*run_pairs)(void *context, uint32_t partition, uint64_t pairs, struct bytes bytes);
    int32_t (*run_end)(void *context);
    int32_t (*write)(void *context, struct bytes bytes, uint64_t records);
    int32_t (*next_values)(void *context, struct values *values);
    int32_t (*combined)(void *context, struct bytes value);
    int32_t (*count)(void *context, struct bytes name, int64_t delta);
    int32_t (*progress)(void *context);
    void (*fail)(void *context, struct bytes message, uint64_t consumed);
};

struct descriptor {
    char magic[8];
    uint32_t abi_version, size, flags, input_mode;
    uint64_t record_bytes, reserved;
    struct bytes name, version, built_with;
    int32_t (*create)(const struct setup *setup, const struct host *host, void **instance);
    void (*destroy)(void *instance);
    int32_t (*map_begin)(void *instance, const struct map_setup *setup, const struct host *host);
    int32_t (*map)(void *instance, const struct block *block, const struct host *host);
    int32_t (*map_end)(void *instance, const struct host *host);
    int32_t (*reduce_begin)(void *instance, uint32_t partition, const struct host *host);
    int32_t (*reduce)(void *instance, struct bytes key, const struct values *first, const struct host *host);
    int32_t (*reduce_end)(void *instance, const struct host *host);
    int32_t (*combine)(void *instance, struct bytes key, const struct values *first, const struct host *host);
    uint32_t (*partition)(void *instance, struct bytes key, uint32_t partitions);
};
