// SPDX-License-Identifier: Apache-2.0
//
// The command line: the input is split at newlines into arguments. What is
// accepted must also plan; what is refused must have a line.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "controller/options.h"
#include "controller/plan.h"

#define MAX_ARGS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vm_spec spec;
	static struct vm_plan plan;
	static const struct plan_host host = { .phys_bits = 46 };
	struct spec_error err = { .line = "" };
	char *text = malloc(size + 1), *argv[MAX_ARGS + 1];
	int argc = 0, result;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	argv[argc++] = text + size;
	for (char *p = text; argc < MAX_ARGS && p < text + size;) {
		char *end = strchr(p, '\n');

		argv[argc++] = p;
		if (end == NULL)
			break;
		*end = '\0';
		p = end + 1;
	}
	argv[argc] = NULL;
	spec_init(&spec);
	result = options_parse(&spec, argc, argv, &err);
	if (result == OPTIONS_RUN)
		result = spec_check(&spec, &err);
	if (result == 0)
		result = plan_make(&plan, &spec, &host, &err);
	if (result < 0 && (err.line[0] == '\0' ||
	    strchr(err.line, '\n') != NULL))
		abort();
	spec_free(&spec);
	free(text);
	return 0;
}
