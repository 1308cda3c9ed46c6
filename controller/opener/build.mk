# SPDX-License-Identifier: Apache-2.0
PROGRAMS += bulkhead-opener
bulkhead-opener_SRCS := $(addprefix controller/opener/,opener.c opened.c below.c tap.c \
	tap_adopt.c connect.c allow.c) $(CHILD_SRCS)
bulkhead-opener_POLICY := controller/opener/opener_policy.c

PROGRAMS += bulkhead-guard
bulkhead-guard_SRCS := $(addprefix controller/opener/,opener.c guard.c allow.c) \
	$(CHILD_SRCS)
bulkhead-guard_POLICY := controller/opener/guard_policy.c
bulkhead-guard_LDLIBS := -lbpf -lelf -lz

PROGRAMS += bulkhead-snapshot
bulkhead-snapshot_SRCS := $(addprefix controller/opener/,opener.c snapshot.c below.c allow.c) \
	controller/migration/files.c $(CHILD_SRCS)
bulkhead-snapshot_POLICY := controller/opener/snapshot_policy.c

# The guard's BPF program, an ELF object that its process has inside it.
$(GEN)/guard.bpf.o: controller/opener/guard.bpf.c controller/opener/guard.h
	@mkdir -p $(@D)
	$(Q)$(CLANG) -target bpf -mcpu=v2 -O2 -Wall -Wextra -Werror -I. \
		-I/usr/include/$(shell $(CC) -print-multiarch) -c -o $@ $<
$(GEN)/guard_object.h: $(GEN)/guard.bpf.o
	$(Q){ echo '/* Made from guard.bpf.c. */'; \
		echo '_Alignas(8) static const unsigned char guard_object[] = {'; \
		od -An -v -tx1 $< | sed 's/ \(..\)/0x\1,/g'; echo '};'; } > $@
$(BUILD)/obj/controller/opener/guard.o: $(GEN)/guard_object.h

NATIVE_TESTS += guard
native_guard_SRCS := tests/native/guard_test.c controller/opener/guard.c \
	controller/spawner/filter.c
native_guard_LDLIBS := -Wl,--wrap=bpf_link_create -lbpf -lelf -lz
