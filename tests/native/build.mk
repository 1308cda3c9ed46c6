# SPDX-License-Identifier: Apache-2.0
#
# Native tests of device workers: NATIVE_TESTS += name, native_name_SRCS :=
# sources (fakevm is linked to all); tests/native/NAME runs build/native/name.
NATIVE_TESTS += worker
native_worker_SRCS := tests/native/worker_test.c
