/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may say that a watchdog has expired, when it resets the VM, and what the next
 * vcpu-worker is told. What is called is counted here.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controller/life.h"
#include "controller/manage.h"
#include "controller/watchdog.h"

static struct vm vm;
static struct child child;
static unsigned int resets, events;

void
life_reset(struct vm *of)
{
	assert_ptr_equal(of, &vm);
	resets++;
}

void
manage_event(struct vm *of, const char *source, const char *event)
{
	assert_ptr_equal(of, &vm);
	assert_string_equal(source, "guest");
	assert_string_equal(event, "watchdog");
	events++;
}

static int
says(enum process_kind kind, enum vm_state state, uint32_t bdf)
{
	child.vm = &vm;
	child.kind = kind;
	vm.state = state;
	vm.plan.i6300esb_bdf = bdf;
	vm.watchdog_fired = false;
	resets = events = 0;
	return watchdog_expired(&child);
}

static void
test_who(void **state)
{
	(void)state;
	for (int kind = 0; kind < PROC_KIND_COUNT; kind++)
		for (uint32_t bdf = 0; bdf <= 8; bdf += 8) {
			bool may = kind == PROC_WATCHDOG ||
			    (kind == PROC_VCPU && bdf != 0);

			assert_int_equal(says((enum process_kind)kind, VM_RUNNING,
			    bdf), may ? 0 : -EPROTO);
			assert_int_equal(resets, may);
			assert_int_equal(events, may);
		}
}

static void
test_when(void **state)
{
	(void)state;
	assert_int_equal(says(PROC_WATCHDOG, VM_RESETTING, 0), 0);
	assert_int_equal(resets + events, 0);
	assert_int_equal(says(PROC_VCPU, VM_RESETTING, 8), 0);
	assert_int_equal(resets + events, 0);
	assert_false(vm.watchdog_fired);
	assert_int_equal(says(PROC_VCPU, VM_RUNNING, 8), 0);
	assert_true(vm.watchdog_fired);
	assert_int_equal(says(PROC_WATCHDOG, VM_RUNNING, 0), 0);
	assert_false(vm.watchdog_fired);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who), cmocka_unit_test(test_when),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
