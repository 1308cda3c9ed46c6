// SPDX-License-Identifier: Apache-2.0
//
// The checks of --net that need more than one value, for spec.c.
#include "controller/spec_int.h"

#include <string.h>

#include "controller/usage.h"

static int
check_vhost_net(const struct net_spec *n, struct spec_error *err)
{
	struct span socket = span_of(n->vhost.socket);
	const char *what = n->tap != NULL ? "tap" : n->nfds != 0 ? "fd" :
	    n->user ? "user" : n->guard == NET_GUARD_ON ? "guard" :
	    n->nguard_ips != 0 ? "guard_ips" :
	    n->ip.len != 0 ? "ip" : n->mask.len != 0 ? "mask" :
	    n->host_mac.given ? "host_mac" :
	    n->limit.bw.size != 0 ? "bw_size" :
	    n->limit.ops.size != 0 ? "ops_size" : NULL;

	if (what != NULL)
		return usage(err, "--net vhost_user=true,socket=%S: %s is for the "
		    "back end to know; leave it out here", &socket, what);
	return 0;
}

/* What belongs to user=on without it, and with it what does not. */
static int
check_user_net(const struct net_spec *n, struct span tap, struct spec_error *err)
{
	const struct user_net_spec *u = &n->user_net;

	if (!n->user) {
		if (u->nports != 0 || !u->host || u->address.len != 0 ||
		    u->mask.len != 0 || u->gateway.len != 0 || u->dns.len != 0)
			return usage(err, "--net %s: only for rootless "
			    "networking; add user=on", u->nports != 0 ?
			    "publish" : !u->host ? "user_host=off" :
			    u->address.len != 0 ? "user_address" :
			    u->mask.len != 0 ? "user_mask" :
			    u->gateway.len != 0 ? "user_gateway" : "user_dns");
		return 0;
	}
	if (n->tap != NULL)
		return usage(err, "--net user=on,tap=%S: passt takes the tap's "
		    "place; leave one out", &tap);
	if (n->nfds != 0)
		return usage(err, "--net user=on,fd=%u: passt takes the tap's "
		    "place; leave one out", (unsigned)n->fds[0]);
	if (n->ip.len != 0 || n->mask.len != 0)
		return usage(err, "--net user=on,ip: there is no tap to have an "
		    "address; for the guest's write user_address");
	if (n->num_queues != 2)
		return usage(err, "--net user=on,num_queues=%u: passt has one "
		    "pair of queues; leave num_queues out", n->num_queues);
	if (n->mtu > 65520)
		return usage(err, "--net user=on,mtu=%u: passt can have at most "
		    "65520; lower it", n->mtu);
	if (u->mask.len != 0 && u->mask.len != u->address.len)
		return usage(err, "--net user_mask: belongs to a user_address "
		    "of its kind; give both or none");
	if (u->mask.len == 16)
		return usage(err, "--net user_mask: IPv6 addresses have none "
		    "here; leave it out");
	return 0;
}

static int
check_net_host(const struct net_spec *n, struct span tap, struct spec_error *err)
{
	if (n->nfds != 0 && n->tap != NULL)
		return usage(err, "--net tap=%S: not together with fd; leave "
		    "one out", &tap);
	if (n->nfds != 0 && (n->ip.len != 0 || n->mask.len != 0 ||
	    n->host_mac.given))
		return usage(err, "--net fd=%u: ip, mask and host_mac are for a "
		    "tap; set them where the tap is made", (unsigned)n->fds[0]);
	if (n->nfds != 0 && n->nfds != n->num_queues / 2)
		return usage(err, "--net fd=%u: %u fds for %u queues; one fd a "
		    "pair of queues", (unsigned)n->fds[0], n->nfds,
		    n->num_queues);
	if ((n->ip.len != 0) != (n->mask.len != 0))
		return usage(err, "--net %s: ip and mask belong together; add "
		    "%s=", n->ip.len != 0 ? "ip" : "mask",
		    n->ip.len != 0 ? "mask" : "ip");
	if (n->ip.len != n->mask.len)
		return usage(err, "--net ip: ip and mask are not of one kind; "
		    "make both IPv4 or both IPv6");
	for (size_t i = 0; i < tap.len; i++)
		if (strchr("/:% ", tap.at[i]) != NULL)
			return usage(err, "--net tap=%S: not an interface's "
			    "name; take out '/', ':', '%%' and blanks", &tap);
	return 0;
}

static int
check_guard(const struct net_spec *n, struct spec_error *err)
{
	if (n->guard == NET_GUARD_OFF && n->nguard_ips != 0)
		return usage(err, "--net guard=off: not together with guard_ips; "
		    "leave one out");
	if (n->user && (n->guard == NET_GUARD_ON || n->nguard_ips != 0))
		return usage(err, "--net user=on,guard: a guard is for a tap, "
		    "and passt has rules of its own; leave guard and guard_ips "
		    "out");
	if (n->nfds != 0 && (n->guard == NET_GUARD_ON || n->nguard_ips != 0))
		return usage(err, "--net fd=%u: a guard is for a tap that is "
		    "given by name; leave guard and guard_ips out",
		    (unsigned)n->fds[0]);
	return 0;
}

int
spec_check_net(const struct net_spec *n, struct spec_error *err)
{
	struct span tap = span_of(n->tap != NULL ? n->tap : "");
	int bad;

	if (n->num_queues % 2 != 0)
		return usage(err, "--net num_queues=%u: odd; two queues a pair",
		    n->num_queues);
	if (!spec_power_of_two(n->queue_size))
		return usage(err, "--net queue_size=%u: not a power of two; "
		    "write 256 or 512", n->queue_size);
	if (!n->offload_csum && (n->offload_tso || n->offload_ufo))
		return usage(err, "--net offload_csum=off: tso and ufo need it; "
		    "add offload_tso=off,offload_ufo=off");
	bad = spec_check_vhost("net", &n->vhost, err);
	if (bad != 0 || n->vhost.on)
		return bad != 0 ? bad : check_vhost_net(n, err);
	bad = check_user_net(n, tap, err);
	if (bad != 0)
		return bad;
	bad = spec_check_limit("net", &n->limit, err);
	if (bad == 0)
		bad = check_guard(n, err);
	return bad != 0 ? bad : check_net_host(n, tap, err);
}
