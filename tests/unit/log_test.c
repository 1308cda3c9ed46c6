/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines: levels, what is printable, and the limit on a guest's lines. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/log.h"

static unsigned int count;
static char last[LOG_LINE_MAX + 1];

static void
sink(enum log_level level, const char *line, void *arg)
{
	(void)level;
	assert_ptr_equal(arg, &count);
	count++;
	strcpy(last, line);
}

static void
lines_above_the_level_are_dropped(void **state)
{
	(void)state;
	log_open(LOG_INFO, sink, &count);
	count = 0;
	log_debug("no");
	log_info("yes %d", 7);
	assert_int_equal(count, 1);
	assert_string_equal(last, "yes 7");
}

static void
a_line_is_printable_and_bounded(void **state)
{
	char big[2000];

	(void)state;
	log_open(LOG_INFO, sink, &count);
	log_error("a\nb\033[31mc\x80");
	assert_string_equal(last, "a?b?[31mc?");
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_error("%s", big);
	assert_int_equal(strlen(last), LOG_LINE_MAX);
}

static void
a_guest_cannot_flood_the_log(void **state)
{
	(void)state;
	log_open(LOG_INFO, sink, &count);
	count = 0;
	for (int i = 0; i < 100000; i++)
		log_guest("bad descriptor %d", i);
	/* The burst; a second may have passed meanwhile, with its own line. */
	assert_in_range(count, LOG_GUEST_BURST, LOG_GUEST_BURST + 10);
}

static void
every_errno_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(log_errname(ENOSPC), "ENOSPC");
	assert_string_equal(log_errname(-ENOSPC), "ENOSPC");
	assert_string_equal(log_errtext(-EACCES), "permission denied");
	assert_string_equal(log_errname(0), "E?");
	assert_string_equal(log_errname(INT_MIN), "E?");
	assert_string_equal(log_errname(INT_MAX), "E?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_above_the_level_are_dropped),
		cmocka_unit_test(a_line_is_printable_and_bounded),
		cmocka_unit_test(a_guest_cannot_flood_the_log),
		cmocka_unit_test(every_errno_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
