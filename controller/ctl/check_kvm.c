/* SPDX-License-Identifier: Apache-2.0 */
/* The doctor's checks of KVM, see check.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "controller/ctl/check.h"
#include "controller/ctl/probe.h"
#include "controller/ctl/stock_guest.h"

void
check_kvm(struct finding *f)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int api;

	if (fd < 0) {
		if (errno == EACCES || errno == EPERM)
			finding_set(f, VERDICT_MISSING, "no right to /dev/kvm: "
			    "sudo usermod -aG kvm $USER, then log in again");
		else if (errno == ENOENT)
			finding_set(f, VERDICT_MISSING, "no /dev/kvm: enable "
			    "virtualization in the firmware, then modprobe "
			    "kvm_intel or kvm_amd");
		else
			finding_set(f, VERDICT_MISSING, "/dev/kvm: %s; modprobe "
			    "kvm_intel or kvm_amd, and see dmesg",
			    strerror(errno));
		return;
	}
	api = ioctl(fd, KVM_GET_API_VERSION, 0);
	close(fd);
	if (api == KVM_API_VERSION)
		finding_set(f, VERDICT_OK, "/dev/kvm, API version %d", api);
	else
		finding_set(f, VERDICT_MISSING, "API version %d instead of %d: "
		    "boot a newer kernel", api, KVM_API_VERSION);
}

void
check_kvm_features(struct finding *f)
{
	static const struct { int cap; const char *name; } needed[] = {
		{ KVM_CAP_USER_MEMORY, "user memory" },
		{ KVM_CAP_IRQFD, "irqfd" },
		{ KVM_CAP_IOEVENTFD, "ioeventfd" },
		{ KVM_CAP_SPLIT_IRQCHIP, "split irqchip" },
		{ KVM_CAP_SIGNAL_MSI, "MSI" },
		{ KVM_CAP_IMMEDIATE_EXIT, "immediate exit" },
		{ KVM_CAP_X2APIC_API, "x2APIC" },
	};
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vcpus;

	if (fd < 0) {
		finding_set(f, VERDICT_MISSING, "not known before kvm is ok");
		return;
	}
	vcpus = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	finding_set(f, VERDICT_OK, "irqfd, ioeventfd, split irqchip, x2APIC; up "
	    "to %d vCPUs", vcpus);
	for (unsigned int i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (ioctl(fd, KVM_CHECK_EXTENSION, needed[i].cap) <= 0)
			finding_set(f, VERDICT_MISSING, "KVM has no %s: boot "
			    "Linux 6.1 or later", needed[i].name);
	close(fd);
}

void
check_stock_guests(struct finding *f)
{
	if (access("/dev/kvm", R_OK | W_OK) != 0) {
		finding_set(f, VERDICT_MISSING, "not known before kvm is ok");
		return;
	}
	switch (stock_guest_try()) {
	case STOCK_GUEST_RUNS:
		finding_set(f, VERDICT_OK, "the processor executes guests");
		break;
	case STOCK_GUEST_EMULATED:
		finding_set(f, VERDICT_MISSING, "KVM here emulates guests, no "
		    "stock kernel boots: use a host with svm or vmx in "
		    "/proc/cpuinfo (`make demo` uses the lab)");
		break;
	case STOCK_GUEST_FAILED:
	default:
		finding_set(f, VERDICT_MISSING, "a test guest of eight "
		    "instructions did not run: see dmesg; is another hypervisor "
		    "active?");
		break;
	}
}

void
check_nested(struct finding *f)
{
	static const struct { const char *module, *path; } parameter[] = {
		{ "kvm_intel", "/sys/module/kvm_intel/parameters/nested" },
		{ "kvm_amd", "/sys/module/kvm_amd/parameters/nested" },
	};
	char text[8];

	for (unsigned int i = 0; i < 2; i++) {
		if (probe_read(parameter[i].path, text, sizeof(text)) < 0)
			continue;
		if (text[0] == 'Y' || text[0] == '1')
			finding_set(f, VERDICT_OK, "guests may run guests (%s)",
			    parameter[i].module);
		else
			finding_set(f, VERDICT_GAP, "off: for --cpus nested=on, "
			    "modprobe -r %s; modprobe %s nested=1",
			    parameter[i].module, parameter[i].module);
		return;
	}
	finding_set(f, VERDICT_GAP, "neither kvm_intel nor kvm_amd is loaded: "
	    "guests cannot run guests");
}
