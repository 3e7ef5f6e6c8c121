/* File modes and owners, of which WASI has none: what a program sees are those of newly made files, so that
 * archives and copies come out as on any machine. Linked over libc's functions with --wrap. */
#include <fcntl.h>
#include <sys/stat.h>

enum { USER = 1000 };

int __real_stat(const char *path, struct stat *status);
int __real_lstat(const char *path, struct stat *status);
int __real_fstat(int fd, struct stat *status);
int __real_fstatat(int fd, const char *path, struct stat *status, int flags);

static int with_mode(int result, struct stat *status)
{
    if (result == 0) {
        if (S_ISDIR(status->st_mode)) {
            status->st_mode |= 0755;
        } else if (S_ISLNK(status->st_mode)) {
            status->st_mode |= 0777;
        } else if (S_ISCHR(status->st_mode)) {
            status->st_mode |= 0666;
        } else {
            status->st_mode |= 0644;
        }
        status->st_uid = USER;
        status->st_gid = USER;
    }
    return result;
}

int __wrap_stat(const char *path, struct stat *status)
{
    return with_mode(__real_stat(path, status), status);
}

int __wrap_lstat(const char *path, struct stat *status)
{
    return with_mode(__real_lstat(path, status), status);
}

int __wrap_fstat(int fd, struct stat *status)
{
    return with_mode(__real_fstat(fd, status), status);
}

int __wrap_fstatat(int fd, const char *path, struct stat *status, int flags)
{
    return with_mode(__real_fstatat(fd, path, status, flags), status);
}
