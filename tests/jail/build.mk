# SPDX-License-Identifier: Apache-2.0
FILTERS += plain
plain_POLICY := tests/jail/plain_policy.c
FILTERS += loose
loose_POLICY := tests/jail/loose_policy.c
