/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: who is called, and who is not any more. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/loop.h"

static struct loop loop;
static struct loop_source src[2];
static int calls;

static int
set_up(void **state)
{
	(void)state;
	assert_int_equal(loop_init(&loop, 100), 0);
	assert_int_equal(loop.epoll, 100);
	for (int i = 0; i < 2; i++) {
		src[i] = (struct loop_source){ .fd = eventfd(1, EFD_NONBLOCK) };
		assert_true(src[i].fd >= 0);
	}
	calls = 0;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	loop_fini(&loop);
	close(src[0].fd);
	close(src[1].fd);
	return 0;
}

static void
count_call(struct loop_source *s, uint32_t events)
{
	assert_true((events & EPOLLIN) != 0);
	assert_true(s->owner == &loop);
	calls++;
}

/* Whoever is first takes the other out of the loop. */
static void
remove_other(struct loop_source *s, uint32_t events)
{
	(void)events;
	calls++;
	loop_remove(&loop, s == &src[0] ? &src[1] : &src[0]);
}

static void
ready_sources_are_called_and_quiet_ones_not(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		src[i].ready = count_call;
		src[i].owner = &loop;
		assert_int_equal(loop_add(&loop, &src[i], EPOLLIN), 0);
	}
	assert_int_equal(loop_once(&loop, 0), 0);
	assert_int_equal(calls, 2);
	assert_int_equal(loop_change(&loop, &src[1], 0), 0);
	assert_int_equal(loop_once(&loop, 0), 0);
	assert_int_equal(calls, 3);
}

static void
a_source_removed_in_the_round_is_not_called(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		src[i].ready = remove_other;
		assert_int_equal(loop_add(&loop, &src[i], EPOLLIN), 0);
	}
	assert_int_equal(loop_once(&loop, 0), 0);
	assert_int_equal(calls, 1);
}

static void
a_regular_file_cannot_be_waited_for(void **state)
{
	struct loop_source file = { .fd = STDIN_FILENO };
	char path[] = "/tmp/loop-test-XXXXXX";

	(void)state;
	file.fd = mkstemp(path);
	unlink(path);
	assert_int_equal(loop_add(&loop, &file, EPOLLIN), -EPERM);
	loop_remove(&loop, &file);	/* not in it: nothing happens */
	close(file.fd);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(ready_sources_are_called_and_quiet_ones_not),
		T(a_source_removed_in_the_round_is_not_called),
		T(a_regular_file_cannot_be_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
