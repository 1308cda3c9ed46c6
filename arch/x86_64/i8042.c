/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keyboard controller, see i8042.h.
 */
#include "arch/x86_64/i8042.h"

#include <string.h>

enum i8042_port { PORT_DATA = 0, PORT_B = 1, PORT_COMMAND = 4 };

enum i8042_command {
	CMD_READ_MODE = 0x20, CMD_WRITE_MODE = 0x60, CMD_TEST_AUX = 0xa9,
	CMD_SELF_TEST = 0xaa, CMD_TEST_KEYBOARD = 0xab,
	CMD_READ_OUTPUT = 0xd0, CMD_WRITE_OUTPUT = 0xd1,
	CMD_LOOP_KEYBOARD = 0xd2, CMD_LOOP_AUX = 0xd3, CMD_WRITE_AUX = 0xd4,
	CMD_RESET = 0xfe,
};

#define STATUS_FULL 0x01u
#define STATUS_SYSTEM 0x04u	/* self test passed */
#define STATUS_UNLOCKED 0x10u
#define SELF_TEST_OK 0x55u
#define AUX_MISSING 0xffu
#define KEYBOARD_MISSING 0xfeu	/* "resend": a driver gives up at once */
#define OUTPUT_PORT_RESET 0x01u	/* bit 0 low resets */

void
i8042_init(struct i8042 *k, const struct arch_host *host)
{
	memset(k, 0, sizeof(*k));
	pthread_mutex_init(&k->lock, NULL);
	k->host = *host;
}

static void
answer(struct i8042 *k, uint8_t value)
{
	k->output = value;
	k->full = true;
}

static void
command(struct i8042 *k, uint8_t cmd)
{
	k->command = 0;
	switch (cmd) {
	case CMD_READ_MODE:
		answer(k, k->mode);
		break;
	case CMD_SELF_TEST:
		answer(k, SELF_TEST_OK);
		break;
	case CMD_TEST_KEYBOARD:
		answer(k, 0);
		break;
	case CMD_TEST_AUX:
		answer(k, AUX_MISSING);
		break;
	case CMD_READ_OUTPUT:
		answer(k, OUTPUT_PORT_RESET);
		break;
	case CMD_WRITE_MODE:
	case CMD_WRITE_OUTPUT:
	case CMD_LOOP_KEYBOARD:
	case CMD_LOOP_AUX:
	case CMD_WRITE_AUX:
		k->command = cmd;
		break;
	case CMD_RESET:
		k->host.stop(k->host.owner, ARCH_STOP_RESET);
		break;
	default:
		break;
	}
}

static void
data_byte(struct i8042 *k, uint8_t value)
{
	uint8_t cmd = k->command;

	k->command = 0;
	switch (cmd) {
	case CMD_WRITE_MODE:
		k->mode = value;
		break;
	case CMD_WRITE_OUTPUT:
		if ((value & OUTPUT_PORT_RESET) == 0)
			k->host.stop(k->host.owner, ARCH_STOP_RESET);
		break;
	case CMD_LOOP_KEYBOARD:
	case CMD_LOOP_AUX:
		answer(k, value);
		break;
	default:
		answer(k, KEYBOARD_MISSING);
		break;
	}
}

static uint8_t
i8042_get(struct i8042 *k, uint64_t offset)
{
	switch (offset) {
	case PORT_DATA:
		k->full = false;
		return k->output;
	case PORT_B:
		/* Refresh toggles, and timer 2 has run out: loops that wait for
		 * either come to an end. */
		k->port_b ^= 0x30;
		return k->port_b;
	case PORT_COMMAND:
		return (uint8_t)((k->full ? STATUS_FULL : 0) | STATUS_SYSTEM |
		    STATUS_UNLOCKED);
	default:
		return 0xff;
	}
}

static void
i8042_read(void *owner, uint64_t offset, uint8_t *data, uint32_t len)
{
	struct i8042 *k = owner;

	memset(data, 0xff, len);
	pthread_mutex_lock(&k->lock);
	data[0] = i8042_get(k, offset);
	pthread_mutex_unlock(&k->lock);
}

static void
i8042_write(void *owner, uint64_t offset, const uint8_t *data, uint32_t len)
{
	struct i8042 *k = owner;

	(void)len;
	pthread_mutex_lock(&k->lock);
	if (offset == PORT_DATA)
		data_byte(k, data[0]);
	else if (offset == PORT_B)
		k->port_b = (k->port_b & 0xf0) | (data[0] & 0x0f);
	else if (offset == PORT_COMMAND)
		command(k, data[0]);
	pthread_mutex_unlock(&k->lock);
}

void
i8042_save(struct i8042 *k, Bh__X86Platform *m)
{
	pthread_mutex_lock(&k->lock);
	bh__x86_i8042__init(&k->saved);
	k->saved.command = k->command;
	k->saved.mode = k->mode;
	k->saved.output = k->output;
	k->saved.full = k->full;
	k->saved.port_b = k->port_b;
	m->i8042 = &k->saved;
	pthread_mutex_unlock(&k->lock);
}

void
i8042_load(struct i8042 *k, const Bh__X86Platform *m)
{
	pthread_mutex_lock(&k->lock);
	k->command = (uint8_t)m->i8042->command;
	k->mode = (uint8_t)m->i8042->mode;
	k->output = (uint8_t)m->i8042->output;
	k->full = m->i8042->full;
	k->port_b = (uint8_t)m->i8042->port_b;
	pthread_mutex_unlock(&k->lock);
}

const struct bus_ops i8042_ops = { .read = i8042_read, .write = i8042_write };
