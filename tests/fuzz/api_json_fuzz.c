/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON to messages and back: a body that is taken makes a packet that the
 * validators pass, and that the controller's own reader takes or refuses with a
 * line; a spec that it took is printed, and the print is taken again. The first
 * byte says which endpoint.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "controller/api/answer.h"
#include "controller/api/request.h"
#include "controller/describe.h"
#include "proto/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t arena_bytes[4u << 20], gather_bytes[4u << 20],
    spec_bytes[1u << 20];
static struct arena arena = { .at = arena_bytes, .size = sizeof(arena_bytes) };
static struct arena gather_arena = { .at = gather_bytes,
    .size = sizeof(gather_bytes) };
static struct gathered gathered;
static char printed[1u << 20];

static void
check_packet(const struct request_built *built)
{
	Bh__ApiRequest req = BH__API_REQUEST__INIT;
	Bh__Packet packet = BH__PACKET__INIT;

	req.verb = built->verb;
	req.n_options = built->noptions;
	req.options = built->options;
	packet.body_case = BH__PACKET__BODY_API_REQUEST;
	packet.api_request = &req;
	if (proto_check(&packet) != NULL)
		abort();
}

static void
part(void *arg, size_t n, Bh__ApiOption **options)
{
	Bh__ApiAnswer answer = BH__API_ANSWER__INIT;
	Bh__Packet packet = BH__PACKET__INIT;

	(void)arg;
	answer.status = 200;
	answer.n_options = n;
	answer.options = options;
	packet.body_case = BH__PACKET__BODY_API_ANSWER;
	packet.api_answer = &answer;
	if (proto_check(&packet) != NULL)
		abort();
	gather(&gathered, &answer);
}

/* A spec, if all options are taken; and its print. */
static bool
apply(const struct request_built *built, struct text *out)
{
	static struct vm_spec spec;
	static const struct vm_plan plan;
	static const struct about about;
	Bh__ApiAnswer last = BH__API_ANSWER__INIT;
	struct spec_error err = { .line = "" };

	spec_init(&spec);
	spec_use_arena(&spec, spec_bytes, sizeof(spec_bytes));
	for (size_t i = 0; i < built->noptions; i++) {
		int rc = describe_apply(&spec, built->options[i], &err);

		if (rc != 0 && err.line[0] == '\0')
			abort();
		if (rc != 0)
			return false;
	}
	if (spec_check(&spec, &err) != 0)
		return false;
	gather_begin(&gathered, &gather_arena);
	describe_spec(&spec, &plan, part, NULL);
	last.status = 200;
	*out = (struct text){ .at = printed, .size = sizeof(printed) };
	answer_print(out, BH__API_VERB__API_VERB_INFO, &gathered, &last, &about);
	return !out->full && !gathered.full;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const urls[] = { "vm.create", "vm.add-disk",
	    "vm.add-net", "vm.add-fs", "vm.resize", "vm.restore" };
	struct request_built built;
	struct request_error err = { .status = 0 };
	struct text out;
	static bool ready;
	char url[64] = "/api/v1/";

	if (!ready)
		request_init(&arena, 1);
	ready = true;
	if (size < 1)
		return 0;
	strcat(url, urls[data[0] % 6]);
	arena.used = 0;
	if (request_build(&arena, true, url, data + 1, size - 1, &built, &err)
	    != 0)
		return 0;
	check_packet(&built);
	if (!apply(&built, &out) || data[0] % 6 != 0)
		return 0;
	/* {"config": ... ,"state": the inside is a body of vm.create. */
	{
		static char body[sizeof(printed)];
		static char again[sizeof(printed)];
		char *end;
		size_t n;

		memcpy(body, out.at + 10, out.len - 10);
		body[out.len - 10] = '\0';
		end = strstr(body, ",\"state\":\"");
		while (end != NULL && strstr(end + 1, ",\"state\":\"") != NULL)
			end = strstr(end + 1, ",\"state\":\"");
		if (end == NULL)
			abort();
		n = (size_t)(end - body);
		memcpy(again, body, n);
		arena.used = 0;
		if (request_build(&arena, true, url, (const uint8_t *)again, n,
		    &built, &err) != 0 || !apply(&built, &out))
			abort();
		if (out.len < n + 10 || memcmp(out.at + 10, again, n) != 0)
			abort();
	}
	return 0;
}
