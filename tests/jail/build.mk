# SPDX-License-Identifier: Apache-2.0
FILTERS += plain
plain_POLICY := tests/jail/plain_policy.c
