/* Paths: an empty one names nothing, as POSIX has it: libc takes it for the working directory, so that
 * os.path.exists('') holds and shutil.rmtree('') empties it. Linked over libc's functions with --wrap. */
#include "host.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* What libc turns every path with, into a preopened directory and a path relative to it; -1 when there is
 * none. */
int __real___wasilibc_find_relpath_alloc(const char *path, const char **absolute, char **relative,
                                         size_t *relative_length, int may_realloc);
int __real_chdir(const char *path);

int __wrap___wasilibc_find_relpath_alloc(const char *path, const char **absolute, char **relative,
                                         size_t *relative_length, int may_realloc)
{
    if (path[0] == 0) {
        errno = ENOENT;
        return -1;
    }
    return __real___wasilibc_find_relpath_alloc(path, absolute, relative, relative_length, may_realloc);
}

int __wrap_chdir(const char *path)
{
    if (path[0] == 0) {
        errno = ENOENT;
        return -1;
    }
    return __real_chdir(path);
}

const char *sandpiper_absolute(const char *path, char buffer[SANDPIPER_PATH_MAX])
{
    if (path[0] == '/') {
        return path;
    }
    if (path[0] == 0) {
        errno = ENOENT;
        return NULL;
    }
    if (getcwd(buffer, SANDPIPER_PATH_MAX) == NULL) {
        return NULL;
    }
    size_t before = strlen(buffer);
    size_t length = strlen(path);
    if (before + 1 + length >= SANDPIPER_PATH_MAX) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    buffer[before] = '/';
    memcpy(buffer + before + 1, path, length + 1);
    return buffer;
}
