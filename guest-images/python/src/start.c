/* What a program that knows processes does before anything else: the root directory has a number of its own,
 * and the working directory is the host's to say. */
#include "host.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wasi/libc.h>

#include "sandpiper.h"

/* The canonical ABI has the host make room for lists with this. */
__attribute__((export_name("cabi_realloc"))) void *sandpiper_realloc(void *old, size_t old_size, size_t alignment,
                                                                     size_t size)
{
    (void)old_size;
    (void)alignment;
    void *new = realloc(old, size);
    if (new == NULL && size > 0) {
        abort();
    }
    return new;
}

int sandpiper_begin(void)
{
    if (__wasilibc_register_preopened_fd((int)host_root(), "/") != 0) {
        return -1;
    }
    struct host_list directory;
    host_directory(&directory);
    if (directory.length == 1) {
        free((void *)directory.address);
        return 0;
    }
    char *path = realloc((void *)directory.address, directory.length + 1);
    if (path == NULL) {
        return -1;
    }
    path[directory.length] = 0;
    /* A directory that is not there is the program's to find out. */
    (void)chdir(path);
    free(path);
    return 0;
}
