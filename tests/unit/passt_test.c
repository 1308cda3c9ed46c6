// SPDX-License-Identifier: Apache-2.0
/* Published ports as users write them, and the command line of a passt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "controller/publish.h"
#include "controller/spawner/passt.h"

static void
ports_as_written(void **state)
{
	static const struct {
		const char *text, *passt;	/* NULL: refused */
		bool udp;
	} cases[] = {
		{ "tcp:8080:80", "8080:80", false },
		{ "udp:53", "53:53", true },
		{ "tcp:127.0.0.1:2222:22", "127.0.0.1/2222:22", false },
		{ "udp:[::1]:5353:53", "::1/5353:53", true },
		{ "tcp::2222:22", "2222:22", false },	/* as QEMU's hostfwd */
		{ "tcp:65535:1", "65535:1", false },
		{ "tcp:65536:1", NULL, false },
		{ "tcp:0:80", NULL, false },
		{ "tcp:80:0", NULL, false },
		{ "tcp", NULL, false },
		{ "tcp:", NULL, false },
		{ "8080:80", NULL, false },
		{ "sctp:8080:80", NULL, false },
		{ "tcp:127.0.0.1:22", NULL, false },
		{ "tcp:localhost:2222:22", NULL, false },
		{ "tcp:127.0.0.1:2222:22:1", NULL, false },
		{ "tcp:::1:2222:22", NULL, false },
		{ "tcp:8080:80,", NULL, false },
		{ "tcp:80 --pcap=x", NULL, false },
		{ "", NULL, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct published_port port;
		char text[PUBLISH_TEXT];
		int rc = publish_parse(span_of(cases[i].text), &port);

		if (cases[i].passt == NULL) {
			assert_int_equal(rc, -EINVAL);
			continue;
		}
		assert_int_equal(rc, 0);
		publish_text(&port, text);
		assert_string_equal(text, cases[i].passt);
		assert_int_equal(port.udp, cases[i].udp);
	}
}

/* All words in one string. */
static const char *
words(const struct passt_start *s)
{
	static char all[8192];

	all[0] = '\0';
	for (size_t i = 0; s->argv[i] != NULL; i++) {
		strcat(all, i > 0 ? " " : "");
		strcat(all, s->argv[i]);
	}
	return all;
}

static void
the_least(void **state)
{
	static struct passt_start s;
	Bh__UserNet m = BH__USER_NET__INIT;

	(void)state;
	passt_prepare(&s, &m, 7);
	assert_string_equal(words(&s), "passt --foreground --stderr --quiet "
	    "--pid /proc/self/fd/1 --fd 8");
	assert_int_equal(s.nports, 0);
	assert_int_equal(s.id, 7);
}

static void
everything(void **state)
{
	static struct passt_start s;
	static uint8_t v4[] = { 10, 0, 2, 15 }, v6[16] = { [15] = 1 };
	static uint8_t mac[] = { 2, 0, 0, 0, 0, 0xfe };
	Bh__UserNet m = BH__USER_NET__INIT;
	Bh__PublishedPort port[USER_NET_LIMIT_PORTS];
	Bh__PublishedPort *list[USER_NET_LIMIT_PORTS];

	(void)state;
	m.n_ports = USER_NET_LIMIT_PORTS;
	m.ports = list;
	for (uint32_t i = 0; i < USER_NET_LIMIT_PORTS; i++) {
		bh__published_port__init(&port[i]);
		port[i].udp = i % 2 == 1;
		port[i].host = 65000 + i;
		port[i].guest = 65100 + i;
		port[i].address = (ProtobufCBinaryData){ 16, v6 };
		list[i] = &port[i];
	}
	m.mtu = 1500;
	m.host_mac = (ProtobufCBinaryData){ 6, mac };
	m.address = m.mask = m.gateway = (ProtobufCBinaryData){ 4, v4 };
	m.dns = (ProtobufCBinaryData){ 16, v6 };
	m.no_host = true;
	/* Twice: the second start is not the rest of the first. */
	passt_prepare(&s, &m, 0);
	passt_prepare(&s, &m, 0);
	assert_non_null(strstr(words(&s), "--fd 8 --mtu 1500 --mac-addr "
	    "02:00:00:00:00:fe --address 10.0.2.15 --netmask 10.0.2.15 --gateway "
	    "10.0.2.15 --dns ::1 --no-map-gw -t ::1/65000:65100 "
	    "-u ::1/65001:65101 -t "));
	assert_int_equal(s.nports, USER_NET_LIMIT_PORTS / 2);
	assert_int_equal(s.ports[1], 65002);
	assert_true(s.nargv < sizeof(s.argv) / sizeof(s.argv[0]));
	assert_true(s.nwords <= PASST_WORDS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_as_written),
		cmocka_unit_test(the_least),
		cmocka_unit_test(everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
