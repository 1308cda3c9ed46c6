// SPDX-License-Identifier: Apache-2.0
/*
 * What a tap can do: the calls that bulkhead-net makes for each frame and nothing
 * else. And the other end of a measurement: a flood at a packet socket. For net.sh.
 *	tap_floor write|read TAP LEN SECONDS	frames a second of this CPU
 *	tap_floor flood TAP LEN SECONDS		the flood
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/net_frame.h"

static uint8_t frame[NET_FRAME_HEADER + 65536];

static double
now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int
open_tap(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK), size = 12;

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) != 0 ||
	    ioctl(fd, TUNSETVNETHDRSZ, &size) != 0)
		return -1;
	return fd;
}

int
main(int argc, char **argv)
{
	double end, start;
	unsigned long n = 0;
	struct pollfd p = { .events = POLLIN };
	size_t len;

	if (argc < 5)
		return 2;
	len = (size_t)atol(argv[3]);
	end = now(CLOCK_MONOTONIC) + atof(argv[4]);
	net_frame(frame, len);
	if (argv[1][0] == 'f') {
		p.fd = net_flood_open(argv[2]);
		while (p.fd >= 0 && now(CLOCK_MONOTONIC) < end)
			net_flood(p.fd, frame, len);
		return 0;
	}
	p.fd = open_tap(argv[2]);
	if (p.fd < 0)
		return 1;
	start = now(CLOCK_PROCESS_CPUTIME_ID);
	while (now(CLOCK_MONOTONIC) < end) {
		for (unsigned int i = 0; i < 64; i++) {
			struct iovec v[2] = { { frame, 12 }, { frame + 12, len } };

			if (argv[1][0] == 'w') {
				n += writev(p.fd, v, 2) > 0;
				continue;
			}
			v[1].iov_len = sizeof(frame) - 12;
			if (readv(p.fd, v, 2) > 0)
				n++;
			else
				poll(&p, 1, 100);
		}
	}
	printf("%.0f\n", (double)n / (now(CLOCK_PROCESS_CPUTIME_ID) - start));
	return 0;
}
