/* SPDX-License-Identifier: Apache-2.0 */
/* The permission table is whole, and the walls that matter stand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/table.h"

/* The names are in the schema alone: programs are built without them. */
static void
every_message_has_a_rule_of_its_name(void **state)
{
	FILE *f = fopen("proto/bulkhead.proto", "re");
	char line[200], type[100], name[100];
	unsigned int id, seen = 0;
	bool packet = false;

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "message ", 8) == 0)
			packet = strncmp(line, "message Packet ", 15) == 0;
		if (!packet || sscanf(line, " %99s %99s = %u;", type, name, &id) != 3 ||
		    strcmp(name, "seq") == 0)
			continue;
		assert_string_equal(proto_name_of((Bh__Packet__BodyCase)id), name);
		seen++;
	}
	fclose(f);
	assert_int_equal(seen, bh__packet__descriptor.n_fields - 1);
}

static void
every_rule_is_narrow(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < proto_nrules; i++) {
		const struct proto_rule *r = &proto_rules[i];

		assert_true(r->senders != 0 && r->receivers != 0);
		assert_true((r->senders & r->receivers) == 0);
		assert_true(r->fds_min <= r->fds_max);
		/* One end is the controller, or it is the bus. */
		assert_true(r->senders == 1u << PEER_CONTROLLER ||
		    r->receivers == 1u << PEER_CONTROLLER ||
		    (r->senders | r->receivers) ==
		    (1u << PEER_VCPU | 1u << PEER_DEVICE));
		/* No two rules for one sender, receiver and type. */
		for (unsigned int k = 0; k < i; k++)
			assert_false(proto_rules[k].type == r->type &&
			    (proto_rules[k].senders & r->senders) != 0 &&
			    (proto_rules[k].receivers & r->receivers) != 0);
	}
}

static void
a_worker_cannot_ask_for_what_is_the_controllers(void **state)
{
	(void)state;
	for (enum proto_peer from = PEER_SPAWNER; from < PEER_COUNT; from++) {
		assert_null(proto_rule_of(BH__PACKET__BODY_SPAWN, from,
		    PEER_CONTROLLER));
		assert_null(proto_rule_of(BH__PACKET__BODY_OPEN, from,
		    PEER_CONTROLLER));
		assert_null(proto_rule_of(BH__PACKET__BODY_ADD_MEMORY, from,
		    PEER_DEVICE));
	}
	assert_null(proto_rule_of(BH__PACKET__BODY_CHILD_EXITED, PEER_DEVICE,
	    PEER_CONTROLLER));
	assert_null(proto_rule_of(BH__PACKET__BODY_OPENED, PEER_VCPU,
	    PEER_CONTROLLER));
}

/* No jailed worker can make the controller receive an fd but its listener. */
static void
workers_bring_no_fds_but_listeners_and_what_is_kept(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < proto_nrules; i++) {
		const struct proto_rule *r = &proto_rules[i];

		if (r->receivers == 1u << PEER_CONTROLLER && r->fds_max > 0 &&
		    r->type != BH__PACKET__BODY_SECCOMP_LISTENER &&
		    /* Of a share's worker alone (keeper.c), and only given back. */
		    r->type != BH__PACKET__BODY_KEEP_FILE)
			assert_true((r->senders & (1u << PEER_DEVICE |
			    1u << PEER_VCPU | 1u << PEER_LOADER)) == 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_has_a_rule_of_its_name),
		cmocka_unit_test(every_rule_is_narrow),
		cmocka_unit_test(
		    a_worker_cannot_ask_for_what_is_the_controllers),
		cmocka_unit_test(workers_bring_no_fds_but_listeners_and_what_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
