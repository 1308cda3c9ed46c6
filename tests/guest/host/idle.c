/* SPDX-License-Identifier: Apache-2.0 */
/* A program that is no worker: it says nothing, for ever, or called exits ends. */
#include <unistd.h>

int main(void)
{
#ifdef EXITS
	return 1;
#endif
	for (;;)
		(void)pause();
}
