/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jail's tests: plays the controller to the real spawner, which starts twins
 * (twin.c) of each process kind by the real exec path, and looks at what becomes
 * of them. Prints TAP.
 *
 *	driver [-n FIRST] TWINS HOOKS SCRATCH
 *
 * As root it runs all tests twice, as root and then as an ordinary user, who has
 * to be able to reach the directories. -n is for that second run.
 * TWINS, HOOKS: libexec directories of rules.mk. SCRATCH: a directory to write
 * in. Run by tests/jail/run.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/jail/driver.h"

#define NOBODY 65534

const char *twins, *hooks, *scratch;
unsigned int failures;
static unsigned int count;

void
ok(bool good, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %u - jail: %s: ", good ? "" : "not ", ++count,
	    geteuid() == 0 ? "root" : "user");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	failures += !good;
}

void
skip(const char *what, const char *why)
{
	printf("ok %u - jail: %s # SKIP %s\n", ++count, what, why);
}

struct twin_order
order_of(const char *attempt, enum jail_mode mode)
{
	struct twin_order o = { .mode = mode };

	snprintf(o.attempt, sizeof(o.attempt), "%s", attempt);
	return o;
}

void
make_with_mode(const char *path, unsigned int mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, "not a program\n", 14) != 14 ||
	    fchmod(fd, mode) != 0)
		printf("# %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

bool
proc_line(uint32_t pid, const char *file, const char *key, char *out, size_t size)
{
	char path[64], line[256];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, file);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		char *p = line + strlen(key);

		while (isspace((unsigned char)*p))
			p++;
		p[strcspn(p, "\n")] = '\0';
		snprintf(out, size, "%s", p);
		found = true;
	}
	fclose(f);
	return found;
}

/* ---- fds ----------------------------------------------------------------- */

/*
 * Many fds whose own numbers are each other's slots: pipe i holds the byte of
 * the slot that it must end at.
 */
static void
test_fds(struct vm *vm)
{
	static const uint32_t slots[] = { 8, 7, 6, 5, 4, 16, 255, 9, 128, 64 };
	enum { N = sizeof(slots) / sizeof(slots[0]) };
	struct twin_order order = order_of("fds", JAIL_ENFORCE);
	int fds[N], stray = open("/", O_RDONLY);
	struct twin t;
	bool came;

	for (int i = 0; i < N; i++) {
		int p[2];
		unsigned char c = (unsigned char)slots[i];

		if (pipe(p) != 0 || write(p[1], &c, 1) != 1) {
			ok(false, "pipe");
			return;
		}
		close(p[1]);
		fds[i] = p[0];
	}
	vm_spawn(vm, &t, PROC_RNG, &order, fds, slots, N);
	came = vm_wait(vm, &t, twin_exited);
	ok(came && strcmp(t.log, "0=0 1=0 2=0 3=0 4=4 5=5 6=6 7=7 8=8 9=9 16=16 "
	    "31=0 64=64 128=128 255=255 ") == 0,
	    "every fd is at its slot, and nothing else is open: %s", t.log);
	twin_free(&t);
	for (int i = 0; i < N; i++)
		close(fds[i]);
	close(stray);
}

/* ---- orders that make no sense, and many at once ---------------------------- */

static void
test_orders(struct vm *vm)
{
	struct twin_order order = order_of("", JAIL_ENFORCE);
	struct twin t, unknown = { .instance = 99999 };
	bool came;

	vm_spawn(vm, &t, PROC_KIND_COUNT, &order, NULL, NULL, 0);
	came = vm_wait(vm, &t, twin_failed);
	ok(came && t.failed_error == EINVAL && t.pidfd < 0,
	    "an unknown kind is refused");
	twin_free(&t);
	vm->instances--;
	vm_kill(vm, &unknown);
	order = order_of(DENIED, JAIL_ENFORCE);
	vm_spawn(vm, &t, PROC_RNG, &order, NULL, NULL, 0);
	came = vm_wait(vm, &t, twin_denied_or_exited);
	ok(came && t.denied, "killing an unknown instance does nothing");
	vm->instances--;
	vm_spawn(vm, &unknown, PROC_RNG, &order, NULL, NULL, 0);
	came = vm_wait(vm, &unknown, twin_failed);
	ok(came && unknown.failed_error == EINVAL, "an instance starts once");
	twin_free(&unknown);
	vm_kill(vm, &t);
	ok(vm_wait(vm, &t, twin_exited) && t.exits == 1 && t.signal == SIGKILL,
	    "and ends once");
	twin_free(&t);
}

/* All are started before one is waited for; each must end, once. */
static void
test_crowd(struct vm *vm)
{
	enum { CROWD = 64 };
	struct twin_order order = order_of("", JAIL_ENFORCE);
	static struct twin t[CROWD];
	unsigned int good = 0;
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < CROWD; i++)
		vm_spawn(vm, &t[i], PROC_RNG, &order, NULL, NULL, 0);
	vm->crowd = t;
	vm->ncrowd = CROWD;
	for (int i = 0; i < CROWD; i++)
		if (vm_wait(vm, &t[i], twin_exited) && t[i].exits == 1 &&
		    t[i].status == TWIN_QUIET && t[i].failed_error == 0)
			good++;
	clock_gettime(CLOCK_MONOTONIC, &b);
	vm->ncrowd = 0;
	for (int i = 0; i < CROWD; i++)
		twin_free(&t[i]);
	ok(good == CROWD, "%d at once: each starts and ends, once (%ld us each)",
	    CROWD, ((b.tv_sec - a.tv_sec) * 1000000 +
	    (b.tv_nsec - a.tv_nsec) / 1000) / CROWD);
}

/* ---- all of it ------------------------------------------------------------ */

/* Become @uid, and execute again: a process that changed ids is not dumpable. */
static _Noreturn void
run_as(uid_t uid, char **argv)
{
	if (setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0 &&
	    setresuid(uid, uid, uid) == 0)
		execv("/proc/self/exe", argv);
	printf("Bail out! cannot become %u: %s\n", (unsigned int)uid,
	    strerror(errno));
	exit(1);
}

/* The same tests as an ordinary user, their numbers continued. */
static int
again_as_user(char **argv)
{
	static char number[16], first[] = "-n", place[512];
	char *again[] = { argv[0], first, number, argv[1], argv[2], place, NULL };
	int status = -1;
	pid_t pid;

	snprintf(number, sizeof(number), "%u", count);
	snprintf(place, sizeof(place), "%s/user", scratch);
	if (mkdir(place, 0700) != 0 || chown(place, NOBODY, NOBODY) != 0)
		printf("# %s: %s\n", place, strerror(errno));
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		run_as(NOBODY, again);
	waitpid(pid, &status, 0);
	if (status != 0)
		printf("# as a user: wait status %x\n", (unsigned int)status);
	return status != 0;
}

static void
run_tests(void)
{
	struct vm vm;
	char why[256];

	if (vm_start(&vm, twins, why, sizeof(why)) != 0) {
		printf("Bail out! %s\n", why);
		exit(1);
	}
	test_fds(&vm);
	test_modes(&vm);
	test_inspection(&vm);
	test_attempts(&vm);
	if (getenv("BULKHEAD_NO_RULES") == NULL)
		test_rules(&vm);
	test_orders(&vm);
	test_crowd(&vm);
	ok(vm_end(&vm), "the spawner ends with its channel");
	if (getenv("BULKHEAD_EVERY") == NULL)
		test_others(getenv("BULKHEAD_NO_RULES") == NULL);
	test_stages();
	test_supervised();
	test_missing();
	test_garbage();
	test_death(false);
	test_death(true);
}

int
main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "-n") == 0) {
		count = (unsigned int)strtoul(argv[2], NULL, 10);
		argv[2] = argv[0];
		argv += 2;
		argc -= 2;
	}
	if (argc != 4) {
		fprintf(stderr, "usage: driver [-n FIRST] TWINS HOOKS SCRATCH\n");
		return 2;
	}
	twins = argv[1];
	hooks = argv[2];
	scratch = argv[3];
	signal(SIGPIPE, SIG_IGN);
	run_tests();
	printf("# as uid %u: %u failed\n", (unsigned int)geteuid(), failures);
	if (geteuid() == 0)
		return again_as_user(argv) || failures > 0;
	printf("1..%u\n", count);
	return failures > 0;
}
