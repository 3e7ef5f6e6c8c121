/* What POSIX has and WASI has not, for CPython: functions of ours over the host's (processes.c, signals.c,
 * descriptors.c, modes.c). configure cannot find them, because they come with the program that is linked; so
 * its answers are here.
 *
 * Every file of CPython is compiled with this header first, after errno_linux.h. */
#ifndef SANDPIPER_POSIX_H
#define SANDPIPER_POSIX_H

#include <sys/types.h>

#define HAVE_CHMOD 1
#define HAVE_DUP 1
#define HAVE_DUP2 1
#define HAVE_EXECV 1
#define HAVE_GETPGID 1
#define HAVE_GETPGRP 1
#define HAVE_GETPPID 1
#define HAVE_GETSID 1
#define HAVE_KILL 1
#define HAVE_KILLPG 1
#define HAVE_PAUSE 1
#define HAVE_PIPE 1
#define HAVE_SETPGID 1
#define HAVE_SETPGRP 1
#define HAVE_SETSID 1
#define HAVE_SIGINTERRUPT 1
#define HAVE_SYSTEM 1
#define HAVE_SYS_WAIT_H 1
#define HAVE_UMASK 1
#define HAVE_WAIT 1
#define HAVE_WAITPID 1

pid_t getpid(void);
pid_t getppid(void);
pid_t getpgid(pid_t pid);
pid_t getpgrp(void);
pid_t getsid(pid_t pid);
int setpgid(pid_t pid, pid_t group);
int setpgrp(void);
pid_t setsid(void);
int kill(pid_t pid, int signal);
int killpg(pid_t group, int signal);
int pause(void);
int siginterrupt(int signal, int flag);
int system(const char *command);
int execv(const char *path, char *const *arguments);
int execve(const char *path, char *const *arguments, char *const *environment);

int pipe(int fds[2]);
int dup(int fd);
int dup2(int fd, int to);
#define F_DUPFD 0
#define F_DUPFD_CLOEXEC 1030

int chmod(const char *path, mode_t mode);
mode_t umask(mode_t mask);

/* CPython asks for signals where it does on Emscripten, whose header this takes the place of: once in so many
 * rounds of the loop that runs bytecode, and sooner after a call that was interrupted. Functions and not
 * macros with a condition, which would make the loop another one than the profile is of. */
#define Py_EMSCRIPTEN_SIGNAL_H
#define _Py_CHECK_EMSCRIPTEN_SIGNALS() sandpiper_count_check(16)
#define _Py_CHECK_EMSCRIPTEN_SIGNALS_PERIODICALLY() sandpiper_count_check(1)

extern int sandpiper_signal_clock;
void sandpiper_check_signals(void);

static inline void sandpiper_count_check(int ticks)
{
    sandpiper_signal_clock -= ticks;
    if (__builtin_expect(sandpiper_signal_clock < 0, 0)) {
        sandpiper_check_signals();
    }
}

#endif
