/* SPDX-License-Identifier: Apache-2.0 */
/* The log of a back-end program and its helper, see vhost_user.h. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "device-workers/vhost-user/vhost_user.h"
#include "ipc/log.h"

static void
log_to_stderr(enum log_level level, const char *line, void *arg)
{
	char text[LOG_LINE_MAX + 64];
	int n;

	(void)arg;
	(void)level;
	n = snprintf(text, sizeof(text), "%s: %s\n",
	    program_invocation_short_name, line);
	if (n > 0 && write(2, text, (size_t)n) < 0)
		return;		/* nobody reads it */
}

void
vhu_log_open(void)
{
	log_open(LOG_INFO, log_to_stderr, NULL);
}
