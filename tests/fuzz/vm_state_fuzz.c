/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The saved state of a VM, as LoadVm gets it: into a VM that waits for it, and if it
 * was taken, out again. What must hold: a state that is refused has changed nothing, no
 * irqfd or ioeventfd is assigned twice, and what was loaded can be saved and loaded.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "ipc/log.h"
#include "tests/unit/vm_fixture.h"

static uint8_t again[1 << 18];

static void
discard(enum log_level level, const char *line, void *arg)
{
	(void)level;
	(void)line;
	(void)arg;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *why = "";
	bool touched;
	size_t len;
	int rc;

	if (size > sizeof(again))
		return 0;
	log_open(LOG_ERROR, discard, NULL);
	fixture_make();
	rc = fixture_load(data, size, &touched, &why);
	if (fake_hv.mistakes != 0 || (rc < 0 && touched))
		abort();
	if (rc < 0)
		return 0;
	len = fixture_save(again, sizeof(again));
	fixture_make();
	if (len == 0 || fixture_load(again, len, &touched, &why) < 0) {
		(void)fprintf(stderr, "%zu bytes, then: %s\n", len, why);
		abort();
	}
	return 0;
}
