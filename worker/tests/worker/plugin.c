/* A plugin that counts lines, and misbehaves when the parameter `do` tells it to.
 *
 * `at` is a file name for what a test wants to see from outside. `marker` is compiled in, so that the same source gives
 * libraries with different contents. */

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <unistd.h>

#include "gristmill.h"

#ifndef MARKER
#define MARKER "plain"
#endif

extern char **environ;

struct instance {
    char behaviour[64];
    char at[4096];
};

static volatile const char marker[] = MARKER;

static void fail(const gristmill_host *host, const char *message) {
    gristmill_bytes text = { (const uint8_t *)message, strlen(message) };
    host->fail(host->context, text, UINT64_MAX);
}

static int is(const struct instance *self, const char *behaviour) {
    return strcmp(self->behaviour, behaviour) == 0;
}

static void take(const gristmill_param *param, const char *key, char *into, size_t room) {
    if (param->key.len == strlen(key) && memcmp(param->key.ptr, key, param->key.len) == 0 && param->value.len < room) {
        memcpy(into, param->value.ptr, param->value.len);
        into[param->value.len] = 0;
    }
}

static gristmill_status create(const gristmill_setup *setup, const gristmill_host *host, void **instance) {
    (void)host;
    struct instance *self = calloc(1, sizeof *self);
    for (size_t i = 0; i < setup->param_count; i++) {
        take(&setup->params[i], "do", self->behaviour, sizeof self->behaviour);
        take(&setup->params[i], "at", self->at, sizeof self->at);
    }
    *instance = self;
    return 0;
}

static void destroy(void *instance) {
    free(instance);
}

static gristmill_status map_begin(void *instance, const gristmill_map_setup *setup, const gristmill_host *host) {
    (void)instance, (void)setup, (void)host;
    return 0;
}

/* Says where this process is, in one piece. */
static void leave_pid(const struct instance *self) {
    char other[4200];
    snprintf(other, sizeof other, "%s.new", self->at);
    FILE *file = fopen(other, "w");
    fprintf(file, "%d", (int)getpid());
    fclose(file);
    rename(other, self->at);
}

static void print_surroundings(void) {
    for (char **variable = environ; *variable; variable++) fprintf(stderr, "env %s\n", *variable);
    char path[4096], target[4096];
    DIR *dir = opendir("/proc/self/fd");
    for (struct dirent *entry; (entry = readdir(dir));) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] == '.' || fd == dirfd(dir)) continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length < 0) continue;
        target[length] = 0;
        fprintf(stderr, "fd %d %s %s\n", fd, fcntl(fd, F_GETFD) & FD_CLOEXEC ? "closes" : "stays", target);
    }
    closedir(dir);
    struct rlimit limit;
    getrlimit(RLIMIT_DATA, &limit);
    fprintf(stderr, "data %llu\n", (unsigned long long)limit.rlim_cur);
    getrlimit(RLIMIT_CORE, &limit);
    fprintf(stderr, "core %llu\n", (unsigned long long)limit.rlim_cur);
    fprintf(stderr, "cwd %s\n", getcwd(path, sizeof path));
}

static void print_megabytes(void) {
    static char line[1000];
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\n';
    for (int i = 0; i < 8000; i++) {
        if (write(i % 2 ? 1 : 2, line, sizeof line) != (ssize_t)sizeof line) _exit(9);
    }
    if (write(1, "the last words\n", 15) != 15) _exit(9);
}

static void allocate_without_end(void) {
    const size_t piece = 16u << 20;
    for (;;) {
        char *memory = malloc(piece);
        if (!memory) {
            fprintf(stderr, "memory allocation of %zu bytes failed\n", piece);
            abort();
        }
        memset(memory, 1, piece);
    }
}

static void print_pid(const struct instance *self) {
    if (is(self, "pid")) fprintf(stderr, "pid %d %s\n", (int)getpid(), (const char *)marker);
}

static gristmill_status map(void *instance, const gristmill_block *block, const gristmill_host *host) {
    const struct instance *self = instance;
    if (is(self, "exit")) { fprintf(stderr, "leaving\n"); exit(3); }
    if (is(self, "exit well")) exit(0);
    if (is(self, "abort")) abort();
    if (is(self, "segfault")) { signal(SIGSEGV, SIG_DFL); raise(SIGSEGV); }
    if (is(self, "error")) { fail(host, "no such luck"); return 1; }
    if (is(self, "loop") || is(self, "stop")) {
        fprintf(stderr, "looping\n");
        leave_pid(self);
        if (is(self, "stop")) raise(SIGSTOP);
        for (volatile int forever = 1; forever;) {}
    }
    if (is(self, "print")) print_megabytes();
    if (is(self, "allocate")) allocate_without_end();
    if (is(self, "look")) print_surroundings();
    if (is(self, "rubbish")) {
        /* The channel to the agent is some socket; which one is not the plugin's business. */
        for (int fd = 3; fd < 20; fd++) if (write(fd, "\377\377\377\377", 4)) {}
        for (;;) pause();
    }
    if (is(self, "wander")) { if (chdir("/")) return 1; }
    print_pid(self);
    const uint8_t *at = block->bytes.ptr, *end = at + block->bytes.len;
    while (at < end) {
        const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = newline ? (size_t)(newline - at) : (size_t)(end - at);
        gristmill_bytes key = { at, length }, one = { (const uint8_t *)"1", 1 };
        gristmill_status status = host->emit(host->context, key, one);
        if (status) return status;
        at += length + 1;
    }
    return 0;
}

static gristmill_status map_end(void *instance, const gristmill_host *host) {
    (void)instance, (void)host;
    return 0;
}

static gristmill_status reduce_begin(void *instance, uint32_t partition, const gristmill_host *host) {
    (void)partition, (void)host;
    print_pid(instance);
    return 0;
}

static gristmill_status reduce_key(gristmill_group *group, const gristmill_host *host) {
    uint64_t count = 0;
    gristmill_values values;
    do {
        gristmill_status status = gristmill_next_values(host, group, &values);
        if (status) return status;
        count += values.count;
    } while (values.count);
    char number[32];
    int length = snprintf(number, sizeof number, " %llu\n", (unsigned long long)count);
    gristmill_status status = host->write(host->context, group->key, 0);
    if (status) return status;
    return host->write(host->context, (gristmill_bytes){ (const uint8_t *)number, (size_t)length }, 1);
}

static gristmill_status reduce(void *instance, const gristmill_groups *groups, const gristmill_host *host) {
    (void)instance;
    gristmill_group group = {0};
    gristmill_status status = 0;
    while (!status && gristmill_next_group(groups, &group)) status = reduce_key(&group, host);
    return status;
}

static gristmill_status reduce_end(void *instance, const gristmill_host *host) {
    (void)instance, (void)host;
    return 0;
}

GRISTMILL_EXPORT const gristmill_descriptor gristmill_plugin = {
    .magic = GRISTMILL_MAGIC,
    .abi_version = GRISTMILL_ABI_VERSION,
    .size = sizeof(gristmill_descriptor),
    .name = GRISTMILL_BYTES("misbehaving"),
    .version = GRISTMILL_BYTES("1.0"),
    .built_with = GRISTMILL_BYTES("cc"),
    .create = create,
    .destroy = destroy,
    .map_begin = map_begin,
    .map = map,
    .map_end = map_end,
    .reduce_begin = reduce_begin,
    .reduce = reduce,
    .reduce_end = reduce_end,
};
