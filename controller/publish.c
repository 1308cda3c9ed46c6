// SPDX-License-Identifier: Apache-2.0
//
// Published ports, see publish.h.
#include "controller/publish.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int
port_number(struct span s, uint16_t *out)
{
	uint64_t n;

	if (value_u64(s, &n) != 0 || n < 1 || n > 65535)
		return -EINVAL;
	*out = (uint16_t)n;
	return 0;
}

int
publish_parse(struct span s, struct published_port *port)
{
	struct span part[4];
	unsigned int n = 0;
	int got;

	*port = (struct published_port){ .udp = false };
	while ((got = value_next(&s, ':', &part[n])) == 1)
		if (++n == 4)
			break;
	if (got < 0 || n < 2 || s.at != NULL)
		return -EINVAL;
	port->udp = span_is(part[0], "udp");
	if (!port->udp && !span_is(part[0], "tcp"))
		return -EINVAL;
	/* Three numbers are no address: only with four parts is there one. */
	if (n == 4 && part[1].len != 0) {
		(void)value_list(part[1], &part[1]);
		if (value_address(part[1], port->address.bytes,
		    &port->address.len) != 0)
			return -EINVAL;
	}
	if (port_number(part[n == 4 ? 2 : 1], &port->host) != 0)
		return -EINVAL;
	port->guest = port->host;
	return n == 2 ? 0 : port_number(part[n - 1], &port->guest);
}

const char *
publish_add(struct user_net_spec *user, struct span value)
{
	struct published_port port;
	struct span item;

	(void)value_list(value, &value);
	while (value_next(&value, ',', &item) == 1) {
		if (publish_parse(item, &port) != 0)
			return "not a list of ports; write "
			    "[tcp:8080:80,udp:127.0.0.1:5353:53]";
		if (user->nports == USER_NET_LIMIT_PORTS)
			return "too many; at most 32 ports";
		for (uint32_t i = 0; i < user->nports; i++)
			if (memcmp(&user->ports[i], &port,
			    offsetof(struct published_port, guest)) == 0)
				return "a port of the host twice";
		user->ports[user->nports++] = port;
	}
	return NULL;
}

void
publish_address(const uint8_t *bytes, size_t len, char text[PUBLISH_TEXT])
{
	text[0] = '\0';
	if (len == 4 || len == 16)
		(void)inet_ntop(len == 4 ? AF_INET : AF_INET6, bytes, text,
		    PUBLISH_TEXT);
}

void
publish_text(const struct published_port *port, char text[PUBLISH_TEXT])
{
	char address[PUBLISH_TEXT];

	publish_address(port->address.bytes, port->address.len, address);
	(void)snprintf(text, PUBLISH_TEXT, "%.46s%s%u:%u", address,
	    address[0] != '\0' ? "/" : "", port->host, port->guest);
}
