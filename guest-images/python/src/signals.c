/* Signals. A WebAssembly program is not interrupted: those for which it has a handler are noted by the host,
 * which has a call that waits return EINTR, and the program asks which came: then, and now and then while it
 * computes. */
#include "sandpiper.h"

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <wasi/api.h>

#include "host.h"
#include "posix.h"

typedef void (*handler)(int);

/* Checks of CPython's between two questions to the host: some microseconds of computing. */
enum { TICKS = 1000 };

/* Counts down to the next question; posix.h counts. */
int sandpiper_signal_clock = TICKS;

/* What each signal does, SIG_DFL where nothing is said. */
static handler handlers[_NSIG];
/* Whether the host knows: not while CPython initialises, which installs the same ones at each start. */
static int host_knows;

/* They have addresses, and are not called. */
void __SIG_IGN(int number)
{
    (void)number;
}

void __SIG_ERR(int number)
{
    (void)number;
}

static uint32_t action_of(handler function)
{
    return function == SIG_DFL ? HOST_DEFAULT : function == SIG_IGN ? HOST_IGNORE : HOST_NOTE;
}

handler signal(int number, handler function)
{
    if (number < 1 || number >= _NSIG) {
        errno = EINVAL;
        return SIG_ERR;
    }
    handler before = handlers[number];
    if (function == before) {
        return before;
    }
    if (host_knows) {
        struct host_action answer;
        host_act((uint32_t)number, action_of(function), &answer);
        if (answer.failed) {
            errno = answer.error;
            return SIG_ERR;
        }
    }
    handlers[number] = function;
    return before;
}

int sandpiper_begin_signals(void)
{
    host_knows = 1;
    struct host_action answer;
    /* CPython has a write to a pipe that nobody reads fail. */
    host_act(SIGPIPE, HOST_IGNORE, &answer);
    host_act(SIGINT, HOST_NOTE, &answer);
    if (!answer.failed && answer.action == HOST_IGNORE) {
        /* Who started it wants it left alone. */
        host_act(SIGINT, HOST_IGNORE, &answer);
        handlers[SIGINT] = SIG_IGN;
        return 1;
    }
    return 0;
}

void sandpiper_check_signals(void)
{
    sandpiper_signal_clock = TICKS;
    if (!host_knows) {
        return;
    }
    for (uint64_t noted = host_take_signals(); noted != 0; noted &= noted - 1) {
        int number = __builtin_ctzll(noted) + 1;
        handler function = handlers[number];
        if (function != SIG_DFL && function != SIG_IGN) {
            function(number);
        }
    }
}

int raise(int number)
{
    if (number < 0 || number >= _NSIG) {
        errno = EINVAL;
        return -1;
    }
    handler function = handlers[number];
    if (function == SIG_IGN) {
        return 0;
    }
    if (function != SIG_DFL) {
        function(number);
        return 0;
    }
    struct host_result16 result;
    host_kill(host_id(), (uint32_t)number, &result);
    if (result.failed) {
        errno = result.value;
        return -1;
    }
    return 0;
}

int kill(pid_t pid, int number)
{
    pid_t own = (pid_t)host_id();
    /* Every process leads a group that no other is in. */
    if (pid < -1) {
        pid = -pid;
    }
    if (pid == 0 || pid == own) {
        return raise(number);
    }
    if (pid == -1) {
        errno = ENOTSUP;
        return -1;
    }
    struct host_result16 result;
    host_kill((uint32_t)pid, (uint32_t)number, &result);
    if (result.failed) {
        errno = result.value;
        return -1;
    }
    return 0;
}

int killpg(pid_t group, int number)
{
    if (group < 0) {
        errno = EINVAL;
        return -1;
    }
    return kill(group == 0 ? 0 : -group, number);
}

/* A call that waits is always interrupted, and CPython begins it again. */
int siginterrupt(int number, int flag)
{
    (void)flag;
    if (number < 1 || number >= _NSIG) {
        errno = EINVAL;
        return -1;
    }
    return 0;
}

int pause(void)
{
    struct timespec long_time = {1000000, 0};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &long_time, NULL) == 0) {
    }
    errno = EINTR;
    return -1;
}

/* libc's says of every interruption that it is not supported. The numbers of errors, which do not come through
 * errno, are those that CPython knows. */
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left)
{
    enum { LINUX_EINTR = 4, LINUX_EINVAL = 22 };
    (void)left;
    if (time->tv_sec < 0 || time->tv_nsec < 0 || time->tv_nsec >= 1000000000) {
        return LINUX_EINVAL;
    }
    __wasi_subscription_t subscription = {
        .u.tag = __WASI_EVENTTYPE_CLOCK,
        .u.u.clock.id = clock == CLOCK_REALTIME ? __WASI_CLOCKID_REALTIME : __WASI_CLOCKID_MONOTONIC,
        .u.u.clock.timeout = (uint64_t)time->tv_sec * 1000000000 + (uint64_t)time->tv_nsec,
        .u.u.clock.flags = flags & TIMER_ABSTIME ? __WASI_SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME : 0,
    };
    __wasi_event_t event;
    __wasi_size_t count;
    __wasi_errno_t error = __wasi_poll_oneoff(&subscription, &event, 1, &count);
    if (error == __WASI_ERRNO_INTR) {
        sandpiper_signal_clock = 0;
        return LINUX_EINTR;
    }
    return error == __WASI_ERRNO_SUCCESS && event.error == __WASI_ERRNO_SUCCESS ? 0 : LINUX_EINVAL;
}

int sandpiper_is_ignored(int number)
{
    return handlers[number] == SIG_IGN;
}
