/* The interface `sandpiper:host/process`, in the canonical ABI: a list is an address and a length; what does
 * not fit one value comes back through an address: for a result its discriminant first, and what it carries
 * behind that, aligned. Numbers of errors in there are WASI's. */
#ifndef SANDPIPER_HOST_H
#define SANDPIPER_HOST_H

#include <stddef.h>
#include <stdint.h>

/* A list of bytes, or of lists. */
struct host_list {
    const void *address;
    size_t length;
};

/* A descriptor of the caller, and the number that its duplicate has in the new process. */
struct host_mapping {
    uint32_t from;
    uint32_t to;
};

/* `result<_, errno>`, and `result<u16, errno>`. */
struct host_result16 {
    uint8_t failed;
    uint16_t value;
};

/* `result<u32, errno>`. */
struct host_result32 {
    uint8_t failed;
    union {
        uint32_t value;
        uint16_t error;
    };
};

/* `result<tuple<fd, fd>, errno>`. */
struct host_pipe {
    uint8_t failed;
    union {
        uint32_t ends[2];
        uint16_t error;
    };
};

/* `result<action, errno>`, whose action is a byte. */
struct host_action {
    uint8_t failed;
    union {
        uint8_t action;
        uint16_t error;
    };
};

enum { HOST_EXITED, HOST_SIGNALED };

/* `result<option<ended>, errno>`. */
struct host_ended {
    uint8_t failed;
    union {
        struct {
            uint8_t is_some;
            uint32_t pid;
            uint8_t how;
            uint8_t value;
        };
        uint16_t error;
    };
};

enum { HOST_DEFAULT, HOST_IGNORE, HOST_NOTE };

#define HOST(name) __attribute__((import_module("sandpiper:host/process@0.1.0"), import_name(name))) extern

HOST("root") uint32_t host_root(void);
HOST("directory") void host_directory(struct host_list *directory);
HOST("id") uint32_t host_id(void);
HOST("parent") uint32_t host_parent(void);
HOST("spawn") void host_spawn(const char *program, size_t program_length, const struct host_list *arguments,
                              size_t arguments_length, const struct host_list *environment,
                              size_t environment_length, const char *directory, size_t directory_length,
                              const struct host_mapping *descriptors, size_t descriptors_length,
                              struct host_result32 *pid);
HOST("wait") void host_wait(uint32_t is_one, uint32_t child, uint32_t block, struct host_ended *ended);
HOST("kill") void host_kill(uint32_t process, uint32_t signal, struct host_result16 *done);
HOST("act") void host_act(uint32_t signal, uint32_t action, struct host_action *before);
HOST("take-signals") uint64_t host_take_signals(void);
HOST("pipe") void host_pipe(struct host_pipe *ends);
HOST("dup") void host_dup(uint32_t from, uint32_t lowest, struct host_result32 *fd);
HOST("dup-to") void host_dup_to(uint32_t from, uint32_t to, struct host_result16 *done);
HOST("mode") void host_mode(const char *path, size_t length, uint32_t follow, struct host_result16 *mode);
HOST("set-mode") void host_set_mode(const char *path, size_t length, uint32_t mode, struct host_result16 *done);
HOST("access") void host_access(const char *path, size_t length, uint32_t kinds, struct host_result16 *done);
HOST("umask") uint32_t host_umask(uint32_t mask);

#undef HOST

/* An absolute path for the host, which knows no working directory of ours: the same one, or put together in
 * the buffer. NULL, with errno, where there is none. (paths.c) */
#define SANDPIPER_PATH_MAX 4096
const char *sandpiper_absolute(const char *path, char buffer[SANDPIPER_PATH_MAX]);

/* Whether a descriptor is open, and whether it goes to programs that are started. (descriptors.c) */
int sandpiper_is_open(int fd);
int sandpiper_is_inheritable(int fd);
/* Those which go to a program that is started: writes at most `capacity`, gives how many. */
size_t sandpiper_inherited(struct host_mapping *mappings, size_t capacity);

/* What a program is started with. */
struct sandpiper_start {
    const char *program;
    char *const *arguments;
    char *const *environment;
    /* Absolute. */
    const char *directory;
    const struct host_mapping *descriptors;
    size_t descriptors_length;
};

/* Starts a program: its number, or -1 with errno. (processes.c) */
int sandpiper_spawn(const struct sandpiper_start *start);

/* A child that never was, whose end `waitpid` gives once: what CPython expects where a program could not be
 * started. (processes.c) */
int sandpiper_stillborn(void);

#endif
