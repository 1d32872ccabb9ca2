/* Preloaded into a program: its calls on files below FAILING_FOLDER fail, or end it.

   FAILING_FROM   how many of these calls are made before
   FAILING_WITH   the errno of those that fail; 0 ends the program by SIGKILL instead
   FAILING_ONCE   only the first of them fails */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int is_to_fail(const char *path) {
    static long made = 0;
    const char *folder = getenv("FAILING_FOLDER"), *from = getenv("FAILING_FROM"), *with = getenv("FAILING_WITH");
    if (!folder || !from || !with || strncmp(path, folder, strlen(folder)) != 0) return 0;
    long before = __sync_fetch_and_add(&made, 1);
    if (before < atol(from) || (getenv("FAILING_ONCE") && before > atol(from))) return 0;
    if (atoi(with) == 0) kill(getpid(), SIGKILL);
    errno = atoi(with);
    return 1;
}

static int fails(int descriptor) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return is_to_fail(path);
}

static int fails_at(const char *path) {
    char whole[PATH_MAX];
    if (path[0] == '/') return is_to_fail(path);
    if (!getcwd(whole, sizeof whole / 2)) return 0;
    strcat(whole, "/");
    strncat(whole, path, sizeof whole - strlen(whole) - 1);
    return is_to_fail(whole);
}

#define FAILING(type, name, parameters, arguments, condition)          \
    type name parameters {                                             \
        static type(*original) parameters;                             \
        if (!original) *(void **)&original = dlsym(RTLD_NEXT, #name);  \
        return (condition) ? -1 : original arguments;                  \
    }

FAILING(ssize_t, read, (int d, void *to, size_t size), (d, to, size), fails(d))
FAILING(ssize_t, pread64, (int d, void *to, size_t size, off_t at), (d, to, size, at), fails(d))
FAILING(ssize_t, write, (int d, const void *from, size_t size), (d, from, size), fails(d))
FAILING(ssize_t, pwrite64, (int d, const void *from, size_t size, off_t at), (d, from, size, at), fails(d))
FAILING(ssize_t, writev, (int d, const struct iovec *parts, int count), (d, parts, count), fails(d))
FAILING(int, fsync, (int d), (d), fails(d))
FAILING(int, rename, (const char *from, const char *to), (from, to), fails_at(to))
FAILING(int, unlink, (const char *path), (path), fails_at(path))
FAILING(int, mkdir, (const char *path, mode_t mode), (path, mode), fails_at(path))
FAILING(int, open64, (const char *path, int flags, int mode), (path, flags, mode), fails_at(path))
