/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the driver share: the tally, and the tests by subject.
 */
#ifndef BULKHEAD_TESTS_JAIL_DRIVER_H
#define BULKHEAD_TESTS_JAIL_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/jail.h"
#include "controller/ctl/attack.h"

/* No policy allows it, in no build: a twin that tries it stands still. */
#define DENIED "socket"

/* What the command line said, see driver.c; and the tally. */
extern const char *twins, *hooks, *scratch;
extern unsigned int failures;

void ok(bool good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void skip(const char *what, const char *why);

struct twin_order order_of(const char *attempt, enum jail_mode mode);

/* A file that is no program, at @path. */
void make_with_mode(const char *path, unsigned int mode);

/* The value of @key's line in a file of /proc/@pid. Whether there is one. */
bool proc_line(uint32_t pid, const char *file, const char *key, char *out,
    size_t size);

/* Whether its calls are reported; a back end of another VMM's has nobody to tell. */
bool has_controller(const struct sb_known *k);

/* attempts.c: twins of each kind try what a compromised worker would. */
void test_attempts(struct vm *vm);
void test_attempts_of(struct vm *vm, enum process_kind kind, const struct sb_known *k);

/*
 * rules.c: each rule of each policy that has a twin, with the arguments that it
 * allows and with each of them changed. Takes long where processes start slowly.
 */
void test_rules(struct vm *vm);

/* Policies of programs that no spawner starts: their attempts and, with @rules, rules. */
void test_others(bool rules);

/* starts.c: modes, stages that fail, programs that are missing, threads. */
void test_modes(struct vm *vm);
void test_stages(void);
void test_supervised(void);
void test_missing(void);
void test_garbage(void);

/* look.c: what the host sees of a jailed process. */
void test_inspection(struct vm *vm);

/* ends.c: no process outlives what it belongs to. */
void test_death(bool kill_spawner);

#endif
