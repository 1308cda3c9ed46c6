/* SPDX-License-Identifier: Apache-2.0 */
/* Who hangs, and who only waits: controller/pulse.c, with a spawner and children
 * that are made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "controller/deaths.h"
#include "controller/life.h"
#include "controller/pulse.h"
#include "controller/supervise.h"
#include "ipc/log.h"

static struct vm vm;
static struct plan_device device;
static struct child *child;
static unsigned int pings, looks, kills, warnings;
static char blamed[120];

void
child_send(struct child *to, Bh__Packet *packet, const int *fds,
    unsigned int nfds, uint32_t subject, unsigned int seconds)
{
	(void)fds;
	assert_int_equal(packet->body_case, BH__PACKET__BODY_PING);
	assert_int_equal(packet->seq | nfds | subject | seconds, 0);
	assert_ptr_equal(to, child);
	assert_int_equal(packet->ping->number, to->pulse.number);
	pings++;
}

int
chan_send(struct chan *ch, const Bh__Packet *packet, const int *fds,
    unsigned int nfds)
{
	(void)ch;
	(void)fds;
	(void)nfds;
	assert_int_equal(packet->body_case, BH__PACKET__BODY_LOOK_AT);
	looks++;
	return 0;
}

void
child_kill(struct child *c)
{
	c->told_quit = true;
	kills++;
}

void
life_child_failed(struct child *c, const char *fmt, ...)
{
	(void)c;
	(void)fmt;
}

void
deaths_blame(struct child *c, enum death_why why, const char *detail)
{
	(void)c;
	assert_int_equal(why, DEATH_HANG);
	(void)snprintf(blamed, sizeof(blamed), "%s", detail);
}

static void
count_lines(enum log_level level, const char *line, void *arg)
{
	(void)line;
	(void)arg;
	warnings += level == LOG_WARN;
}

static int
set_up(void **state)
{
	(void)state;
	memset(&vm, 0, sizeof(vm));
	vm.state = VM_RUNNING;
	vm.nchildren = 1;
	vm.spec.worker_failure.hang = 10;
	child = &vm.children[0];
	*child = (struct child){ .vm = &vm, .kind = PROC_BLK, .dev = &device,
	    .phase = CHILD_UP, .ready = true };
	pings = looks = kills = warnings = 0;
	blamed[0] = '\0';
	log_open(LOG_INFO, count_lines, NULL);
	return 0;
}

static void
ticks(unsigned int n)
{
	while (n-- > 0)
		pulse_tick(&vm);
}

/* Nothing is asked of the spawner before its time is over: five ticks. */
static void
overdue(void)
{
	ticks(5);
	assert_int_equal(looks, 0);
	ticks(1);
	assert_int_equal(looks, 1);
}

static void
who_answers_is_left_alone(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 100; i++) {
		ticks(1 + i % 5);
		assert_true(pulse_answered(child, child->pulse.number));
	}
	assert_int_equal(looks | kills, 0);
	assert_int_equal(pings, 100);
	/* One at a time; and an old number answers nothing. */
	ticks(3);
	assert_int_equal(pings, 101);
	assert_false(pulse_answered(child, child->pulse.number - 1));
	assert_true(child->pulse.waits);
}

static void
a_stopped_one_is_killed(void **state)
{
	(void)state;
	overdue();
	pulse_seen(child, 'T');
	assert_int_equal(kills, 1);
	assert_true(child->stopped);
	assert_non_null(strstr(blamed, "no answer for 10 s"));
	/* Not twice. */
	pulse_seen(child, 'T');
	ticks(20);
	assert_int_equal(kills, 1);
	assert_int_equal(pings, 1);
}

static void
a_loop_is_seen_twice(void **state)
{
	(void)state;
	overdue();
	pulse_seen(child, 'R');
	assert_int_equal(kills, 0);
	ticks(1);
	pulse_seen(child, 'D');	/* it had just come from the storage */
	ticks(1);
	pulse_seen(child, 'R');
	assert_int_equal(kills, 0);
	ticks(1);
	pulse_seen(child, 'R');
	assert_int_equal(kills, 1);
	assert_false(child->stopped);
}

static void
storage_and_debuggers_are_waited_for(void **state)
{
	(void)state;
	overdue();
	for (unsigned int i = 0; i < 1000; i++) {
		pulse_seen(child, (uint32_t)"DSt"[i % 3]);
		ticks(1);
	}
	assert_int_equal(kills, 0);
	assert_int_equal(warnings, 1);
	assert_int_equal(pings, 1);
	assert_true(pulse_answered(child, child->pulse.number));
	assert_int_equal(warnings, 2);
	ticks(1);
	assert_int_equal(pings, 2);
}

/* A process with threads that sleeps waits for another of its own. */
static void
the_vcpu_worker_has_no_storage(void **state)
{
	(void)state;
	child->kind = PROC_VCPU;
	child->dev = NULL;
	overdue();
	pulse_seen(child, 'S');
	ticks(1);
	pulse_seen(child, 'S');
	assert_int_equal(kills, 1);
}

/* An answer on its way while the spawner looked: what it saw is of the past. */
static void
a_late_look_kills_nobody(void **state)
{
	(void)state;
	overdue();
	assert_true(pulse_answered(child, child->pulse.number));
	pulse_seen(child, 'T');
	ticks(2);
	pulse_seen(child, 'T');
	assert_int_equal(kills, 0);
}

static void
who_starts_or_ends_is_not_asked(void **state)
{
	(void)state;
	child->ready = false;
	ticks(20);
	child->ready = true;
	child->told_quit = true;
	ticks(20);
	child->told_quit = false;
	child->phase = CHILD_SPAWNING;
	ticks(20);
	child->phase = CHILD_UP;
	child->kind = PROC_LOADER;
	child->dev = NULL;
	ticks(20);
	child->kind = PROC_VCPU;
	vm.state = VM_RESETTING;
	ticks(20);
	assert_int_equal(pings | looks | kills, 0);
	vm.state = VM_RUNNING;
	ticks(1);
	assert_int_equal(pings, 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup(name, set_up)
	const struct CMUnitTest tests[] = {
		T(who_answers_is_left_alone),
		T(a_stopped_one_is_killed),
		T(a_loop_is_seen_twice),
		T(storage_and_debuggers_are_waited_for),
		T(the_vcpu_worker_has_no_storage),
		T(a_late_look_kills_nobody),
		T(who_starts_or_ends_is_not_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
