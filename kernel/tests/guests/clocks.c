/* The vDSO: found by its headers, called through the C library, by hand and by system calls in turn: time never goes back. */
#define _GNU_SOURCE
#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef long long ns;
static int (*vdso_gettime)(clockid_t, struct timespec *);

static ns of(const struct timespec *t) { return t->tv_sec * 1000000000LL + t->tv_nsec; }

static ns by_call(clockid_t c) {
    struct timespec t;
    syscall(SYS_clock_gettime, c, &t);
    return of(&t);
}

static ns by_vdso(clockid_t c) {
    struct timespec t;
    vdso_gettime(c, &t);
    return of(&t);
}

/* As C libraries do: program headers, dynamic section, symbols by either hash table, versions. */
static unsigned gnu_hash(const char *s) {
    unsigned h = 5381;
    for (; *s; s++) h = h * 33 + (unsigned char)*s;
    return h;
}
static unsigned elf_hash(const char *s) {
    unsigned h = 0, g;
    for (; *s; s++) {
        h = (h << 4) + (unsigned char)*s;
        g = h & 0xf0000000;
        h ^= g >> 24;
        h &= ~g;
    }
    return h;
}

static const char *base;
static const Elf64_Sym *symbols;
static const char *strings;
static const unsigned *hash, *gnu;
static const unsigned short *versions;
static const Elf64_Verdef *definitions;

static int version_is(unsigned index, const char *name) {
    for (const Elf64_Verdef *d = definitions;; d = (const void *)((const char *)d + d->vd_next)) {
        const Elf64_Verdaux *a = (const void *)((const char *)d + d->vd_aux);
        if (d->vd_ndx == index) return d->vd_hash == elf_hash(name) && !strcmp(strings + a->vda_name, name);
        if (!d->vd_next) return 0;
    }
}

static const Elf64_Sym *by_elf_hash(const char *name) {
    for (unsigned i = hash[2 + elf_hash(name) % hash[0]]; i; i = hash[2 + hash[0] + i])
        if (!strcmp(strings + symbols[i].st_name, name)) return &symbols[i];
    return NULL;
}

static const Elf64_Sym *by_gnu_hash(const char *name) {
    unsigned h = gnu_hash(name), buckets = gnu[0], first = gnu[1], blooms = gnu[2], shift = gnu[3];
    const unsigned long *bloom = (const void *)(gnu + 4);
    unsigned long word = bloom[h / 64 % blooms];
    if (!(word >> h % 64 & 1) || !(word >> (h >> shift) % 64 & 1)) return NULL;
    const unsigned *bucket = (const void *)(bloom + blooms), *chain = bucket + buckets;
    for (unsigned i = bucket[h % buckets];; i++) {
        if ((chain[i - first] | 1) == (h | 1) && !strcmp(strings + symbols[i].st_name, name)) return &symbols[i];
        if (chain[i - first] & 1) return NULL;
    }
}

static void find_vdso(void) {
    base = (const char *)getauxval(AT_SYSINFO_EHDR);
    const Elf64_Ehdr *e = (const void *)base;
    printf("an ELF image: %d\n", base && !memcmp(base, ELFMAG, 4));
    const Elf64_Phdr *p = (const void *)(base + e->e_phoff);
    for (int i = 0; i < e->e_phnum; i++) {
        if (p[i].p_type != PT_DYNAMIC) continue;
        for (const Elf64_Dyn *d = (const void *)(base + p[i].p_vaddr); d->d_tag; d++) {
            const void *at = base + d->d_un.d_ptr;
            if (d->d_tag == DT_SYMTAB) symbols = at;
            if (d->d_tag == DT_STRTAB) strings = at;
            if (d->d_tag == DT_HASH) hash = at;
            if (d->d_tag == DT_GNU_HASH) gnu = at;
            if (d->d_tag == DT_VERSYM) versions = at;
            if (d->d_tag == DT_VERDEF) definitions = at;
        }
    }
    const char *names[] = {"clock_gettime", "gettimeofday", "time", "clock_getres", "getcpu"};
    for (int i = 0; i < 5; i++) {
        char full[64];
        snprintf(full, sizeof full, "__vdso_%s", names[i]);
        const Elf64_Sym *s = by_gnu_hash(full), *weak = by_gnu_hash(names[i]);
        int ok = s && weak && weak->st_value == s->st_value && (!hash || by_elf_hash(full) == s);
        int function = s && ELF64_ST_TYPE(s->st_info) == STT_FUNC && ELF64_ST_BIND(s->st_info) == STB_GLOBAL;
        printf("%s: %d %d version %d\n", full, ok, function, s && version_is(versions[s - symbols] & 0x7fff, "LINUX_2.6"));
        if (s && i == 0) vdso_gettime = (void *)(base + s->st_value);
    }
    printf("an unknown name: %d\n", by_gnu_hash("__vdso_nothing") != NULL);
}

static void all_clocks(void) {
    for (clockid_t c = 0; c < 16; c++) {
        struct timespec v, s, rv = {7, 7}, rs = {7, 7};
        int a = clock_gettime(c, &v), b = syscall(SYS_clock_gettime, c, &s);
        int ra = clock_getres(c, &rv), rb = syscall(SYS_clock_getres, c, &rs);
        printf("clock %d: %d %d %d %d, near: %d, same resolution: %d\n", c, a, b, ra, rb,
               a || of(&s) - of(&v) < 1000000000, of(&rv) == of(&rs));
    }
    struct timeval tv;
    struct timezone tz = {5, 5};
    gettimeofday(&tv, &tz);
    ns now = by_call(CLOCK_REALTIME) / 1000, then = tv.tv_sec * 1000000LL + tv.tv_usec;
    printf("gettimeofday: %d %d %d\n", then <= now && now - then < 1000000, tz.tz_minuteswest, tz.tz_dsttime);
    time_t t, u = time(&t);
    printf("time: %d %d\n", t == u, u <= now / 1000000 && now / 1000000 - u < 2);
    printf("gettimeofday(NULL, NULL): %d, clock_getres(1, NULL): %d\n", gettimeofday(NULL, NULL), clock_getres(1, NULL));
}

static volatile ns latest;

/* Each reads both ways in turn; nobody may see a time before one that was seen. */
static void *forward(void *which) {
    long back = 0;
    for (int i = 0; i < 3000; i++) {
        ns seen = __atomic_load_n(&latest, __ATOMIC_SEQ_CST);
        ns now = (i + (long)which) % 8 ? by_vdso(CLOCK_MONOTONIC) : by_call(CLOCK_MONOTONIC);
        if (now < seen) back++;
        while (now > seen && !__atomic_compare_exchange_n(&latest, &seen, now, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    }
    return (void *)back;
}

int main(void) {
    find_vdso();
    all_clocks();
    pthread_t t[4];
    long back = 0;
    for (long i = 0; i < 4; i++) pthread_create(&t[i], NULL, forward, (void *)i);
    for (int i = 0; i < 4; i++) {
        void *r;
        pthread_join(t[i], &r);
        back += (long)r;
    }
    printf("steps back: %ld\n", back);
    ns real = by_vdso(CLOCK_REALTIME), again = by_call(CLOCK_REALTIME), last = by_vdso(CLOCK_REALTIME);
    printf("real time goes forward: %d\n", real <= again && again <= last);
    pid_t child = fork();
    if (!child) {
        ns here = by_vdso(CLOCK_MONOTONIC);
        _exit(here >= latest ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    printf("a child goes on from there: %d\n", status == 0);
    return 0;
}
