// Files, directories and memory, with libc.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define CHECK(x) do { if (!(x)) { printf("line %d: %s: %s\n", __LINE__, #x, strerror(errno)); exit(1); } } while (0)

int main(void) {
    CHECK(mkdir("/d", 0755) == 0);
    CHECK(mkdir("/d", 0755) == -1 && errno == EEXIST);
    FILE *f = fopen("/d/file", "w+");
    CHECK(f);
    for (int i = 0; i < 20000; i++)
        fprintf(f, "line %d\n", i);
    CHECK(fflush(f) == 0);
    struct stat st;
    CHECK(stat("/d/file", &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 208890);
    char *map = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
    CHECK(map != MAP_FAILED && memcmp(map, "line 0\n", 7) == 0);
    memcpy(map + 4096, "MAPPED", 6);
    char buf[6];
    CHECK(pread(fileno(f), buf, 6, 4096) == 6 && memcmp(buf, "MAPPED", 6) == 0);
    char *private = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fileno(f), 0);
    CHECK(private != MAP_FAILED);
    private[0] = 'X';
    CHECK(map[0] == 'l');
    CHECK(munmap(map, st.st_size) == 0 && fclose(f) == 0);

    CHECK(symlink("file", "/d/link") == 0 && rename("/d/file", "/d/other") == 0);
    CHECK(open("/d/link", O_RDONLY) == -1 && errno == ENOENT);
    int n = 0;
    DIR *d = opendir("/d");
    CHECK(d);
    while (readdir(d))
        n++;
    CHECK(n == 4 && closedir(d) == 0);
    CHECK(open("", O_RDONLY) == -1 && errno == ENOENT);
    CHECK(openat(-5, "", O_RDONLY) == -1 && errno == ENOENT);
    CHECK(openat(-5, "none", O_CREAT | O_DIRECTORY, 0600) == -1 && errno == EINVAL);
    CHECK(linkat(-5, "", AT_FDCWD, "/d/new", AT_EMPTY_PATH) == -1 && errno == EBADF);
    struct timespec bad[2] = {{0, 1000000000}, {0, 0}};
    CHECK(utimensat(AT_FDCWD, "/d/none", bad, 0) == -1 && errno == ENOENT);
    CHECK(utimensat(AT_FDCWD, "/d/other", bad, 0) == -1 && errno == EINVAL);
    char *too_long = memset(malloc(5000), 'n', 5000);
    too_long[4999] = 0;
    CHECK(renameat2(AT_FDCWD, too_long, AT_FDCWD, "/d/new", RENAME_NOREPLACE | RENAME_EXCHANGE) == -1 && errno == EINVAL);
    CHECK(renameat2(AT_FDCWD, too_long, AT_FDCWD, "/d/new", 0) == -1 && errno == ENAMETOOLONG);
    int ends[2];
    CHECK(pipe(ends) == 0 && mmap(NULL, 1, PROT_EXEC | PROT_READ, MAP_PRIVATE, ends[0], 0) == MAP_FAILED && errno == EPERM);
    CHECK(mmap(NULL, 1, PROT_READ, MAP_PRIVATE, ends[0], 0) == MAP_FAILED && errno == ENODEV);
    CHECK(pread(ends[1], buf, 1, 0) == -1 && errno == ESPIPE);
    CHECK(pwrite(ends[0], buf, 1, 0) == -1 && errno == ESPIPE);
    CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
    struct rlimit limit, full;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    full = (struct rlimit){0, limit.rlim_max};
    CHECK(setrlimit(RLIMIT_NOFILE, &full) == 0);
    CHECK(open("/d/none", O_CREAT | O_WRONLY, 0600) == -1 && errno == EMFILE);
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0 && access("/d/none", F_OK) == -1 && errno == ENOENT);
    CHECK(chdir("/d") == 0 && strcmp(getcwd(NULL, 0), "/d") == 0);
    CHECK(unlink("other") == 0 && unlink("link") == 0 && rmdir("/d") == 0);

    char *big = malloc(64 << 20);
    CHECK(big);
    for (size_t i = 0; i < 64 << 20; i += 4096)
        big[i] = i >> 12;
    for (size_t i = 0; i < 64 << 20; i += 4096)
        CHECK(big[i] == (char)(i >> 12));
    free(big);

    int zero = open("/dev/zero", O_RDONLY);
    char z[16] = "not zero at all";
    CHECK(zero >= 0 && read(zero, z, sizeof z) == sizeof z && z[0] == 0 && z[15] == 0);
    struct utsname u;
    CHECK(uname(&u) == 0 && strcmp(u.sysname, "Linux") == 0 && strcmp(u.nodename, "test") == 0);
    struct timespec before, after, nap = { 0, 20000000 };
    clock_gettime(CLOCK_MONOTONIC, &before);
    CHECK(nanosleep(&nap, NULL) == 0);
    clock_gettime(CLOCK_MONOTONIC, &after);
    CHECK((after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec - before.tv_nsec >= 20000000);
    CHECK(write(99, "x", 1) == -1 && errno == EBADF);
    CHECK(write(1, (void *)8, 1) == -1 && errno == EFAULT);
    puts("all is well");
    return 0;
}
