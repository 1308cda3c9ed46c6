// SPDX-License-Identifier: Apache-2.0
//
// The command line: every kind of value, and every refusal with the option, the
// value and a remedy in one line.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controller/options.h"
#include "controller/values.h"

#define MAX_ARGS 40

static struct vm_spec spec;
static struct spec_error err;

/* Cut @line at blanks, '|' stands for a blank inside; parse and check. */
static int
run(const char *line)
{
	static char copy[2048];
	char *argv[MAX_ARGS] = { NULL };
	char *save = NULL, *word;
	int argc = 0, result;
	char program[] = "bulkhead";

	spec_free(&spec);
	spec_init(&spec);
	err.line[0] = '\0';
	argv[argc++] = program;
	assert_true(strlen(line) < sizeof(copy));
	strcpy(copy, line);
	for (word = strtok_r(copy, " ", &save); word != NULL;
	    word = strtok_r(NULL, " ", &save)) {
		for (char *c = word; *c != '\0'; c++)
			if (*c == '|')
				*c = ' ';
		assert_true(argc < MAX_ARGS);
		argv[argc++] = word;
	}
	result = options_parse(&spec, argc, argv, &err);
	if (result == OPTIONS_RUN)
		result = spec_check(&spec, &err);
	return result;
}

static void
accepts(const char *line)
{
	int result = run(line);

	if (result != 0)
		fail_msg("%s: refused: %s", line, err.line);
}

/* A row of refusals: the line must have each word. */
struct refusal {
	const char *line;
	const char *option, *value, *remedy;
};

static void
refuses(const struct refusal *r)
{
	if (run(r->line) >= 0)
		fail_msg("%s: accepted", r->line);
	if (strstr(err.line, r->option) == NULL ||
	    strstr(err.line, r->value) == NULL ||
	    strstr(err.line, r->remedy) == NULL)
		fail_msg("%s: says \"%s\", not %s, %s, %s", r->line, err.line,
		    r->option, r->value, r->remedy);
	assert_null(strchr(err.line, '\n'));
}

static void
readme_line(void **state)
{
	(void)state;
	accepts("--kernel ./vmlinuz --disk path=focal.raw path=cloudinit.img "
	    "--cmdline console=hvc0|root=/dev/vda1|rw --cpus boot=4 "
	    "--memory size=1024M --net tap=,mac=,ip=,mask=");
	assert_string_equal(spec.payload.cmdline, "console=hvc0 root=/dev/vda1 rw");
	assert_int_equal(spec.ndisks, 2);
	assert_string_equal(spec.disks[1].path, "cloudinit.img");
	assert_int_equal(spec.cpus.boot, 4);
	assert_int_equal(spec.cpus.max, 4);
	assert_int_equal(spec.memory.size, 1024ull << 20);
	assert_int_equal(spec.nnets, 1);
	assert_null(spec.nets[0].tap);
	assert_false(spec.nets[0].mac.given);
	assert_int_equal(spec.nets[0].ip.len, 0);
}

static void
defaults(void **state)
{
	(void)state;
	accepts("--kernel=k");
	assert_int_equal(spec.memory.size, 512ull << 20);
	assert_int_equal(spec.cpus.boot, 1);
	assert_int_equal(spec.cpus.max_phys_bits, 46);
	assert_true(spec.cpus.nested);
	assert_int_equal(spec.console.mode, PORT_TTY);
	assert_int_equal(spec.serial.mode, PORT_NULL);
	assert_int_equal(spec.debug_console.mode, PORT_OFF);
	assert_int_equal(spec.debug_console.iobase, 0xe9);
	assert_string_equal(spec.rng.src, "/dev/urandom");
	assert_int_equal(spec.seccomp, SECCOMP_ENFORCE);
}

static void
values_of_all_kinds(void **state)
{
	(void)state;
	accepts("--kernel k --cpus boot=2,max=8,topology=2:2:1:2,"
	    "affinity=[0@[0-2,5],1@[3]],max_phys_bits=40,nested=off,"
	    "core_scheduling=vcpu "
	    "--memory size=2G,hugepages=on,hugepage_size=2M,prefault=true,"
	    "shared=off,thp=false,reserve=on "
	    "--disk path=\"a,b\",readonly=on,num_queues=2,queue_size=256,"
	    "serial=S1,sparse=off,image_type=raw,id=root,pci_device_id=7,"
	    "packed=on,direct=on "
	    "--net tap=tap0,ip=192.168.249.1,mask=255.255.255.0,"
	    "mac=52:54:00:12:34:56,host_mac=02:00:00:00:00:01,mtu=1500,"
	    "num_queues=4,queue_size=512,offload_tso=off "
	    "--net fd=[5,6],num_queues=4 "
	    "tap=t,guard=on,guard_ips=[192.168.1.2,fd00::2] guard=off "
	    "--serial file=/tmp/x --console off --debug-console "
	    "null,iobase=0x402 --seccomp errno -vv "
	    "--platform system_uuid=01234567-89ab-cdef-0123-456789ABCDEF,"
	    "oem_strings=[one,\"t,wo\"],system_family=F");
	assert_int_equal(spec.cpus.topology.packages, 2);
	assert_int_equal(spec.cpus.affinity.n, 2);
	assert_int_equal(spec.cpus.affinity.of[0].ncpus, 4);
	assert_int_equal(spec.cpus.affinity.of[0].cpus[3], 5);
	assert_false(spec.cpus.nested);
	assert_int_equal(spec.cpus.core_scheduling, CORE_SCHED_VCPU);
	assert_int_equal(spec.memory.hugepage_size, 2 << 20);
	assert_true(spec.memory.prefault);
	assert_false(spec.memory.thp);
	assert_string_equal(spec.disks[0].path, "a,b");
	assert_true(spec.disks[0].pci.packed);
	assert_int_equal(spec.disks[0].pci.slot, 7);
	assert_int_equal(spec.nets[0].mac.bytes[5], 0x56);
	assert_int_equal(spec.nets[0].ip.bytes[3], 1);
	assert_int_equal(spec.nets[1].nfds, 2);
	assert_int_equal(spec.nets[1].fds[1], 6);
	assert_int_equal(spec.nets[1].guard, NET_GUARD_DEFAULT);
	assert_int_equal(spec.nets[2].guard, NET_GUARD_ON);
	assert_int_equal(spec.nets[2].nguard_ips, 2);
	assert_int_equal(spec.nets[2].guard_ips[0].bytes[3], 2);
	assert_int_equal(spec.nets[2].guard_ips[1].len, 16);
	assert_int_equal(spec.nets[3].guard, NET_GUARD_OFF);
	assert_int_equal(spec.serial.mode, PORT_FILE);
	assert_string_equal(spec.serial.path, "/tmp/x");
	assert_int_equal(spec.debug_console.iobase, 0x402);
	assert_int_equal(spec.seccomp, SECCOMP_ERRNO);
	assert_int_equal(spec.log.verbosity, 2);
	assert_int_equal(spec.platform.noem_strings, 2);
	assert_string_equal(spec.platform.oem_strings[1], "t,wo");
	accepts("--kernel k --fs tag=t,path=d,uid_map=[0:100000:65536,70000:1000:1],"
	    "gid_map=5:6:7");
	assert_int_equal(spec.fs[0].uid_map.n, 2);
	assert_int_equal(spec.fs[0].uid_map.range[1].guest, 70000);
	assert_int_equal(spec.fs[0].uid_map.range[1].host, 1000);
	assert_int_equal(spec.fs[0].gid_map.n, 1);
	assert_int_equal(spec.fs[0].gid_map.range[0].count, 7);
}

static void
rate_limits(void **state)
{
	const struct disk_spec *d;

	(void)state;
	accepts("--kernel k --disk path=a,rate_limit_group=two "
	    "path=b,bw_size=10M,bw_one_time_burst=1G,bw_refill_time=100,"
	    "ops_size=500,ops_one_time_burst=9,ops_refill_time=1000 path=c,"
	    "bw_size=0,ops_size=0 --net ops_size=3,ops_refill_time=7 "
	    "--rate-limit-group id=one,ops_size=1,ops_refill_time=2 "
	    "id=two,bw_size=1,bw_refill_time=86400000");
	d = &spec.disks[1];
	assert_int_equal(d->limit.bw.size, 10 << 20);
	assert_int_equal(d->limit.bw.burst, 1 << 30);
	assert_int_equal(d->limit.bw.refill_ms, 100);
	assert_int_equal(d->limit.ops.size, 500);
	assert_int_equal(d->limit.ops.burst, 9);
	assert_int_equal(d->limit.ops.refill_ms, 1000);
	assert_int_equal(spec.nets[0].limit.ops.size, 3);
	assert_int_equal(spec.nets[0].limit.ops.refill_ms, 7);
	assert_int_equal(spec.nets[0].limit.bw.size, 0);
	assert_int_equal(spec.nlimit_groups, 2);
	assert_int_equal(spec_limit_group(&spec, &spec.disks[0]), 1);
	assert_int_equal(spec_limit_group(&spec, d), -1);
	assert_int_equal(spec.limit_groups[1].limit.bw.refill_ms, 86400000);
	assert_int_equal(spec.disks[2].limit.bw.size, 0);
}

static void
refusals(void **state)
{
	static const struct refusal rows[] = {
		{ "", "--kernel", "missing", "--firmware" },
		{ "--kernel", "--kernel", "missing", "<path>" },
		{ "--kernel a --kernel b", "--kernel", "b", "once" },
		{ "--kernel a --firmware b", "--firmware", "a", "leave" },
		{ "--kernal a", "--kernal", "unknown", "--kernel" },
		{ "--quux", "--quux", "unknown", "--help" },
		{ "-x", "-x", "unknown", "--help" },
		{ "vmlinuz", "vmlinuz", "not an option", "--" },
		{ "--kernel k --vdpa path=x", "--vdpa", "not supported yet",
		  "leave it out" },
		{ "--kernel k --vsock cid=3", "--vsock cid=3", "no socket",
		  "add socket=<path>" },
		{ "--kernel k --vsock socket=s", "--vsock", "no context id",
		  "add cid=3" },
		{ "--kernel k --vsock cid=2,socket=s", "--vsock cid=2", "range",
		  "3 to" },
		{ "--kernel k --vsock cid=4294967295,socket=s", "--vsock cid=", "range",
		  "4294967294" },
		{ "--kernel k --vsock cid=3,socket=s --vsock cid=4,socket=t",
		  "--vsock", "1", "" },
		{ "--kernel k --vsock cid=3,socket=s,buffer=2M", "--vsock buffer=",
		  "more than 1M", "lower it" },
		{ "--kernel k --watchdog model=tco", "--watchdog model=tco", "i6300esb", "" },
		{ "--kernel k --watchdog model=i6300esb,timeout=5",
		  "--watchdog timeout=5", "guest chooses", "leave it out" },
		{ "--kernel k --watchdog model=i6300esb,packed=on", "--watchdog packed=on",
		  "no rings", "leave it out" },
		{ "--kernel k --watchdog model=i6300esb,id=a", "--watchdog id=",
		  "__watchdog", "leave it out" },
		{ "--kernel k --watchdog timeout=0", "--watchdog timeout=0", "range", "1 to" },
		{ "--kernel k --watchdog timeout=2 --watchdog timeout=3", "--watchdog",
		  "given twice", "once" },
		{ "--kernel k --watchdog=", "--watchdog", "value missing", "" },
		{ "--kernel k --rtc pci_device_id=3 --watchdog pci_device_id=3",
		  "--watchdog pci_device_id=3", "--rtc has this slot", "another" },
		{ "--kernel k --rtc --rtc", "--rtc", "at most 1", "" },
		{ "--kernel k --rng src=a,ops_size=5", "--rng", "ops_size", "ops_refill_time" },
		{ "--kernel k --cpus boot=0", "--cpus boot=0", "range", "1 to" },
		{ "--kernel k --cpus boot=1025", "--cpus", "1025", "1024" },
		{ "--kernel k --cpus boot=two", "--cpus", "two", "digits" },
		{ "--kernel k --cpus boot=1,boot=2", "--cpus", "boot", "once" },
		{ "--kernel k --cpus boot", "--cpus", "boot", "boot=<n>" },
		{ "--kernel k --cpus boot=", "--cpus", "boot=", "boot=<n>" },
		{ "--kernel k --cpus boots=1", "--cpus", "boots", "--help" },
		{ "--kernel k --cpus boot=4,max=2", "--cpus", "max=2", "raise" },
		{ "--kernel k --cpus boot=4,topology=1:2:1:1", "--cpus",
		  "1:2:1:1", "product" },
		{ "--kernel k --cpus topology=1:2", "--cpus", "1:2",
		  "threads:cores" },
		{ "--kernel k --cpus affinity=[3@[0]]", "--cpus", "3", "0" },
		{ "--kernel k --cpus boot=1,kvm_hyperv=on", "--cpus",
		  "kvm_hyperv", "not supported yet" },
		{ "--kernel k --cpus boot=1 --cpus boot=2", "--cpus", "boot=2",
		  "once" },
		{ "--kernel k --memory size=0", "--memory", "size=0", "512M" },
		{ "--kernel k --memory-zone id=a", "--memory", "512M", "size=0" },
		{ "--kernel k --memory size=0 --memory-zone size=1G",
		  "--memory-zone", "id", "missing" },
		{ "--kernel k --memory size=0 --memory-zone id=a id=a",
		  "--memory-zone", "id=a", "take another" },
		{ "--kernel k --memory size=0 --memory-zone id=_a",
		  "--memory-zone", "_a", "reserved" },
		{ "--kernel k --memory size=0 --memory-zone id=a,size=0",
		  "id=a", "size=0", "give it" },
		{ "--kernel k --memory size=0 --memory-zone id=a,size=5000",
		  "id=a", "size=5000", "4096" },
		{ "--kernel k --memory size=0 --memory-zone id=a,hotplug_size=1G",
		  "id=a", "hotplug_size=1G", "virtio-mem" },
		{ "--kernel k --memory size=0,hugepages=on --memory-zone id=a",
		  "--memory", "hugepages", "--memory-zone" },
		{ "--kernel k --memory size=0 --memory-zone id=a,host_numa_node=1024",
		  "host_numa_node", "1024", "1023" },
		{ "--kernel k --numa cpus=[0]", "--numa", "guest_numa_id",
		  "missing" },
		{ "--kernel k --numa guest_numa_id=1", "--numa", "1", "from 0" },
		{ "--kernel k --numa guest_numa_id=32", "--numa", "32", "31" },
		{ "--kernel k --numa guest_numa_id=0 guest_numa_id=0", "--numa",
		  "guest_numa_id=0", "twice" },
		{ "--kernel k --numa guest_numa_id=0,cpus=[1]", "--numa",
		  "cpus=[1]", "the last is 0" },
		{ "--kernel k --numa guest_numa_id=0,cpus=[1024]", "--numa",
		  "1024", "too large" },
		{ "--kernel k --numa guest_numa_id=0,cpus=[3-1]", "--numa",
		  "3-1", "not a list" },
		{ "--kernel k --cpus boot=2 --numa guest_numa_id=0,cpus=[0-1] "
		  "guest_numa_id=1,cpus=[1]", "--numa", "cpus=[1]", "of one" },
		{ "--kernel k --numa guest_numa_id=0,memory_zones=[a]", "--numa",
		  "[a]", "no such" },
		{ "--kernel k --memory size=0 --memory-zone id=a --numa "
		  "guest_numa_id=0,memory_zones=[a,a]", "--numa", "[a]", "twice" },
		{ "--kernel k --numa guest_numa_id=0,distances=[1@20]", "--numa",
		  "1@20", "no such node" },
		{ "--kernel k --numa guest_numa_id=0,distances=[0@9]", "--numa",
		  "0@9", "10 to 254" },
		{ "--kernel k --numa guest_numa_id=0,distances=[0@10,0@10]",
		  "--numa", "0@10", "twice" },
		{ "--kernel k --numa guest_numa_id=0,distances=[0]", "--numa",
		  "[0]", "write" },
		{ "--kernel k --numa guest_numa_id=0,pci_segments=[1]", "--numa",
		  "[1]", "num_pci_segments" },
		{ "--kernel k --memory size=1000001", "--memory", "1000001",
		  "4096" },
		{ "--kernel k --memory size=99999999T", "--memory", "99999999T",
		  "range" },
		{ "--kernel k --memory mergeable=on", "--memory", "mergeable=on",
		  "leave it out" },
		{ "--kernel k --memory hugepage_size=2M", "--memory", "2M",
		  "hugepages=on" },
		{ "--kernel k --memory size=3x", "--memory", "3x", "K, M, G" },
		{ "--kernel k --disk readonly=on", "--disk", "path", "add" },
		{ "--kernel k --disk path=", "--disk", "path=", "<path>" },
		{ "--kernel k --disk path=a,readonly=maybe", "--disk", "maybe",
		  "on nor off" },
		{ "--kernel k --disk path=a,queue_size=100", "--disk", "100",
		  "power of two" },
		{ "--kernel k --disk path=a,num_queues=2", "--disk", "2",
		  "lower" },
		{ "--kernel k --disk path=a,image_type=qcow", "--disk", "qcow2",
		  "raw" },
		{ "--kernel k --disk path=a,serial=123456789012345678901",
		  "--disk", "serial", "20" },
		{ "--kernel k --disk path=\"a", "--disk", "path", "close" },
		{ "--kernel k --disk path=a,,readonly=on", "--disk", "empty",
		  "comma" },
		{ "--kernel k --disk path=a,id=x path=b,id=x", "--disk", "id=x",
		  "another" },
		{ "--kernel k --disk path=a,id=__x", "--disk", "_x", "another" },
		{ "--kernel k --disk path=a,pci_device_id=32", "--disk", "32",
		  "31" },
		{ "--kernel k --disk path=a,pci_device_id=3 --rng "
		  "src=/dev/zero,pci_device_id=3", "--rng", "pci_device_id=3",
		  "another" },
		{ "--kernel k --disk path=a,bw_size=1M", "--disk",
		  "bw_size=1048576", "bw_refill_time" },
		{ "--kernel k --disk path=a,ops_refill_time=100", "--disk",
		  "ops_refill_time=100", "add it" },
		{ "--kernel k --disk path=a,ops_one_time_burst=7", "--disk",
		  "ops_one_time_burst=7", "ops_size" },
		{ "--kernel k --disk path=a,bw_size=1,bw_refill_time=86400001",
		  "--disk", "86400001", "86400000" },
		{ "--kernel k --disk path=a,rate_limit_group=g", "--disk",
		  "rate_limit_group=g", "--rate-limit-group id=g" },
		{ "--kernel k --rate-limit-group "
		  "id=g,bw_size=1M,bw_refill_time=100 --disk "
		  "path=a,rate_limit_group=g,ops_size=1,ops_refill_time=1",
		  "--disk", "rate_limit_group=g", "leave out" },
		{ "--kernel k --rate-limit-group bw_size=1,bw_refill_time=1",
		  "--rate-limit-group", "no name", "id=" },
		{ "--kernel k --rate-limit-group id=g", "--rate-limit-group",
		  "id=g", "bw_size" },
		{ "--kernel k --rate-limit-group id=g,ops_size=1",
		  "--rate-limit-group", "ops_size=1", "ops_refill_time" },
		{ "--kernel k --rate-limit-group id=g,ops_size=1,"
		  "ops_refill_time=1 id=g,ops_size=1,ops_refill_time=1",
		  "--rate-limit-group", "id=g", "another" },
		{ "--kernel k --net bw_refill_time=5", "--net",
		  "bw_refill_time=5", "bw_size" },
		{ "--kernel k --net rate_limit_group=g", "--net",
		  "rate_limit_group", "unknown" },
		{ "--kernel k --net ip=1.2.3.4", "--net", "ip", "mask=" },
		{ "--kernel k --net ip=1.2.3.4,mask=ff::", "--net", "ip",
		  "both" },
		{ "--kernel k --net ip=1.2.3,mask=1.2.3.4", "--net", "1.2.3",
		  "write" },
		{ "--kernel k --net mac=1:2:3", "--net", "1:2:3", "52:54" },
		{ "--kernel k --net mac=01:00:00:00:00:00", "--net",
		  "01:00:00:00:00:00", "lowest bit" },
		{ "--kernel k --net mtu=1279", "--net", "1279", "1280" },
		{ "--kernel k --net tap=seventeen-letters", "--net",
		  "seventeen-letters", "15" },
		{ "--kernel k --net tap=a/b", "--net", "a/b", "take out" },
		{ "--kernel k --net fd=[5,6]", "--net", "5", "one fd a pair" },
		{ "--kernel k --net fd=2", "--net", "fd=2", "from 3 on" },
		{ "--kernel k --net num_queues=3", "--net", "3", "pair" },
		{ "--kernel k --net offload_csum=off", "--net",
		  "offload_csum=off", "offload_tso=off" },
		{ "--kernel k --serial tty", "--serial tty", "one terminal",
		  "--console off" },
		{ "--kernel k --serial null,off", "--serial", "off", "one" },
		{ "--kernel k --serial file=", "--serial", "file=", "<path>" },
		{ "--kernel k --debug-console null,iobase=0x3f8",
		  "--debug-console", "1016", "0xe9" },
		{ "--kernel k --platform system_uuid=abc", "--platform", "abc",
		  "8-4-4-4-12" },
		{ "--kernel k --platform num_pci_segments=97", "--platform",
		  "num_pci_segments", "96" },
		{ "--kernel k --rng pci_segment=1", "--rng", "pci_segment=1",
		  "num_pci_segments" },
		{ "--kernel k --platform num_pci_segments=2 --pci-segment "
		  "pci_segment=2", "--pci-segment", "pci_segment=2", "0 to 1" },
		{ "--kernel k --pci-segment mmio32_aperture_weight=0",
		  "--pci-segment", "mmio32_aperture_weight", "1" },
		{ "--kernel k --seccomp maybe", "--seccomp", "maybe", "true" },
		{ "--kernel k --version=1", "--version", "no value", "alone" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		refuses(&rows[i]);
}

static void
one_line_whatever_comes(void **state)
{
	(void)state;
	assert_true(run("--kernel k\nl") < 0);
	assert_null(strchr(err.line, '\n'));
	assert_non_null(strstr(err.line, "k?l"));
	assert_true(run("--\x1b[31m") < 0);
	assert_null(strchr(err.line, '\x1b'));
}

static void
help_and_version(void **state)
{
	(void)state;
	assert_int_equal(run("--help"), OPTIONS_SHOW_HELP);
	assert_int_equal(run("-V"), OPTIONS_SHOW_VERSION);
	assert_int_equal(run("-vV"), OPTIONS_SHOW_VERSION);
	assert_int_equal(run("-h --version"), OPTIONS_SHOW_HELP);
}

static void
tables_are_sound(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < option_nrows; i++) {
		const struct option_row *row = &option_rows[i];

		assert_ptr_equal(options_find(row->name, strlen(row->name)),
		    row);
		assert_true(row->nsubs <= 64);
		for (uint32_t k = 0; k < row->nsubs; k++)
			for (uint32_t m = 0; m < k; m++)
				assert_string_not_equal(row->subs[k].name,
				    row->subs[m].name);
	}
}

/* Cloud Hypervisor's words for external back ends. */
static void
back_ends(void **state)
{
	(void)state;
	accepts("--kernel=k --disk vhost_user=true,socket=/d --net "
	    "vhost_user=on,socket=/n,vhost_mode=server --fs tag=share,socket=/f "
	    "--generic-vhost-user device_type=sound,socket=/g,queue_sizes=[64,128] "
	    "device_type=34,socket=/i,queue_sizes=[2]");
	assert_true(spec.disks[0].vhost.on);
	assert_string_equal(spec.disks[0].vhost.socket, "/d");
	assert_int_equal(spec.disks[0].vhost.mode, VHOST_CLIENT);
	assert_int_equal(spec.nets[0].vhost.mode, VHOST_SERVER);
	assert_string_equal(spec.fs[0].tag, "share");
	assert_int_equal(spec.fs[0].num_queues, 1);
	assert_int_equal(spec.fs[0].queue_size, 1024);
	assert_null(spec.fs[0].path);
	assert_int_equal(spec.ngenerics, 2);
	assert_int_equal(spec.generics[0].device_type, 25);
	assert_int_equal(spec.generics[0].nqueues, 2);
	assert_int_equal(spec.generics[0].queue_sizes[1], 128);
	assert_int_equal(spec.generics[1].device_type, 34);
	assert_int_equal(spec_check(&spec, &err), 0);
}

static void
sizes(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} texts[] = {
		{ 0, "0" }, { 512ull << 20, "512M" }, { 1000001, "1000001" },
		{ 1536ull << 20, "1536M" }, { 1ull << 50, "1024T" },
		{ UINT64_MAX, "18446744073709551615" },
	};
	char text[VALUE_SIZE_TEXT];
	uint64_t n;

	(void)state;
	assert_int_equal(value_size(span_of("1K"), &n), 0);
	assert_int_equal(n, 1024);
	assert_int_equal(value_size(span_of("0x10M"), &n), 0);
	assert_int_equal(n, 16ull << 20);
	assert_int_equal(value_size(span_of("3t"), &n), 0);
	assert_int_equal(n, 3ull << 40);
	assert_true(value_size(span_of("18446744073709551616"), &n) < 0);
	assert_true(value_size(span_of("16777216T"), &n) < 0);
	assert_true(value_size(span_of("K"), &n) < 0);
	assert_true(value_size(span_of(""), &n) < 0);
	assert_true(value_size(span_of("-1"), &n) < 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		value_size_text(texts[i].bytes, text);
		assert_string_equal(text, texts[i].text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readme_line),
		cmocka_unit_test(defaults),
		cmocka_unit_test(values_of_all_kinds),
		cmocka_unit_test(rate_limits),
		cmocka_unit_test(refusals),
		cmocka_unit_test(one_line_whatever_comes),
		cmocka_unit_test(help_and_version),
		cmocka_unit_test(tables_are_sound),
		cmocka_unit_test(back_ends),
		cmocka_unit_test(sizes),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	spec_free(&spec);
	return failed;
}
