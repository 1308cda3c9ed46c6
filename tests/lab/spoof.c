// SPDX-License-Identifier: Apache-2.0
/*
 * For guests of the lab, on a raw socket:
 *	lab-spoof send IFACE OWN VICTIM	twenty frames of each kind in the name of
 *					VICTIM (IPv4) or of another MAC, then one
 *					honest frame of OWN
 *	lab-spoof listen IFACE		until the honest one: how many of each came
 */
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAMES 20
#define LEN 96
#define MARK "bulkhead-spoof-"
#define MARK_AT 70

enum kind { MAC, IP4, ARP, ARP_MAC, TAGGED, IP6, ND, KINDS };

static const char letters[] = "MIAaTSN";
static const uint8_t other_mac[6] = { 0x52, 0x54, 0, 0xee, 0xee, 0xee };

static uint16_t
checksum(const uint8_t *p, unsigned int len)
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void
put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void
put_ip4(uint8_t *p, const uint8_t source[4])
{
	static const uint8_t head[] = { 0x45, 0, 0, LEN - 14, 0, 0, 0, 0, 64, 253 };

	memcpy(p, head, sizeof(head));
	memcpy(p + 12, source, 4);
	memset(p + 16, 255, 4);
	put16(p + 10, checksum(p, 20));
}

static void
put_arp(uint8_t *p, const uint8_t mac[6], const uint8_t ip[4])
{
	static const uint8_t head[] = { 0, 1, 8, 0, 6, 4, 0, 2 };

	memcpy(p, head, sizeof(head));
	memcpy(p + 8, mac, 6);
	memcpy(p + 14, ip, 4);
	memset(p + 18, 255, 6);
	memcpy(p + 24, ip, 4);
}

static void
put_ip6(uint8_t *p, unsigned int next, bool own_source)
{
	p[0] = 0x60;
	p[5] = LEN - 14 - 40;
	p[6] = (uint8_t)next;
	p[7] = 255;
	p[8] = own_source ? 0xfe : 0xfd;
	p[9] = own_source ? 0x80 : 0x77;
	p[23] = 9;
	p[24] = 0xff;
	p[25] = 2;
	p[39] = 1;
	if (next == 58) {
		p[40] = 136;
		p[48] = 0xfd;	/* the target that it claims */
		p[63] = 3;
	}
}

/* One frame; @kind KINDS: nothing is wrong with it. */
static void
make(uint8_t *f, enum kind kind, const uint8_t mac[6], const uint8_t own[4],
    const uint8_t victim[4])
{
	uint8_t *p = f + 14;

	memset(f, 0, LEN);
	memset(f, 255, 6);
	memcpy(f + 6, kind == MAC ? other_mac : mac, 6);
	put16(f + 12, kind == ARP || kind == ARP_MAC ? ETHERTYPE_ARP :
	    kind == IP6 || kind == ND ? ETHERTYPE_IPV6 :
	    kind == TAGGED ? ETHERTYPE_VLAN : ETHERTYPE_IP);
	if (kind == TAGGED) {
		put16(p, 5);
		put16(p + 2, ETHERTYPE_IP);
		p += 4;
	}
	if (kind == ARP || kind == ARP_MAC)
		put_arp(p, kind == ARP ? mac : other_mac,
		    kind == ARP ? victim : own);
	else if (kind == IP6 || kind == ND)
		put_ip6(p, kind == ND ? 58 : 253, kind == ND);
	else
		put_ip4(p, kind == IP4 || kind == TAGGED ? victim : own);
	/* A padding of ARP, a payload of the others. */
	memcpy(f + MARK_AT, MARK, sizeof(MARK) - 1);
	f[MARK_AT + sizeof(MARK) - 1] = kind == KINDS ? '+' :
	    (uint8_t)letters[kind];
}

static int
open_raw(const char *name, uint8_t mac[6])
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
	    .sll_protocol = htons(ETH_P_ALL),
	    .sll_ifindex = (int)if_nametoindex(name) };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	struct ifreq ifr = { 0 };

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    ioctl(fd, SIOCGIFHWADDR, &ifr) < 0)
		return -1;
	memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	return fd;
}

static int
send_all(const char *name, const char *own_text, const char *victim_text)
{
	uint8_t frame[LEN], mac[6], own[4], victim[4];
	int fd = open_raw(name, mac);

	if (fd < 0 || inet_pton(AF_INET, own_text, own) != 1 ||
	    inet_pton(AF_INET, victim_text, victim) != 1)
		return 1;
	for (unsigned int i = 0; i < FRAMES * KINDS; i++) {
		make(frame, (enum kind)(i % KINDS), mac, own, victim);
		if (write(fd, frame, LEN) != LEN)
			return 1;
	}
	/* Several, since whoever waits for it may be busy. */
	for (unsigned int i = 0; i < 5; i++) {
		make(frame, KINDS, mac, own, victim);
		usleep(200000);
		if (write(fd, frame, LEN) != LEN)
			return 1;
	}
	return 0;
}

static int
listen_all(const char *name)
{
	unsigned int got[KINDS] = { 0 };
	uint8_t frame[2048], mac[6];
	int fd = open_raw(name, mac);
	ssize_t n;

	if (fd < 0)
		return 1;
	printf("listening\n");
	fflush(stdout);
	while ((n = read(fd, frame, sizeof(frame))) > 0) {
		const char *letter;
		ssize_t at = MARK_AT;

		/* A tag may have been taken out of the frame. */
		if (n >= LEN - 4 && memcmp(frame + at, MARK, sizeof(MARK) - 1) != 0)
			at -= 4;
		if (n < LEN - 4 || memcmp(frame + at, MARK, sizeof(MARK) - 1) != 0)
			continue;
		letter = strchr(letters, frame[at + (ssize_t)sizeof(MARK) - 1]);
		if (letter == NULL)
			break;
		got[letter - letters]++;
	}
	printf("honest");
	for (unsigned int k = 0; k < KINDS; k++)
		printf(" %c=%u", letters[k], got[k]);
	printf("\n");
	return n > 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "send") == 0)
		return send_all(argv[2], argv[3], argv[4]);
	if (argc == 3 && strcmp(argv[1], "listen") == 0)
		return listen_all(argv[2]);
	return 2;
}
