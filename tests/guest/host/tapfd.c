// SPDX-License-Identifier: Apache-2.0
//
// tapfd TAP FD COMMAND...: opens a tap, made if there is none, at descriptor FD
// and executes COMMAND with it, as a manager does that runs VMs with --net fd=.
// Used by tests/guest/run.
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd;

	if (argc < 4 || strlen(argv[1]) >= sizeof(r.ifr_name))
		return 2;
	strcpy(r.ifr_name, argv[1]);
	fd = open("/dev/net/tun", O_RDWR);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r) < 0 ||
	    dup2(fd, atoi(argv[2])) < 0) {
		perror("tapfd");
		return 2;
	}
	if (fd != atoi(argv[2]))
		close(fd);
	execvp(argv[3], argv + 3);
	perror(argv[3]);
	return 2;
}
