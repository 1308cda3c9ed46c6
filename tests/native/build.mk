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

# Block workers of other versions, to upgrade from and to (tests/guest/upgrade.sh).
define version_program
PROGRAMS += test-blk-$(1)
test-blk-$(1)_SRCS = tests/native/version_$(1).c \
	$$(filter-out device-workers/lib/version.c,$$(bulkhead-blk_SRCS))
test-blk-$(1)_POLICY := device-workers/blk/blk_policy.c
test-blk-$(1)_LDLIBS = $$(bulkhead-blk_LDLIBS)
endef
$(foreach v,previous next foreign,$(eval $(call version_program,$(v))))
