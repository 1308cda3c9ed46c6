// SPDX-License-Identifier: Apache-2.0
//
// AML, see aml.h.
#include "controller/loader/aml.h"

size_t
aml_open(struct writer *w)
{
	put_zeros(w, 4);
	return w->len - 4;
}

void
aml_close(struct writer *w, size_t at)
{
	size_t len = w->len - at;

	/* Bits 0 to 3 of the first byte, then three whole bytes. */
	set(w, at - w->start, 0xc0 | (len & 0xf), 1);
	set(w, at - w->start + 1, len >> 4, 3);
}

void
aml_number(struct writer *w, uint32_t number)
{
	put(w, AML_DWORD, 1);
	put(w, number, 4);
}

size_t
aml_scope_in_sb(struct writer *w, const char *name)
{
	size_t scope;

	put(w, AML_SCOPE, 1);
	scope = aml_open(w);
	put(w, AML_ROOT, 1);
	put(w, AML_DUAL_NAME, 1);
	put_bytes(w, "_SB_", 4);
	put_bytes(w, name, 4);
	return scope;
}

size_t
aml_if_arg0_is(struct writer *w, uint32_t number)
{
	size_t block;

	put(w, AML_IF, 1);
	block = aml_open(w);
	put(w, AML_EQUAL, 1);
	put(w, AML_ARG0, 1);
	aml_number(w, number);
	return block;
}
