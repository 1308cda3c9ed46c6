/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts the system calls of the processes in the map "watched". On the raw
 * tracepoint, whose second argument is the number of the call: it needs no mounted
 * tracefs and no structure of the kernel's, so that one program is right for all.
 * seccomp decides before: what it denies does not come here.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "controller/ctl/calls.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, CALLS_PROCESSES);
	__type(key, __u32);
	__type(value, __u32);
} watched SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, CALLS_COUNTED);
	__type(key, struct calls_key);
	__type(value, __u64);
} counts SEC(".maps");

SEC("raw_tracepoint/sys_enter")
int
on_enter(struct bpf_raw_tracepoint_args *ctx)
{
	struct calls_key key = { .pid = (__u32)(bpf_get_current_pid_tgid() >> 32) };
	__u64 one = 1, *n;

	if (bpf_map_lookup_elem(&watched, &key.pid) == NULL)
		return 0;
	key.nr = (__u32)ctx->args[1];
	n = bpf_map_lookup_elem(&counts, &key);
	if (n != NULL)
		__sync_fetch_and_add(n, 1);
	else if (bpf_map_update_elem(&counts, &key, &one, BPF_NOEXIST) != 0) {
		n = bpf_map_lookup_elem(&counts, &key);
		if (n != NULL)	/* another CPU was first */
			__sync_fetch_and_add(n, 1);
	}
	return 0;
}

char terms[] SEC("license") = "Dual BSD/GPL";
