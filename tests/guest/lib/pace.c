/* SPDX-License-Identifier: Apache-2.0 */
/* See pace.h. */
#include "lib/pace.h"

#define STEP 250u
#define STEPS 20000u		/* 5 s, and all that is longer */

static uint16_t gaps[STEPS];
static uint32_t last;
static bool began;

void pace(void)
{
	uint32_t t = now_us(), n = (t - last) / STEP;

	if (began)
		gaps[n < STEPS ? n : STEPS - 1]++;
	began = true;
	last = t;
}

void pace_say(void)
{
	for (uint32_t i = 2000 / STEP; i < STEPS; i++)
		if (gaps[i])
			print("gap %u %u\n", i * STEP, gaps[i]);
}

bool button(void)
{
	static uint32_t looked;
	static bool pressed;
	uint32_t t = now_ms();

	if (!pressed && t - looked >= 50) {
		looked = t;
		pressed = (inb(LAYOUT_PORT_GED) & LAYOUT_GED_POWER_BUTTON) != 0;
	}
	return pressed;
}
