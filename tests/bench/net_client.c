// SPDX-License-Identifier: Apache-2.0
/*
 * A driver for the shipped bulkhead-net in its jail, on a tap that is there: it
 * keeps the ring full and polls; to receive, it floods the tap between. For net.sh.
 *	bulkhead-test-net-client send|receive TAP LEN SECONDS
 * prints the frames a second of the worker's CPU time, and its private (dirty) memory in
 * KiB before and after. The worker runs on the first CPU, the driver on the second.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "device-workers/net/net_hdr.h"
#include "tests/bench/net_frame.h"
#include "device-workers/lib/virtq.h"
#include "ipc/slots.h"
#include "tests/native/fakevm.h"

#define SIZE 256u
#define BUF (FAKEVM_DATA)
#define BUF_LEN 0x11000u

static struct fakevm vm;

static int
open_tap(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), size = 12;

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) != 0 ||
	    ioctl(fd, TUNSETVNETHDRSZ, &size) != 0)
		return -1;
	return fd;
}

static double
seconds_of(clockid_t clock)
{
	struct timespec t = { 0 };

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of its own; the pages of its program are those of all such workers. */
static unsigned int
private_kib(void)
{
	char path[64], line[128];
	unsigned int sum = 0, n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)vm.pid);
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Private_Dirty: %u", &n) == 1)
			sum += n;
	if (f != NULL)
		fclose(f);
	return sum;
}

static bool
start(int tap)
{
	static uint8_t mac[6] = { 0x52, 0x54, 0, 0, 0, 1 };
	static char id[] = "net0";
	const struct fakevm_fd fd = { FD_BACKEND, tap };
	Bh__DeviceConfig config;
	Bh__NetConfig net;

	bh__device_config__init(&config);
	bh__net_config__init(&net);
	net.mac.data = mac;
	net.mac.len = sizeof(mac);
	net.queue_pairs = 1;
	net.queue_size = SIZE;
	net.tap_offloads = TUN_F_CSUM | TUN_F_TSO4;
	config.id = id;
	config.device_case = BH__DEVICE_CONFIG__DEVICE_NET;
	config.net = &net;
	return fakevm_start(&vm, "build/bulkhead-net", &config, &fd, 1) == 0 &&
	    fakevm_activate(&vm, vm.features & ~(1ull << VIRTIO_F_RING_PACKED), 2,
	    0) == 0;
}

static void
pin(pid_t pid, unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)sched_setaffinity(pid, sizeof(set), &set);
}

int
main(int argc, char **argv)
{
	static uint8_t frame[NET_FRAME_HEADER + 65536];
	bool send = argc > 1 && argv[1][0] == 's';
	unsigned int q = send ? 1 : 0, idle;
	unsigned long n = 0;
	clockid_t worker;
	size_t size;
	int flood;
	double cpu, end;
	uint64_t cookie;
	uint32_t len;

	if (argc < 5 || fakevm_init(&vm) != 0 || !start(open_tap(argv[2])) ||
	    clock_getcpuclockid(vm.pid, &worker) != 0) {
		fprintf(stderr, "net_client: %s\n", vm.failed);
		return 1;
	}
	size = (size_t)atol(argv[3]);
	flood = send ? -1 : net_flood_open(argv[2]);
	pin(vm.pid, 0);
	pin(0, 1);
	idle = private_kib();
	net_frame(frame, size);
	memcpy(vm.ram + BUF, frame, NET_FRAME_HEADER + size);
	for (uint64_t i = 0; i < SIZE; i++) {
		struct drvq_buf buf = { BUF + (send ? 0 : i * 2048),
		    send ? NET_FRAME_HEADER + (uint32_t)size : 2048, !send };

		(void)drvq_add(&vm.q[q], &buf, 1, 0, i);
	}
	fakevm_publish(&vm, q);
	end = seconds_of(CLOCK_MONOTONIC) + atof(argv[4]);
	cpu = seconds_of(worker);
	while (seconds_of(CLOCK_MONOTONIC) < end) {
		unsigned int done = 0;

		for (; done < 64 && drvq_get(&vm.q[q], &cookie, &len); done++) {
			struct drvq_buf buf = { BUF + (send ? 0 : cookie * 2048),
			    send ? NET_FRAME_HEADER + (uint32_t)size :
			    2048, !send };

			(void)drvq_add(&vm.q[q], &buf, 1, 0, cookie);
		}
		n += done;
		if (done > 0)
			fakevm_publish(&vm, q);
		/* By turns, or the ring would be empty all through a slice. */
		if (!send)
			net_flood(flood, frame, size);
	}
	cpu = seconds_of(worker) - cpu;
	printf("%.0f %u %u\n", (double)n / cpu, idle, private_kib());
	fakevm_fini(&vm);
	return 0;
}
