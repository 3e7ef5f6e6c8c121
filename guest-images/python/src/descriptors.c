/* Descriptors: pipes, duplicates, and which of them go to programs that are started, of which WASI knows
 * nothing. */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>
#include <wasi/api.h>

#include "posix.h"

/* Beyond these numbers no descriptor goes to another program. */
enum { MOST = 4096, BITS = 64 };

/* Bit n for descriptor n: the standard streams, and those for which the program says so. */
static uint64_t inheritable[MOST / BITS] = {7};

long __real_sysconf(int name);
int __real_fcntl(int fd, int command, ...);
__wasi_errno_t __real___wasi_fd_close(__wasi_fd_t fd);
__wasi_errno_t __real___wasi_poll_oneoff(const __wasi_subscription_t *subscriptions, __wasi_event_t *events,
                                         __wasi_size_t length, __wasi_size_t *count);

static void set_inheritable(int fd, int is_inheritable)
{
    if (fd >= 0 && fd < MOST) {
        uint64_t bit = (uint64_t)1 << (fd % BITS);
        if (is_inheritable) {
            inheritable[fd / BITS] |= bit;
        } else {
            inheritable[fd / BITS] &= ~bit;
        }
    }
}

int sandpiper_is_inheritable(int fd)
{
    return fd >= 0 && fd < MOST && (inheritable[fd / BITS] >> (fd % BITS) & 1);
}

int sandpiper_is_open(int fd)
{
    __wasi_fdstat_t status;
    return fd >= 0 && __wasi_fd_fdstat_get((__wasi_fd_t)fd, &status) == __WASI_ERRNO_SUCCESS;
}

size_t sandpiper_inherited(struct host_mapping *mappings, size_t capacity)
{
    size_t count = 0;
    for (int word = 0; word < MOST / BITS; word++) {
        for (uint64_t left = inheritable[word]; left != 0 && count < capacity; left &= left - 1) {
            int fd = word * BITS + __builtin_ctzll(left);
            if (sandpiper_is_open(fd)) {
                mappings[count++] = (struct host_mapping){(uint32_t)fd, (uint32_t)fd};
            }
        }
    }
    return count;
}

static int done(const struct host_result16 *result)
{
    if (result->failed) {
        errno = result->value;
        return -1;
    }
    return 0;
}

int pipe(int fds[2])
{
    struct host_pipe ends;
    host_pipe(&ends);
    if (ends.failed) {
        errno = ends.error;
        return -1;
    }
    fds[0] = (int)ends.ends[0];
    fds[1] = (int)ends.ends[1];
    set_inheritable(fds[0], 1);
    set_inheritable(fds[1], 1);
    return 0;
}

static int duplicate(int fd, int lowest, int is_inheritable)
{
    if (fd < 0 || lowest < 0) {
        errno = fd < 0 ? EBADF : EINVAL;
        return -1;
    }
    struct host_result32 new;
    host_dup((uint32_t)fd, (uint32_t)lowest, &new);
    if (new.failed) {
        errno = new.error;
        return -1;
    }
    set_inheritable((int)new.value, is_inheritable);
    return (int)new.value;
}

int dup(int fd)
{
    return duplicate(fd, 0, 1);
}

int dup2(int fd, int to)
{
    if (fd < 0 || to < 0) {
        errno = EBADF;
        return -1;
    }
    struct host_result16 result;
    host_dup_to((uint32_t)fd, (uint32_t)to, &result);
    if (done(&result) < 0) {
        return -1;
    }
    if (fd != to) {
        set_inheritable(to, 1);
    }
    return to;
}

int __wrap_fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    int argument = command == F_GETFD || command == F_GETFL ? 0 : va_arg(arguments, int);
    va_end(arguments);
    switch (command) {
    case F_DUPFD: return duplicate(fd, argument, 1);
    case F_DUPFD_CLOEXEC: return duplicate(fd, argument, 0);
    case F_GETFD:
    case F_SETFD:
        if (!sandpiper_is_open(fd)) {
            errno = EBADF;
            return -1;
        }
        if (command == F_GETFD) {
            return sandpiper_is_inheritable(fd) ? 0 : FD_CLOEXEC;
        }
        set_inheritable(fd, !(argument & FD_CLOEXEC));
        return 0;
    default: return __real_fcntl(fd, command, argument);
    }
}

/* libc knows of no limit. Programs go through all numbers below it; the sandbox's own may be lower. */
long __wrap_sysconf(int name)
{
    return name == _SC_OPEN_MAX ? 1024 : __real_sysconf(name);
}

/* A pipe that nobody reads can be written to, which fails: libc's select takes it for one that cannot. */
__wasi_errno_t __wrap___wasi_poll_oneoff(const __wasi_subscription_t *subscriptions, __wasi_event_t *events,
                                         __wasi_size_t length, __wasi_size_t *count)
{
    __wasi_errno_t error = __real___wasi_poll_oneoff(subscriptions, events, length, count);
    for (__wasi_size_t index = 0; error == __WASI_ERRNO_SUCCESS && index < *count; index++) {
        if (events[index].type == __WASI_EVENTTYPE_FD_WRITE) {
            events[index].fd_readwrite.flags &= (__wasi_eventrwflags_t)~__WASI_EVENTRWFLAGS_FD_READWRITE_HANGUP;
        }
    }
    return error;
}

/* What is opened at this number later is not inheritable. */
__wasi_errno_t __wrap___wasi_fd_close(__wasi_fd_t fd)
{
    __wasi_errno_t error = __real___wasi_fd_close(fd);
    if (error == __WASI_ERRNO_SUCCESS) {
        set_inheritable((int)fd, 0);
    }
    return error;
}
