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
