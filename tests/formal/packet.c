// SPDX-License-Identifier: Apache-2.0
//
// The packet door (ipc/chan.c): every string of up to three bytes and, of a set of
// bytes that mean something in a packet, of up to five (six in full), decoded from
// the end of a page; and every message type from every peer, to every peer, in every
// state and with every number of fds, against the words of proto/table.h.
#include "ipc/chan.c"
#include "tests/formal/formal.h"

#define TYPES 512u	/* numbers of messages that are tried */

static struct chan_buffers *buffers;
static uint8_t *end;
static uint64_t bad, decoded;

static void
expect(bool good, const char *what, unsigned int a, unsigned int b)
{
	cases++;
	if (!good && bad++ < 6)
		printf("# %s: %u, %u\n", what, a, b);
}

/* What chan_recv() does behind the kernel, with @n bytes before @end. */
static void
try_bytes(size_t n)
{
	ProtobufCAllocator alloc = {
		.alloc = arena_alloc, .free = arena_free,
		.allocator_data = &buffers->arena,
	};
	struct chan ch = { .self = PEER_CONTROLLER, .states = PROTO_ANY };
	struct chan_msg msg = { .nfds = 0 };

	cases++;
	buffers->arena.used = 0;
	msg.packet = bh__packet__unpack(&alloc, n, end - n);
	if (msg.packet == NULL)
		return;
	decoded++;
	for (unsigned int peer = 0; peer < PEER_COUNT; peer++) {
		ch.peer = (enum proto_peer)peer;
		(void)check_packet(&ch, msg.packet, &msg);
	}
}

static void
try_all_bytes(unsigned int third)
{
	try_bytes(0);
	for (unsigned int a = 0; a < 256; a++) {
		end[-1] = (uint8_t)a;
		try_bytes(1);
		for (unsigned int b = 0; b < 256; b++) {
			end[-2] = (uint8_t)a;
			end[-1] = (uint8_t)b;
			try_bytes(2);
			end[-3] = (uint8_t)a;
			end[-2] = (uint8_t)b;
			for (unsigned int c = 0; c < 256; c += third) {
				end[-1] = (uint8_t)c;
				try_bytes(3);
			}
		}
	}
}

/* Tags of each wire type, lengths, and the ends of a varint. */
static const uint8_t telling[] = {
	0x00, 0x01, 0x02, 0x03, 0x08, 0x0a, 0x0d, 0x12, 0x1a, 0x52, 0x7f, 0x80, 0x82,
	0xd2, 0xfa, 0xff,
};

static void
try_telling_bytes(size_t n)
{
	size_t digit[8] = { 0 };

	for (;;) {
		size_t i = 0;

		for (size_t k = 0; k < n; k++)
			end[(ptrdiff_t)k - (ptrdiff_t)n] = telling[digit[k]];
		try_bytes(n);
		while (i < n && ++digit[i] == COUNT(telling))
			digit[i++] = 0;
		if (i == n)
			return;
	}
}

static const struct proto_rule *
rule_for(unsigned int type, unsigned int peer, unsigned int self)
{
	for (unsigned int i = 0; i < proto_nrules; i++)
		if (proto_rules[i].type == (Bh__Packet__BodyCase)type &&
		    (proto_rules[i].senders >> peer & 1) != 0 &&
		    (proto_rules[i].receivers >> self & 1) != 0)
			return &proto_rules[i];
	return NULL;
}

/* Is any message with an fd permitted? Else the kernel is given no room for one. */
static bool
any_fd(unsigned int peer, unsigned int self, unsigned int states)
{
	for (unsigned int i = 0; i < proto_nrules; i++)
		if ((proto_rules[i].senders >> peer & 1) != 0 &&
		    (proto_rules[i].receivers >> self & 1) != 0 &&
		    (proto_rules[i].states & states) != 0 &&
		    proto_rules[i].fds_max != 0)
			return true;
	return false;
}

static void
try_door(unsigned int type, unsigned int peer, unsigned int self)
{
	const struct proto_rule *rule = rule_for(type, peer, self);
	Bh__Packet packet = BH__PACKET__INIT;
	struct chan ch = { .peer = (enum proto_peer)peer,
			   .self = (enum proto_peer)self };
	struct chan_msg msg = { .nfds = 0 };

	packet.body_case = (Bh__Packet__BodyCase)type;
	for (ch.states = 1; ch.states <= PROTO_CLOSING; ch.states <<= 1) {
		bool may = rule != NULL && (rule->states & ch.states) != 0;

		expect(fds_due(&ch) == any_fd(peer, self, ch.states), "fds due",
		    peer, self);
		/* With a rule and the right fds the contents are next: there are
		 * none here, which is proto_check()'s to say. */
		for (msg.nfds = 0; msg.nfds <= CHAN_MAX_FDS; msg.nfds++)
			if (!may || msg.nfds < rule->fds_min ||
			    msg.nfds > rule->fds_max)
				expect(check_packet(&ch, &packet, &msg) != NULL,
				    "not permitted", type, msg.nfds);
	}
	expect(rule == proto_rule_of(packet.body_case, ch.peer, ch.self), "rule",
	    type, peer);
}

int
main(int argc, char **argv)
{
	unsigned int step = argc > 1 ? (unsigned int)atoi(argv[1]) : 1;

	buffers = (void *)island((sizeof(*buffers) + PAGE - 1) / PAGE);
	buffers = (void *)((uint8_t *)buffers +
	    (PAGE - sizeof(*buffers) % PAGE) % PAGE / 16 * 16);
	end = island(1) + PAGE;
	try_all_bytes(step);
	for (size_t n = 1; n <= (step == 1 ? 6 : 5); n++)
		try_telling_bytes(n);
	for (unsigned int i = 0; i < bh__packet__descriptor.n_fields; i++)
		expect(bh__packet__descriptor.fields[i].id < TYPES, "below TYPES",
		    bh__packet__descriptor.fields[i].id, TYPES);
	for (unsigned int type = 0; type < TYPES; type++)
		for (unsigned int peer = 0; peer < PEER_COUNT; peer++)
			for (unsigned int self = 0; self < PEER_COUNT; self++)
				try_door(type, peer, self);
	printf("# %llu strings are packets\n", (unsigned long long)decoded);
	return verdict("the packet door", bad == 0 && decoded > 100);
}
