// SPDX-License-Identifier: Apache-2.0
/*
 * On the tap of a guest: drops what the guest sends in another's name, and counts
 * it by reason. Ethernet source always; where the guest's addresses were given,
 * IPv4 and IPv6 sources, ARP senders and neighbour discovery targets too, and
 * whatever is no IP. Loaded by guard.c, before the guest's first frame.
 *
 * Must not look at a frame other than by load(): how much of it is linear is up
 * to the guest (hdr_len of its virtio header).
 *
 * Without an address a host has to get one: DHCP from 0.0.0.0, and from :: what
 * RFC 4862 and RFC 3810 send (duplicate address detection of its own addresses,
 * router solicitation, multicast listener reports). Link-local IPv6 addresses pass,
 * since a guest makes these itself.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "controller/opener/guard.h"

#define NEXT (-1)		/* TCX_NEXT, TC_ACT_UNSPEC: others may still object */
#define DROP 2			/* TCX_DROP, TC_ACT_SHOT */

#define ETH_P_IP 0x0800
#define ETH_P_ARP 0x0806
#define ETH_P_RARP 0x8035
#define ETH_P_IPV6 0x86dd
#define ETH_P_8021Q 0x8100
#define ETH_P_8021AD 0x88a8

#define MAX_TAGS 2		/* in the frame; one more may be beside it */
#define MAX_EXTENSIONS 6
#define MAX_OPTIONS 6

#define ICMP6_RS 133
#define ICMP6_RA 134
#define ICMP6_NS 135
#define ICMP6_NA 136
#define ICMP6_REDIRECT 137
#define ICMP6_MLD2_REPORT 143
#define ICMP6_MLD_REPORT 131
#define ICMP6_MLD_DONE 132

/* Set before the program is loaded (.rodata), and counted (.bss). */
const volatile struct guard_config config;
struct guard_counts counts;

struct frame {
	struct __sk_buff *skb;
	__u32 at;		/* of the header that is looked at */
};

static __always_inline int
load(const struct frame *f, __u32 offset, void *to, __u32 len)
{
	return bpf_skb_load_bytes(f->skb, f->at + offset, to, len) == 0;
}

static __always_inline __u32
be16(const __u8 *p)
{
	return (__u32)p[0] << 8 | p[1];
}

static __always_inline int
is_own_mac(const __u8 *mac)
{
	const volatile __u8 *own = config.mac;

	return *(const __u32 *)(const void *)mac ==
	    *(const volatile __u32 *)(const volatile void *)own &&
	    *(const __u16 *)(const void *)(mac + 4) ==
	    *(const volatile __u16 *)(const volatile void *)(own + 4);
}

static __attribute__((noinline)) int
is_own_ip4(__u32 ip)
{
	int own = 0;

	for (__u32 i = 0; i < GUARD_MAX_IPS; i++)
		own |= i < config.nip4 && config.ip4[i] == ip;
	return own;
}

static __attribute__((noinline)) int
is_own_ip6(const __u32 *ip)
{
	int own = 0;

	for (__u32 i = 0; i < GUARD_MAX_IPS; i++)
		own |= i < config.nip6 && config.ip6[i][0] == ip[0] &&
		    config.ip6[i][1] == ip[1] && config.ip6[i][2] == ip[2] &&
		    config.ip6[i][3] == ip[3];
	/* fe80::/10 */
	return own | ((ip[0] & __builtin_bswap32(0xffc00000)) ==
	    __builtin_bswap32(0xfe800000));
}

/* What cannot be read claims nothing that is guarded, without addresses. */
static __always_inline int
unreadable(void)
{
	return config.ips ? GUARD_MALFORMED : GUARD_PASS;
}

static __always_inline int
check_arp(const struct frame *f)
{
	__u8 head[8], mac[6];
	__u32 ip;

	if (!load(f, 0, head, sizeof(head)) || !load(f, 8, mac, sizeof(mac)) ||
	    !load(f, 14, &ip, sizeof(ip)))
		return unreadable();
	/* Ethernet and IPv4; there is no other ARP today. */
	if (be16(head) != 1 || be16(head + 2) != ETH_P_IP || head[4] != 6 ||
	    head[5] != 4)
		return unreadable();
	if (!is_own_mac(mac))
		return GUARD_CLAIM;
	/* 0.0.0.0: a probe (RFC 5227), which claims nothing. */
	return !config.ips || ip == 0 || is_own_ip4(ip) ? GUARD_PASS : GUARD_ARP;
}

static __always_inline int
check_ip4(const struct frame *f)
{
	__u8 head[20], udp[4];
	__u32 ip;

	if (!config.ips)
		return GUARD_PASS;
	if (!load(f, 0, head, sizeof(head)) || (head[0] & 0xf0) != 0x40 ||
	    (head[0] & 0x0f) < 5)
		return GUARD_MALFORMED;
	ip = *(__u32 *)(void *)(head + 12);
	if (is_own_ip4(ip))
		return GUARD_PASS;
	/* A DHCP client, not in fragments. */
	if (ip == 0 && head[9] == 17 && (be16(head + 6) & 0x3fff) == 0 &&
	    load(f, (head[0] & 0x0fu) * 4, udp, sizeof(udp)) &&
	    be16(udp) == 68 && be16(udp + 2) == 67)
		return GUARD_PASS;
	return GUARD_IP4;
}

/* Link-layer addresses in the options of neighbour discovery (RFC 4861, 4.6). */
static __attribute__((noinline)) int
check_options(const struct frame *f, __u32 at)
{
	for (int i = 0; i < MAX_OPTIONS; i++) {
		__u8 head[2], mac[6];

		if (f->at + at >= f->skb->len)
			return GUARD_PASS;
		/* A length of 0 makes the whole message void. */
		if (!load(f, at, head, sizeof(head)) || head[1] == 0)
			return GUARD_MALFORMED;
		if (head[0] == 1 || head[0] == 2) {
			if (!load(f, at + 2, mac, sizeof(mac)))
				return GUARD_MALFORMED;
			if (!is_own_mac(mac))
				return GUARD_CLAIM;
		}
		at += (__u32)head[1] * 8;
	}
	return f->at + at >= f->skb->len ? GUARD_PASS : GUARD_MALFORMED;
}

/* Neighbour discovery; @nobody: the source is ::. */
static __always_inline int
check_icmp6(const struct frame *f, int nobody)
{
	__u32 target[4];
	__u8 type;

	if (!load(f, 0, &type, 1))
		return unreadable();
	switch (type) {
	case ICMP6_RS:
		return check_options(f, 8);
	case ICMP6_NS:
	case ICMP6_NA:
		if (!load(f, 8, target, sizeof(target)))
			return unreadable();
		/* Asking for others is what a solicitation is for; from :: it
		 * is a claim. */
		if (config.ips && (type == ICMP6_NA || nobody) &&
		    !is_own_ip6(target))
			return GUARD_ND;
		return check_options(f, 24);
	case ICMP6_RA:
		return config.ips ? GUARD_ROUTER : check_options(f, 16);
	case ICMP6_REDIRECT:
		return config.ips ? GUARD_ROUTER : check_options(f, 40);
	case ICMP6_MLD_REPORT:
	case ICMP6_MLD_DONE:
	case ICMP6_MLD2_REPORT:
		return GUARD_PASS;
	default:
		return config.ips && nobody ? GUARD_IP6 : GUARD_PASS;
	}
}

static __always_inline int
check_ip6(struct frame *f)
{
	__u8 head[8], extension[4];
	__u32 source[4];
	int nobody;
	__u8 next;

	if (!load(f, 0, head, sizeof(head)) || (head[0] & 0xf0) != 0x60 ||
	    !load(f, 8, source, sizeof(source)))
		return unreadable();
	nobody = (source[0] | source[1] | source[2] | source[3]) == 0;
	if (config.ips && !nobody && !is_own_ip6(source))
		return GUARD_IP6;
	next = head[6];
	f->at += 40;
	for (int i = 0; i < MAX_EXTENSIONS; i++) {
		if (next == 58)
			return check_icmp6(f, nobody);
		/* Hop-by-hop, routing, fragment, destination options. */
		if (next != 0 && next != 43 && next != 44 && next != 60)
			return config.ips && nobody ? GUARD_IP6 : GUARD_PASS;
		if (!load(f, 0, extension, sizeof(extension)))
			return unreadable();
		/* Neighbour discovery in fragments is void (RFC 6980), and
		 * what else comes later has no header to look at. */
		if (next == 44 && (be16(extension + 2) & 0xfff8) != 0)
			return config.ips && nobody ? GUARD_IP6 : GUARD_PASS;
		f->at += next == 44 ? 8 : ((__u32)extension[1] + 1) * 8;
		next = extension[0];
	}
	return unreadable();
}

static __always_inline int
check(struct frame *f)
{
	__u8 ether[14], tag[4];
	__u32 protocol;

	if (!load(f, 0, ether, sizeof(ether)))
		return GUARD_MALFORMED;
	if (!is_own_mac(ether + 6))
		return GUARD_MAC;
	protocol = be16(ether + 12);
	f->at = 14;
	for (int i = 0; i < MAX_TAGS; i++) {
		if (protocol != ETH_P_8021Q && protocol != ETH_P_8021AD)
			break;
		if (!load(f, 0, tag, sizeof(tag)))
			return unreadable();
		protocol = be16(tag + 2);
		f->at += 4;
	}
	switch (protocol) {
	case ETH_P_ARP:
	case ETH_P_RARP:
		return check_arp(f);
	case ETH_P_IP:
		return check_ip4(f);
	case ETH_P_IPV6:
		return check_ip6(f);
	default:
		return config.ips ? GUARD_PROTOCOL : GUARD_PASS;
	}
}

SEC("tc")
int
guard(struct __sk_buff *skb)
{
	struct frame f = { .skb = skb };
	__u32 reason = (__u32)check(&f);

	if (reason == GUARD_PASS || reason >= GUARD_REASONS)
		return NEXT;
	__sync_fetch_and_add(&counts.dropped[reason], 1);
	return DROP;
}

/* The kernel asks; its helpers for GPL programs alone are not used. */
const char license_text[] SEC("license") = "Apache-2.0";
