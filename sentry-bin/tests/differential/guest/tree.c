/* Operations on names. */
#include "guest.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

static void op_mkdir(char **a) { result(mkdir(path(a, 0), (mode_t)num(a, 1))); }
static void op_rmdir(char **a) { result(rmdir(path(a, 0))); }
static void op_unlink(char **a) { result(unlink(path(a, 0))); }
static void op_truncate(char **a) { result(truncate(path(a, 0), num(a, 1))); }
static void op_access(char **a) { result(syscall(SYS_access, path(a, 0), num(a, 1))); }
static void op_faccessat2(char **a) { result(syscall(SYS_faccessat2, AT_FDCWD, path(a, 0), num(a, 1), num(a, 2))); }
static void op_chmod(char **a) { result(chmod(path(a, 0), (mode_t)num(a, 1))); }
static void op_fchmod(char **a) { result(fchmod(slot(a, 0), (mode_t)num(a, 1))); }
static void op_chown(char **a) { result(chown(path(a, 0), (uid_t)num(a, 1), (gid_t)num(a, 2))); }
static void op_lchown(char **a) { result(lchown(path(a, 0), (uid_t)num(a, 1), (gid_t)num(a, 2))); }
static void op_fchown(char **a) { result(fchown(slot(a, 0), (uid_t)num(a, 1), (gid_t)num(a, 2))); }
static void op_chdir(char **a) { result(chdir(path(a, 0))); }
static void op_fchdir(char **a) { result(fchdir(slot(a, 0))); }
static void op_umask(char **a) { result(umask((mode_t)num(a, 0))); }
static void op_mknod(char **a) { result(mknod(path(a, 0), (mode_t)num(a, 1), 0)); }
static void op_unlinkat(char **a) { result(unlinkat(slot(a, 0), path(a, 1), (int)num(a, 2))); }
static void op_mkdirat(char **a) { result(mkdirat(slot(a, 0), path(a, 1), (mode_t)num(a, 2))); }

/* `path` may use the same buffer twice. */
static char *kept(char **a, int i) { return strdup(path(a, i)); }

static void op_rename(char **a) {
    char *old = kept(a, 0);
    result(rename(old, path(a, 1)));
    free(old);
}

static void op_renameat2(char **a) {
    char *old = kept(a, 0);
    result(syscall(SYS_renameat2, AT_FDCWD, old, AT_FDCWD, path(a, 1), num(a, 2)));
    free(old);
}

static void op_link(char **a) {
    char *old = kept(a, 0);
    result(link(old, path(a, 1)));
    free(old);
}

/* Names an open file: slot, path, flags. */
static void op_linkat(char **a) { result(linkat(slot(a, 0), "", AT_FDCWD, path(a, 1), AT_EMPTY_PATH)); }

static void op_symlink(char **a) {
    char *target = kept(a, 0);
    result(symlink(target, path(a, 1)));
    free(target);
}

static void op_readlink(char **a) {
    unsigned char buf[300];
    long n = result(readlink(path(a, 0), (char *)buf, (size_t)num(a, 1)));
    if (n > 0) say(" %.*s", (int)n, buf);
}

static void op_getcwd(char **a) {
    char buf[4096];
    (void)a;
    if (syscall(SYS_getcwd, buf, sizeof buf) < 0) {
        result(-1);
        return;
    }
    char *inside = strstr(buf, "/up");
    say(" %s", inside ? inside : buf);
}

static void said_stat(long r, const struct stat *st) {
    if (result(r)) return;
    say(" mode %o links %d owner %d:%d", st->st_mode, (int)st->st_nlink, st->st_uid, st->st_gid);
    if (!S_ISDIR(st->st_mode)) say(" size %ld", (long)st->st_size);
    /* Linux leaves the times of a socket without a name as the memory was that it uses for them. */
    if (S_ISSOCK(st->st_mode)) return;
    /* Times that an operation has set are small; the others are now. */
    if (st->st_mtime < 1000000) say(" mtime %ld.%09ld", (long)st->st_mtime, (long)st->st_mtim.tv_nsec);
    if (st->st_atime < 1000000) say(" atime %ld.%09ld", (long)st->st_atime, (long)st->st_atim.tv_nsec);
}

static void op_stat(char **a) {
    struct stat st;
    said_stat(syscall(SYS_newfstatat, AT_FDCWD, path(a, 0), &st, num(a, 1)), &st);
}

static void op_fstat(char **a) {
    struct stat st;
    said_stat(fstat(slot(a, 0), &st), &st);
}

static void op_statx(char **a) {
    struct statx st;
    if (result(syscall(SYS_statx, AT_FDCWD, path(a, 0), num(a, 1), num(a, 2), &st))) return;
    say(" mode %o links %d owner %d:%d", st.stx_mode, (int)st.stx_nlink, st.stx_uid, st.stx_gid);
    if (!S_ISDIR(st.stx_mode)) say(" size %ld", (long)st.stx_size);
}

static void op_utimens(char **a) {
    struct timespec t[2] = {{num(a, 1), num(a, 2)}, {num(a, 3), num(a, 4)}};
    result(syscall(SYS_utimensat, AT_FDCWD, path(a, 0), t, num(a, 5)));
}

static void op_futimens(char **a) {
    struct timespec t[2] = {{num(a, 1), num(a, 2)}, {num(a, 3), num(a, 4)}};
    result(syscall(SYS_utimensat, slot(a, 0), NULL, t, num(a, 5)));
}

/* Directory, old name, directory, new name, flags. */
static void op_linkat2(char **a) {
    char *old = kept(a, 1);
    result(linkat(slot(a, 0), old, slot(a, 2), path(a, 3), (int)num(a, 4)));
    free(old);
}

static void op_renameat(char **a) {
    char *old = kept(a, 1);
    result(syscall(SYS_renameat2, slot(a, 0), old, slot(a, 2), path(a, 3), num(a, 4)));
    free(old);
}

static void op_fstatat(char **a) {
    struct stat st;
    said_stat(syscall(SYS_newfstatat, slot(a, 0), path(a, 1), &st, num(a, 2)), &st);
}

/* The number of fchmodat2, which older headers do not have. */
static void op_fchmodat2(char **a) { result(syscall(452L, slot(a, 0), path(a, 1), num(a, 2), num(a, 3))); }
static void op_fchownat(char **a) { result(fchownat(slot(a, 0), path(a, 1), (uid_t)num(a, 2), (gid_t)num(a, 3), (int)num(a, 4))); }
static void op_chroot(char **a) { result(chroot(path(a, 0))); }

static void op_fsetxattr(char **a) {
    unsigned char *value = pattern((size_t)num(a, 2), (unsigned)num(a, 3));
    result(fsetxattr(slot(a, 0), a[1], value, (size_t)num(a, 2), (int)num(a, 4)));
    free(value);
}

static void op_fgetxattr(char **a) {
    unsigned char buf[256];
    long n = result(fgetxattr(slot(a, 0), a[1], buf, (size_t)num(a, 2)));
    if (n > 0 && num(a, 2)) say_bytes(buf, (size_t)n);
}

/* How many bytes of names come with a small buffer, and whether seeking back lists as many. */
static void op_dents(char **a) {
    char buf[4096];
    long n = syscall(SYS_getdents64, slot(a, 0), buf, num(a, 1));
    if (n < 0) result(n);
    else say(" %s", n ? "some" : "none");
}

/* Names and types, sorted: the order is the file system's. */
static void op_list(char **a) {
    int fd = slot(a, 0), count = 0;
    static char names[512][264];
    char buf[2048];
    for (;;) {
        long n = syscall(SYS_getdents64, fd, buf, sizeof buf);
        if (n <= 0) {
            result(n);
            break;
        }
        for (long at = 0; at < n;) {
            struct dirent64 *d = (struct dirent64 *)(buf + at);
            if (count < 512) snprintf(names[count++], sizeof names[0], "%s=%d", d->d_name, d->d_type);
            at += d->d_reclen;
        }
    }
    qsort(names, (size_t)count, sizeof names[0], (int (*)(const void *, const void *))strcmp);
    for (int i = 0; i < count; i++) say(" %s", names[i]);
}

static void op_statfs(char **a) {
    struct statfs s;
    if (result(statfs(path(a, 0), &s)) == 0)
        say(" type %lx block %ld name %ld", (long)s.f_type, (long)s.f_bsize, (long)s.f_namelen);
}

static void op_setxattr(char **a) {
    unsigned char *value = pattern((size_t)num(a, 2), (unsigned)num(a, 3));
    result(lsetxattr(path(a, 0), a[1], value, (size_t)num(a, 2), (int)num(a, 4)));
    free(value);
}

static void op_getxattr(char **a) {
    unsigned char buf[256];
    long n = result(lgetxattr(path(a, 0), a[1], buf, (size_t)num(a, 2)));
    if (n > 0 && num(a, 2)) say_bytes(buf, (size_t)n);
}

static void op_listxattr(char **a) {
    char buf[1024];
    long n = llistxattr(path(a, 0), buf, sizeof buf), user = 0;
    if (n < 0) {
        result(n);
        return;
    }
    /* Security modules may add names of their own. */
    for (char *p = buf; p < buf + n; p += strlen(p) + 1)
        if (!strncmp(p, "user.", 5)) user++, say(" %s", p);
    say(" %ld", user);
}

static void op_removexattr(char **a) { result(lremovexattr(path(a, 0), a[1])); }

const struct handler tree_ops[] = {
    {"mkdir", op_mkdir}, {"rmdir", op_rmdir}, {"unlink", op_unlink}, {"truncate", op_truncate}, {"access", op_access},
    {"faccessat2", op_faccessat2}, {"chmod", op_chmod}, {"fchmod", op_fchmod}, {"chown", op_chown}, {"lchown", op_lchown},
    {"chdir", op_chdir}, {"fchdir", op_fchdir}, {"umask", op_umask}, {"mknod", op_mknod}, {"unlinkat", op_unlinkat},
    {"mkdirat", op_mkdirat}, {"rename", op_rename}, {"renameat2", op_renameat2}, {"link", op_link}, {"linkat", op_linkat},
    {"symlink", op_symlink}, {"readlink", op_readlink}, {"getcwd", op_getcwd}, {"stat", op_stat}, {"fstat", op_fstat},
    {"statx", op_statx}, {"utimens", op_utimens}, {"list", op_list}, {"statfs", op_statfs}, {"setxattr", op_setxattr},
    {"getxattr", op_getxattr}, {"listxattr", op_listxattr}, {"removexattr", op_removexattr}, {"fchown", op_fchown}, {"futimens", op_futimens},
    {"linkat2", op_linkat2}, {"renameat", op_renameat}, {"fstatat", op_fstatat}, {"fchmodat2", op_fchmodat2},
    {"fchownat", op_fchownat}, {"chroot", op_chroot}, {"fsetxattr", op_fsetxattr}, {"fgetxattr", op_fgetxattr}, {"dents", op_dents}, {NULL, NULL},
};
