/* The guest of the differential test: executes programs of system calls and reports what they gave.
 *
 * Standard input holds many cases. `case NAME` starts one; each further line is an operation: its name and arguments, separated by
 * spaces. Every case runs in a fresh child in a fresh directory and reports one line per operation, then how the child ended and what
 * the directory holds. What may differ between two kernels (process numbers, addresses, inode numbers, the current time) is left out.
 */
#ifndef GUEST_H
#define GUEST_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_ARGS 8
#define SLOTS 8

/* One operation of a case. */
struct op {
    const char *name;
    char *args[MAX_ARGS];
    int argc;
};

/* A family's table: name of the operation and what it does. */
struct handler {
    const char *name;
    void (*run)(char **args);
};

extern const struct handler file_ops[], tree_ops[], event_ops[], memory_ops[], signal_ops[], process_ops[], socket_ops[];

/* Runs operations `from..to` of the current case. */
void run_ops(int from, int to);
/* Where the running operation is in the current case; fork moves it over what the child did. */
extern int position;

/* Appends to the report of the current case. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Reports a result: the value, or the name of the error. Gives the value back. */
long result(long value);
/* Reports a result of which only success or failure is comparable. */
long success(long value);
/* Reports bytes: all of them if they are few, else a hash. */
void say_bytes(const unsigned char *bytes, size_t n);

/* Argument `i` as a number. */
long num(char **args, int i);
/* The descriptor in the slot that argument `i` names; -1 in a slot never used. */
int slot(char **args, int i);
/* Puts a descriptor into the slot that argument `i` names, unless the call failed. */
void set_slot(char **args, int i, long fd);
/* Argument `i` as a path: `''` is the empty one, `LONG` a name that is too long, `DEEP` a path that is too long. */
const char *path(char **args, int i);
/* `n` bytes that depend on `seed`. */
unsigned char *pattern(size_t n, unsigned seed);

/* Whether a process number is the case's own process, its parent, or none; anything else is `other`. */
const char *who(int pid);

#endif
