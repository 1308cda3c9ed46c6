/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start of a passt, see passt.h. All that the order holds are numbers and
 * addresses; the words are put together here, so that no order makes passt write
 * a file.
 */
#include "controller/spawner/passt.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <linux/landlock.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/slots.h"
#include "sandbox/kernel_compat.h"

#define ADDRESS_SPACE (1ull << 30)

/* ---- its command line -------------------------------------------------------------- */

/* Literals: nobody writes to them. */
static void
add(struct passt_start *s, const char *word)
{
	union { const char *in; char *out; } u = { .in = word };

	s->argv[s->nargv++] = u.out;
}

static char *
new_word(struct passt_start *s)
{
	char *word = s->words[s->nwords++];

	s->argv[s->nargv++] = word;
	return word;
}

static void
add_address(struct passt_start *s, const char *option,
    const ProtobufCBinaryData *a)
{
	if (a->len == 0)
		return;
	add(s, option);
	publish_address(a->data, a->len, new_word(s));
}

static void
add_port(struct passt_start *s, const Bh__PublishedPort *from)
{
	struct published_port port = {
		.address.len = (uint8_t)from->address.len,
		.host = (uint16_t)from->host, .guest = (uint16_t)from->guest,
	};

	if (from->address.len > 0)
		memcpy(port.address.bytes, from->address.data,
		    from->address.len);
	add(s, from->udp ? "-u" : "-t");
	publish_text(&port, new_word(s));
	if (!from->udp)
		s->ports[s->nports++] = port.host;
}

void
passt_prepare(struct passt_start *s, const Bh__UserNet *config, uint32_t id)
{
	char *word;

	s->id = id;
	s->nports = s->nwords = s->nargv = 0;
	add(s, "passt");
	add(s, "--foreground");
	add(s, "--stderr");
	add(s, "--quiet");
	/* Its pid, when it runs, goes where its complaints go. */
	add(s, "--pid");
	add(s, "/proc/self/fd/1");
	add(s, "--fd");
	word = new_word(s);
	(void)snprintf(word, PUBLISH_TEXT, "%d", FD_BACKEND);
	if (config->mtu != 0) {
		add(s, "--mtu");
		word = new_word(s);
		(void)snprintf(word, PUBLISH_TEXT, "%u", config->mtu);
	}
	if (config->host_mac.len == 6) {
		const uint8_t *m = config->host_mac.data;

		add(s, "--mac-addr");
		word = new_word(s);
		(void)snprintf(word, PUBLISH_TEXT,
		    "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3],
		    m[4], m[5]);
	}
	add_address(s, "--address", &config->address);
	add_address(s, "--netmask", &config->mask);
	add_address(s, "--gateway", &config->gateway);
	add_address(s, "--dns", &config->dns);
	if (config->no_host)
		add(s, "--no-map-gw");
	for (size_t i = 0; i < config->n_ports; i++)
		add_port(s, config->ports[i]);
	s->argv[s->nargv] = NULL;
}

/* ---- what is taken from it ----------------------------------------------------------- */

/*
 * Should: as root, be a uid of this VM's that owns nothing on this host, rather
 * than drop to nobody, who may own something.
 */
static int
drop_ids(uint32_t id)
{
	if (id == 0)
		return 0;
	if (setgroups(0, NULL) != 0 || setresgid(id, id, id) != 0 ||
	    setresuid(id, id, id) != 0)
		return -errno;
	return 0;
}

/*
 * Should: take from it what the VM's user namespace would let it do to the other
 * processes of the VM; of its own namespace it has all.
 */
static int
drop_capabilities(void)
{
	capng_clear(CAPNG_SELECT_ALL);
	return capng_apply(CAPNG_SELECT_ALL) != 0 ? -EPERM : 0;
}

/* Should: leave it memory and sockets, but no file to write and no child. */
static int
limit(void)
{
	static const struct {
		__rlimit_resource_t resource;
		rlim_t most;
	} limits[] = {
		{ RLIMIT_CORE, 0 }, { RLIMIT_FSIZE, 0 }, { RLIMIT_MEMLOCK, 0 },
		{ RLIMIT_NPROC, 1 }, { RLIMIT_AS, ADDRESS_SPACE },
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit l;

		if (getrlimit(limits[i].resource, &l) != 0)
			return -errno;
		if (l.rlim_max > limits[i].most)
			l.rlim_max = limits[i].most;
		l.rlim_cur = l.rlim_max;
		if (setrlimit(limits[i].resource, &l) != 0)
			return -errno;
	}
	return 0;
}

/*
 * Should: let it listen on the published TCP ports alone, reach no abstract
 * socket and signal nobody. Files stay: under a ruleset that handles them the
 * kernel refuses the mounts of passt's own sandbox. ABI 7, because older kernels
 * may refuse them under any ruleset.
 */
static int
restrict_ports(const struct passt_start *s)
{
	const struct compat_landlock_ruleset_attr attr = {
		.handled_access_net = COMPAT_LANDLOCK_BIND_TCP,
		.scoped = COMPAT_LANDLOCK_SCOPE_ABI6,
	};
	struct compat_landlock_net_port_attr port = {
		.allowed_access = COMPAT_LANDLOCK_BIND_TCP,
		.port = 0,	/* for connections: whichever is free */
	};
	long fd;
	int rc = 0;

	if (syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION) < 7)
		return 0;
	fd = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (fd < 0)
		return -errno;
	for (unsigned int i = 0; i <= s->nports && rc == 0; i++) {
		if (syscall(SYS_landlock_add_rule, (int)fd,
		    COMPAT_LANDLOCK_RULE_NET_PORT, &port, 0) != 0)
			rc = -errno;
		if (i < s->nports)
			port.port = s->ports[i];
	}
	if (rc == 0 && syscall(SYS_landlock_restrict_self, (int)fd, 0) != 0)
		rc = -errno;
	close((int)fd);
	return rc;
}

int
passt_confine(const struct passt_start *s)
{
	int rc;

	if (dup2(FD_CTL, 1) < 0 || dup2(FD_CTL, 2) < 0)
		return -errno;
	close(FD_CTL);
	rc = drop_ids(s->id);
	if (rc == 0 && s->id == 0)	/* else they went with the ids */
		rc = drop_capabilities();
	if (rc == 0)
		rc = limit();
	if (rc == 0)
		rc = restrict_ports(s);
	/* After the last change of ids, which clears it. */
	if (rc == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
		rc = -errno;
	return rc;
}
