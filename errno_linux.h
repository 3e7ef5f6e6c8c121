/* Linux's error numbers for CPython, whose numbers programs print and compare; WASI's differ.
 *
 * Every file of CPython is compiled with this header first. `errno` becomes a place of our own, which takes
 * over, translated, whatever libc has set since it was last looked at (errno.c). */
#ifndef SANDPIPER_ERRNO_LINUX_H
#define SANDPIPER_ERRNO_LINUX_H

/* As pyconfig.h, which comes too late for what errno.h includes. */
#define _GNU_SOURCE 1

#include <errno.h>

int *sandpiper_errno(void);
char *sandpiper_strerror(int number);

#undef errno
#define errno (*sandpiper_errno())
#define strerror sandpiper_strerror

#undef E2BIG
#undef EACCES
#undef EADDRINUSE
#undef EADDRNOTAVAIL
#undef EAFNOSUPPORT
#undef EAGAIN
#undef EALREADY
#undef EBADF
#undef EBADMSG
#undef EBUSY
#undef ECANCELED
#undef ECHILD
#undef ECONNABORTED
#undef ECONNREFUSED
#undef ECONNRESET
#undef EDEADLK
#undef EDESTADDRREQ
#undef EDOM
#undef EDQUOT
#undef EEXIST
#undef EFAULT
#undef EFBIG
#undef EHOSTUNREACH
#undef EIDRM
#undef EILSEQ
#undef EINPROGRESS
#undef EINTR
#undef EINVAL
#undef EIO
#undef EISCONN
#undef EISDIR
#undef ELOOP
#undef EMFILE
#undef EMLINK
#undef EMSGSIZE
#undef EMULTIHOP
#undef ENAMETOOLONG
#undef ENETDOWN
#undef ENETRESET
#undef ENETUNREACH
#undef ENFILE
#undef ENOBUFS
#undef ENODEV
#undef ENOENT
#undef ENOEXEC
#undef ENOLCK
#undef ENOLINK
#undef ENOMEM
#undef ENOMSG
#undef ENOPROTOOPT
#undef ENOSPC
#undef ENOSYS
#undef ENOTCAPABLE
#undef ENOTCONN
#undef ENOTDIR
#undef ENOTEMPTY
#undef ENOTRECOVERABLE
#undef ENOTSOCK
#undef ENOTSUP
#undef ENOTTY
#undef ENXIO
#undef EOPNOTSUPP
#undef EOVERFLOW
#undef EOWNERDEAD
#undef EPERM
#undef EPIPE
#undef EPROTO
#undef EPROTONOSUPPORT
#undef EPROTOTYPE
#undef ERANGE
#undef EROFS
#undef ESPIPE
#undef ESRCH
#undef ESTALE
#undef ETIMEDOUT
#undef ETXTBSY
#undef EWOULDBLOCK
#undef EXDEV

#define E2BIG 7
#define EACCES 13
#define EADDRINUSE 98
#define EADDRNOTAVAIL 99
#define EAFNOSUPPORT 97
#define EAGAIN 11
#define EALREADY 114
#define EBADF 9
#define EBADMSG 74
#define EBUSY 16
#define ECANCELED 125
#define ECHILD 10
#define ECONNABORTED 103
#define ECONNREFUSED 111
#define ECONNRESET 104
#define EDEADLK 35
#define EDESTADDRREQ 89
#define EDOM 33
#define EDQUOT 122
#define EEXIST 17
#define EFAULT 14
#define EFBIG 27
#define EHOSTUNREACH 113
#define EIDRM 43
#define EILSEQ 84
#define EINPROGRESS 115
#define EINTR 4
#define EINVAL 22
#define EIO 5
#define EISCONN 106
#define EISDIR 21
#define ELOOP 40
#define EMFILE 24
#define EMLINK 31
#define EMSGSIZE 90
#define EMULTIHOP 72
#define ENAMETOOLONG 36
#define ENETDOWN 100
#define ENETRESET 102
#define ENETUNREACH 101
#define ENFILE 23
#define ENOBUFS 105
#define ENODEV 19
#define ENOENT 2
#define ENOEXEC 8
#define ENOLCK 37
#define ENOLINK 67
#define ENOMEM 12
#define ENOMSG 42
#define ENOPROTOOPT 92
#define ENOSPC 28
#define ENOSYS 38
/* What a capability does not allow is not permitted. */
#define ENOTCAPABLE 1
#define ENOTCONN 107
#define ENOTDIR 20
#define ENOTEMPTY 39
#define ENOTRECOVERABLE 131
#define ENOTSOCK 88
#define ENOTSUP 95
#define ENOTTY 25
#define ENXIO 6
#define EOPNOTSUPP 95
#define EOVERFLOW 75
#define EOWNERDEAD 130
#define EPERM 1
#define EPIPE 32
#define EPROTO 71
#define EPROTONOSUPPORT 93
#define EPROTOTYPE 91
#define ERANGE 34
#define EROFS 30
#define ESPIPE 29
#define ESRCH 3
#define ESTALE 116
#define ETIMEDOUT 110
#define ETXTBSY 26
#define EWOULDBLOCK 11
#define EXDEV 18

#endif
