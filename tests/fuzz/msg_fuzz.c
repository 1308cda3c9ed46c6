/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoding and validating messages. As build/fuzz/msg the input is a whole
 * Packet; as build/fuzz/msg-NAME (a link to it) the input is the body of that
 * message, so that each message type has a target of its own. Afterwards every
 * byte of the result is touched, as a handler would.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/chan.h"
#include "proto/check.h"

static uint32_t only_field;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *name = strrchr((*argv)[0], '/');

	(void)argc;
	name = name != NULL ? name + 1 : (*argv)[0];
	if (strncmp(name, "msg-", 4) != 0)
		return 0;
	for (unsigned int i = 0; i < proto_nrules; i++)
		if (strcmp(proto_rules[i].name, name + 4) == 0)
			only_field = proto_rules[i].type;
	if (only_field == 0)
		abort();
	return 0;
}

static struct chan_arena arena;

static void *
fuzz_alloc(void *data, size_t size)
{
	size_t at = (arena.used + 15) & ~(size_t)15;

	(void)data;
	if (size > sizeof(arena.bytes) || at + size > sizeof(arena.bytes))
		return NULL;
	arena.used = at + size;
	return arena.bytes + at;
}

static void
fuzz_free(void *data, void *ptr)
{
	(void)data;
	(void)ptr;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t wire[CHAN_MAX_PACKET], again[CHAN_MAX_PACKET * 2];
	ProtobufCAllocator alloc = { fuzz_alloc, fuzz_free, NULL };
	Bh__Packet *packet;
	size_t n = 0;

	if (size > CHAN_MAX_PACKET - 16)
		return 0;
	if (only_field != 0) {
		/* tag of a length-delimited field, length, body */
		uint32_t tag = only_field << 3 | 2;
		size_t len = size;

		wire[n++] = (uint8_t)(tag | 0x80);
		wire[n++] = (uint8_t)(tag >> 7);
		for (; len >= 0x80; len >>= 7)
			wire[n++] = (uint8_t)(len | 0x80);
		wire[n++] = (uint8_t)len;
	}
	memcpy(wire + n, data, size);
	arena.used = 0;
	packet = bh__packet__unpack(&alloc, n + size, wire);
	if (packet != NULL && proto_check(packet) == NULL) {
		size_t out = bh__packet__get_packed_size(packet);

		if (out > sizeof(again))
			abort();
		bh__packet__pack(packet, again);
	}
	return 0;
}
