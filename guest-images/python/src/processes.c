/* POSIX's functions about processes, over the host's. Every process leads a group and a session that no other
 * is in: there is no terminal whose processes these tell apart. */
#include "host.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wasi/api.h>
#include <wasi/libc-environ.h>

#include "posix.h"
#include "sandpiper.h"

/* What the number of a process never is: the host counts from 2. */
#define STILLBORN 0x7fffffff
/* What a child that could not run its program ends with. */
#define NOT_RUN (255 << 8)
#define MAPPINGS 1024

static int stillborn;

int sandpiper_stillborn(void)
{
    stillborn = 1;
    return STILLBORN;
}

pid_t getpid(void)
{
    return (pid_t)host_id();
}

pid_t getppid(void)
{
    return (pid_t)host_parent();
}

/* The list of a NULL-ended array's strings; NULL without memory. */
static struct host_list *lists(char *const *strings, size_t *count)
{
    *count = 0;
    while (strings != NULL && strings[*count] != NULL) {
        ++*count;
    }
    struct host_list *list = malloc((*count + 1) * sizeof *list);
    for (size_t index = 0; list != NULL && index < *count; index++) {
        list[index] = (struct host_list){strings[index], strlen(strings[index])};
    }
    return list;
}

int sandpiper_spawn(const struct sandpiper_start *start)
{
    size_t arguments_length;
    size_t environment_length;
    struct host_list *arguments = lists(start->arguments, &arguments_length);
    struct host_list *environment = lists(start->environment, &environment_length);
    int pid = -1;
    if (arguments == NULL || environment == NULL) {
        errno = ENOMEM;
    } else {
        struct host_result32 answer;
        host_spawn(start->program, strlen(start->program), arguments, arguments_length, environment,
                   environment_length, start->directory, strlen(start->directory), start->descriptors,
                   start->descriptors_length, &answer);
        if (answer.failed) {
            errno = answer.error;
        } else {
            pid = (int)answer.value;
        }
    }
    int error = errno;
    free(arguments);
    free(environment);
    errno = error;
    return pid;
}

/* As sandpiper_spawn, with what the program has: directory and descriptors. */
static int spawn_here(const char *program, char *const *arguments, char *const *environment)
{
    char directory[SANDPIPER_PATH_MAX];
    if (getcwd(directory, sizeof directory) == NULL) {
        return -1;
    }
    struct host_mapping *mappings = malloc(MAPPINGS * sizeof *mappings);
    if (mappings == NULL) {
        errno = ENOMEM;
        return -1;
    }
    struct sandpiper_start start = {program, arguments, environment, directory, mappings,
                                    sandpiper_inherited(mappings, MAPPINGS)};
    int pid = sandpiper_spawn(&start);
    int error = errno;
    free(mappings);
    errno = error;
    return pid;
}

pid_t waitpid(pid_t pid, int *status, int options)
{
    if (pid == STILLBORN && stillborn) {
        stillborn = 0;
        if (status != NULL) {
            *status = NOT_RUN;
        }
        return STILLBORN;
    }
    if (options & ~(WNOHANG | WUNTRACED | WCONTINUED)) {
        errno = EINVAL;
        return -1;
    }
    if (pid < -1) {
        /* The group that this process leads. */
        pid = -pid;
    }
    struct host_ended ended;
    host_wait(pid > 0, pid > 0 ? (uint32_t)pid : 0, !(options & WNOHANG), &ended);
    if (ended.failed) {
        errno = ended.error;
        return -1;
    }
    if (!ended.is_some) {
        return 0;
    }
    if (status != NULL) {
        *status = ended.how == HOST_EXITED ? ended.value << 8 : ended.value;
    }
    return (pid_t)ended.pid;
}

pid_t wait(int *status)
{
    return waitpid(-1, status, 0);
}

int system(const char *command)
{
    if (command == NULL) {
        return 1;
    }
    char *const arguments[] = {(char *)"sh", (char *)"-c", (char *)command, NULL};
    pid_t child = spawn_here("/bin/sh", arguments, __wasilibc_get_environ());
    if (child < 0) {
        /* As of a shell that cannot be run. */
        return 127 << 8;
    }
    void (*interrupt)(int) = signal(SIGINT, SIG_IGN);
    void (*quit)(int) = signal(SIGQUIT, SIG_IGN);
    int status;
    pid_t ended;
    do {
        ended = waitpid(child, &status, 0);
    } while (ended < 0 && errno == EINTR);
    int error = errno;
    signal(SIGINT, interrupt);
    signal(SIGQUIT, quit);
    errno = error;
    return ended < 0 ? -1 : status;
}

/* The program takes this process's place as far as others can see: it has its descriptors, gets its signals,
 * and its end is this process's end. Its number is another. */
int execve(const char *path, char *const *arguments, char *const *environment)
{
    pid_t child = spawn_here(path, arguments, environment);
    if (child < 0) {
        return -1;
    }
    for (__wasi_fd_t fd = 0; fd < MAPPINGS; fd++) {
        (void)!__wasi_fd_close(fd);
    }
    static const int passed_on[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM};
    for (size_t index = 0; index < sizeof passed_on / sizeof passed_on[0]; index++) {
        struct host_action before;
        host_act((uint32_t)passed_on[index], HOST_NOTE, &before);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
        for (uint64_t noted = host_take_signals(); noted != 0; noted &= noted - 1) {
            struct host_result16 sent;
            host_kill((uint32_t)child, (uint32_t)__builtin_ctzll(noted) + 1, &sent);
        }
    }
    if (WIFSIGNALED(status)) {
        struct host_action before;
        host_act((uint32_t)WTERMSIG(status), HOST_DEFAULT, &before);
        signal(WTERMSIG(status), SIG_DFL);
        raise(WTERMSIG(status));
    }
    __wasi_proc_exit((__wasi_exitcode_t)WEXITSTATUS(status));
}

int execv(const char *path, char *const *arguments)
{
    return execve(path, arguments, __wasilibc_get_environ());
}

/* Whether there is such a process. */
static int exists(pid_t pid)
{
    struct host_result16 asked;
    host_kill((uint32_t)pid, 0, &asked);
    if (asked.failed) {
        errno = asked.value;
    }
    return !asked.failed;
}

pid_t getpgid(pid_t pid)
{
    if (pid == 0) {
        return getpid();
    }
    return exists(pid) ? pid : -1;
}

pid_t getsid(pid_t pid)
{
    return getpgid(pid);
}

pid_t getpgrp(void)
{
    return getpid();
}

int setpgrp(void)
{
    return 0;
}

int setpgid(pid_t pid, pid_t group)
{
    if (pid != 0 && !exists(pid)) {
        return -1;
    }
    pid_t member = pid == 0 ? getpid() : pid;
    if (group != 0 && group != member) {
        errno = EPERM;
        return -1;
    }
    return 0;
}

/* Who leads a group makes no session, and everyone does. */
pid_t setsid(void)
{
    errno = EPERM;
    return -1;
}
