// SPDX-License-Identifier: Apache-2.0
/*
 * The stream parser against a hostile peer: what comes out is what a parser that
 * has all bytes at once finds, however they were cut.
 * Input: first byte the size of a cut, then the stream.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device-workers/net/net.h"
#include "device-workers/net/stream.h"

#define LONGEST (NET_FRAME_MAX - NET_HDR_SIZE)

static struct net_pair p;
static int far;
static const uint8_t *expected;
static size_t left;

/* Take all that is there. False: the stream has ended. */
static bool
take_all(void)
{
	static uint8_t frame[NET_FRAME_MAX + 1];
	const struct iovec v[] = { { frame, 64 }, { frame + 64, sizeof(frame) - 64 } };
	uint32_t len = 0;
	ssize_t n;

	while ((n = net_stream.receive(&p, v, 2)) > 0) {
		memcpy(&len, expected, 4);
		len = be32toh(len);
		if (left < 4 + (size_t)len || (size_t)n != NET_HDR_SIZE + len ||
		    memcmp(frame + NET_HDR_SIZE, expected + 4, len) != 0)
			abort();
		expected += 4 + len;
		left -= 4 + (size_t)len;
	}
	if (n == -EPROTO) {
		memcpy(&len, expected, 4);
		len = be32toh(len);
		if (len >= NET_ETH_HLEN && len <= LONGEST)
			abort();
		return false;
	}
	return n == -EAGAIN;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t cut, done = 0;
	const char *why;
	int pair[2];

	if (size < 1)
		return 0;
	if (p.priv == NULL) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0)
			abort();
		p.fd = pair[0];
		far = pair[1];
		if (net_stream.start(&p, &why) != 0)
			abort();
	}
	net_stream.restart(&p);
	cut = data[0] == 0 ? 4096 : data[0];
	expected = data + 1;
	left = size - 1;
	for (data++, size--; done < size; done += cut) {
		if (cut > size - done)
			cut = size - done;
		if (write(far, data + done, cut) != (ssize_t)cut)
			abort();
		if (!take_all())
			break;
	}
	/* What was not taken must not meet the next input. */
	while (read(p.fd, (uint8_t[4096]){ 0 }, 4096) > 0)
		;
	return 0;
}
