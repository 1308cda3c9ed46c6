/* SPDX-License-Identifier: Apache-2.0 */
/* Private to arch/kvm: registers, for x86_64.c, which has them, and x86_64_saved.c. */
#ifndef BULKHEAD_ARCH_KVM_X86_64_H
#define BULKHEAD_ARCH_KVM_X86_64_H

#include "arch/kvm/kvm.h"
#include "arch/x86_64/state.h"

struct kvm_segment kvm_hv_segment(const struct x86_segment *s);
struct x86_segment kvm_hv_segment_from(const struct kvm_segment *s);
int kvm_hv_get_regs(struct hv_vcpu *vcpu, struct arch_vcpu_state *st);
int kvm_hv_set_regs(struct hv_vcpu *vcpu, const struct arch_vcpu_state *st);

/* x86_64_saved.c: which MSRs there are, asked of /dev/kvm at @dev_fd. */
int kvm_hv_list_msrs(int dev_fd);
/* Before the filter, with CPUID: which of them a vCPU really has. */
int kvm_hv_probe_vcpu(struct hv_vcpu *vcpu);

/* x86_64_clock.c; what it has is before the filter, too. */
struct arch_vcpu_saved;
void kvm_hv_probe_tsc(struct hv_vcpu *vcpu);
int kvm_hv_get_tsc(struct hv_vcpu *vcpu, struct arch_vcpu_saved *out);
int kvm_hv_set_tsc(struct hv_vcpu *vcpu, const struct arch_vcpu_saved *in,
    const char **why);

#endif
