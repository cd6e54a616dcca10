/* Operations on open files. */
#include "guest.h"

#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static void op_open(char **a) {
    int flags = (int)num(a, 2);
    set_slot(a, 0, result(open(path(a, 1), flags | O_NONBLOCK, (mode_t)num(a, 3))));
}

struct how {
    uint64_t flags, mode, resolve;
};

static void op_openat2(char **a) {
    struct how how = {(uint64_t)num(a, 2) | O_NONBLOCK, (uint64_t)num(a, 3), (uint64_t)num(a, 4)};
    set_slot(a, 0, result(syscall(SYS_openat2, AT_FDCWD, path(a, 1), &how, sizeof how)));
}

static void op_openat(char **a) {
    set_slot(a, 0, result(openat(slot(a, 1), path(a, 2), (int)num(a, 3) | O_NONBLOCK, (mode_t)num(a, 4))));
}

static void op_close(char **a) { result(close(slot(a, 0))); }

static void said_read(long n, unsigned char *buf) {
    if (result(n) > 0) say_bytes(buf, (size_t)n);
    free(buf);
}

static void op_read(char **a) {
    size_t n = (size_t)num(a, 1);
    unsigned char *buf = calloc(1, n + 1);
    said_read(read(slot(a, 0), buf, n), buf);
}

static void op_pread(char **a) {
    size_t n = (size_t)num(a, 1);
    unsigned char *buf = calloc(1, n + 1);
    said_read(pread(slot(a, 0), buf, n, num(a, 2)), buf);
}

static void op_write(char **a) {
    unsigned char *buf = pattern((size_t)num(a, 1), (unsigned)num(a, 2));
    result(write(slot(a, 0), buf, (size_t)num(a, 1)));
    free(buf);
}

static void op_pwrite(char **a) {
    unsigned char *buf = pattern((size_t)num(a, 1), (unsigned)num(a, 3));
    result(pwrite(slot(a, 0), buf, (size_t)num(a, 1), num(a, 2)));
    free(buf);
}

/* Three buffers, the middle one empty. */
static void op_writev(char **a) {
    size_t n = (size_t)num(a, 1);
    unsigned char *buf = pattern(n, (unsigned)num(a, 2));
    struct iovec v[3] = {{buf, n / 3}, {buf, 0}, {buf + n / 3, n - n / 3}};
    result(writev(slot(a, 0), v, 3));
    free(buf);
}

static void op_readv(char **a) {
    size_t n = (size_t)num(a, 1);
    unsigned char *buf = calloc(1, n + 1);
    struct iovec v[3] = {{buf, n / 3}, {buf, 0}, {buf + n / 3, n - n / 3}};
    said_read(readv(slot(a, 0), v, 3), buf);
}

static void op_pwritev2(char **a) {
    size_t n = (size_t)num(a, 1);
    unsigned char *buf = pattern(n, (unsigned)num(a, 3));
    struct iovec v = {buf, n};
    result(pwritev2(slot(a, 0), &v, 1, num(a, 2), (int)num(a, 4)));
    free(buf);
}

/* The buffer is not mapped. */
static void op_read_fault(char **a) { result(syscall(SYS_read, slot(a, 0), 16L, num(a, 1))); }
static void op_write_fault(char **a) { result(syscall(SYS_write, slot(a, 0), 16L, num(a, 1))); }

static void op_readahead(char **a) { result(syscall(SYS_readahead, slot(a, 0), num(a, 1), num(a, 2))); }
static void op_sync_range(char **a) { result(syscall(SYS_sync_file_range, slot(a, 0), num(a, 1), num(a, 2), num(a, 3))); }

static void op_preadv2(char **a) {
    size_t n = (size_t)num(a, 1);
    unsigned char *buf = calloc(1, n + 1);
    struct iovec v = {buf, n};
    said_read(preadv2(slot(a, 0), &v, 1, num(a, 2), (int)num(a, 3)), buf);
}

/* Slot, request, argument. */
static void op_ioctl(char **a) {
    long value = num(a, 2);
    if (result(ioctl(slot(a, 0), (unsigned long)num(a, 1), &value)) == 0) say(" %ld", value);
}

static void op_fcntl(char **a) { result(fcntl(slot(a, 0), (int)num(a, 1), num(a, 2))); }

static void op_lseek(char **a) { result(lseek(slot(a, 0), num(a, 1), (int)num(a, 2))); }
static void op_ftruncate(char **a) { result(ftruncate(slot(a, 0), num(a, 1))); }
static void op_fallocate(char **a) { result(fallocate(slot(a, 0), (int)num(a, 1), num(a, 2), num(a, 3))); }
static void op_fsync(char **a) { result(fsync(slot(a, 0))); }
static void op_fdatasync(char **a) { result(fdatasync(slot(a, 0))); }
static void op_fadvise(char **a) { result(syscall(SYS_fadvise64, slot(a, 0), num(a, 1), num(a, 2), num(a, 3))); }
static void op_dup(char **a) { set_slot(a, 1, result(dup(slot(a, 0)))); }
static void op_dup2(char **a) { set_slot(a, 2, result(dup2(slot(a, 0), (int)num(a, 1)))); }
static void op_dup3(char **a) { set_slot(a, 2, result(dup3(slot(a, 0), (int)num(a, 1), (int)num(a, 3)))); }
static void op_flock(char **a) { result(flock(slot(a, 0), (int)num(a, 1) | LOCK_NB)); }
static void op_close_range(char **a) { result(syscall(SYS_close_range, num(a, 0), num(a, 1), num(a, 2))); }

static void op_dupfd(char **a) { set_slot(a, 1, result(fcntl(slot(a, 0), (int)num(a, 3), num(a, 2)))); }
static void op_getfd(char **a) { result(fcntl(slot(a, 0), F_GETFD)); }
static void op_setfd(char **a) { result(fcntl(slot(a, 0), F_SETFD, num(a, 1))); }
static void op_getfl(char **a) { result(fcntl(slot(a, 0), F_GETFL)); }
static void op_setfl(char **a) { result(fcntl(slot(a, 0), F_SETFL, num(a, 1) | O_NONBLOCK)); }
static void op_pipe_size(char **a) { result(fcntl(slot(a, 0), F_GETPIPE_SZ)); }
static void op_set_pipe_size(char **a) { result(fcntl(slot(a, 0), F_SETPIPE_SZ, num(a, 1))); }
static void op_get_seals(char **a) { result(fcntl(slot(a, 0), F_GET_SEALS)); }
static void op_add_seals(char **a) { result(fcntl(slot(a, 0), F_ADD_SEALS, num(a, 1))); }

/* Slot, command, type, whence, start, length. */
static void op_lock(char **a) {
    struct flock l = {.l_type = (short)num(a, 2), .l_whence = (short)num(a, 3), .l_start = num(a, 4), .l_len = num(a, 5)};
    int command = (int)num(a, 1);
    if (result(fcntl(slot(a, 0), command, &l)) == 0 && (command == F_GETLK || command == F_OFD_GETLK)) {
        say(" type %d", l.l_type);
        if (l.l_type != F_UNLCK)
            say(" whence %d start %ld len %ld by %s", l.l_whence, (long)l.l_start, (long)l.l_len, who(l.l_pid));
    }
}

static void op_fionread(char **a) {
    int n = 0;
    if (result(ioctl(slot(a, 0), FIONREAD, &n)) == 0) say(" %d", n);
}

static void op_pipe(char **a) {
    int two[2] = {-1, -1};
    if (result(pipe2(two, (int)num(a, 2) | O_NONBLOCK)) == 0) {
        set_slot(a, 0, two[0]);
        set_slot(a, 1, two[1]);
        say(" %d %d", two[0], two[1]);
    }
}

static void op_memfd(char **a) { set_slot(a, 0, result(memfd_create(path(a, 1), (unsigned)num(a, 2)))); }

/* An offset of -1 stands for none. */
static off64_t *offset(off64_t *at) { return *at < 0 ? NULL : at; }

static void op_sendfile(char **a) {
    off64_t at = num(a, 2);
    result(sendfile(slot(a, 0), slot(a, 1), offset(&at), (size_t)num(a, 3)));
    say(" at %ld", (long)at);
}

static void op_copy_file_range(char **a) {
    off64_t in = num(a, 1), out = num(a, 3);
    result(copy_file_range(slot(a, 0), offset(&in), slot(a, 2), offset(&out), (size_t)num(a, 4), (unsigned)num(a, 5)));
    say(" at %ld %ld", (long)in, (long)out);
}

static void op_splice(char **a) {
    off64_t in = num(a, 1), out = num(a, 3);
    result(splice(slot(a, 0), offset(&in), slot(a, 2), offset(&out), (size_t)num(a, 4), SPLICE_F_NONBLOCK));
    say(" at %ld %ld", (long)in, (long)out);
}

static void op_tee(char **a) { result(tee(slot(a, 0), slot(a, 1), (size_t)num(a, 2), SPLICE_F_NONBLOCK)); }

static void op_vmsplice(char **a) {
    unsigned char *buf = pattern((size_t)num(a, 1), (unsigned)num(a, 2));
    struct iovec v = {buf, (size_t)num(a, 1)};
    result(vmsplice(slot(a, 0), &v, 1, SPLICE_F_NONBLOCK));
    free(buf);
}

const struct handler file_ops[] = {
    {"open", op_open}, {"openat", op_openat}, {"openat2", op_openat2}, {"close", op_close}, {"read", op_read},
    {"pread", op_pread}, {"write", op_write}, {"pwrite", op_pwrite}, {"readv", op_readv}, {"writev", op_writev},
    {"pwritev2", op_pwritev2}, {"read_fault", op_read_fault}, {"write_fault", op_write_fault}, {"lseek", op_lseek},
    {"ftruncate", op_ftruncate}, {"fallocate", op_fallocate}, {"fsync", op_fsync}, {"fdatasync", op_fdatasync},
    {"fadvise", op_fadvise}, {"dup", op_dup}, {"dup2", op_dup2}, {"dup3", op_dup3}, {"flock", op_flock},
    {"close_range", op_close_range}, {"dupfd", op_dupfd}, {"getfd", op_getfd}, {"setfd", op_setfd}, {"getfl", op_getfl},
    {"setfl", op_setfl}, {"pipe_size", op_pipe_size}, {"set_pipe_size", op_set_pipe_size}, {"get_seals", op_get_seals},
    {"add_seals", op_add_seals}, {"lock", op_lock}, {"fionread", op_fionread}, {"pipe", op_pipe}, {"memfd", op_memfd},
    {"sendfile", op_sendfile}, {"copy_file_range", op_copy_file_range}, {"splice", op_splice}, {"tee", op_tee},
    {"vmsplice", op_vmsplice}, {"readahead", op_readahead}, {"sync_range", op_sync_range}, {"preadv2", op_preadv2},
    {"ioctl", op_ioctl}, {"fcntl", op_fcntl}, {NULL, NULL},
};
