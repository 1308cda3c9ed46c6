/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints the strings of every SMBIOS structure and the system's UUID, as a guest
 * finds them from the anchor on (DSP0134, 5.2.2 and 6.1).
 */
#include "lib/guest.h"

void guest_main(void)
{
	uintptr_t entry = LAYOUT_SMBIOS, at, limit;
	unsigned int type = 0;

	begin("anchor");
	check(memcmp((const void *)entry, "_SM3_", 5) == 0);
	end();
	at = read32(entry + 16);
	limit = at + read32(entry + 12);
	while (at + 4 <= limit && type != 127) {
		type = read8(at);
		if (type == 1)
			print("# uuid %08x\n", read32(at + 8));
		at += read8(at + 1);
		while (at < limit && read8(at) != 0) {
			print("# type %u %s\n", type, (const char *)at);
			at += strlen((const char *)at) + 1;
		}
		/* Two zero bytes where there was no string. */
		at += at < limit && read8(at - 1) != 0 && read8(at + 1) == 0 ? 2 : 1;
	}
	begin("end-of-table");
	check_eq(type, 127);
	end();
}
