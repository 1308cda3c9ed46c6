/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every device that there is, of each kind, kept busy with one request at a time that
 * must be answered, until the power button, while the host does what it likes to their
 * workers. Twice a second, of each that is there:
 *	at NAME D F
 * how many were carried out and how many failed; an answer that is neither, or to
 * nothing, is a failure of the test. "errors": requests may fail, of which there is
 * DEVICE_NEEDS_RESET as well. "resets": each device is reset after eight requests.
 * A device named on the command line has its pauses told (lib/pace.h).
 */
#include "lib/pace.h"
#include "lib/units.h"

#define END_MS 20000u

static bool start(struct unit *u)
{
	return unit_start(u, (cmdline_has("packed") ? F_PACKED : 0) |
	    (cmdline_has("event") ? F_EVENT_IDX : 0));
}

static void count(struct unit *u, int verdict)
{
	if (verdict < 0)
		fail("%s: an answer of another kind", u->name);
	else if (verdict == 0 && !cmdline_has("errors"))
		fail("%s: request %u has failed", u->name, u->round);
	u->done += verdict > 0;
	u->failed += verdict == 0;
	if (cmdline_has(u->name))
		pace();
}

static void look(struct unit *u, bool again)
{
	int verdict = unit_look(u);

	if (verdict != UNIT_WAITS)
		count(u, verdict);
	if (u->id >= 0 || !u->answered || !again)
		return;
	if (cmdline_has("resets") && u->round % 8 == 7) {
		u->round++;
		if (!virtio_reset(&u->d, END_MS) || !start(u)) {
			fail("%s: it does not come back", u->name);
			u->there = false;
			return;
		}
	}
	unit_ask(u);
}

static void say(void)
{
	for (unsigned int i = 0; i < ARRAY_LEN(units); i++)
		if (units[i].there)
			print("at %s %u %u\n", units[i].name, units[i].done,
			    units[i].failed);
}

void guest_main(void)
{
	uint32_t t, ms = cmdline_num("ms", 100000), from;

	begin("steady");
	for (unsigned int i = 0; i < ARRAY_LEN(units); i++)
		if (unit_find(&units[i]))
			check(start(&units[i]));
	print("running\n");
	for (from = t = now_ms(); !button() && now_ms() - from < ms;) {
		for (unsigned int i = 0; i < ARRAY_LEN(units); i++)
			if (units[i].there)
				look(&units[i], true);
		if (now_ms() - t >= 500) {
			t = now_ms();
			say();
		}
	}
	for (unsigned int i = 0; i < ARRAY_LEN(units); i++) {
		struct unit *u = &units[i];

		for (t = now_ms(); u->there && u->id >= 0 && now_ms() - t < END_MS;)
			look(u, false);
		check(!u->there || u->id < 0);
		if (u->there && !(virtio_status(&u->d) & STATUS_NEEDS_RESET) ==
		    (cmdline_has("errors") || u->failed > 0))
			fail("%s: status %u, %u failed", u->name,
			    virtio_status(&u->d), u->failed);
	}
	end();
	say();
	pace_say();
}
