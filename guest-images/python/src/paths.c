/* An empty path names nothing, as POSIX has it: libc takes it for the working directory, so that
 * os.path.exists('') holds and shutil.rmtree('') empties it. Linked over libc's functions with --wrap. */
#include <errno.h>
#include <stddef.h>

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
