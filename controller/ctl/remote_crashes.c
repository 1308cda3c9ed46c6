// SPDX-License-Identifier: Apache-2.0
//
// bulkheadctl crashes, see remote_crashes.h.
#include "controller/ctl/remote_crashes.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "build_id.h"
#include "controller/ctl/symbol.h"

static const char *
text_of(json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

static void
print_time(json_t *when)
{
	const time_t t = (time_t)json_integer_value(json_object_get(when, "secs"));
	const json_int_t ns = json_integer_value(json_object_get(when, "nanos"));
	char text[40] = "?";
	struct tm tm;

	if (localtime_r(&t, &tm) != NULL)
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	printf("%s.%03d", text, (int)(ns / 1000000));
}

static void
print_requests(json_t *list)
{
	json_t *r;
	size_t i;

	json_array_foreach(list, i, r) {
		json_t *type = json_object_get(r, "type");
		char number[32];

		(void)snprintf(number, sizeof(number), "type %d",
		    (int)json_integer_value(type));
		printf("%s queue %d %s %d+%d", i == 0 ? "    last:" : ",",
		    (int)json_integer_value(json_object_get(r, "queue")),
		    json_is_string(type) ? json_string_value(type) :
		    json_is_integer(type) ? number : "request",
		    (int)json_integer_value(json_object_get(r, "read_len")),
		    (int)json_integer_value(json_object_get(r, "write_len")));
	}
	if (json_array_size(list) > 0)
		printf(" bytes\n");
}

/*
 * Where it died: as the controller was told of a denied call, or as the kernel has
 * logged a fault. The symbols are of our own build.
 */
static void
print_place(json_t *d)
{
	const uint64_t base = (uint64_t)json_integer_value(
	    json_object_get(d, "image_base"));
	const char *kind = text_of(d, "kind"), *build = text_of(d, "build");
	uint64_t ip = (uint64_t)json_integer_value(json_object_get(d, "ip"));
	char program[80], symbol[200] = "";

	if (ip == 0 && base != 0 && strcmp(text_of(d, "cause"), "signal") == 0)
		ip = symbol_fault((uint32_t)json_integer_value(
		    json_object_get(d, "pid")), base);
	if (base == 0 || ip < base)
		return;
	(void)snprintf(program, sizeof(program), "bulkhead-%s%s", kind,
	    strcmp(kind, "vhost-user") == 0 ? "-front" : "");
	if (strcmp(build, BULKHEAD_BUILD_ID) == 0)
		symbol_name(program, ip - base, symbol, sizeof(symbol));
	printf("    at: %s%s%s+0x%llx\n", symbol, symbol[0] != '\0' ? ", " : "",
	    program, (unsigned long long)(ip - base));
}

void
remote_print_crashes(json_t *list)
{
	json_t *d;
	size_t i;

	if (json_array_size(list) == 0) {
		printf("no process of this VM has died\n");
		return;
	}
	printf("%-23s  %-16s %8s  %-11s %-10s %9s  %s\n", "time", "process",
	    "pid", "cause", "then", "after ms", "detail");
	json_array_foreach(list, i, d) {
		json_t *us = json_object_get(d, "replaced_us");
		char after[24] = "-";

		if (json_is_integer(us))
			(void)snprintf(after, sizeof(after), "%.1f",
			    (double)json_integer_value(us) / 1000);
		print_time(json_object_get(d, "timestamp"));
		printf("  %-16s %8d  %-11s %-10s %9s  %s\n",
		    text_of(d, "worker"),
		    (int)json_integer_value(json_object_get(d, "pid")),
		    text_of(d, "cause"), text_of(d, "action"), after,
		    text_of(d, "detail"));
		print_place(d);
		print_requests(json_object_get(d, "requests"));
	}
}
