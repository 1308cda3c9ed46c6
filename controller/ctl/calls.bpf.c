/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts the system calls of the processes in the map "watched". On the raw
 * tracepoint, whose second argument is the number of the call: it needs no mounted
 * tracefs and no structure of the kernel's, so that one program is right for all.
 * seccomp decides before: what it denies enters nowhere, but it exits, with the
 * registers that it came with; so are denied calls known, and their arguments.
 */
#include <linux/bpf.h>

#include <asm/ptrace.h>

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

/* By thread: 1 in a call that it was let into, else 0. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, CALLS_THREADS);
	__type(key, __u32);
	__type(value, __u32);
} inside SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, CALLS_DENIED);
	__type(key, struct calls_key);
	__type(value, struct calls_denied);
} denied SEC(".maps");

#define READ(to, regs, field) \
	bpf_probe_read_kernel(&(to), sizeof(to), &(regs)->field)

SEC("raw_tracepoint/sys_exit")
int
on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	const struct pt_regs *regs = (const struct pt_regs *)ctx->args[0];
	__u64 both = bpf_get_current_pid_tgid(), nr = 0;
	struct calls_key key = { .pid = (__u32)(both >> 32) };
	struct calls_denied now = { .count = 1 }, *was;
	__u32 tid = (__u32)both, out = 0, *in;

	if (bpf_map_lookup_elem(&watched, &key.pid) == NULL)
		return 0;
	in = bpf_map_lookup_elem(&inside, &tid);
	if (in != NULL && *in != 0) {
		*in = 0;
		return 0;
	}
	now.unsure = in == NULL;
	if (in == NULL)
		bpf_map_update_elem(&inside, &tid, &out, BPF_ANY);
	READ(nr, regs, orig_rax);
	READ(now.args[0], regs, rdi);
	READ(now.args[1], regs, rsi);
	READ(now.args[2], regs, rdx);
	READ(now.args[3], regs, r10);
	READ(now.args[4], regs, r8);
	READ(now.args[5], regs, r9);
	key.nr = (__u32)nr;
	was = bpf_map_lookup_elem(&denied, &key);
	if (was != NULL) {
		now.count += was->count;
		now.unsure += was->unsure;
	}
	bpf_map_update_elem(&denied, &key, &now, BPF_ANY);
	return 0;
}

SEC("raw_tracepoint/sys_enter")
int
on_enter(struct bpf_raw_tracepoint_args *ctx)
{
	struct calls_key key = { .pid = (__u32)(bpf_get_current_pid_tgid() >> 32) };
	__u32 tid = (__u32)bpf_get_current_pid_tgid(), in = 1;
	__u64 one = 1, *n;

	if (bpf_map_lookup_elem(&watched, &key.pid) == NULL)
		return 0;
	bpf_map_update_elem(&inside, &tid, &in, BPF_ANY);
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
