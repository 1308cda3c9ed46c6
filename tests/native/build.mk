# SPDX-License-Identifier: Apache-2.0
#
# Native tests of device workers: NATIVE_TESTS += name, native_name_SRCS :=
# sources (fakevm is linked to all); tests/native/NAME runs build/native/name.
NATIVE_TESTS += worker worker_quiet worker_record
native_worker_SRCS := tests/native/worker_test.c
native_worker_quiet_SRCS := tests/native/worker_quiet_test.c
native_worker_record_SRCS := tests/native/worker_record_test.c

PROGRAMS += test-echo
test-echo_SRCS := tests/native/echo.c $(WORKER_SRCS)
test-echo_POLICY := tests/native/echo_policy.c

# Workers of other versions, to upgrade from and to (tests/guest/upgrade.sh): of each
# kind that hands its state over one of the version before.
define version_program
PROGRAMS += test-$(1)-$(2)
test-$(1)-$(2)_SRCS = tests/native/version_$(2).c \
	$$(filter-out device-workers/lib/version.c,$$(bulkhead-$(1)_SRCS))
test-$(1)-$(2)_POLICY := device-workers/$(1)/$(1)_policy.c
test-$(1)-$(2)_LDLIBS = $$(bulkhead-$(1)_LDLIBS)
endef
$(foreach v,previous next foreign,$(eval $(call version_program,blk,$(v))))
$(foreach k,net rng console balloon pmem vsock,$(eval $(call version_program,$(k),previous)))
