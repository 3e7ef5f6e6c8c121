/* File modes, of which WASI has none, from the host, and owners: the one user. An open file's mode is that of
 * newly made ones, because the host tells modes by paths. Linked over libc's functions with --wrap. */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasi/libc.h>

#include "sandpiper.h"

enum { USER = 1000, ALL = 07777, PERMISSIONS = 0777, UNKNOWN = -1 };

/* Nothing in there has another mode than it shows, and it is looked at most. */
#define LIBRARY "/usr/lib/python3.13/"

/* libc has no declaration of it. */
mode_t umask(mode_t mask);

int __real_stat(const char *path, struct stat *status);
int __real_lstat(const char *path, struct stat *status);
int __real_fstat(int fd, struct stat *status);
int __real_fstatat(int fd, const char *path, struct stat *status, int flags);
int __real_mkdir(const char *path, mode_t mode);
int __real_faccessat(int fd, const char *path, int kinds, int flags);

static mode_t usual_mode(mode_t kind)
{
    if (S_ISDIR(kind)) {
        return 0755;
    }
    if (S_ISLNK(kind)) {
        return 0777;
    }
    if (S_ISFIFO(kind)) {
        return 0600;
    }
    return S_ISCHR(kind) ? 0666 : 0644;
}

static int with_mode(int result, struct stat *status, const char *path, int follow)
{
    if (result != 0) {
        return result;
    }
    if ((status->st_mode & S_IFMT) == 0) {
        /* WASI has no kind for pipes. */
        status->st_mode |= S_IFIFO;
    }
    mode_t mode = usual_mode(status->st_mode);
    char buffer[SANDPIPER_PATH_MAX];
    if (path != NULL && !sandpiper_is_initialising && strncmp(path, LIBRARY, strlen(LIBRARY)) != 0) {
        const char *absolute = sandpiper_absolute(path, buffer);
        struct host_result16 answer;
        if (absolute != NULL) {
            host_mode(absolute, strlen(absolute), (uint32_t)follow, &answer);
            if (!answer.failed) {
                mode = answer.value & ALL;
            }
        }
    }
    status->st_mode |= mode;
    status->st_uid = USER;
    status->st_gid = USER;
    return 0;
}

int __wrap_stat(const char *path, struct stat *status)
{
    return with_mode(__real_stat(path, status), status, path, 1);
}

int __wrap_lstat(const char *path, struct stat *status)
{
    return with_mode(__real_lstat(path, status), status, path, 0);
}

int __wrap_fstat(int fd, struct stat *status)
{
    return with_mode(__real_fstat(fd, status), status, NULL, 0);
}

int __wrap_fstatat(int fd, const char *path, struct stat *status, int flags)
{
    int is_known = path[0] == '/' || fd == AT_FDCWD;
    return with_mode(__real_fstatat(fd, path, status, flags), status, is_known ? path : NULL,
                     !(flags & AT_SYMLINK_NOFOLLOW));
}

static int set_mode(const char *path, mode_t mode)
{
    char buffer[SANDPIPER_PATH_MAX];
    const char *absolute = sandpiper_absolute(path, buffer);
    if (absolute == NULL) {
        return -1;
    }
    struct host_result16 result;
    host_set_mode(absolute, strlen(absolute), mode & ALL, &result);
    if (result.failed) {
        errno = result.value;
        return -1;
    }
    return 0;
}

int __wrap_chmod(const char *path, mode_t mode)
{
    return set_mode(path, mode);
}

static int known_mask = UNKNOWN;

mode_t umask(mode_t mask)
{
    known_mask = (int)(mask & PERMISSIONS);
    return (mode_t)host_umask(mask);
}

static mode_t current_mask(void)
{
    if (known_mask == UNKNOWN) {
        umask(umask(0));
    }
    return (mode_t)known_mask;
}

/* Takes from what was just made, with all the bits that the mask leaves of `usual`, those that were not asked
 * for. A mode that cannot be set is no reason for failure: the file is there. */
static void limit_mode(const char *path, mode_t usual, mode_t mode)
{
    mode &= PERMISSIONS;
    if (mode != usual && (mode & ~current_mask()) != (usual & ~current_mask())) {
        int error = errno;
        (void)set_mode(path, mode & ~current_mask());
        errno = error;
    }
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    int result = __real_mkdir(path, mode);
    if (result == 0 && !sandpiper_is_initialising) {
        limit_mode(path, 0777, mode);
    }
    return result;
}

int __wrap_open(const char *path, int flags, ...)
{
    if (!(flags & O_CREAT)) {
        return __wasilibc_open_nomode(path, flags);
    }
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (mode_t)va_arg(arguments, int);
    va_end(arguments);
    struct stat status;
    int is_new = (mode & PERMISSIONS) != 0666
        && ((flags & O_EXCL) || (__real_stat(path, &status) != 0 && errno == ENOENT));
    int fd = __wasilibc_open_nomode(path, flags);
    if (fd >= 0 && is_new) {
        limit_mode(path, 0666, mode);
    }
    return fd;
}

static int is_allowed(const char *path, int kinds)
{
    char buffer[SANDPIPER_PATH_MAX];
    const char *absolute = sandpiper_absolute(path, buffer);
    if (absolute == NULL) {
        return -1;
    }
    struct host_result16 result;
    host_access(absolute, strlen(absolute), (uint32_t)kinds, &result);
    if (result.failed) {
        errno = result.value;
        return -1;
    }
    return 0;
}

int __wrap_access(const char *path, int kinds)
{
    return is_allowed(path, kinds);
}

int __wrap_faccessat(int fd, const char *path, int kinds, int flags)
{
    if ((path[0] == '/' || fd == AT_FDCWD) && !(flags & AT_SYMLINK_NOFOLLOW)) {
        return is_allowed(path, kinds);
    }
    return __real_faccessat(fd, path, kinds, flags);
}
