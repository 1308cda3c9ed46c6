// SPDX-License-Identifier: Apache-2.0
//
// --help, made from the option table so that it cannot be out of date.
#include <stdio.h>
#include <string.h>

#include "controller/options.h"

#define INDENT 6u
#define COLUMN 34u

/* @text from column COLUMN on, wrapped at @width. */
static void
describe(const char *text, unsigned int at, unsigned int width)
{
	if (text == NULL || text[0] == '\0') {
		putchar('\n');
		return;
	}
	if (at + 2 > COLUMN) {
		putchar('\n');
		at = 0;
	}
	printf("%*s", (int)(COLUMN - at), "");
	at = COLUMN;
	while (*text != '\0') {
		size_t word = strcspn(text, " ");

		if (at > COLUMN && at + word > width) {
			printf("\n%*s", (int)COLUMN, "");
			at = COLUMN;
		}
		printf("%.*s", (int)word, text);
		at += (unsigned int)word;
		text += word;
		while (*text == ' ') {
			text++;
			if (*text != '\0' && at + 1 + strcspn(text, " ") <=
			    width) {
				putchar(' ');
				at++;
			} else if (*text != '\0') {
				printf("\n%*s", (int)COLUMN, "");
				at = COLUMN;
			}
		}
	}
	putchar('\n');
}

static void
help_sub(const struct sub_option *sub, unsigned int width)
{
	bool bare = sub->type == SUB_MODE;
	int n;

	if (sub->type == SUB_LATER)
		return;
	n = printf("%*s%s%s%s", (int)INDENT, "", sub->name, bare ? "" : "=",
	    bare || sub->meta == NULL ? "" : sub->meta);
	describe(sub->help, n < 0 ? 0 : (unsigned int)n, width);
}

static void
help_row(const struct option_row *row, unsigned int width)
{
	bool subs = row->kind == OPTION_SUBS || row->kind == OPTION_SUBS_LIST;
	char letter[8] = "";
	int n;

	if (row->letter != '\0')
		(void)snprintf(letter, sizeof(letter), "-%c, ", row->letter);
	n = printf("  %s--%s%s%s", letter, row->name,
	    row->meta != NULL || subs ? " " : "",
	    row->meta != NULL ? row->meta :
	    row->kind == OPTION_SUBS_LIST ? "<..> [<..>]" : subs ? "<..>" : "");
	describe(row->help, n < 0 ? 0 : (unsigned int)n, width);
	for (uint32_t i = 0; i < row->nsubs; i++)
		help_sub(&row->subs[i], width);
}

void
options_help(unsigned int width)
{
	unsigned int at = 2;

	if (width < 60)
		width = 60;
	if (width > 100)
		width = 100;
	printf("Usage: bulkhead --kernel <path> [option ...]\n\n"
	    "Runs one virtual machine, each part of it in a jailed process of "
	    "its own.\n\n"
	    "  bulkhead --kernel vmlinuz --initramfs initrd --disk path=root.img "
	    "\\\n    --cpus boot=4 --memory size=1024M --net tap=,mac=,ip=,mask= "
	    "\\\n    --cmdline \"console=hvc0 root=/dev/vda rw\"\n\n"
	    "Values: k=v,k=v; \"quotes\" keep commas; [a,b] lists; sizes with "
	    "K, M, G, T.\nWherever a path is due, fd=<n> is an open file that was "
	    "passed on.\nWhat follows a semicolon below is the default.\n\n");
	for (unsigned int i = 0; i < option_nrows; i++)
		if (option_rows[i].kind != OPTION_LATER &&
		    option_rows[i].kind != OPTION_LATER_FLAG)
			help_row(&option_rows[i], width);
	printf("\nOf Cloud Hypervisor, not supported yet:\n ");
	for (unsigned int i = 0; i < option_nrows; i++) {
		size_t len = strlen(option_rows[i].name) + 3;

		if (option_rows[i].kind != OPTION_LATER &&
		    option_rows[i].kind != OPTION_LATER_FLAG)
			continue;
		if (at + len > width) {
			printf("\n ");
			at = 2;
		}
		printf(" --%s", option_rows[i].name);
		at += (unsigned int)len;
	}
	printf("\n\nExit status: 0 the guest powered off or the VM was stopped; "
	    "1 it failed;\n2 the command line is wrong.\n");
}
