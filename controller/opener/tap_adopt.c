// SPDX-License-Identifier: Apache-2.0
//
// What a tap's or macvtap's fd must be for a net worker. Called by the opener for
// those it opened, and by the controller for those it inherited.
#include <errno.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "controller/opener/opened.h"

/* In TUN_F_USO4 and 6 (Linux 6.2). */
#define OFFLOAD_USO 0x60u

#define TUN_MAJOR 10		/* /dev/net/tun; a macvtap's major is dynamic */
#define TUN_MINOR 200

int
tap_adopt(int fd, uint32_t *offloads, const char **why)
{
	static const unsigned int sets[] = {
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN |
		    TUN_F_UFO | OFFLOAD_USO,
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_UFO,
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN,
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6,
		TUN_F_CSUM, 0,
	};
	int size = (int)sizeof(struct virtio_net_hdr_mrg_rxbuf);
	struct ifreq ifr = { 0 };

	if (ioctl(fd, TUNGETIFF, &ifr) < 0) {
		*why = "not a tap";
		return -EINVAL;
	}
	if ((ifr.ifr_flags & IFF_TAP) == 0 || (ifr.ifr_flags & IFF_NO_PI) == 0 ||
	    (ifr.ifr_flags & IFF_VNET_HDR) == 0) {
		*why = "not made with IFF_TAP, IFF_NO_PI and IFF_VNET_HDR";
		return -EINVAL;
	}
	if (ioctl(fd, TUNSETVNETHDRSZ, &size) < 0)
		return -errno;
	*offloads = 0;
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)sets[i]) == 0) {
			*offloads = sets[i];
			break;
		}
	/* The worker sets what the guest's driver accepts. */
	if (ioctl(fd, TUNSETOFFLOAD, 0ul) < 0)
		return -errno;
	return 0;
}

bool
tap_macvtap_mac(int fd, uint8_t mac[6])
{
	struct ifreq ifr = { 0 };
	struct stat st;

	if (fstat(fd, &st) < 0 ||
	    st.st_rdev == makedev(TUN_MAJOR, TUN_MINOR) ||
	    ioctl(fd, SIOCGIFHWADDR, &ifr) < 0)
		return false;
	memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	return true;
}
