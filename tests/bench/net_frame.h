/* SPDX-License-Identifier: Apache-2.0 */
/* The frames that net.sh measures with: the same for the worker and the floor. */
#ifndef BULKHEAD_TESTS_BENCH_NET_FRAME_H
#define BULKHEAD_TESTS_BENCH_NET_FRAME_H

#include <linux/if_packet.h>
#include <net/if.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#define NET_FRAME_HEADER 12u

/*
 * Header and a frame of @len bytes: UDP to the broadcast address of the tap's
 * 10.9.9.1/24, where nobody listens, so that it goes as far as the host's IP. One
 * above 9000 bytes is TCP that the host is to cut, to a station that is not there.
 */
static inline void
net_frame(uint8_t *at, size_t len)
{
	static const uint8_t ethernet[] = { 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1,
	    8, 0, 0x45 };
	uint8_t *ip = at + NET_FRAME_HEADER + 14;

	memset(at, 0, NET_FRAME_HEADER + len);
	memcpy(at + NET_FRAME_HEADER, ethernet, sizeof(ethernet));
	if (len <= 9000) {
		static const uint8_t addresses[] = { 10, 9, 9, 2, 10, 9, 9, 255 };
		uint32_t sum = 0;

		memset(at + NET_FRAME_HEADER, 0xff, 6);
		ip[2] = (uint8_t)((len - 14) >> 8);
		ip[3] = (uint8_t)(len - 14);
		ip[8] = 64;
		ip[9] = 17;
		memcpy(ip + 12, addresses, sizeof(addresses));
		for (size_t i = 0; i < 20; i += 2)
			sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
		sum = (sum & 0xffff) + (sum >> 16);
		ip[10] = (uint8_t)(~sum >> 8);
		ip[11] = (uint8_t)~sum;
		ip[23] = 9;	/* discard */
		ip[24] = (uint8_t)((len - 34) >> 8);
		ip[25] = (uint8_t)(len - 34);
		return;
	}
	at[0] = 1;		/* needs a checksum */
	at[1] = 1;		/* TCPv4 */
	at[2] = 54;		/* hdr_len */
	at[4] = 1448 & 0xff;	/* gso_size */
	at[5] = 1448 >> 8;
	at[6] = 34;		/* csum_start, csum_offset */
	at[8] = 16;
	ip[2] = (uint8_t)((len - 14) >> 8);
	ip[3] = (uint8_t)(len - 14);
	ip[8] = 64;
	ip[9] = 6;
	ip[32] = 5 << 4;
}

/* A packet socket from which what is sent comes out of @tap, or -1. */
static inline int
net_flood_open(const char *tap)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
	    .sll_ifindex = (int)if_nametoindex(tap) };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	return bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 ? fd : -1;
}

/* 64 times the frame of @len bytes behind the header at @at. */
static inline void
net_flood(int fd, const uint8_t *at, size_t len)
{
	for (int i = 0; i < 64; i++)
		(void)!send(fd, at + NET_FRAME_HEADER, len, 0);
}

#endif
