# SPDX-License-Identifier: Apache-2.0
UNIT_TESTS += filter_model notify
unit_filter_model_SRCS := tests/unit/filter_model_test.c sandbox/filter_model.c
unit_notify_SRCS := tests/unit/notify_test.c sandbox/notify.c
