/* Error numbers and their texts as Linux has them (errno_linux.h). This file sees WASI's own. */
#include <errno.h>
#include <stdio.h>

/* signals.c */
extern int sandpiper_signal_clock;

int *sandpiper_errno(void);
char *sandpiper_strerror(int number);

/* In libc's place while it has set nothing since we looked. */
#define NOTHING_NEW (-1)

struct error {
    int wasi;
    int linux_number;
    const char *text;
};

static const struct error errors[] = {
    {E2BIG, 7, "Argument list too long"},
    {EACCES, 13, "Permission denied"},
    {EADDRINUSE, 98, "Address already in use"},
    {EADDRNOTAVAIL, 99, "Cannot assign requested address"},
    {EAFNOSUPPORT, 97, "Address family not supported by protocol"},
    {EAGAIN, 11, "Resource temporarily unavailable"},
    {EALREADY, 114, "Operation already in progress"},
    {EBADF, 9, "Bad file descriptor"},
    {EBADMSG, 74, "Bad message"},
    {EBUSY, 16, "Device or resource busy"},
    {ECANCELED, 125, "Operation canceled"},
    {ECHILD, 10, "No child processes"},
    {ECONNABORTED, 103, "Software caused connection abort"},
    {ECONNREFUSED, 111, "Connection refused"},
    {ECONNRESET, 104, "Connection reset by peer"},
    {EDEADLK, 35, "Resource deadlock avoided"},
    {EDESTADDRREQ, 89, "Destination address required"},
    {EDOM, 33, "Numerical argument out of domain"},
    {EDQUOT, 122, "Disk quota exceeded"},
    {EEXIST, 17, "File exists"},
    {EFAULT, 14, "Bad address"},
    {EFBIG, 27, "File too large"},
    {EHOSTUNREACH, 113, "No route to host"},
    {EIDRM, 43, "Identifier removed"},
    {EILSEQ, 84, "Invalid or incomplete multibyte or wide character"},
    {EINPROGRESS, 115, "Operation now in progress"},
    {EINTR, 4, "Interrupted system call"},
    {EINVAL, 22, "Invalid argument"},
    {EIO, 5, "Input/output error"},
    {EISCONN, 106, "Transport endpoint is already connected"},
    {EISDIR, 21, "Is a directory"},
    {ELOOP, 40, "Too many levels of symbolic links"},
    {EMFILE, 24, "Too many open files"},
    {EMLINK, 31, "Too many links"},
    {EMSGSIZE, 90, "Message too long"},
    {EMULTIHOP, 72, "Multihop attempted"},
    {ENAMETOOLONG, 36, "File name too long"},
    {ENETDOWN, 100, "Network is down"},
    {ENETRESET, 102, "Network dropped connection on reset"},
    {ENETUNREACH, 101, "Network is unreachable"},
    {ENFILE, 23, "Too many open files in system"},
    {ENOBUFS, 105, "No buffer space available"},
    {ENODEV, 19, "No such device"},
    {ENOENT, 2, "No such file or directory"},
    {ENOEXEC, 8, "Exec format error"},
    {ENOLCK, 37, "No locks available"},
    {ENOLINK, 67, "Link has been severed"},
    {ENOMEM, 12, "Cannot allocate memory"},
    {ENOMSG, 42, "No message of desired type"},
    {ENOPROTOOPT, 92, "Protocol not available"},
    {ENOSPC, 28, "No space left on device"},
    {ENOSYS, 38, "Function not implemented"},
    {ENOTCONN, 107, "Transport endpoint is not connected"},
    {ENOTDIR, 20, "Not a directory"},
    {ENOTEMPTY, 39, "Directory not empty"},
    {ENOTRECOVERABLE, 131, "State not recoverable"},
    {ENOTSOCK, 88, "Socket operation on non-socket"},
    {ENOTSUP, 95, "Operation not supported"},
    {ENOTTY, 25, "Inappropriate ioctl for device"},
    {ENXIO, 6, "No such device or address"},
    {EOVERFLOW, 75, "Value too large for defined data type"},
    {EOWNERDEAD, 130, "Owner died"},
    {EPERM, 1, "Operation not permitted"},
    {EPIPE, 32, "Broken pipe"},
    {EPROTO, 71, "Protocol error"},
    {EPROTONOSUPPORT, 93, "Protocol not supported"},
    {EPROTOTYPE, 91, "Protocol wrong type for socket"},
    {ERANGE, 34, "Numerical result out of range"},
    {EROFS, 30, "Read-only file system"},
    {ESPIPE, 29, "Illegal seek"},
    {ESRCH, 3, "No such process"},
    {ESTALE, 116, "Stale file handle"},
    {ETIMEDOUT, 110, "Connection timed out"},
    {ETXTBSY, 26, "Text file busy"},
    {EXDEV, 18, "Invalid cross-device link"},
    {ENOTCAPABLE, 1, "Operation not permitted"},
};

enum { COUNT = sizeof errors / sizeof errors[0] };

/* WASI's numbers are small and dense: the list above is in their order, from 1. */
static int translated(int wasi)
{
    if (wasi >= 1 && wasi <= COUNT && errors[wasi - 1].wasi == wasi) {
        return errors[wasi - 1].linux_number;
    }
    return wasi;
}

int *sandpiper_errno(void)
{
    static int current;
    if (errno != NOTHING_NEW) {
        if (errno == EINTR) {
            /* CPython asks next which signal came, and is to be told. */
            sandpiper_signal_clock = 0;
        }
        current = translated(errno);
        errno = NOTHING_NEW;
    }
    return &current;
}

char *sandpiper_strerror(int number)
{
    static char unknown[40];
    if (number == 0) {
        return "Success";
    }
    for (int index = 0; index < COUNT; index++) {
        if (errors[index].linux_number == number) {
            return (char *)errors[index].text;
        }
    }
    snprintf(unknown, sizeof unknown, "Unknown error %d", number);
    return unknown;
}
