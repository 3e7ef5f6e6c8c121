/* While the snapshot is made, files have no identity and no times: what the machine that builds the image
 * says of them would get into it, as leftovers on the stack and the heap. Linked over libc's calls with
 * --wrap. */
#include <string.h>
#include <wasi/api.h>

#include "sandpiper.h"

int sandpiper_is_initialising;

__wasi_errno_t __real___wasi_fd_filestat_get(__wasi_fd_t fd, __wasi_filestat_t *status);
__wasi_errno_t __real___wasi_path_filestat_get(__wasi_fd_t fd, __wasi_lookupflags_t flags, const char *path,
                                               __wasi_filestat_t *status);
__wasi_errno_t __real___wasi_fd_readdir(__wasi_fd_t fd, uint8_t *buffer, __wasi_size_t length,
                                        __wasi_dircookie_t cookie, __wasi_size_t *used);

static __wasi_errno_t pinned(__wasi_errno_t error, __wasi_filestat_t *status)
{
    if (sandpiper_is_initialising && error == __WASI_ERRNO_SUCCESS) {
        status->dev = 0;
        status->ino = 0;
        status->atim = 0;
        status->mtim = 0;
        status->ctim = 0;
    }
    return error;
}

__wasi_errno_t __wrap___wasi_fd_filestat_get(__wasi_fd_t fd, __wasi_filestat_t *status)
{
    return pinned(__real___wasi_fd_filestat_get(fd, status), status);
}

__wasi_errno_t __wrap___wasi_path_filestat_get(__wasi_fd_t fd, __wasi_lookupflags_t flags, const char *path,
                                               __wasi_filestat_t *status)
{
    return pinned(__real___wasi_path_filestat_get(fd, flags, path, status), status);
}

__wasi_errno_t __wrap___wasi_fd_readdir(__wasi_fd_t fd, uint8_t *buffer, __wasi_size_t length,
                                        __wasi_dircookie_t cookie, __wasi_size_t *used)
{
    __wasi_errno_t error = __real___wasi_fd_readdir(fd, buffer, length, cookie, used);
    if (sandpiper_is_initialising && error == __WASI_ERRNO_SUCCESS) {
        __wasi_size_t offset = 0;
        /* The last entry may be cut off. */
        while (offset + sizeof(__wasi_dirent_t) <= *used) {
            __wasi_dirent_t entry;
            memcpy(&entry, buffer + offset, sizeof entry);
            entry.d_ino = 0;
            memcpy(buffer + offset, &entry, sizeof entry);
            offset += sizeof entry + entry.d_namlen;
        }
        if (offset < *used) {
            memset(buffer + offset, 0, *used - offset);
        }
    }
    return error;
}
