/* Preloaded into a process: counts its changes to files below one folder, logs them, and at one of
 * them kills, signals or fails. Sees what goes through libc: Python, HDF5, shutil; not stdio. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum { GO, BEFORE, HALF, AFTER, FAIL, FULL };
enum { MOST_FILES = 1024 };

static char root[PATH_MAX];
static size_t root_size;
static long wanted, seen;
static int action, number, log_fd = -1;
static char *names[MOST_FILES];

/* Strike at change number `at` (from 1): signal `value`, or errno `value` if `what` fails. */
void harm_arm(const char *folder, long at, int what, int value, int log)
{
    root_size = strlen(folder);
    memcpy(root, folder, root_size + 1);
    wanted = at;
    action = what;
    number = value;
    log_fd = log;
    seen = 0;
}

long harm_seen(void) { return seen; }

__attribute__((constructor)) static void arm_from_environment(void)
{
    const char *plan = getenv("HARM_PLAN"); /* at:what:value:log:folder */
    long at;
    int what, value, start = 0;
    char log[PATH_MAX];
    if (plan && sscanf(plan, "%ld:%d:%d:%4000[^:]:%n", &at, &what, &value, log, &start) == 4) {
        int fd = strcmp(log, "-") ? open(log, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
        harm_arm(plan + start, at, what, value, fd);
    }
}

static void resolve(int folder, const char *path, char *whole)
{
    char link[64];
    ssize_t size;
    if (path[0] == '/') {
        snprintf(whole, PATH_MAX, "%s", path);
        return;
    }
    snprintf(link, sizeof link, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
    size = readlink(link, whole, PATH_MAX - 1);
    if (size < 0)
        size = 0;
    snprintf(whole + size, (size_t)(PATH_MAX - size), "/%s", path);
}

static int inside(const char *path)
{
    return root_size && !strncmp(path, root, root_size) && path[root_size] == '/';
}

static void put(const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size) {
        ssize_t done = syscall(SYS_write, log_fd, at, size);
        if (done <= 0)
            return;
        at += done;
        size -= (size_t)done;
    }
}

static int begin(char kind, const char *path, const char *other, int64_t place, const void *data,
                 size_t size)
{
    long now = __atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST);
    int what = now == wanted ? action : GO;
    if (action == FULL && now >= wanted && !strchr("urf", kind))
        what = FAIL;
    if (log_fd >= 0) {
        int64_t head[5] = {kind, place, (int64_t)strlen(path), (int64_t)strlen(other),
                           data ? (int64_t)size : 0};
        put(head, sizeof head);
        put(path, (size_t)head[2]);
        put(other, (size_t)head[3]);
        put(data, (size_t)head[4]);
    }
    if (what == BEFORE || (what == HALF && kind != 'w'))
        kill(getpid(), number);
    if (what == FAIL || what == FULL) {
        errno = number;
        return FAIL;
    }
    return what;
}

static void end(int what)
{
    if (what == AFTER) {
        int kept = errno;
        kill(getpid(), number);
        errno = kept;
    }
}

static void forget(int fd)
{
    if (fd >= 0 && fd < MOST_FILES && names[fd]) {
        free(names[fd]);
        names[fd] = NULL;
    }
}

static int open_any(int folder, const char *path, int flags, mode_t mode)
{
    char whole[PATH_MAX * 2];
    int fd, what = GO, writes = (flags & O_ACCMODE) != O_RDONLY;
    if (writes && root_size) {
        resolve(folder, path, whole);
        writes = inside(whole);
        if (writes && flags & (O_CREAT | O_TRUNC)) /* else it changes nothing */
            if ((what = begin('o', whole, "", flags, NULL, 0)) == FAIL)
                return -1;
    }
    fd = (int)syscall(SYS_openat, folder, path, flags, mode);
    forget(fd);
    if (fd >= 0 && fd < MOST_FILES && writes && root_size)
        names[fd] = strdup(whole);
    end(what);
    return fd;
}

#define OPEN(...)                                                                            \
    {                                                                                              \
        mode_t mode = 0;                                                                           \
        if (flags & (O_CREAT | O_TMPFILE)) {                                                       \
            va_list rest;                                                                          \
            va_start(rest, flags);                                                                 \
            mode = (mode_t)va_arg(rest, int);                                                      \
            va_end(rest);                                                                          \
        }                                                                                          \
        return open_any(__VA_ARGS__, path, flags, mode);                                           \
    }

int open(const char *path, int flags, ...) OPEN(AT_FDCWD)
int open64(const char *path, int flags, ...) OPEN(AT_FDCWD)
int openat(int folder, const char *path, int flags, ...) OPEN(folder)
int openat64(int folder, const char *path, int flags, ...) OPEN(folder)

int close(int fd)
{
    forget(fd);
    return (int)syscall(SYS_close, fd);
}

static const char *tracked(int fd)
{
    return fd >= 0 && fd < MOST_FILES ? names[fd] : NULL;
}

ssize_t write(int fd, const void *data, size_t size)
{
    ssize_t done;
    int what = GO;
    if (tracked(fd)) {
        int flags = fcntl(fd, F_GETFL);
        off_t place = lseek(fd, 0, flags & O_APPEND ? SEEK_END : SEEK_CUR);
        what = begin('w', names[fd], "", place, data, size);
        if (what == FAIL)
            return -1;
        if (what == HALF) {
            done = syscall(SYS_write, fd, data, size / 2);
            kill(getpid(), number);
            return done;
        }
    }
    done = syscall(SYS_write, fd, data, size);
    end(what);
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t place)
{
    ssize_t done;
    int what = GO;
    if (tracked(fd)) {
        what = begin('w', names[fd], "", place, data, size);
        if (what == FAIL)
            return -1;
        if (what == HALF) {
            done = syscall(SYS_pwrite64, fd, data, size / 2, place);
            kill(getpid(), number);
            return done;
        }
    }
    done = syscall(SYS_pwrite64, fd, data, size, place);
    end(what);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t place)
{
    return pwrite64(fd, data, size, place);
}

static ssize_t send_any(int out, int in, off_t *place, size_t size)
{
    if (tracked(out)) { /* as a write, so that its bytes are seen */
        char block[1 << 16];
        ssize_t got = pread(in, block, size < sizeof block ? size : sizeof block,
                            place ? *place : lseek(in, 0, SEEK_CUR));
        ssize_t done = got > 0 ? write(out, block, (size_t)got) : got;
        if (done > 0 && place)
            *place += done;
        if (done > 0 && !place)
            lseek(in, done, SEEK_CUR);
        return done;
    }
    return syscall(SYS_sendfile, out, in, place, size);
}

ssize_t sendfile(int out, int in, off_t *place, size_t size)
{
    return send_any(out, in, place, size);
}

ssize_t sendfile64(int out, int in, off64_t *place, size_t size)
{
    return send_any(out, in, place, size);
}

#define CALL(kind, path, other, place, ...)                                                        \
    do {                                                                                           \
        int result, what = begin(kind, path, other, place, NULL, 0);                               \
        if (what == FAIL)                                                                          \
            return -1;                                                                             \
        result = (int)syscall(__VA_ARGS__);                                                        \
        end(what);                                                                                 \
        return result;                                                                             \
    } while (0)

int ftruncate64(int fd, off64_t size)
{
    if (tracked(fd))
        CALL('t', names[fd], "", size, SYS_ftruncate, fd, size);
    return (int)syscall(SYS_ftruncate, fd, size);
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static int sync_any(int fd, long call)
{
    char link[64], path[PATH_MAX] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (root_size && readlink(link, path, PATH_MAX - 1) > 0)
        if (inside(path) || !strcmp(path, root))
            CALL('s', path, "", 0, call, fd);
    return (int)syscall(call, fd);
}

int fsync(int fd) { return sync_any(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_any(fd, SYS_fdatasync); }

int renameat(int from, const char *old, int to, const char *new)
{
    char first[PATH_MAX * 2], second[PATH_MAX * 2];
    if (root_size) {
        resolve(from, old, first);
        resolve(to, new, second);
        if (inside(second))
            CALL('m', first, second, 0, SYS_renameat, from, old, to, new);
    }
    return (int)syscall(SYS_renameat, from, old, to, new);
}

int rename(const char *old, const char *new) { return renameat(AT_FDCWD, old, AT_FDCWD, new); }

int unlinkat(int folder, const char *path, int flags)
{
    char whole[PATH_MAX * 2];
    if (root_size) {
        resolve(folder, path, whole);
        if (inside(whole))
            CALL(flags & AT_REMOVEDIR ? 'r' : 'u', whole, "", 0, SYS_unlinkat, folder, path, flags);
    }
    return (int)syscall(SYS_unlinkat, folder, path, flags);
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int folder, const char *path, mode_t mode)
{
    char whole[PATH_MAX * 2];
    if (root_size) {
        resolve(folder, path, whole);
        if (inside(whole))
            CALL('d', whole, "", mode, SYS_mkdirat, folder, path, mode);
    }
    return (int)syscall(SYS_mkdirat, folder, path, mode);
}

int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int symlinkat(const char *target, int folder, const char *path)
{
    char whole[PATH_MAX * 2];
    if (root_size) {
        resolve(folder, path, whole);
        if (inside(whole))
            CALL('l', whole, target, 0, SYS_symlinkat, target, folder, path);
    }
    return (int)syscall(SYS_symlinkat, target, folder, path);
}

int symlink(const char *target, const char *path) { return symlinkat(target, AT_FDCWD, path); }

int linkat(int from, const char *old, int to, const char *new, int flags)
{
    char first[PATH_MAX * 2], second[PATH_MAX * 2];
    if (root_size) {
        resolve(from, old, first);
        resolve(to, new, second);
        if (inside(second))
            CALL('h', first, second, 0, SYS_linkat, from, old, to, new, flags);
    }
    return (int)syscall(SYS_linkat, from, old, to, new, flags);
}

int link(const char *old, const char *new) { return linkat(AT_FDCWD, old, AT_FDCWD, new, 0); }
