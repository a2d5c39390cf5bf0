/* Counts, records and spoils what a command does to the files below one directory.
 *
 * Loaded with LD_PRELOAD in front of the C library, through which CPython and SQLite both go. Every call
 * that changes a file or directory below FAULTS_ROOT is an operation with a number, counted across all
 * threads and processes of the command in the file FAULTS_STATE, which they share. At the operation that
 * the state names the process group is killed, or the call fails. Operations that were carried out are
 * appended to FAULTS_TRACE with their octets, in the order in which they took place; tests.support.faults.trace
 * reads them.
 *
 * Operations run one at a time, so that the trace is true. A sync is recorded and not carried out:
 * what a crash leaves is computed from the trace, and a killed process loses nothing that was written.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* What happens at operation `at`. FROM: to it and to all later ones. */
enum how { NOTHING, KILL, TORN, NO_SPACE, NO_SPACE_FROM, IO_ERROR, IO_ERROR_FROM };

/* The kinds of operations, as the trace has them. */
enum kind { CREATE = 1, TRUNCATE, WRITE, SYNC, SYNC_DIRECTORY, RENAME, UNLINK, MKDIR, RMDIR };

struct state {
    uint32_t lock;
    uint32_t how;
    uint64_t at;
    uint64_t started;
    uint64_t finished;
    uint64_t hit; /* operations that were spoiled */
};

struct record {
    uint32_t kind;
    uint32_t path_length;
    uint64_t number;
    uint64_t inode;
    uint64_t offset; /* of a write; the new length for TRUNCATE */
    uint64_t length; /* octets of data behind the paths */
    uint32_t second_length; /* of a rename's new path */
    uint32_t mode;
};

static struct state *state;
static char root[PATH_MAX];
static size_t root_length;
static int trace = -1;

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

static int real_open(const char *path, int flags, mode_t mode) {
    REAL(int, open64, const char *, int, ...);
    return real(path, flags, mode);
}

static ssize_t real_write(int fd, const void *octets, size_t length) {
    REAL(ssize_t, write, int, const void *, size_t);
    return real(fd, octets, length);
}

static ssize_t real_pwrite(int fd, const void *octets, size_t length, off64_t offset) {
    REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
    return real(fd, octets, length, offset);
}

/* Takes its orders from the environment: at the start of a process, and again when a test has forked one. */
__attribute__((visibility("default"))) void faults_load(void) {
    const char *directory = getenv("FAULTS_ROOT"), *shared = getenv("FAULTS_STATE");
    const char *log = getenv("FAULTS_TRACE");
    state = NULL;
    if (!directory || !shared || !log || strlen(directory) >= sizeof root) return;
    int fd = real_open(shared, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) return;
    void *at = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at == MAP_FAILED) return;
    int opened = real_open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (trace >= 0) close(trace);
    /* Out of the way of whoever counts on small numbers. */
    trace = fcntl(opened, F_DUPFD_CLOEXEC, 900);
    close(opened);
    strcpy(root, directory);
    root_length = strlen(root);
    state = at;
}

__attribute__((constructor)) static void start(void) { faults_load(); }

static void lock(void) {
    while (__atomic_exchange_n(&state->lock, 1, __ATOMIC_ACQUIRE)) sched_yield();
}

static void unlock(void) { __atomic_store_n(&state->lock, 0, __ATOMIC_RELEASE); }

static int below(const char *path) {
    return !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

/* Writes the path that `path` means for `directory` to `into`; returns whether it is below the root. */
static int resolve(int directory, const char *path, char *into) {
    if (!state) return 0;
    if (path[0] == '/') {
        if (strlen(path) >= PATH_MAX) return 0;
        strcpy(into, path);
        return below(into);
    }
    char base[PATH_MAX], link[64];
    ssize_t length;
    if (directory == AT_FDCWD) strcpy(link, "/proc/self/cwd");
    else snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
    length = readlink(link, base, sizeof base - 1);
    if (length <= 0) return 0;
    base[length] = 0;
    if (strlen(base) + strlen(path) + 2 > PATH_MAX) return 0;
    strcpy(into, base);
    strcat(into, "/");
    strcat(into, path);
    return below(into);
}

/* The same for an open file. One that was removed has its last path, which its inode does not need. */
static int opened(int fd, char *into) {
    if (!state) return 0;
    int before = errno;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, into, PATH_MAX - 1);
    errno = before;
    if (length <= 0) return 0;
    into[length] = 0;
    return below(into);
}

static void note(enum kind kind, const char *path, const char *second, uint64_t inode,
                 uint64_t offset, const void *data, size_t length, mode_t mode) {
    struct record record = {kind, strlen(path), state->started, inode, offset, length,
                            second ? strlen(second) : 0, mode};
    struct iovec parts[] = {{&record, sizeof record}, {(void *)path, record.path_length},
                            {(void *)second, record.second_length}, {(void *)data, length}};
    REAL(ssize_t, writev, int, const struct iovec *, int);
    if (real(trace, parts, 4) < 0) abort();
}

static void die(void) {
    kill(0, SIGKILL);
    for (;;) pause();
}

enum verdict { PASS, FAIL, HALF_THEN_DIE, HALF };

/* Begins an operation: takes the lock, and says what is to become of it. `grows`: it needs room. */
static enum verdict begin(int grows, int frees) {
    lock();
    uint64_t number = ++state->started;
    enum verdict verdict = PASS;
    int now = state->at == number, later = state->at && number > state->at;
    switch (state->how) {
    case KILL:
        if (now) { state->hit++; die(); }
        break;
    case TORN:
        if (now) verdict = HALF_THEN_DIE;
        break;
    case NO_SPACE:
        if (now && !frees) verdict = FAIL;
        break;
    case NO_SPACE_FROM:
        if (grows && (now || later)) verdict = state->hit ? FAIL : HALF;
        break;
    case IO_ERROR:
        if (now) verdict = FAIL;
        break;
    case IO_ERROR_FROM:
        if (now || later) verdict = FAIL;
        break;
    }
    if (verdict != PASS) state->hit++;
    return verdict;
}

/* Ends it, and returns `result` with errno as the operation left it. */
static ssize_t end(ssize_t result, enum verdict verdict) {
    int before = errno;
    if (verdict == HALF_THEN_DIE) die();
    state->finished = state->started;
    unlock();
    errno = before;
    return result;
}

static ssize_t fail(void) {
    errno = state->how == IO_ERROR || state->how == IO_ERROR_FROM ? EIO : ENOSPC;
    return end(-1, FAIL);
}

static uint64_t inode_of(int fd) {
    struct stat64 about;
    return fstat64(fd, &about) ? 0 : about.st_ino;
}

static int spoiled_open(int directory, const char *path, int flags, mode_t mode) {
    REAL(int, openat64, int, const char *, int, ...);
    char full[PATH_MAX];
    if (!(flags & (O_CREAT | O_TRUNC)) || !resolve(directory, path, full))
        return real(directory, path, flags, mode);
    struct stat64 about;
    int before = errno;
    int is_there = !stat64(full, &about);
    errno = before;
    if (is_there && !((flags & O_TRUNC) && about.st_size))
        return real(directory, path, flags, mode);
    enum verdict verdict = begin(!is_there, is_there);
    if (verdict == FAIL || verdict == HALF) return fail();
    int fd = real(directory, path, flags, mode);
    if (fd >= 0) {
        if (is_there) note(TRUNCATE, full, NULL, inode_of(fd), 0, NULL, 0, 0);
        else note(CREATE, full, NULL, inode_of(fd), 0, NULL, 0, mode);
    }
    return end(fd, verdict);
}

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }

int open(const char *path, int flags, ...) { MODE(flags) return spoiled_open(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return spoiled_open(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags) return spoiled_open(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags) return spoiled_open(at, path, flags, mode); }
int creat(const char *path, mode_t mode) {
    return spoiled_open(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
int creat64(const char *path, mode_t mode) { return creat(path, mode); }
int __open_2(const char *path, int flags) { return spoiled_open(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return spoiled_open(AT_FDCWD, path, flags, 0); }
int __openat_2(int at, const char *path, int flags) { return spoiled_open(at, path, flags, 0); }
int __openat64_2(int at, const char *path, int flags) { return spoiled_open(at, path, flags, 0); }

/* offset < 0: where the file stands. */
static ssize_t spoiled_write(int fd, const void *octets, size_t length, off64_t offset) {
    char full[PATH_MAX];
    if (!length || !opened(fd, full))
        return offset < 0 ? real_write(fd, octets, length) : real_pwrite(fd, octets, length, offset);
    enum verdict verdict = begin(1, 0);
    if (verdict == FAIL || (verdict == HALF && length < 2)) return fail();
    off64_t at = offset;
    if (at < 0) {
        struct stat64 about;
        if (fcntl(fd, F_GETFL) & O_APPEND && !fstat64(fd, &about)) at = about.st_size;
        else at = lseek64(fd, 0, SEEK_CUR);
    }
    if (verdict != PASS && length > 1) length /= 2;
    ssize_t done = offset < 0 ? real_write(fd, octets, length) : real_pwrite(fd, octets, length, offset);
    if (done > 0) note(WRITE, full, NULL, inode_of(fd), at, octets, done, 0);
    return end(done, verdict);
}

ssize_t write(int fd, const void *octets, size_t length) { return spoiled_write(fd, octets, length, -1); }
ssize_t pwrite(int fd, const void *octets, size_t length, off_t at) { return spoiled_write(fd, octets, length, at); }
ssize_t pwrite64(int fd, const void *octets, size_t length, off64_t at) { return spoiled_write(fd, octets, length, at); }

static ssize_t spoiled_parts(int fd, const struct iovec *parts, int count, off64_t offset) {
    size_t length = 0, at = 0;
    for (int i = 0; i < count; i++) length += parts[i].iov_len;
    char *joined = malloc(length + 1);
    if (!joined) { errno = ENOMEM; return -1; }
    for (int i = 0; i < count; at += parts[i++].iov_len) memcpy(joined + at, parts[i].iov_base, parts[i].iov_len);
    ssize_t done = spoiled_write(fd, joined, length, offset);
    free(joined);
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(ssize_t, writev, int, const struct iovec *, int);
    char full[PATH_MAX];
    return opened(fd, full) ? spoiled_parts(fd, parts, count, -1) : real(fd, parts, count);
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return spoiled_parts(fd, parts, count, at); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) { return spoiled_parts(fd, parts, count, at); }

int ftruncate64(int fd, off64_t length) {
    REAL(int, ftruncate64, int, off64_t);
    char full[PATH_MAX];
    struct stat64 about;
    if (!opened(fd, full) || fstat64(fd, &about) || about.st_size == length) return real(fd, length);
    int grows = length > about.st_size;
    enum verdict verdict = begin(grows, !grows);
    if (verdict == FAIL || verdict == HALF) return fail();
    int done = real(fd, length);
    if (!done) note(TRUNCATE, full, NULL, about.st_ino, length, NULL, 0, 0);
    return end(done, verdict);
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int posix_fallocate64(int fd, off64_t offset, off64_t length) {
    struct stat64 about;
    if (fstat64(fd, &about)) return errno;
    if (about.st_size >= offset + length) return 0;
    return ftruncate64(fd, offset + length) ? errno : 0;
}
int posix_fallocate(int fd, off_t offset, off_t length) { return posix_fallocate64(fd, offset, length); }

static int spoiled_sync(int fd) {
    char full[PATH_MAX];
    struct stat64 about;
    if (!opened(fd, full) || fstat64(fd, &about)) return 0;
    enum verdict verdict = begin(0, 0);
    if (verdict == FAIL || verdict == HALF) return fail();
    note(S_ISDIR(about.st_mode) ? SYNC_DIRECTORY : SYNC, full, NULL, about.st_ino, 0, NULL, 0, 0);
    return end(0, verdict);
}
int fsync(int fd) { return spoiled_sync(fd); }
int fdatasync(int fd) { return spoiled_sync(fd); }

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned int flags) {
    REAL(int, renameat2, int, const char *, int, const char *, unsigned int);
    char old[PATH_MAX], new[PATH_MAX];
    if (!resolve(from_at, from, old) || !resolve(to_at, to, new)) return real(from_at, from, to_at, to, flags);
    enum verdict verdict = begin(0, 0);
    if (verdict == FAIL || verdict == HALF) return fail();
    int done = real(from_at, from, to_at, to, flags);
    if (!done) note(RENAME, old, new, 0, 0, NULL, 0, 0);
    return end(done, verdict);
}
int renameat(int from_at, const char *from, int to_at, const char *to) { return renameat2(from_at, from, to_at, to, 0); }
int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

int unlinkat(int at, const char *path, int flags) {
    REAL(int, unlinkat, int, const char *, int);
    char full[PATH_MAX];
    struct stat64 about;
    if (!resolve(at, path, full) || lstat64(full, &about)) return real(at, path, flags);
    enum verdict verdict = begin(0, 1);
    if (verdict == FAIL || verdict == HALF) return fail();
    int done = real(at, path, flags);
    if (!done) note(flags & AT_REMOVEDIR ? RMDIR : UNLINK, full, NULL, 0, 0, NULL, 0, 0);
    return end(done, verdict);
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int at, const char *path, mode_t mode) {
    REAL(int, mkdirat, int, const char *, mode_t);
    char full[PATH_MAX];
    struct stat64 about;
    if (!resolve(at, path, full) || !lstat64(full, &about)) return real(at, path, mode);
    enum verdict verdict = begin(1, 0);
    if (verdict == FAIL || verdict == HALF) return fail();
    int done = real(at, path, mode);
    if (!done) note(MKDIR, full, NULL, 0, 0, NULL, 0, mode);
    return end(done, verdict);
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }
