// SPDX-License-Identifier: Apache-2.0
//
// Linked with one policy: prints its kind, how many system calls it allows, and
// how many of them only on certain fds or arguments. Used by startup.sh.
#include <stdio.h>

#include "sandbox/policy.h"

int main(void)
{
	unsigned int calls = 0, bound = 0;

	for (size_t i = 0; i < sb_policy.nrules; i++) {
		int always = 0, seen = 0;

		for (size_t j = 0; j < sb_policy.nrules; j++) {
			if (sb_policy.rules[j].nr != sb_policy.rules[i].nr)
				continue;
			seen |= j < i;
			always |= sb_policy.rules[j].arg[0].cmp == SB_CMP_NONE;
		}
		if (seen)
			continue;
		calls++;
		bound += !always;
	}
	printf("%-10s %s %3u system calls, %u of them bound to fds or arguments\n",
	    sb_policy.kind, sb_policy.denylist ? "refuses" : "allows ", calls,
	    bound);
	return 0;
}
